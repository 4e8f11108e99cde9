"""Time limits in working days: when a step is due, and which card it earns when it is late.

A limit of n working days ends with the n-th working day after the day it began on; that first day does not count. Days
are the fleet's local days by number, instants µs UTC. Which days are working days a calendar says (`Works`); a day it
does not know is an error, never a guess.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from analytics.workdays import WORKING, UnannouncedYearError, announced
from geo.localtime import day_date, day_start_us, local_day

Works = Callable[[int], bool]
"""Whether a local day is a working day; UnknownDayError where nobody knows."""

Pause = tuple[int, int]
"""First and last local day, both included, on which a clock stands."""

PROMPT_BEFORE_DAYS = 1
"""Working days before the end of a limit on which the prompt card is given: time for one more day's work."""

RED_AFTER_LIMITS = 1
"""How many times its own limit a step may be overdue before yellow turns red: who lets the whole time pass twice."""

CARDS = ("prompt", "yellow", "red")
"""The cards, mildest first."""


class UnknownDayError(Exception):
    """No calendar says whether a day is a working day; `day` is its local day number."""

    def __init__(self, day: int, todo: str) -> None:
        super().__init__(f"{day_date(day)}: expected a day of the calendar, got one it does not know: {todo}")
        self.day = day


def announced_works(day: int) -> bool:
    """Whether a local day is a working day as announced for the country; UnknownDayError for a year not announced."""
    try:
        return announced(day)[0] in WORKING
    except UnannouncedYearError as error:
        raise UnknownDayError(day, f"{error}; case_calendar may name a calendar that has them") from None


def calendar_works(code: str, kinds: Mapping[int, str]) -> Works:
    """Working days of a duty calendar: local day → its kind (workday, adjusted_workday, weekend, holiday)."""

    def works(day: int) -> bool:
        if day not in kinds:
            raise UnknownDayError(
                day,
                f"fill the year on the page of duty calendar {code!r}, or import its days (columns calendar, day, kind, shifts)",
            )
        return kinds[day] in WORKING

    return works


def due_day(start_day: int, limit: int, works: Works, pauses: Sequence[Pause] = ()) -> int:
    """The local day with which a limit of working days ends that began on `start_day`; that day itself for a limit of 0.

    Days of a pause do not count, whatever they are. UnknownDayError.
    """
    day, left = start_day, limit
    while left > 0:
        day += 1
        if not _paused(day, pauses) and works(day):
            left -= 1
    return day


def deadline_us(start_us: int, limit: int, works: Works, pauses: Sequence[Pause] = ()) -> int:
    """The instant at which a limit of working days is over that began at `start_us`: the local midnight after its last day."""
    return day_start_us(due_day(_day(start_us), limit, works, pauses) + 1)


def working_days(first_day: int, last_day: int, works: Works, pauses: Sequence[Pause] = ()) -> int:
    """How many working days lie in [first_day, last_day] outside the pauses; 0 where the last lies before the first."""
    return sum(1 for day in range(first_day, last_day + 1) if not _paused(day, pauses) and works(day))


def overdue_days(now_us: int, deadline: int, works: Works, pauses: Sequence[Pause] = ()) -> int:
    """Whole working days that have passed since a deadline; 0 before it."""
    return working_days(_day(deadline), _day(now_us) - 1, works, pauses)


def card(now_us: int, deadline: int, limit: int, works: Works, pauses: Sequence[Pause] = ()) -> str:
    """The card a step earns by now, one of CARDS; empty while there is time.

    prompt from PROMPT_BEFORE_DAYS working days before the last day of the limit, yellow from the deadline on, red once it is
    overdue by RED_AFTER_LIMITS times the limit.
    """
    if now_us >= deadline:
        return "red" if overdue_days(now_us, deadline, works, pauses) >= RED_AFTER_LIMITS * max(limit, 1) else "yellow"
    left = working_days(_day(now_us), _day(deadline) - 1, works, pauses)
    return "prompt" if left <= PROMPT_BEFORE_DAYS + 1 else ""


def _day(time_us: int) -> int:
    return int(local_day(np.array([time_us], dtype=np.int64))[0])


def _paused(day: int, pauses: Sequence[Pause]) -> bool:
    return any(first <= day <= last for first, last in pauses)
