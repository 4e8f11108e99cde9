"""Proposed days: holidays and adjusted working days as announced for 2026, shifts as the calendar has them."""

from datetime import date

import pytest

from analytics.workdays import OFFICE_HOURS, PlannedDay, UnannouncedYearError, announced, propose
from geo.localtime import day_number
from geo.shifts import parse_shifts, shifts_text


def day(month: int, number: int, year: int = 2026) -> int:
    return day_number(date(year, month, number))


@pytest.mark.parametrize(
    ("when", "kind", "name"),
    [
        (day(2, 16), "holiday", "春节 Spring Festival"),  # a Monday
        (day(2, 14), "adjusted_workday", "春节 Spring Festival"),  # a Saturday worked for the festival
        (day(3, 7), "weekend", ""),
        (day(3, 9), "workday", ""),
        (day(10, 1), "holiday", "国庆节 National Day"),
    ],
)
def test_days_are_as_announced(when: int, kind: str, name: str) -> None:
    assert announced(when) == (kind, name)


def test_a_year_that_is_not_announced_says_what_to_do() -> None:
    with pytest.raises(
        UnannouncedYearError, match=r"holidays of 2199: .*pip install -U chinesecalendar.*by hand"
    ) as told:
        announced(day(1, 1, 2199))
    assert told.value.year == 2199


def test_days_that_are_known_are_not_proposed_and_shifts_follow_the_last_ones() -> None:
    guards = [
        PlannedDay(day(3, 6), "workday", "", parse_shifts("08:00-20:00", day(3, 6))),
        PlannedDay(day(3, 7), "weekend", "", parse_shifts("20:00-08:00", day(3, 7))),
        PlannedDay(day(3, 2), "workday", "", ()),  # an older pattern, given later
    ]
    found = propose(guards, day(3, 5), day(3, 9))
    assert [each.day for each in found] == [day(3, 5), day(3, 8), day(3, 9)]
    assert [each.kind for each in found] == ["workday", "weekend", "workday"]
    assert [shifts_text(each.shifts, each.day) for each in found] == ["08:00-20:00", "20:00-08:00", "08:00-20:00"]


def test_a_new_calendar_begins_with_office_hours() -> None:
    saturday_worked, weekend = propose([], day(2, 14), day(2, 14)) + propose([], day(3, 7), day(3, 7))
    assert shifts_text(saturday_worked.shifts, saturday_worked.day) == OFFICE_HOURS
    assert weekend.shifts == ()


def test_a_whole_year_is_proposed() -> None:
    year = propose([], day(1, 1), day(12, 31))
    assert len(year) == 365
    kinds = [each.kind for each in year]
    assert kinds.count("workday") + kinds.count("adjusted_workday") == 248
    assert {each.name for each in year if each.kind == "adjusted_workday"} <= {
        each.name for each in year if each.kind == "holiday"
    }
