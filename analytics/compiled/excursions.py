"""`excursions.aside` and `excursions.drifting`."""

import numpy as np

from analytics.compiled.lengths import LONGEST_E7_M, flat_m
from analytics.compiled.marks import CANYON, DRIFT
from analytics.compiled.suspects import (
    ASIDE,
    ASLEEP,
    AWAKE,
    SOUND,
    mark,
    next_with,
    rows_with,
    settle_marked,
    sound_before,
)
from geo.courses import CIRCLE, COURSE_PARTS
from geo.jit import compiled
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from geo.nearest import per_e7


@compiled
def mark_excursions(columns, course, status, work, limits, tables):
    """`excursions.aside`, then `excursions.drifting`."""
    suspect, rows = work
    _mark_aside(columns, course, status, suspect, rows_with(ASIDE, suspect, rows), limits, tables)
    settle_marked(suspect)
    _mark_drifting(columns, status, suspect, limits, tables)


@compiled
def _mark_aside(columns, course, status, suspect, steps, limits, tables):
    vehicle, time, lat, lon, speed = columns
    start, first, jump_n, jump_e = -1, -1, 0.0, 0.0  # ends of the last jump that is not paired yet
    for b in steps:
        a = sound_before(vehicle, suspect, b)
        seconds = (time[b] - time[a]) / SECOND_US
        if a < 0 or seconds > limits.speed_gap_s:
            continue
        known_one, one_n, one_e = _velocity(speed[a], course[a], limits, tables)
        known_other, other_n, other_e = _velocity(speed[b], course[b], limits, tables)
        if not (known_one and known_other):
            continue
        off_n, off_e, contradicts = _off_course(lat, lon, a, b, seconds, one_n, one_e, other_n, other_e, limits, tables)
        if not contradicts:
            continue
        if start >= 0 and vehicle[start] == vehicle[b] and time[b] - time[start] <= limits.canyon_us:
            left_n, left_e = off_n + jump_n, off_e + jump_e
            size = max(np.sqrt(off_n * off_n + off_e * off_e), np.sqrt(jump_n * jump_n + jump_e * jump_e))
            if np.sqrt(left_n * left_n + left_e * left_e) <= limits.canyon_left_share * size:
                for row in range(first, b):
                    if suspect[row] & SOUND:
                        mark(row, CANYON, status, suspect)
                start = -1
                continue
        start, first, jump_n, jump_e = a, b, off_n, off_e


@compiled
def _velocity(speed, course, limits, tables):
    """Whether a velocity is known, and its parts north and east; a car too slow to have a course stands."""
    if speed < limits.course_mps:
        return True, 0.0, 0.0
    if not np.isfinite(course) or np.isnan(speed):
        return False, 0.0, 0.0
    parts = np.int64(np.rint(np.float64(course) * COURSE_PARTS)) % CIRCLE
    return True, np.float64(speed) * tables[2][parts], np.float64(speed) * tables[3][parts]


@compiled
def _off_course(lat, lon, a, b, seconds, one_n, one_e, other_n, other_e, limits, tables):
    """How far off the place b is that speeds and courses lead to from a, and whether that is a contradiction."""
    d_lat = np.int64(lat[b]) - lat[a]
    d_lon = (np.int64(lon[b]) - lon[a] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    lat_sum = np.int64(lat[a]) + lat[b]
    half = seconds * 0.5
    led_n, led_e = (one_n + other_n) * half, (one_e + other_e) * half
    off_n, off_e = d_lat * per_e7(tables[0], lat_sum) - led_n, d_lon * per_e7(tables[1], lat_sum) - led_e
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


@compiled
def _mark_drifting(columns, status, suspect, limits, tables):
    vehicle, time, lat, lon, _ = columns
    begin, dark_until = next_with(ASLEEP, suspect, 0), 0
    while begin < len(time):
        if dark_until <= begin:
            dark_until = next_with(AWAKE, suspect, begin)
        end = min(dark_until, len(time))
        if vehicle[end - 1] != vehicle[begin]:
            end = begin + np.searchsorted(vehicle[begin:end], vehicle[begin], side="right")
        midnight = ((time[begin] + UTC_OFFSET_US) // DAY_US + 1) * DAY_US - UTC_OFFSET_US
        if time[end - 1] >= midnight:
            end = begin + np.searchsorted(time[begin:end], midnight)
        _mark_stand(lat[begin:end], lon[begin:end], status[begin:end], suspect[begin:end], limits, tables)
        begin = next_with(ASLEEP, suspect, end)


@compiled
def _mark_stand(lat, lon, status, suspect, limits, tables):
    if _within(lat, lon, limits):
        return
    count, lat_sum, lon_sum = np.int64(0), np.int64(0), np.int64(0)
    for i in range(len(lat)):
        sound = suspect[i] & SOUND != 0
        count += np.int64(sound)
        lat_sum += lat[i] if sound else 0
        lon_sum += lon[i] if sound else 0
    if count < limits.drift_count:
        return
    middle = np.int32(lat_sum // count), np.int32(lon_sum // count)
    square, suspects = _near_square(limits), np.uint32(0)
    for i in range(len(lat)):  # without a branch, so that it is done for many positions at once
        suspects += np.uint32(_square(middle, lat[i], lon[i]) > square)
    if suspects == 0:
        return
    reach, beyond = 0.0, 0
    for i in range(len(lat)):
        if _square(middle, lat[i], lon[i]) > square and suspect[i] & SOUND:
            away = flat_m(middle[0], middle[1], lat[i], lon[i], tables[0], tables[1])
            reach, beyond = max(reach, away), beyond + (away > limits.drift_m)
    if 0 < 2 * beyond < count and reach <= limits.unseen_step_m:
        for i in range(len(lat)):
            away = flat_m(middle[0], middle[1], lat[i], lon[i], tables[0], tables[1]) if suspect[i] & SOUND else 0.0
            if away > limits.drift_m:
                status[i] |= DRIFT


@compiled
def _within(lat, lon, limits):
    """Whether all these places, and so their middle, lie within a box that is too small for any to drift."""
    south, north, west, east = lat[0], lat[0], lon[0], lon[0]
    for i in range(len(lat)):
        south, north, west, east = min(south, lat[i]), max(north, lat[i]), min(west, lon[i]), max(east, lon[i])
    high, wide = np.float32(np.int64(north) - south), np.float32(np.int64(east) - west)
    return high * high + wide * wide <= _near_square(limits)


@compiled
def _near_square(limits):
    """What `_square` of a place that does not drift may be."""
    return np.float32((min(limits.drift_m, limits.unseen_step_m) / LONGEST_E7_M) ** 2)


@compiled
def _square(middle, lat, lon):
    """Square of the distance in 10⁻⁷ degrees, as if one of longitude were as long as one of latitude."""
    north, east = np.float32(np.int32(lat - middle[0])), np.float32(np.int32(lon - middle[1]))
    return north * north + east * east
