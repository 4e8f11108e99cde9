"""What the page of a vehicle reads of its nights and of its kilometres in the dark; who may see it is asked before."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class NightsRow:
    """A vehicle's nights of some days, and the base that was learned by the last of them."""

    nights: int
    away: int  # beyond a distance from the declared base
    place: str  # of the last night
    base_m: float | None
    learned_lat: float | None
    learned_lon: float | None
    learned_nights: int
    learned_base_m: float | None
    learned_place: str


@dataclass(frozen=True, slots=True)
class DarkRow:
    """An entry of the dark-kilometre ledger."""

    start_time: datetime
    end_time: datetime
    dark_m: float
    jump_m: float
    odometer_m: float | None
    dark_s: float
    off_hours_s: float
    dispatch_order: str | None
    neighbours_silent: int
    neighbours_seen: int
    dark_cause: str


def nights(
    conn: Connection[Any], vehicle_id: int, from_day: date, to_day: date, away_m: float, same_place_m: float
) -> NightsRow | None:
    """The nights that end on these days; None where none was seen. The learned base has the name of its latest night."""
    with conn.cursor(row_factory=class_row(NightsRow)) as cursor:
        return cursor.execute(
            """
            WITH mine AS (SELECT * FROM vehicle_night WHERE vehicle_id = %(v)s AND day BETWEEN %(from)s AND %(to)s)
            SELECT (SELECT count(*) FROM mine)::int AS nights,
                   (SELECT count(*) FROM mine WHERE base_m > %(away)s)::int AS away,
                   place, base_m, learned_lat, learned_lon, learned_nights, learned_base_m,
                   coalesce((SELECT n.place FROM vehicle_night n
                             WHERE n.vehicle_id = %(v)s AND n.day <= l.day
                               AND abs(n.lat - l.learned_lat) * 111320 < %(same)s
                               AND abs(n.lon - l.learned_lon) * 111320 * cosd(n.lat) < %(same)s
                             ORDER BY n.day DESC LIMIT 1), '') AS learned_place
            FROM mine l ORDER BY day DESC LIMIT 1
            """,
            {"v": vehicle_id, "from": from_day, "to": to_day, "away": away_m, "same": same_place_m},
        ).fetchone()


def dark_entries(conn: Connection[Any], vehicle_id: int, from_day: date, to_day: date) -> list[DarkRow]:
    """The entries that began on these days, newest first."""
    with conn.cursor(row_factory=class_row(DarkRow)) as cursor:
        return cursor.execute(
            """
            SELECT start_time, end_time, dark_m, jump_m, odometer_m, dark_s, off_hours_s, dispatch_order,
                   neighbours_silent, neighbours_seen, dark_cause
            FROM dark_entry WHERE vehicle_id = %s AND day BETWEEN %s AND %s ORDER BY start_time DESC LIMIT 400
            """,
            (vehicle_id, from_day, to_day),
        ).fetchall()
