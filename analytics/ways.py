"""The way driven within each step: longer than its chord where the car turned, shorter where only the noise moved.

Between two reports ten seconds apart a car rounds a corner, and the chord cuts it: a per cent of the way in a city at
10 s, four at 30 s. Where the courses reported at both ends differ, the way is that of the two legs along them. Courses
are Doppler courses, which are good to a degree or three at speed.

Noise of the places makes a chord longer: by σ²/2c in the mean, where σ is the standard deviation across the track of a
difference of two places and c the chord (Ranacher et al. 2016, Why GPS makes distances bigger than they are). It is
estimated from the trip itself: on straight stretches each place lies off the line through its neighbours by noise alone.

Everything a trip needs of its steps are sums; they are of exact parts, so that they depend on no order.
"""

import numpy as np

from analytics.exact import exact
from analytics.odometer import odometer_growth
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.courses import CIRCLE, COURSE_EAST, COURSE_NORTH, COURSE_PARTS, course_parts
from geo.distance import chords_m
from geo.localtime import SECOND_US
from geo.positions import Positions

COS_TURN, COS_BACK = float(np.cos(np.radians(20.0))), float(np.cos(np.radians(130.0)))
"""Courses that differ by less than 20° are noise or a bend, of which the chord misses 0.5 %; past 130° the legs are long
and thin, and their length says nothing."""
SIN_ASIDE = float(np.sin(np.radians(20.0)))
"""A chord that points so far off the courses at both ends hides two turns."""
MOST_WINDING = 1.5
"""No way within a step is taken to be longer than this many chords."""

WAY_SUMS = ("way_m", "spread_m2", "wobble_m2", "wobbles", "per_chord")
"""Metres driven; variance of that; squares of deviations across straight tracks, and their count; Σ 1/chord, 1/m, of
trips with any, as it is asked of no others."""


def way_columns(
    track: Positions, metres: FloatArray, moving: BoolArray, trip: Int64Array, ends: Int64Array,
    thresholds: Thresholds = DEFAULT,
) -> Columns:  # fmt: skip
    """WAY_SUMS of each step of trips; float64 (len(ends),) each.

    Parameters
    ----------
    track, metres, moving : usable positions, and the chord and motion of the step that ends at each.
    trip, ends : number of the trip of each step, and the position that ends it; ascending.

    Notes
    -----
    A step without a report for longer than `speed_gap_s` takes the odometer's growth if it is plausible and no shorter
    than the chord: so a tunnel is bridged. A standing step counts only where it hides a displacement beyond noise.
    """
    before = ends - 1
    chord, lasting_us = metres[ends], track.fix_time[ends] - track.fix_time[before]
    north, east = chords_m(track.lat_e7, track.lon_e7, before, ends)
    one, other = _courses(track, before, thresholds), _courses(track, ends, thresholds)
    far = lasting_us > int(thresholds.speed_gap_s * SECOND_US)
    known = (one >= 0) & (other >= 0) & (chord >= thresholds.turn_chord_m) & ~far
    one_n, one_e, other_n, other_e = COURSE_NORTH[one], COURSE_EAST[one], COURSE_NORTH[other], COURSE_EAST[other]
    along = one_n * other_n + one_e * other_e
    across = one_e * other_n - one_n * other_e
    leg_one, leg_other = east * other_n - north * other_e, one_e * north - one_n * east  # times `across`
    turns = known & (along < COS_TURN) & (across != 0)
    sign = np.where(across < 0, -1.0, 1.0)
    simple = turns & (along > COS_BACK) & (leg_one * sign >= 0) & (leg_other * sign >= 0)
    aside = (np.abs(leg_one) > SIN_ASIDE * chord) & (np.abs(leg_other) > SIN_ASIDE * chord)
    winds = (turns & ~simple) | (known & ~turns & aside)
    most = chord * MOST_WINDING
    legs = np.minimum((leg_one + leg_other) / np.where(across == 0, 1.0, across), most)
    speed = (track.speed_mps[before].astype(np.float64) + track.speed_mps[ends]) * 0.5 * (lasting_us / SECOND_US)
    way, off = chord, np.zeros(len(ends))
    way, off = np.where(simple, legs, way), np.where(simple, (legs - chord) * thresholds.corner_spread, off)
    way = np.where(winds, np.minimum(np.maximum(speed, chord), most), way)
    off = np.where(winds, chord * thresholds.winding_spread, off)
    still = ~moving[ends]
    hidden = chord >= thresholds.hidden_step_m
    way = np.where(still, np.where(hidden, chord, 0.0), way)
    off = np.where(still, np.where(hidden, chord * thresholds.bridge_spread, 0.0), off)
    grown = odometer_growth(track, before, ends)
    told = far & ~np.isnan(grown)
    grown = np.where(told, np.fmax(grown, chord), 0.0)
    way, off = np.where(told, grown, way), np.where(told, grown * thresholds.odometer_spread, off)
    off = np.where(far & ~told & (way > 0), chord * thresholds.bridge_spread, off)
    lateral, straight = _wobble(track, trip, before, ends, north, east, chord, known, thresholds)
    noisy = moving[ends] & ~far & np.isin(trip, trip[straight])
    return {
        "way_m": exact(way),
        "spread_m2": squares(off),
        "wobble_m2": np.where(straight, squares(lateral), 0.0),
        "wobbles": straight.astype(np.float64),
        "per_chord": np.where(noisy, np.rint(PER_PARTS / np.maximum(chord, thresholds.turn_chord_m)) / PER_PARTS, 0.0),
    }


PER_PARTS = 1_048_576.0
"""Parts of 1/m to which the inverse of a chord is rounded, so that sums are exact."""


def squares(values: FloatArray) -> FloatArray:
    """Squares of values rounded to 64ths, which add up exactly."""
    rounded: FloatArray = np.rint(values * 64.0) / 64.0
    return rounded * rounded


def _courses(track: Positions, rows: Int64Array, thresholds: Thresholds) -> Int64Array:
    """`course_parts` of rows; −1 also where the car is too slow for its course to mean anything."""
    fast = track.speed_mps[rows] >= np.float32(thresholds.course_mps)
    return np.where(fast, course_parts(track.course_deg[rows]), -1)


def _wobble(
    track: Positions, trip: Int64Array, before: Int64Array, ends: Int64Array, north: FloatArray, east: FloatArray,
    chord: FloatArray, known: BoolArray, thresholds: Thresholds,
) -> tuple[FloatArray, BoolArray]:  # fmt: skip
    """Twice how far the place between this step and the one before it lies off the line past it; and where that is noise:
    two steps of one trip, long enough to have a direction, close enough in time, with one course all along.
    """  # noqa: D205 - one sentence
    lateral, straight = np.zeros(len(ends)), np.zeros(len(ends), dtype=np.bool_)
    if len(ends) < 2:
        return lateral, straight
    total_n, total_e = north[1:] + north[:-1], east[1:] + east[:-1]
    total = np.sqrt(total_n * total_n + total_e * total_e)
    aside = east[:-1] * north[1:] - north[:-1] * east[1:]
    lateral[1:] = 2.0 * aside / np.maximum(total, 1.0)
    first, last = _courses(track, before[:-1], thresholds), _courses(track, ends[1:], thresholds)
    turned = np.abs((last - first + CIRCLE // 2) % CIRCLE - CIRCLE // 2)
    straight[1:] = (trip[1:] == trip[:-1]) & known[1:] & known[:-1] & (turned <= STRAIGHT_PARTS) & (total > 0)
    straight[1:] &= (chord[1:] >= thresholds.wobble_chord_m) & (chord[:-1] >= thresholds.wobble_chord_m)
    lasting_us = track.fix_time[ends[1:]] - track.fix_time[before[:-1]]
    straight[1:] &= lasting_us <= int(thresholds.wobble_s * SECOND_US)
    straight &= np.abs(lateral) <= thresholds.wobble_most_m
    return lateral, straight


STRAIGHT_PARTS = 3 * COURSE_PARTS
"""Courses within 3°: as straight as courses can tell."""
