"""Limits in working days: holidays, adjusted weekends, pauses, cards, and years nobody knows."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.workdays import announced
from geo.localtime import DAY_US, SECOND_US, day_date, day_number, day_start_us
from rules.clocks import (
    CARDS,
    UnknownDayError,
    announced_works,
    calendar_works,
    card,
    deadline_us,
    due_day,
    overdue_days,
    working_days,
)

HOUR_US = 3600 * SECOND_US


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def weekdays(number: int) -> bool:
    return day_date(number).weekday() < 5


def noon(text: str) -> int:
    return day_start_us(day(text)) + 12 * HOUR_US


@pytest.mark.parametrize(
    ("starts", "limit", "due"),
    [
        ("2026-11-27", 1, "2026-11-30"),  # Friday to Monday
        ("2026-11-27", 5, "2026-12-04"),
        ("2026-11-28", 1, "2026-11-30"),  # begun on a Saturday
        ("2026-09-30", 1, "2026-10-08"),  # the national holiday of 1 to 7 October
        ("2026-09-30", 3, "2026-10-10"),  # 10 October is a Saturday worked in its place
        ("2026-02-13", 2, "2026-02-24"),  # Saturday 14 February is worked, then the Spring Festival
        ("2026-11-27", 0, "2026-11-27"),
    ],
)
def test_a_limit_ends_with_its_last_working_day_as_announced(starts: str, limit: int, due: str) -> None:
    assert day_date(due_day(day(starts), limit, announced_works)) == date.fromisoformat(due)
    assert deadline_us(noon(starts), limit, announced_works) == day_start_us(day(due) + 1)


def test_local_midnight_and_not_utc_divides_the_days() -> None:
    before, after = day_start_us(day("2026-11-30")) - 1, day_start_us(day("2026-11-30"))
    assert deadline_us(before, 1, weekdays) == day_start_us(day("2026-12-01")), "late on Sunday the 29th"
    assert deadline_us(after, 1, weekdays) == day_start_us(day("2026-12-02"))


def test_the_days_of_a_pause_do_not_count() -> None:
    pause = (day("2026-12-01"), day("2026-12-03"))
    assert day_date(due_day(day("2026-11-30"), 2, weekdays, [pause])) == date(2026, 12, 7)
    assert working_days(day("2026-11-30"), day("2026-12-06"), weekdays, [pause]) == 2
    beside = (day("2026-12-05"), day("2026-12-06"))  # a weekend
    assert due_day(day("2026-11-30"), 4, weekdays, [beside]) == due_day(day("2026-11-30"), 4, weekdays)


@given(st.integers(20_000, 21_000), st.integers(1, 60), st.integers(0, 40), st.integers(0, 30))
def test_a_limit_holds_exactly_its_working_days(start: int, limit: int, after: int, long: int) -> None:
    """The plain twin: the days after the start up to the due day, outside the pause, and the last one is worked."""
    pause = (start + after, start + after + long)
    due = due_day(start, limit, weekdays, [pause])
    counted = [d for d in range(start + 1, due + 1) if weekdays(d) and not pause[0] <= d <= pause[1]]
    assert (len(counted), counted[-1]) == (limit, due)


@pytest.mark.parametrize(
    ("now", "earned"),
    [
        ("2026-11-30", ""),  # five working days from Friday 27 November: 4 December
        ("2026-12-02", ""),
        ("2026-12-03", "prompt"),
        ("2026-12-04", "prompt"),
        ("2026-12-05", "yellow"),
        ("2026-12-11", "yellow"),  # the fifth working day after: not over yet
        ("2026-12-12", "red"),
        ("2027-03-01", "red"),
    ],
)
def test_a_card_comes_a_working_day_before_at_the_deadline_and_a_limit_after(now: str, earned: str) -> None:
    deadline = deadline_us(noon("2026-11-27"), 5, weekdays)
    assert card(noon(now), deadline, 5, weekdays) == earned


def test_the_prompt_card_before_a_holiday_comes_on_the_last_working_day() -> None:
    deadline = deadline_us(noon("2026-09-28"), 3, announced_works)
    assert deadline == day_start_us(day("2026-10-09")), "29 and 30 September, 8 October"
    assert card(noon("2026-09-29"), deadline, 3, announced_works) == ""
    assert card(noon("2026-09-30"), deadline, 3, announced_works) == "prompt"
    assert card(noon("2026-10-05"), deadline, 3, announced_works) == "prompt"


def test_cards_only_grow_graver() -> None:
    deadline = deadline_us(noon("2026-11-27"), 10, weekdays)
    found = [card(noon("2026-11-27") + hours * HOUR_US, deadline, 10, weekdays) for hours in range(24 * 60)]
    graves = [CARDS.index(each) if each else -1 for each in found]
    assert graves == sorted(graves)
    assert set(found) == {"", *CARDS}


def test_overdue_days_are_whole_working_days_since() -> None:
    deadline = deadline_us(noon("2026-11-26"), 1, weekdays)  # the end of Friday 27
    assert [overdue_days(deadline + days * DAY_US, deadline, weekdays) for days in (-1, 0, 2, 3, 4)] == [0, 0, 0, 1, 2]


def test_an_unknown_year_is_an_error_that_says_what_to_do() -> None:
    year = next(each for each in range(2026, 2200) if not _announced(each + 1))
    with pytest.raises(UnknownDayError, match=rf"^{year + 1}-01-01: .*pip install -U chinesecalendar.*case_calendar"):
        deadline_us(noon(f"{year}-12-25"), 20, announced_works)
    deadline_us(noon(f"{year}-12-01"), 5, announced_works)


def test_a_day_that_a_calendar_does_not_have_is_an_error_that_names_the_calendar() -> None:
    works = calendar_works("office", {day("2026-11-30"): "workday", day("2026-12-01"): "holiday"})
    assert (works(day("2026-11-30")), works(day("2026-12-01"))) == (True, False)
    with pytest.raises(UnknownDayError, match=r"2026-12-02: .*duty calendar 'office'") as raised:
        due_day(day("2026-11-30"), 1, works)
    assert raised.value.day == day("2026-12-02")


def _announced(year: int) -> bool:
    try:
        announced(day_number(date(year, 1, 1)))
    except Exception:  # noqa: BLE001 - whatever it is, the year is not known
        return False
    return True
