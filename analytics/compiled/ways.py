"""`ways.way_columns`, summed by trip."""

import numpy as np

from analytics.compiled.lengths import per_e7
from analytics.exact import PARTS
from analytics.odometer import ODOMETER_MPS
from analytics.ways import COS_BACK, COS_TURN, MOST_WINDING, PER_PARTS, SIN_ASIDE, STRAIGHT_PARTS
from geo.courses import CIRCLE, COURSE_PARTS
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import NO_ODOMETER


@compiled
def add_ways(time, places, speed, course, odometer, metres, moving, first, last, limits, tables, sums):
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
            north, east = d_lat * per_e7(north_table, lat_sum), d_lon * per_e7(east_table, lat_sum)
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


@compiled
def _course(course, speed, limits, i):
    if not (np.isfinite(course[i]) and speed[i] >= limits.course_mps):
        return np.int64(-1)
    return np.int64(np.rint(np.float64(course[i]) * COURSE_PARTS)) % CIRCLE


@compiled
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


@compiled
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
