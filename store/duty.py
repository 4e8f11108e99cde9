"""Duty calendars and permissions in time: duty days and shifts, dispatch orders, drivers' card swipes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import day_date, day_number, to_datetime, to_us
from store.fleet import UnknownReferenceError


@dataclass(frozen=True, slots=True)
class DutyDay:
    """One day of a calendar: what kind of day it is, and its shifts as (start, end) in µs UTC."""

    day: int
    kind: str  # workday, adjusted_workday, weekend, holiday
    name: str = ""
    shifts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DispatchOrder:
    """Permission to use a vehicle (by its code) from `starts` to `ends`, µs UTC."""

    order_no: str
    vehicle: str
    starts: int
    ends: int
    driver_card: str = ""
    purpose: str = ""
    destination: str = ""
    destination_lat: float | None = None
    destination_lon: float | None = None
    approved_by: str = ""
    vehicle_id: int = 0


@dataclass(frozen=True, slots=True)
class DriverSwipe:
    """A driver's card put in or taken out of a vehicle's reader; µs UTC."""

    vehicle_id: int
    swiped_at: int
    driver_card: str
    inserted: bool


def replace_duty_days(conn: Connection[Any], calendar: str, name: str, days: Sequence[DutyDay]) -> int:
    """Put these days of a calendar in place of what stood for them; other days stay. Returns how many."""
    conn.execute(
        "INSERT INTO duty_calendar (code, name) VALUES (%s, %s) ON CONFLICT (code) DO UPDATE SET name = excluded.name",
        (calendar, name),
    )
    conn.execute(
        "DELETE FROM duty_day WHERE calendar = %s AND day = ANY(%s)", (calendar, [day_date(each.day) for each in days])
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO duty_day (calendar, day, kind, name) VALUES (%s, %s, %s, %s)",
            [(calendar, day_date(each.day), each.kind, each.name) for each in days],
        )
        cursor.executemany(
            "INSERT INTO duty_shift (calendar, day, starts, ends) VALUES (%s, %s, %s, %s)",
            [
                (calendar, day_date(each.day), to_datetime(starts), to_datetime(ends))
                for each in days
                for starts, ends in each.shifts
            ],
        )
    return len(days)


def load_duty_days(conn: Connection[Any], from_day: int, to_day: int) -> dict[str, list[DutyDay]]:
    """Calendar code → its days in [from_day, to_day] with their shifts, by day; a calendar without days is there too."""
    found: dict[str, list[DutyDay]] = {
        code: [] for (code,) in conn.execute("SELECT code FROM duty_calendar ORDER BY code").fetchall()
    }
    span = (day_date(from_day), day_date(to_day))
    shifts: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for calendar, day, starts, ends in conn.execute(
        "SELECT calendar, day, starts, ends FROM duty_shift WHERE day BETWEEN %s AND %s ORDER BY calendar, starts", span
    ):
        shifts.setdefault((calendar, day_number(day)), []).append((to_us(starts), to_us(ends)))
    for calendar, day, kind, name in conn.execute(
        "SELECT calendar, day, kind, name FROM duty_day WHERE day BETWEEN %s AND %s ORDER BY calendar, day", span
    ):
        number = day_number(day)
        found[calendar].append(DutyDay(number, kind, name, tuple(shifts.get((calendar, number), ()))))
    return found


def upsert_orders(conn: Connection[Any], orders: Iterable[DispatchOrder]) -> int:
    """Add dispatch orders or bring them up to date by number. UnknownReferenceError names a vehicle that is not there."""
    ids = dict(conn.execute("SELECT code, vehicle_id FROM vehicle").fetchall())
    rows = []
    for order in orders:
        if order.vehicle not in ids:
            raise UnknownReferenceError(f"order {order.order_no}: no vehicle has the code {order.vehicle!r}")
        rows.append(
            (
                order.order_no,
                ids[order.vehicle],
                to_datetime(order.starts),
                to_datetime(order.ends),
                order.driver_card,
                order.purpose,
                order.destination,
                order.destination_lat,
                order.destination_lon,
                order.approved_by,
            )
        )
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, driver_card, purpose, destination,
                                        destination_lat, destination_lon, approved_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (order_no) DO UPDATE SET
                vehicle_id = excluded.vehicle_id, starts = excluded.starts, ends = excluded.ends,
                driver_card = excluded.driver_card, purpose = excluded.purpose, destination = excluded.destination,
                destination_lat = excluded.destination_lat, destination_lon = excluded.destination_lon,
                approved_by = excluded.approved_by
            """,
            rows,
        )
    return len(rows)


def load_orders(conn: Connection[Any], from_us: int, to_us_: int) -> list[DispatchOrder]:
    """Orders whose time overlaps [from_us, to_us_), by number."""
    rows = conn.execute(
        """
        SELECT o.order_no, v.code, o.starts, o.ends, o.driver_card, o.purpose, o.destination, o.destination_lat,
               o.destination_lon, o.approved_by, o.vehicle_id
        FROM dispatch_order o JOIN vehicle v USING (vehicle_id)
        WHERE o.starts < %s AND o.ends > %s ORDER BY o.order_no
        """,
        (to_datetime(to_us_), to_datetime(from_us)),
    ).fetchall()
    return [DispatchOrder(row[0], row[1], to_us(row[2]), to_us(row[3]), *row[4:]) for row in rows]


def add_swipes(conn: Connection[Any], swipes: Iterable[DriverSwipe]) -> int:
    """Keep card swipes; one that is there already stays one. Returns how many are new."""
    rows = [(each.vehicle_id, to_datetime(each.swiped_at), each.driver_card, each.inserted) for each in swipes]
    with conn.cursor() as cursor:
        cursor.executemany("INSERT INTO driver_swipe VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", rows)
        return max(cursor.rowcount, 0)


def load_swipes(conn: Connection[Any], from_us: int, to_us_: int) -> list[DriverSwipe]:
    """Swipes with from_us ≤ time < to_us_, by vehicle and time."""
    rows = conn.execute(
        """
        SELECT vehicle_id, swiped_at, driver_card, inserted FROM driver_swipe
        WHERE swiped_at >= %s AND swiped_at < %s ORDER BY vehicle_id, swiped_at, inserted, driver_card
        """,
        (to_datetime(from_us), to_datetime(to_us_)),
    ).fetchall()
    return [DriverSwipe(row[0], to_us(row[1]), row[2], row[3]) for row in rows]
