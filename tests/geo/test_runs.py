"""Runs of rows in their places, compiled or by slices."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geo.runs import (
    Runs,
    counted_by_slices,
    kept_runs,
    place_counted,
    place_runs,
    place_runs_by_slices,
    place_shares,
    place_since,
    repeat_by_numpy,
    repeat_runs,
    shares_by_slices,
    since_by_slices,
)

RUNS: Runs = (np.array([3, 0, 5]), np.array([0, 2, 5]), np.array([2, 3, 0]))
PLACES = [3, 4, 0, 1, 2]
"""Which row of a column stands where after `RUNS`."""


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.randoms(use_true_random=False))
def test_runs_are_put_in_any_order(counts: list[int], chance: object) -> None:
    count = np.array(counts, dtype=np.int64)
    order = np.array(sorted(range(len(counts)), key=lambda _: chance.random()), dtype=np.int64)  # type: ignore[attr-defined]
    column = np.arange(count.sum(), dtype=np.int32) * 3
    start = np.cumsum(count) - count
    to = np.empty_like(start)
    to[order] = np.cumsum(count[order]) - count[order]
    expected = [value for run in order for value in column[start[run] : start[run] + count[run]].tolist()]
    for put in (place_runs, place_runs_by_slices):
        out = np.full(len(column), -1, dtype=np.int32)
        put(column, start, to, count, out)
        assert out.tolist() == expected


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=20))
def test_runs_hold_what_a_mask_keeps(mask: list[bool]) -> None:
    keep = np.array(mask, dtype=np.bool_)
    column = np.arange(len(mask), dtype=np.int16) * 3
    out = np.full(np.count_nonzero(keep), -1, dtype=np.int16)
    place_runs(column, *kept_runs(keep), out)
    assert out.tolist() == column[keep].tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=8))
def test_values_are_repeated_as_numpy_repeats_them(counts: list[int]) -> None:
    values, count = np.arange(len(counts), dtype=np.int32) * 3, np.array(counts, dtype=np.int64)
    for repeat in (repeat_runs, repeat_by_numpy):
        out = np.full(count.sum(), -1, dtype=np.int32)
        repeat(values, count, out)
        assert same_bits(out, np.repeat(values, count))


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@settings(deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=5, max_size=5), st.sampled_from([1, 10, 100, 1_000_000]))
def test_counts_of_a_unit_are_placed_as_what_they_count(values: list[int], unit: int) -> None:
    column, since = np.array(values, dtype=np.int32), np.arange(5) * 2**40
    out, expected = np.empty((2, 5), dtype=np.int64)
    place_counted(column, RUNS, out, unit, least=-1)
    counted_by_slices(column, *RUNS, np.int32(unit), np.int64(-1), expected)
    assert out.tolist() == expected.tolist() == [max(values[row] * unit, -1) for row in PLACES]
    place_since(column, RUNS, out, unit, since)
    since_by_slices(column, *RUNS, np.int32(unit), since, expected)
    passed = [values[row] * unit + begun for row, begun in zip(PLACES, since.tolist(), strict=True)]
    assert out.tolist() == expected.tolist() == passed


def test_a_unit_is_placed_in_a_column_of_fewer_bits() -> None:
    column = np.array([5, -3, 0, 23_129_100, -18_000_000], dtype=np.int32)
    out, expected = np.empty((2, 5), dtype=np.int32)
    place_counted(column, RUNS, out, 10)
    counted_by_slices(column, *RUNS, np.int32(10), None, expected)
    assert out.tolist() == expected.tolist() == [231_291_000, -180_000_000, 50, -30, 0]


def test_units_of_a_column_of_64_bits_pass_32() -> None:
    column = np.array([2**40, -(2**40), 0, 7, -7])
    out, expected = np.empty((2, 5), dtype=np.int64)
    place_counted(column, RUNS, out, 1_000_000)
    counted_by_slices(column, *RUNS, np.int32(1_000_000), None, expected)
    assert out.tolist() == expected.tolist() == [column.tolist()[row] * 1_000_000 for row in PLACES]


def test_shares_are_those_of_doubles_rounded_and_what_is_missing_is_nan() -> None:
    column = np.arange(-(2**15), 2**15, dtype=np.int16)
    runs: Runs = (np.array([0]), np.array([0]), np.array([len(column)]))
    out, expected = np.empty((2, len(column)), dtype=np.float32)
    place_shares(column, runs, out, 36)
    shares_by_slices(column, *runs, np.float32(36), expected)
    exact = np.where(column == -1, np.nan, column.astype(np.float64) / 36).astype(np.float32)
    assert same_bits(out, expected)
    assert same_bits(out, exact)
