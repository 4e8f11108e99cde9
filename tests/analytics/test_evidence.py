"""Trips weighed: each evidence with what clears it, and the same answer whatever is asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.asked import Asked
from analytics.causes import innocent_causes
from analytics.context import FleetContext
from analytics.evidence import Evidence, Rows, weigh
from analytics.parts import CAUSES, PARTS
from analytics.score import clearings
from geo.datum import wgs84_to_gcj02
from tests.analytics.tracks import MONDAY, at, fleet, office, square
from tests.analytics.weeks import dark, frame, rows_of, silence, stop, stops, trip

YARD, PUB = (0.0, 0.0), (5_000.0, 0.0)
SATURDAY = MONDAY + 5
DRIVEN = trip("08:30", "08:50", YARD, PUB)
"""A trip with a card: the reader works."""


def weighed(
    *trips: dict[str, object],
    standing: pd.DataFrame | None = None,
    silences: pd.DataFrame | None = None,
    context: FleetContext | None = None,
    day: int = MONDAY,
) -> "pd.Series[Any]":
    """The last trip of a day."""
    known = fleet(calendar=office()) if context is None else context
    rows = rows_of(frame(*trips), stops() if standing is None else standing, silences, known)
    return weigh(rows, known, day, day).trips.iloc[-1]


def causes_of(row: "pd.Series[Any]", part: str) -> list[str]:
    return clearings(str(row["cleared"])).get(part, [])


def test_a_trip_on_duty_under_an_order_scores_nothing() -> None:
    row = weighed(trip("10:00", "10:30", YARD, PUB, dispatch_order="D1"))
    assert row["private_score"] == 0.0
    assert causes_of(row, "score_no_order") == ["order"]


def test_evening_at_a_venue_without_order_and_card_scores_in_four_parts() -> None:
    evening = trip("19:00", "19:30", YARD, PUB, driver_card=None, off_hours_share=1.0, destination_kind="entertainment")
    row = weighed(DRIVEN, evening, standing=stops(stop("19:30", "21:00", PUB)))
    assert {name: row[name] for name in PARTS if row[name] > 0} == {
        "score_no_order": 30.0, "score_off_hours": 25.0, "score_venue": 20.0, "score_no_card": 15.0,
    }  # fmt: skip
    assert (row["dwell_s"], row["private_score"]) == (5400.0, 90.0)


@pytest.mark.parametrize(("until", "points"), [("19:39", 0.0), ("19:40", 20.0), ("24:00", 20.0)])
def test_who_passes_a_venue_does_not_visit_it(until: str, points: float) -> None:
    evening = trip("19:00", "19:30", YARD, PUB, destination_kind="hotel")
    row = weighed(evening, standing=stops(stop("19:30", until, PUB)))
    assert row["score_venue"] == points
    assert causes_of(row, "score_venue") == ([] if points else ["passing"])


@pytest.mark.parametrize(
    ("end", "until", "origin", "points"),
    [
        ("12:00", "13:00", "work_site", 0.0), ("10:59", "12:00", "work_site", 20.0), ("12:00", "13:31", "work_site", 20.0),
        ("12:00", "13:00", "district", 20.0),
    ],
)  # fmt: skip
def test_lunch_is_eaten_at_noon_near_the_place_of_work(end: str, until: str, origin: str, points: float) -> None:
    lunch = trip("10:30", end, YARD, (2_000.0, 0.0), destination_kind="restaurant", origin_kind=origin)
    assert weighed(lunch, standing=stops(stop(end, until, (2_000.0, 0.0))))["score_venue"] == points


def test_lunch_far_away_or_on_a_rest_day_is_no_working_lunch() -> None:
    far = trip("11:30", "12:00", YARD, PUB, destination_kind="restaurant", origin_kind="base")
    assert weighed(far, standing=stops(stop("12:00", "13:00", PUB)))["score_venue"] == 20.0
    near = trip(
        "11:30",
        "12:00",
        YARD,
        (2_000.0, 0.0),
        SATURDAY,
        destination_kind="restaurant",
        origin_kind="base",
        rest_day=1.0,
    )
    rested = stops(stop("12:00", "13:00", (2_000.0, 0.0), SATURDAY))
    assert weighed(near, standing=rested, day=SATURDAY)["score_venue"] == 20.0


def test_an_order_shortly_before_halves_what_no_order_gives() -> None:
    def points(starts: str, ends: str) -> object:
        context = fleet(calendar=office(), orders=[(0, at(starts), at(ends), "D1")])
        return weighed(trip("14:00", "14:30", YARD, PUB), context=context)["score_no_order"]

    assert (points("11:00", "12:01"), points("11:00", "11:59")) == (15.0, 30.0)
    assert (points("16:29", "18:00"), points("16:31", "18:00")) == (15.0, 30.0)


def test_emergencies_know_no_hours() -> None:
    night = trip("02:00", "02:30", YARD, PUB, vehicle_class="emergency", off_hours_share=1.0, residence=1.0)
    row = weighed(night)
    assert {name: row[name] for name in PARTS if row[name] > 0} == {"score_no_order": 15.0}


def test_a_rest_day_counts_unless_it_is_a_working_one_or_within_a_shift() -> None:
    saturday = trip("10:00", "10:30", YARD, PUB, SATURDAY, rest_day=1.0, off_hours_share=1.0)
    assert weighed(saturday, day=SATURDAY)["score_rest_day"] == 10.0
    adjusted = weighed(saturday | {"rest_day": 0.0, "off_hours_share": 0.0}, day=SATURDAY)
    assert (adjusted["score_rest_day"], causes_of(adjusted, "score_rest_day")) == (0.0, ["adjusted_workday"])
    shift = weighed(saturday | {"off_hours_share": 0.0}, day=SATURDAY)
    assert (shift["score_rest_day"], causes_of(shift, "score_rest_day")) == (0.0, ["on_shift"])


def test_a_weekend_out_of_the_area_counts_twice() -> None:
    outing = trip("10:00", "10:30", YARD, PUB, SATURDAY, rest_day=1.0, off_hours_share=1.0, out_of_area_share=0.5)
    row = weighed(outing, day=SATURDAY)
    assert (row["score_out_of_area"], row["score_rest_outing"]) == (7.5, 5.0)


@pytest.mark.parametrize(("values", "drift"), [
    ({"max_speed_mps": 2.9}, True), ({"max_speed_mps": 3.0}, False), ({"odometer_m": 1000.0}, True),
    ({"max_speed_mps": np.nan, "odometer_m": np.nan}, False),
])  # fmt: skip
def test_a_receiver_that_drifts_drives_nowhere(values: dict[str, Any], *, drift: bool) -> None:
    row = weighed(trip("19:00", "19:30", YARD, PUB, off_hours_share=1.0, **values))
    assert (row["private_score"] == 0.0) == drift


def test_a_datum_error_is_found_where_both_ends_fit_places_of_work() -> None:
    context = fleet(
        zones=[square("yard", "base", (-150, 150), (-150, 150)), square("site", "work_site", (4850, 5150), (-150, 150))]
    )
    ends = {"start": YARD, "end": PUB}
    shifted = trip("10:00", "10:30", YARD, PUB, destination_kind="residential", residence=1.0, off_hours_share=1.0)
    for end in ends:
        lat, lon = wgs84_to_gcj02(np.array([shifted[f"{end}_lat"]]), np.array([shifted[f"{end}_lon"]]))
        shifted |= {f"{end}_lat": float(lat[0]), f"{end}_lon": float(lon[0])}
    row = weighed(shifted, context=context)
    assert (row["score_residence"], causes_of(row, "score_residence")) == (0.0, ["datum"])
    one_end = shifted | {"start_lat": 23.2, "start_lon": 113.3}
    assert weighed(one_end, context=context)["score_residence"] == 15.0


def without_card(day: int, clock: str = "10:00") -> dict[str, object]:
    return trip(clock, f"{clock[:3]}30", YARD, PUB, MONDAY + day, driver_card=None)


@pytest.mark.parametrize(("days", "points", "causes"), [
    (1, 15.0, []), (2, 15.0, []), (3, 0.0, ["reader_broken"]),
])  # fmt: skip
def test_three_days_without_any_card_are_a_broken_reader(days: int, points: float, causes: list[str]) -> None:
    row = weighed(DRIVEN, *(without_card(day) for day in range(1, days + 1)), day=MONDAY + days)
    assert (row["score_no_card"], causes_of(row, "score_no_card")) == (points, causes)
    assert (row["card_missing"], row["reader_silent_days"]) == (1.0, float(days))


def test_a_card_on_the_same_day_shows_that_the_reader_works() -> None:
    trips = [
        DRIVEN,
        *(without_card(day) for day in range(1, 4)),
        DRIVEN | trip("08:30", "08:50", YARD, PUB, MONDAY + 4),
    ]
    assert weighed(*trips, without_card(4), day=MONDAY + 4)["score_no_card"] == 15.0


@pytest.mark.parametrize(("apart", "missing"), [(27, 1.0), (28, np.nan)])
def test_a_reader_not_heard_of_for_four_weeks_proves_nothing(apart: int, missing: float) -> None:
    row = weighed(DRIVEN, without_card(apart), day=MONDAY + apart)
    assert np.array_equal(row["card_missing"], missing, equal_nan=True)
    assert causes_of(row, "score_no_card") == ([] if missing else ["no_reader"]) or missing != missing  # noqa: PLR0124


def test_a_missing_card_counts_under_an_order_too() -> None:
    row = weighed(DRIVEN, without_card(0, "14:00") | {"dispatch_order": "D1"})
    assert (row["score_no_card"], row["private_score"]) == (15.0, 15.0)


def unplugged(start: str, end: str, **values: Any) -> pd.DataFrame:
    return dark(silence(start, end, PUB, PUB, power_cut=True, **({"dark_m": 4_000.0} | values)))


@pytest.mark.parametrize(("start", "points"), [("10:30", 25.0), ("11:00", 25.0), ("11:01", 0.0)])
def test_interference_counts_within_half_an_hour_of_the_trip(start: str, points: float) -> None:
    row = weighed(trip("10:00", "10:30", YARD, PUB), silences=unplugged(start, "12:00"))
    assert (row["score_interference"], row["dark_m"] > 0) == (points, points > 0)


def test_interference_is_excused_by_neighbours_and_nearly_by_an_order() -> None:
    drive = trip("10:00", "10:30", YARD, PUB)
    assert weighed(drive, silences=unplugged("10:30", "12:00", dark_m=1_000.0))["score_interference"] == 12.5
    garage = dark(silence("10:30", "12:00", PUB, PUB, dark_m=4_000.0, fixless=3))
    assert weighed(drive, silences=garage)["score_interference"] == 0.0
    ordered = weighed(drive | {"dispatch_order": "D1"}, silences=unplugged("10:30", "12:00", dispatch_order="D1"))
    assert (ordered["score_interference"], causes_of(ordered, "score_interference")) == (5.0, ["under_order"])
    context = fleet(3, calendar=office())
    silent = stops(*(stop("10:00", "13:00", PUB, kind="gap", vehicle_ix=vehicle) for vehicle in (1, 2)))
    hole = weighed(drive, silences=unplugged("10:30", "12:00"), standing=silent, context=context)
    assert (hole["score_interference"], causes_of(hole, "score_interference")) == (0.0, ["coverage"])


def test_a_rhythm_counts_from_the_third_day() -> None:
    evenings = [trip("19:00", "19:30", YARD, PUB, MONDAY + day, off_hours_share=1.0) for day in range(3)]
    assert [weighed(*evenings[: n + 1], day=MONDAY + n)["score_pattern"] for n in range(3)] == [0.0, 0.0, 15.0]


def test_a_night_away_counts_on_the_way_back_in_the_morning() -> None:
    context = fleet(calendar=office(), base_radius_m=100.0)
    standing = stops(stop("19:30", "24:00", PUB), stop("00:00", "07:30", PUB, MONDAY + 1))
    home = trip("19:00", "19:30", YARD, PUB, off_hours_share=1.0)
    back = trip("07:30", "08:00", PUB, YARD, MONDAY + 1, off_hours_share=1.0)
    assert weighed(home, back, standing=standing, context=context)["score_overnight"] == 0.0
    row = weighed(home, back, standing=standing, context=context, day=MONDAY + 1)
    assert (row["score_overnight"], row["home_work_days"]) == (15.0, 1.0)


def test_a_private_stop_gives_all_points_of_the_detour_and_metres_alone_half() -> None:
    context = fleet(
        calendar=office(), orders=[(0, at("08:00"), at("18:00"), "D1")], destination_m=PUB, base_radius_m=100.0
    )
    there = trip("09:00", "09:30", YARD, PUB, dispatch_order="D1", destination_kind="work_site")
    home = trip("10:00", "10:30", PUB, (5_000.0, 3_000.0), dispatch_order="D1", destination_kind="residential")
    assert weighed(there, home, context=context)["score_detour"] == 40.0
    metres = []
    for beyond in (3_001.0, 8_000.0, 99_000.0):
        row = weighed(there | {"distance_m": 7_000.0 + beyond, "odometer_m": 7_000.0 + beyond}, context=context)
        metres.append(row["score_detour"])
        assert causes_of(row, "score_detour") == ["named"]  # halved once more: it got there
    assert metres == pytest.approx([0.0, 5.0, 10.0], abs=0.1)


def test_every_cause_of_the_score_is_tested_and_every_one_tested_is_used() -> None:
    context = fleet(calendar=office())
    evidence = weigh(rows_of(frame(DRIVEN), stops(), context=context), context, MONDAY, MONDAY)
    silences = dict.fromkeys(("dark_covered", "dark_ordered"), np.zeros(len(evidence.trips), dtype=np.bool_))
    assert (
        set(innocent_causes(Asked(evidence.trips), silences, context))
        == set(CAUSES)
        == {c for part in PARTS.values() for c in part.causes}
    )


def some_weeks() -> tuple[Rows, FleetContext]:
    """Five weeks of two vehicles with a bit of everything."""
    rng = np.random.default_rng(7)
    spots = [YARD, PUB, (0.0, 4_000.0), (9_000.0, 9_000.0)]
    kinds = ["base", "residential", "school", "restaurant", "district"]
    context = fleet(
        2, calendar=office(), orders=[(0, at("08:00", MONDAY + day), at("12:00", MONDAY + day), f"D{day}") for day in range(35)],
        destination_m=(0.0, 4_000.0), base_radius_m=100.0,
    )  # fmt: skip
    trips, standing, silences = [], [], []
    for vehicle in range(2):
        for day in range(35):
            here = YARD
            standing.append(stop("00:00", "07:00", spots[int(rng.integers(2))], MONDAY + day, vehicle_ix=vehicle))
            for hour in sorted(rng.choice(np.arange(7, 21), 3, replace=False).tolist()):
                goal = spots[int(rng.integers(4))]
                order = f"D{day}" if vehicle == 0 and 8 <= hour < 12 else None
                trips.append(
                    trip(
                        f"{hour}:00", f"{hour}:30", here, goal, MONDAY + day, vehicle_ix=vehicle, dispatch_order=order,
                        trip_id=f"{vehicle}-{day}-{hour}", destination_kind=str(rng.choice(kinds)),
                        origin_kind=str(rng.choice(kinds)), driver_card="C1" if rng.random() < 0.6 else None,
                        off_hours_share=float(hour > 17), residence=float(rng.random() < 0.3),
                    )
                )  # fmt: skip
                standing.append(stop(f"{hour}:30", f"{hour}:50", goal, MONDAY + day, vehicle_ix=vehicle))
                here = goal
            if rng.random() < 0.3:
                cut = bool(rng.random() < 0.5)
                silences.append(
                    silence(
                        "21:30", "23:00", YARD, PUB, MONDAY + day, vehicle_ix=vehicle, power_cut=cut,
                        dark_id=f"{vehicle}-{day}",
                    )
                )  # fmt: skip
    return rows_of(frame(*trips), stops(*standing), dark(*silences), context), context


def same(one: Evidence, other: Evidence) -> None:
    for name in ("trips", "nights", "dark"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_dtype=False)


def of_days(evidence: Evidence, first: int, last: int) -> Evidence:
    tables = (evidence.trips, evidence.nights, evidence.dark)
    return Evidence(*(table[table["day"].between(first, last)].reset_index(drop=True) for table in tables))


def test_a_day_is_weighed_the_same_whatever_period_is_asked_for() -> None:
    rows, context = some_weeks()
    whole = weigh(rows, context, MONDAY, MONDAY + 34)
    assert (whole.trips["private_score"] > 0).mean() > 0.3
    assert (whole.trips[list(PARTS)] > 0).any().sum() >= 8
    for first, last in ((0, 0), (13, 13), (20, 26), (34, 34)):
        same(weigh(rows, context, MONDAY + first, MONDAY + last), of_days(whole, MONDAY + first, MONDAY + last))


def test_rows_in_any_order_give_the_same() -> None:
    rows, context = some_weeks()
    mixed = Rows(
        *(table.sample(frac=1.0, random_state=3) for table in (rows.trips, rows.stops, rows.dark, rows.sightings))
    )
    same(weigh(mixed, context, MONDAY, MONDAY + 34), weigh(rows, context, MONDAY, MONDAY + 34))


def test_what_was_weighed_before_is_weighed_the_same_again() -> None:
    rows, context = some_weeks()
    once = weigh(rows, context, MONDAY, MONDAY + 34)
    again = weigh(replace(rows, trips=once.trips, dark=once.dark), context, MONDAY, MONDAY + 34)
    same(again, Evidence(once.trips[again.trips.columns], once.nights, once.dark[again.dark.columns]))


def test_a_vehicle_is_weighed_the_same_whoever_is_beside_it() -> None:
    rows, context = some_weeks()
    whole = weigh(rows, context, MONDAY, MONDAY + 34)
    trips, standing, silences = (table[table["vehicle_ix"] == 1] for table in (rows.trips, rows.stops, rows.dark))
    found = weigh(Rows(trips, standing, silences, rows.sightings), context, MONDAY, MONDAY + 34)
    tables = (whole.trips, whole.nights, whole.dark)
    same(found, Evidence(*(table[table["vehicle_ix"] == 1].reset_index(drop=True) for table in tables)))


def test_nothing_is_weighed_to_nothing() -> None:
    rows, context = some_weeks()
    empty = Rows(rows.trips.iloc[:0], rows.stops.iloc[:0], rows.dark.iloc[:0], rows.sightings.iloc[:0])
    none = weigh(empty, context, MONDAY, MONDAY)
    assert (len(none.trips), len(none.nights), len(none.dark)) == (0, 0, 0)
    assert {*PARTS, "private_score", "cleared"} <= set(none.trips.columns)
