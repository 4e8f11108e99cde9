"""Places looked up in a raster by loops that numba compiles; imported only where it is installed.

`grid` is `Raster.grid`. Cells are numbered first, by a loop of 32-bit numbers without a branch, which the compiler makes
eight and sixteen at a time; what is looked up under the numbers is a loop of its own.
"""

import numpy as np

from geo.jit import compiled


@compiled
def number_cells(lat, lon, grid, cells):
    """`Raster.cells`, int32."""
    south, west, rows, columns, per_cell = grid[:5]
    for i in range(len(lat)):
        # What lies south or west of the grid becomes huge, modulo 2³², and is cut to the empty last cell. Quotients of
        # integers by multiplication with half a unit more: no rounding reaches the next integer.
        north, east = np.float64(np.uint32(lat[i] - south)) + 0.5, np.float64(np.uint32(lon[i] - west)) + 0.5
        row, column = min(np.int32(north * per_cell), rows), min(np.int32(east * per_cell), columns)
        cells[i] = row * np.int32(columns + np.int32(1)) + column


@compiled
def look_up(lat, lon, grid, cell_set, part_set, sets):
    """`Raster.sets`."""
    south, west = grid[:2]
    per_part, parts = grid[5:]
    number_cells(lat, lon, grid, sets)
    for i in range(len(sets)):
        sets[i] = cell_set[sets[i]]
    for i in range(len(sets)):
        if sets[i] < 0:
            row = np.int64((np.uint32(lat[i] - south) + 0.5) * per_part) % parts
            column = np.int64((np.uint32(lon[i] - west) + 0.5) * per_part) % parts
            sets[i] = part_set[((-1 - np.int64(sets[i])) * parts + row) * parts + column]


@compiled
def reaches(lat, lon, length, grid, clear, cell_m, found):
    """`passages.near`."""
    cells = np.empty(len(lat), dtype=np.int32)
    number_cells(lat, lon, grid, cells)
    for i in range(len(lat)):
        found[i] = length[i] >= np.float32(clear[cells[i]]) * cell_m
