"""Duty hours as intervals on the time axis: what part of a time, and of a way, lies outside them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.localtime import SECOND_US, day_date, local_day

NO_CALENDAR = -1


class UnknownDayError(Exception):
    """A calendar does not say what kind of day a date is. It is never guessed: holidays are announced year by year."""

    def __init__(self, calendar: str, day: int) -> None:
        super().__init__(
            f"duty calendar {calendar!r} does not know {day_date(day)}: import that year with "
            f"`gongche import calendar.csv --format calendar`"
        )
        self.calendar = calendar
        self.day = day


@dataclass(frozen=True, slots=True)
class DutyCalendar:
    """One calendar: duty hours as sorted, disjoint intervals, and the kind of each day it knows."""

    code: str
    starts: Int64Array  # µs UTC
    ends: Int64Array
    days: Int32Array  # local day numbers it knows, ascending
    rest: BoolArray  # weekend or holiday
    holiday: BoolArray

    @classmethod
    def of(cls, code: str, shifts: list[tuple[int, int]], days: list[tuple[int, str]]) -> Self:
        """Build from shifts (start, end) in µs UTC, which may touch or overlap, and (day, kind) pairs."""
        merged: list[list[int]] = []
        for start, end in sorted(shifts):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        intervals = np.array(merged, dtype=np.int64).reshape(-1, 2)
        ordered = sorted(days)
        kinds = np.array([kind for _, kind in ordered], dtype=object)
        return cls(
            code,
            intervals[:, 0].copy(),
            intervals[:, 1].copy(),
            np.array([day for day, _ in ordered], dtype=np.int32),
            np.isin(kinds, ("weekend", "holiday")),
            kinds == "holiday",
        )

    def duty_us(self, time_us: Int64Array) -> Int64Array:
        """Duty time from the beginning of the calendar until each instant, µs; int64 (n,)."""
        if not len(self.starts):
            return np.zeros(len(time_us), dtype=np.int64)
        before = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        shift = np.searchsorted(self.starts, time_us, side="right") - 1
        within = np.clip(time_us - self.starts[shift], 0, (self.ends - self.starts)[shift])
        return np.where(shift < 0, 0, before[np.maximum(shift, 0)] + within)

    def check_days(self, days: Int32Array) -> None:
        """UnknownDayError for the first of these local days that the calendar does not know."""
        unknown = np.setdiff1d(days, self.days)
        if len(unknown):
            raise UnknownDayError(self.code, int(unknown[0]))

    def kinds_of(self, days: Int32Array) -> tuple[BoolArray, BoolArray]:
        """(rest, holiday) of local days that it knows."""
        place = np.searchsorted(self.days, days)
        return self.rest[place], self.holiday[place]


def duty_clock(calendars: tuple[DutyCalendar, ...], calendar_ix: Int32Array, time_us: Int64Array) -> Int64Array:
    """Duty time until each instant by the calendar that applies to it, µs; int64 (n,).

    The off-hours part of [a, b] is (b − a) − (clock(b) − clock(a)). Where no calendar applies (−1) every instant is
    duty time: nothing can be off-hours.

    Raises UnknownDayError when an instant lies on a day its calendar does not know.
    """
    clock = time_us.copy()
    for number, calendar in enumerate(calendars):
        rows = np.flatnonzero(calendar_ix == number)
        if len(rows):
            days = local_day(time_us[rows])
            calendar.check_days(days[np.append(True, days[1:] != days[:-1])])  # few of these are left to be sorted
            clock[rows] = calendar.duty_us(time_us[rows])
    return clock


def off_hours_s(
    calendars: tuple[DutyCalendar, ...], calendar_ix: Int32Array, start_us: Int64Array, end_us: Int64Array
) -> FloatArray:
    """Seconds of each [start, end] outside duty hours; float64 (n,)."""
    duty = duty_clock(calendars, calendar_ix, end_us) - duty_clock(calendars, calendar_ix, start_us)
    seconds: FloatArray = (end_us - start_us - duty) / SECOND_US
    return seconds
