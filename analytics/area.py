"""Which positions lie outside the vehicle's permitted area."""

from analytics import kernels
from analytics.bounds import AREA, Bounds
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Int32Array
from geo.positions import Positions
from geo.zones import ZoneIndex


def outside_area(
    track: Positions,
    area_ix: Int32Array,
    areas: ZoneIndex,
    thresholds: Thresholds = DEFAULT,
    border_tolerance_m: float = 0.0,
) -> BoolArray:
    """Whether each position counts as outside its vehicle's permitted area, as `outside_bounds` tells; bool (n,).

    Parameters
    ----------
    track : usable positions in canonical order.
    area_ix : int32 (v,)   Index into the zones of `areas` for each vehicle; −1: everywhere is permitted.
    areas : permitted areas.
    border_tolerance_m : a vehicle is outside only when further out than this, however good its fix.
    """
    bounds = Bounds.of_areas(area_ix, areas, border_tolerance_m)
    outside: BoolArray = (kernels.outside_bounds(track, bounds, thresholds) & AREA) != 0
    return outside
