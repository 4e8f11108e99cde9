"""The column batch: refusal of wrong columns, canonical order."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.positions import DTYPES, Positions, Status, canonical, canonical_order, clock_fault, join, only


def batch(rows: list[tuple[int, int, int]]) -> Positions:
    """Positions from (vehicle_ix, fix_time, lat_e7)."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    zeros = np.zeros(len(rows), dtype=np.int64)
    return Positions.from_columns(
        len(rows),
        vehicle_ix=columns[:, 0],
        fix_time=columns[:, 1],
        lat_e7=columns[:, 2],
        lon_e7=zeros,
        status=zeros,
        received_at=zeros,
    )


def rows_of(positions: Positions) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(positions, name).tolist() for name in ("vehicle_ix", "fix_time", "lat_e7")), strict=True))


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3)), max_size=30)


@given(ROWS, st.randoms())
def test_canonical_depends_on_the_set_of_rows_only(rows: list[tuple[int, int, int]], random: Random) -> None:
    shuffled = [*rows, *rows[: len(rows) // 2]]
    random.shuffle(shuffled)
    assert rows_of(canonical(batch(shuffled))) == sorted(set(rows))


@given(ROWS)
def test_canonical_order_is_a_permutation(rows: list[tuple[int, int, int]]) -> None:
    assert sorted(canonical_order(batch(rows)).tolist()) == list(range(len(rows)))


def test_a_repetition_received_later_is_the_first_received() -> None:
    twice = Positions.concat([batch([(0, 5, 7)]), batch([(0, 5, 7)])])
    columns = {name: getattr(twice, name) for name in DTYPES}
    once = canonical(Positions(**{**columns, "received_at": np.array([9, 4], dtype=np.int64)}))
    assert once.received_at.tolist() == [4]


def test_a_column_of_another_dtype_or_length_is_refused() -> None:
    good = {name: np.zeros(2, dtype=dtype) for name, dtype in DTYPES.items()}
    with pytest.raises(ValueError, match=r"lat_e7: expected int32 \(2,\), got float64 \(2,\)"):
        Positions(**{**good, "lat_e7": np.zeros(2)})
    with pytest.raises(ValueError, match=r"status: expected uint32 \(2,\), got uint32 \(3,\)"):
        Positions(**{**good, "status": np.zeros(3, dtype=np.uint32)})


def test_columns_not_given_mean_not_sent() -> None:
    one = batch([(0, 0, 0)])
    assert np.isnan(one.speed_mps[0])
    assert (one.odometer_m[0], one.satellites[0], one.altitude_m[0]) == (-1, -1, -32768)
    with pytest.raises(ValueError, match="fix_time"):
        Positions.from_columns(0, vehicle_ix=np.empty(0))


def test_status_bits_are_read_one_by_one() -> None:
    status = np.array([Status.FIX_VALID | Status.LATE, 0], dtype=np.uint32)
    positions = batch([(0, 0, 0), (0, 1, 0)]).with_status(status)
    assert positions.has(Status.LATE).tolist() == [True, False]
    assert positions.has(Status.GPS).tolist() == [False, False]


def test_clock_faults_are_the_future_and_the_time_before_the_programme() -> None:
    received = 1_795_400_000_000_000  # 2026
    minute = 60_000_000
    times = np.array([received, received + 4 * minute, received + 6 * minute, 0, 946_684_800_000_000])
    assert clock_fault(times, np.full(5, received)).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("left_out", [(), (0, 1), (99,), (0, 50, 99), (7, 8), tuple(range(60)), tuple(range(100))])
def test_a_mask_takes_what_an_index_takes(left_out: tuple[int, ...]) -> None:
    rows = np.arange(100)
    full = {name: (rows * 7).astype(dtype) for name, dtype in DTYPES.items()} | {
        "fuel_l": np.broadcast_to(np.float32(1), 100)
    }
    positions = Positions(**full)
    keep = ~np.isin(rows, left_out)
    for name in DTYPES:
        by_mask, by_index = (getattr(positions.take(each), name) for each in (keep, np.flatnonzero(keep)))
        assert by_mask.dtype == by_index.dtype
        assert by_mask.tolist() == by_index.tolist()


def test_join_gives_one_table_and_only_takes_some_vehicles_out_again() -> None:
    first, second = batch([(0, 5, 1), (1, 2, 2)]), batch([(0, 1, 3), (1, 0, 4)])
    ids = np.array([30, 10], dtype=np.int32), np.array([10, 20], dtype=np.int32)
    rows, table = join([(first, ids[0]), (second, ids[1])])
    assert table.tolist() == [10, 20, 30]
    assert rows_of(rows) == [(0, 1, 3), (0, 2, 2), (1, 0, 4), (2, 5, 1)]
    some, some_table = only(rows, table, np.array([30, 10, 99], dtype=np.int32))
    assert some_table.tolist() == [10, 30]
    assert rows_of(some) == [(0, 1, 3), (0, 2, 2), (1, 5, 1)]


def test_join_of_nothing_is_empty() -> None:
    rows, table = join([])
    assert (len(rows), len(table)) == (0, 0)
