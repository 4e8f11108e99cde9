"""`ways.way_columns`, summed by trip: few steps are more than their chords, and they are found many at a time.

Columns are handed on whole with the row at which a trip begins: a slice of each, made anew for every trip, costs as much
as a dozen steps. Rows are unsigned, so that none is taken to count from the end.
"""

import numpy as np

from analytics.compiled.suspects import _sine
from analytics.exact import PARTS
from analytics.odometer import ODOMETER_MPS
from analytics.ways import COS_BACK, COS_TURN, MOST_WINDING, PER_PARTS, SIN_ASIDE, STRAIGHT_PARTS
from geo.courses import CIRCLE, COURSE_PARTS
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.nearest import per_e7
from geo.positions import NO_ODOMETER

_CIRCLE, _COURSE_PARTS, _NONE = np.float32(CIRCLE), np.float32(COURSE_PARTS), np.int32(-1)
_STRAIGHT, _ROUND = np.int32(STRAIGHT_PARTS), np.int32(CIRCLE - STRAIGHT_PARTS)
_BEFORE = np.uint64(1)
_EIGHT = 8  # steps at a time

# Bounds of what surely goes on along its course: the sines are 0.0011 off, courses half a part of a degree.
_COS_TURN, _SIN_ASIDE, _SLACK = np.float32(COS_TURN + 0.005), np.float32(SIN_ASIDE), np.float32(0.012)
_NORTH_E7_M, _EAST_E7_M = np.float32(0.011113), np.float32(0.011151)  # within half a percent, east on the equator
_WILD, _WILD_M = np.float32(1000.0), np.float32(1e5)  # degrees, metres: beyond, nothing is claimed
_HALF, _TWO, _ENDLESS, _NAN = np.float32(0.5), np.float32(2.0), np.float32(np.inf), np.float32(np.nan)
_HALF_TURNS, _LAT_HALF_TURNS = np.float32(1 / 180), np.float32(0.5e-7 / 180)


@compiled
def add_ways(track, metres, moving, trips, gps_m, limits, tables, sums):
    """`ways.way_columns`, summed by trip, of which the lengths of the chords driven are known."""
    sums[0], sums[1] = gps_m, 0.0
    _add_special(track, metres, moving, trips, limits, tables, sums)
    _add_noise(track, metres, moving, trips, limits, tables, sums)


@compiled
def _add_special(track, metres, moving, trips, limits, tables, sums):
    """Ways and variances of the steps that are more than their chords."""
    time, lat, lon, speed, course, odometer = track
    rows = _special_rows(time, lat, lon, speed, course, metres, moving, trips, limits)
    trip = 0
    for row in rows:
        while row > trips[1][trip]:
            trip += 1
        before = row - 1
        chord, lasting_us = metres[row], time[row] - time[before]
        seconds = np.float64(lasting_us) / SECOND_US
        far = lasting_us > limits.speed_gap_us
        way, off = chord, 0.0
        if not moving[row]:
            hidden = chord >= limits.hidden_step_m
            way, off = (chord, chord * limits.bridge_spread) if hidden else (0.0, 0.0)
        elif chord >= limits.turn_chord_m and not far:
            one, other = _part(before, speed, course, limits.course_mps), _part(row, speed, course, limits.course_mps)
            if one >= 0 and other >= 0:
                north, east = _chord(before, row, lat, lon, tables)
                one_n, one_e, other_n, other_e = tables[2][one], tables[3][one], tables[2][other], tables[3][other]
                along, across = one_n * other_n + one_e * other_e, one_e * other_n - one_n * other_e
                leg_one, leg_other = east * other_n - north * other_e, one_e * north - one_n * east
                turns = along < COS_TURN and across != 0
                forward = (leg_one >= 0 and leg_other >= 0) if across >= 0 else (leg_one <= 0 and leg_other <= 0)
                aside = abs(leg_one) > SIN_ASIDE * chord and abs(leg_other) > SIN_ASIDE * chord
                most = chord * MOST_WINDING
                if turns and along > COS_BACK and forward:
                    way = min((leg_one + leg_other) / across, most)
                    off = (way - chord) * limits.corner_spread
                elif turns or aside:
                    wound = (np.float64(speed[before]) + np.float64(speed[row])) * 0.5 * seconds
                    way, off = min(max(wound, chord), most), chord * limits.winding_spread
        if far:
            growth = odometer[row] - odometer[before]
            off = chord * limits.bridge_spread if way > 0 else 0.0
            if odometer[before] != NO_ODOMETER and 0 <= growth <= 1000 + ODOMETER_MPS * seconds:
                way = max(np.float64(growth), chord)
                off = way * limits.odometer_spread
        off = np.rint(off * 64.0) / 64.0
        sums[0, trip] += np.rint(way * PARTS) / PARTS - (chord if moving[row] else 0.0)
        sums[1, trip] += off * off


@compiled
def _special_rows(time, lat, lon, speed, course, metres, moving, trips, limits):
    """The steps of trips that may be more than their chords, or hide a way though they stand, and perhaps a few more."""
    first, last = trips
    longest, total = np.int64(0), np.int64(0)
    for trip in range(len(first)):
        longest, total = max(longest, last[trip] - first[trip]), total + last[trip] - first[trip]
    rows, found = np.empty(total + _EIGHT, dtype=np.int64), 0
    vectors, special = np.empty((2, longest + _EIGHT + 1), dtype=np.float32), np.empty(longest + _EIGHT, dtype=np.bool_)
    least_m = np.float32(limits.turn_chord_m * 0.999), np.float32(limits.hidden_step_m * 0.999)
    for trip in range(len(first)):
        begin, count = np.uint64(first[trip]), last[trip] - first[trip]
        # Whole eights of steps: what lies beyond the trip is thrown away.
        padded = min((count + _EIGHT - 1) // _EIGHT * _EIGHT, len(time) - 1 - first[trip])
        _vectors(begin, padded + 1, speed, course, limits.course_mps, vectors)
        _special(begin, padded, time, lat, lon, metres, moving, vectors, special, least_m, limits.speed_gap_us)
        for i in range(count):
            rows[found] = first[trip] + 1 + i
            found += special[i]
    return rows[:found]


@compiled
def _add_noise(track, metres, moving, trips, limits, tables, sums):
    """Squares of what the places lie off straight tracks, how many do, and the inverses of the chords of such trips."""
    time, lat, lon, speed, course, _ = track
    first, last = trips
    longest = np.int64(0)
    for trip in range(len(first)):
        longest = max(longest, last[trip] - first[trip])
    parts, values = np.empty(longest + 1, dtype=np.int32), np.empty((5, longest + 1))
    turn_m, gap_us = limits.turn_chord_m, limits.speed_gap_us
    bounds = max(turn_m, limits.wobble_chord_m), limits.wobble_most_m, gap_us, limits.wobble_us
    for trip in range(len(first)):
        begin, count = np.uint64(first[trip]), last[trip] - first[trip]
        if not _any_brief(begin, count, time, limits.wobble_us):
            continue
        _parts(begin, count + 1, speed, course, limits.course_mps, parts)
        _chords(begin, count + 1, lat, lon, tables, values)
        _wobbles(begin, count, time, metres, parts, values, bounds)
        squares, counts = 0.0, 0.0
        for i in range(2, count + 1):  # side by side: one after the other each sum would wait for its last
            squares, counts = squares + values[2, i], counts + values[3, i]
        if counts > 0:
            _inverses(begin, count + 1, time, metres, moving, turn_m, gap_us, values)
            inverses = 0.0
            for i in range(1, count + 1):
                inverses += values[4, i]
            sums[2, trip], sums[3, trip], sums[4, trip] = squares, counts, inverses


@compiled
def _vectors(begin, count, speed, course, least_mps, vectors):
    """Unit vectors of the courses, 0.0011 off; NaN where none is known, endless where nothing is claimed."""
    for i in range(count):
        row = begin + np.uint64(i)
        turn = course[row] * _HALF_TURNS
        turn -= np.rint(turn * _HALF) * _TWO
        wild, slow = abs(course[row]) > _WILD, speed[row] < least_mps
        north, east = _sine(_HALF - abs(turn)), _sine(turn)
        vectors[0, i] = _NAN if slow else (_ENDLESS if wild else north)
        vectors[1, i] = _NAN if slow else (_ENDLESS if wild else east)


@compiled
def _special(begin, count, time, lat, lon, metres, moving, vectors, special, least_m, gap_us):
    """Marks the steps that may be more than their chords, or hide a way though they stand."""
    turn_m, hidden_m = least_m
    for i in range(count):  # without a branch, so that it is done for many steps at once
        before = begin + np.uint64(i)
        row = before + _BEFORE
        chord = np.float32(metres[row])
        # Across the date line the difference is a great length still, whether or not it fits into 32 bits.
        north = np.float32(np.int32(lat[row] - lat[before])) * _NORTH_E7_M
        widest = np.float32(np.int32(lon[row] - lon[before])) * _EAST_E7_M
        east = widest * _sine(_HALF - abs(np.float32(lat[row]) + np.float32(lat[before])) * _LAT_HALF_TURNS)
        one_n, one_e, other_n, other_e = vectors[0, i], vectors[1, i], vectors[0, i + 1], vectors[1, i + 1]
        along = one_n * other_n + one_e * other_e
        at_most = abs(north) + abs(widest)
        aside = _SIN_ASIDE * chord - at_most * _SLACK
        led = (abs(east * other_n - north * other_e) <= aside) | (abs(one_e * north - one_n * east) <= aside)
        goes_on = (along >= _COS_TURN) & (along <= _TWO) & led & (at_most <= _WILD_M)
        known = ~np.isnan(one_n) & ~np.isnan(other_n) & (chord >= turn_m)
        far = time[row] - time[before] > gap_us
        special[i] = (moving[row] & known & ~goes_on) | (~moving[row] & (chord >= hidden_m)) | far


@compiled
def _part(row, speed, course, least_mps):
    """Course in parts of a degree; −1 where none is known."""
    if speed[row] >= least_mps and np.isfinite(course[row]):
        return np.int32(np.int64(np.rint(np.float64(course[row]) * COURSE_PARTS)) % CIRCLE)
    return _NONE


@compiled
def _chord(before, row, lat, lon, tables):
    """Metres north and east from one row to another."""
    d_lat, d_lon = np.float64(lat[row]) - np.float64(lat[before]), np.float64(lon[row]) - np.float64(lon[before])
    d_lon += (3.6e9 if d_lon < -1.8e9 else 0.0) - (3.6e9 if d_lon > 1.8e9 else 0.0)
    lat_sum = np.int64(lat[row]) + np.int64(lat[before])
    return d_lat * per_e7(tables[0], lat_sum), d_lon * per_e7(tables[1], lat_sum)


@compiled
def _any_brief(begin, count, time, most_us):
    """Whether any two steps of a trip, one after the other, are close enough in time to tell of noise."""
    brief = 0
    for i in range(2, count + 1):
        row = begin + np.uint64(i)
        brief += time[row] - time[row - np.uint64(2)] <= most_us
    return brief > 0


@compiled
def _parts(begin, count, speed, course, least_mps, parts):
    """`_part` of each position."""
    strange = 0
    for i in range(count):  # without a branch, so that it is done for many positions at once
        row = begin + np.uint64(i)
        rounded = np.rint(course[row] * _COURSE_PARTS)
        known = (speed[row] >= least_mps) & (abs(course[row]) < _ENDLESS)
        within = (rounded >= np.float32(0)) & (rounded < _CIRCLE)
        strange += known & ~within
        parts[i] = np.int32(rounded) if known & within else _NONE
    if strange:
        for i in range(count):
            parts[i] = _part(begin + np.uint64(i), speed, course, least_mps)


@compiled
def _chords(begin, count, lat, lon, tables, values):
    """`_chord` of each step."""
    for i in range(1, count):
        row = begin + np.uint64(i)
        values[0, i], values[1, i] = _chord(row - _BEFORE, row, lat, lon, tables)


@compiled
def _wobbles(begin, count, time, metres, parts, values, bounds):
    """Squares of what the places lie off straight tracks, and where they are that of noise."""
    long_m, most_m, gap_us, most_us = bounds
    for i in range(1, count):  # without a branch, so that it is done for many places at once
        row = begin + np.uint64(i)
        after, before = row + _BEFORE, row - _BEFORE
        turned = np.int32(parts[i + 1] - parts[i - 1])
        goes_on = (turned <= _STRAIGHT) & (turned >= -_STRAIGHT) | (turned >= _ROUND) | (turned <= -_ROUND)
        goes_on &= (parts[i - 1] >= 0) & (parts[i] >= 0) & (parts[i + 1] >= 0)
        total_n, total_e = values[0, i + 1] + values[0, i], values[1, i + 1] + values[1, i]
        total = np.sqrt(total_n * total_n + total_e * total_e)
        aside = values[1, i] * values[0, i + 1] - values[0, i] * values[1, i + 1]
        lateral = 2.0 * aside / max(total, 1.0)
        straight = goes_on & (total > 0) & (abs(lateral) <= most_m)
        straight &= (metres[after] >= long_m) & (metres[row] >= long_m) & (time[after] - time[before] <= most_us)
        straight &= (time[after] - time[row] <= gap_us) & (time[row] - time[before] <= gap_us)
        lateral = np.rint(lateral * 64.0) / 64.0
        values[2, i + 1] = lateral * lateral if straight else 0.0
        values[3, i + 1] = 1.0 if straight else 0.0


@compiled
def _inverses(begin, count, time, metres, moving, turn_m, gap_us, values):
    """Inverses of the chords driven."""
    for i in range(1, count):
        row = begin + np.uint64(i)
        far = time[row] - time[row - _BEFORE] > gap_us
        inverse = np.rint(PER_PARTS / max(metres[row], turn_m)) / PER_PARTS
        values[4, i] = inverse if moving[row] & ~far else 0.0
