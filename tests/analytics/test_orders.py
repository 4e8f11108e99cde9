"""Orders and cards against a search through all of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.orders import driver_cards, order_cover
from geo.localtime import SECOND_US
from tests.analytics.tracks import at, fleet

HOUR_US = 3600 * SECOND_US
MARGIN_US = HOUR_US // 2
TRIPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 200), st.integers(1, 60)), max_size=8)
MINUTE_US = 60 * SECOND_US
Rows = list[tuple[int, int, int]]


def columns(trips: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vehicle = np.array([trip[0] for trip in trips], dtype=np.int32)
    start = np.array([at("06:00") + trip[1] * MINUTE_US for trip in trips], dtype=np.int64)
    return vehicle, start, start + np.array([trip[2] * MINUTE_US for trip in trips], dtype=np.int64)


@given(TRIPS, TRIPS)
def test_cover_is_what_looking_at_every_order_gives(given_orders: Rows, trips: Rows) -> None:
    vehicle, starts, ends = (column.tolist() for column in columns(given_orders))
    listed = [(v, s, e, f"D{n}") for n, (v, s, e) in enumerate(zip(vehicle, starts, ends, strict=True))]
    orders = fleet(3, orders=listed).orders
    number, cover = order_cover(orders, *columns(trips))
    for row, (trip_vehicle, start, end) in enumerate(zip(*columns(trips), strict=True)):
        shares = [
            max(0.0, (min(e + MARGIN_US, end) - max(s - MARGIN_US, start)) / (end - start))
            if v == trip_vehicle
            else 0.0
            for v, s, e, _ in sorted(listed)
        ]
        best = max(shares, default=0.0)
        assert cover[row] == best
        assert number[row] == (sorted(listed)[shares.index(best)][3] if best >= 0.5 else None)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 260), st.booleans()), max_size=12), TRIPS)
def test_cards_are_what_looking_at_every_swipe_gives(given_swipes: list[tuple[int, int, bool]], trips: Rows) -> None:
    once = {(v, m): inserted for v, m, inserted in given_swipes}
    swipes = sorted((v, at("06:00") + m * MINUTE_US, inserted, f"C{m}") for (v, m), inserted in once.items())
    card, missing = driver_cards(fleet(3, swipes=swipes).swipes, *columns(trips))
    for row, (vehicle, start, end) in enumerate(zip(*columns(trips), strict=True)):
        mine = [swipe for swipe in swipes if swipe[0] == vehicle]
        before = [swipe for swipe in mine if swipe[1] <= start][-1:]
        soon = [swipe for swipe in mine if start < swipe[1] <= min(start + 600 * SECOND_US, end) and swipe[2]]
        held = [swipe[3] for swipe in before if swipe[2]] or [swipe[3] for swipe in soon[:1]]
        assert card[row] == (held[0] if held else None)
        assert np.array_equal(missing[row], 0.0 if held else 1.0 if mine else np.nan, equal_nan=True)


def test_a_card_taken_out_as_the_car_comes_to_rest_was_in() -> None:
    start, end = at("09:00"), at("09:05")
    swipes = fleet(swipes=[(0, start - SECOND_US, True, "C1"), (0, end, False, "C1")]).swipes
    card, missing = driver_cards(swipes, np.zeros(1, dtype=np.int32), np.array([start]), np.array([end]))
    assert (card.tolist(), missing.tolist()) == (["C1"], [0.0])


def test_half_a_trip_under_order_is_enough_and_less_is_not() -> None:
    orders = fleet(orders=[(0, at("08:00"), at("09:00"), "D1")]).orders
    vehicle = np.zeros(2, dtype=np.int32)
    start, end = np.full(2, at("09:00")), np.array([at("10:00"), at("10:01")])
    assert order_cover(orders, vehicle, start, end)[0].tolist() == ["D1", None]
