"""Rhythms of weeks: on how many days a trip's place and hour recur."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.asked import Asked
from analytics.patterns import patterns
from tests.analytics.tracks import MONDAY
from tests.analytics.weeks import degrees, frame, hour_of, trip

YARD, CLUB, SCHOOL = (0.0, 0.0), (5_000.0, 0.0), (0.0, 4_000.0)


def nights_at(spot: tuple[float, float], *days: int, base_m: float = 4_900.0) -> pd.DataFrame:
    lat, lon = degrees(spot)
    row = {"vehicle_ix": 0, "lat": lat, "lon": lon, "base_m": base_m}
    return pd.DataFrame([{"day": day, **row} for day in days], columns=["day", *row])


NO_NIGHT = nights_at(CLUB)


def evening(day: int, clock: str = "19:00", **values: object) -> dict[str, object]:
    until = f"{int(clock[:2])}:{int(clock[3:]) + 20}"
    return trip(clock, until, YARD, CLUB, MONDAY + day, **values)


def recurring(*rows: dict[str, object]) -> list[float]:
    found: list[float] = patterns(Asked(frame(*rows)), NO_NIGHT)["recurring_days"].tolist()
    return found


def test_days_at_the_same_place_and_hour_are_counted_up_to_each() -> None:
    assert recurring(evening(0), evening(3), evening(7), evening(7, "19:25")) == [1.0, 2.0, 3.0, 3.0]


def test_another_hour_or_another_place_is_another_matter() -> None:
    assert recurring(evening(0, "17:00"), evening(1, "18:05")) == [1.0, 1.0]
    assert recurring(evening(0, "17:00"), evening(1, "18:00")) == [1.0, 2.0]
    assert recurring(evening(0), trip("19:00", "19:20", YARD, (5_301.0, 0.0), MONDAY + 1)) == [1.0, 1.0]
    assert recurring(evening(0), trip("19:00", "19:20", YARD, (5_299.0, 0.0), MONDAY + 1)) == [1.0, 2.0]


def test_midnight_lies_between_no_hours() -> None:
    late = trip("23:30", "23:50", YARD, CLUB)
    assert recurring(late, trip("00:10", "00:20", YARD, CLUB, MONDAY + 2)) == [1.0, 2.0]


def test_orders_and_places_of_work_make_no_rhythm() -> None:
    assert recurring(evening(0, dispatch_order="D1"), evening(1), evening(2, destination_kind="work_site")) == [0, 1, 0]


@pytest.mark.parametrize(("apart", "days"), [(27, 2.0), (28, 1.0)])
def test_four_weeks_are_looked_back_on(apart: int, days: float) -> None:
    assert recurring(evening(0), evening(apart)) == [1.0, days]


def test_other_vehicles_have_rhythms_of_their_own() -> None:
    assert recurring(evening(0), evening(1, vehicle_ix=1), evening(2)) == [1.0, 2.0, 1.0]


def school(day: int, end: str, dwell_s: float = 900.0, **values: object) -> dict[str, object]:
    return trip("06:00", end, YARD, SCHOOL, MONDAY + day, destination_kind="school", dwell_s=dwell_s, **values)


def test_a_school_run_is_a_short_call_when_children_come_and_go() -> None:
    rows = [school(0, "07:40"), school(1, "17:50"), school(2, "10:00"), school(3, "07:30", dwell_s=2701.0)]
    rows += [school(4, "08:00", dispatch_order="D1"), school(5, "07:30")]
    found = patterns(Asked(frame(*rows)), NO_NIGHT)["school_run_days"].tolist()
    assert found == [1.0, 2.0, 0.0, 0.0, 0.0, 3.0]


def test_the_way_home_and_back_counts_the_nights_there() -> None:
    home, back = evening(3), trip("07:30", "07:50", CLUB, YARD, MONDAY + 4, destination_kind="base")
    away = nights_at(CLUB, MONDAY + 1, MONDAY + 2, MONDAY + 4)
    assert patterns(Asked(frame(home, back)), away)["home_work_days"].tolist() == [2.0, 3.0]
    at_base = nights_at(CLUB, MONDAY + 1, MONDAY + 4, base_m=500.0)
    assert patterns(Asked(frame(home, back)), at_base)["home_work_days"].tolist() == [0.0, 0.0]
    ordered = patterns(Asked(frame(home | {"dispatch_order": "D1"})), away)
    assert ordered["home_work_days"].tolist() == [0.0]


DRAWN = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 46), st.sampled_from([0.0, 250.0, 500.0]), st.booleans()),
    max_size=25,
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(DRAWN)
def test_recurring_days_are_what_looking_at_every_pair_gives(drawn: list[tuple[int, int, int, float, bool]]) -> None:
    if not drawn:
        return
    table = frame(
        *(
            trip("00:00", f"{half // 2}:{30 * (half % 2) + 5}", YARD, (5_000.0 + off, 0.0), MONDAY + day, vehicle_ix=vehicle,
                 dispatch_order="D1" if ordered else None, driver_card="" if ordered else "free")
            for vehicle, day, half, off, ordered in drawn
        )
    )  # fmt: skip
    found = patterns(Asked(table), NO_NIGHT)["recurring_days"]
    rows = table.to_dict("records")
    per_degree = 5_000.0 / (degrees(CLUB)[1] - degrees(YARD)[1])
    for row, count in zip(rows, found, strict=True):
        days = set()
        for other in rows:
            apart_h = abs(hour_of(int(row["end_time"])) - hour_of(int(other["end_time"])))
            alike = row["vehicle_ix"] == other["vehicle_ix"] and 0 <= int(row["day"]) - int(other["day"]) < 28
            alike &= min(apart_h, 24 - apart_h) <= 1 + 1e-9
            if alike and other["driver_card"] == "free" and abs(row["end_lon"] - other["end_lon"]) * per_degree <= 300:
                days.add(other["day"])
        assert count == (len(days) if row["driver_card"] == "free" else 0)


def test_no_trip_has_no_rhythm() -> None:
    assert all(len(each) == 0 for each in patterns(Asked(frame(evening(0)).iloc[:0]), NO_NIGHT).values())
    assert np.array_equal(recurring(evening(0)), [1.0])
