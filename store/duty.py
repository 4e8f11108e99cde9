"""Duty calendars: duty days and shifts, which vehicle follows which; drivers' card swipes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import day_date, day_number, to_datetime, to_us
from store.fleet import refer
from store.judged import SEALED
from store.records import mark_changed
from store.stale import MARK

ROWS_AT_ONCE = 10_000
"""Rows that are fetched at once where a city's year of them may be asked for."""


@dataclass(frozen=True, slots=True)
class DutyDay:
    """One day of a calendar: what kind of day it is, and its shifts as (start, end) in µs UTC."""

    day: int
    kind: str  # workday, adjusted_workday, weekend, holiday
    name: str = ""
    shifts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DriverSwipe:
    """A driver's card put in or taken out of a vehicle's reader; µs UTC."""

    vehicle_id: int
    swiped_at: int
    driver_card: str
    inserted: bool


def replace_duty_days(conn: Connection[Any], calendar: str, name: str, days: Sequence[DutyDay]) -> int:
    """Put these days of a calendar in place of what stood for them; other days stay. Returns how many.

    Vehicle-days that were audited by the other kind or shifts of a day become stale, so that they are audited again.
    """
    changed = _changed_days(conn, calendar, days)
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
    touched = sorted({number for day in changed for number in (day - 1, day, day + 1)})  # shifts run over midnight
    conn.execute(
        f"""
        INSERT INTO stale_day (vehicle_id, day)
        SELECT vehicle_id, day FROM vehicle_day v JOIN vehicle_calendar c USING (vehicle_id)
        WHERE c.calendar = %s AND v.day = ANY(%s) AND {SEALED}
        ORDER BY vehicle_id, day {MARK}
        """,
        (calendar, [day_date(number) for number in touched]),
    )
    return len(days)


def set_class_calendar(
    conn: Connection[Any], unit: str, vehicle_class: str, calendar: str | None, *, inherit: bool = False
) -> None:
    """Give a class of vehicles, in a unit and all below it, a duty calendar of its own; None: no calendar.

    `inherit` takes such a rule away again. Closed days of the vehicles whose calendar is now another become stale.
    UnknownReferenceError names a unit or calendar that is not there.
    """
    for table, code in (("unit", unit), ("duty_calendar", "" if inherit else calendar or "")):
        refer(conn, table, {code})
    before = vehicle_calendars(conn)
    if inherit:
        conn.execute(
            "DELETE FROM class_calendar USING unit u WHERE class_calendar.unit_id = u.unit_id AND u.code = %s AND class = %s",
            (unit, vehicle_class),
        )
    else:
        conn.execute(
            """
            INSERT INTO class_calendar (unit_id, class, calendar) SELECT unit_id, %s, %s FROM unit WHERE code = %s
            ON CONFLICT (unit_id, class) DO UPDATE SET calendar = excluded.calendar
            """,
            (vehicle_class, calendar, unit),
        )
    mark_stale(conn, before)


def mark_stale(conn: Connection[Any], before: Mapping[int, str]) -> None:
    """Make the closed days of every vehicle stale that follows another calendar than `before`, of vehicle_calendars."""
    after = vehicle_calendars(conn)
    conn.execute(
        f"""
        INSERT INTO stale_day (vehicle_id, day)
        SELECT vehicle_id, day FROM vehicle_day v WHERE vehicle_id = ANY(%s) AND {SEALED}
        ORDER BY vehicle_id, day {MARK}
        """,
        ([number for number in before.keys() | after.keys() if before.get(number) != after.get(number)],),
    )


def class_calendars(conn: Connection[Any]) -> list[tuple[str, str, str | None]]:
    """(unit, class, calendar or None) of every class that has a calendar of its own, or is to have none."""
    return conn.execute(
        "SELECT u.code, c.class, c.calendar FROM class_calendar c JOIN unit u USING (unit_id) ORDER BY u.code, c.class"
    ).fetchall()


def calendar_names(conn: Connection[Any]) -> dict[str, str]:
    """Code → name of every duty calendar, by code."""
    return dict(conn.execute("SELECT code, name FROM duty_calendar ORDER BY code").fetchall())


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


def _changed_days(conn: Connection[Any], calendar: str, days: Sequence[DutyDay]) -> list[int]:
    """Local days whose kind or shifts differ from what stands; the name alone changes nothing."""
    if not days:
        return []
    span = (min(each.day for each in days), max(each.day for each in days))
    old = {each.day: (each.kind, each.shifts) for each in load_duty_days(conn, *span).get(calendar, [])}
    return [each.day for each in days if old.get(each.day) != (each.kind, tuple(sorted(each.shifts)))]


def vehicle_calendars(conn: Connection[Any]) -> dict[int, str]:
    """vehicle_id → code of the duty calendar that applies to it, by its class or its unit; vehicles without are left out."""
    return dict(conn.execute("SELECT vehicle_id, calendar FROM vehicle_calendar WHERE calendar IS NOT NULL").fetchall())


def add_swipes(conn: Connection[Any], swipes: Iterable[DriverSwipe]) -> int:
    """Keep card swipes; one that is there already stays one. Returns how many are new."""
    rows = [(each.vehicle_id, to_datetime(each.swiped_at), each.driver_card, each.inserted) for each in swipes]
    with conn.cursor() as cursor:
        cursor.executemany("INSERT INTO driver_swipe VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", rows)
        new = max(cursor.rowcount, 0)
    if new:
        mark_changed(conn, [(vehicle_id, day_number(at.date())) for vehicle_id, at, _, _ in rows])
    return new


def load_swipes(conn: Connection[Any], from_us: int, to_us_: int) -> Iterator[DriverSwipe]:
    """Swipes with from_us ≤ time < to_us_, by vehicle and time, as they come from the server: to be read in the transaction."""
    with conn.cursor("swipes") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT vehicle_id, swiped_at, driver_card, inserted FROM driver_swipe
            WHERE swiped_at >= %s AND swiped_at < %s ORDER BY vehicle_id, swiped_at, inserted, driver_card
            """,
            (to_datetime(from_us), to_datetime(to_us_)),
        )
        for vehicle_id, swiped_at, card, inserted in cursor:
            yield DriverSwipe(vehicle_id, to_us(swiped_at), card, inserted)
