"""Which positions lie outside the vehicle's permitted area, for long enough to count."""

import numpy as np

from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Int32Array
from geo.localtime import SECOND_US
from geo.positions import Positions
from geo.zones import ZoneIndex


def outside_area(
    track: Positions, area_ix: Int32Array, areas: ZoneIndex, thresholds: Thresholds = DEFAULT
) -> BoolArray:
    """Whether each position counts as outside its vehicle's permitted area; bool (n,).

    Parameters
    ----------
    track : usable positions in canonical order.
    area_ix : int32 (v,)   Index into the zones of `areas` for each vehicle; −1: everywhere is permitted.
    areas : permitted areas, widened by the border's tolerance.

    Notes
    -----
    It is a state, not a crossing: a vehicle that is outside when the data begins is outside. A run of positions outside
    counts when it holds `outside_count` of them or lasts `outside_s`.
    """
    area = area_ix[track.vehicle_ix]
    outside = np.zeros(len(track), dtype=np.bool_)
    rows = np.flatnonzero(area >= 0)
    outside[rows] = ~areas.inside(area[rows], track.lat_e7[rows], track.lon_e7[rows])
    begin = np.flatnonzero(outside & ~_before(outside, track.vehicle_ix))
    if not len(begin):
        return outside
    new = np.ones(len(track), dtype=np.bool_)
    new[1:] = (np.diff(outside) != 0) | (np.diff(track.vehicle_ix) != 0)
    ends = np.append(np.flatnonzero(new)[1:], len(track)) - 1
    end = ends[np.searchsorted(ends, begin)]
    lasting = (track.fix_time[end] - track.fix_time[begin]) / SECOND_US
    brief = (end - begin + 1 < thresholds.outside_count) & (lasting < thresholds.outside_s)
    for first, last in zip(begin[brief].tolist(), end[brief].tolist(), strict=True):
        outside[first : last + 1] = False
    return outside


def _before(outside: BoolArray, vehicle_ix: Int32Array) -> BoolArray:
    """Whether the position before, of the same vehicle, is outside too."""
    before = np.zeros(len(outside), dtype=np.bool_)
    before[1:] = outside[:-1] & (np.diff(vehicle_ix) == 0)
    return before
