"""What the page of a trip reads: the trip, its order and shifts, the stops around it; permissions as in `store.views`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.users import VISIBLE, User


@dataclass(frozen=True, slots=True)
class TripRow:
    """A trip, whole."""

    trip_id: str
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    day: date
    start_time: datetime
    end_time: datetime
    start_lat: float
    start_lon: float
    end_lat: float
    end_lon: float
    distance_m: float
    distance_low_m: float
    distance_high_m: float
    odometer_m: float | None
    duration_s: float
    moving_s: float
    max_speed_mps: float | None
    off_hours_s: float
    off_hours_m: float
    out_of_area_s: float
    out_of_area_m: float
    dispatch_order: str | None
    origin_place: str
    destination_place: str
    private_score: float
    features: dict[str, Any]  # empty in a list
    flags: int
    private_use: bool  # approved: its mileage is shown, not where it was


@dataclass(frozen=True, slots=True)
class OrderRow:
    """The dispatch order of a trip."""

    order_no: str
    starts: datetime
    ends: datetime
    driver_card: str
    purpose: str
    destination: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class StopRow:
    """A stop or gap beside a trip."""

    start_time: datetime
    end_time: datetime
    lat: float
    lon: float
    kind: str
    place: str


_TRIP = """
    SELECT t.trip_id, t.vehicle_id, plate, unit_zh, unit_en, t.day, t.start_time, t.end_time, start_lat, start_lon,
           end_lat, end_lon, distance_m, distance_low_m, distance_high_m, odometer_m, duration_s, moving_s,
           max_speed_mps, off_hours_s, off_hours_m, out_of_area_s, out_of_area_m, dispatch_order, origin_place,
           destination_place, private_score, {features} AS features,
           (SELECT count(*) FROM flag f WHERE f.trip_id = t.trip_id AND withdrawn_at IS NULL)::int AS flags,
           EXISTS (SELECT FROM dispatch_order o WHERE o.order_no = t.dispatch_order AND o.private_use) AS private_use
    FROM trip t JOIN mine USING (vehicle_id)
"""


def trips(conn: Connection[Any], user: User, vehicle_id: int, from_day: date, to_day: date) -> list[TripRow]:
    """A vehicle's trips that began on these days, newest first."""
    with conn.cursor(row_factory=class_row(TripRow)) as cursor:
        return cursor.execute(
            VISIBLE
            + _TRIP.format(features="'{}'::jsonb")
            + "WHERE t.vehicle_id = %(vehicle)s AND t.day BETWEEN %(from)s AND %(to)s"
            " ORDER BY t.start_time DESC LIMIT 1000",
            {"own_unit": user.sees_unit, "vehicle": vehicle_id, "from": from_day, "to": to_day},
        ).fetchall()


def trip(conn: Connection[Any], user: User, trip_id: str) -> TripRow | None:
    """A trip of a vehicle this person may see; None otherwise."""
    with conn.cursor(row_factory=class_row(TripRow)) as cursor:
        return cursor.execute(
            VISIBLE + _TRIP.format(features="features") + "WHERE t.trip_id = %(trip)s",
            {"own_unit": user.sees_unit, "trip": trip_id},
        ).fetchone()


def neighbours(conn: Connection[Any], vehicle_id: int, start: datetime) -> tuple[str | None, str | None]:
    """trip_id of the vehicle's trip before and after the one that began at an instant."""
    row = conn.execute(
        """
        SELECT (SELECT trip_id FROM trip WHERE vehicle_id = %(v)s AND start_time < %(s)s ORDER BY start_time DESC LIMIT 1),
               (SELECT trip_id FROM trip WHERE vehicle_id = %(v)s AND start_time > %(s)s ORDER BY start_time LIMIT 1)
        """,
        {"v": vehicle_id, "s": start},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def stops_around(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> list[StopRow]:
    """Stops and gaps that touch a time."""
    with conn.cursor(row_factory=class_row(StopRow)) as cursor:
        return cursor.execute(
            """
            SELECT start_time, end_time, lat, lon, kind, place FROM stop
            WHERE vehicle_id = %s AND end_time >= %s AND start_time <= %s ORDER BY start_time LIMIT 100
            """,
            (vehicle_id, start, end),
        ).fetchall()


def order(conn: Connection[Any], order_no: str) -> OrderRow | None:
    """A dispatch order."""
    with conn.cursor(row_factory=class_row(OrderRow)) as cursor:
        return cursor.execute(
            "SELECT order_no, starts, ends, driver_card, purpose, destination, approved_by FROM dispatch_order"
            " WHERE order_no = %s",
            (order_no,),
        ).fetchone()


def duty_shifts(
    conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]] | None:
    """Shifts of the vehicle's duty calendar that overlap a time; None for a vehicle without a calendar."""
    row = conn.execute("SELECT calendar FROM vehicle_calendar WHERE vehicle_id = %s", (vehicle_id,)).fetchone()
    if row is None or row[0] is None:
        return None
    return conn.execute(
        "SELECT starts, ends FROM duty_shift WHERE calendar = %s AND starts < %s AND ends > %s ORDER BY starts LIMIT 200",
        (row[0], end, start),
    ).fetchall()


def zones_of_vehicle(conn: Connection[Any], vehicle_id: int) -> Mapping[str, int]:
    """zone_id of the vehicle's permitted area and of its base, as far as it has them."""
    row = conn.execute(
        """
        SELECT coalesce(v.area_zone_id, u.area_zone_id), v.base_zone_id FROM vehicle v JOIN unit u USING (unit_id)
        WHERE v.vehicle_id = %s
        """,
        (vehicle_id,),
    ).fetchone()
    found = {} if row is None else {"area": row[0], "base": row[1]}
    return {name: number for name, number in found.items() if number is not None}
