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
def distances(zone, lat, lon, borders, tables, found):
    """`Borders.distance_m`; `borders` is `Borders.arrays`.

    One table after the other is asked for all places: what none of them waits for is fetched for several at once.
    """
    grid, first, key, start, edges, ends = borders
    south, west, cell, rows, columns, zones = grid
    cells, slots = np.empty(len(zone), dtype=np.int64), np.empty(len(zone), dtype=np.int64)
    for i in range(len(zone)):
        row, column = (np.int64(lat[i]) - south) // cell, (np.int64(lon[i]) - west) // cell
        cells[i] = row * columns + column if 0 <= row < rows and 0 <= column < columns else -1
    for i in range(len(zone)):
        slots[i] = first[cells[i]] if cells[i] >= 0 else -1
    for i in range(len(zone)):
        slot, wanted = slots[i], cells[i] * zones + zone[i]
        while 0 <= slot < len(key) and key[slot] < wanted:
            slot += 1
        slots[i] = slot if 0 <= slot < len(key) and key[slot] == wanted else -1
    for i in range(len(zone)):
        if slots[i] >= 0:
            own = edges[start[slots[i]] : start[slots[i] + 1]]
            found[i] = _nearest_m(lat[i], lon[i], own, ends, tables)
        else:
            found[i] = np.inf


@compiled
def _nearest_m(lat, lon, edges, ends, tables):
    """Metres from a place to the nearest point of some edges."""
    twice = np.int64(lat) * 2
    north, east = per_e7(tables[0], twice), per_e7(tables[1], twice)
    least = np.inf
    for edge in edges:
        x0, y0, x1, y1 = ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3]
        away_x, away_y = (x0 - lon) * east, (y0 - lat) * north
        run, rise = (x1 - x0) * east, (y1 - y0) * north
        length2 = run * run + rise * rise
        share = min(max(-(away_x * run + away_y * rise) / (length2 if length2 > 0 else 1.0), 0.0), 1.0)
        x, y = away_x + share * run, away_y + share * rise
        least = min(least, x * x + y * y)
    return np.sqrt(least)
