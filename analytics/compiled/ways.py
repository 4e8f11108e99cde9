"""`ways.way_columns`, summed by trip: what can be done for many steps at once, trip by trip in the nearest cache."""

import numpy as np

from analytics.compiled.lengths import scales
from analytics.exact import PARTS
from analytics.odometer import ODOMETER_MPS
from analytics.ways import COS_BACK, COS_TURN, MOST_WINDING, PER_PARTS, SIN_ASIDE, STRAIGHT_PARTS
from geo.courses import CIRCLE, COURSE_PARTS
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import NO_ODOMETER

_CIRCLE, _COURSE_PARTS, _NONE = np.float32(CIRCLE), np.float32(COURSE_PARTS), np.int32(-1)
_STRAIGHT, _ROUND = np.int32(STRAIGHT_PARTS), np.int32(CIRCLE - STRAIGHT_PARTS)


@compiled
def add_ways(time, places, speed, course, odometer, metres, moving, first, last, limits, tables, sums):
    """`ways.way_columns`, summed by trip."""
    longest = 0
    for trip in range(len(first)):
        longest = max(longest, last[trip] - first[trip])
    parts, knowns = np.empty(longest + 1, dtype=np.int32), np.empty(longest + 1, dtype=np.bool_)
    values = np.empty((9, longest + 1))
    for trip in range(len(first)):
        rows = slice(first[trip], last[trip] + 1)
        columns = time[rows], places[0][rows], places[1][rows], speed[rows], metres[rows], moving[rows]
        count = len(columns[0])
        _courses(course[rows], columns[3], limits.course_mps, parts)
        _vectors(parts[:count], columns[1], tables, values)
        if _ways(columns, parts, knowns, values, limits):
            _far(columns, odometer[rows], values, limits)
        _wobbles(columns[0], columns[4], parts, knowns, values, limits)
        _add(values[:, 1:count], sums[:, trip])


@compiled
def _add(values, sums):
    """The first five rows summed side by side: one after the other each sum would wait for its last."""
    one, two, three, four, five = 0.0, 0.0, 0.0, 0.0, 0.0
    for step in range(values.shape[1]):
        one, two, three = one + values[0, step], two + values[1, step], three + values[2, step]
        four, five = four + values[3, step], five + values[4, step]
    sums[0], sums[1], sums[2], sums[3], sums[4] = one, two, three, four, five


@compiled
def _courses(course, speed, least_mps, parts):
    """Courses in parts of a degree; −1 where none is known."""
    strange = 0
    for i in range(len(course)):
        rounded = np.rint(course[i] * _COURSE_PARTS)
        known = (speed[i] >= least_mps) & (abs(course[i]) < np.float32(np.inf))
        within = (rounded >= np.float32(0)) & (rounded < _CIRCLE)
        strange += known & ~within
        parts[i] = np.int32(rounded) if known & within else _NONE
    if strange:
        for i in range(len(course)):
            if speed[i] >= least_mps and np.isfinite(course[i]):
                parts[i] = np.int64(np.rint(np.float64(course[i]) * COURSE_PARTS)) % CIRCLE


@compiled
def _vectors(parts, lat, tables, values):
    """Unit vectors of the courses, and metres of 10⁻⁷ degrees halfway of each step."""
    for i in range(len(parts)):
        part = max(parts[i], 0)
        values[5, i], values[6, i] = tables[2][part], tables[3][part]
    scales(lat, values[7], values[8], tables[0], tables[1])


@compiled
def _ways(columns, parts, knowns, values, limits):
    """Way, variance, inverse chord and vector of each step, as if no odometer were there; whether any asks for one."""
    time, lat, lon, speed, metres, moving = columns
    ways, squares, inverses, course_n, course_e = values[0], values[1], values[4], values[5], values[6]
    norths, easts = values[7], values[8]
    far_ones = 0
    for i in range(1, len(time)):  # without a branch, so that it is done for many steps at once
        chord, lasting_us = metres[i], time[i] - time[i - 1]
        far = lasting_us > limits.speed_gap_us
        far_ones += far
        known = (parts[i - 1] >= 0) & (parts[i] >= 0) & (chord >= limits.turn_chord_m) & ~far
        d_lat, d_lon = np.float64(lat[i]) - np.float64(lat[i - 1]), np.float64(lon[i]) - np.float64(lon[i - 1])
        d_lon += (3.6e9 if d_lon < -1.8e9 else 0.0) - (3.6e9 if d_lon > 1.8e9 else 0.0)
        north, east = d_lat * norths[i], d_lon * easts[i]
        one_n, one_e, other_n, other_e = course_n[i - 1], course_e[i - 1], course_n[i], course_e[i]
        along, across = one_n * other_n + one_e * other_e, one_e * other_n - one_n * other_e
        leg_one, leg_other = east * other_n - north * other_e, one_e * north - one_n * east
        turns = known & (along < COS_TURN) & (across != 0)
        forward = (leg_one >= 0) & (leg_other >= 0) if across >= 0 else (leg_one <= 0) & (leg_other <= 0)
        simple = turns & (along > COS_BACK) & forward
        aside = (abs(leg_one) > SIN_ASIDE * chord) & (abs(leg_other) > SIN_ASIDE * chord)
        winds = (turns & ~simple) | (known & ~turns & aside)
        most = chord * MOST_WINDING
        legs = min((leg_one + leg_other) / (1.0 if across == 0 else across), most)
        wound = (np.float64(speed[i - 1]) + np.float64(speed[i])) * 0.5 * (np.float64(lasting_us) / SECOND_US)
        wound = min(max(wound, chord), most)
        way = legs if simple else (wound if winds else chord)
        off = (legs - chord) * limits.corner_spread if simple else (chord * limits.winding_spread if winds else 0.0)
        hidden = chord >= limits.hidden_step_m
        way = way if moving[i] else (chord if hidden else 0.0)
        off = off if moving[i] else (chord * limits.bridge_spread if hidden else 0.0)
        off = np.rint(off * 64.0) / 64.0
        ways[i] = np.rint(way * PARTS) / PARTS
        squares[i] = off * off
        inverse = np.rint(PER_PARTS / max(chord, limits.turn_chord_m)) / PER_PARTS
        inverses[i] = inverse if moving[i] & ~far else 0.0
        norths[i], easts[i], knowns[i] = north, east, known
    return far_ones > 0


@compiled
def _far(columns, odometer, values, limits):
    """Way and variance of the steps over silences, by the odometer where it is plausible."""
    time, metres = columns[0], columns[4]
    for i in range(1, len(time)):
        lasting_us = time[i] - time[i - 1]
        if lasting_us > limits.speed_gap_us:
            chord, growth = metres[i], odometer[i] - odometer[i - 1]
            way, off = values[0, i], chord * limits.bridge_spread if values[0, i] > 0 else 0.0
            plausible = 0 <= growth <= 1000 + ODOMETER_MPS * (lasting_us / SECOND_US)
            if odometer[i - 1] != NO_ODOMETER and plausible:
                way = max(np.float64(growth), chord)
                off = way * limits.odometer_spread
            off = np.rint(off * 64.0) / 64.0
            values[0, i], values[1, i] = np.rint(way * PARTS) / PARTS, off * off


@compiled
def _wobbles(time, metres, parts, knowns, values, limits):
    """Squares of what the places lie off straight tracks, and where they are that of noise."""
    squares, counts, norths, easts = values[2], values[3], values[7], values[8]
    squares[1:2], counts[1:2] = 0.0, 0.0
    for i in range(1, len(time) - 1):  # without a branch, so that it is done for many places at once
        turned = np.int32(parts[i + 1] - parts[i - 1])
        goes_on = (turned <= _STRAIGHT) & (turned >= -_STRAIGHT) | (turned >= _ROUND) | (turned <= -_ROUND)
        total_n, total_e = norths[i + 1] + norths[i], easts[i + 1] + easts[i]
        total = np.sqrt(total_n * total_n + total_e * total_e)
        aside = easts[i] * norths[i + 1] - norths[i] * easts[i + 1]
        lateral = 2.0 * aside / max(total, 1.0)
        straight = knowns[i + 1] & knowns[i] & goes_on & (total > 0) & (abs(lateral) <= limits.wobble_most_m)
        straight &= (metres[i + 1] >= limits.wobble_chord_m) & (metres[i] >= limits.wobble_chord_m)
        straight &= time[i + 1] - time[i - 1] <= limits.wobble_us
        lateral = np.rint(lateral * 64.0) / 64.0
        squares[i + 1] = lateral * lateral if straight else 0.0
        counts[i + 1] = 1.0 if straight else 0.0
