"""Refuelling against positions: each number by hand, and all of them whatever the order of the rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.record_thresholds import DEFAULT
from analytics.refuelling import NEVER, refuel_table
from analytics.vocabulary import REFUEL_FEATURES
from geo.localtime import DAY_US, SECOND_US, day_start_us

DAY = 20_000
NOON = day_start_us(DAY) + DAY_US // 2
HOUR_US = 3600 * SECOND_US
STATION = (23.10, 113.30)
KM_LAT = 1 / 110.75  # degrees of latitude of a kilometre hereabouts

NO_TRIPS = pd.DataFrame(
    columns=["vehicle_id", "start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon", "distance_m"]
)
NO_STOPS = pd.DataFrame(columns=["vehicle_id", "start_time", "end_time", "lat", "lon", "kind"])
NO_GAUGE = pd.DataFrame(columns=["row", "time", "fuel_l"])
NO_DAYS = pd.DataFrame(columns=["vehicle_id", "day"])


def refuel(**more: Any) -> dict[str, Any]:
    return {
        "receipt_no": "R1", "vehicle_id": 7, "refuelled_at": NOON, "before_at": NEVER, "litres": 40.0,
        "lat": STATION[0], "lon": STATION[1], "vehicle_class": "ordinary", "tank_l": 60.0, "consumption_l_100km": 8.0,
        **more,
    }  # fmt: skip


def stood(start: int, end: int, km_north: float, kind: str = "stop") -> dict[str, Any]:
    return {
        "vehicle_id": 7, "start_time": start, "end_time": end, "lat": STATION[0] + km_north * KM_LAT,
        "lon": STATION[1], "kind": kind,
    }  # fmt: skip


def drove(start: int, end: int, from_km: float, to_km: float, km: float, vehicle: int = 7) -> dict[str, Any]:
    return {
        "vehicle_id": vehicle, "start_time": start, "end_time": end, "start_lat": STATION[0] + from_km * KM_LAT,
        "start_lon": STATION[1], "end_lat": STATION[0] + to_km * KM_LAT, "end_lon": STATION[1], "distance_m": km * 1000,
    }  # fmt: skip


def judged(
    given_: dict[str, Any],
    *,
    trips: list[dict[str, Any]] | None = None,
    stops: list[dict[str, Any]] | None = None,
    days: range = range(0),
    gauge: list[tuple[int, float]] | None = None,
) -> dict[str, Any]:
    table = refuel_table(
        pd.DataFrame([given_]),
        pd.DataFrame(trips) if trips else NO_TRIPS,
        pd.DataFrame(stops) if stops else NO_STOPS,
        pd.DataFrame({"vehicle_id": 7, "day": list(days)}) if days else NO_DAYS,
        pd.DataFrame([(0, NOON + when, litres) for when, litres in gauge], columns=["row", "time", "fuel_l"])
        if gauge
        else NO_GAUGE,
    )
    assert set(REFUEL_FEATURES) < set(table.columns)
    (row,) = table.to_dict("records")
    return {str(name): value for name, value in row.items()}


def missing(value: float) -> bool:
    return bool(np.isnan(value))


def test_a_refuelling_of_which_nothing_else_is_known_says_its_litres() -> None:
    row = judged(refuel(tank_l=np.nan))
    assert (row["refuel_id"], row["day"], row["refuel_l"]) == ("R1-7", DAY, 40.0)
    assert all(missing(row[name]) for name in ("over_tank_l", "unseen_l", "apart_m", "since_m", "l_100km"))


def test_the_tank_takes_its_size_or_what_the_gauge_left_free() -> None:
    assert judged(refuel(litres=63.5))["over_tank_l"] == 3.5
    gauge = [(-HOUR_US // 2, 15.0), (-60 * SECOND_US, 14.0), (HOUR_US // 2, 54.0)]
    row = judged(refuel(litres=50.0), gauge=gauge)
    assert (row["over_tank_l"], row["unseen_l"]) == (4.0, 10.0)


def test_one_reading_of_the_gauge_shows_no_rise() -> None:
    row = judged(refuel(litres=63.0), gauge=[(-60, 30.0)])
    assert missing(row["unseen_l"])
    assert row["over_tank_l"] == 3.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 50), st.integers(0, 60)), max_size=20), st.randoms())
def test_the_rise_is_the_largest_of_a_later_over_an_earlier_reading(
    readings: list[tuple[int, int, int]], shuffle: Any
) -> None:
    distinct = list({(row, when): litres for row, when, litres in readings}.items())
    shuffle.shuffle(distinct)
    gauge = pd.DataFrame([(row, when, litres) for (row, when), litres in distinct], columns=["row", "time", "fuel_l"])
    refuels = pd.DataFrame([refuel(receipt_no=f"R{number}", refuelled_at=NOON) for number in range(3)])
    found = refuel_table(refuels, NO_TRIPS, NO_STOPS, NO_DAYS, gauge)["unseen_l"].tolist()
    for number in range(3):
        mine = sorted((when, litres) for (row, when), litres in distinct if row == number)
        if len(mine) < 2:
            assert missing(found[number])
        else:
            rises = [later - earlier for place, (_, earlier) in enumerate(mine) for _, later in mine[place:]]
            assert found[number] == 40.0 - max(rises)


def test_the_way_since_the_refuelling_before_gives_the_consumption() -> None:
    before = NOON - 2 * DAY_US
    trips = [
        drove(before - HOUR_US, before + HOUR_US, 0, 0, 100),  # half of it after the refuelling before
        drove(before + 5 * HOUR_US, before + 6 * HOUR_US, 0, 0, 350),
        drove(NOON + HOUR_US, NOON + 2 * HOUR_US, 0, 0, 70),
    ]
    row = judged(refuel(before_at=before), trips=trips, days=range(DAY - 2, DAY + 1))
    assert (row["since_m"], row["l_100km"], row["consumption_ratio"]) == (400_000.0, 10.0, 1.25)


def test_a_day_that_nobody_observed_leaves_the_way_unknown() -> None:
    before = NOON - 2 * DAY_US
    trips = [drove(before + HOUR_US, before + 2 * HOUR_US, 0, 0, 350)]
    days = range(DAY - 2, DAY)
    assert missing(judged(refuel(before_at=before), trips=trips, days=days)["since_m"])


def test_a_short_way_says_how_short_it_was_and_no_consumption() -> None:
    trips = [drove(NOON - 2 * HOUR_US, NOON - HOUR_US, 0, 0, 19.9)]
    row = judged(refuel(before_at=NOON - 3 * HOUR_US), trips=trips, days=range(DAY, DAY + 1))
    assert row["since_m"] == pytest.approx(19_900)
    assert missing(row["l_100km"])


def test_a_refuelling_before_that_lies_too_far_back_is_none() -> None:
    before = NOON - (DEFAULT.since_days + 1) * DAY_US
    days = range(DAY - DEFAULT.since_days - 1, DAY + 1)
    assert missing(judged(refuel(before_at=before), days=days)["since_m"])


def test_a_vehicle_that_stood_elsewhere_all_the_time_was_that_far_away() -> None:
    row = judged(refuel(), stops=[stood(NOON - HOUR_US, NOON + HOUR_US, 5.0)])
    assert row["apart_m"] == pytest.approx(5000, rel=1e-3)


def test_the_nearest_place_about_the_time_counts() -> None:
    stops = [stood(NOON - HOUR_US, NOON - 120 * SECOND_US, 5.0), stood(NOON + 240 * SECOND_US, NOON + HOUR_US, 0.1)]
    trips = [drove(NOON - 120 * SECOND_US, NOON + 240 * SECOND_US, 5.0, 0.1, 5.2)]
    assert judged(refuel(), stops=stops, trips=trips)["apart_m"] == pytest.approx(0, abs=1)


def test_on_the_way_it_came_no_nearer_than_the_way_was_long() -> None:
    start, end = NOON - HOUR_US, NOON + HOUR_US
    passed_by = judged(refuel(), trips=[drove(start, end, 30.0, -30.0, 70)])
    assert passed_by["apart_m"] == 0.0
    kept_away = judged(refuel(), trips=[drove(start, end, 30.0, 50.0, 24)])
    assert kept_away["apart_m"] == pytest.approx(28_000, rel=1e-3)


def test_what_can_be_driven_in_the_part_of_a_way_about_the_time_is_not_more() -> None:
    begun = NOON + 480 * SECOND_US  # two minutes of the window are left
    stops = [stood(NOON - HOUR_US, begun, 20.0)]
    row = judged(refuel(), stops=stops, trips=[drove(begun, NOON + 3 * HOUR_US, 20.0, -20.0, 60)])
    assert row["apart_m"] == pytest.approx(20_000 - 120 * DEFAULT.fastest_mps, rel=1e-3)


@pytest.mark.parametrize(
    "stops",
    [
        [stood(NOON - HOUR_US, NOON + HOUR_US, 5.0, "gap")],
        [stood(NOON - HOUR_US, NOON, 5.0), stood(NOON, NOON + HOUR_US, 5.0, "gap")],
        [stood(NOON - HOUR_US, NOON + 599 * SECOND_US, 5.0)],
        [stood(NOON - 599 * SECOND_US, NOON + HOUR_US, 5.0)],
        [],
    ],
)
def test_a_silence_or_a_time_known_in_part_accuses_nobody(stops: list[dict[str, Any]]) -> None:
    assert missing(judged(refuel(), stops=stops)["apart_m"])


def test_a_station_without_a_place_is_nowhere() -> None:
    row = judged(refuel(lat=np.nan, lon=np.nan), stops=[stood(NOON - HOUR_US, NOON + HOUR_US, 5.0)])
    assert missing(row["apart_m"])


def test_the_order_of_all_rows_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    refuels = pd.DataFrame(
        [
            refuel(
                receipt_no=f"R{number}", vehicle_id=7 + number % 3, refuelled_at=NOON + number * HOUR_US,
                before_at=NOON - DAY_US, lat=STATION[0] + number * KM_LAT,
            )
            for number in range(9)
        ]
    )  # fmt: skip
    trips = pd.DataFrame(
        [
            drove(NOON + part * HOUR_US, NOON + (part + 1) * HOUR_US - 1, part, part + 1, rng.random() * 90, vehicle)
            for vehicle in (7, 8, 9)
            for part in range(-12, 12, 2)
        ]
    )
    stops = pd.DataFrame(
        [
            {**stood(NOON + part * HOUR_US, NOON + (part + 1) * HOUR_US, part), "vehicle_id": vehicle}
            for vehicle in (7, 8, 9)
            for part in range(-11, 12, 2)
        ]
    )
    observed = pd.DataFrame(
        [(vehicle, day) for vehicle in (7, 8, 9) for day in (DAY - 1, DAY)], columns=["vehicle_id", "day"]
    )
    gauge = pd.DataFrame({"row": rng.integers(0, 9, 200), "time": rng.permutation(200), "fuel_l": rng.random(200) * 60})
    once = refuel_table(refuels, trips, stops, observed, gauge)
    trips, stops, observed, gauge = (each.sample(frac=1, random_state=4) for each in (trips, stops, observed, gauge))
    pd.testing.assert_frame_equal(refuel_table(refuels, trips, stops, observed, gauge), once)
    assert once[["since_m", "apart_m", "unseen_l", "l_100km"]].notna().any().all()
