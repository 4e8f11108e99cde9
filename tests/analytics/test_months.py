"""Vehicle-days to vehicle-months: borders of months and prices, what was observed, and no dependence on order."""

from datetime import date
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.months import SHARED_ERROR, ancestors, by_values, days_in, month_days, month_name, together
from geo.localtime import day_date, day_number
from tests.analytics.fleet_months import frame, prices, vehicle_day
from tests.analytics.vehicle_months import Prices, month_of, vehicle_months

JAN_31 = day_number(date(2026, 1, 31))
NO_PRICES = Prices.none()


@given(st.integers(-20_000, 40_000))
def test_a_month_is_that_of_the_calendar(day: int) -> None:
    when = day_date(day)
    month = int(month_of(np.array([day], dtype=np.int32))[0])
    assert month_name(month) == f"{when.year:04}-{when.month:02}"
    first, last = month_days(month)
    assert first <= day <= last
    assert day_date(first).day == 1
    assert day_date(last + 1).day == 1
    assert int(days_in(np.array([month], dtype=np.int32))[0]) == last - first + 1


def test_a_month_ends_at_local_midnight_of_its_last_day() -> None:
    rows = frame([vehicle_day(0, JAN_31 + offset, km) for offset, km in ((0, 10.0), (1, 20.0))])
    months = vehicle_months(rows, NO_PRICES)
    assert [month_name(each) for each in months["month"]] == ["2026-01", "2026-02"]
    assert months["distance_m"].tolist() == [10_000.0, 20_000.0]


def test_each_day_has_its_own_price_and_a_day_between_prices_none() -> None:
    rows = frame([vehicle_day(0, JAN_31 - offset, 10.0 + offset) for offset in range(4)])
    split = prices((JAN_31 - 40, JAN_31 - 2, 7.0), (JAN_31, JAN_31 + 9, 8.0))
    (month,) = vehicle_months(rows, split).to_dict("records")
    assert (month["days"], month["priced_days"], month["price_days"]) == (4, 3, 7.0 + 7.0 + 8.0)
    assert month["price_m"] == 1000 * (10 * 8.0 + 12 * 7.0 + 13 * 7.0)
    days = 1000 * np.hypot.reduce([10 * 8.0, 12 * 7.0, 13 * 7.0])
    assert month["price_below_m"] == pytest.approx(0.02 * days)
    assert month["price_above_m"] == pytest.approx(0.03 * days)


def test_a_day_without_a_usable_position_was_not_observed() -> None:
    rows = frame([vehicle_day(0, JAN_31, 10.0), vehicle_day(0, JAN_31 - 1, 0.0, doubtful=True)])
    assert vehicle_months(rows, NO_PRICES)["days"].tolist() == [1]


def test_nothing_sums_to_nothing() -> None:
    assert len(vehicle_months(frame([]), NO_PRICES)) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70), st.floats(0, 500)), max_size=40), st.randoms())
def test_the_order_of_days_changes_no_bit(rows: list[tuple[int, int, float]], random: Random) -> None:
    days = frame([vehicle_day(vehicle, JAN_31 + offset, km) for vehicle, offset, km in rows])
    shuffled = list(range(len(days)))
    random.shuffle(shuffled)
    split = prices((JAN_31, JAN_31 + 20, 7.0), (JAN_31 + 30, JAN_31 + 99, 8.0))
    expected = vehicle_months(days, split)
    pd.testing.assert_frame_equal(vehicle_months(days.take(shuffled), split), expected, check_exact=True)
    assert expected["days"].sum() == len(rows)


@pytest.mark.parametrize(
    ("parents", "pairs"),
    [
        ([], []),
        ([-1, 0, 1], [(0, 0), (1, 1), (1, 0), (2, 2), (2, 1), (2, 0)]),
        ([1, 0], [(0, 0), (0, 1), (1, 1), (1, 0)]),  # a circle
    ],
)
def test_a_unit_counts_in_itself_and_in_every_unit_above(parents: list[int], pairs: list[tuple[int, int]]) -> None:
    unit, above = ancestors(np.array(parents, dtype=np.int32))
    assert list(zip(unit.tolist(), above.tolist(), strict=True)) == pairs


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_errors_add_up_between_independent_and_fully_dependent(margins: list[float]) -> None:
    margin = np.array(margins)
    reach = together(margin, np.zeros(len(margin), dtype=np.int64), 1)[0]
    assert np.sqrt((margin**2).sum()) <= reach * (1 + 1e-12)
    assert reach <= margin.sum() * (1 + 1e-12)


def test_a_large_fleet_is_as_uncertain_as_what_its_vehicles_share() -> None:
    many = together(np.ones(10_000), np.zeros(10_000, dtype=np.int64), 1)[0] / 10_000
    assert many == pytest.approx(np.sqrt(SHARED_ERROR), rel=1e-3)
    assert together(np.array([3.0]), np.zeros(1, dtype=np.int64), 1).tolist() == [3.0]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), *[st.sampled_from([0.0, -0.0, 1.0, 2.5, np.nan])] * 3),
        min_size=1,
        max_size=40,
    )
)
def test_rows_come_by_keys_and_then_by_values(rows: list[tuple[float, ...]]) -> None:
    """Held against numpy's sort of every column: the order in which values are added tells the last bit of their sums."""
    columns = list(np.array(rows).T)
    order = by_values([each.astype(np.int32) for each in columns[:2]], columns[2:])
    np.testing.assert_array_equal(order, np.lexsort(columns[::-1]))
