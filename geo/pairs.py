"""Sets of zones laid out as pairs of position and zone: compiled by numba where it is installed, else in numpy."""

from functools import lru_cache
from typing import Any

import numpy as np

from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.jit import COMPILED
from geo.raster import Raster

if COMPILED:
    from geo.cells import lay_out

BLOCK_CELLS = 8
"""Cells of a block on a side: where zones are few, a look into a small table tells of most places that there are none."""
FEW = 0.3
"""Share of the blocks with zones in them up to which blocks are asked first."""
Pairs = tuple[Int64Array, Int32Array, Int64Array]


def pairs_at(raster: Raster, lat_e7: Int32Array, lon_e7: Int32Array) -> Pairs:
    """Every zone of the set at every position.

    Returns
    -------
    position : int64 (m,)   Ascending.
    zone : int32 (m,)   Ascending within a position.
    test : int64 (k,)   The pairs that only an exact test can tell; ascending.
    """
    if not COMPILED:
        return laid_out(raster, raster.sets(lat_e7, lon_e7))
    most = len(lat_e7) * int(np.diff(raster.set_start).max(initial=0))
    # Memory is taken only as far as it is filled.
    position, zone, test = np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most, np.int64)
    sets = raster.grid, raster.cell_set, raster.part_set, raster.set_start, raster.set_zone, raster.set_exact
    pairs, tests = lay_out(lat_e7.view(np.uint32), lon_e7.view(np.uint32), sets, _blocks(raster), position, zone, test)
    return position[:pairs], zone[:pairs], test[:tests]


def laid_out(raster: Raster, sets: Int32Array) -> Pairs:
    """`pairs_at` of positions with these sets, without numba; set 0 is empty."""
    position = np.flatnonzero(sets != 0)
    held = sets[position]
    entry = raster.set_start[held]
    count = raster.set_start[held + 1] - entry
    if len(count) and count.max() > 1:
        entry = np.repeat(entry + count - np.cumsum(count), count)
        entry += np.arange(len(entry))
        position = np.repeat(position, count)
    return position, raster.set_zone[entry], np.flatnonzero(raster.set_exact[entry])


@lru_cache(maxsize=16)
def _blocks(raster: Raster) -> tuple[BoolArray, tuple[Any, ...]]:
    """Of each block of cells whether there are zones in it, and the blocks' grid; empty where in most there are."""
    rows, columns = raster.rows // BLOCK_CELLS, raster.columns // BLOCK_CELLS
    held = np.zeros(((rows + 1) * BLOCK_CELLS, (columns + 1) * BLOCK_CELLS), dtype=np.bool_)
    held[: raster.rows + 1, : raster.columns + 1] = raster.cell_set.reshape(raster.rows + 1, -1) != 0
    blocks = held.reshape(rows + 1, BLOCK_CELLS, columns + 1, BLOCK_CELLS).any(axis=(1, 3)).ravel()
    south, west, _, _, per_cell, *rest = raster.grid
    grid = (south, west, np.int32(rows), np.int32(columns), per_cell / BLOCK_CELLS, *rest)
    return blocks if blocks.mean() < FEW else np.empty(0, dtype=np.bool_), grid


def kept(position: Int64Array, zone: Int32Array, keep: BoolArray, test: Int64Array) -> tuple[Int64Array, Int32Array]:
    """The pairs without those of `test` that keep nothing: keep[k] is for pair test[k]."""
    if keep.all():
        return position, zone
    among = np.ones(len(position), dtype=np.bool_)
    among[test] = keep
    return position[among], zone[among]
