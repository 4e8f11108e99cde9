"""Lengths by the table of local radii, as `geo.distance` gives them."""

import numpy as np

from geo.distance import TABLE_MASK, TABLE_SHIFT
from geo.jit import compiled
from geo.nearest import per_e7

LONGEST_E7_M = 0.0112  # no 10⁻⁷ of a degree is longer, on any latitude
_SHIFT, _MASK, _ONE, _PART = np.uint32(TABLE_SHIFT), np.uint32(TABLE_MASK), np.uint32(1), 1.0 / (TABLE_MASK + 1)


@compiled
def scales(lat, north_m, east_m, north_table, east_table):
    """`per_e7` of both tables, halfway of each step."""
    for i in range(1, len(lat)):
        at = np.uint32(abs(np.int32(lat[i] + lat[i - 1])))
        entry, part = at >> _SHIFT, np.float64(np.int32(at & _MASK)) * _PART
        north_m[i] = north_table[entry] + (north_table[entry + _ONE] - north_table[entry]) * part
        east_m[i] = east_table[entry] + (east_table[entry + _ONE] - east_table[entry]) * part


@compiled
def flat_m(lat1, lon1, lat2, lon2, north_table, east_table):
    """`geo.distance.flat_m` of one pair of places."""
    d_lat = np.int64(lat2) - lat1
    d_lon = np.int64(lon2) - lon1
    if abs(d_lon) > 1_800_000_000:
        d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    lat_sum = np.int64(lat1) + lat2
    north = d_lat * per_e7(north_table, lat_sum)
    east = d_lon * per_e7(east_table, lat_sum)
    return np.sqrt(north * north + east * east)
