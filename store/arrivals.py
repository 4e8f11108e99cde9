"""What follows from positions that are new: their notes, the vehicle-days open again, each vehicle's latest place."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int32Array, Int64Array
from geo.localtime import local_day
from geo.positions import SENT_BITS, Positions, Status, clock_fault
from store.arrays import MICROSECONDS, array
from store.partitions import time_text


def keep_notes(
    conn: Connection[Any], notes: Iterable[tuple[int, int, int, Mapping[str, Any]]]
) -> list[tuple[int, int]]:
    """Keep what positions carried beyond the columns: (vehicle_id, fix_time µs UTC, variant, note) each.

    The same note of the same position is kept once; another one, as when an alarm came with it later, beside the first.
    Returns (vehicle_id, fix_time) of those that are new.

    What JSON or jsonb cannot hold (NUL, NaN, half of a character) is refused with ValueError or the database's error.
    """
    rows = [
        (vehicle, time_text(when), variant, json.dumps(note, allow_nan=False)) for vehicle, when, variant, note in notes
    ]
    if not rows:
        return []
    return conn.execute(
        """
        INSERT INTO position_note (vehicle_id, fix_time, variant, note)
        SELECT * FROM unnest(%s::int[], %s::timestamptz[], %s::smallint[], %s::jsonb[]) ON CONFLICT DO NOTHING
        RETURNING vehicle_id, (extract(epoch FROM fix_time) * 1000000)::bigint
        """,
        [list(column) for column in zip(*rows, strict=True)],
    ).fetchall()


def open_days(conn: Connection[Any], vehicle_id: Int32Array, fix_time: Int64Array) -> None:
    """Mark the local days of these positions as holding rows that no sealed part has; a marked one moves on by one."""
    pairs = np.unique(local_day(fix_time).astype(np.int64) << 32 | vehicle_id)  # ids are positive
    conn.execute(
        """
        INSERT INTO open_day (day, vehicle_id)
        SELECT date '1970-01-01' + d, v FROM unnest(%s::int[], %s::int[]) AS pair(d, v) ORDER BY d, v
        ON CONFLICT (day, vehicle_id) DO UPDATE SET revision = open_day.revision + 1
        """,
        (array((pairs >> 32).tolist()), array((pairs & 0xFFFFFFFF).tolist())),
    )


def move_latest(conn: Connection[Any], fresh: Positions, vehicle_id: Int32Array) -> None:
    """Move each vehicle's latest place forward, by positions with a valid fix and a clock that can be right."""
    trusted = np.flatnonzero(fresh.has(Status.FIX_VALID) & ~clock_fault(fresh.fix_time, fresh.received_at))
    order = trusted[np.lexsort((fresh.fix_time[trusted], vehicle_id[trusted]))]
    if not len(order):
        return
    last = order[np.append(np.diff(vehicle_id[order]) != 0, True)]
    names = ("fix_time", "lat_e7", "lon_e7", "speed_mps", "course_deg", "received_at")
    conn.execute(
        f"""
        INSERT INTO latest (vehicle_id, fix_time, lat_e7, lon_e7, speed_mps, course_deg, status, received_at)
        SELECT vehicle, {MICROSECONDS.format("fixed")}, lat, lon, speed, course, status, {MICROSECONDS.format("received")}
        FROM unnest(%(vehicle_id)s::int[], %(fix_time)s::bigint[], %(lat_e7)s::int[], %(lon_e7)s::int[],
                    %(speed_mps)s::real[], %(course_deg)s::real[], %(status)s::int[], %(received_at)s::bigint[])
             AS w(vehicle, fixed, lat, lon, speed, course, status, received)
        ON CONFLICT (vehicle_id) DO UPDATE SET
            fix_time = excluded.fix_time, lat_e7 = excluded.lat_e7, lon_e7 = excluded.lon_e7,
            speed_mps = excluded.speed_mps, course_deg = excluded.course_deg, status = excluded.status,
            received_at = excluded.received_at
        WHERE excluded.fix_time > latest.fix_time
        """,
        {
            **{name: array(getattr(fresh, name)[last].tolist()) for name in names},
            "vehicle_id": array(vehicle_id[last].tolist()),
            "status": array((fresh.status[last] & np.uint32(SENT_BITS)).tolist()),
        },
    )
