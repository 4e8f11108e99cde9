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
    where = trips.first, trips.last, trips.start_time, trips.end_time, offset, first_day
    unknown = _tally(
        track.fix_time,
        track.speed_mps,
        steps.metres,
        steps.moving,
        outside,
        *where,
        context.calendar_ix[trips.vehicle_ix],
        (table.offsets, table.starts, table.ends, table.cumulative, table.day_offsets, table.first_days, table.kinds),
        by_piece,
        by_trip,
    )
    if unknown[0] >= 0:
        raise UnknownDayError(context.calendars[unknown[0]].code, unknown[1])
    add_ways(
        track.fix_time,
        (track.lat_e7, track.lon_e7),
        track.speed_mps,
        track.course_deg,
        track.odometer_m,
        steps.metres,
        steps.moving,
        trips.first,
        trips.last,
        limits_of(thresholds),
        (NORTH_TABLE, EAST_TABLE, COURSE_NORTH, COURSE_EAST),
        ways,
    )
    names = "gps_m", "moving_s", "off_hours_m", "out_of_area_m"
    by_piece[1] /= SECOND_US
    by_trip[[1, 4, 5]] /= SECOND_US
    pieces: Columns = {"trip": trip, "day": day, **dict(zip(names, by_piece, strict=True))}
    sums: Columns = dict(zip((*names, "out_of_area_s", "off_hours_s", "max_speed_mps"), by_trip, strict=True))
    sums |= dict(zip(WAY_SUMS, ways, strict=True))
    return sums, pieces


@compiled
def _tally(
    time,
    speed,
    metres,
    moving,
    outside,
    first,
    last,
    starts,
    ends,
    offset,
    first_day,
    calendar,
    duty,
    by_piece,
    by_trip,
):
    offsets, begins, stops, before, day_offsets, first_days, kinds = duty
    for trip in range(len(first)):
        number = calendar[trip]
        low, high = np.int64(0), np.int64(0)
        if number >= 0:
            low, high = offsets[number], offsets[number + 1]
        begin = starts[trip]
        at = low + np.searchsorted(begins[low:high], begin, side="right") - 1
        clock = _clock(begin, number, at, low, begins, stops, before)
        earlier = np.int64(first_day[trip])
        if number >= 0 and not _known(earlier, number, day_offsets, first_days, kinds):
            return number, earlier
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
                    return number, later
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
    return np.int32(-1), np.int64(0)


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
