"""Duty time against a count of minutes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.duty import (
    HOLIDAY,
    KNOWN,
    NO_CALENDAR,
    REST,
    DutyCalendar,
    DutyTable,
    LeftOut,
    UnknownDayError,
    duty_clock,
    merge_left_out,
    off_hours_s,
    on_known_days,
)
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


def read_clock(of: DutyCalendar, instant: int) -> int:
    """The duty clock as one would read it: shift by shift."""
    return sum(
        min(max(instant - start, 0), end - start)
        for start, end in zip(of.starts.tolist(), of.ends.tolist(), strict=True)
    )


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 900)), max_size=5), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-1, 2), st.lists(st.integers(0, 7000), min_size=1, max_size=60)), max_size=5),
)
def test_the_clock_of_each_instant_is_read_by_its_own_calendar(
    shifts: list[list[tuple[int, int]]], runs: list[tuple[int, list[int]]]
) -> None:
    """Runs of ascending instants, as of one vehicle after another, long and short."""
    calendars = tuple(
        calendar([(START + first * MINUTE_US, START + (first + span) * MINUTE_US) for first, span in each])
        for each in shifts
    )
    rows = [
        (number if number < len(calendars) else NO_CALENDAR, START + minute * MINUTE_US)
        for number, minutes in runs
        for minute in sorted(minutes)
    ]
    number = np.array([row[0] for row in rows], dtype=np.int32)
    time = np.array([row[1] for row in rows], dtype=np.int64)
    expected = [each if of == NO_CALENDAR else read_clock(calendars[of], each) for of, each in rows]
    assert duty_clock(calendars, number, time).tolist() == expected


def test_long_runs_and_scattered_instants_read_the_same_clock() -> None:
    rng = np.random.default_rng(5)
    two = (office(), calendar([(at("20:00"), at("08:00", MONDAY + 1))]))
    time = np.sort(START + rng.integers(0, 5 * 1440, (3, 2000)) * MINUTE_US, axis=1).ravel()
    number = np.repeat(np.array([0, 1, -1], dtype=np.int32), 2000)
    shuffled = rng.permutation(len(time))
    sorted_clock = duty_clock(two, number, time)
    assert (duty_clock(two, number[shuffled], time[shuffled]) == sorted_clock[shuffled]).all()
    assert sorted_clock[:10].tolist() == [read_clock(two[0], each) for each in time[:10].tolist()]


def test_a_day_nobody_drove_on_may_be_unknown() -> None:
    gap = DutyCalendar.of("depot", [], [(MONDAY, "workday"), (MONDAY + 2, "workday")])
    zeros = np.zeros(40, dtype=np.int32)
    around = np.repeat([at("08:00"), at("08:00", MONDAY + 2)], 20)
    assert (duty_clock((gap,), zeros, around) == 0).all()
    with pytest.raises(UnknownDayError, match="2026-03-03"):
        duty_clock((gap,), zeros, np.sort(np.append(around[1:], at("08:00", MONDAY + 1))))


def test_the_table_holds_every_calendar_in_flat_columns() -> None:
    days = [(MONDAY, "workday"), (MONDAY + 2, "holiday"), (MONDAY + 3, "weekend")]
    first = DutyCalendar.of("a", [(at("08:00"), at("12:00")), (at("14:00"), at("18:00"))], days)
    table = DutyTable.of((first, calendar([], days=0), calendar([(at("20:00"), at("08:00", MONDAY + 1))], days=1)))
    assert table.offsets.tolist() == [0, 2, 2, 3]
    assert table.starts.tolist() == [at("08:00"), at("14:00"), at("20:00")]
    assert table.ends.tolist() == [at("12:00"), at("18:00"), at("08:00", MONDAY + 1)]
    assert (table.cumulative // MINUTE_US).tolist() == [0, 240, 0]
    assert table.day_offsets.tolist() == [0, 4, 4, 5]
    assert table.first_days.tolist() == [MONDAY, 0, MONDAY]
    assert table.kinds.tolist() == [KNOWN, 0, KNOWN | REST | HOLIDAY, KNOWN | REST, KNOWN]


def test_no_instant_no_clock() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert len(duty_clock((office(),), empty.astype(np.int32), empty)) == 0
    assert DutyTable.of(()).offsets.tolist() == [0]


def test_only_what_an_unknown_day_holds_is_left_out() -> None:
    short, long = calendar([], days=1), DutyCalendar.of("long", [], [(MONDAY + day, "workday") for day in range(4)])
    vehicle = np.array([0, 0, 0, 1, 1, 2], dtype=np.int32)
    time = np.array([at("08:00", MONDAY + day) for day in (0, 1, 2, 1, 2, 2)])
    numbers = np.array([0, 1, -1], dtype=np.int32)
    keep, left_out = on_known_days((short, long), numbers, vehicle, time, MONDAY, MONDAY + 1)
    assert keep is not None
    assert keep.tolist() == [True, False, False, True, True, True]
    assert left_out == [LeftOut("depot", MONDAY + 1, MONDAY + 1, 1, 1)]
    assert "'depot' does not know 2026-03-03" in str(left_out[0])
    assert "1 days of 1 vehicles" in str(left_out[0])
    assert on_known_days((long,), numbers - 1, vehicle, time, MONDAY, MONDAY + 3) == (None, [])
    none = np.empty(0, dtype=np.int64)
    assert on_known_days((short,), numbers, none.astype(np.int32), none, MONDAY, MONDAY) == (None, [])


def test_a_day_around_those_asked_for_is_left_out_without_a_word() -> None:
    vehicle, time = np.zeros(2, dtype=np.int32), np.array([at("23:50"), at("00:10", MONDAY + 1)])
    keep, left_out = on_known_days((calendar([], days=1),), vehicle[:1], vehicle, time, MONDAY, MONDAY)
    assert keep is not None
    assert (keep.tolist(), left_out) == ([True, False], [])


def test_what_parts_of_an_audit_left_out_is_one_line_a_calendar() -> None:
    parts = [LeftOut("b", 5, 6, 2, 4), LeftOut("a", 1, 1, 1, 1), LeftOut("b", 4, 5, 3, 3)]
    assert merge_left_out(parts) == (LeftOut("a", 1, 1, 1, 1), LeftOut("b", 4, 6, 5, 7))
