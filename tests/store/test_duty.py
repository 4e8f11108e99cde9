"""Duty days and card swipes: replaced, brought up to date, kept once."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import SECOND_US, day_date, day_number, day_start_us, to_datetime
from store.database import Database
from store.duty import (
    DriverSwipe,
    DutyDay,
    add_swipes,
    class_calendars,
    load_duty_days,
    load_swipes,
    replace_duty_days,
    set_class_calendar,
    vehicle_calendars,
)
from store.fleet import Unit, UnknownReferenceError, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.trip_views import duty_shifts
from tests.store.rows import DAY, START, vehicles

HOUR_US = 3_600 * SECOND_US
WORKDAY = DutyDay(
    DAY, "workday", "", ((START + 8 * HOUR_US, START + 12 * HOUR_US), (START + 14 * HOUR_US, START + 18 * HOUR_US))
)
NIGHT = DutyDay(
    DAY + 1, "workday", "夜班", ((day_start_us(DAY + 1) + 20 * HOUR_US, day_start_us(DAY + 2) + 8 * HOUR_US),)
)
FREE = DutyDay(DAY + 2, "holiday", "元旦")


def test_duty_days_come_out_as_they_went_in(database: Database) -> None:
    with database.connection() as conn:
        assert replace_duty_days(conn, "office", "Office hours", [FREE, WORKDAY, NIGHT]) == 3
        replace_duty_days(conn, "none", "Nobody's", [])
        assert load_duty_days(conn, DAY, DAY + 2) == {"none": [], "office": [WORKDAY, NIGHT, FREE]}
        assert load_duty_days(conn, DAY + 1, DAY + 1) == {"none": [], "office": [NIGHT]}


def test_a_day_is_replaced_with_its_shifts_and_the_others_stay(database: Database) -> None:
    changed = replace(WORKDAY, kind="adjusted_workday", shifts=WORKDAY.shifts[:1])
    with database.connection() as conn:
        replace_duty_days(conn, "office", "Office hours", [WORKDAY, FREE])
        replace_duty_days(conn, "guard", "Guards", [NIGHT])
        replace_duty_days(conn, "office", "Office", [changed])
        assert load_duty_days(conn, DAY, DAY + 2) == {"guard": [NIGHT], "office": [changed, FREE]}
        assert conn.execute("SELECT name FROM duty_calendar WHERE code = 'office'").fetchone() == ("Office",)


def test_a_shift_that_ends_before_it_begins_is_refused(database: Database) -> None:
    backwards = replace(WORKDAY, shifts=((START + HOUR_US, START),))
    with pytest.raises(psycopg.errors.CheckViolation), database.connection() as conn:
        replace_duty_days(conn, "office", "", [backwards])


def test_a_swipe_is_kept_once(database: Database) -> None:
    with database.connection() as conn:
        first, second, _ = vehicles(conn).tolist()
        swipes = [DriverSwipe(first, START, "card", True), DriverSwipe(first, START + HOUR_US, "card", False)]
        assert add_swipes(conn, swipes) == 2
        assert add_swipes(conn, [*swipes, DriverSwipe(second, START, "card", True)]) == 1
        assert add_swipes(conn, []) == 0
        assert list(load_swipes(conn, START, START + HOUR_US)) == [swipes[0], DriverSwipe(second, START, "card", True)]
        assert list(load_swipes(conn, START, START + HOUR_US + 1))[1] == swipes[1]


def _fleet(conn: Connection[Any]) -> dict[str, int]:
    """A city with a bureau and an office below it, an ordinary and an emergency vehicle in each; code → vehicle_id."""
    for code in ("office", "guard"):
        replace_duty_days(conn, code, "", [])
    upsert_units(
        conn,
        [
            Unit("city", "市"),
            Unit("bureau", "局", parent="city", duty_calendar="office"),
            Unit("desk", "科", parent="bureau", duty_calendar="guard"),
        ],
    )
    upsert_vehicles(
        conn,
        [
            Vehicle(f"{unit}-{kind}", f"{unit}-{kind}", unit, kind)
            for unit in ("bureau", "city", "desk")
            for kind in ("emergency", "ordinary")
        ],
    )
    return {each.code: each.vehicle_id for each in load_vehicles(conn)}


def _sealed_days(conn: Connection[Any], vehicle_ids: list[int], days: list[int]) -> None:
    for day in days:
        conn.execute("INSERT INTO sealed_part VALUES (%s, 0, 1, %s, 1, '')", (day_date(day), day))
        for vehicle in vehicle_ids:
            conn.execute(
                "INSERT INTO vehicle_day VALUES (%s, %s, 1, 0, 0, 0, 0, 0, NULL, 0, 0, 0)", (vehicle, day_date(day))
            )


def _stale(conn: Connection[Any]) -> set[tuple[int, int]]:
    return {(vehicle, day_number(day)) for vehicle, day in conn.execute("SELECT vehicle_id, day FROM stale_day")}


def test_a_class_has_a_calendar_of_its_own_below_the_unit_that_says_so(database: Database) -> None:
    with database.connection() as conn:
        ids = _fleet(conn)
        own = {
            "bureau-emergency": "office",
            "bureau-ordinary": "office",
            "desk-emergency": "guard",
            "desk-ordinary": "guard",
        }

        def found() -> dict[str, str]:
            of = vehicle_calendars(conn)
            return {code: of[number] for code, number in ids.items() if number in of}

        assert found() == own
        set_class_calendar(conn, "city", "emergency", "guard")
        assert found() == own | {"bureau-emergency": "guard", "city-emergency": "guard"}
        set_class_calendar(conn, "bureau", "emergency", None)
        assert found() == {
            "city-emergency": "guard", "bureau-ordinary": "office", "desk-ordinary": "guard",
        }  # fmt: skip
        assert class_calendars(conn) == [("bureau", "emergency", None), ("city", "emergency", "guard")]
        for unit in ("bureau", "city"):
            set_class_calendar(conn, unit, "emergency", None, inherit=True)
        assert found() == own
        with pytest.raises(UnknownReferenceError, match="no duty calendar has the code 'nowhere'"):
            set_class_calendar(conn, "city", "emergency", "nowhere")
        with pytest.raises(UnknownReferenceError, match="no unit has the code 'moon'"):
            set_class_calendar(conn, "moon", "emergency", None)


def test_units_in_a_circle_have_calendars_all_the_same(database: Database) -> None:
    with database.connection() as conn:
        ids = _fleet(conn)
        conn.execute("UPDATE unit SET parent_id = (SELECT unit_id FROM unit WHERE code = 'desk') WHERE code = 'city'")
        set_class_calendar(conn, "desk", "emergency", "guard")
        assert vehicle_calendars(conn)[ids["bureau-emergency"]] == "guard"


def test_a_day_that_changed_makes_its_closed_days_stale_and_the_same_again_does_not(database: Database) -> None:
    with database.connection() as conn:
        ids = _fleet(conn)
        mine, other = ids["bureau-ordinary"], ids["desk-ordinary"]
        replace_duty_days(conn, "office", "", [WORKDAY, NIGHT])
        _sealed_days(conn, [mine, other], [DAY - 2, DAY - 1, DAY, DAY + 1])
        conn.execute(
            "INSERT INTO vehicle_day VALUES (%s, %s, 1, 0, 0, 0, 0, 0, NULL, 0, 0, 0)", (mine, day_date(DAY + 2))
        )
        replace_duty_days(conn, "office", "", [replace(WORKDAY, name="renamed"), NIGHT])
        assert _stale(conn) == set()
        replace_duty_days(conn, "office", "", [replace(WORKDAY, shifts=WORKDAY.shifts[:1])])
        assert _stale(conn) == {(mine, DAY - 1), (mine, DAY), (mine, DAY + 1)}
        replace_duty_days(conn, "office", "", [FREE])
        assert (mine, DAY + 2) not in _stale(conn)  # an open day is audited by itself


def test_a_class_that_changes_calendar_makes_its_closed_days_stale(database: Database) -> None:
    with database.connection() as conn:
        ids = _fleet(conn)
        replace_duty_days(conn, "office", "", [WORKDAY])
        _sealed_days(conn, list(ids.values()), [DAY])
        set_class_calendar(conn, "bureau", "emergency", "guard")  # the desk has the guards' already
        assert _stale(conn) == {(ids["bureau-emergency"], DAY)}


def test_a_trip_is_drawn_by_the_calendar_of_its_vehicles_class(database: Database) -> None:
    span = (to_datetime(START), to_datetime(START + 24 * HOUR_US))
    with database.connection() as conn:
        ids = _fleet(conn)
        replace_duty_days(conn, "office", "", [WORKDAY])
        emergency, ordinary = ids["bureau-emergency"], ids["bureau-ordinary"]
        assert len(duty_shifts(conn, emergency, *span) or []) == 2
        set_class_calendar(conn, "city", "emergency", None)
        assert duty_shifts(conn, emergency, *span) is None, "nothing is off-hours"
        set_class_calendar(conn, "city", "emergency", "guard")
        assert duty_shifts(conn, emergency, *span) == [], "everything is"
        assert len(duty_shifts(conn, ordinary, *span) or []) == 2
