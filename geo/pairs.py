"""Sets of zones laid out as pairs of position and zone: compiled by numba where it is installed, else in numpy."""

from collections.abc import Callable

import numpy as np

from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.jit import COMPILED, compiled

Pairs = tuple[Int64Array, Int32Array, Int64Array]


def laid_out(sets: Int32Array, set_start: Int32Array, set_zone: Int32Array, set_exact: BoolArray) -> Pairs:
    """Every zone of every position's set.

    Parameters
    ----------
    sets : int32 (n,)   The set of each position; set 0 is empty.
    set_start, set_zone, set_exact : as in `geo.raster.Raster`.

    Returns
    -------
    position : int64 (m,)   Ascending.
    zone : int32 (m,)   Ascending within a position.
    test : int64 (k,)   The pairs that only an exact test can tell; ascending.
    """
    return _LAY_OUT(sets, set_start, set_zone, set_exact)


def kept(position: Int64Array, zone: Int32Array, keep: BoolArray, test: Int64Array) -> tuple[Int64Array, Int32Array]:
    """The pairs without those of `test` that keep nothing: keep[k] is for pair test[k]."""
    if keep.all():
        return position, zone
    among = np.ones(len(position), dtype=np.bool_)
    among[test] = keep
    return position[among], zone[among]


def laid_out_by_columns(sets: Int32Array, set_start: Int32Array, set_zone: Int32Array, set_exact: BoolArray) -> Pairs:
    """`laid_out` without numba."""
    position = np.flatnonzero(sets != 0)
    held = sets[position]
    entry = set_start[held]
    count = set_start[held + 1] - entry
    if len(count) and count.max() > 1:
        entry = np.repeat(entry + count - np.cumsum(count), count)
        entry += np.arange(len(entry))
        position = np.repeat(position, count)
    return position, set_zone[entry], np.flatnonzero(set_exact[entry])


_LAY_OUT: Callable[[Int32Array, Int32Array, Int32Array, BoolArray], Pairs] = laid_out_by_columns
if COMPILED:

    @compiled
    def _lay_out(sets, set_start, set_zone, set_exact):  # noqa: ANN001, ANN202
        pairs, tests = 0, 0
        exacts = np.zeros(len(set_start), dtype=np.int32)
        for number in range(len(set_start) - 1):
            for entry in range(set_start[number], set_start[number + 1]):
                exacts[number] += set_exact[entry]
        for number in sets:
            pairs += set_start[number + 1] - set_start[number]
            tests += exacts[number]
        position, zone = np.empty(pairs, dtype=np.int64), np.empty(pairs, dtype=np.int32)
        test = np.empty(tests, dtype=np.int64)
        pairs, tests = 0, 0
        for row in range(len(sets)):
            for entry in range(set_start[sets[row]], set_start[sets[row] + 1]):
                position[pairs], zone[pairs] = row, set_zone[entry]
                if set_exact[entry]:
                    test[tests] = pairs
                    tests += 1
                pairs += 1
        return position, zone, test

    _LAY_OUT = _lay_out
