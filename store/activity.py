"""How many vehicles are about, by hour or local day: from the live views, the open hour included."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import to_datetime
from store.users import VISIBLE

By = Literal["hour", "day"]
MAX_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Activity:
    """One hour or local day of all vehicles asked for; hours without any position are left out."""

    start: datetime
    vehicles: int  # with a position
    vehicles_moving: int  # of these with a valid one at 1.5 m/s or more
    positions: int
    fixes: int  # of the positions with a valid fix
    moving: int  # of the fixes at 1.5 m/s or more
    max_speed_mps: float | None


_SOURCES = {"hour": ("live_vehicle_hour", "hour"), "day": ("live_vehicle_day", "day_start")}


def activity(conn: Connection[Any], own_unit: int | None, from_us: int, to_us: int, by: By) -> list[Activity]:
    """Hours or days that begin in [from_us, to_us) (µs UTC) of the vehicles of a unit's subtree; None: of all vehicles."""
    view, start = _SOURCES[by]
    with conn.cursor(row_factory=class_row(Activity)) as cursor:
        return cursor.execute(
            VISIBLE
            + f"""
            SELECT l.{start} AS start, count(*) AS vehicles, count(*) FILTER (WHERE l.moving > 0) AS vehicles_moving,
                   sum(l.positions)::bigint AS positions, sum(l.fixes)::bigint AS fixes, sum(l.moving)::bigint AS moving,
                   max(l.max_speed_mps) AS max_speed_mps
            FROM {view} l JOIN mine USING (vehicle_id)
            WHERE l.{start} >= %(from)s AND l.{start} < %(to)s
            GROUP BY 1 ORDER BY 1 LIMIT {MAX_ROWS}
            """,
            {"own_unit": own_unit, "from": to_datetime(from_us), "to": to_datetime(to_us)},
        ).fetchall()
