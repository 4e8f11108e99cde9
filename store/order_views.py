"""What the pages of dispatch orders read; permissions as in `store.views`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.users import SEEN, VISIBLE, User, seen
from store.views import PAGE_ROWS

BESIDE = timedelta(days=2)
"""Trips under an order begin at most so long before and after it."""

MAX_TRIPS = 500


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order in a list, and on its own page."""

    order_no: str
    state: str
    vehicle_id: int
    vehicle: str
    plate: str
    vehicle_class: str
    unit_code: str
    unit_zh: str
    unit_en: str
    starts: datetime
    ends: datetime
    driver_card: str
    driver: str
    purpose: str
    purpose_class: str
    destination: str
    destination_lat: float | None
    destination_lon: float | None
    approved_by: str
    odometer_out_km: float | None
    odometer_in_km: float | None
    emergency: bool
    emergency_reason: str
    private_use: bool
    applied_by: int | None
    applicant: str
    entered_at: datetime | None
    waits_for_me: bool


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """A step of an order; name is empty for an import."""

    at: datetime
    name: str
    action: str
    from_state: str | None
    to_state: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderTrip:
    """A trip of the order's vehicle in its time; covered: the audit found it under this order."""

    trip_id: str
    start_time: datetime
    end_time: datetime
    distance_m: float
    distance_low_m: float
    distance_high_m: float
    origin_place: str
    destination_place: str
    covered: bool


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders: whose time meets [since, until), and of what is not empty.

    vehicle: a part of plate or code. unit: by its code, without those below.
    """

    since: datetime
    until: datetime
    state: str = ""
    vehicle: str = ""
    unit: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class OrderVehicle:
    """A vehicle that an order is to be of."""

    vehicle_id: int
    code: str
    vehicle_class: str


_LINE = """
    SELECT order_no, state, o.vehicle_id, v.code AS vehicle, v.plate, v.class AS vehicle_class, u.code AS unit_code,
           u.name_zh AS unit_zh, u.name_en AS unit_en, starts, ends, driver_card, driver, purpose, purpose_class,
           CASE WHEN shown THEN destination ELSE '' END AS destination,
           CASE WHEN shown THEN destination_lat END AS destination_lat,
           CASE WHEN shown THEN destination_lon END AS destination_lon, approved_by,
           odometer_out_km, odometer_in_km, emergency, emergency_reason, private_use,
           applied_by, coalesce(a.name, '') AS applicant, entered_at, {waits} AS waits_for_me
    FROM {orders} o JOIN vehicle v USING (vehicle_id) JOIN unit u USING (unit_id)
         LEFT JOIN app_user a ON a.user_id = o.applied_by
         CROSS JOIN LATERAL (SELECT %(approves)s OR NOT private_use AS shown) s
"""
# Where a vehicle goes in approved private use is for those who allow it.
_WAITS = "(%(approves)s AND state = 'applied' AND applied_by IS DISTINCT FROM %(user_id)s)"
_CHOSEN = f"""
    FROM dispatch_order WHERE starts < %(until)s AND ends > %(since)s
      AND (%(state)s = '' OR state = %(state)s) AND (%(number)s = '' OR order_no = %(number)s) AND {SEEN}
"""
# Those that wait are few, and the others are read as far as they are shown, in the order of their index.
_PAGE = f"""
    WITH page AS (
        SELECT * FROM (
            (SELECT *, true AS waits {_CHOSEN} AND {_WAITS} ORDER BY starts DESC, order_no LIMIT %(rows)s + %(skip)s)
            UNION ALL
            (SELECT *, false {_CHOSEN} AND NOT {_WAITS} ORDER BY starts DESC, order_no LIMIT %(rows)s + %(skip)s)
        ) each ORDER BY waits DESC, starts DESC, order_no LIMIT %(rows)s OFFSET %(skip)s
    )
"""


def orders(
    conn: Connection[Any], user: User, asked: OrderFilter, *, page: int = 1, rows: int = PAGE_ROWS
) -> tuple[list[OrderLine], int]:
    """One page of orders and how many there are: first those that wait for this person's approval, then the latest."""
    parameters = {
        **_of(user), "seen": seen(conn, user.sees_unit, unit=asked.unit, named=asked.vehicle), "since": asked.since,
        "until": asked.until, "state": asked.state, "number": asked.number, "rows": rows, "skip": (page - 1) * rows,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(OrderLine)) as cursor:
        found = cursor.execute(
            _PAGE + _LINE.format(orders="page", waits="waits") + "ORDER BY waits_for_me DESC, starts DESC, order_no",
            parameters,
        ).fetchall()
    count = conn.execute("SELECT count(*)" + _CHOSEN, parameters).fetchone()
    assert count is not None
    return found, count[0]


def order(conn: Connection[Any], user: User, order_no: str) -> OrderLine | None:
    """An order of a vehicle this person may see; None otherwise."""
    with conn.cursor(row_factory=class_row(OrderLine)) as cursor:
        return cursor.execute(
            VISIBLE
            + _LINE.format(orders="dispatch_order", waits=_WAITS)
            + "WHERE order_no = %(order_no)s AND v.vehicle_id IN (SELECT vehicle_id FROM mine)",
            {**_of(user), "order_no": order_no},
        ).fetchone()


def waiting_orders(conn: Connection[Any], user: User) -> int:
    """How many orders, of whatever time, wait for this person's approval."""
    row = conn.execute(
        f"""
        SELECT count(*) FROM dispatch_order
        WHERE %(approves)s AND state = 'applied' AND applied_by IS DISTINCT FROM %(user_id)s AND {SEEN}
        """,
        _of(user) | {"seen": seen(conn, user.sees_unit)},
    ).fetchone()
    assert row is not None
    return int(row[0])


def order_events(conn: Connection[Any], order_no: str, rows: int = 200) -> list[OrderEvent]:
    """The steps of an order, the first first; of more than `rows` the newest."""
    with conn.cursor(row_factory=class_row(OrderEvent)) as cursor:
        found = cursor.execute(
            """
            SELECT at, coalesce(name, '') AS name, action, from_state, to_state, facts
            FROM order_event LEFT JOIN app_user USING (user_id)
            WHERE order_no = %s ORDER BY event_id DESC LIMIT %s
            """,
            (order_no, rows),
        ).fetchall()
    return found[::-1]


def order_trips(
    conn: Connection[Any], vehicle_id: int, order_no: str, since: datetime, until: datetime
) -> list[OrderTrip]:
    """Trips of a vehicle that meet [since, until) or are under the order, the first first."""
    with conn.cursor(row_factory=class_row(OrderTrip)) as cursor:
        return cursor.execute(
            """
            SELECT trip_id, start_time, end_time, distance_m, distance_low_m, distance_high_m, origin_place,
                   destination_place, coalesce(dispatch_order = %(order_no)s, false) AS covered
            FROM trip
            WHERE vehicle_id = %(vehicle)s AND start_time BETWEEN %(earliest)s AND %(latest)s
              AND (start_time < %(until)s AND end_time > %(since)s OR dispatch_order = %(order_no)s)
            ORDER BY start_time LIMIT %(rows)s
            """,
            {
                "vehicle": vehicle_id, "order_no": order_no, "since": since, "until": until, "rows": MAX_TRIPS,
                "earliest": since - BESIDE, "latest": until + BESIDE,
            },
        ).fetchall()  # fmt: skip


def order_vehicle(conn: Connection[Any], user: User, name: str) -> OrderVehicle | None:
    """The vehicle this person may see with this code, or else this plate; None otherwise."""
    with conn.cursor(row_factory=class_row(OrderVehicle)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT vehicle_id, code, class AS vehicle_class FROM mine WHERE code = %(name)s OR plate = %(name)s
            ORDER BY code = %(name)s DESC LIMIT 1
            """,
            {"own_unit": user.sees_unit, "name": name},
        ).fetchone()


def vehicle_names(conn: Connection[Any], user: User, rows: int = 500) -> list[str]:
    """Plates of vehicles this person may see, to choose from."""
    found = conn.execute(
        VISIBLE + "SELECT plate FROM mine ORDER BY plate LIMIT %(rows)s", {"own_unit": user.sees_unit, "rows": rows}
    ).fetchall()
    return [plate for (plate,) in found]


def _of(user: User) -> dict[str, Any]:
    return {"own_unit": user.sees_unit, "user_id": user.user_id, "approves": user.may_manage_orders}
