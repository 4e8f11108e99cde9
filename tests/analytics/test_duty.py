"""Duty time against a count of minutes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.duty import DutyCalendar, UnknownDayError, duty_clock, off_hours_s
from geo.localtime import SECOND_US
from tests.analytics.tracks import MONDAY, at, office

MINUTE_US = 60 * SECOND_US
START = at("00:00")


def calendar(shifts: list[tuple[int, int]], days: int = 5) -> DutyCalendar:
    return DutyCalendar.of("depot", shifts, [(MONDAY + day, "workday") for day in range(days)])


def off_minutes(of: DutyCalendar, start: int, end: int) -> float:
    zero = np.zeros(1, dtype=np.int32)
    return float(off_hours_s((of,), zero, np.array([start]), np.array([end]))[0]) / 60


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 900)), max_size=6),
    st.integers(0, 5000),
    st.integers(0, 2000),
)
def test_off_hours_are_what_counting_minutes_gives(shifts: list[tuple[int, int]], start: int, length: int) -> None:
    spans = [(first, first + span) for first, span in shifts]
    on_duty = {minute for first, last in spans for minute in range(first, last)}
    expected = sum(minute not in on_duty for minute in range(start, start + length))
    of = calendar([(START + first * MINUTE_US, START + last * MINUTE_US) for first, last in spans])
    assert off_minutes(of, START + start * MINUTE_US, START + (start + length) * MINUTE_US) == expected


def test_a_shift_over_midnight_is_duty_on_both_sides() -> None:
    night = calendar([(at("20:00"), at("08:00", MONDAY + 1))])
    assert off_minutes(night, at("19:00"), at("09:00", MONDAY + 1)) == 120
    assert off_minutes(night, at("23:30"), at("00:30", MONDAY + 1)) == 0


def test_touching_shifts_are_one() -> None:
    touching = calendar([(at("12:00"), at("16:00")), (at("08:00"), at("12:00"))])
    assert touching.starts.tolist() == [at("08:00")]
    assert touching.ends.tolist() == [at("16:00")]


def test_a_calendar_without_shifts_is_off_hours_all_day() -> None:
    assert off_minutes(calendar([]), at("08:00"), at("10:00")) == 120


def test_without_calendar_nothing_is_off_hours() -> None:
    none = np.array([-1], dtype=np.int32)
    assert off_hours_s((office(),), none, np.array([at("02:00")]), np.array([at("03:00")])).tolist() == [0.0]


def test_each_row_follows_its_own_calendar() -> None:
    two = (calendar([(at("08:00"), at("12:00"))]), calendar([]))
    start, end = np.full(3, at("08:00")), np.full(3, at("09:00"))
    assert off_hours_s(two, np.array([0, 1, -1], dtype=np.int32), start, end).tolist() == [0.0, 3600.0, 0.0]


def test_an_unknown_day_is_an_error_that_names_calendar_day_and_remedy() -> None:
    with pytest.raises(
        UnknownDayError, match=r"'depot' does not know 2026-03-07.*`gongche import calendar.csv"
    ) as error:
        duty_clock((calendar([]),), np.zeros(1, dtype=np.int32), np.array([at("08:00", MONDAY + 5)]))
    assert (error.value.calendar, error.value.day) == ("depot", MONDAY + 5)


def test_days_have_their_kinds() -> None:
    days = [(MONDAY, "workday"), (MONDAY + 1, "holiday"), (MONDAY + 2, "adjusted_workday"), (MONDAY + 3, "weekend")]
    rest, holiday = DutyCalendar.of("c", [], days).kinds_of(np.arange(MONDAY, MONDAY + 4, dtype=np.int32))
    assert rest.tolist() == [False, True, False, True]
    assert holiday.tolist() == [False, True, False, False]
