"""Runs of rows in their places, compiled or by slices."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.runs import kept_runs, place_runs, place_runs_by_slices


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
