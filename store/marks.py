"""The writer's half of the live hours: which hours have to be summed again."""

from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int32Array, Int64Array
from geo.localtime import to_us
from store.arrays import array

HOUR_US = 3_600_000_000


def mark_hours(conn: Connection[Any], vehicle_id: Int32Array, fix_time: Int64Array) -> None:
    """Mark the hours of these positions that are summed already, or are being; last in the writer's transaction."""
    if not len(fix_time):
        return
    row = conn.execute("SELECT marked_before FROM rollup_state WHERE marked_before > '-infinity'").fetchone()
    if row is None:
        return
    late = fix_time < to_us(row[0])
    if not late.any():
        return
    hour = np.floor_divide(fix_time[late], HOUR_US)
    order = np.lexsort((vehicle_id[late], hour))
    hour, vehicle = hour[order], vehicle_id[late][order]
    first = np.ones(len(hour), dtype=np.bool_)
    first[1:] = (np.diff(hour) != 0) | (np.diff(vehicle) != 0)
    conn.execute(
        """
        INSERT INTO stale_hour (hour, vehicle_id)
        SELECT timestamptz '1970-01-01 00:00+00' + make_interval(hours => h), v
        FROM unnest(%s::int[], %s::int[]) AS late(h, v) ORDER BY h, v
        ON CONFLICT (hour, vehicle_id) DO UPDATE SET revision = excluded.revision
        """,
        (array(hour[first].tolist()), array(vehicle[first].tolist())),
    )
