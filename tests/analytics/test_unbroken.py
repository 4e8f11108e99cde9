"""Driving without a rest, against a walk over the trips; and what a rest is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.asked import Asked
from analytics.unbroken import unbroken_s
from geo.localtime import SECOND_US
from tests.analytics.tracks import MONDAY, at
from tests.analytics.weeks import frame, trip

HERE, THERE = (0.0, 0.0), (5_000.0, 0.0)


@pytest.mark.parametrize(("again", "seconds"), [("10:19:59", 5401.0), ("10:20", 1800.0)])
def test_twenty_minutes_are_a_rest(again: str, seconds: float) -> None:
    start = at(again)
    last = trip("10:30", "10:50", HERE, THERE, start_time=start, end_time=start + 1800 * SECOND_US, moving_s=1800.0)
    first = trip("09:00", "10:00", HERE, THERE, moving_s=3601.0)
    assert unbroken_s(Asked(frame(first, last))).tolist() == [3601.0, seconds]


def test_short_stands_and_waits_are_no_driving_and_no_rest() -> None:
    table = frame(
        trip("08:00", "10:00", HERE, THERE, moving_s=6000.0),
        trip("10:10", "12:10", HERE, THERE, moving_s=7000.0),
        trip("12:20", "13:00", HERE, THERE, moving_s=2000.0),
    )
    assert unbroken_s(Asked(table)).tolist() == [6000.0, 13_000.0, 15_000.0]


def test_midnight_is_no_rest_and_another_vehicle_is() -> None:
    night = frame(trip("22:00", "23:55", HERE, THERE), trip("00:05", "01:05", HERE, THERE, MONDAY + 1))
    assert unbroken_s(Asked(night)).tolist() == [6900.0, 10_500.0]
    table = frame(trip("09:00", "10:00", HERE, THERE), trip("10:05", "11:05", HERE, THERE, vehicle_ix=1))
    assert unbroken_s(Asked(table)).tolist() == [3600.0, 3600.0]


def test_no_trip_was_driven() -> None:
    assert unbroken_s(Asked(frame(trip("09:00", "10:00", HERE, THERE)).iloc[:0])).tolist() == []


TRIPS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 5_000), st.integers(0, 2_400), st.floats(0.0, 1.0)), max_size=30
)


@settings(max_examples=40)
@given(TRIPS)
def test_it_is_what_a_walk_over_the_trips_gives(drawn: list[tuple[int, int, int, float]]) -> None:
    rows, expected, clock, before, total = [], [], at("00:00"), -1, 0.0
    for vehicle, lasting, rest, share in sorted(drawn, key=lambda each: each[0]):
        seconds = round(lasting * share, 6)
        begin = clock + rest * SECOND_US
        total = total + seconds if vehicle == before and rest < 1200 else seconds
        clock, before = begin + lasting * SECOND_US, vehicle
        rows.append({"vehicle_ix": vehicle, "start_time": begin, "end_time": clock, "moving_s": seconds})
        expected.append(total)
    found = unbroken_s(Asked(pd.DataFrame(rows, columns=["vehicle_ix", "start_time", "end_time", "moving_s"])))
    np.testing.assert_allclose(found, expected, atol=1e-6)
