"""`borders.rows_outside`, without an array for every step of it."""

import numpy as np

from analytics import borders
from geo.arrays import Int32Array, Int64Array
from geo.jit import compiled
from geo.positions import Positions
from geo.zones import INSIDE, ZoneIndex


def rows_outside(track: Positions, area_ix: Int32Array, areas: ZoneIndex) -> Int64Array:
    """`borders.rows_outside`."""
    if areas.standing is None:  # too many areas for a table
        return borders.rows_outside(track, area_ix, areas)
    sets, outside = areas.raster.sets(track.lat_e7, track.lon_e7), np.empty(len(track), dtype=np.bool_)
    _outside(track.vehicle_ix, sets, area_ix, areas.standing, len(areas.zones) + 1, outside)
    return np.flatnonzero(outside)


@compiled
def _outside(vehicle, sets, area_ix, standing, width, outside):
    for i in range(len(sets)):
        area = area_ix[np.uint32(vehicle[i])]
        outside[i] = (standing[np.uint32(sets[i] * width + max(area, 0))] != INSIDE) & (area >= 0)
