"""Day partitions of `position`: one for each local day that can be true, made when the first row of the day comes.

Where `position` is a hypertable its extension makes chunks by itself, of any day.
"""

from typing import Any

import numpy as np
from psycopg import Connection, sql

from geo.arrays import Int64Array
from geo.localtime import DAY_US, day_date, day_start_us, local_day
from geo.positions import EARLIEST_FIX_US

FUTURE_DAYS = 2
"""So far ahead of its receipt a fix may still name a day that gets a partition; a day's margin for wrong time zones."""


def ensure_partitions(conn: Connection[Any], fix_time: Int64Array, received_at: Int64Array) -> None:
    """Make the day partitions that these positions need, in the caller's transaction.

    Rows before 2010 or more than FUTURE_DAYS after their receipt stay in the default partition `position_other`. A
    hypertable needs nothing.
    Writers that need the same new day meet at a lock; the second finds it made.
    """
    sane = (fix_time >= EARLIEST_FIX_US) & (fix_time < received_at + FUTURE_DAYS * DAY_US)
    days = np.unique(local_day(fix_time[sane])).tolist()
    if not _missing(conn, days):
        return
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('position partition'))")
    for day in _missing(conn, days):
        _make(conn, day)


def _missing(conn: Connection[Any], days: list[int]) -> list[int]:
    # Asked of the table of tables: to_regclass may answer from a session's memory that the day is still missing, after
    # another writer made it.
    rows = conn.execute(
        """
        SELECT d FROM unnest(%s::int[], %s::text[]) AS wanted(d, name)
        WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
                          WHERE c.relname = wanted.name AND i.inhparent = 'position'::regclass)
          AND EXISTS (SELECT FROM pg_class WHERE oid = 'position'::regclass AND relkind = 'p')
        ORDER BY d
        """,
        (days, [_name(day) for day in days]),
    ).fetchall()
    return [day for (day,) in rows]


def _make(conn: Connection[Any], day: int) -> None:
    span = {"from": time_text(day_start_us(day)), "to": time_text(day_start_us(day + 1))}
    table = sql.Identifier(_name(day))
    conn.execute(sql.SQL("CREATE TABLE {} (LIKE position INCLUDING ALL)").format(table))
    # A terminal whose clock ran ahead may have left rows of this day in the default partition.
    conn.execute(
        sql.SQL(
            """
            WITH moved AS (DELETE FROM position_other WHERE fix_time >= %(from)s AND fix_time < %(to)s RETURNING *)
            INSERT INTO {} SELECT * FROM moved
            """
        ).format(table),
        span,
    )
    conn.execute(
        sql.SQL("ALTER TABLE position ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            table, sql.Literal(span["from"]), sql.Literal(span["to"])
        )
    )


def time_text(time_us: int) -> str:
    """An instant (µs UTC) as a timestamptz literal, exactly."""
    seconds, micros = divmod(int(time_us), 1_000_000)
    return f"{np.datetime64(seconds, 's')}.{micros:06}+00"


def _name(day: int) -> str:
    return f"position_{day_date(day):%Y%m%d}"
