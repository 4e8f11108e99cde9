"""The audit is a function of the set of positions: no order, repetition, division or period changes a row of it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from analytics import measure as measure_module
from analytics.audit import Tables, audit
from analytics.context import FleetContext, nothing_known
from analytics.duty import UnknownDayError
from geo.localtime import local_day
from geo.positions import Positions
from tests.analytics.tracks import MONDAY, Car, at, fleet, office, square

DAYS = 4
MAY_BE_MISSING = {
    "odometer_m", "max_speed_mps", "card_missing", "dispatch_order", "driver_card", "speeding_s", "out_of_province_m",
}  # fmt: skip
CITY = square("city", "city", (-50_000, 9_000), (-50_000, 50_000))
DISTRICT = square("district", "district", (-50_000, 4_000), (-50_000, 60_000))


def some_day(car: Car, seed: int) -> None:
    """Trips, waits, dark garages and short silences until about 21:00, then parked for the night."""
    rng = np.random.default_rng(seed)
    end = at("21:00", MONDAY + (car.clock - at("00:00")) // 86_400_000_000)
    while car.clock < end:
        car.streets(int(rng.integers(2, 30)))
        if rng.random() < 0.2:
            car.drive(int(rng.integers(10, 200)), 38.0, 180.0)
        if rng.random() < 0.4:
            car.wait(int(rng.integers(20, 500)))
        elif rng.random() < 0.5:
            car.skip(1).report(on=False).park(int(rng.integers(1200, 9000)), drift_m=30, fix=bool(rng.random() < 0.8))
        else:
            car.skip(int(rng.integers(60, 2500)))
        if rng.random() < 0.2:
            car.jump(3000).skip(5).report(12.0).jump(-3000)
    car.park(int(rng.integers(2, 11)) * 3600, drift_m=30)


@cache
def batch(seed: int, vehicles: int = 2) -> Positions:
    cars = []
    for number in range(vehicles):
        car = Car(vehicle_ix=number, seed=seed + number, noise_m=5.0, speed=seed % 3 != 0, clock=at("00:10")).report()
        for day in range(DAYS):
            some_day(car, seed * 10 + number * 100 + day)
        cars.append(car.positions())
    return Positions.concat(cars)


def context(vehicles: int = 2) -> FleetContext:
    return fleet(
        vehicles, calendar=office(), area=CITY, zones=[CITY], orders=[(0, at("09:00"), at("12:00"), "D1")],
        swipes=[(0, at("08:00"), True, "C1")], regions=(DISTRICT, CITY, None),
    )  # fmt: skip


def same(one: Tables, other: Tables) -> None:
    for table in ("trips", "stops", "vehicle_days"):
        assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=False, rtol=1e-9, atol=1e-6)


def of_days(positions: Positions, first: int, last: int) -> Positions:
    day = local_day(positions.fix_time)
    return positions.take((day >= first) & (day <= last))


SEEDS = st.integers(0, 8)
FEW = settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(SEEDS, st.integers(0, 2**31))
def test_order_and_repetition_change_nothing(seed: int, shuffle: int) -> None:
    positions = batch(seed)
    rng = np.random.default_rng(shuffle)
    again = rng.integers(0, len(positions), len(positions) // 3)
    mixed = rng.permutation(np.concatenate((np.arange(len(positions)), again)))
    expected = audit(positions, context(), MONDAY, MONDAY + DAYS)
    assert len(expected.trips) > 5
    same(audit(positions.take(mixed), context(), MONDAY, MONDAY + DAYS), expected)


@FEW
@given(SEEDS)
def test_size_of_the_chunks_changes_nothing(seed: int) -> None:
    positions = batch(seed, 3)
    expected = audit(positions, context(3), MONDAY, MONDAY + DAYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure_module, "CHUNK_POSITIONS", 1)
        same(audit(positions, context(3), MONDAY, MONDAY + DAYS), expected)


@FEW
@given(SEEDS, st.integers(0, DAYS - 1))
def test_a_day_has_the_same_rows_whatever_period_is_asked_for(seed: int, offset: int) -> None:
    positions, day = batch(seed), MONDAY + offset
    whole = audit(positions, context(), MONDAY, MONDAY + DAYS)
    alone = audit(of_days(positions, day - 1, day + 1), context(), day, day)
    same(
        alone,
        Tables(*(t[t["day"] == day].reset_index(drop=True) for t in (whole.trips, whole.stops, whole.vehicle_days))),
    )


@pytest.mark.parametrize("fix", [True, False])
@pytest.mark.parametrize("offset", range(6))
def test_so_has_a_day_within_a_silence_of_days(offset: int, fix: bool) -> None:
    car = Car().report(on=False).park(1800).streets(5).skip(1).report(on=False)
    car = car.skip(3 * 86_400) if fix else car.park(3 * 86_400, fix=False)
    positions = car.jump(500).report(on=False).park(1800).streets(5).park(3600).positions()
    day = MONDAY + offset
    whole = audit(positions, fleet(), MONDAY - 1, MONDAY + 6)
    alone = audit(of_days(positions, day - 1, day + 1), fleet(), day, day)
    same(
        alone,
        Tables(*(t[t["day"] == day].reset_index(drop=True) for t in (whole.trips, whole.stops, whole.vehicle_days))),
    )


@FEW
@given(SEEDS)
def test_a_vehicle_has_the_same_rows_whoever_is_beside_it(seed: int) -> None:
    positions = batch(seed, 3)
    whole = audit(positions, context(3), MONDAY, MONDAY + DAYS)
    alone = audit(positions.take(positions.vehicle_ix == 1), context(3), MONDAY, MONDAY + DAYS)
    tables = (whole.trips, whole.stops, whole.vehicle_days)
    same(alone, Tables(*(t[t["vehicle_ix"] == 1].reset_index(drop=True) for t in tables)))


@FEW
@given(SEEDS)
def test_days_sum_to_their_trips_and_numbers_are_finite(seed: int) -> None:
    found = audit(batch(seed), context(), MONDAY - 1, MONDAY + DAYS + 1)
    for column in ("moving_s", "gps_m", "off_hours_m", "out_of_area_m"):
        assert found.vehicle_days[column].sum() == pytest.approx(found.trips[column].sum(), abs=0.01)
    on_trips = found.vehicle_days["distance_m"].sum() - found.vehicle_days["gap_m"].sum()
    assert on_trips == pytest.approx(found.trips["distance_m"].sum(), abs=0.01)
    assert found.vehicle_days["trips"].sum() == len(found.trips)
    for table in (found.trips, found.stops, found.vehicle_days):
        for column in set(table.columns) - MAY_BE_MISSING:
            assert table[column].notna().all(), column
            if pd.api.types.is_float_dtype(table[column]):
                assert np.isfinite(table[column]).all(), column
    trips = found.trips
    assert trips["trip_id"].is_unique
    assert (trips["moving_s"] <= trips["duration_s"] + 1e-6).all()
    assert trips[["off_hours_share", "out_of_area_share", "order_cover"]].to_numpy().max() <= 1 + 1e-9


def test_nothing_gives_the_columns_of_something() -> None:
    something, nothing = (
        audit(positions, fleet(), MONDAY, MONDAY) for positions in (Car().streets(10).positions(), Positions.empty())
    )
    for table in ("trips", "stops", "vehicle_days"):
        assert len(getattr(nothing, table)) == 0
        assert list(getattr(nothing, table).columns) == list(getattr(something, table).columns)


def test_a_single_position_is_a_vehicle_day_without_trip() -> None:
    found = audit(Car().report().positions(), fleet(), MONDAY, MONDAY)
    assert (len(found.trips), len(found.stops)) == (0, 0)
    assert found.vehicle_days[["positions", "trips", "distance_m"]].to_numpy().tolist() == [[1, 0, 0]]


def test_a_vehicle_with_invalid_fixes_only_stands_beside_the_others() -> None:
    blind = Car(vehicle_ix=0).park(7200, fix=False)
    seen = Car(vehicle_ix=1).report().park(1800).streets(10)
    found = audit(Positions.concat([blind.positions(), seen.positions()]), fleet(2), MONDAY, MONDAY)
    assert found.trips["vehicle_ix"].tolist() == [1]
    assert found.vehicle_days["vehicle_ix"].tolist() == [0, 1]
    assert found.vehicle_days["positions"].tolist()[0] == 24


def test_a_wrong_clock_counts_as_doubtful_on_the_day_it_claims() -> None:
    car = Car().report().park(1800)
    positions = car.positions()
    received = positions.received_at.copy()
    received[3] -= 3600 * 1_000_000
    wrong = replace(positions, received_at=received)
    assert audit(wrong, fleet(), MONDAY, MONDAY).vehicle_days["doubtful"].tolist() == [1]


def test_a_trip_over_midnight_belongs_to_its_first_day_and_gives_each_day_its_metres() -> None:
    car = Car(clock=at("23:00")).report(on=False).park(3000).streets(20).park(3600)
    found = audit(car.positions(), fleet(), MONDAY, MONDAY + 1)
    assert found.trips["day"].tolist() == [MONDAY]
    days = found.vehicle_days
    assert days["trips"].tolist() == [1, 0]
    assert days["distance_m"].tolist() == pytest.approx([600 * 12, 600 * 12], rel=0.02)
    assert days["odometer_m"].sum() == pytest.approx(1200 * 12, abs=2)
    assert days["distance_m"].sum() == pytest.approx(found.trips["distance_m"].sum())


def test_a_stop_over_midnight_is_cut_there() -> None:
    car = Car(clock=at("23:00")).report(on=False).park(7200)
    stops = audit(car.positions(), fleet(), MONDAY, MONDAY + 1).stops
    assert stops["day"].tolist() == [MONDAY, MONDAY + 1]
    assert stops["end_time"].tolist() == [at("00:00", MONDAY + 1), at("01:00", MONDAY + 1)]
    assert stops["start_time"].tolist()[1] == at("00:00", MONDAY + 1)


def test_a_day_outside_the_question_may_be_unknown_to_the_calendar() -> None:
    calendar = office(first=MONDAY, days=1)
    car = Car().report(on=False).park(1800).streets(10).park(86_400).streets(10).park(1800)
    context = fleet(calendar=calendar)
    assert len(audit(car.positions(), context, MONDAY, MONDAY).trips) == 1
    with pytest.raises(UnknownDayError, match=r"'office' does not know 2026-03-03: import .* `gongche import"):
        audit(car.positions(), context, MONDAY, MONDAY + 1)


def test_a_context_of_which_nothing_is_known_suffices() -> None:
    found = audit(Car().streets(10).positions(), nothing_known(np.array([7], dtype=np.int32)), MONDAY, MONDAY)
    assert found.trips["trip_id"].tolist() == ["7-20260302T080010"]
    assert found.trips["off_hours_s"].tolist() == [0.0]
