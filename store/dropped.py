"""Days whose positions the archive holds and the database no longer in full, and their way back."""

from collections.abc import Callable, Iterable
from typing import Any

from psycopg import Connection

from geo.arrays import Int32Array
from geo.localtime import day_date, day_number, day_start_us
from geo.positions import Positions
from store.partitions import time_text
from store.positions import merge_positions


def dropped_days(conn: Connection[Any], from_day: int, to_day: int) -> list[int]:
    """Local days of [from_day, to_day] whose positions the archive holds and the database no longer in full."""
    rows = conn.execute(
        "SELECT day FROM dropped_day WHERE day BETWEEN %s AND %s ORDER BY day", (day_date(from_day), day_date(to_day))
    ).fetchall()
    return [day_number(day) for (day,) in rows]


def bring_back(
    conn: Connection[Any],
    day: int,
    vehicles_per_bucket: int,
    sealed: Callable[[], Iterable[tuple[Positions, Int32Array]]],
) -> int:
    """Put the sealed positions of a dropped day back beside late ones, so that all are sealed together; how many.

    0 and nothing done where the day was not dropped. To be called first in the transaction that seals the day.

    sealed : gives the newest sealed positions of each bucket, and their vehicle ids.

    Notes
    -----
    Buckets that nothing came to stay sealed as they are.
    """
    date = day_date(day)
    if conn.execute("DELETE FROM dropped_day WHERE day = %s RETURNING 1", (date,)).fetchone() is None:
        return 0
    opened = conn.execute(
        "SELECT DISTINCT vehicle_id / %s FROM open_day WHERE day = %s", (vehicles_per_bucket, date)
    ).fetchall()
    conn.execute(
        "DELETE FROM vehicle_hour_sum WHERE hour >= %s AND hour < %s",
        (time_text(day_start_us(day)), time_text(day_start_us(day + 1))),
    )
    rows = 0
    for positions, ids in sealed():
        rows += len(positions)
        merge_positions(conn, positions, ids)
    # Revision 1 is what this transaction gave; a writer that comes now waits, and gives the next.
    conn.execute(
        "DELETE FROM open_day WHERE day = %s AND revision = 1 AND NOT vehicle_id / %s = ANY(%s)",
        (date, vehicles_per_bucket, [bucket for (bucket,) in opened]),
    )
    conn.execute("INSERT INTO retention_log (kind, day, rows) VALUES ('brought back', %s, %s)", (date, rows))
    return rows
