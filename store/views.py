"""What the pages read. Every query says whose vehicles a person may see, has a limit, and a time range where time counts."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.unlocks import without_places
from store.users import SEEN, VISIBLE, User, seen

ONLINE_MINUTES = 10
PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the first page."""

    vehicles: int
    online: int
    metres_today: float
    trips_today: int
    flags_open: int


@dataclass(frozen=True, slots=True)
class Intake:
    """The ledger of one source over a time: received = accepted + duplicate + quarantined."""

    source: str
    received: int
    accepted: int
    duplicate: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag in a list."""

    flag_id: str
    rule: str
    level: str
    points: float
    trip_id: str
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    start_time: datetime
    end_time: datetime
    reason_zh: str
    reason_en: str
    numbers: list[dict[str, Any]]
    rule_version: int
    subject: str
    subject_id: str
    exemption_id: int | None = None  # what lifts it
    case_id: int | None = None  # the newest case of this person's that it is in


@dataclass(frozen=True, slots=True)
class VehicleRow:
    """A vehicle in a list, with what it last reported."""

    vehicle_id: int
    code: str
    plate: str
    vehicle_class: str
    model: str
    unit_code: str
    unit_zh: str
    unit_en: str
    fix_time: datetime | None
    received_at: datetime | None
    lat_e7: int | None
    lon_e7: int | None
    speed_mps: float | None
    course_deg: float | None
    status: int | None


@dataclass(frozen=True, slots=True)
class VehicleFacts:
    """What is registered of a vehicle, beyond its row in a list."""

    base_zh: str
    base_en: str
    area_zh: str
    area_en: str
    duty_calendar: str
    fuel: str
    consumption_l_100km: float | None
    tank_l: float | None
    baseline_km_month: float | None
    baseline_source: str
    terminals: list[str]


@dataclass(frozen=True, slots=True)
class DayRow:
    """A vehicle-day."""

    day: date
    positions: int
    doubtful: int
    trips: int
    distance_m: float
    distance_low_m: float
    distance_high_m: float
    odometer_m: float | None
    off_hours_m: float
    out_of_area_m: float


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Something refused."""

    quarantine_id: int
    received_at: datetime
    source: str
    place: str
    reason: str
    size: int
    head: bytes


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit to choose."""

    unit_id: int
    code: str
    name_zh: str
    name_en: str


def overview(conn: Connection[Any], user: User, today: date) -> Overview:
    """Numbers of the vehicles this person may see; today's from the rollup of the open day."""
    with conn.cursor(row_factory=class_row(Overview)) as cursor:
        row = cursor.execute(
            f"""
            SELECT (SELECT count(*) FROM vehicle WHERE {SEEN}) AS vehicles,
                   (SELECT count(*) FROM latest
                    WHERE received_at > now() - make_interval(mins => %(online)s) AND {SEEN}) AS online,
                   d.metres_today, d.trips_today,
                   (SELECT count(*) FROM flag WHERE withdrawn_at IS NULL AND exemption_id IS NULL AND {SEEN}) AS flags_open
            FROM (SELECT coalesce(sum(distance_m), 0) AS metres_today, coalesce(sum(trips), 0)::int AS trips_today
                  FROM vehicle_day WHERE day = %(today)s AND {SEEN}) d
            """,
            {"seen": seen(conn, user.sees_unit), "today": today, "online": ONLINE_MINUTES},
        ).fetchone()
    assert row is not None
    return row


def kilometres_by_day(
    conn: Connection[Any], user: User, from_day: date, to_day: date
) -> list[tuple[date, float, float]]:
    """(day, kilometres, of them off-hours) of the vehicles this person may see."""
    return conn.execute(
        f"""
        SELECT day, sum(distance_m) / 1000, sum(off_hours_m) / 1000 FROM vehicle_day
        WHERE day BETWEEN %(from)s AND %(to)s AND {SEEN}
        GROUP BY day ORDER BY day LIMIT 400
        """,
        {"seen": seen(conn, user.sees_unit), "from": from_day, "to": to_day},
    ).fetchall()


def intake_since(conn: Connection[Any], since: datetime) -> list[Intake]:
    """The ledger by source since an instant."""
    with conn.cursor(row_factory=class_row(Intake)) as cursor:
        return cursor.execute(
            """
            SELECT source, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted,
                   sum(duplicate)::bigint AS duplicate, sum(quarantined)::bigint AS quarantined
            FROM intake_count WHERE hour >= date_trunc('hour', %s::timestamptz) GROUP BY source ORDER BY source LIMIT 50
            """,
            (since,),
        ).fetchall()


_FLAG = """
    SELECT flag_id, rule, level, points, trip_id, f.vehicle_id, plate, name_zh AS unit_zh, name_en AS unit_en, start_time,
           end_time,
           reason_zh, reason_en, numbers, rule_version, subject, subject_id, exemption_id,
           (SELECT max(i.case_id) FROM case_flag i JOIN case_file c USING (case_id)
            WHERE i.flag_id = f.flag_id
              AND (%(own_cases)s::int IS NULL OR c.assigned_to = %(own_cases)s)) AS case_id
    FROM flag f JOIN vehicle USING (vehicle_id) JOIN unit USING (unit_id)
"""
_CHOSEN_FLAGS = f"""
    WHERE withdrawn_at IS NULL AND day BETWEEN %(from)s AND %(to)s AND {SEEN}
      AND (%(rule)s = '' OR rule = %(rule)s) AND (%(level)s = '' OR level = %(level)s)
      AND (%(vehicle)s::int IS NULL OR f.vehicle_id = %(vehicle)s) AND (%(trip)s = '' OR trip_id = %(trip)s)
      AND (%(exempted)s::boolean IS NULL OR (exemption_id IS NOT NULL) = %(exempted)s)
"""


def flags(
    conn: Connection[Any],
    user: User,
    *,
    from_day: date,
    to_day: date,
    rule: str = "",
    level: str = "",
    unit: str = "",
    vehicle_id: int | None = None,
    trip_id: str = "",
    page: int = 1,
    rows: int = PAGE_ROWS,
    exempted: bool | None = False,
) -> tuple[list[FlagRow], int]:
    """One page of open flags and how many there are; the gravest first, of these the newest.

    Reasons as `store.unlocks.without_places` gives them.
    `exempted`: those that no exemption lifts, those that one does, or (None) both.
    """
    parameters = {
        "seen": seen(conn, user.sees_unit, unit=unit), "from": from_day, "to": to_day, "rule": rule, "level": level,
        "vehicle": vehicle_id, "trip": trip_id, "rows": rows, "skip": (page - 1) * rows,
        "exempted": exempted,
        "own_cases": user.own_cases,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(FlagRow)) as cursor:
        found = cursor.execute(
            _FLAG
            + _CHOSEN_FLAGS
            + """
            ORDER BY array_position(ARRAY['red', 'yellow', 'prompt'], level), start_time DESC, flag_id
            LIMIT %(rows)s OFFSET %(skip)s
            """,
            parameters,
        ).fetchall()
    count = conn.execute("SELECT count(*) FROM flag f" + _CHOSEN_FLAGS, parameters).fetchone()
    assert count is not None
    return without_places(conn, user, found), count[0]


def newest_flags(conn: Connection[Any], user: User, from_day: date, to_day: date, rows: int) -> list[FlagRow]:
    """The newest open flags of these days that no exemption lifts; reasons as in `flags`."""
    with conn.cursor(row_factory=class_row(FlagRow)) as cursor:
        found = cursor.execute(
            _FLAG
            + f"""
            WHERE withdrawn_at IS NULL AND exemption_id IS NULL AND day BETWEEN %(from)s AND %(to)s AND {SEEN}
            ORDER BY start_time DESC, array_position(ARRAY['red', 'yellow', 'prompt'], level), flag_id LIMIT %(rows)s
            """,
            {
                "seen": seen(conn, user.sees_unit),
                "own_cases": user.own_cases,
                "from": from_day,
                "to": to_day,
                "rows": rows,
            },
        ).fetchall()
    return without_places(conn, user, found)


def flagging_rules(conn: Connection[Any], user: User) -> list[str]:
    """Rules with open flags of the vehicles this person may see, by id."""
    rules = conn.execute(
        f"""
        SELECT rule FROM (SELECT DISTINCT rule FROM rule_version) known
        WHERE EXISTS (SELECT FROM flag f WHERE f.rule = known.rule AND withdrawn_at IS NULL
                      AND {SEEN})
        ORDER BY rule LIMIT 200
        """,
        {"seen": seen(conn, user.sees_unit)},
    ).fetchall()
    return [rule for (rule,) in rules]


def units_with_vehicles(conn: Connection[Any], user: User) -> list[tuple[str, str, str]]:
    """The units (code, zh, en) of the vehicles this person may see, by code."""
    return conn.execute(
        VISIBLE + "SELECT DISTINCT unit_code, unit_zh, unit_en FROM mine ORDER BY unit_code LIMIT 2000",
        {"own_unit": user.sees_unit},
    ).fetchall()


def units_of(conn: Connection[Any], user: User) -> list[UnitRow]:
    """The units this person may see, with or without vehicles of their own, by code."""
    with conn.cursor(row_factory=class_row(UnitRow)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT unit_id, code, name_zh, name_en FROM unit
            WHERE %(own_unit)s::int IS NULL OR unit_id IN (SELECT unit_id FROM subtree) ORDER BY code LIMIT 5000
            """,
            {"own_unit": user.sees_unit},
        ).fetchall()


_VEHICLE = """
    SELECT m.vehicle_id, m.code, m.plate, m.class AS vehicle_class, m.model, m.unit_code, m.unit_zh, m.unit_en,
           l.fix_time, l.received_at, l.lat_e7, l.lon_e7, l.speed_mps, l.course_deg, l.status
    FROM mine m LEFT JOIN latest l USING (vehicle_id)
"""


def vehicles(
    conn: Connection[Any], user: User, *, search: str = "", unit: str = "", page: int = 1, rows: int = PAGE_ROWS
) -> tuple[list[VehicleRow], int]:
    """One page of vehicles by plate, and how many there are; `search` is part of a plate or code."""
    parameters = {
        "own_unit": user.sees_unit, "search": search, "unit": unit, "rows": rows, "skip": (page - 1) * rows,
    }  # fmt: skip
    chosen = """
        WHERE (%(unit)s = '' OR unit_code = %(unit)s)
          AND (%(search)s = '' OR position(lower(%(search)s) IN lower(plate)) > 0
               OR position(lower(%(search)s) IN lower(code)) > 0)
    """
    with conn.cursor(row_factory=class_row(VehicleRow)) as cursor:
        found = cursor.execute(
            VISIBLE + _VEHICLE + chosen + "ORDER BY plate LIMIT %(rows)s OFFSET %(skip)s", parameters
        ).fetchall()
    count = conn.execute(VISIBLE + "SELECT count(*) FROM mine" + chosen, parameters).fetchone()
    assert count is not None
    return found, count[0]


def vehicle(conn: Connection[Any], user: User, vehicle_id: int) -> VehicleRow | None:
    """A vehicle this person may see; None otherwise."""
    with conn.cursor(row_factory=class_row(VehicleRow)) as cursor:
        return cursor.execute(
            VISIBLE + _VEHICLE + "WHERE vehicle_id = %(vehicle)s", {"own_unit": user.sees_unit, "vehicle": vehicle_id}
        ).fetchone()


def vehicle_facts(conn: Connection[Any], vehicle_id: int) -> VehicleFacts:
    """What is registered of a vehicle that is known to be there; empty where nothing is."""
    with conn.cursor(row_factory=class_row(VehicleFacts)) as cursor:
        row = cursor.execute(
            """
            SELECT coalesce(b.name_zh, '') AS base_zh, coalesce(b.name_en, '') AS base_en,
                   coalesce(a.name_zh, '') AS area_zh, coalesce(a.name_en, '') AS area_en,
                   coalesce(nullif(d.name, ''), d.code, '') AS duty_calendar,
                   fuel, consumption_l_100km, tank_l, baseline_km_month, baseline_source,
                   ARRAY(SELECT terminal_no || ' (' || protocol || ')' FROM bound_terminal t
                         WHERE t.vehicle_id = v.vehicle_id ORDER BY terminal_no LIMIT 10) AS terminals
            FROM vehicle v JOIN unit u USING (unit_id)
            LEFT JOIN zone b ON b.zone_id = v.base_zone_id
            LEFT JOIN zone a ON a.zone_id = coalesce(v.area_zone_id, u.area_zone_id)
            LEFT JOIN vehicle_calendar c USING (vehicle_id) LEFT JOIN duty_calendar d ON d.code = c.calendar
            WHERE v.vehicle_id = %s
            """,
            (vehicle_id,),
        ).fetchone()
    assert row is not None
    return row


def live_since(conn: Connection[Any], since: datetime | None) -> list[tuple[Any, ...]]:
    """(vehicle_id, plate, unit_id, lat_e7, lon_e7, speed_mps, course_deg, fix_time, received_at) received after an instant.

    For the one poller of the process; it shows each person only the vehicles of `visible_vehicles`. A vehicle
    under approved private use, or exempted from all rules, is shown to nobody.
    """
    return conn.execute(
        """
        SELECT l.vehicle_id, v.plate, v.unit_id, l.lat_e7, l.lon_e7, l.speed_mps, l.course_deg, l.fix_time, l.received_at
        FROM latest l JOIN vehicle v USING (vehicle_id)
        WHERE (%(since)s::timestamptz IS NULL OR l.received_at > %(since)s)
          AND NOT EXISTS (SELECT FROM dispatch_order o WHERE o.vehicle_id = l.vehicle_id AND o.private_use
                          AND o.state NOT IN ('applied', 'refused', 'cancelled') AND o.starts <= now() AND o.ends > now())
          AND NOT EXISTS (SELECT FROM exemption e LEFT JOIN exemption_end n USING (exemption_id)
                          WHERE e.vehicle_id = l.vehicle_id AND e.rule IS NULL
                            AND e.valid * tstzrange(NULL, n.ends_at) @> now())
        ORDER BY l.received_at LIMIT 50000
        """,
        {"since": since},
    ).fetchall()


def visible_vehicles(conn: Connection[Any], user: User) -> frozenset[int]:
    """Ids of the vehicles this person may see."""
    rows = conn.execute(VISIBLE + "SELECT vehicle_id FROM mine", {"own_unit": user.sees_unit}).fetchall()
    return frozenset(number for (number,) in rows)


def vehicle_days(conn: Connection[Any], vehicle_id: int, from_day: date, to_day: date) -> list[DayRow]:
    """A vehicle's days, newest first."""
    with conn.cursor(row_factory=class_row(DayRow)) as cursor:
        return cursor.execute(
            """
            SELECT day, positions, doubtful, trips, distance_m, distance_low_m, distance_high_m, odometer_m, off_hours_m,
                   out_of_area_m
            FROM vehicle_day WHERE vehicle_id = %s AND day BETWEEN %s AND %s ORDER BY day DESC LIMIT 400
            """,
            (vehicle_id, from_day, to_day),
        ).fetchall()


def quarantine(
    conn: Connection[Any], since: datetime, page: int = 1, rows: int = PAGE_ROWS
) -> tuple[list[QuarantineRow], int]:
    """One page of what was refused since an instant, newest first, and how much there is; not what was taken after all."""
    with conn.cursor(row_factory=class_row(QuarantineRow)) as cursor:
        found = cursor.execute(
            """
            SELECT quarantine_id, received_at, source, place, reason, length(raw) AS size, substr(raw, 1, 64) AS head
            FROM quarantine WHERE received_at >= %s AND released_at IS NULL
            ORDER BY received_at DESC, quarantine_id DESC LIMIT %s OFFSET %s
            """,
            (since, rows, (page - 1) * rows),
        ).fetchall()
    count = conn.execute(
        "SELECT count(*) FROM quarantine WHERE received_at >= %s AND released_at IS NULL", (since,)
    ).fetchone()
    assert count is not None
    return found, count[0]
