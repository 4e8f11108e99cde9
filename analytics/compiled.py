"""The loops of the core compiled by numba, where it is installed: the same answers as the numpy forms, bit for bit.

Each function here stands for the one of the same name in `clean`, `silence`, `steps`, `borders`, `tally` or
`days`, and
`analytics.kernels` chooses. They walk the columns once or twice instead of a few dozen times, release the
interpreter's lock, and are compiled once a machine (numba keeps the result beside the module).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from analytics.context import FleetContext
from analytics.duty import DutyTable, UnknownDayError
from analytics.exact import PARTS, exact
from analytics.odometer import ODOMETER_MPS
from analytics.steps import BREAK, GAP, STOP, TRIP, Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.ways import COS_BACK, COS_TURN, MOST_WINDING, PER_PARTS, SIN_ASIDE, STRAIGHT_PARTS, WAY_SUMS
from geo.arrays import BoolArray, Columns, FloatArray, Int32Array, Int64Array, UInt32Array
from geo.courses import CIRCLE, COURSE_EAST, COURSE_NORTH, COURSE_PARTS
from geo.distance import EAST_TABLE, LONG_STEP_M, NORTH_TABLE, TABLE_MASK, TABLE_SHIFT, distance_m
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US, NO_ODOMETER, Positions, Status
from geo.raster import PARTS as PARTS_OF_CELL
from geo.zones import ZoneIndex


class Limits(NamedTuple):
    """The thresholds as numba takes them."""

    teleport_mps: float
    jump_m: float
    jump_span_s: float
    frozen_speed_mps: np.float32
    frozen_count: int
    frozen_us: int
    moving_speed_mps: np.float32
    moving_mps: float
    moving_step_m: float
    unseen_step_m: float
    towed_m: float
    gap_s: float
    stop_us: int
    stop_box_m: float
    ignition_off_us: int
    ignition_off_s: float
    stop_kept_s: float
    trip_min_m: float
    trip_min_s: float
    trip_reach_m: float
    speed_gap_s: float
    speed_gap_us: int
    course_mps: np.float32
    canyon_m: float
    canyon_mps2: float
    canyon_blind_s: float
    canyon_left_share: float
    canyon_us: int
    drift_m: float
    drift_count: int
    turn_chord_m: float
    hidden_step_m: float
    wobble_chord_m: float
    wobble_us: int
    wobble_most_m: float
    corner_spread: float
    winding_spread: float
    bridge_spread: float
    odometer_spread: float

    @classmethod
    def of(cls, thresholds: Thresholds) -> "Limits":
        """Speeds as they are compared with the float32 that was sent, times as whole µs."""
        return cls(
            teleport_mps=thresholds.teleport_mps,
            jump_m=thresholds.jump_m,
            jump_span_s=thresholds.jump_span_s,
            frozen_speed_mps=np.float32(thresholds.frozen_speed_mps),
            frozen_count=thresholds.frozen_count,
            frozen_us=int(thresholds.frozen_s * SECOND_US),
            moving_speed_mps=np.float32(thresholds.moving_mps),
            moving_mps=thresholds.moving_mps,
            moving_step_m=thresholds.moving_step_m,
            unseen_step_m=thresholds.unseen_step_m,
            towed_m=thresholds.towed_m,
            gap_s=thresholds.gap_s,
            stop_us=int(thresholds.stop_s * SECOND_US),
            stop_box_m=thresholds.stop_box_m,
            ignition_off_us=int(thresholds.ignition_off_s * SECOND_US),
            ignition_off_s=thresholds.ignition_off_s,
            stop_kept_s=thresholds.stop_kept_s,
            trip_min_m=thresholds.trip_min_m,
            trip_min_s=thresholds.trip_min_s,
            trip_reach_m=thresholds.trip_reach_m,
            speed_gap_s=thresholds.speed_gap_s,
            course_mps=np.float32(thresholds.course_mps),
            canyon_m=thresholds.canyon_m,
            canyon_mps2=thresholds.canyon_mps2,
            canyon_blind_s=thresholds.canyon_blind_s,
            canyon_left_share=thresholds.canyon_left_share,
            canyon_us=int(thresholds.canyon_s * SECOND_US),
            drift_m=thresholds.drift_m,
            drift_count=thresholds.drift_count,
            speed_gap_us=int(thresholds.speed_gap_s * SECOND_US),
            turn_chord_m=thresholds.turn_chord_m,
            hidden_step_m=thresholds.hidden_step_m,
            wobble_chord_m=thresholds.wobble_chord_m,
            wobble_us=int(thresholds.wobble_s * SECOND_US),
            wobble_most_m=thresholds.wobble_most_m,
            corner_spread=thresholds.corner_spread,
            winding_spread=thresholds.winding_spread,
            bridge_spread=thresholds.bridge_spread,
            odometer_spread=thresholds.odometer_spread,
        )


_compiled = njit(cache=True, nogil=True)

_FIX = np.uint32(Status.FIX_VALID)
_ON, _KNOWN = np.uint32(Status.IGNITION_ON), np.uint32(Status.IGNITION_KNOWN)
_DUPLICATE, _TELEPORT = np.uint32(Status.DUPLICATE_TIME), np.uint32(Status.TELEPORT)
_FROZEN, _RANGE, _CLOCK = np.uint32(Status.FROZEN), np.uint32(Status.OUT_OF_RANGE), np.uint32(Status.CLOCK)
_CANYON, _DRIFT = np.uint32(Status.CANYON), np.uint32(Status.DRIFT)
_JUDGED = np.uint32(_FIX | _DUPLICATE | _TELEPORT | _FROZEN | _RANGE | _CLOCK | _CANYON | _DRIFT)
_LONGEST_E7_M = 0.0112  # no 10⁻⁷ of a degree is longer, on any latitude
_SHORTEST_E7_M = 0.011  # no 10⁻⁷ of a degree of latitude is shorter
_DOUBT = np.uint32(_JUDGED & ~_FIX)


def mark_doubt(positions: Positions, thresholds: Thresholds = DEFAULT) -> UInt32Array:
    """`clean.mark_doubt`."""
    status = positions.status.copy()
    good = np.empty(len(positions), dtype=np.int64)
    limits = Limits.of(thresholds)
    where = positions.vehicle_ix, positions.fix_time, positions.lat_e7, positions.lon_e7
    _mark(*where, positions.speed_mps, positions.received_at, status, good, limits, NORTH_TABLE, EAST_TABLE)
    tables = NORTH_TABLE, EAST_TABLE, COURSE_NORTH, COURSE_EAST
    _mark_excursions(*where, positions.speed_mps, positions.course_deg, status, good, limits, tables)
    return status


@_compiled
def _per_e7(table, lat_sum):
    at = abs(lat_sum)
    entry = at >> TABLE_SHIFT
    part = (at & TABLE_MASK) * (1.0 / (TABLE_MASK + 1))
    return table[entry] + (table[entry + 1] - table[entry]) * part


@_compiled
def _flat(lat1, lon1, lat2, lon2, north_table, east_table):
    d_lat = np.int64(lat2) - lat1
    d_lon = np.int64(lon2) - lon1
    if abs(d_lon) > 1_800_000_000:
        d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    lat_sum = np.int64(lat1) + lat2
    north = d_lat * _per_e7(north_table, lat_sum)
    east = d_lon * _per_e7(east_table, lat_sum)
    return np.sqrt(north * north + east * east)


@_compiled
def _mark(vehicle, time, lat, lon, speed, received, status, good, limits, north_table, east_table):
    _mark_each(time, lat, lon, received, status)
    n = len(time)
    begin = 0
    while begin < n:
        end, tied = begin + 1, False
        while end < n and vehicle[end] == vehicle[begin]:
            tied |= time[end] == time[end - 1]
            end += 1
        if tied:
            _mark_ties(time, status, begin, end)
        own = good[begin:end]
        count = 0
        for i in range(begin, end):
            own[count] = i
            count += status[i] & _JUDGED == _FIX
        own = own[:count]
        if _mark_frozen(time, lat, lon, speed, status, own, limits):
            own = own[: _still_usable(status, own)]
        if _mark_jumps(time, lat, lon, speed, status, own, limits, north_table, east_table):
            _mark_uncovered(time, lat, lon, speed, status, own, limits, north_table, east_table)
            own = own[: _still_usable(status, own)]
        _mark_doubles(time, lat, lon, speed, status, own, limits, north_table, east_table)
        begin = end


@_compiled
def _mark_each(time, lat, lon, received, status):
    for i in range(len(time)):  # without a branch, so that it is done for many positions at once
        nowhere = (lat[i] == 0) & (lon[i] == 0)
        beyond = (lat[i] > 900_000_000) | (lat[i] < -900_000_000) | (lon[i] > 1_800_000_000) | (lon[i] < -1_800_000_000)
        wrong = (time[i] > received[i] + FUTURE_TOLERANCE_US) | (time[i] < EARLIEST_FIX_US)
        status[i] |= np.uint32(nowhere | beyond) * _RANGE | np.uint32(wrong) * _CLOCK


@_compiled
def _mark_ties(time, status, begin, end):
    before = -1  # the usable position before
    for i in range(begin, end):
        tied = i > begin and time[i - 1] == time[i]
        if status[i] & _JUDGED == _FIX:
            tied = before >= 0 and time[before] == time[i]
            before = i
        if tied:
            status[i] |= _DUPLICATE


@_compiled
def _mark_frozen(time, lat, lon, speed, status, good, limits):
    """Places repeated to the last digit at speed, but the first of each run; whether there was any."""
    found, begin = False, 0
    for k in range(1, len(good) + 1):
        if k < len(good):
            a, b = good[k - 1], good[k]
            fast = (speed[a] >= limits.frozen_speed_mps) & (speed[b] >= limits.frozen_speed_mps)
            if fast & (lat[a] == lat[b]) & (lon[a] == lon[b]):
                continue
        if k - begin >= max(limits.frozen_count, 2):
            found = True
            for each in range(begin + 1, k):
                status[good[each]] |= _FROZEN
            stays = k
            last = good[k - 1]
            while stays < len(good) and lat[good[stays]] == lat[last] and lon[good[stays]] == lon[last]:
                if time[good[stays]] - time[last] <= limits.frozen_us:
                    status[good[stays]] |= _FROZEN
                stays += 1
        begin = k
    return found


@_compiled
def _still_usable(status, good):
    """Those of the rows that are usable move to the front; how many they are."""
    count = 0
    for i in good:
        good[count] = i
        count += status[i] & _JUDGED == _FIX
    return count


@_compiled
def _mark_jumps(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """Teleports among one vehicle's usable positions; whether there was any."""
    found, far_in, fast_in, short_s = False, False, False, limits.jump_m / limits.teleport_mps
    for k in range(1, len(good)):
        a, b = good[k - 1], good[k]
        at_most = (abs(np.int64(lat[b]) - lat[a]) + abs(np.int64(lon[b]) - lon[a])) * _LONGEST_E7_M
        seconds = (time[b] - time[a]) / SECOND_US
        far, fast = False, False
        # Most steps are so short that their length need not be known.
        if at_most > limits.jump_m or (seconds < short_s and at_most > limits.teleport_mps * seconds):
            way = _flat(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
            far, fast = way > limits.jump_m, way > limits.teleport_mps * seconds
            suspect = (far_in and far and not speed[a] >= limits.moving_speed_mps) or (fast_in and fast)
            if suspect and _jumped(time, lat, lon, speed, good, k - 1, limits, north_table, east_table):
                status[a] |= _TELEPORT
                found = True
        far_in, fast_in = far, fast
    return found


@_compiled
def _mark_uncovered(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """A reflection may hold for two reports: find the one that a neighbour hid, now that the neighbour is marked."""
    left = np.empty(len(good), dtype=np.int64)
    beside = np.empty(len(good), dtype=np.int64)
    count, places = 0, 0
    for k in range(len(good)):
        if status[good[k]] & _TELEPORT == 0:
            left[count] = good[k]
            count += 1
        elif places == 0 or beside[places - 1] != count:
            beside[places] = count
            places += 1
    left = left[:count]
    for place in beside[:places]:
        for k in (place - 1, place):
            if 0 < k < count - 1 and _jumped(time, lat, lon, speed, left, k, limits, north_table, east_table):
                status[left[k]] |= _TELEPORT


@_compiled
def _mark_doubles(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """Excursions of two reports in a row."""
    far_before, fast_before, far_last, fast_last = False, False, False, False
    for k in range(1, len(good)):
        a, b = good[k - 1], good[k]
        at_most = (abs(np.int64(lat[b]) - lat[a]) + abs(np.int64(lon[b]) - lon[a])) * _LONGEST_E7_M
        seconds = (time[b] - time[a]) / SECOND_US
        far, fast = False, False
        if at_most > limits.jump_m or at_most > limits.teleport_mps * seconds:
            way = _flat(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
            far, fast = way > limits.jump_m, way > limits.teleport_mps * seconds
            if (far_before and far) or (fast_before and fast):
                one, here = good[k - 3], good[k - 2]
                way_in = _flat(lat[one], lon[one], lat[here], lon[here], north_table, east_table)
                direct = _flat(lat[one], lon[one], lat[b], lon[b], north_table, east_table)
                span = (time[b] - time[one]) / SECOND_US
                stands = not (speed[here] >= limits.moving_speed_mps or speed[a] >= limits.moving_speed_mps)
                back = min(way_in, way) - direct > limits.jump_m and span <= limits.jump_span_s
                if (fast_before and fast and direct <= limits.teleport_mps * span) or (stands and back):
                    status[here] |= _TELEPORT
                    status[a] |= _TELEPORT
        far_before, fast_before, far_last, fast_last = far_last, fast_last, far, fast


@_compiled
def _jumped(time, lat, lon, speed, good, k, limits, north_table, east_table):
    """Whether the usable position k is impossible both in and out, or a standing car's excursion that came back."""
    a, b, c = good[k - 1], good[k], good[k + 1]
    way_in = _flat(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
    way_out = _flat(lat[b], lon[b], lat[c], lon[c], north_table, east_table)
    seconds_in, seconds_out = (time[b] - time[a]) / SECOND_US, (time[c] - time[b]) / SECOND_US
    fast = way_in > limits.teleport_mps * seconds_in and way_out > limits.teleport_mps * seconds_out
    if not fast and not (way_in > limits.jump_m and way_out > limits.jump_m):
        return False
    direct, span = _flat(lat[a], lon[a], lat[c], lon[c], north_table, east_table), seconds_in + seconds_out
    if fast and direct <= limits.teleport_mps * span:
        return True
    back = min(way_in, way_out) - direct > limits.jump_m
    return back and not speed[b] >= limits.moving_speed_mps and span <= limits.jump_span_s


@_compiled
def _mark_excursions(vehicle, time, lat, lon, speed, course, status, good, limits, tables):
    """`excursions.aside`, then `excursions.drifting`."""
    count = 0
    for i in range(len(time)):
        good[count] = i
        count += status[i] & _JUDGED == _FIX
    if _mark_aside(vehicle, time, lat, lon, speed, course, status, good[:count], limits, tables):
        count = _still_usable(status, good[:count])
    _mark_drifting(vehicle, time, lat, lon, status, good[:count], limits, tables)


@_compiled
def _mark_aside(vehicle, time, lat, lon, speed, course, status, good, limits, tables):
    found = False
    jump, jump_n, jump_e = -1, 0.0, 0.0  # the last one that is not paired yet: the place among `good` after it
    known, fast, here_n, here_e = False, 0.0, 0.0, 0.0
    for k in range(len(good)):
        b = good[k]
        was_known, one_n, one_e = known, here_n, here_e
        known, fast = speed[b] < limits.course_mps, 0.0
        here_n = here_e = 0.0
        if not known and np.isfinite(course[b]) and not np.isnan(speed[b]):
            parts = np.int64(np.rint(np.float64(course[b]) * COURSE_PARTS)) % CIRCLE
            known, fast = True, np.float64(speed[b])
            here_n, here_e = fast * tables[2][parts], fast * tables[3][parts]
        if k == 0 or not (known and was_known) or vehicle[b] != vehicle[good[k - 1]]:
            continue
        a = good[k - 1]
        seconds = (time[b] - time[a]) / SECOND_US
        if seconds > limits.speed_gap_s:
            continue
        off_n, off_e, contradicts = _off_course(lat, lon, a, b, seconds, one_n, one_e, here_n, here_e, limits, tables)
        if not contradicts:
            continue
        if jump > 0 and vehicle[good[jump - 1]] == vehicle[b] and time[b] - time[good[jump - 1]] <= limits.canyon_us:
            left_n, left_e = off_n + jump_n, off_e + jump_e
            size = max(np.sqrt(off_n * off_n + off_e * off_e), np.sqrt(jump_n * jump_n + jump_e * jump_e))
            if np.sqrt(left_n * left_n + left_e * left_e) <= limits.canyon_left_share * size:
                for each in good[jump:k]:
                    status[each] |= _CANYON
                found, jump = True, -1
                continue
        jump, jump_n, jump_e = k, off_n, off_e
    return found


@_compiled
def _off_course(lat, lon, a, b, seconds, one_n, one_e, other_n, other_e, limits, tables):
    """How far off the place b is that speeds and courses lead to from a, and whether that is a contradiction."""
    d_lat = np.int64(lat[b]) - lat[a]
    d_lon = (np.int64(lon[b]) - lon[a] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    lat_sum = np.int64(lat[a]) + lat[b]
    half = seconds * 0.5
    led_n, led_e = (one_n + other_n) * half, (one_e + other_e) * half
    off_n, off_e = d_lat * _per_e7(tables[0], lat_sum) - led_n, d_lon * _per_e7(tables[1], lat_sum) - led_e
    if off_n * off_n + off_e * off_e <= limits.canyon_m * limits.canyon_m * 0.99:  # within any bound
        return off_n, off_e, False
    change_n, change_e = other_n - one_n, other_e - one_e
    turned = limits.canyon_m + np.sqrt(change_n * change_n + change_e * change_e) * half
    along_most = turned + limits.canyon_mps2 * (seconds * seconds) * 0.25
    beyond = max(seconds - limits.canyon_blind_s, 0.0)
    across_most = turned + limits.canyon_mps2 * (beyond * beyond) * 0.25
    led = np.sqrt(led_n * led_n + led_e * led_e)
    if led > limits.canyon_m:
        along = (off_n * led_n + off_e * led_e) / led / along_most
        across = (off_n * led_e - off_e * led_n) / led / across_most
    else:
        along, across = np.sqrt(off_n * off_n + off_e * off_e) / along_most, 0.0
    return off_n, off_e, along * along + across * across > 1.0


@_compiled
def _mark_drifting(vehicle, time, lat, lon, status, good, limits, tables):
    begin = 0
    while begin < len(good):
        row = good[begin]
        end = begin + 1
        if status[row] & (_KNOWN | _ON) == _KNOWN:
            until = ((time[row] + UTC_OFFSET_US) // DAY_US + 1) * DAY_US - UTC_OFFSET_US
            while (
                end < len(good)
                and vehicle[good[end]] == vehicle[row]
                and time[good[end]] < until
                and status[good[end]] & (_KNOWN | _ON) == _KNOWN
            ):
                end += 1
        if end - begin >= limits.drift_count:
            lat_sum, lon_sum = np.int64(0), np.int64(0)
            for each in good[begin:end]:
                lat_sum += lat[each]
                lon_sum += lon[each]
            middle_lat, middle_lon = lat_sum // (end - begin), lon_sum // (end - begin)
            reach, beyond = 0.0, 0
            for each in good[begin:end]:
                away = _flat(middle_lat, middle_lon, lat[each], lon[each], tables[0], tables[1])
                reach, beyond = max(reach, away), beyond + (away > limits.drift_m)
            if 0 < 2 * beyond < end - begin and reach <= limits.unseen_step_m:
                for each in good[begin:end]:
                    if _flat(middle_lat, middle_lon, lat[each], lon[each], tables[0], tables[1]) > limits.drift_m:
                        status[each] |= _DRIFT
        begin = end


def silence_s(positions: Positions, good: Int64Array) -> FloatArray:
    """`silence.silence_s`."""
    silence = np.zeros(len(good))
    _silence(positions.vehicle_ix, positions.fix_time, positions.received_at, good, silence)
    return silence


@_compiled
def _silence(vehicle, time, received, good, silence):
    last, start = -1, 0
    for k in range(len(good)):
        longest = 0.0
        for i in range(start, good[k] + 1):
            if time[i] <= received[i] + FUTURE_TOLERANCE_US and time[i] >= EARLIEST_FIX_US:
                if last >= 0:
                    longest = max(longest, (time[i] - time[last]) / SECOND_US)
                last = i
        if k > 0 and vehicle[good[k]] == vehicle[good[k - 1]]:
            silence[k] = longest
        start = good[k] + 1


def step_kinds(
    track: Positions, silence_s: FloatArray, thresholds: Thresholds = DEFAULT
) -> tuple[Int32Array, FloatArray, BoolArray]:
    """`steps.step_kinds`."""
    n = len(track)
    metres = np.empty(n)
    if _metres(track.vehicle_ix, track.lat_e7, track.lon_e7, metres, NORTH_TABLE, EAST_TABLE):
        far = np.flatnonzero(metres >= LONG_STEP_M)
        lat, lon = track.lat_e7, track.lon_e7
        metres[far] = exact(distance_m(lat[far - 1], lon[far - 1], lat[far], lon[far]))
    kind, moving = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.bool_)
    columns = track.vehicle_ix, track.fix_time, track.lat_e7, track.lon_e7, track.speed_mps, track.status
    _kinds(*columns, silence_s, metres, kind, moving, Limits.of(thresholds), NORTH_TABLE, EAST_TABLE)
    return kind, metres, moving


@_compiled
def _metres(vehicle, lat, lon, metres, north_table, east_table):
    """Flat lengths in exact parts; whether any is so long that it takes the geodesic."""
    long = False
    for i in range(len(lat)):
        if i == 0 or vehicle[i] != vehicle[i - 1]:
            metres[i] = 0.0
        else:
            way = _flat(lat[i - 1], lon[i - 1], lat[i], lon[i], north_table, east_table)
            long |= way > LONG_STEP_M
            metres[i] = np.rint(way * PARTS) / PARTS
    return long


@_compiled
def _kinds(vehicle, time, lat, lon, speed, status, silence, metres, kind, moving, limits, north_table, east_table):
    n = len(time)
    if n == 0:
        return
    off = np.empty(n, dtype=np.bool_)
    kind[0], moving[0] = BREAK, False
    if _kinds_each(time, speed, status, silence, metres, off, kind, moving, limits):
        _move_by_place(time, speed, off, metres, moving, limits)
    for i in range(1, n):
        anew = vehicle[i] != vehicle[i - 1]
        if not anew and time[i] - time[i - 1] > DAY_US:
            anew = (time[i] + UTC_OFFSET_US) // DAY_US - (time[i - 1] + UTC_OFFSET_US) // DAY_US > 1
        if anew:
            metres[i], moving[i], kind[i] = 0.0, False, BREAK
    begin = 0
    for i in range(1, n + 1):
        if i == n or kind[i] != TRIP:  # positions begin … i − 1 are an unbroken stretch
            _dwell(begin, i, time, lat, lon, off, moving, kind, limits, north_table, east_table)
            begin = i
    _trim(kind, moving, True, STOP, TRIP)
    _drop_short_stops(kind, time, off, limits)
    _trim(kind, moving, False, TRIP, STOP)
    _drop_short_trips(kind, time, lat, lon, metres, moving, limits, north_table, east_table)


@_compiled
def _kinds_each(time, speed, status, silence, metres, off, kind, moving, limits):
    """Kind and motion of each step by itself, where a speed was sent; how many have none."""
    for i in range(len(time)):
        off[i] = status[i] & (_KNOWN | _ON) == _KNOWN
    gap_us = np.int64(limits.gap_s * SECOND_US)
    unsaid = 0
    for i in range(1, len(time)):  # without a branch, so that it is done for many steps at once
        way, lasting = metres[i], time[i] - time[i - 1]
        fast = (speed[i] >= limits.moving_speed_mps) | (speed[i - 1] >= limits.moving_speed_mps)
        unsaid += np.isnan(speed[i]) & np.isnan(speed[i - 1])
        left = ~(off[i] & off[i - 1]) | (way >= limits.towed_m)
        moving[i] = (fast | (way >= limits.unseen_step_m)) & left
        silent = (silence[i] > limits.gap_s) | ((lasting > gap_us) & (way > limits.unseen_step_m))
        kind[i] = GAP if silent else TRIP
    return unsaid


@_compiled
def _move_by_place(time, speed, off, metres, moving, limits):
    for i in range(1, len(time)):
        if np.isnan(speed[i]) and np.isnan(speed[i - 1]):
            way = metres[i]
            far = way >= limits.moving_step_m and way >= limits.moving_mps * ((time[i] - time[i - 1]) / SECOND_US)
            left = not (off[i] and off[i - 1]) or way >= limits.towed_m
            moving[i] = (far or way >= limits.unseen_step_m) and left


@_compiled
def _dwell(begin, end, time, lat, lon, off, moving, kind, limits, north_table, east_table):
    done = begin  # steps up to here are marked
    held = begin  # the extents below are those of positions held … reach
    reach = begin - 1
    low_lat = high_lat = lat[begin]
    low_lon = high_lon = lon[begin]
    widest = np.int64(limits.stop_box_m / _SHORTEST_E7_M)
    j = begin
    for i in range(begin, end):
        while j < end and time[j] < time[i] + limits.stop_us:
            j += 1
        if j == end:
            break
        if abs(np.int64(lat[j]) - lat[i]) > widest:
            continue
        twice = np.int64(lat[i]) * 2
        north_m = _per_e7(north_table, twice)
        if abs(np.int64(lat[j]) - lat[i]) * north_m > limits.stop_box_m:
            continue
        east_m = _per_e7(east_table, twice)
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
    start = begin
    for i in range(begin + 1, end + 1):
        if i < end and not moving[i] and off[i] == off[i - 1]:
            continue
        if off[start] and time[i - 1] - time[start] >= limits.ignition_off_us:
            for step in range(start + 1, i):
                kind[step] = STOP
        start = i


@_compiled
def _next(kind, begin):
    """Where the run of equal kind that begins at a step ends, one past it; every BREAK is a run of its own."""
    end = begin + 1
    while end < len(kind) and kind[end] == kind[begin] and kind[end] != BREAK:
        end += 1
    return end


@_compiled
def _trim(kind, moving, away, of, to):
    begin = 0
    while begin < len(kind):
        end = _next(kind, begin)
        if kind[begin] == of:
            head, tail = begin, end
            while head < end and moving[head] == away:
                head += 1
            while tail > head and moving[tail - 1] == away:
                tail -= 1
            for step in range(begin, head):
                kind[step] = to
            for step in range(tail, end):
                kind[step] = to
        begin = end


@_compiled
def _drop_short_stops(kind, time, off, limits):
    begin = 0
    while begin < len(kind):
        end = _next(kind, begin)
        if kind[begin] == STOP:
            dark = 0
            for i in range(begin - 1, end):
                dark += off[i]
            least = limits.ignition_off_s if dark > 0.5 * (end - begin + 1) else limits.stop_kept_s
            if (time[end - 1] - time[begin - 1]) / SECOND_US < least:
                for step in range(begin, end):
                    kind[step] = TRIP
        begin = end


@_compiled
def _drop_short_trips(kind, time, lat, lon, metres, moving, limits, north_table, east_table):
    begin = 0
    while begin < len(kind):
        end = _next(kind, begin)
        if kind[begin] == TRIP:
            home = begin - 1
            twice = np.int64(lat[home]) * 2
            north_m, east_m = _per_e7(north_table, twice), _per_e7(east_table, twice)
            driven, reach = 0.0, 0.0
            for step in range(begin, end):
                if moving[step]:
                    driven += metres[step]
                d_lat = np.int64(lat[step]) - lat[home]
                d_lon = np.int64(lon[step]) - lon[home]
                d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
                north, east = d_lat * north_m, d_lon * east_m
                reach = max(reach, north * north + east * east)
            lasting = (time[end - 1] - time[home]) / SECOND_US
            if driven < limits.trip_min_m or lasting < limits.trip_min_s or np.sqrt(reach) < limits.trip_reach_m:
                for step in range(begin, end):
                    kind[step] = STOP
        begin = end


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
    _add_ways(
        track.fix_time,
        (track.lat_e7, track.lon_e7),
        track.speed_mps,
        track.course_deg,
        track.odometer_m,
        steps.metres,
        steps.moving,
        trips.first,
        trips.last,
        Limits.of(thresholds),
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


@_compiled
def _add_ways(time, places, speed, course, odometer, metres, moving, first, last, limits, tables, sums):
    """`ways.way_columns`, summed by trip."""
    lat, lon = places
    north_table, east_table, course_north, course_east = tables
    for trip in range(len(first)):
        was_known, was_chord, was_north, was_east, was_course = False, 0.0, 0.0, 0.0, np.int64(-1)
        other = _course(course, speed, limits, first[trip])
        for i in range(first[trip] + 1, last[trip] + 1):
            one, other = other, _course(course, speed, limits, i)
            chord, lasting_us = metres[i], time[i] - time[i - 1]
            d_lat = np.int64(lat[i]) - lat[i - 1]
            d_lon = (np.int64(lon[i]) - lon[i - 1] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
            lat_sum = np.int64(lat[i - 1]) + lat[i]
            north, east = d_lat * _per_e7(north_table, lat_sum), d_lon * _per_e7(east_table, lat_sum)
            known = one >= 0 and other >= 0 and chord >= limits.turn_chord_m
            far = lasting_us > limits.speed_gap_us
            way, off = chord, 0.0
            if far or not moving[i]:
                way, off = _still_or_far(odometer, time, chord, far, moving[i], limits, i)
            elif known:
                way, off = _turned(
                    north, east, chord, course_north[one], course_east[one], course_north[other], course_east[other],
                    (np.float64(speed[i - 1]) + speed[i]) * 0.5 * (lasting_us / SECOND_US), limits,
                )  # fmt: skip
            sums[0, trip] += np.rint(way * PARTS) / PARTS
            off = np.rint(off * 64.0) / 64.0
            sums[1, trip] += off * off
            if moving[i] and not far:
                sums[4, trip] += np.rint(PER_PARTS / max(chord, limits.turn_chord_m)) / PER_PARTS
            known = known and not far
            if known and was_known and min(chord, was_chord) >= limits.wobble_chord_m:
                turned = abs((other - was_course + CIRCLE // 2) % CIRCLE - CIRCLE // 2)
                if turned <= STRAIGHT_PARTS and time[i] - time[i - 2] <= limits.wobble_us:
                    total_n, total_e = north + was_north, east + was_east
                    total = np.sqrt(total_n * total_n + total_e * total_e)
                    lateral = 2.0 * (was_east * north - was_north * east) / max(total, 1.0)
                    if total > 0 and abs(lateral) <= limits.wobble_most_m:
                        lateral = np.rint(lateral * 64.0) / 64.0
                        sums[2, trip] += lateral * lateral
                        sums[3, trip] += 1.0
            was_known, was_chord, was_north, was_east, was_course = known, chord, north, east, one


@_compiled
def _course(course, speed, limits, i):
    if not (np.isfinite(course[i]) and speed[i] >= limits.course_mps):
        return np.int64(-1)
    return np.int64(np.rint(np.float64(course[i]) * COURSE_PARTS)) % CIRCLE


@_compiled
def _still_or_far(odometer, time, chord, far, moving, limits, i):
    hidden = chord >= limits.hidden_step_m
    way = chord if moving or hidden else 0.0
    if not far:
        return way, (chord * limits.bridge_spread if hidden else 0.0)
    growth = odometer[i] - odometer[i - 1]
    plausible = 0 <= growth <= 1000 + ODOMETER_MPS * ((time[i] - time[i - 1]) / SECOND_US)
    if odometer[i - 1] != NO_ODOMETER and plausible:
        grown = max(np.float64(growth), chord)
        return grown, grown * limits.odometer_spread
    return way, (chord * limits.bridge_spread if way > 0 else 0.0)


@_compiled
def _turned(north, east, chord, one_n, one_e, other_n, other_e, speed_m, limits):
    along, across = one_n * other_n + one_e * other_e, one_e * other_n - one_n * other_e
    leg_one, leg_other = east * other_n - north * other_e, one_e * north - one_n * east
    most = chord * MOST_WINDING
    if along < COS_TURN and across != 0:
        sign = -1.0 if across < 0 else 1.0
        if along > COS_BACK and leg_one * sign >= 0 and leg_other * sign >= 0:
            legs = min((leg_one + leg_other) / across, most)
            return legs, (legs - chord) * limits.corner_spread
    elif not (abs(leg_one) > SIN_ASIDE * chord and abs(leg_other) > SIN_ASIDE * chord):
        return chord, 0.0
    return min(max(speed_m, chord), most), chord * limits.winding_spread


@_compiled
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
        fastest = -1.0
        for i in range(first[trip] + 1, last[trip] + 1):
            until = ends[trip] if i == last[trip] else time[i]
            while at + 1 < high and begins[at + 1] <= until:
                at += 1
            clock_until = _clock(until, number, at, low, begins, stops, before)
            lasting = until - begin
            later = earlier
            if until >= midnight:
                later = (until + UTC_OFFSET_US) // DAY_US
                if number >= 0 and not _known(later, number, day_offsets, first_days, kinds):
                    return number, later
            way = metres[i] if moving[i] else 0.0
            drove = np.float64(lasting) if moving[i] else 0.0
            off = np.rint(way * (1 - (clock_until - clock) / max(lasting, 1)) * PARTS) / PARTS
            out_share = (np.float64(outside[i]) + outside[i - 1]) / 2
            out = np.rint(way * out_share * PARTS) / PARTS
            piece = offset[trip] + later - first_day[trip]
            if later != earlier:
                start = later * DAY_US - UTC_OFFSET_US
                share = (start - begin) / lasting
                old = offset[trip] + earlier - first_day[trip]
                midnight = start + DAY_US
                for row, value, unit in ((0, way, PARTS), (1, drove, 1.0), (2, off, PARTS), (3, out, PARTS)):
                    part = np.rint(value * share * unit) / unit
                    by_piece[row, old] += part
                    by_piece[row, piece] -= part
            by_piece[0, piece] += way
            by_piece[1, piece] += drove
            by_piece[2, piece] += off
            by_piece[3, piece] += out
            by_trip[0, trip] += way
            by_trip[1, trip] += drove
            by_trip[2, trip] += off
            by_trip[3, trip] += out
            by_trip[4, trip] += lasting * out_share
            by_trip[5, trip] += lasting - (clock_until - clock)
            fastest = max(fastest, speed[i])  # NaN is not greater
            begin, clock, earlier = until, clock_until, later
        by_trip[6, trip] = fastest if fastest >= 0 else np.nan
    return np.int32(-1), np.int64(0)


@_compiled
def _clock(time, calendar, at, low, begins, stops, before):
    """Duty time until an instant, µs; `at` is the calendar's last shift that has begun."""
    if calendar < 0:
        return time
    if at < low:
        return np.int64(0)
    return before[at] + min(time - begins[at], stops[at] - begins[at])


@_compiled
def _known(day, calendar, day_offsets, first_days, kinds):
    place = day_offsets[calendar] + day - first_days[calendar]
    return day >= first_days[calendar] and place < day_offsets[calendar + 1] and kinds[place] != 0


def count_days(positions: Positions, status: UInt32Array, track: Positions) -> Columns:
    """`days.count_days`."""
    keys = np.empty((4, len(positions)), dtype=np.int64)
    grown = np.empty(len(positions))
    count = _count_days(positions.vehicle_ix, positions.fix_time, status, keys)
    vehicle, day, counted, doubtful = keys[:, :count].copy()
    breaks = np.zeros(count, dtype=np.int64)
    _odometer_days(track.vehicle_ix, track.fix_time, track.odometer_m, vehicle, day, grown, breaks)
    return {
        "vehicle_ix": vehicle.astype(np.int32),
        "day": day.astype(np.int32),
        "positions": counted,
        "doubtful": doubtful,
        "odometer_m": grown[:count].copy(),
        "odometer_breaks": breaks,
    }


@_compiled
def _count_days(vehicle, time, status, keys):
    count, until = 0, np.int64(0)
    for i in range(len(time)):
        if i == 0 or vehicle[i] != vehicle[i - 1] or time[i] >= until:
            day = (time[i] + UTC_OFFSET_US) // DAY_US
            until = (day + 1) * DAY_US - UTC_OFFSET_US
            keys[0, count], keys[1, count], keys[2, count], keys[3, count] = vehicle[i], day, 0, 0
            count += 1
        keys[2, count - 1] += 1
        keys[3, count - 1] += status[i] & _DOUBT != 0
    return count


@_compiled
def _odometer_days(vehicle, time, odometer, day_vehicle, day, grown, breaks):
    grown[: len(day)] = np.nan
    at = 0
    for i in range(len(time)):
        before = at
        while day_vehicle[at] != vehicle[i] or (day[at] + 1) * DAY_US - UTC_OFFSET_US <= time[i]:
            at += 1
        if odometer[i] != NO_ODOMETER and np.isnan(grown[at]):
            grown[at] = 0.0
        if i == 0 or vehicle[i] != vehicle[i - 1] or odometer[i] == odometer[i - 1]:
            continue
        if odometer[i - 1] == NO_ODOMETER or odometer[i] == NO_ODOMETER or day[at] - day[before] > 1:
            continue
        lasting, growth = time[i] - time[i - 1], np.float64(odometer[i] - odometer[i - 1])
        if not 0 <= growth <= 1000 + ODOMETER_MPS * (lasting / SECOND_US):
            breaks[at] += 1
            continue
        if day[at] != day[before]:
            share = (day[at] * DAY_US - UTC_OFFSET_US - time[i - 1]) / lasting
            earlier = np.rint(growth * share)
            grown[before] += earlier
            growth -= earlier
        grown[at] += growth


def rows_outside(track: Positions, area_ix: Int32Array, areas: ZoneIndex) -> Int64Array:
    """`borders.rows_outside`; what a border runs past is asked of the index itself."""
    raster = areas.raster
    rows, doubtful = np.empty(len(track), dtype=np.int64), np.empty(len(track), dtype=np.bool_)
    count = _rows_outside(
        track.vehicle_ix,
        track.lat_e7,
        track.lon_e7,
        area_ix,
        (raster.south_e7, raster.west_e7, raster.cell_e7, raster.rows, raster.columns),
        (raster.cell_set, raster.part_set, raster.set_start, raster.set_zone, raster.set_exact),
        rows,
        doubtful,
    )
    rows, doubtful = rows[:count], doubtful[:count]
    ask = rows[doubtful]
    keep = np.ones(count, dtype=np.bool_)
    keep[doubtful] = ~areas.inside(area_ix[track.vehicle_ix[ask]], track.lat_e7[ask], track.lon_e7[ask])
    outside: Int64Array = rows[keep]
    return outside


@_compiled
def _rows_outside(vehicle, lat, lon, area_ix, grid, sets, rows, doubtful):
    south, west, cell, grid_rows, grid_columns = grid
    cell_set, part_set, set_start, set_zone, set_exact = sets
    count, found = 0, np.int64(0)
    low_lat, low_lon = np.int64(-(1 << 40)), np.int64(-(1 << 40))  # corner of the cell that `found` belongs to
    for i in range(len(lat)):
        area = area_ix[vehicle[i]]
        if area < 0:
            continue
        north, east = np.int64(lat[i]) - low_lat, np.int64(lon[i]) - low_lon
        if north < 0 or north >= cell or east < 0 or east >= cell:
            row, column = (np.int64(lat[i]) - south) // cell, (np.int64(lon[i]) - west) // cell
            low_lat, low_lon = row * cell + south, column * cell + west
            north, east = np.int64(lat[i]) - low_lat, np.int64(lon[i]) - low_lon
            found = np.int64(0)
            if 0 <= row < grid_rows and 0 <= column < grid_columns:
                found = np.int64(cell_set[row * (grid_columns + 1) + column])
        number = found
        if number < 0:
            side = cell // PARTS_OF_CELL
            number = np.int64(part_set[(-1 - number) * PARTS_OF_CELL**2 + north // side * PARTS_OF_CELL + east // side])
        holds, exact_one = False, False
        for entry in range(set_start[number], set_start[number + 1]):
            if set_zone[entry] == area:
                holds, exact_one = True, set_exact[entry]
        if not holds or exact_one:
            rows[count], doubtful[count] = i, exact_one
            count += 1
    return count
