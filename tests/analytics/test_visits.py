"""Visits to zones, against a walk step by step with shapely; and what a visit is."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import kernels
from analytics.audit import audit
from analytics.segment import segment
from analytics.steps import Segments, Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT
from analytics.visits import rest_until, venue_columns, venue_legs, zone_visits
from analytics.vocabulary import CONTROLLED_VENUES
from geo.localtime import SECOND_US
from geo.positions import Positions
from geo.zones import Zone, ZoneIndex
from tests.analytics.tracks import MONDAY, Car, at, fleet, office, square

Visit = tuple[int, int, int, int, float, float, float]


def driven(track: Positions) -> tuple[Segments, Steps, Spans]:
    segments, steps = segment(track, kernels.silence_s(track, np.arange(len(track))))
    return segments, steps, Spans.of(segments)


def visits_of(track: Positions, zones: list[Zone]) -> list[Visit]:
    segments, steps, trips = driven(track)
    found = zone_visits(track, steps, trips, rest_until(segments, trips), ZoneIndex(zones, 0.0005))
    return list(zip(*(column.tolist() for column in found.values()), strict=True))


def plain_visits(track: Positions, zones: list[Zone]) -> list[Visit]:
    """The slow twin: every step of every trip and rest against every zone."""
    segments, steps, trips = driven(track)
    until = rest_until(segments, trips)
    visits: list[list[float]] = []
    for trip in range(len(trips)):
        first, last = int(trips.first[trip]), int(trips.last[trip])
        legs = [
            (row - 1, row, int(track.fix_time[row - 1]), int(track.fix_time[row]))
            for row in range(first + 1, int(until[trip]) + 1)
        ]
        legs[0] = (*legs[0][:2], int(trips.start_time[trip]), legs[0][3])
        arrival = last - first - 1
        legs[arrival] = (*legs[arrival][:3], int(trips.end_time[trip]))
        if until[trip] > last:
            legs.insert(arrival + 1, (last, last, int(trips.end_time[trip]), int(track.fix_time[last])))
        for number, zone in enumerate(zones):
            open_visit: list[float] | None = None
            for before, after, begin, end in legs:
                places = [(track.lon_e7[row] * 1e-7, track.lat_e7[row] * 1e-7) for row in (before, after)]
                if places[0] == places[1]:
                    inside = [(0.0, 1.0)] if shapely.intersects(zone.geometry, shapely.Point(places[0])) else []
                else:
                    line = shapely.LineString(places)
                    cuts = shapely.get_parts(shapely.intersection(line, zone.geometry))
                    inside = [
                        tuple(
                            sorted(
                                line.project(shapely.Point(c), normalized=True) for c in (cut.coords[0], cut.coords[-1])
                            )
                        )
                        for cut in cuts
                        if cut.length
                    ]
                moving = bool(steps.moving[after]) and before != after
                for enter, leave in sorted(inside):
                    times = [begin + enter * (end - begin), begin + leave * (end - begin)]
                    if open_visit is None or times[0] - open_visit[3] > DEFAULT.visit_absence_s * SECOND_US:
                        open_visit = [trip, number, times[0], times[1], 0.0, 0.0, 0.0]
                        visits.append(open_visit)
                    open_visit[3] = times[1]
                    open_visit[4] += (times[1] - times[0]) / SECOND_US
                    open_visit[5] += 0.0 if moving else (times[1] - times[0]) / SECOND_US
                    open_visit[6] += steps.metres[after] * (leave - enter) if moving else 0.0
    return [tuple(visit) for visit in visits]  # type: ignore[misc]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([10, 30, 60]))
def test_visits_are_those_of_a_walk_step_by_step(seed: int, driving_s: int) -> None:
    rng = np.random.default_rng(seed)
    car = Car(noise_m=6.0, seed=seed, driving_s=driving_s)
    for _ in range(3):
        car.streets(int(rng.integers(2, 6)), block_s=120).park(float(rng.integers(600, 4000)))
    track = car.positions()
    zones = []
    for number in range(6):
        east, north = rng.uniform(-500, 6000, 2)
        size = 10 ** rng.uniform(1, 3)
        zones.append(square(f"z{number}", "hotel", (east, east + size), (north, north + size)))
    assert len(driven(track)[2]) >= 1
    found, expected = visits_of(track, zones), plain_visits(track, zones)
    assert [visit[:2] for visit in found] == [visit[:2] for visit in expected]
    for one, other in zip(found, expected, strict=True):
        off = np.abs(np.subtract(one[2:], other[2:]))
        assert (off <= [10_000, 10_000, 0.01, 0.01, 0.1]).all()


def test_a_zone_between_two_samples_is_visited_and_its_time_interpolated() -> None:
    car = Car(driving_s=60).drive(600, 20.0).park(1200)
    ((trip, zone, first, last, dwell, standing, metres),) = visits_of(
        car.positions(), [square("z", "hotel", (3000, 3400))]
    )
    assert (trip, zone, standing) == (0, 0, 0.0)
    assert dwell == pytest.approx(20.0, abs=0.1)
    assert first == pytest.approx(at("08:02:30"), abs=1e5)
    assert last == pytest.approx(at("08:02:50"), abs=1e5)
    assert metres == pytest.approx(400, abs=1)


def test_the_rest_after_a_trip_is_part_of_its_visit() -> None:
    car = Car().drive(600).park(7200).drive(600).park(1200)
    visits = visits_of(car.positions(), [square("z", "hotel", (7000, 7400))])
    assert [visit[0] for visit in visits] == [0, 1]
    assert visits[0][5] == pytest.approx(7200, abs=60)
    assert visits[1][5] == 0.0


def test_a_rest_is_followed_to_noon_of_the_next_day() -> None:
    car = Car(clock=at("20:00")).drive(600).park(3 * 86_400)
    (visit,) = visits_of(car.positions(), [square("z", "hotel", (7000, 7400))])
    assert at("11:50", MONDAY + 1) < visit[3] <= at("12:00", MONDAY + 1)


def test_flapping_at_the_border_makes_one_visit() -> None:
    car = Car(parked_s=60, seed=3).drive(600).park(7200, drift_m=15.0)
    (visit,) = visits_of(car.positions(), [square("z", "hotel", (7200, 7400))])
    assert 1500 < visit[5] < 6000
    assert (visit[3] - visit[2]) / SECOND_US > 6000


def test_coming_back_later_on_the_same_trip_is_another_visit() -> None:
    car = Car().drive(900).drive(900, heading_deg=270.0).park(1200)
    visits = visits_of(car.positions(), [square("z", "hotel", (2000, 2400))])
    assert [visit[:2] for visit in visits] == [(0, 0), (0, 0)]


def test_a_zone_that_does_not_hold_is_not_visited() -> None:
    track = Car().drive(600).park(1200).positions()
    zone = square("z", "hotel", (2000, 2400))
    lapsed = Zone(1, "y", "hotel", "", "", zone.geometry, valid_to=at("08:00:30"))
    assert [visit[1] for visit in visits_of(track, [lapsed, zone])] == [1]


def test_the_longest_stand_at_a_controlled_venue_counts_on_whatever_days_are_asked_for() -> None:
    zones = [
        square("drive", "district", (-9000, 90_000)),
        square("lunch", "restaurant", (7000, 7400)),
        square("golf", "golf_course", (7100, 7300)),
        square("far", "bath_house", (90_000, 91_000)),
    ]
    evening = Car(clock=at("16:00")).drive(600).park(3600).drive(600).park(1800)
    track = (
        evening.drive(300, heading_deg=270.0).drive(300, 12.0, 270.0).park(10 * 3600).drive(600).park(3600).positions()
    )
    context = fleet(zones=zones, calendar=office())
    everything = audit(track, context, MONDAY, MONDAY + 1).trips
    assert everything["venue_dwell_s"].tolist() == pytest.approx([3600, 0, 36_000, 0], abs=90)
    assert everything["venue_kind"].tolist() == ["restaurant", "", "restaurant", ""]
    for day in (MONDAY, MONDAY + 1):
        alone = audit(track, context, day, day).trips
        same = everything[everything["day"] == day].reset_index(drop=True)
        assert alone["venue_dwell_s"].tolist() == same["venue_dwell_s"].tolist()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31))
def test_the_longest_stand_is_that_of_all_visits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    car = Car(noise_m=6.0, seed=seed)
    for _ in range(4):
        car.streets(int(rng.integers(2, 6)), block_s=60).wait(float(rng.integers(0, 200))).park(
            float(rng.integers(0, 2000))
        )
    track = car.positions()
    segments, steps, trips = driven(track)
    zones = ZoneIndex([square(f"z{n}", "hotel", (at_m, at_m + 700)) for n, at_m in enumerate(rng.uniform(0, 5000, 5))])
    visits = zone_visits(track, steps, trips, rest_until(segments, trips), zones.of_kinds(CONTROLLED_VENUES))
    expected = np.zeros(len(trips))
    np.maximum.at(expected, visits["trip"], visits["standing_s"])
    legs = venue_legs(track, steps, trips, rest_until(segments, trips), zones)
    assert venue_columns(legs, len(trips), zones)["venue_dwell_s"].tolist() == expected.tolist()


def test_without_zones_or_trips_there_are_no_visits() -> None:
    assert visits_of(Car().drive(600).park(1200).positions(), []) == []
    assert visits_of(Car().park(3600).positions(), [square("z", "hotel", (-100, 100))]) == []
