"""Runs of rows put in their places, counted in another unit on the way: compiled by numba where it is installed, else by slices."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, Float32Array, Int16Array, Int64Array
from geo.jit import COMPILED, compiled

Runs = tuple[Int64Array, Int64Array, Int64Array]
"""`start`, `to` and `count` of each run: count[k] rows of a column from start[k] on, and where they go; int64 (k,)."""

MISSING = -1
"""A share that was not sent."""


def place_runs(column: NDArray[Any], start: Int64Array, to: Int64Array, count: Int64Array, out: NDArray[Any]) -> None:
    """Copy each run, count[k] rows of `column` from start[k] on, to `out` from to[k] on.

    Parameters
    ----------
    column, out : contiguous, of one dtype, or of integers that `out` can hold.
    start, to, count : int64 (k,)
    """
    _PLACE(column, start, to, count, out)


def place_counted(column: NDArray[Any], runs: Runs, out: NDArray[Any], unit: int, *, least: int | None = None) -> None:
    """`place_runs` of integers that count `unit`: unit times each, and never below `least`."""
    _PLACE_COUNTED(column, *runs, np.int32(unit), None if least is None else np.int64(least), out)


def place_since(column: NDArray[Any], runs: Runs, out: Int64Array, unit: int, since: Int64Array) -> None:
    """`place_runs` of integers that count `unit` since a row's value in `since`, which is in place as `out` will be."""
    _PLACE_SINCE(column, *runs, np.int32(unit), since, out)


def place_shares(column: Int16Array, runs: Runs, out: Float32Array, per: float) -> None:
    """`place_runs` of n as n / per, of `MISSING` as NaN.

    The quotient of float32 is that of float64 rounded: 53 bits are more than twice 24.
    """
    _PLACE_SHARES(column, *runs, np.float32(per), out)


def repeat_runs(values: NDArray[Any], count: Int64Array, out: NDArray[Any]) -> None:
    """Each value count[k] times, one after the other, as `np.repeat` gives them."""
    _REPEAT(values, count, out)


def kept_runs(keep: BoolArray) -> Runs:
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


def counted_by_slices(
    column: NDArray[Any],
    start: Int64Array,
    to: Int64Array,
    count: Int64Array,
    unit: np.int32,
    least: np.int64 | None,
    out: NDArray[Any],
) -> None:
    """`place_counted` without numba; the column is reckoned whole, then placed."""
    counted = column * np.int64(unit)
    place_runs_by_slices(counted if least is None else np.maximum(counted, least), start, to, count, out)


def since_by_slices(
    column: NDArray[Any],
    start: Int64Array,
    to: Int64Array,
    count: Int64Array,
    unit: np.int32,
    since: Int64Array,
    out: Int64Array,
) -> None:
    """`place_since` without numba."""
    passed = column * np.int64(unit)
    for first, place, rows in zip(start.tolist(), to.tolist(), count.tolist(), strict=True):
        np.add(passed[first : first + rows], since[place : place + rows], out=out[place : place + rows])


def shares_by_slices(
    column: Int16Array, start: Int64Array, to: Int64Array, count: Int64Array, per: np.float32, out: Float32Array
) -> None:
    """`place_shares` without numba."""
    share = column.astype(np.float32) / per
    share[column == MISSING] = np.nan
    place_runs_by_slices(share, start, to, count, out)


def repeat_by_numpy(values: NDArray[Any], count: Int64Array, out: NDArray[Any]) -> None:
    """`repeat_runs` without numba."""
    out[:] = np.repeat(values, count)


_PLACE: Callable[..., None] = place_runs_by_slices
_PLACE_COUNTED: Callable[..., None] = counted_by_slices
_PLACE_SINCE: Callable[..., None] = since_by_slices
_PLACE_SHARES: Callable[..., None] = shares_by_slices
_REPEAT: Callable[..., None] = repeat_by_numpy
if COMPILED:
    # An index without a sign is not asked for it. Two factors of 32 bits make 64, in one instruction for several rows.

    @compiled
    def _place_runs(column, start, to, count, out):  # noqa: ANN001, ANN202
        for run in range(len(start)):
            source, target = np.uint64(start[run]), np.uint64(to[run])
            for row in range(np.uint64(count[run])):
                out[target + row] = column[source + row]

    @compiled
    def _place_counted(column, start, to, count, unit, least, out):  # noqa: ANN001, ANN202
        for run in range(len(start)):
            source, target = np.uint64(start[run]), np.uint64(to[run])
            for row in range(np.uint64(count[run])):
                counted = column[source + row] * unit
                out[target + row] = counted if least is None else max(counted, least)

    @compiled
    def _place_since(column, start, to, count, unit, since, out):  # noqa: ANN001, ANN202
        for run in range(len(start)):
            source, target = np.uint64(start[run]), np.uint64(to[run])
            for row in range(np.uint64(count[run])):
                out[target + row] = column[source + row] * unit + since[target + row]

    @compiled
    def _place_shares(column, start, to, count, per, out):  # noqa: ANN001, ANN202
        missing, nan = np.int16(MISSING), np.float32(np.nan)
        for run in range(len(start)):
            source, target = np.uint64(start[run]), np.uint64(to[run])
            for row in range(np.uint64(count[run])):
                value = column[source + row]
                out[target + row] = np.float32(value) / per if value != missing else nan

    @compiled
    def _repeat_runs(values, count, out):  # noqa: ANN001, ANN202
        row = np.uint64(0)
        for run in range(len(count)):
            for _ in range(np.uint64(count[run])):
                out[row] = values[run]
                row += np.uint64(1)

    _PLACE, _PLACE_COUNTED, _PLACE_SINCE, _PLACE_SHARES = _place_runs, _place_counted, _place_since, _place_shares
    _REPEAT = _repeat_runs
