"""Duty days, dispatch orders and card swipes: replaced, brought up to date, kept once."""

from dataclasses import replace

import psycopg
import pytest

from geo.localtime import SECOND_US, day_start_us
from store.database import Database
from store.duty import (
    DispatchOrder,
    DriverSwipe,
    DutyDay,
    add_swipes,
    load_duty_days,
    load_orders,
    load_swipes,
    replace_duty_days,
    upsert_orders,
)
from store.fleet import UnknownReferenceError
from tests.store.rows import DAY, START, vehicles

HOUR_US = 3_600 * SECOND_US
WORKDAY = DutyDay(
    DAY, "workday", "", ((START + 8 * HOUR_US, START + 12 * HOUR_US), (START + 14 * HOUR_US, START + 18 * HOUR_US))
)
NIGHT = DutyDay(
    DAY + 1, "workday", "夜班", ((day_start_us(DAY + 1) + 20 * HOUR_US, day_start_us(DAY + 2) + 8 * HOUR_US),)
)
FREE = DutyDay(DAY + 2, "holiday", "元旦")
ORDER = DispatchOrder("D-1", "粤A00000", START, START + HOUR_US, "card", "会议", "白云机场", 23.39, 113.3, "approver")


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


def test_orders_come_out_as_they_went_in_and_are_brought_up_to_date(database: Database) -> None:
    with database.connection() as conn:
        first, second, _ = vehicles(conn).tolist()
        assert upsert_orders(conn, [ORDER]) == 1
        assert load_orders(conn, START, START + 1) == [replace(ORDER, vehicle_id=first)]
        changed = replace(
            ORDER, vehicle="粤A00001", destination_lat=None, destination_lon=None, ends=START + 2 * HOUR_US
        )
        upsert_orders(conn, [changed])
        assert load_orders(conn, START, START + 1) == [replace(changed, vehicle_id=second)]


@pytest.mark.parametrize(
    ("from_us", "to_us", "found"),
    [
        (START - HOUR_US, START, False),
        (START - HOUR_US, START + 1, True),
        (START + HOUR_US - 1, START + 2 * HOUR_US, True),
        (START + HOUR_US, START + 2 * HOUR_US, False),
        (START + 1, START + 2, True),
    ],
)
def test_orders_are_found_by_overlap(database: Database, from_us: int, to_us: int, found: bool) -> None:
    with database.connection() as conn:
        vehicles(conn)
        upsert_orders(conn, [ORDER])
        assert bool(load_orders(conn, from_us, to_us)) == found


def test_an_order_for_no_vehicle_names_both(database: Database) -> None:
    named = "order D-1: no vehicle has the code '粤A00000'"
    with pytest.raises(UnknownReferenceError, match=named), database.connection() as conn:
        upsert_orders(conn, [ORDER])


def test_a_swipe_is_kept_once(database: Database) -> None:
    with database.connection() as conn:
        first, second, _ = vehicles(conn).tolist()
        swipes = [DriverSwipe(first, START, "card", True), DriverSwipe(first, START + HOUR_US, "card", False)]
        assert add_swipes(conn, swipes) == 2
        assert add_swipes(conn, [*swipes, DriverSwipe(second, START, "card", True)]) == 1
        assert add_swipes(conn, []) == 0
        assert load_swipes(conn, START, START + HOUR_US) == [swipes[0], DriverSwipe(second, START, "card", True)]
        assert load_swipes(conn, START, START + HOUR_US + 1)[1] == swipes[1]
