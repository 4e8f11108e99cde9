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
def number_blocks(lat, lon, grid, numbers):
    """Place of each position in the tables of `clearance.blocks_of`, int32."""
    south, west, shift, rows, columns = grid
    for i in range(len(lat)):
        row, column = min(np.uint32(lat[i] - south) >> shift, rows), min(np.uint32(lon[i] - west) >> shift, columns)
        numbers[i] = np.int32(row) * np.int32(columns + np.uint32(1)) + np.int32(column)


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
    cells = np.empty(BLOCK, dtype=np.int32)
    for start in range(0, len(lat), BLOCK):
        rows = slice(start, min(start + BLOCK, len(lat)))
        number_cells(lat[rows], lon[rows], grid, cells)
        _reach(length[rows], cells, clear, cell_m, found[rows])


@compiled
def _reach(length, cells, clear, cell_m, found):
    for i in range(len(length)):
        found[i] = length[i] >= np.float32(clear[np.uint32(cells[i])]) * cell_m


@compiled
def count_free(held, most, free):
    """`clearance.free_cells` by two walks over the rows, forth and back: the way over sides and corners to what is held.

    Source: Rosenfeld and Pfaltz, "Distance functions on digital pictures", Pattern Recognition 1 (1968).
    """
    rows, columns = held.shape
    far = most + np.uint8(1)
    near, before = np.empty(columns, dtype=np.uint8), np.full(columns + 2, far)
    for row in range(rows):
        for column in range(columns):
            near[column] = min(before[column], before[column + 1], before[column + 2])
        last = most
        for column in range(columns):
            last = np.uint8(0) if held[row, column] else np.uint8(min(near[column], last, most) + 1)
            free[row, column] = before[column + 1] = last
    before[:] = far
    for row in range(rows - 1, -1, -1):
        for column in range(columns):
            near[column] = min(before[column], before[column + 1], before[column + 2])
        last = most
        for column in range(columns - 1, -1, -1):
            last = min(np.uint8(min(near[column], last, most) + 1), free[row, column])
            before[column + 1], free[row, column] = last, last - (last > 0)
