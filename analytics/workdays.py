"""Days that a duty calendar does not have yet, proposed: the kind as announced, the shifts as the calendar has them.

Public holidays and adjusted working days are announced by the State Council year by year, usually in November; the
package `chinesecalendar` carries them. A proposal becomes a calendar only by the hand of an administrator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

import chinese_calendar

from geo.localtime import day_date
from geo.shifts import parse_shifts, shifts_text

OFFICE_HOURS = "08:30-12:00 14:00-17:30"
"""Shifts of a working day proposed for a calendar that has none yet."""

WORKING = ("workday", "adjusted_workday")


class UnannouncedYearError(Exception):
    """The installed chinesecalendar does not know the holidays of a year."""

    def __init__(self, year: int) -> None:
        super().__init__(
            f"chinesecalendar {version('chinesecalendar')} does not know the public holidays of {year}: once they are "
            f"announced (usually in November of the year before), update it with `pip install -U chinesecalendar`, or "
            f"write the days by hand (columns calendar, day, kind, shifts)"
        )
        self.year = year


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """One day of a calendar: its kind, the festival's name, and its shifts in µs UTC."""

    day: int
    kind: str  # workday, adjusted_workday, weekend, holiday
    name: str = ""
    shifts: tuple[tuple[int, int], ...] = ()


def announced(day: int) -> tuple[str, str]:
    """Kind of a local day and the festival's name in both languages, as announced; UnannouncedYearError."""
    when: date = day_date(day)
    try:
        free, festival = chinese_calendar.get_holiday_detail(when)
    except NotImplementedError:
        raise UnannouncedYearError(when.year) from None
    name = f"{chinese_calendar.Holiday(festival).chinese} {festival}" if festival else ""
    if free:
        return ("holiday", name) if festival else ("weekend", "")
    return ("adjusted_workday", name) if when.weekday() >= 5 else ("workday", "")


def propose(known: Sequence[PlannedDay], from_day: int, to_day: int) -> list[PlannedDay]:
    """The days of [from_day, to_day] that are not among `known`, by day.

    Working days get the shifts of the last known working day, days of rest those of the last known day of rest;
    OFFICE_HOURS and none where there is no such day. UnannouncedYearError names the year that cannot be proposed.
    """
    there = {each.day for each in known}
    patterns = {True: OFFICE_HOURS, False: ""}
    for each in sorted(known, key=lambda each: each.day):
        patterns[each.kind in WORKING] = shifts_text(each.shifts, each.day)
    days = []
    for day in range(from_day, to_day + 1):
        if day not in there:
            kind, name = announced(day)
            days.append(PlannedDay(day, kind, name, parse_shifts(patterns[kind in WORKING], day)))
    return days
