"""`clean.mark_doubt`, a vehicle after the other."""

import numpy as np

from analytics.compiled.excursions import mark_excursions
from analytics.compiled.lengths import LONGEST_E7_M, flat_m
from analytics.compiled.limits import limits_of
from analytics.compiled.marks import CLOCK, DUPLICATE, FIX, FROZEN, JUDGED, RANGE, TELEPORT, still_usable
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import UInt32Array
from geo.courses import COURSE_EAST, COURSE_NORTH
from geo.distance import EAST_TABLE, NORTH_TABLE
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US, Positions


def mark_doubt(positions: Positions, thresholds: Thresholds = DEFAULT) -> UInt32Array:
    """`clean.mark_doubt`."""
    status = positions.status.copy()
    good = np.empty(len(positions), dtype=np.int64)
    limits = limits_of(thresholds)
    where = positions.vehicle_ix, positions.fix_time, positions.lat_e7, positions.lon_e7
    _mark(*where, positions.speed_mps, positions.received_at, status, good, limits, NORTH_TABLE, EAST_TABLE)
    tables = NORTH_TABLE, EAST_TABLE, COURSE_NORTH, COURSE_EAST
    mark_excursions(*where, positions.speed_mps, positions.course_deg, status, good, limits, tables)
    return status


@compiled
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
            count += status[i] & JUDGED == FIX
        own = own[:count]
        if _mark_frozen(time, lat, lon, speed, status, own, limits):
            own = own[: still_usable(status, own)]
        if _mark_jumps(time, lat, lon, speed, status, own, limits, north_table, east_table):
            _mark_uncovered(time, lat, lon, speed, status, own, limits, north_table, east_table)
            own = own[: still_usable(status, own)]
        _mark_doubles(time, lat, lon, speed, status, own, limits, north_table, east_table)
        begin = end


@compiled
def _mark_each(time, lat, lon, received, status):
    for i in range(len(time)):  # without a branch, so that it is done for many positions at once
        nowhere = (lat[i] == 0) & (lon[i] == 0)
        beyond = (lat[i] > 900_000_000) | (lat[i] < -900_000_000) | (lon[i] > 1_800_000_000) | (lon[i] < -1_800_000_000)
        wrong = (time[i] > received[i] + FUTURE_TOLERANCE_US) | (time[i] < EARLIEST_FIX_US)
        status[i] |= np.uint32(nowhere | beyond) * RANGE | np.uint32(wrong) * CLOCK


@compiled
def _mark_ties(time, status, begin, end):
    before = -1  # the usable position before
    for i in range(begin, end):
        tied = i > begin and time[i - 1] == time[i]
        if status[i] & JUDGED == FIX:
            tied = before >= 0 and time[before] == time[i]
            before = i
        if tied:
            status[i] |= DUPLICATE


@compiled
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
                status[good[each]] |= FROZEN
            stays = k
            last = good[k - 1]
            while stays < len(good) and lat[good[stays]] == lat[last] and lon[good[stays]] == lon[last]:
                if time[good[stays]] - time[last] <= limits.frozen_us:
                    status[good[stays]] |= FROZEN
                stays += 1
        begin = k
    return found


@compiled
def _mark_jumps(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """Teleports among one vehicle's usable positions; whether there was any."""
    found, far_in, fast_in, short_s = False, False, False, limits.jump_m / limits.teleport_mps
    for k in range(1, len(good)):
        a, b = good[k - 1], good[k]
        at_most = (abs(np.int64(lat[b]) - lat[a]) + abs(np.int64(lon[b]) - lon[a])) * LONGEST_E7_M
        seconds = (time[b] - time[a]) / SECOND_US
        far, fast = False, False
        # Most steps are so short that their length need not be known.
        if at_most > limits.jump_m or (seconds < short_s and at_most > limits.teleport_mps * seconds):
            way = flat_m(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
            far, fast = way > limits.jump_m, way > limits.teleport_mps * seconds
            suspect = (far_in and far and not speed[a] >= limits.moving_speed_mps) or (fast_in and fast)
            if suspect and _jumped(time, lat, lon, speed, good, k - 1, limits, north_table, east_table):
                status[a] |= TELEPORT
                found = True
        far_in, fast_in = far, fast
    return found


@compiled
def _mark_uncovered(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """A reflection may hold for two reports: find the one that a neighbour hid, now that the neighbour is marked."""
    left = np.empty(len(good), dtype=np.int64)
    beside = np.empty(len(good), dtype=np.int64)
    count, places = 0, 0
    for k in range(len(good)):
        if status[good[k]] & TELEPORT == 0:
            left[count] = good[k]
            count += 1
        elif places == 0 or beside[places - 1] != count:
            beside[places] = count
            places += 1
    left = left[:count]
    for place in beside[:places]:
        for k in (place - 1, place):
            if 0 < k < count - 1 and _jumped(time, lat, lon, speed, left, k, limits, north_table, east_table):
                status[left[k]] |= TELEPORT


@compiled
def _mark_doubles(time, lat, lon, speed, status, good, limits, north_table, east_table):
    """Excursions of two reports in a row."""
    far_before, fast_before, far_last, fast_last = False, False, False, False
    for k in range(1, len(good)):
        a, b = good[k - 1], good[k]
        at_most = (abs(np.int64(lat[b]) - lat[a]) + abs(np.int64(lon[b]) - lon[a])) * LONGEST_E7_M
        seconds = (time[b] - time[a]) / SECOND_US
        far, fast = False, False
        if at_most > limits.jump_m or at_most > limits.teleport_mps * seconds:
            way = flat_m(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
            far, fast = way > limits.jump_m, way > limits.teleport_mps * seconds
            if (far_before and far) or (fast_before and fast):
                one, here = good[k - 3], good[k - 2]
                way_in = flat_m(lat[one], lon[one], lat[here], lon[here], north_table, east_table)
                direct = flat_m(lat[one], lon[one], lat[b], lon[b], north_table, east_table)
                span = (time[b] - time[one]) / SECOND_US
                stands = not (speed[here] >= limits.moving_speed_mps or speed[a] >= limits.moving_speed_mps)
                back = min(way_in, way) - direct > limits.jump_m and span <= limits.jump_span_s
                if (fast_before and fast and direct <= limits.teleport_mps * span) or (stands and back):
                    status[here] |= TELEPORT
                    status[a] |= TELEPORT
        far_before, fast_before, far_last, fast_last = far_last, fast_last, far, fast


@compiled
def _jumped(time, lat, lon, speed, good, k, limits, north_table, east_table):
    """Whether the usable position k is impossible both in and out, or a standing car's excursion that came back."""
    a, b, c = good[k - 1], good[k], good[k + 1]
    way_in = flat_m(lat[a], lon[a], lat[b], lon[b], north_table, east_table)
    way_out = flat_m(lat[b], lon[b], lat[c], lon[c], north_table, east_table)
    seconds_in, seconds_out = (time[b] - time[a]) / SECOND_US, (time[c] - time[b]) / SECOND_US
    fast = way_in > limits.teleport_mps * seconds_in and way_out > limits.teleport_mps * seconds_out
    if not fast and not (way_in > limits.jump_m and way_out > limits.jump_m):
        return False
    direct, span = flat_m(lat[a], lon[a], lat[c], lon[c], north_table, east_table), seconds_in + seconds_out
    if fast and direct <= limits.teleport_mps * span:
        return True
    back = min(way_in, way_out) - direct > limits.jump_m
    return back and not speed[b] >= limits.moving_speed_mps and span <= limits.jump_span_s
