"""Trips against the hours and places of their dispatch order, one by one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.asked import Asked
from analytics.context import FleetContext
from analytics.detour import order_rows
from analytics.overruns import overruns
from geo.localtime import SECOND_US
from tests.analytics.tracks import at, fleet
from tests.analytics.weeks import Spot, frame, trip

YARD, SITE = (0.0, 0.0), (20_000.0, 0.0)


def context(destination: Spot | None = SITE, base_m: float | None = 100.0) -> FleetContext:
    orders = [(0, at("09:00"), at("12:00"), "D1"), (1, at("09:00"), at("12:00"), "D2")]
    return fleet(2, orders=orders, destination_m=destination, base_radius_m=base_m)


def judged(*rows: dict[str, object], **values: Any) -> pd.DataFrame:
    return found(frame(*rows), context(**values))


def found(table: pd.DataFrame, known: FleetContext) -> pd.DataFrame:
    trips = Asked(table)
    return pd.DataFrame(overruns(trips, order_rows(trips, known.orders), known))


def leg(start: str, end: str, begin: Spot, goal: Spot, **values: Any) -> dict[str, object]:
    return trip(start, end, begin, goal, **{"dispatch_order": "D1", **values})


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("09:00", "12:00", 0.0), ("08:30", "10:00", 1800.0), ("11:00", "12:00:01", 1.0), ("08:00", "14:00", 10_800.0),
        ("13:00", "13:30", 1800.0), ("06:00", "07:00", 3600.0),
    ],
)  # fmt: skip
def test_time_outside_the_orders_hours(start: str, end: str, seconds: float) -> None:
    assert judged(leg(start, end, YARD, SITE))["order_overrun_s"].tolist() == [seconds]


@pytest.mark.parametrize(
    ("goal", "away_m"),
    [
        (SITE, 0.0), ((8_000.0, 0.0), 0.0), ((8_000.0, 3_000.0), 3_000.0), ((26_000.0, 0.0), 6_000.0),
        ((23_000.0, 4_000.0), 5_000.0), ((-4_000.0, 0.0), 3_900.0), ((0.0, 100.0), 0.0),
    ],
)  # fmt: skip
def test_how_far_the_end_lies_from_the_way_there(goal: Spot, away_m: float) -> None:
    assert judged(leg("09:00", "10:00", YARD, goal))["order_away_m"].tolist() == pytest.approx([away_m], abs=10)


def test_the_end_that_is_farther_off_counts() -> None:
    found = judged(leg("09:00", "09:30", YARD, (8_000, 3_000)), leg("10:00", "10:30", (8_000, 3_000), YARD))
    assert found["order_away_m"].tolist() == pytest.approx([3_000, 3_000], rel=1e-2)


def test_where_the_vehicle_set_out_under_the_order_is_explained_and_elsewhere_it_is_not() -> None:
    home = (0.0, 9_000.0)
    found = judged(leg("09:00", "09:40", home, SITE), leg("11:00", "11:40", SITE, home))
    assert found["order_away_m"].tolist() == pytest.approx([0.0, 0.0], abs=10)
    later = judged(leg("09:00", "09:40", YARD, SITE), leg("11:00", "11:40", SITE, home))
    assert later["order_away_m"].tolist() == pytest.approx([0.0, 8_900.0], abs=20)
    without_base = judged(leg("09:00", "09:40", YARD, SITE), leg("11:00", "11:40", SITE, home), base_m=None)
    assert without_base["order_away_m"].tolist() == pytest.approx([0.0, 9_000.0], abs=20)


def test_nothing_is_said_without_an_order_and_of_places_without_one_in_it() -> None:
    without = judged(leg("09:00", "10:00", YARD, SITE, dispatch_order=None), leg("10:00", "11:00", SITE, YARD))
    assert without.isna().to_numpy().tolist() == [[True, True], [False, False]]
    placeless = judged(leg("09:00", "12:30", YARD, SITE), destination=None)
    assert placeless["order_overrun_s"].tolist() == [1800.0]
    assert placeless["order_away_m"].isna().all()
    unknown = judged(leg("09:00", "10:00", YARD, SITE, dispatch_order="D9"))
    assert unknown.isna().to_numpy().all()


def test_no_trip_overruns() -> None:
    empty = found(frame(leg("09:00", "10:00", YARD, SITE)).iloc[:0], context())
    assert (list(empty.columns), len(empty)) == (["order_overrun_s", "order_away_m"], 0)


SPOT = st.tuples(st.integers(-30, 30), st.integers(-30, 30)).map(lambda km: (km[0] * 1000.0, km[1] * 1000.0))
LEGS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 90), SPOT, SPOT), min_size=1, max_size=8)


@settings(max_examples=40)
@given(LEGS)
def test_it_is_what_every_trip_gives_by_itself(drawn: list[tuple[int, int, Spot, Spot]]) -> None:
    once = {(vehicle, quarter): (begin, goal) for vehicle, quarter, begin, goal in drawn}
    rows: list[dict[str, object]] = []
    expected: list[tuple[int, float]] = []
    set_out: dict[int, Spot] = {}
    for (vehicle, quarter), (begin, goal) in sorted(once.items()):
        start = at("00:00") + quarter * 900 * SECOND_US
        values = {"vehicle_ix": vehicle, "start_time": start, "end_time": start + 800 * SECOND_US}
        rows.append(leg("00:00", "00:10", begin, goal, dispatch_order=f"D{vehicle + 1}", **values))
        outset = set_out.setdefault(vehicle, begin)
        lines = [shapely.LineString([SITE, YARD]), shapely.LineString([SITE, outset])]
        yard = shapely.Point(YARD).buffer(100.0, quad_segs=64)
        ends = (shapely.Point(begin), shapely.Point(goal))
        away = max(min(shapely.distance(end, place) for place in (*lines, yard)) for end in ends)
        over = sum(not at("09:00") <= start + second * SECOND_US < at("12:00") for second in range(800))
        expected.append((over, away))
    table = judged(*rows)
    np.testing.assert_allclose(table["order_overrun_s"], [each[0] for each in expected])
    np.testing.assert_allclose(table["order_away_m"], [each[1] for each in expected], rtol=0.01, atol=60)
