"""Duty hours as intervals on the time axis: what part of a time, and of a way, lies outside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.localtime import SECOND_US, day_date, local_day

NO_CALENDAR = -1

KNOWN, REST, HOLIDAY = 1, 2, 4
"""Bits of `DutyTable.kinds`."""

_SHORT_RUN = 16
"""Runs shorter than this on average are not worth a loop over them; every instant is searched by itself then."""


class UnknownDayError(Exception):
    """A calendar does not say what kind of day a date is. It is never guessed: holidays are announced year by year."""

    def __init__(self, calendar: str, day: int) -> None:
        super().__init__(
            f"duty calendar {calendar!r} does not know {day_date(day)}: import that year with "
            f"`gongche import calendar.csv --format calendar`; `gongche export calendar` writes such a file to edit"
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

    def check_days(self, days: Int32Array) -> None:
        """UnknownDayError for the first of these local days that the calendar does not know."""
        unknown = self.unknown_of(days)
        if len(unknown):
            raise UnknownDayError(self.code, int(unknown[0]))

    def unknown_of(self, days: Int32Array) -> Int32Array:
        """Those of these local days that the calendar does not know, ascending, each once."""
        return np.setdiff1d(days, self.days)

    def kinds_of(self, days: Int32Array) -> tuple[BoolArray, BoolArray]:
        """(rest, holiday) of local days that it knows."""
        place = np.searchsorted(self.days, days)
        return self.rest[place], self.holiday[place]


@dataclass(frozen=True, slots=True)
class DutyTable:
    """Several calendars as flat columns; those of calendar c lie at offsets[c] … offsets[c + 1] − 1.

    Positions come sorted by vehicle and time, so whoever walks them keeps the number of the shift and moves it on.
    """

    offsets: Int64Array  # (c + 1,) into the shifts
    starts: Int64Array  # µs UTC
    ends: Int64Array
    cumulative: Int64Array  # duty time of the calendar before each shift, µs
    day_offsets: Int64Array  # (c + 1,) into kinds
    first_days: Int32Array  # (c,) the local day of a calendar's first entry in kinds; the others follow it day by day
    kinds: NDArray[np.uint8]  # KNOWN | REST | HOLIDAY; 0 where the calendar does not know the day

    @classmethod
    def of(cls, calendars: Sequence[DutyCalendar]) -> Self:
        """The table of these calendars, in this order."""
        kinds, first_days = [], []
        for each in calendars:
            first = int(each.days[0]) if len(each.days) else 0
            dense = np.zeros(int(each.days[-1]) - first + 1 if len(each.days) else 0, dtype=np.uint8)
            dense[each.days - first] = KNOWN + REST * each.rest + HOLIDAY * each.holiday
            kinds.append(dense)
            first_days.append(first)
        lengths = [each.ends - each.starts for each in calendars]
        return cls(
            offsets=_offsets([len(each.starts) for each in calendars]),
            starts=_joined([each.starts for each in calendars], np.int64),
            ends=_joined([each.ends for each in calendars], np.int64),
            cumulative=_joined([np.cumsum(each) - each for each in lengths], np.int64),
            day_offsets=_offsets([len(each) for each in kinds]),
            first_days=np.array(first_days, dtype=np.int32),
            kinds=_joined(kinds, np.uint8),
        )

    def lines(self, calendar: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """A calendar's duty clock in straight pieces: (edges (2k,), base (2k + 1,), slope (2k + 1,)).

        Between edge j − 1 and edge j the clock reads base[j] + slope[j] · time; the slope is 1 within a shift, else 0.
        """
        if calendar == NO_CALENDAR:
            return np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
        own = slice(int(self.offsets[calendar]), int(self.offsets[calendar + 1]))
        starts, ends, before = self.starts[own], self.ends[own], self.cumulative[own]
        edges = np.column_stack((starts, ends)).ravel()
        base, slope = np.zeros(len(edges) + 1, dtype=np.int64), np.zeros(len(edges) + 1, dtype=np.int64)
        base[1::2], slope[1::2] = before - starts, 1
        base[2::2] = before + (ends - starts)
        return edges, base, slope


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Vehicle-days with positions on a day that their duty calendar does not know: they wait for the calendar."""

    calendar: str
    first_day: int
    last_day: int
    vehicles: int
    vehicle_days: int

    def __str__(self) -> str:
        return (
            f"{UnknownDayError(self.calendar, self.first_day)}. Until then {self.vehicle_days} days of {self.vehicles} "
            f"vehicles, {day_date(self.first_day)} to {day_date(self.last_day)}, wait for their audit"
        )


def duty_clock(calendars: tuple[DutyCalendar, ...], calendar_ix: Int32Array, time_us: Int64Array) -> Int64Array:
    """Duty time until each instant by the calendar that applies to it, µs; int64 (n,).

    The off-hours part of [a, b] is (b − a) − (clock(b) − clock(a)). Where no calendar applies (−1) every instant is
    duty time: nothing can be off-hours.

    Parameters
    ----------
    calendar_ix, time_us : int32, int64 (n,)   Any order; fast where instants of one calendar follow each other
        ascending, as positions of a vehicle do.

    Raises
    ------
    UnknownDayError   An instant lies on a day that its calendar does not know.

    Notes
    -----
    Within a run of ascending instants the few edges of shifts are searched among the instants, not the instants among
    the edges, and each piece of the clock is repeated over its instants: 85 to 90 million a second where a search for
    every instant reached 15 to 43.
    """
    if not len(time_us):
        return np.empty(0, dtype=np.int64)
    table = DutyTable.of(calendars)
    breaks = np.flatnonzero((calendar_ix[1:] != calendar_ix[:-1]) | (time_us[1:] < time_us[:-1])) + 1
    if len(breaks) * _SHORT_RUN > len(time_us):
        return _searched(calendars, table, calendar_ix, time_us)
    lines = {calendar: table.lines(calendar) for calendar in range(NO_CALENDAR, len(calendars))}
    bounds = [0, *breaks.tolist(), len(time_us)]
    bases, slopes, counts = [], [], []
    for start, end in pairwise(bounds):
        calendar, run = int(calendar_ix[start]), time_us[start:end]
        if calendar != NO_CALENDAR:
            _check_run(calendars[calendar], run)
        edges, base, slope = lines[calendar]
        first, last = np.searchsorted(edges, (run[0], run[-1]), side="right").tolist()
        cuts = np.searchsorted(run, edges[first:last])
        counts.append(np.diff(cuts, prepend=0, append=end - start))
        bases.append(base[first : last + 1])
        slopes.append(slope[first : last + 1])
    count = np.concatenate(counts)
    clock: Int64Array = np.repeat(np.concatenate(slopes), count) * time_us
    clock += np.repeat(np.concatenate(bases), count)
    return clock


def off_hours_s(
    calendars: tuple[DutyCalendar, ...], calendar_ix: Int32Array, start_us: Int64Array, end_us: Int64Array
) -> FloatArray:
    """Seconds of each [start, end] outside duty hours; float64 (n,)."""
    duty = duty_clock(calendars, calendar_ix, end_us) - duty_clock(calendars, calendar_ix, start_us)
    seconds: FloatArray = (end_us - start_us - duty) / SECOND_US
    return seconds


def on_known_days(
    calendars: tuple[DutyCalendar, ...],
    calendar_of: Int32Array,
    vehicle_ix: Int32Array,
    fix_time: Int64Array,
    from_day: int,
    to_day: int,
) -> tuple[BoolArray | None, list[LeftOut]]:
    """Which positions lie on days that their vehicle's calendar knows, and what of [from_day, to_day] is left out.

    An audit goes on without the others: a vehicle whose calendar knows next year is not to wait for one whose calendar
    does not, and a day that is known is not to wait for its neighbour.

    Parameters
    ----------
    calendar_of : int32 (v,)   Calendar of each vehicle, −1 none.
    vehicle_ix, fix_time : (n,)   Columns of positions in any order.

    Returns
    -------
    bool (n,) or None, where all of them do; and one entry for each calendar that does not know all.
    """
    keep: BoolArray | None = None
    left_out = []
    if not len(fix_time):
        return None, []
    first, last = local_day(np.array([fix_time.min(), fix_time.max()])).tolist()
    span = np.arange(first, last + 1, dtype=np.int32)
    used = np.unique(calendar_of).tolist()
    gaps = {number: each.unknown_of(span) for number, each in enumerate(calendars) if number in used}
    if not any(map(len, gaps.values())):
        return None, []
    days = local_day(fix_time)
    for number, unknown in gaps.items():
        calendar = calendars[number]
        outside = (calendar_of[vehicle_ix] == number) & np.isin(days, unknown)
        if not outside.any():
            continue
        keep = ~outside if keep is None else keep & ~outside
        rows = outside & (days >= from_day) & (days <= to_day)
        if rows.any():
            pairs = np.unique(np.stack((vehicle_ix[rows], days[rows])), axis=1)
            left_out.append(
                LeftOut(
                    calendar.code,
                    int(pairs[1].min()),
                    int(pairs[1].max()),
                    len(np.unique(pairs[0])),
                    pairs.shape[1],
                )
            )
    return keep, left_out


def merge_left_out(parts: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    """What several audits of different vehicles left out, one entry a calendar, by its code."""
    merged: dict[str, LeftOut] = {}
    for each in parts:
        before = merged.get(each.calendar)
        merged[each.calendar] = (
            each
            if before is None
            else LeftOut(
                each.calendar,
                min(before.first_day, each.first_day),
                max(before.last_day, each.last_day),
                before.vehicles + each.vehicles,
                before.vehicle_days + each.vehicle_days,
            )
        )
    return tuple(merged[code] for code in sorted(merged))


def _check_run(calendar: DutyCalendar, run: Int64Array) -> None:
    first, last = local_day(run[[0, -1]]).tolist()
    at = np.searchsorted(calendar.days, (first, last + 1))
    if at[1] - at[0] != last + 1 - first:  # a day between them may be unknown as long as nothing lies on it
        calendar.check_days(local_day(run))


def _searched(
    calendars: tuple[DutyCalendar, ...], table: DutyTable, calendar_ix: Int32Array, time_us: Int64Array
) -> Int64Array:
    """The duty clock with every instant searched by itself."""
    clock = time_us.copy()
    for number, calendar in enumerate(calendars):
        rows = np.flatnonzero(calendar_ix == number)
        if len(rows):
            calendar.check_days(local_day(time_us[rows]))
            edges, base, slope = table.lines(number)
            piece = np.searchsorted(edges, time_us[rows], side="right")
            clock[rows] = base[piece] + slope[piece] * time_us[rows]
    return clock


def _offsets(counts: list[int]) -> Int64Array:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def _joined(columns: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype=dtype), *columns])
