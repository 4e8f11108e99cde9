"""Savings against plain Python, the sum of units against the city, and the published figures of Guangzhou."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ledger import Ledger, prices_of
from analytics.months import month_name
from analytics.savings import CITY, COLUMNS, Register, roll_up
from geo.localtime import day_number
from tests.analytics.fleet_months import Car, by_hand, frame, prices, spread_month, vehicle_day
from tests.analytics.vehicle_months import Prices, vehicle_months

FIRST = day_number(date(2026, 1, 25))
PARENTS = [-1, 0, 1, 0, -1]
PRICE_ROWS = [(FIRST, FIRST + 10, 7.5), (FIRST + 20, FIRST + 60, 8.25)]

cars = st.lists(
    st.builds(
        Car,
        st.integers(0, len(PARENTS) - 1),
        st.one_of(st.none(), st.floats(100, 3000)),
        st.one_of(st.none(), st.floats(4, 20)),
    ),
    min_size=1,
    max_size=6,
)
driven = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 40)), st.floats(0, 400), max_size=40)


def register(fleet: list[Car], parents: list[int] = PARENTS) -> Register:
    def numbers(values: list[float | None]) -> Any:
        return np.array([np.nan if each is None else each for each in values], dtype=np.float64)

    return Register(
        np.array([each.unit for each in fleet], dtype=np.int32),
        numbers([each.baseline_km for each in fleet]) * 1000,
        numbers([each.consumption for each in fleet]),
        np.array(parents, dtype=np.int32),
    )


def rows_of(fleet: list[Car], days: dict[tuple[int, int], float]) -> list[dict[str, Any]]:
    return [vehicle_day(vehicle % len(fleet), FIRST + day, km) for (vehicle, day), km in days.items()]


@settings(deadline=None, max_examples=40)
@given(cars, driven)
def test_every_unit_and_the_city_save_what_counting_days_gives(
    fleet: list[Car], days: dict[tuple[int, int], float]
) -> None:
    rows = rows_of(fleet, days)
    known = prices(*PRICE_ROWS)
    table = roll_up(vehicle_months(frame(rows), known), register(fleet))
    assert list(table.columns) == list(COLUMNS)
    for _, found in table.iterrows():
        month = (1970 + int(found["month"]) // 12, int(found["month"]) % 12 + 1)
        expected = by_hand(rows, fleet, PARENTS, PRICE_ROWS, int(found["group"]), month)
        for name, value in expected.items():
            shown = found[name]
            if np.isnan(shown):  # nothing declared that it could be told from
                assert value == pytest.approx(0, abs=1e-9), name
            else:
                assert shown == pytest.approx(value, rel=1e-9, abs=1e-6), name


@settings(deadline=None, max_examples=30)
@given(cars, driven)
def test_the_city_is_the_sum_of_its_units(fleet: list[Car], days: dict[tuple[int, int], float]) -> None:
    known = prices(*PRICE_ROWS)
    table = roll_up(vehicle_months(frame(rows_of(fleet, days)), known), register(fleet)).fillna(0)
    tops = [unit for unit, parent in enumerate(PARENTS) if parent < 0]
    city = table[table["group"] == CITY].set_index("month")
    units = table[table["group"].isin(tops)].groupby("month").sum()
    for name in ("vehicles", "vehicle_days", "trips", "distance_m", "baseline_m", "saved_m", "saved_l", "saved_yuan"):
        assert city[name].to_numpy() == pytest.approx(units[name].to_numpy(), rel=1e-9, abs=1e-6)
    below = table[table["group"].isin([1, 3])].groupby("month")["distance_m"].sum()
    above = table[table["group"] == 0].set_index("month")["distance_m"]
    own = [each.unit == 0 for each in fleet]
    if not any(own):
        assert above.to_numpy() == pytest.approx(below.to_numpy())


@settings(deadline=None, max_examples=30)
@given(cars, driven)
def test_a_period_sums_its_months_and_its_interval_is_wider_than_of_independent_months(
    fleet: list[Car], days: dict[tuple[int, int], float]
) -> None:
    known = prices(*PRICE_ROWS)
    months = vehicle_months(frame(rows_of(fleet, days)), known)
    single = roll_up(months, register(fleet))
    whole = roll_up(months, register(fleet), 59)
    assert whole["group"].is_unique
    for _, row in whole.iterrows():
        parts = single[single["group"] == row["group"]].fillna(0)
        for name in ("vehicle_days", "distance_m", "baseline_m"):
            assert row[name] == pytest.approx(parts[name].sum(), rel=1e-9, abs=1e-6)
        reach = parts["distance_high_m"] - parts["distance_m"]
        assert row["distance_high_m"] - row["distance_m"] >= np.sqrt((reach**2).sum()) * (1 - 1e-9)
        assert row["distance_high_m"] - row["distance_m"] <= reach.sum() * (1 + 1e-9)


def test_a_month_observed_in_part_is_compared_with_that_part_of_the_baseline() -> None:
    fleet = [Car(0, 3100.0, 10.0), Car(0, 3100.0, 10.0)]
    january = day_number(date(2026, 1, 1))
    rows = [vehicle_day(0, january + day, 50.0) for day in range(10)]
    known = prices((january, january + 4, 8.0))
    table = roll_up(vehicle_months(frame(rows), known), register(fleet, [-1]))
    (row,) = table[table["group"] == CITY].to_dict("records")
    assert row["baseline_m"] == pytest.approx(1_000_000)
    assert row["saved_m"] == pytest.approx(500_000)
    assert row["saved_l"] == pytest.approx(50)
    assert row["saved_yuan"] == pytest.approx(200), "half of the days have a price"
    assert (row["priced_days"], row["unpriced_days"]) == (5, 5)
    assert (row["vehicles_registered"], row["vehicles"], row["vehicle_days_possible"]) == (2, 1, 62)
    assert row["coverage"] == pytest.approx(10 / 62)


@pytest.mark.parametrize(
    ("car", "price", "unknown"),
    [
        (Car(0, None, 8.0), 7.8, ["saved_m", "saved_share", "saved_l", "saved_yuan", "saved_low_yuan"]),
        (Car(0, 1000.0, None), 7.8, ["saved_l", "saved_high_l", "saved_yuan", "consumption_l_100km"]),
        (Car(0, 1000.0, 8.0), None, ["saved_yuan", "saved_low_yuan", "saved_high_yuan", "price_yuan_per_l"]),
    ],
)
def test_what_is_not_declared_saves_nothing_that_could_be_told(
    car: Car, price: float | None, unknown: list[str]
) -> None:
    known = Prices.none() if price is None else prices((FIRST, FIRST + 60, price))
    months = vehicle_months(frame([vehicle_day(0, FIRST, 10.0)]), known)
    row = roll_up(months, register([car], [-1])).iloc[0]
    assert row[unknown].isna().all()
    assert row["distance_m"] == 10_000
    assert row[[name for name in COLUMNS if name not in unknown and name.startswith("vehicle")]].notna().all()


def test_driving_more_than_the_baseline_is_a_negative_saving() -> None:
    months = vehicle_months(frame([vehicle_day(0, FIRST, 100.0)]), Prices.none())
    row = roll_up(months, register([Car(0, 310.0, 8.0)], [-1])).iloc[0]
    assert row["saved_m"] == pytest.approx(-90_000)
    assert row["saved_low_m"] < row["saved_m"] < row["saved_high_m"]


def test_nobody_observed_is_no_row() -> None:
    assert len(roll_up(vehicle_months(frame([]), Prices.none()), register([Car(0, 1.0, 1.0)]))) == 0


@dataclass(frozen=True)
class Listed:
    valid_from: int
    valid_to: int
    yuan_per_l: float


def test_rows_of_a_store_become_a_ledger_with_its_sources() -> None:
    vehicles = pd.DataFrame(
        {
            "vehicle_id": [4, 7, 9], "unit_id": [20, 30, 30], "baseline_km_month": [1000.0, None, 900.0],
            "consumption_l_100km": [8.0, 9.0, 10.0], "baseline_source": ["returns", "none", "returns"],
            "consumption_source": ["type approval", "", ""],
        }
    )  # fmt: skip
    units = pd.DataFrame({"unit_id": [20, 30], "parent_id": pd.array([10, 20], dtype="Int64")})
    months = vehicle_months(frame([vehicle_day(0, FIRST, 10.0), vehicle_day(1, FIRST, 20.0)]), Prices.none())
    months["vehicle_id"] = [7, 9]
    listed = [Listed(0, 9, 7.0), Listed(10, 20, 8.0)]
    ledger = Ledger.of(months.drop(columns="vehicle_ix"), vehicles, units)
    assert ledger.register.parent_ix.tolist() == [-1, 0]  # the parent of the first is not among them
    table = ledger.rolled()
    assert table[["group", "vehicles", "vehicles_registered"]].to_numpy().tolist() == [[-1, 2, 3], [0, 2, 3], [1, 2, 2]]
    assert ledger.sources(CITY, "baseline") == [("returns", 2)]
    assert ledger.sources(1, "consumption") == [("", 2)]
    assert ledger.sources(0, "consumption") == [("", 2), ("type approval", 1)]
    assert [each.yuan_per_l for each in prices_of(listed, 9, 9)] == [7.0]
    assert prices_of(listed, 21, 30) == []


VEHICLES, BASELINE_KM, UNITS = 8_628, 1_769.97, 56
"""Guangzhou's official vehicles at the end of 2013, and their kilometres a month before supervision."""


def guangzhou(year: int, month: int, km: float, *, alike: bool = False) -> dict[str, float]:
    """The city's month of 8,628 vehicles that drove `km` each on average, from vehicle-days.

    Baselines spread by a fifth about the published mean. Consumption has a mean of 8.0 L/100 km; unless all are
    `alike`, it spreads by 0.8, and the cars that were driven more are the thirstier ones (correlation 0.4).
    """
    days = spread_month(year, month, VEHICLES, km, seed=2013)
    rng = np.random.default_rng(8_628)
    size, other = rng.normal(0, 1, (2, VEHICLES))
    baseline = np.maximum(1 + 0.2 * size, 0.3)
    baseline *= BASELINE_KM / baseline.mean()
    consumption = np.full(VEHICLES, 8.0) if alike else 8.0 + 0.8 * (0.4 * size + 0.92 * other)
    consumption *= 8.0 / consumption.mean()
    parents = np.array([-1] + [0] * UNITS, dtype=np.int32)
    of_unit = rng.integers(1, UNITS + 1, VEHICLES).astype(np.int32)
    known = prices((int(days["day"].min()), int(days["day"].max()), 7.8))
    table = roll_up(vehicle_months(days, known), Register(of_unit, baseline * 1000, consumption, parents))
    (city,) = table[table["group"] == CITY].index
    units = table[table["group"] > 0]
    assert len(units) == UNITS
    assert units["saved_yuan"].sum() == pytest.approx(table.loc[city, "saved_yuan"])
    return {name: float(value) for name, value in table.loc[city].items()}


def test_guangzhou_december_2013_comes_out_of_its_vehicle_days() -> None:
    """Mileage down 52.2 %, more than 60 million yuan a year: at the published means, with spread."""
    city = guangzhou(2013, 12, 846.0, alike=False)
    assert month_name(int(city["month"])) == "2013-12"
    assert (city["vehicles"], city["vehicles_with_baseline"], city["coverage"]) == (VEHICLES, VEHICLES, 1.0)
    assert city["distance_m"] / VEHICLES / 1000 == pytest.approx(846.0)
    assert city["baseline_m"] / VEHICLES / 1000 == pytest.approx(BASELINE_KM)
    assert round(100 * city["saved_share"], 1) == 52.2
    assert city["saved_m"] * 12 / 1e9 == pytest.approx(95.7, abs=0.05)  # million kilometres a year
    assert city["saved_yuan"] * 12 > 60e6
    assert round(city["consumption_l_100km"], 1) == 8.1  # by kilometre; 8.0 by vehicle
    assert city["saved_low_yuan"] < city["saved_yuan"] < city["saved_high_yuan"]


def test_at_one_consumption_for_all_the_published_figures_agree_within_their_rounding() -> None:
    """924 km × 8,628 × 12 × 8.0 L/100 km × 7.8 yuan are 59.7 million: the three round figures meet within 0.6 %."""
    city = guangzhou(2013, 12, 846.0, alike=True)
    assert city["saved_yuan"] * 12 == pytest.approx(8_628 * (1_769.97 - 846) * 12 * 0.08 * 7.8)
    assert city["saved_yuan"] * 12 == pytest.approx(60e6, rel=0.006)
    assert city["saved_low_yuan"] * 12 < 60e6 < city["saved_high_yuan"] * 12


@pytest.mark.parametrize(("km", "published"), [(1_265.24, 28.5), (1_291.32, 27.04)])
def test_the_published_series_of_2012_comes_out_as_well(km: float, published: float) -> None:
    city = guangzhou(2012, 2, km, alike=False)
    assert city["vehicle_days_possible"] == VEHICLES * 29
    assert 100 * city["saved_share"] == pytest.approx(published, abs=0.02)
