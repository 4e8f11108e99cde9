"""Local radii, and `Borders.distance_m`, of one place, as compiled loops take them; imported only where numba is installed."""

import numpy as np

from geo.distance import TABLE_MASK, TABLE_SHIFT
from geo.jit import compiled


@compiled
def per_e7(table, lat_sum):
    """Metres of 10⁻⁷ degrees halfway between two latitudes, by one of the tables."""
    at = abs(lat_sum)
    entry = at >> TABLE_SHIFT
    part = (at & TABLE_MASK) * (1.0 / (TABLE_MASK + 1))
    return table[entry] + (table[entry + 1] - table[entry]) * part


@compiled
def nearest_m(zone, lat, lon, borders, tables):
    """Metres from a place (int32) to the nearest point of the border of a zone; `borders` is `Borders.arrays`."""
    grid, first, key, start, edges, ends = borders
    south, west, cell, rows, columns, zones = grid
    row, column = (np.int64(lat) - south) // cell, (np.int64(lon) - west) // cell
    if row < 0 or row >= rows or column < 0 or column >= columns:
        return np.inf
    place = row * columns + column
    slot = np.int64(first[place])
    if slot < 0:
        return np.inf
    wanted = place * zones + zone
    while slot < len(key) and key[slot] < wanted:
        slot += 1
    if slot == len(key) or key[slot] != wanted:
        return np.inf
    twice = np.int64(lat) * 2
    north, east = per_e7(tables[0], twice), per_e7(tables[1], twice)
    least = np.inf
    for number in range(start[slot], start[slot + 1]):
        edge = edges[number]
        x0, y0, x1, y1 = ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3]
        away_x, away_y = (x0 - lon) * east, (y0 - lat) * north
        run, rise = (x1 - x0) * east, (y1 - y0) * north
        length2 = run * run + rise * rise
        share = min(max(-(away_x * run + away_y * rise) / (length2 if length2 > 0 else 1.0), 0.0), 1.0)
        x, y = away_x + share * run, away_y + share * rise
        least = min(least, x * x + y * y)
    return np.sqrt(least)


@compiled
def distances(zone, lat, lon, borders, tables, found):
    """`Borders.distance_m`."""
    for i in range(len(zone)):
        found[i] = nearest_m(zone[i], lat[i], lon[i], borders, tables)
