"""Runs of rows put in their places: compiled by numba where it is installed, else by slices."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from geo.arrays import Int64Array
from geo.jit import COMPILED, compiled


def place_runs(column: NDArray[Any], start: Int64Array, to: Int64Array, count: Int64Array, out: NDArray[Any]) -> None:
    """Copy each run, count[k] rows of `column` from start[k] on, to `out` from to[k] on.

    Parameters
    ----------
    column, out : of one dtype, contiguous.
    start, to, count : int64 (k,)
    """
    _PLACE(column, start, to, count, out)


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
            for row in range(count[run]):
                out[to[run] + row] = column[start[run] + row]

    _PLACE = _place_runs
