"""`borders.rows_outside`: a walk of the raster."""

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.jit import compiled
from geo.positions import Positions
from geo.raster import PARTS as PARTS_OF_CELL
from geo.zones import ZoneIndex


def rows_outside(track: Positions, area_ix: Int32Array, areas: ZoneIndex) -> Int64Array:
    """`borders.rows_outside`; what a border runs past is asked of the index itself."""
    raster = areas.raster
    rows, doubtful = np.empty(len(track), dtype=np.int64), np.empty(len(track), dtype=np.bool_)
    count = _rows_outside(
        track.vehicle_ix,
        track.lat_e7,
        track.lon_e7,
        area_ix,
        (raster.south_e7, raster.west_e7, raster.cell_e7, raster.rows, raster.columns),
        (raster.cell_set, raster.part_set, raster.set_start, raster.set_zone, raster.set_exact),
        rows,
        doubtful,
    )
    rows, doubtful = rows[:count], doubtful[:count]
    ask = rows[doubtful]
    keep = np.ones(count, dtype=np.bool_)
    keep[doubtful] = ~areas.inside(area_ix[track.vehicle_ix[ask]], track.lat_e7[ask], track.lon_e7[ask])
    outside: Int64Array = rows[keep]
    return outside


@compiled
def _rows_outside(vehicle, lat, lon, area_ix, grid, sets, rows, doubtful):
    south, west, cell, grid_rows, grid_columns = grid
    cell_set, part_set, set_start, set_zone, set_exact = sets
    count, found = 0, np.int64(0)
    low_lat, low_lon = np.int64(-(1 << 40)), np.int64(-(1 << 40))  # corner of the cell that `found` belongs to
    for i in range(len(lat)):
        area = area_ix[vehicle[i]]
        if area < 0:
            continue
        north, east = np.int64(lat[i]) - low_lat, np.int64(lon[i]) - low_lon
        if north < 0 or north >= cell or east < 0 or east >= cell:
            row, column = (np.int64(lat[i]) - south) // cell, (np.int64(lon[i]) - west) // cell
            low_lat, low_lon = row * cell + south, column * cell + west
            north, east = np.int64(lat[i]) - low_lat, np.int64(lon[i]) - low_lon
            found = np.int64(0)
            if 0 <= row < grid_rows and 0 <= column < grid_columns:
                found = np.int64(cell_set[row * (grid_columns + 1) + column])
        number = found
        if number < 0:
            side = cell // PARTS_OF_CELL
            number = np.int64(part_set[(-1 - number) * PARTS_OF_CELL**2 + north // side * PARTS_OF_CELL + east // side])
        holds, exact_one = False, False
        for entry in range(set_start[number], set_start[number + 1]):
            if set_zone[entry] == area:
                holds, exact_one = True, set_exact[entry]
        if not holds or exact_one:
            rows[count], doubtful[count] = i, exact_one
            count += 1
    return count
