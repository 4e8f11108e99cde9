"""One card in two vehicles: from swipes in any order, held against a plain loop."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.card_use import card_table, card_times
from analytics.context import Swipes
from analytics.record_thresholds import RecordThresholds
from geo.localtime import SECOND_US

HOUR_US = 3600 * SECOND_US
NOON = 1_772_424_000 * SECOND_US
CLASSES = pd.DataFrame({"vehicle_id": [1, 2, 3], "vehicle_class": ["ordinary", "emergency", "ordinary"]})
NO_TRIPS = pd.DataFrame(
    columns=["vehicle_id", "start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon"]
)
NO_STOPS = pd.DataFrame(columns=["vehicle_id", "start_time", "end_time", "lat", "lon", "kind"])

Swipe = tuple[int, int, str, bool]  # vehicle, when, card, put in


def swipes_of(rows: list[Swipe]) -> Swipes:
    vehicle, at, card, inserted = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Swipes(
        np.array(vehicle, dtype=np.int32),
        np.array(at, dtype=np.int64),
        np.array(inserted, dtype=np.bool_),
        np.array(card, dtype=object),
    )


def table_of(rows: list[Swipe], trips: pd.DataFrame = NO_TRIPS, stops: pd.DataFrame = NO_STOPS) -> pd.DataFrame:
    return card_table(swipes_of(rows), trips, stops, CLASSES)


def stand(vehicle: int, start: int, end: int, lat: float, kind: str = "stop") -> dict[str, Any]:
    return {"vehicle_id": vehicle, "start_time": start, "end_time": end, "lat": lat, "lon": 113.3, "kind": kind}


TWO = [
    (1, NOON, "C1", True), (1, NOON + 4 * HOUR_US, "C1", False),
    (2, NOON + HOUR_US, "C1", True), (2, NOON + 2 * HOUR_US, "C1", False),
]  # fmt: skip


def test_a_card_in_two_vehicles_gives_a_row_for_each() -> None:
    table = table_of(TWO)
    assert table[["vehicle_id", "other_vehicle_id", "vehicle_class", "overlap_s"]].to_dict("records") == [
        {"vehicle_id": 1, "other_vehicle_id": 2, "vehicle_class": "ordinary", "overlap_s": 3600.0},
        {"vehicle_id": 2, "other_vehicle_id": 1, "vehicle_class": "emergency", "overlap_s": 3600.0},
    ]
    assert (table["start_time"] == NOON + HOUR_US).all()
    assert table["apart_m"].isna().all()
    assert table["card_id"].tolist() == ["C1-1-20260302T130000-2", "C1-2-20260302T130000-1"]


def test_a_card_taken_out_before_it_is_put_in_elsewhere_is_in_one_vehicle() -> None:
    assert not len(table_of([*TWO[:2], (2, NOON + 4 * HOUR_US, "C1", True), (2, NOON + 5 * HOUR_US, "C1", False)]))


def test_another_card_ends_one_that_was_never_taken_out() -> None:
    rows = [(1, NOON, "C1", True), (1, NOON + HOUR_US, "C2", True), (2, NOON + HOUR_US, "C1", True)]
    assert not len(table_of(rows))


def test_a_card_that_is_never_taken_out_is_in_for_twelve_hours() -> None:
    late = [(1, NOON, "C1", True), (2, NOON + 11 * HOUR_US, "C1", True)]
    assert table_of(late)["overlap_s"].tolist() == [3600.0, 3600.0]
    assert not len(table_of([late[0], (2, NOON + 12 * HOUR_US, "C1", True)]))


def test_a_card_that_is_reported_again_is_in_once() -> None:
    again = [*TWO, (1, NOON + 90 * 60 * SECOND_US, "C1", True)]
    assert table_of(again)["overlap_s"].tolist() == [3600.0, 3600.0]


def test_the_farthest_that_both_stood_at_one_time_counts() -> None:
    start = NOON + HOUR_US
    stops = pd.DataFrame(
        [
            stand(1, NOON, start + HOUR_US // 2, 23.1), stand(1, start + HOUR_US // 2, start + HOUR_US, 23.5, "gap"),
            stand(2, start, start + HOUR_US // 4, 23.1), stand(2, start + HOUR_US // 4, start + HOUR_US, 23.2),
        ]
    )  # fmt: skip
    assert table_of(TWO, stops=stops)["apart_m"].tolist() == [pytest.approx(11_075, rel=1e-3)] * 2


def test_the_end_of_a_trip_is_a_place_too() -> None:
    start = NOON + HOUR_US
    stops = pd.DataFrame([stand(1, NOON, NOON + 4 * HOUR_US, 23.1)])
    trips = pd.DataFrame(
        [
            {
                "vehicle_id": 2, "start_time": start - HOUR_US, "end_time": start + HOUR_US // 2, "start_lat": 23.9,
                "start_lon": 113.3, "end_lat": 23.2, "end_lon": 113.3,
            }
        ]
    )  # fmt: skip
    assert table_of(TWO, trips, stops)["apart_m"].tolist() == [pytest.approx(11_075, rel=1e-3)] * 2


def test_a_number_that_could_not_stand_in_an_address_is_told_by_its_hash() -> None:
    odd = [(vehicle, at, "卡/1?", put_in) for vehicle, at, _, put_in in TWO]
    ids = table_of(odd)["card_id"].tolist()
    assert len(set(ids)) == 2
    assert all(each.isascii() and "/" not in each and "?" not in each for each in ids)


def test_no_swipes_are_no_cards() -> None:
    assert not len(table_of([]))


SWIPES = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 40).map(lambda minute: NOON + minute * 60 * SECOND_US),
        st.sampled_from(["C1", "C2"]),
        st.booleans(),
    ),
    max_size=14,
    unique_by=lambda each: (each[0], each[1]),
)
SHORT = RecordThresholds(card_in_s=600.0)


def plainly(rows: list[Swipe]) -> set[tuple[str, int, int]]:
    """(card, vehicle, second) of every second for which a card is in, told second by second."""
    found = set()
    for vehicle, at, card, put_in in rows:
        if put_in:
            end = min(
                [at + 600 * SECOND_US]
                + [when for of, when, _, again in rows if of == vehicle and when > at and again]
                + [when for of, when, name, again in rows if of == vehicle and when > at and name == card and not again]
            )
            found |= {(card, vehicle, second) for second in range(at // SECOND_US, end // SECOND_US, 60)}
    return found


@settings(max_examples=40, deadline=None)
@given(SWIPES, st.randoms())
def test_times_and_overlaps_are_those_of_a_plain_loop(rows: list[Swipe], shuffle: Any) -> None:
    times = card_times(swipes_of(rows), SHORT)
    columns = ("driver_card", "vehicle_id", "start_time", "end_time")
    found = {
        (card, vehicle, second)
        for card, vehicle, start, end in times[list(columns)].itertuples(index=False)
        for second in range(start // SECOND_US, end // SECOND_US, 60)
    }
    plain = plainly(rows)
    assert found == plain
    table = card_table(swipes_of(rows), NO_TRIPS, NO_STOPS, CLASSES, SHORT)
    both = sum(
        1
        for card, vehicle, second in plain
        for other in (1, 2, 3)
        if other != vehicle and (card, other, second) in plain
    )
    assert table["overlap_s"].sum() == 60 * both
    assert table["card_id"].is_unique
    mixed = list(rows)
    shuffle.shuffle(mixed)
    pd.testing.assert_frame_equal(card_table(swipes_of(mixed), NO_TRIPS, NO_STOPS, CLASSES, SHORT), table)
