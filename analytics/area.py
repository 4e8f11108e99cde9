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
