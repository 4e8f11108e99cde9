"""Which positions may lie outside their vehicle's area at all, before anything is said of how far and how long."""

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.positions import Positions
from geo.zones import INSIDE, ZoneIndex


def rows_outside(track: Positions, area_ix: Int32Array, areas: ZoneIndex) -> Int64Array:
    """Rows of the positions that are not surely in their vehicle's area, by the raster alone; int64 (k,), ascending.

    Parameters
    ----------
    area_ix : int32 (v,)   Index into the zones of `areas` for each vehicle; −1: everywhere is permitted.
    """
    area = area_ix[track.vehicle_ix]
    return np.flatnonzero((areas.stands(area, track.lat_e7, track.lon_e7) != INSIDE) & (area >= 0))
