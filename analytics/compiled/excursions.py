"""`excursions.aside` and `excursions.drifting`."""

import numpy as np

from analytics.compiled.lengths import flat_m, per_e7
from analytics.compiled.marks import CANYON, DRIFT, FIX, JUDGED, KNOWN, ON, still_usable
from geo.courses import CIRCLE, COURSE_PARTS
from geo.jit import compiled
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US


@compiled
def mark_excursions(vehicle, time, lat, lon, speed, course, status, good, limits, tables):
    """`excursions.aside`, then `excursions.drifting`."""
    count = 0
    for i in range(len(time)):
        good[count] = i
        count += status[i] & JUDGED == FIX
    if _mark_aside(vehicle, time, lat, lon, speed, course, status, good[:count], limits, tables):
        count = still_usable(status, good[:count])
    _mark_drifting(vehicle, time, lat, lon, status, good[:count], limits, tables)


@compiled
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
                    status[each] |= CANYON
                found, jump = True, -1
                continue
        jump, jump_n, jump_e = k, off_n, off_e
    return found


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
def _mark_drifting(vehicle, time, lat, lon, status, good, limits, tables):
    begin = 0
    while begin < len(good):
        row = good[begin]
        end = begin + 1
        if status[row] & (KNOWN | ON) == KNOWN:
            until = ((time[row] + UTC_OFFSET_US) // DAY_US + 1) * DAY_US - UTC_OFFSET_US
            while (
                end < len(good)
                and vehicle[good[end]] == vehicle[row]
                and time[good[end]] < until
                and status[good[end]] & (KNOWN | ON) == KNOWN
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
                away = flat_m(middle_lat, middle_lon, lat[each], lon[each], tables[0], tables[1])
                reach, beyond = max(reach, away), beyond + (away > limits.drift_m)
            if 0 < 2 * beyond < end - begin and reach <= limits.unseen_step_m:
                for each in good[begin:end]:
                    if flat_m(middle_lat, middle_lon, lat[each], lon[each], tables[0], tables[1]) > limits.drift_m:
                        status[each] |= DRIFT
        begin = end
