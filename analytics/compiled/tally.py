"""`tally.tally`: one walk over the steps of trips."""

import numpy as np

from analytics.compiled.limits import limits_of
from analytics.compiled.ways import add_ways
from analytics.context import FleetContext
from analytics.duty import DutyTable, UnknownDayError
from analytics.exact import PARTS
from analytics.steps import Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.ways import WAY_SUMS
from geo.arrays import BoolArray, Columns
from geo.courses import COURSE_EAST, COURSE_NORTH
from geo.distance import EAST_TABLE, NORTH_TABLE
from geo.jit import compiled
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from geo.positions import Positions

_BLOCK = 64  # trips whose steps stay in a near cache
_BEFORE, _NO_DAY = np.uint64(1), np.int64(np.iinfo(np.int64).min)
_ENDLESS, _MINUS_ZERO = np.array([np.inf, -0.0], dtype=np.float32).view(np.int32)


def tally(
    track: Positions,
    steps: Steps,
    trips: Spans,
    outside: BoolArray,
    context: FleetContext,
    thresholds: Thresholds = DEFAULT,
) -> tuple[Columns, Columns]:
    """`tally.tally`."""
    first_day, count = trips.days
    offset = np.concatenate(([0], np.cumsum(count)))
    trip = np.repeat(np.arange(len(trips)), count)
    day = (first_day[trip] + np.arange(len(trip)) - offset[trip]).astype(np.int32)
    by_piece = np.zeros((4, len(trip)))
    by_trip = np.zeros((7, len(trips)))
    ways = np.zeros((len(WAY_SUMS), len(trips)))
    table = DutyTable.of(context.calendars)
    spans = trips.first, trips.last, trips.start_time, trips.end_time, offset, first_day
    duty = table.offsets, table.starts, table.ends, table.cumulative, table.day_offsets, table.first_days, table.kinds
    columns = track.fix_time, track.speed_mps, track.speed_mps.view(np.int32), steps.metres, steps.moving, outside
    places = track.lat_e7, track.lon_e7, track.course_deg, track.odometer_m
    tables = NORTH_TABLE, EAST_TABLE, COURSE_NORTH, COURSE_EAST
    calendar = context.calendar_ix[trips.vehicle_ix]
    unknown = _tally(columns, places, spans, calendar, duty, limits_of(thresholds), tables, by_piece, by_trip, ways)
    if unknown[0] >= 0:
        raise UnknownDayError(context.calendars[unknown[0]].code, unknown[1])
    names = "gps_m", "moving_s", "off_hours_m", "out_of_area_m"
    by_piece[1] /= SECOND_US
    by_trip[[1, 4, 5]] /= SECOND_US
    pieces: Columns = {"trip": trip, "day": day, **dict(zip(names, by_piece, strict=True))}
    sums: Columns = dict(zip((*names, "out_of_area_s", "off_hours_s", "max_speed_mps"), by_trip, strict=True))
    sums |= dict(zip(WAY_SUMS, ways, strict=True))
    return sums, pieces


@compiled
def _tally(columns, places, spans, calendar, duty, limits, tables, by_piece, by_trip, ways):
    """Fills the sums; a calendar and a day that it does not know, if there is one, else −1."""
    first, last, starts, ends, offset, first_day = spans
    track = columns[0], *places[:2], columns[1], *places[2:]
    for begin in range(0, len(first), _BLOCK):
        some = slice(begin, begin + _BLOCK)
        trips = first[some], last[some], starts[some], ends[some], offset[some], first_day[some]
        unknown = _add(columns, trips, calendar[some], duty, by_piece, by_trip[:, some])
        if unknown[0] >= 0:
            return unknown
        add_ways(track, columns[3], columns[4], trips[:2], by_trip[0, some], limits, tables, ways[:, some])
    return np.int32(-1), _NO_DAY


@compiled
def _add(track, trips, calendar, duty, by_piece, by_trip):
    """`_tally` of some trips, but for their ways."""
    starts, ends, offset, first_day = trips[2:]
    offsets, begins, stops, _, day_offsets, first_days, kinds = duty
    for trip in range(len(starts)):
        number, day = calendar[trip], np.int64(first_day[trip])
        low, high = np.int64(0), np.int64(0)
        if number >= 0:
            low, high = offsets[number], offsets[number + 1]
            if not _known(day, number, day_offsets, first_days, kinds):
                return number, day
        at = low + np.searchsorted(begins[low:high], starts[trip], side="right") - 1
        on = number < 0 or (at >= low and stops[at] >= ends[trip])
        off = (at < low or stops[at] <= starts[trip]) and (at + 1 >= high or begins[at + 1] >= ends[trip])
        even = (on or off) and ends[trip] < (day + 1) * DAY_US - UTC_OFFSET_US
        if even and _even(trip, offset[trip], not on, track, trips, by_piece, by_trip):
            continue
        day = _walk(trip, number, at, low, high, track, trips, duty, by_piece, by_trip)
        if day != _NO_DAY:
            return number, day
    return np.int32(-1), _NO_DAY


@compiled
def _even(trip, piece, off, track, trips, by_piece, by_trip):
    """The sums of a trip within one day, all of it on duty or off; False where its steps differ from each other."""
    time, speed, bits, metres, moving, outside = track
    begin, count = np.uint64(trips[0][trip]), trips[1][trip] - trips[0][trip]
    start, end, finish = trips[2][trip], trips[3][trip], begin + np.uint64(count)
    out, strange, drove_us, fastest = outside[begin], 0, np.int64(0), np.int32(-1)
    for i in range(1, count + 1):  # without a branch, so that it is done for many steps at once
        row = begin + np.uint64(i)
        lasting = time[row] - time[row - _BEFORE]
        out |= outside[row]
        strange += lasting <= 0
        drove_us += lasting if moving[row] else np.int64(0)
    for i in range(1, count + 1):
        of = bits[begin + np.uint64(i)]
        strange += of == _MINUS_ZERO
        fastest = max(fastest, of if of <= _ENDLESS else np.int32(-1))  # bits of speeds from 0 on are in their order
    until, since = (end, start) if count == 1 else (time[begin + _BEFORE], time[finish - _BEFORE])
    if out or strange or until <= start or end <= since:
        return False
    drove_us += time[begin] - start if moving[begin + _BEFORE] else np.int64(0)
    drove_us += end - time[finish] if moving[finish] else np.int64(0)
    way_m = _way_m(begin, count, metres, moving)
    off_m, off_us = (way_m, end - start) if off else (0.0, np.int64(0))
    by_piece[0, piece], by_piece[1, piece], by_piece[2, piece] = way_m, drove_us, off_m
    by_trip[0, trip], by_trip[1, trip], by_trip[2, trip], by_trip[5, trip] = way_m, drove_us, off_m, off_us
    by_trip[6, trip] = np.nan
    if fastest >= 0:
        row = begin + _BEFORE
        while bits[row] != fastest:
            row += _BEFORE
        by_trip[6, trip] = speed[row]
    return True


@compiled
def _way_m(begin, count, metres, moving):
    """Metres driven, in four sums side by side: one after the other each would wait for its last."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    for i in range(0, count - 3, 4):
        row = begin + np.uint64(i)
        one += metres[row + _BEFORE] if moving[row + _BEFORE] else 0.0
        two += metres[row + np.uint64(2)] if moving[row + np.uint64(2)] else 0.0
        three += metres[row + np.uint64(3)] if moving[row + np.uint64(3)] else 0.0
        four += metres[row + np.uint64(4)] if moving[row + np.uint64(4)] else 0.0
    for i in range(count // 4 * 4 + 1, count + 1):
        row = begin + np.uint64(i)
        one += metres[row] if moving[row] else 0.0
    return one + two + three + four


@compiled
def _walk(trip, number, at, low, high, track, trips, duty, by_piece, by_trip):
    """The sums of any trip, step by step; a day that its calendar does not know, if there is one."""
    time, speed, _, metres, moving, outside = track
    first, last, starts, ends, offset, first_day = trips
    _, begins, stops, before, day_offsets, first_days, kinds = duty
    begin, earlier = starts[trip], np.int64(first_day[trip])
    clock = _clock(begin, number, at, low, begins, stops, before)
    midnight = (earlier + 1) * DAY_US - UTC_OFFSET_US
    piece, fastest = offset[trip], -1.0
    way_m, drove_us, off_m, out_m = 0.0, 0.0, 0.0, 0.0  # of the trip so far
    day_way_m, day_drove_us, day_off_m, day_out_m = 0.0, 0.0, 0.0, 0.0  # of its piece
    out_us, off_us = 0.0, np.int64(0)
    for i in range(first[trip] + 1, last[trip] + 1):
        until = ends[trip] if i == last[trip] else time[i]
        while at + 1 < high and begins[at + 1] <= until:
            at += 1
        clock_until = _clock(until, number, at, low, begins, stops, before)
        lasting, duty_us = until - begin, clock_until - clock
        later = earlier
        if until >= midnight:
            later = (until + UTC_OFFSET_US) // DAY_US
            if number >= 0 and not _known(later, number, day_offsets, first_days, kinds):
                return later
        way, drove, off, out = 0.0, 0.0, 0.0, 0.0
        if moving[i]:
            way, drove = metres[i], np.float64(lasting)
            off = way if duty_us == 0 else np.rint(way * (1 - duty_us / max(lasting, 1)) * PARTS) / PARTS
        out_share = (np.float64(outside[i]) + outside[i - 1]) / 2
        if out_share > 0:
            out = np.rint(way * out_share * PARTS) / PARTS
            out_us += lasting * out_share
        way_m, drove_us, off_m, out_m = way_m + way, drove_us + drove, off_m + off, out_m + out
        if later != earlier:
            start = later * DAY_US - UTC_OFFSET_US
            share = (start - begin) / lasting
            midnight = start + DAY_US
            way_then, drove_then = np.rint(way * share * PARTS) / PARTS, np.rint(drove * share)
            off_then, out_then = np.rint(off * share * PARTS) / PARTS, np.rint(out * share * PARTS) / PARTS
            by_piece[0, piece], by_piece[1, piece] = day_way_m + way_then, day_drove_us + drove_then
            by_piece[2, piece], by_piece[3, piece] = day_off_m + off_then, day_out_m + out_then
            day_way_m, day_drove_us, day_off_m, day_out_m = -way_then, -drove_then, -off_then, -out_then
            piece += later - earlier
        day_way_m, day_drove_us = day_way_m + way, day_drove_us + drove
        day_off_m, day_out_m = day_off_m + off, day_out_m + out
        off_us += lasting - duty_us
        fastest = max(fastest, speed[i])  # NaN is not greater
        begin, clock, earlier = until, clock_until, later
    by_piece[0, piece], by_piece[1, piece] = day_way_m, day_drove_us
    by_piece[2, piece], by_piece[3, piece] = day_off_m, day_out_m
    by_trip[0, trip], by_trip[1, trip], by_trip[2, trip], by_trip[3, trip] = way_m, drove_us, off_m, out_m
    by_trip[4, trip], by_trip[5, trip] = out_us, off_us
    by_trip[6, trip] = fastest if fastest >= 0 else np.nan
    return _NO_DAY


@compiled
def _clock(time, calendar, at, low, begins, stops, before):
    """Duty time until an instant, µs; `at` is the calendar's last shift that has begun."""
    if calendar < 0:
        return time
    if at < low:
        return np.int64(0)
    return before[at] + min(time - begins[at], stops[at] - begins[at])


@compiled
def _known(day, calendar, day_offsets, first_days, kinds):
    place = day_offsets[calendar] + day - first_days[calendar]
    return day >= first_days[calendar] and place < day_offsets[calendar + 1] and kinds[place] != 0
