"""Runs of rows put in their places: compiled by numba where it is installed, else by slices."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, Int64Array
from geo.jit import COMPILED, compiled


def place_runs(column: NDArray[Any], start: Int64Array, to: Int64Array, count: Int64Array, out: NDArray[Any]) -> None:
    """Copy each run, count[k] rows of `column` from start[k] on, to `out` from to[k] on.

    Parameters
    ----------
    column, out : of one dtype, contiguous.
    start, to, count : int64 (k,)
    """
    _PLACE(column, start, to, count, out)


def kept_runs(keep: BoolArray) -> tuple[Int64Array, Int64Array, Int64Array]:
    """The runs of rows between those that are not kept: their `start`, `to` and `count` for `place_runs`; some are empty."""
    left_out = np.flatnonzero(~keep)
    start = np.concatenate((np.zeros(1, dtype=np.int64), left_out + 1))
    count = np.append(left_out, len(keep)) - start
    return start, start - np.arange(len(start)), count


def place_runs_by_slices(
    column: NDArray[Any], start: Int64Array, to: Int64Array, count: Int64Array, out: NDArray[Any]
) -> None:
    """`place_runs` without numba: a slice a run."""
    for first, place, rows in zip(start.tolist(), to.tolist(), count.tolist(), strict=True):
        out[place : place + rows] = column[first : first + rows]


_PLACE: Callable[..., None] = place_runs_by_slices
if COMPILED:

    @compiled
    def _place_runs(column, start, to, count, out):  # noqa: ANN001, ANN202
        for run in range(len(start)):
            source, target = np.uint64(start[run]), np.uint64(to[run])  # without a sign no index is asked for its own
            for row in range(np.uint64(count[run])):
                out[target + row] = column[source + row]

    _PLACE = _place_runs
