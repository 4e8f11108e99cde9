"""Which positions lie outside the vehicle's permitted area, for certain and for long enough to count."""

import numpy as np

from analytics import kernels
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int16Array, Int32Array, Int64Array
from geo.localtime import SECOND_US
from geo.positions import Positions
from geo.zones import ZoneIndex

_ACCURACY_M = np.array([100.0, 100.0, 100.0, 100.0, 50.0, 30.0, 20.0, 15.0])
"""Radius that holds 95 % of fixes, by satellites in the fix; the last for seven and more, and where none are told.

JT/T 794 allows 15 m, which open sky with seven satellites keeps with ease. Each satellite less weakens the geometry:
five leave one to check the others by, four none at all, and a fix from three rests on an assumed height or on dead
reckoning. Many protocols do not tell; a terminal that passed the standard's test is then taken at its word.
"""


def accuracy_m(satellites: Int16Array) -> FloatArray:
    """How far off a fix may be, metres, 95 %; float64 (n,).

    Parameters
    ----------
    satellites : int16 (n,)   In the fix; −1: not sent.
    """
    told = np.where(satellites < 0, len(_ACCURACY_M) - 1, satellites)
    accuracy: FloatArray = _ACCURACY_M.take(told, mode="clip")
    return accuracy


def outside_area(
    track: Positions,
    area_ix: Int32Array,
    areas: ZoneIndex,
    thresholds: Thresholds = DEFAULT,
    border_tolerance_m: float = 0.0,
) -> BoolArray:
    """Whether each position counts as outside its vehicle's permitted area; bool (n,).

    Parameters
    ----------
    track : usable positions in canonical order.
    area_ix : int32 (v,)   Index into the zones of `areas` for each vehicle; −1: everywhere is permitted.
    areas : permitted areas.
    border_tolerance_m : a vehicle is outside only when further out than this, however good its fix.

    Notes
    -----
    A position is outside only when the whole circle that surely holds the vehicle is: `error_circles` times the fix's
    accuracy, and never less than the border's tolerance. It is a state, not a crossing: a vehicle that is outside
    when the data begins is outside. A run of positions outside counts when it holds `outside_count` of them or lasts
    `outside_s`. Where the permitted area does not hold at that time, nothing is known of permission, and nothing claimed.
    """
    return surely_outside(
        track, kernels.rows_outside(track, area_ix, areas), area_ix, areas, thresholds, border_tolerance_m
    )


def surely_outside(
    track: Positions,
    rows: Int64Array,
    area_ix: Int32Array,
    areas: ZoneIndex,
    thresholds: Thresholds = DEFAULT,
    border_tolerance_m: float = 0.0,
) -> BoolArray:
    """`outside_area`, where all other positions than these, ascending, are known to lie inside; bool (n,)."""
    outside = np.zeros(len(track), dtype=np.bool_)
    if not len(rows):
        return outside
    area = area_ix[track.vehicle_ix[rows]]
    place = area, track.lat_e7[rows], track.lon_e7[rows]
    radius = np.maximum(accuracy_m(track.satellites[rows]) * thresholds.error_circles, border_tolerance_m)
    outside[rows] = areas.beyond(*place, radius) & areas.holds(area, track.fix_time[rows])
    return _lasting(outside, track, thresholds)


def _lasting(outside: BoolArray, track: Positions, thresholds: Thresholds) -> BoolArray:
    """Only the runs that last; in place."""
    out = np.flatnonzero(outside)
    if not len(out):
        return outside
    new = np.ones(len(out), dtype=np.bool_)
    new[1:] = (np.diff(out) != 1) | (np.diff(track.vehicle_ix[out]) != 0)
    begin = np.flatnonzero(new)
    count = np.diff(np.append(begin, len(out)))
    lasting = (track.fix_time[out[begin + count - 1]] - track.fix_time[out[begin]]) / SECOND_US
    brief = (count < thresholds.outside_count) & (lasting < thresholds.outside_s)
    outside[out[np.repeat(brief, count)]] = False
    return outside
