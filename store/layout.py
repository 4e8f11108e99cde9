"""How `position` lies in the database: partitions by day, or chunks of a TimescaleDB hypertable; and its live views.

The migrations are one text for every server. What differs is done here, once, in the transaction that makes the views:
where the server offers the extension, an empty partitioned table becomes a hypertable. A table that holds positions
stays as it is until `store.conversion` is asked.
"""

from typing import Any

import psycopg
from psycopg import Connection, sql

from store.live_views import make_views

LEVELS = ("plain", "timescale-apache", "timescale")
"""What a server can: nothing of TimescaleDB, hypertables only, everything."""


def offer_extension(conn: Connection[Any], conninfo: str) -> None:
    """Create the extension where the server offers and has loaded it; a refusal only means that the level is plain.

    On a connection of its own: a library that was not preloaded may end it.
    """
    row = conn.execute(
        """
        SELECT installed_version IS NULL AND current_setting('timescaledb.max_background_workers', true) IS NOT NULL
        FROM pg_available_extensions WHERE name = 'timescaledb'
        """
    ).fetchone()
    conn.commit()
    if row is None or not row[0]:
        return
    try:
        with psycopg.connect(conninfo, autocommit=True) as other:
            other.execute("SET client_min_messages = warning")
            other.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.Error:
        return


def find_level(conn: Connection[Any]) -> str:
    """One of LEVELS; an extension that is offered but not created counts for nothing."""
    row = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row is None:
        return "plain"
    # The first call loads the library, and with it the setting.
    conn.execute("SELECT FROM timescaledb_information.hypertables LIMIT 0")
    row = conn.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return "timescale" if row is not None and row[0] == "timescale" else "timescale-apache"


def is_laid_out(conn: Connection[Any]) -> bool:
    """Whether the live views stand, which come last."""
    row = conn.execute("SELECT to_regclass('live_unit_day') IS NOT NULL").fetchone()
    assert row is not None
    return bool(row[0])


def find_layout(conn: Connection[Any]) -> str:
    """`partitions` or `chunks`."""
    row = conn.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = 'position'::regclass").fetchone()
    assert row is not None
    return "partitions" if row[0] else "chunks"


def lay_out(conn: Connection[Any], level: str, chunk_days: int) -> None:
    """Make the live views, before them a hypertable of an empty `position` where the level has them; in one transaction."""
    with conn.transaction():
        if level != "plain" and find_layout(conn) == "partitions" and _is_empty(conn):
            make_hypertable(conn, "position_chunks", level, chunk_days)
            conn.execute("DROP TABLE position")
            conn.execute("ALTER TABLE position_chunks RENAME TO position")
            conn.execute("ALTER INDEX position_chunks_pkey RENAME TO position_pkey")
        make_views(conn, level if find_layout(conn) == "chunks" else "plain")


def make_hypertable(conn: Connection[Any], name: str, level: str, chunk_days: int) -> None:
    """Make an empty hypertable with the columns, key and comments of `position`.

    Chunks begin at UTC midnight: no version lets them begin at another hour, and nothing rests on it.
    """
    table = sql.Identifier(name)
    conn.execute(sql.SQL("CREATE TABLE {} (LIKE position INCLUDING ALL)").format(table))
    conn.execute(
        "SELECT create_hypertable(%s::regclass, by_range('fix_time', make_interval(days => %s)),"
        " create_default_indexes => false)",
        (name, chunk_days),
    )
    row = conn.execute("SELECT obj_description('position'::regclass, 'pg_class')").fetchone()
    assert row is not None
    conn.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(row[0])))
    if level == "timescale":
        conn.execute(
            sql.SQL(
                "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = 'vehicle_id',"
                " timescaledb.compress_orderby = 'fix_time, variant')"
            ).format(table)
        )


def _is_empty(conn: Connection[Any]) -> bool:
    row = conn.execute("SELECT NOT EXISTS (SELECT FROM position)").fetchone()
    assert row is not None
    return bool(row[0])
