"""The speed over time, and below it on the same axis: duty hours, dispatch orders, stops, what is flagged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely

from analytics.thresholds import DEFAULT
from geo.arrays import FloatArray
from geo.localtime import SECOND_US, to_datetime, to_us
from gongche.bundle.drawing import INK, PALE, Area, Drawing, Item, Label, Line, box
from gongche.bundle.track import Track
from store.trip_views import OrderRow, StopRow
from web.i18n import Words
from web.trip_map import AREA, DOUBTFUL, OFF_HOURS, ON_DUTY, STOP

WIDTH, LEFT, TOP, HIGH, LANE = 510.0, 62.0, 18.0, 110.0, 14.0
_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_KMH_STEPS = (10, 20, 40, 60, 100)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Lanes:
    """What stands below the chart. shifts: None for a vehicle without a duty calendar."""

    shifts: Sequence[tuple[datetime, datetime]] | None
    orders: Sequence[OrderRow]
    stops: Sequence[StopRow]


def draw_speed(track: Track, lanes: Lanes, words: Words) -> Drawing | None:
    """The chart of a track in a language; None where there is no usable position."""
    good = track.usable
    if not good.any():
        return None
    axis = _Axis(track.span.since, track.span.until)
    rows = track.marked.take(good)
    kmh = rows.speed_mps.astype(np.float64) * 3.6
    known = ~np.isnan(kmh)
    top = float(np.nanmax(kmh)) if known.any() else 0.0
    step = next((each for each in _KMH_STEPS if top / each <= 5), 200)
    top = max(step, -(-top // step) * step)
    items: list[Item] = [*_grid(axis, top, step, words)]
    y = TOP + HIGH - kmh / top * HIGH
    points = np.column_stack((axis.x(rows.fix_time), y))
    silent = np.diff(rows.fix_time, prepend=rows.fix_time[:1]) > DEFAULT.gap_s * SECOND_US
    off = track.off_hours[good]
    steps = known[1:] & known[:-1] & ~silent[1:]
    for colour, part in ((ON_DUTY, steps & ~off[:-1]), (OFF_HOURS, steps & off[:-1])):
        items += _lines(points, part, colour)
    if not known.any():
        items.append(Label(LEFT + 8, TOP + 16, words.text("The terminal sent no speed."), 8.0, PALE))
    high = TOP + HIGH + 18
    for name, spans, colour in _lanes(track, lanes, words):
        items.append(Label(LEFT - 5, high + 9, name, 7.5, INK, "end"))
        items.append(Line(np.array([[LEFT, high + LANE], [WIDTH, high + LANE]]), "#dfe3e7", 0.5))
        for begin, end in spans:
            left, right = axis.cut(begin), axis.cut(end)
            if right > left:
                items.append(Area((box(left, high + 3, max(0.8, right - left), LANE - 5),), colour, 0.85))
        high += LANE
    return Drawing(WIDTH, high + 4, words.text("Speed over time"), tuple(items))


@dataclass(frozen=True, slots=True)
class _Axis:
    since: int
    until: int

    def x(self, time: Any) -> FloatArray:
        """Where instants lie."""
        at: FloatArray = LEFT + (np.asarray(time) - self.since) / (self.until - self.since) * (WIDTH - LEFT)
        return at

    def cut(self, time: int) -> float:
        """Where an instant lies, or the end of the axis that it is beyond."""
        return float(self.x(min(max(time, self.since), self.until)))


def _grid(axis: _Axis, top: float, step: float, words: Words) -> list[Item]:
    items: list[Item] = []
    for kmh in range(0, int(top) + 1, int(step)):
        y = TOP + HIGH - kmh / top * HIGH
        items += [
            Line(np.array([[LEFT, y], [WIDTH, y]]), "#dfe3e7", 0.6),
            Label(LEFT - 5, y + 2.5, words.number(kmh), 7.0, PALE, "end"),
        ]
    items.append(Label(2, 8, words.text("Speed (km/h)"), 7.0, PALE))
    seconds = next((each for each in _STEPS_S if (axis.until - axis.since) / SECOND_US / each <= 9), 2_592_000)
    first = -(-(axis.since + 28_800 * SECOND_US) // (seconds * SECOND_US)) * seconds * SECOND_US - 28_800 * SECOND_US
    for time in range(first, axis.until, seconds * SECOND_US):
        x = float(axis.x(time))
        form = "%H:%M" if seconds < 43_200 else "%m-%d"
        items.append(Line(np.array([[x, TOP], [x, TOP + HIGH + 3]]), "#e9ecef", 0.6))
        items.append(
            Label(x, TOP + HIGH + 12, f"{to_datetime(time):{form}}", 7.0, PALE, "middle" if x < WIDTH - 15 else "end")
        )
    return items


def _lines(points: FloatArray, steps: Any, colour: str) -> list[Item]:
    borders = np.flatnonzero(np.diff(np.concatenate(([False], steps, [False]))))
    found: list[Item] = []
    for begin, end in borders.reshape(-1, 2).tolist():
        line = shapely.simplify(shapely.linestrings(points[begin : end + 1]), 0.15)
        found.append(Line(shapely.get_coordinates(line), colour, 1.1))
    return found


def _lanes(track: Track, lanes: Lanes, words: Words) -> list[tuple[str, list[Span], str]]:
    doubt = track.marked.fix_time[~track.usable].tolist()
    return [
        (words.text("Flagged"), [(track.span.start, track.span.end)], "#b3142a"),
        (words.text("Duty"), _spans((each[0], each[1]) for each in lanes.shifts or ()), AREA),
        (words.text("Order"), _spans((each.starts, each.ends) for each in lanes.orders), ON_DUTY),
        (
            words.text("Stop"),
            _spans((each.start_time, each.end_time) for each in lanes.stops if each.kind == "stop"),
            STOP,
        ),
        (
            words.text("Gap"),
            _spans((each.start_time, each.end_time) for each in lanes.stops if each.kind == "gap"),
            PALE,
        ),
        (words.text("Doubtful"), [(time, time + track_step(track)) for time in doubt], DOUBTFUL),
    ]


def track_step(track: Track) -> int:
    """About how long one position stands for, µs: so long a doubtful one is shown."""
    return max(SECOND_US, (track.span.until - track.span.since) // 400)


def _spans(times: Any) -> list[Span]:
    return [(to_us(begin), to_us(end)) for begin, end in times]
