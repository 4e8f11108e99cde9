"""`borders.rows_outside`: one look-up in the raster a position."""

import numpy as np

from analytics import borders
from geo.arrays import Int32Array, Int64Array
from geo.jit import compiled
from geo.positions import Positions
from geo.raster import PARTS as PARTS_OF_CELL
from geo.zones import INSIDE, ZoneIndex


def rows_outside(track: Positions, area_ix: Int32Array, areas: ZoneIndex) -> Int64Array:
    """`borders.rows_outside`."""
    raster, standing = areas.raster, areas.standing
    if standing is None:  # too many areas for a table
        return borders.rows_outside(track, area_ix, areas)
    rows = np.empty(len(track), dtype=np.int64)
    count = _rows_outside(
        track.vehicle_ix,
        track.lat_e7,
        track.lon_e7,
        area_ix,
        len(areas.zones) + 1,
        (raster.south_e7, raster.west_e7, raster.cell_e7, raster.rows, raster.columns),
        (raster.cell_set, raster.part_set, standing),
        rows,
    )
    outside: Int64Array = rows[:count]
    return outside


@compiled
def _rows_outside(vehicle, lat, lon, area_ix, width, grid, sets, rows):
    south, west, cell, grid_rows, grid_columns = grid
    cell_set, part_set, standing = sets
    # Quotients of integers by multiplication: half a unit more, and no rounding reaches the next integer.
    per_cell, per_part = 1.0 / cell, PARTS_OF_CELL / cell
    count = 0
    for i in range(len(lat)):
        # What lies south or west of the grid becomes huge, modulo 2³², and is cut to the empty last cell.
        north, east = ((lat[i] - south) & 0xFFFFFFFF) + 0.5, ((lon[i] - west) & 0xFFFFFFFF) + 0.5
        row, column = min(np.int64(north * per_cell), grid_rows), min(np.int64(east * per_cell), grid_columns)
        number = np.int64(cell_set[row * (grid_columns + 1) + column])
        if number < 0:
            part_row = np.int64(north * per_part) - row * PARTS_OF_CELL
            part_column = np.int64(east * per_part) - column * PARTS_OF_CELL
            number = np.int64(part_set[((-1 - number) * PARTS_OF_CELL + part_row) * PARTS_OF_CELL + part_column])
        area = area_ix[vehicle[i]]
        rows[count] = i
        count += (standing[number * width + max(area, 0)] != INSIDE) & (area >= 0)
    return count
