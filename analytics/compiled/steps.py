"""`steps.step_kinds`."""

import numpy as np

from analytics.compiled.lengths import LONGEST_E7_M, scales
from analytics.compiled.limits import limits_of
from analytics.compiled.marks import KNOWN, ON
from analytics.compiled.suspects import next_with
from analytics.exact import PARTS, exact
from analytics.steps import BREAK, GAP, STOP, TRIP
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int8Array
from geo.distance import EAST_TABLE, LONG_STEP_M, NORTH_TABLE, distance_m
from geo.jit import compiled
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from geo.nearest import per_e7
from geo.positions import Positions

_SHORTEST_E7_M = 0.011  # no 10⁻⁷ of a degree of latitude is shorter
_BLOCK = 1024  # steps whose scales stay in the nearest cache
_NONE, _CUT, _DARK, _BROKEN, _OPEN = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
_CLOSED, _ALL = np.uint8(~_OPEN), np.uint8(255)
_AHEAD = 4  # positions: with a report every 20 s it rules out nine in ten windows of a driving car
# No 10⁻⁷ of a degree is shorter, east on the equator; a box a little wider hides the rounding.
_NORTH_E7_M, _EAST_E7_M, _WIDER = np.float32(_SHORTEST_E7_M), np.float32(0.0111), 1.001
_HALF, _ONE, _RADIANS = np.float32(0.5), np.float32(1.0), np.float32(np.pi / 180e7)
_ALL_BYTES = np.uint64(0x0101010101010101)


def step_kinds(
    track: Positions, silence_s: FloatArray, thresholds: Thresholds = DEFAULT
) -> tuple[Int8Array, FloatArray, BoolArray]:
    """`steps.step_kinds`."""
    n = len(track)
    metres = np.empty(n)
    if _metres(track.vehicle_ix, track.lat_e7, track.lon_e7, metres, NORTH_TABLE, EAST_TABLE):
        far = np.flatnonzero(metres >= LONG_STEP_M)
        lat, lon = track.lat_e7, track.lon_e7
        metres[far] = exact(distance_m(lat[far - 1], lon[far - 1], lat[far], lon[far]))
    kind, moving = np.full(-(-n // 8) * 8, -1, dtype=np.int8), np.empty(n, dtype=np.bool_)
    columns = track.vehicle_ix, track.fix_time, track.lat_e7, track.lon_e7, track.speed_mps, track.status
    _kinds(*columns, silence_s, metres, kind, moving, limits_of(thresholds), NORTH_TABLE, EAST_TABLE)
    return kind[:n], metres, moving


@compiled
def _metres(vehicle, lat, lon, metres, north_table, east_table):
    """Flat lengths in exact parts; whether any is so long that it takes the geodesic."""
    north_m, east_m = np.empty(_BLOCK), np.empty(_BLOCK)
    metres[:1] = 0.0
    long = 0
    for begin in range(0, len(lat) - 1, _BLOCK - 1):
        rows = slice(begin, min(begin + _BLOCK, len(lat)))
        scales(lat[rows], north_m, east_m, north_table, east_table)
        long += _lengths(vehicle[rows], lat[rows], lon[rows], north_m, east_m, metres[rows])
    return long > 0


@compiled
def _lengths(vehicle, lat, lon, north_m, east_m, metres):
    long = 0
    for i in range(1, len(lat)):  # without a branch, so that it is done for many steps at once
        d_lat, d_lon = np.float64(lat[i]) - np.float64(lat[i - 1]), np.float64(lon[i]) - np.float64(lon[i - 1])
        d_lon += (3.6e9 if d_lon < -1.8e9 else 0.0) - (3.6e9 if d_lon > 1.8e9 else 0.0)
        north, east = d_lat * north_m[i], d_lon * east_m[i]
        way = np.sqrt(north * north + east * east)
        way = way if vehicle[i] == vehicle[i - 1] else 0.0
        long += way > LONG_STEP_M
        metres[i] = np.rint(way * PARTS) * (1 / PARTS)
    return long


@compiled
def _kinds(vehicle, time, lat, lon, speed, status, silence, metres, kind, moving, limits, north_table, east_table):
    n = len(time)
    if n == 0:
        return
    off, cut = np.empty(n, dtype=np.bool_), np.zeros(len(kind), dtype=np.uint8)
    unsaid, lasting = _kinds_each(vehicle, time, lat, lon, speed, status, silence, metres, off, kind, moving, limits)
    if unsaid:
        _move_by_place(vehicle, time, speed, off, metres, moving, limits)
    if lasting:
        _begin_anew(vehicle, time, metres, kind, moving)
    _cuts(kind, moving, off, cut)
    _close(vehicle, time, lat, lon, limits, cut)
    _dwell(cut, time, lat, lon, kind, limits, north_table, east_table)
    _rest(cut, time, kind, limits)
    runs, trimmed = (np.empty(n + 1, np.int64), np.empty(n, np.int8)), (np.empty(n + 1, np.int64), np.empty(n, np.int8))
    count = _runs(kind, moving, runs)
    count = _drop_short_stops(runs, count, time, off, limits)
    count = _trim(runs, count, moving, trimmed)
    _drop_short_trips(trimmed, count, time, lat, lon, metres, moving, limits, north_table, east_table, kind)


@compiled
def _kinds_each(vehicle, time, lat, lon, speed, status, silence, metres, off, kind, moving, limits):
    """Kind and motion of each step by itself, where a speed was sent; how many have none, and how many last a day.

    A step that lasts `stop_s` is a window of its own: where its ends are surely in one box it is a stop.
    """
    for i in range(len(time)):
        off[i] = status[i] & (KNOWN | ON) == KNOWN
    gap_us, stop_us = np.int64(limits.gap_s * SECOND_US), np.int64(limits.stop_us)
    box = np.int32(limits.stop_box_m / LONGEST_E7_M)
    kind[0], moving[0] = BREAK, False
    unsaid, long = 0, 0
    for i in range(1, len(time)):  # without a branch, so that it is done for many steps at once
        way, lasting = metres[i], time[i] - time[i - 1]
        goes_on = vehicle[i] == vehicle[i - 1]
        fast = (speed[i] >= limits.moving_speed_mps) | (speed[i - 1] >= limits.moving_speed_mps)
        unsaid += np.isnan(speed[i]) & np.isnan(speed[i - 1])
        long += lasting > DAY_US
        left = ~(off[i] & off[i - 1]) | (way >= limits.towed_m)
        moving[i] = (fast | (way >= limits.unseen_step_m)) & left & goes_on
        silent = (silence[i] > limits.gap_s) | ((lasting > gap_us) & (way > limits.unseen_step_m))
        still = (abs(lat[i] - lat[i - 1]) < box) & (abs(lon[i] - lon[i - 1]) < box) & (lasting >= stop_us)
        kind[i] = (GAP if silent else (STOP if still else TRIP)) if goes_on else BREAK
    return unsaid, long


@compiled
def _move_by_place(vehicle, time, speed, off, metres, moving, limits):
    for i in range(1, len(time)):
        if np.isnan(speed[i]) and np.isnan(speed[i - 1]) and vehicle[i] == vehicle[i - 1]:
            way = metres[i]
            far = way >= limits.moving_step_m and way >= limits.moving_mps * ((time[i] - time[i - 1]) / SECOND_US)
            left = not (off[i] and off[i - 1]) or way >= limits.towed_m
            moving[i] = (far or way >= limits.unseen_step_m) and left


@compiled
def _begin_anew(vehicle, time, metres, kind, moving):
    """A whole local day without a place ends the track."""
    for i in range(1, len(time)):
        if time[i] - time[i - 1] <= DAY_US or vehicle[i] != vehicle[i - 1]:
            continue
        if (time[i] + UTC_OFFSET_US) // DAY_US - (time[i - 1] + UTC_OFFSET_US) // DAY_US > 1:
            metres[i], moving[i], kind[i] = 0.0, False, BREAK


@compiled
def _cuts(kind, moving, off, cut):
    """Bits of the steps: a run of equal rest ends before it, with it one without ignition begins, the track is broken, or
    the window that begins with it is to be looked at.
    """  # noqa: D205 - one sentence
    cut[0] = _CUT | (_DARK if off[0] else _NONE)
    for i in range(1, len(moving)):  # without a branch, so that it is done for many steps at once
        broken = (kind[i] == GAP) | (kind[i] == BREAK)
        new = moving[i] | (off[i] != off[i - 1]) | broken
        cut[i] = (
            (_CUT if new else _NONE)
            | (_DARK if new & off[i] else _NONE)
            | (_BROKEN if broken else _NONE)
            | (_OPEN if kind[i] == TRIP else _NONE)
        )


@compiled
def _close(vehicle, time, lat, lon, limits, cut):
    """A window needs no look that holds the position so far ahead of its first, and that surely lies in no box with it."""
    box_m, stop_us = np.float32(limits.stop_box_m * _WIDER), np.int64(limits.stop_us)
    for i in range(len(time) - _AHEAD):  # without a branch, so that it is done for many windows at once
        angle = np.float32(lat[i]) * _RADIANS
        east_m = _EAST_E7_M * (_ONE - angle * angle * _HALF)  # no cosine is less
        north, east = np.float32(np.int32(lat[i + _AHEAD] - lat[i])), np.float32(np.int32(lon[i + _AHEAD] - lon[i]))
        apart = (abs(north) * _NORTH_E7_M > box_m) | (abs(east) * east_m > box_m)
        apart &= (vehicle[i + _AHEAD] == vehicle[i]) & (time[i + _AHEAD] - time[i] < stop_us)
        cut[i + 1] &= _CLOSED if apart else _ALL


@compiled
def _dwell(cut, time, lat, lon, kind, limits, north_table, east_table):
    """Steps in a window of `stop_s` inside a box; those that are windows of their own are known already."""
    done, end = 0, 0  # steps up to here are marked; positions before here hang together
    held, reach, j = 0, -1, 0  # the extents below are those of positions held … reach
    low_lat = high_lat = lat[0]
    low_lon = high_lon = lon[0]
    widest = np.int64(limits.stop_box_m / _SHORTEST_E7_M)
    begin = next_with(_OPEN, cut, 1)
    while begin < len(time):
        i = begin - 1
        if begin >= end:
            end, j = min(next_with(_BROKEN, cut, begin + 1), len(time)), begin
        until = time[i] + limits.stop_us
        if time[end - 1] < until:
            begin = next_with(_OPEN, cut, end)
            continue
        begin = next_with(_OPEN, cut, begin + 1)
        j = max(j, i + 1)
        while time[j] < until:
            j += 1
        if abs(np.int64(lat[j]) - lat[i]) > widest:
            continue
        twice = np.int64(lat[i]) * 2
        north_m = per_e7(north_table, twice)
        if abs(np.int64(lat[j]) - lat[i]) * north_m > limits.stop_box_m:
            continue
        east_m = per_e7(east_table, twice)
        if abs(np.int64(lon[j]) - lon[i]) * east_m > limits.stop_box_m:
            continue
        # The extents of an earlier start hold those of this one; only where they are too wide it is looked at anew.
        for again in range(2):
            if reach < i or again == 1:
                held, reach = i, i
                low_lat = high_lat = lat[i]
                low_lon = high_lon = lon[i]
            while reach < j:
                reach += 1
                low_lat, high_lat = min(low_lat, lat[reach]), max(high_lat, lat[reach])
                low_lon, high_lon = min(low_lon, lon[reach]), max(high_lon, lon[reach])
            high, wide = (np.int64(high_lat) - low_lat) * north_m, (np.int64(high_lon) - low_lon) * east_m
            within = high <= limits.stop_box_m and wide <= limits.stop_box_m
            if within or held == i:
                break
        if within:
            for step in range(max(i, done) + 1, j + 1):
                kind[step] = STOP
            done = max(done, j)


@compiled
def _rest(cut, time, kind, limits):
    """Steps in a long run without ignition, between the cuts, in which nobody moved it."""
    start = next_with(_DARK, cut, 0)
    while start < len(time):
        end = min(next_with(_CUT, cut, start + 1), len(time))
        if time[end - 1] - time[start] >= limits.ignition_off_us:
            kind[start + 1 : end] = STOP
        start = next_with(_DARK, cut, end)


@compiled
def _next(kind, begin):
    """Where the run of equal kind that begins at a step ends, one past it; every BREAK is a run of its own."""
    end, of = begin + 1, kind[begin]
    if of == BREAK:
        return end
    while end & 7 and kind[end] == of:  # what `kind` is filled up with ends a run
        end += 1
    if end & 7 == 0:
        words, eight = kind.view(np.uint64), np.uint64(of) * _ALL_BYTES
        while end < len(kind) and words[end >> 3] == eight:
            end += 8
        while end < len(kind) and kind[end] == of:
            end += 1
    return end


@compiled
def _put(runs, count, of, begin, end):
    """Another run at the end of the list, where it is one: equal neighbours are the same run, but for a BREAK."""
    if begin == end or (count > 0 and runs[1][count - 1] == of and of != BREAK):
        return count
    runs[0][count], runs[1][count] = begin, of
    return count + 1


@compiled
def _runs(kind, moving, runs):
    """Lists the runs of equal kind, stops without the moving steps at their ends; how many there are.

    A list is where each run begins, one past the last where that ends, and of which kind each is.
    """
    count, begin = 0, 0
    while begin < len(moving):
        end, of = _next(kind, begin), kind[begin]
        head, tail = begin, end
        if of == STOP:
            while head < end and moving[head]:
                head += 1
            while tail > head and moving[tail - 1]:
                tail -= 1
        count = _put(runs, count, TRIP, begin, head)
        count = _put(runs, count, of, head, tail)
        count = _put(runs, count, TRIP, tail, end)
        begin = end
    runs[0][count] = len(moving)
    return count


@compiled
def _drop_short_stops(runs, count, time, off, limits):
    """Makes stops that turned out a wait part of the trip; how many runs are left."""
    longest = max(limits.ignition_off_s, limits.stop_kept_s)
    kept = 0
    for run in range(count):
        begin, end, of = runs[0][run], runs[0][run + 1], runs[1][run]
        if of == STOP and (time[end - 1] - time[begin - 1]) / SECOND_US < longest:
            dark = 0
            for i in range(begin - 1, end):
                dark += off[i]
            least = limits.ignition_off_s if dark > 0.5 * (end - begin + 1) else limits.stop_kept_s
            of = TRIP if (time[end - 1] - time[begin - 1]) / SECOND_US < least else of
        kept = _put(runs, kept, of, begin, end)
    runs[0][kept] = len(time)
    return kept


@compiled
def _trim(runs, count, moving, trimmed):
    """Lists the runs anew, trips without the standing steps at their ends; how many there are."""
    kept = 0
    for run in range(count):
        begin, end, of = runs[0][run], runs[0][run + 1], runs[1][run]
        head, tail = begin, end
        if of == TRIP:
            while head < end and not moving[head]:
                head += 1
            while tail > head and not moving[tail - 1]:
                tail -= 1
        kept = _put(trimmed, kept, STOP, begin, head)
        kept = _put(trimmed, kept, of, head, tail)
        kept = _put(trimmed, kept, STOP, tail, end)
    trimmed[0][kept] = len(moving)
    return kept


@compiled
def _drop_short_trips(runs, count, time, lat, lon, metres, moving, limits, north_table, east_table, kind):
    """Writes the kinds of the steps; what is too short for a trip is part of the stop."""
    bounds = limits.trip_min_m, limits.trip_reach_m
    for run in range(count):
        begin, end, of = runs[0][run], runs[0][run + 1], runs[1][run]
        if of == TRIP:
            lasting = (time[end - 1] - time[begin - 1]) / SECOND_US
            far = lasting >= limits.trip_min_s and _goes_far(
                begin, end, lat, lon, metres, moving, bounds, north_table, east_table
            )
            of = of if far else STOP
        kind[begin:end] = of


@compiled
def _goes_far(begin, end, lat, lon, metres, moving, bounds, north_table, east_table):
    """Whether these steps, taken together, are long enough and lead far enough away for a trip: most tell soon."""
    home = begin - 1
    twice = np.int64(lat[home]) * 2
    north_m, east_m = per_e7(north_table, twice), per_e7(east_table, twice)
    driven, reach = 0.0, 0.0
    for step in range(begin, end):
        driven += metres[step] if moving[step] else 0.0
        d_lat, d_lon = np.int64(lat[step]) - lat[home], np.int64(lon[step]) - lon[home]
        if abs(d_lon) > 1_800_000_000:
            d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
        north, east = d_lat * north_m, d_lon * east_m
        reach = max(reach, north * north + east * east)
        if driven >= bounds[0] and np.sqrt(reach) >= bounds[1]:
            return True
    return False
