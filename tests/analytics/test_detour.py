"""A trip against its dispatch order: base at home, the order's destination ten kilometres east of it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.asked import Asked
from analytics.context import FleetContext
from analytics.detour import detours, order_rows
from tests.analytics.tracks import at, fleet
from tests.analytics.weeks import Spot, frame, trip

BASE, SITE, HOME = (0.0, 0.0), (10_000.0, 0.0), (10_000.0, 8_000.0)


def context(destination: Spot | None = SITE) -> FleetContext:
    orders = [(0, at("08:00"), at("18:00"), "D1")]
    return fleet(orders=orders, destination_m=destination, base_radius_m=100.0)


def leg(hour: int, begin: Spot, goal: Spot, kind: str = "district", **values: Any) -> dict[str, object]:
    return trip(
        f"{hour}:00", f"{hour}:30", begin, goal, dispatch_order="D1", destination_kind=kind, dwell_s=1200.0, **values
    )  # fmt: skip


def judged(*legs: dict[str, object], destination: Spot | None = SITE) -> pd.DataFrame:
    return found(frame(*legs), context(destination))


def found(table: pd.DataFrame, known: FleetContext) -> pd.DataFrame:
    trips = Asked(table)
    return pd.DataFrame(detours(trips, order_rows(trips, known.orders), known))


def test_there_and_back_is_no_detour() -> None:
    found = judged(leg(9, BASE, SITE, "work_site"), leg(11, SITE, BASE, "base"))
    assert found["detour_m"].tolist() == [0.0, 0.0]
    assert found["unnamed_stop"].tolist() == [0.0, 0.0]
    assert found["named_place"].tolist() == [1.0, 0.0]


def test_home_on_the_way_back_counts_on_both_trips_and_not_on_the_one_before() -> None:
    found = judged(leg(9, BASE, SITE, "work_site"), leg(11, SITE, HOME, "residential"), leg(13, HOME, BASE, "base"))
    assert found["unnamed_stop"].tolist() == [0.0, 1.0, 1.0]
    straight = np.hypot(10_000, 8_000)
    whole = 1.3 * (8_000 + straight) - 1.4 * 10_000
    under_way = 1.3 * 8_000 + 1.4 * straight - 1.4 * 10_000
    assert found["detour_m"].tolist() == pytest.approx([0.0, under_way, whole], rel=1e-3)


@pytest.mark.parametrize(("dwell_s", "private"), [(599.0, 0.0), (600.0, 1.0), (np.nan, 1.0)])
def test_who_drops_somebody_at_home_stays_less_than_ten_minutes(dwell_s: float, private: float) -> None:
    found = judged(leg(9, BASE, SITE, "work_site"), leg(11, SITE, HOME, "residential") | {"dwell_s": dwell_s})
    assert found["unnamed_stop"].tolist() == [0.0, private]


@pytest.mark.parametrize("kind", ["work_site", "customer", "base"])
def test_another_place_of_work_on_the_round_needs_no_naming(kind: str) -> None:
    found = judged(leg(9, BASE, HOME, kind), leg(11, HOME, SITE, "work_site"), leg(13, SITE, BASE, "base"))
    assert found["detour_m"].tolist() == [0.0, 0.0, 0.0]
    assert found["unnamed_stop"].sum() == 0


def test_a_venue_that_the_order_names_is_no_private_stop() -> None:
    found = judged(leg(9, BASE, SITE, "hotel"), leg(11, SITE, BASE, "base"))
    assert found["unnamed_stop"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("off_m", "named"), [(499.0, 1.0), (501.0, 0.0)])
def test_the_next_place_to_park_is_the_destination(off_m: float, named: float) -> None:
    assert judged(leg(9, BASE, (10_000.0, off_m), "hotel"))["named_place"].tolist() == [named]


def test_a_round_without_a_stop_long_enough_is_measured_by_the_destination() -> None:
    round_trip = leg(9, BASE, BASE, "base") | {"distance_m": 26_000.0}
    assert judged(round_trip)["detour_m"].tolist() == [0.0]
    assert judged(round_trip | {"distance_m": 40_000.0})["detour_m"].tolist() == pytest.approx([12_000.0], rel=1e-3)


def test_a_second_round_is_not_measured_by_a_destination_reached_before() -> None:
    found = judged(
        leg(9, BASE, SITE, "work_site"), leg(11, SITE, BASE, "base"), leg(13, BASE, BASE, "base", distance_m=20_000.0)
    )
    assert found["detour_m"].tolist() == pytest.approx([0.0, 0.0, 20_000.0], abs=1.0)


def test_nothing_is_said_without_an_order_or_a_place_in_it() -> None:
    assert judged(leg(9, BASE, HOME) | {"dispatch_order": None})["detour_m"].isna().all()
    unknown = judged(leg(9, BASE, HOME, "residential"), destination=None)
    assert unknown["detour_m"].isna().all()
    assert unknown["unnamed_stop"].tolist() == [0.0]


def test_later_trips_change_nothing_of_earlier_ones() -> None:
    legs = [leg(9, BASE, SITE, "work_site"), leg(11, SITE, HOME, "residential"), leg(13, HOME, BASE, "base")]
    whole = judged(*legs)
    for count in (1, 2):
        pd.testing.assert_frame_equal(judged(*legs[:count]), whole.iloc[:count])


def test_no_trip_has_no_detour() -> None:
    trips = frame(leg(9, BASE, SITE)).iloc[:0]
    assert len(found(trips, context())) == 0
