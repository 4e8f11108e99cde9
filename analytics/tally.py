"""What the steps of trips add up to: a sum a trip, and a piece for each local day that a trip touches.

Lengths are exact parts of a metre and times whole µs, so that sums depend on no order; a step over midnight gives each
day its part, and the parts add up to the step.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from analytics.context import FleetContext
from analytics.duty import duty_clock
from analytics.exact import exact
from analytics.steps import TRIP, Segments, Steps
from analytics.thresholds import DEFAULT, Thresholds
from analytics.ways import way_columns
from geo.arrays import BoolArray, Columns, FloatArray, Int32Array, Int64Array
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, local_day
from geo.positions import Positions


@dataclass(frozen=True, slots=True)
class Spans:
    """Trips as spans of positions first[t] … last[t], in order of vehicle and time; times µs UTC."""

    vehicle_ix: Int32Array
    first: Int64Array
    last: Int64Array
    start_time: Int64Array
    end_time: Int64Array

    @classmethod
    def of(cls, segments: Segments) -> "Spans":
        """The trips among the segments."""
        rows = np.flatnonzero(segments.kind == TRIP)
        return cls(
            segments.vehicle_ix[rows],
            segments.first[rows],
            segments.last[rows],
            segments.start_time[rows],
            segments.end_time[rows],
        )

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: Int64Array) -> "Spans":
        """Some of the trips."""
        return Spans(*(getattr(self, column.name)[rows] for column in fields(self)))

    @property
    def days(self) -> tuple[Int32Array, Int64Array]:
        """Local day on which each trip began, and how many days it touches."""
        first = local_day(self.start_time)
        return first, (local_day(self.end_time) - first + 1).astype(np.int64)


def tally(
    track: Positions,
    steps: Steps,
    trips: Spans,
    outside: BoolArray,
    context: FleetContext,
    thresholds: Thresholds = DEFAULT,
) -> tuple[Columns, Columns]:
    """Sums of each trip, and its pieces by local day.

    Parameters
    ----------
    track, steps : usable positions in canonical order, and what lies between them.
    trips : of them.
    outside : bool (n,)   Whether each position counts as outside its vehicle's area.

    Returns
    -------
    sums : columns (t,): gps_m (chords; drift while standing counts nothing), moving_s, off_hours_s, off_hours_m,
        out_of_area_s, out_of_area_m, max_speed_mps (NaN where none was reported), and WAY_SUMS of `analytics.ways`. A
        step half outside the area counts half.
    pieces : columns (p,), in order of trip and day: trip, day, gps_m, moving_s, off_hours_m, out_of_area_m.

    Raises
    ------
    UnknownDayError   A step of a trip touches a day that its duty calendar does not know.
    """
    trip, ends = _steps_of(trips)
    begin, until = track.fix_time[ends - 1], track.fix_time[ends]
    edges = np.cumsum(trips.last - trips.first)
    begin[edges - (trips.last - trips.first)] = trips.start_time
    until[edges - 1] = trips.end_time
    moving = steps.moving[ends]
    lasting = until - begin
    metres = np.where(moving, steps.metres[ends], 0.0)
    calendar = context.calendar_ix[trips.vehicle_ix][trip]
    duty = duty_clock(context.calendars, calendar, until) - duty_clock(context.calendars, calendar, begin)
    out = (outside[ends].astype(np.float64) + outside[ends - 1]) / 2
    by_piece = _Pieces(trips, trip, begin, until)
    pieces: Columns = {
        "trip": by_piece.trip,
        "day": by_piece.day,
        "gps_m": by_piece.sum(metres, exact),
        "moving_s": by_piece.sum(np.where(moving, lasting, 0).astype(np.float64), np.rint) / SECOND_US,
        "off_hours_m": by_piece.sum(exact(metres * (1 - duty / np.maximum(lasting, 1))), exact),
        "out_of_area_m": by_piece.sum(exact(metres * out), exact),
    }
    speed = np.nan_to_num(track.speed_mps[ends].astype(np.float64), nan=-1.0)
    fastest = np.maximum.reduceat(speed, edges - (trips.last - trips.first)) if len(trips) else np.empty(0)
    sums: Columns = {
        name: _sum(by_piece.trip, pieces[name], len(trips)) for name in ("gps_m", "off_hours_m", "out_of_area_m")
    } | {
        "moving_s": _sum(trip, np.where(moving, lasting, 0).astype(np.float64), len(trips)) / SECOND_US,
        "off_hours_s": _sum(trip, (lasting - duty).astype(np.float64), len(trips)) / SECOND_US,
        "out_of_area_s": _sum(trip, lasting * out, len(trips)) / SECOND_US,
        "max_speed_mps": np.where(fastest < 0, np.nan, fastest),
    }
    ways = way_columns(track, steps.metres, steps.moving, trip, ends, thresholds)
    return sums | {name: _sum(trip, values, len(trips)) for name, values in ways.items()}, pieces


class _Pieces:
    """The pieces of trips, and sums into them."""

    def __init__(self, trips: Spans, trip: Int64Array, begin: Int64Array, until: Int64Array) -> None:
        first_day, count = trips.days
        offset = np.cumsum(count) - count
        self.trip = np.repeat(np.arange(len(trips)), count)
        self.day = (first_day[self.trip] + np.arange(len(self.trip)) - offset[self.trip]).astype(np.int32)
        earlier, later = local_day(begin), local_day(until)
        self._at = offset[trip] + (later - first_day[trip])
        self._over = np.flatnonzero(earlier != later)  # few: an earlier day has a part of these
        over = self._over
        self._before = offset[trip[over]] + (earlier[over] - first_day[trip[over]])
        midnight = later[over].astype(np.int64) * DAY_US - UTC_OFFSET_US
        self._share = (midnight - begin[over]) / (until[over] - begin[over])

    def sum(self, values: FloatArray, rounded: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Values of steps summed by piece; the earlier day's part of a step is rounded, the later has the rest."""
        part = rounded(values[self._over] * self._share)
        total = _sum(self._at, values, len(self.trip))
        total -= _sum(self._at[self._over], part, len(self.trip))
        return total + _sum(self._before, part, len(self.trip))


def _sum(place: Int64Array, values: FloatArray, count: int) -> FloatArray:
    return np.bincount(place, weights=values, minlength=count)[:count].astype(np.float64)


def _steps_of(trips: Spans) -> tuple[Int64Array, Int64Array]:
    """Every step that belongs to a trip: the number of its trip, and the position that ends it; ascending."""
    count = trips.last - trips.first
    trip = np.repeat(np.arange(len(trips)), count)
    return trip, trips.first[trip] + 1 + np.arange(len(trip)) - np.repeat(np.cumsum(count) - count, count)
