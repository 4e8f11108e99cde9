"""Places looked up in a raster by loops that numba compiles; imported only where it is installed.

`grid` is `Raster.grid`. Cells are numbered first, by a loop of 32-bit numbers without a branch, which the compiler makes
eight and sixteen at a time; what is looked up under the numbers is a loop of its own.
"""

import numpy as np

from geo.jit import compiled

BLOCK = 4096
"""Places whose cells are numbered together: the numbers stay in a core's nearest cache."""


@compiled
def cell_number(lat, lon, grid):
    """Place in `cell_set` of a position's cell, int32."""
    south, west, rows, columns, per_cell = grid[:5]
    # What lies south or west of the grid becomes huge, modulo 2³², and is cut to the empty last cell. Quotients of
    # integers by multiplication with half a unit more: no rounding reaches the next integer.
    north, east = np.float64(np.uint32(lat - south)) + 0.5, np.float64(np.uint32(lon - west)) + 0.5
    row, column = min(np.int32(north * per_cell), rows), min(np.int32(east * per_cell), columns)
    return row * np.int32(columns + np.int32(1)) + column


@compiled
def number_cells(lat, lon, grid, cells):
    """`Raster.cells`, int32."""
    for i in range(len(lat)):
        cells[i] = cell_number(lat[i], lon[i], grid)


@compiled
def part_number(number, lat, lon, grid):
    """Place in `part_set` of a position in the divided cell that has this number."""
    south, west = grid[:2]
    per_part, parts = grid[5:]
    row = np.int64((np.uint32(lat - south) + 0.5) * per_part) % parts
    column = np.int64((np.uint32(lon - west) + 0.5) * per_part) % parts
    return ((-1 - np.int64(number)) * parts + row) * parts + column


@compiled
def look_up(lat, lon, grid, cell_set, part_set, sets):
    """`Raster.sets`."""
    number_cells(lat, lon, grid, sets)
    for i in range(len(sets)):
        sets[i] = cell_set[sets[i]]
    for i in range(len(sets)):
        if sets[i] < 0:
            sets[i] = part_set[part_number(sets[i], lat[i], lon[i], grid)]


@compiled
def lay_out(lat, lon, raster, blocks, position, zone, test):
    """`pairs.laid_out` of the sets at places, without a column of them; how many pairs, and how many to test.

    `blocks` tells in which blocks of cells there are zones, and their grid; none, where there are in most.
    """
    grid, cell_set, part_set, set_start, set_zone, set_exact = raster
    held, block_grid = blocks
    few = len(held) > 0
    cells = np.empty(BLOCK, dtype=np.int32)
    pairs, tests = 0, 0
    for start in range(0, len(lat), BLOCK):
        end = min(start + BLOCK, len(lat))
        number_cells(lat[start:end], lon[start:end], block_grid if few else grid, cells)
        for i in range(start, end):
            cell = cells[i - start]
            if few:
                if not held[np.uint32(cell)]:
                    continue
                cell = cell_number(lat[i], lon[i], grid)
            number = cell_set[np.uint32(cell)]
            if number == 0:
                continue
            if number < 0:
                number = part_set[part_number(number, lat[i], lon[i], grid)]
            for entry in range(set_start[number], set_start[number + 1]):
                position[pairs], zone[pairs] = i, set_zone[entry]
                if set_exact[entry]:
                    test[tests] = pairs
                    tests += 1
                pairs += 1
    return pairs, tests


@compiled
def reaches(lat, lon, length, grid, clear, cell_m, found):
    """`passages.near`."""
    cells = np.empty(len(lat), dtype=np.int32)
    number_cells(lat, lon, grid, cells)
    for i in range(len(lat)):
        found[i] = length[i] >= np.float32(clear[cells[i]]) * cell_m
