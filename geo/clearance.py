"""How far about each cell of a raster there surely is no zone, or no border of one."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, UInt8Array, UInt32Array
from geo.distance import metres_per_degree
from geo.jit import COMPILED
from geo.raster import EDGE_CELLS, Raster

if COMPILED:
    from geo.cells import count_free

ZONE_CELLS = 30
"""Cells about a cell that are looked at for zones: 1,500 m of 50 m cells, a minute in town."""
BORDER_CELLS = 8
"""Cells about a cell that are looked at for borders: 800 m of 100 m cells, past any circle a fix is good for."""

Clearance = tuple[UInt8Array, float]
"""Of each cell, how many cells around in every direction are free; and the metres that a cell surely is wide."""
BLOCK_CELLS = 4
"""A block is at least so many cells wide, and less than twice so many: its table stays in a core's near cache."""
Blocks = tuple[tuple[np.uint32, ...], UInt32Array, UInt8Array]
"""Of each block of ground the set of zones that holds all of it, as many as there are sets where several do; and its
least clearance from borders. First the blocks' grid: south, west, shift, rows, columns; a block is 2^shift units wide."""


@lru_cache(maxsize=16)
def from_zones(raster: Raster) -> Clearance:
    """Cells free of zones, `ZONE_CELLS` at most; 0 where the cell or a neighbour holds one.

    What lies beyond the grid is as far from any zone as its edge surely is.
    """
    return _clear(raster, raster.cell_set != 0, ZONE_CELLS)


@lru_cache(maxsize=16)
def from_borders(raster: Raster) -> Clearance:
    """Cells free of borders, `BORDER_CELLS` at most; 0 where one runs through the cell or a neighbour."""
    return _clear(raster, raster.cell_set < 0, BORDER_CELLS)


@lru_cache(maxsize=16)
def blocks_of(raster: Raster) -> Blocks:
    """Blocks of cells, row by row, the last row and column standing for everything beyond the grid.

    They are as wide as a power of two, and need not begin where cells do: their numbers are reckoned by shifts alone.
    """
    shift = (BLOCK_CELLS * raster.cell_e7 - 1).bit_length()
    sets, clear = raster.cell_set, from_borders(raster)[0]
    least, most, free = (
        _folded(cells.reshape(raster.rows + 1, raster.columns + 1), raster.cell_e7, shift, choose)
        for cells, choose in ((sets, np.minimum), (sets, np.maximum), (clear, np.minimum))
    )
    ground = np.where((least == most) & (least >= 0), least, len(raster.set_start) - 1).astype(np.uint32)
    grid = *raster.grid[:2], *(np.uint32(each) for each in (shift, least.shape[0] - 1, least.shape[1] - 1))
    return grid, ground.ravel(), free.ravel()


def free_cells(held: BoolArray, most: int) -> UInt8Array:
    """Of each cell of a grid, how many cells around in every direction are free, `most` at most; 0 where it is held.

    Parameters
    ----------
    held : bool (rows, columns)   What lies beyond the grid is free.
    """
    if COMPILED:
        free = np.empty(held.shape, dtype=np.uint8)
        count_free(held, np.uint8(most), free)
        return free
    return free_cells_by_growing(held, most)


def free_cells_by_growing(held: BoolArray, most: int) -> UInt8Array:
    """`free_cells` without numba: what is held grows by a cell as often as free cells are counted."""
    free = np.zeros(held.shape, dtype=np.uint8)
    for _ in range(most):
        held = _grown(_grown(held, 0), 1)
        free += ~held
    return free


def _clear(raster: Raster, held: BoolArray, cells: int) -> Clearance:
    clear = free_cells(held.reshape(raster.rows + 1, raster.columns + 1), cells)
    clear[-1], clear[:, -1] = EDGE_CELLS - 1, EDGE_CELLS - 1
    furthest = max(abs(raster.south_e7), abs(raster.south_e7 + raster.rows * raster.cell_e7)) * 1e-7
    per_degree = min(float(scale[0]) for scale in metres_per_degree(np.array([min(furthest, 89.9)])))
    return clear.ravel(), raster.cell_e7 * 1e-7 * per_degree * 0.999  # rounding to float32 cannot matter then


def _folded(cells: NDArray[Any], cell_e7: int, shift: int, choose: np.ufunc) -> NDArray[Any]:
    """The least, or the most, of the cells that each block has ground in common with."""
    for axis in (0, 1):
        last = cells.shape[axis] - 1
        begin = np.arange((last * cell_e7 >> shift) + 2, dtype=np.int64) << shift
        bounds = np.minimum((begin // cell_e7, (begin + (1 << shift) - 1) // cell_e7), last)
        bounds[1] += 1
        padded = np.concatenate((cells, np.take(cells, [last], axis)), axis)  # `reduceat` asks for an end within
        cells = np.take(choose.reduceat(padded, bounds.T.ravel(), axis), np.arange(0, 2 * len(begin), 2), axis)
    return cells


def _grown(held: BoolArray, axis: int) -> BoolArray:
    """With the neighbours along an axis."""
    grown = held.copy()
    ahead, behind = (grown[1:], grown[:-1]) if axis == 0 else (grown[:, 1:], grown[:, :-1])
    back, forth = (held[:-1], held[1:]) if axis == 0 else (held[:, :-1], held[:, 1:])
    ahead |= back
    behind |= forth
    return grown
