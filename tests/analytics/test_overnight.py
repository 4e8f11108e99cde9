"""Nights, and the base they teach, against a search through all pairs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.overnight import nights, under_orders, with_bases
from analytics.vocabulary import NIGHT_FEATURES
from tests.analytics.tracks import MONDAY, at, fleet, square
from tests.analytics.weeks import Spot, degrees, stop, stops

YARD, ESTATE = (0.0, 0.0), (5_000.0, 0.0)
BASE = fleet(base_radius_m=100.0)


def night(day: int, spot: Spot = ESTATE, vehicle: int = 0) -> dict[str, object]:
    return stop("00:00", "07:00", spot, day, vehicle_ix=vehicle)


def slept(*rows: dict[str, object], first: int = MONDAY, last: int = MONDAY + 40) -> pd.DataFrame:
    return with_bases(nights(stops(*rows), BASE), BASE, first, last)


def test_the_night_is_where_it_stood_longest_in_the_small_hours() -> None:
    found = nights(stops(stop("00:00", "02:00", YARD), stop("02:10", "24:00", ESTATE, place="小区")), BASE)
    assert (found["place"].tolist(), found["night_s"].tolist()) == (["小区"], [2 * 3600 + 50 * 60])


@pytest.mark.parametrize(("until", "known"), [("01:59", 0), ("02:00", 1)])
def test_less_than_two_hours_of_it_say_nothing(until: str, known: int) -> None:
    assert len(nights(stops(stop("00:00", until, YARD)), BASE)) == known


def test_a_silence_is_no_place() -> None:
    assert len(nights(stops(stop("00:00", "07:00", YARD, kind="gap")), BASE)) == 0


def test_distance_is_from_the_edge_of_the_base() -> None:
    found = slept(night(MONDAY, YARD), night(MONDAY + 1))
    assert found["base_m"].tolist() == pytest.approx([0.0, 4_900.0], rel=1e-3)
    unknown = nights(stops(night(MONDAY)), fleet())
    assert unknown["base_m"].isna().all()


def test_a_base_is_learned_from_the_fifth_night_on() -> None:
    found = slept(*(night(MONDAY + day) for day in range(6)))
    assert found["learned_nights"].tolist() == [0, 0, 0, 0, 5, 6]
    assert found["nights_here"].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.isnan(found["learned_lat"].iloc[3])
    assert found["learned_base_m"].iloc[4] == pytest.approx(4_900.0, rel=1e-3)


def test_half_of_the_nights_teach_nothing() -> None:
    rows = [night(MONDAY + day, ESTATE if day % 2 else (3_000.0 * day, 9_000.0)) for day in range(11)]
    assert slept(*rows)["learned_nights"].iloc[-1] == 0
    assert slept(*rows, night(MONDAY + 11))["learned_nights"].iloc[-1] == 0  # six of twelve
    assert slept(*rows, night(MONDAY + 11), night(MONDAY + 12))["learned_nights"].iloc[-1] == 7


def test_nights_before_the_four_weeks_are_forgotten() -> None:
    rows = [night(MONDAY + day) for day in range(5)]
    late = slept(*rows, night(MONDAY + 27), night(MONDAY + 28, YARD))
    assert late["learned_nights"].iloc[-2] == 6
    assert late["nights_here"].tolist()[-2:] == [6, 1]
    assert late["learned_nights"].iloc[-1] == 5  # the first Monday has gone


def test_a_night_is_a_row_that_rules_judge() -> None:
    estate = square("E", "residential", (4_500.0, 5_500.0))
    orders = [(0, at("02:00"), at("09:00"), "D1"), (0, at("03:01", MONDAY + 1), at("09:00", MONDAY + 1), "D2")]
    context = fleet(2, zones=[estate], orders=orders, base_radius_m=100.0, vehicle_class="emergency")
    rows = [night(MONDAY), night(MONDAY + 1, YARD), night(MONDAY + 1, vehicle=1)]
    found = under_orders(with_bases(nights(stops(*rows), context), context, MONDAY, MONDAY + 1), context)
    assert found["night_id"].tolist() == ["1-N20260302", "1-N20260303", "2-N20260303"]
    assert found["start_time"].tolist() == [at("00:00"), at("00:00", MONDAY + 1), at("00:00", MONDAY + 1)]
    assert found["end_time"].tolist() == [at("05:00"), at("05:00", MONDAY + 1), at("05:00", MONDAY + 1)]
    assert found["night_kind"].tolist() == ["residential", "", "residential"]
    assert found["dispatch_order"].tolist() == ["D1", None, None]  # the second covers less than half
    assert set(NIGHT_FEATURES) < set(found.columns)
    assert found["vehicle_class"].unique().tolist() == ["emergency"]


def test_no_night_is_no_row() -> None:
    found = under_orders(with_bases(nights(stops(), BASE), BASE, MONDAY, MONDAY), BASE)
    assert len(found) == 0
    assert set(NIGHT_FEATURES) | {"night_id", "start_time", "end_time"} < set(found.columns)


SPOTS = st.sampled_from([(0.0, 0.0), (200.0, 0.0), (400.0, 0.0), (5_000.0, 0.0), (5_000.0, 250.0)])
WEEKS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 45), SPOTS), max_size=50, unique_by=lambda row: row[:2])


@settings(deadline=None, max_examples=40)
@given(WEEKS)
def test_the_learned_base_is_what_looking_at_every_pair_gives(drawn: list[tuple[int, int, Spot]]) -> None:
    rows = [night(MONDAY + day, spot, vehicle) for vehicle, day, spot in drawn]
    context = fleet(2, base_radius_m=100.0)
    found = with_bases(nights(stops(*rows), context), context, MONDAY, MONDAY + 45)
    assert len(found) == len(drawn)
    for row, vehicle, number in zip(
        found.itertuples(), found["vehicle_ix"].tolist(), found["day"].tolist(), strict=True
    ):
        day = number - MONDAY
        window = sorted((d, s) for v, d, s in drawn if v == vehicle and day - 28 < d <= day)
        about = [[s for _, s in window if np.hypot(s[0] - t[0], s[1] - t[1]) <= 300] for _, t in window]
        most = max(reversed(about), key=len)
        assert row.nights_here == len(about[-1])
        if len(most) >= 5 and 2 * len(most) > len(window):
            assert row.learned_nights == len(most)
            lat, _ = degrees((float(np.mean([s[0] for s in most])), float(np.mean([s[1] for s in most]))))
            assert row.learned_lat == pytest.approx(lat, abs=1e-6)
        else:
            assert row.learned_nights == 0


def test_a_night_is_the_same_whatever_days_are_asked_for() -> None:
    rows = [night(MONDAY + day, ESTATE if day % 5 else YARD) for day in range(40)]
    whole = slept(*rows)
    for day in (MONDAY + 6, MONDAY + 30, MONDAY + 39):
        alone = slept(*rows, first=day, last=day)
        pd.testing.assert_frame_equal(alone, whole[whole["day"] == day].reset_index(drop=True), check_dtype=False)
