"""Who was where, and how far driven, between two instants: held against plain loops."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.whereabouts import driven_m, touching
from geo.arrays import Int64Array

TIMES = st.integers(0, 30)
VEHICLES = st.integers(1, 3)


def span(each: tuple[int, int, int]) -> tuple[int, int, int]:
    vehicle, one, other = each
    return vehicle, min(one, other), max(one, other)


SPANS = st.lists(st.tuples(VEHICLES, TIMES, TIMES).map(span), max_size=12)


def frame(rows: list[tuple[int, int, int]], **more: Any) -> pd.DataFrame:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return pd.DataFrame({"vehicle_id": columns[0], "start_time": columns[1], "end_time": columns[2], **more})


def columns_of(rows: list[tuple[int, int, int]]) -> tuple[Int64Array, Int64Array, Int64Array]:
    vehicle, start, end = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return vehicle, start, end


@settings(max_examples=60, deadline=None)
@given(rows=SPANS, entries=SPANS)
def test_touching_finds_every_pair_that_a_loop_over_all_finds(
    rows: list[tuple[int, int, int]], entries: list[tuple[int, int, int]]
) -> None:
    found = touching(*columns_of(rows), frame(entries))
    plain = {
        (row, entry)
        for row, (vehicle, start, end) in enumerate(rows)
        for entry, (of, begins, ends) in enumerate(entries)
        if of == vehicle and begins <= end and ends >= start
    }
    pairs = list(zip(*(each.tolist() for each in found), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == plain


@st.composite
def trips_and_rows(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], list[float], list[tuple[int, int, int]]]:
    """Trips that do not overlap by vehicle, in any order, their metres, and times to ask for."""
    trips: list[tuple[int, int, int]] = []
    for vehicle in (1, 2):
        borders = sorted(draw(st.sets(TIMES, max_size=8)))
        trips += [(vehicle, start, end) for start, end in zip(borders[::2], borders[1::2], strict=False)]
    trips = draw(st.permutations(trips))
    metres = [draw(st.integers(0, 40_000)) / 4 for _ in trips]
    return trips, metres, draw(SPANS)


@settings(max_examples=60, deadline=None)
@given(trips_and_rows())
def test_driven_metres_are_the_sum_of_what_each_trip_shares(
    given_: tuple[list[tuple[int, int, int]], list[float], list[tuple[int, int, int]]],
) -> None:
    trips, metres, rows = given_
    found = driven_m(*columns_of(rows), frame(trips, distance_m=metres))
    for (vehicle, start, end), driven in zip(rows, found.tolist(), strict=True):
        plain = Fraction(0)
        for (of, begins, ends), way in zip(trips, metres, strict=True):
            if of == vehicle:
                plain += Fraction(way) * max(min(ends, end) - max(begins, start), 0) / (ends - begins)
        assert abs(driven - float(plain)) < 1e-6


def test_driven_metres_do_not_depend_on_the_order_of_trips_nor_on_who_else_drives() -> None:
    rng = np.random.default_rng(5)
    borders = np.sort(rng.choice(10_000, 400, replace=False))
    trips = pd.DataFrame(
        {"vehicle_id": 1, "start_time": borders[::2], "end_time": borders[1::2], "distance_m": rng.random(200) * 9e4}
    )
    others = trips.assign(vehicle_id=2, distance_m=rng.random(200))
    ask = np.array([1, 1]), np.array([3, 500]), np.array([9_000, 501])
    alone = driven_m(*ask, trips)
    assert np.array_equal(driven_m(*ask, trips.sample(frac=1, random_state=1)), alone)
    assert np.allclose(driven_m(*ask, pd.concat([others, trips])), alone, rtol=1e-12)


def test_nothing_is_driven_without_trips() -> None:
    none = frame([], distance_m=np.empty(0))
    assert driven_m(*columns_of([(1, 0, 5)]), none).tolist() == [0.0]
    assert driven_m(*columns_of([]), none).tolist() == []
