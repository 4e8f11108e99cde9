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
    sets, rows = areas.raster.sets(track.lat_e7, track.lon_e7), np.empty(len(track), dtype=np.int64)
    count = _rows_outside(track.vehicle_ix, sets, area_ix, areas.standing, len(areas.zones) + 1, rows)
    outside: Int64Array = rows[:count]
    return outside


@compiled
def _rows_outside(vehicle, sets, area_ix, standing, width, rows):
    count = 0
    for i in range(len(sets)):
        area = area_ix[vehicle[i]]
        rows[count] = i
        count += (standing[np.int64(sets[i]) * width + max(area, 0)] != INSIDE) & (area >= 0)
    return count
