"""What came in of days that are not sealed: which vehicle-days moved on, and their newer positions.

The writer of positions raises a vehicle-day's revision in the transaction that brings them, so whoever remembers
revisions and reads them before the positions misses nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection, sql

from geo.arrays import Int32Array, Int64Array
from geo.localtime import day_date, day_start_us
from geo.positions import Positions
from store.copy import copy_out
from store.partitions import time_text
from store.positions import read_where


@dataclass(frozen=True, slots=True)
class Revisions:
    """Open vehicle-days of one local day, vehicles ascending."""

    vehicle_id: Int32Array
    revision: Int64Array

    def since(self, before: "Revisions") -> Int32Array:
        """Vehicles that are open now and were not, or stood at another revision."""
        place = np.searchsorted(before.vehicle_id, self.vehicle_id)
        was = np.append(before.revision, 0)[place]
        known = np.append(before.vehicle_id, -1)[place] == self.vehicle_id
        moved: Int32Array = self.vehicle_id[~known | (was != self.revision)]
        return moved


NOTHING_OPEN = Revisions(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))


def open_revisions(conn: Connection[Any], day: int) -> Revisions:
    """The revision of every open vehicle-day of a local day."""
    query = sql.SQL("SELECT vehicle_id, revision FROM open_day WHERE day = %(day)s ORDER BY vehicle_id")
    rows = copy_out(conn, query, {"vehicle_id": "int", "revision": "bigint"}, {"day": day_date(day)})
    return Revisions(rows["vehicle_id"], rows["revision"])


def read_since(
    conn: Connection[Any], day: int, vehicle_ids: Int32Array, since_us: Int64Array
) -> tuple[Positions, Int32Array]:
    """Positions of some vehicles on a local day from a time on, for each its own, in canonical order; and their ids.

    LATERAL with OFFSET 0 makes it one probe of the key's index for each vehicle.
    """
    start, end = day_start_us(day), day_start_us(day + 1)
    source = sql.SQL(
        """
        unnest(%(vehicles)s::int[], %(since)s::timestamptz[]) AS w(vehicle, since)
        CROSS JOIN LATERAL (
            SELECT * FROM position WHERE vehicle_id = w.vehicle AND fix_time >= w.since AND fix_time < %(to)s OFFSET 0
        ) p
        """
    )
    span = {
        "vehicles": vehicle_ids.tolist(),
        "since": [time_text(when) for when in np.maximum(since_us, start).tolist()],
        "to": time_text(end),
    }
    return read_where(conn, sql.SQL("true"), span, source)


def count_day(conn: Connection[Any], day: int) -> tuple[Int32Array, Int64Array]:
    """How many positions each vehicle has on a local day: vehicle_ids ascending, and the counts."""
    query = sql.SQL(
        "SELECT vehicle_id, count(*) AS positions FROM position WHERE fix_time >= %(from)s AND fix_time < %(to)s"
        " GROUP BY vehicle_id ORDER BY vehicle_id"
    )
    span = {"from": time_text(day_start_us(day)), "to": time_text(day_start_us(day + 1))}
    rows = copy_out(conn, query, {"vehicle_id": "int", "positions": "bigint"}, span)
    return rows["vehicle_id"], rows["positions"]
