"""Partitions of `position` turned into chunks of a hypertable, while all else goes on.

Day by day the partitions are copied into a second table, each in a transaction; a trigger notes the days that positions
come to meanwhile, and these are copied again. When all is copied one short transaction, in which nobody else writes,
copies the last changes and puts the new table in the place of the old one. Until then nothing was taken from the old
table, and whoever was interrupted goes on where it stopped.
"""

from collections.abc import Callable
from typing import Any

from psycopg import Connection, sql

from geo.localtime import day_date, day_number, day_start_us
from store.database import Database
from store.layout import find_layout, find_level, make_hypertable
from store.live_views import drop_views, make_views
from store.partitions import time_text
from store.sole import sole

CONVERSION = 3
"""The number of this work among those that one process at a time does (`store.sole`)."""

_COPY = "position_chunks"
_ROUNDS = 5

_WATCH = """
CREATE OR REPLACE FUNCTION note_changed_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changed_day (day)
    SELECT DISTINCT ((fix_time AT TIME ZONE 'UTC') + interval '8 hours')::date FROM came ORDER BY 1;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION note_changed_days IS 'While partitions are turned into chunks: notes the days that positions come to.';
CREATE OR REPLACE TRIGGER note_inserted AFTER INSERT ON position REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_days();
CREATE OR REPLACE TRIGGER note_updated AFTER UPDATE ON position REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_days();
"""


def can_convert(database: Database) -> bool:
    """Whether the server has hypertables and `position` is none."""
    return database.level != "plain" and database.layout() == "partitions"


def convert(database: Database, chunk_days: int, progress: Callable[[int, int], None] | None = None) -> int:
    """Turn the partitions into chunks; how many days were copied. 0 where `position` is a hypertable already."""
    with sole(database, CONVERSION):
        with database.connection() as conn:
            if find_layout(conn) == "chunks":
                return 0
            _begin(conn, find_level(conn), chunk_days)
        copied = 0
        for _ in range(_ROUNDS):
            with database.connection() as conn:
                days = _waiting(conn)
            if not days:
                break
            for done, day in enumerate(days, start=1):
                with database.connection() as conn:
                    _copy_day(conn, day)
                if progress:
                    progress(done, len(days))
            copied += len(days)
        with database.connection() as conn:
            copied += _finish(conn)
    return copied


def _begin(conn: Connection[Any], level: str, chunk_days: int) -> None:
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", (_COPY,)).fetchone()
    if row == (True,):
        return
    conn.execute("TRUNCATE converted_day, changed_day")
    make_hypertable(conn, _COPY, level, chunk_days)
    conn.execute(_WATCH)


def _waiting(conn: Connection[Any]) -> list[int]:
    """Local days that have a partition and were not copied, or changed since."""
    rows = conn.execute(
        """
        SELECT day FROM (
            SELECT to_date(substr(c.relname, 10), 'YYYYMMDD') AS day
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'position'::regclass AND c.relname ~ '^position_[0-9]{8}$'
        ) AS has
        WHERE day NOT IN (SELECT day FROM converted_day) OR day IN (SELECT day FROM changed_day) ORDER BY day
        """
    ).fetchall()
    return [day_number(day) for (day,) in rows]


def _copy_day(conn: Connection[Any], day: int) -> None:
    """Copy a day as it is now; what comes while it is copied is noted, and copied again."""
    date = day_date(day)
    conn.execute("DELETE FROM changed_day WHERE day = %s", (date,))
    span = {"from": time_text(day_start_us(day)), "to": time_text(day_start_us(day + 1))}
    if conn.execute("SELECT FROM converted_day WHERE day = %s", (date,)).fetchone() is not None:
        conn.execute(
            sql.SQL("DELETE FROM {} WHERE fix_time >= %(from)s AND fix_time < %(to)s").format(sql.Identifier(_COPY)),
            span,
        )
    conn.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
            sql.Identifier(_COPY), sql.Identifier(f"position_{date:%Y%m%d}")
        )
    )
    conn.execute("INSERT INTO converted_day (day) VALUES (%s) ON CONFLICT DO NOTHING", (date,))


def _finish(conn: Connection[Any]) -> int:
    """Copy what is left, with no writer beside it, and put the hypertable in the place of the partitions."""
    conn.execute("LOCK TABLE position IN ACCESS EXCLUSIVE MODE")
    days = _waiting(conn)
    for day in days:
        _copy_day(conn, day)
    _forget_dropped(conn)
    conn.execute(sql.SQL("INSERT INTO {} SELECT * FROM position_other").format(sql.Identifier(_COPY)))
    row = conn.execute(
        sql.SQL("SELECT (SELECT count(*) FROM position), (SELECT count(*) FROM {})").format(sql.Identifier(_COPY))
    ).fetchone()
    assert row is not None
    assert row[0] == row[1], f"{row[1]} of {row[0]} positions were copied"
    level = find_level(conn)
    drop_views(conn)
    conn.execute("DROP TABLE position")
    conn.execute("DROP FUNCTION note_changed_days")
    conn.execute("TRUNCATE converted_day, changed_day")
    conn.execute(sql.SQL("ALTER TABLE {} RENAME TO position").format(sql.Identifier(_COPY)))
    conn.execute("ALTER INDEX position_chunks_pkey RENAME TO position_pkey")
    if level == "timescale":
        # The aggregates sum what is there; of days that only the archive holds the sums stay.
        conn.execute(
            """
            DELETE FROM vehicle_hour_sum
            WHERE ((hour AT TIME ZONE 'UTC') + interval '8 hours')::date NOT IN (SELECT day FROM dropped_day)
            """
        )
        conn.execute("UPDATE rollup_state SET stored_before = '-infinity'")
    make_views(conn, level)
    return len(days)


def _forget_dropped(conn: Connection[Any]) -> None:
    """Delete copied days whose partition was dropped meanwhile."""
    rows = conn.execute(
        "SELECT day FROM converted_day WHERE to_regclass('position_' || to_char(day, 'YYYYMMDD')) IS NULL"
    ).fetchall()
    for (day,) in rows:
        number = day_number(day)
        conn.execute(
            sql.SQL("DELETE FROM {} WHERE fix_time >= %s AND fix_time < %s").format(sql.Identifier(_COPY)),
            (time_text(day_start_us(number)), time_text(day_start_us(number + 1))),
        )
