"""Trips, stops and gaps: the situations of a car's day, and the kernels against plain slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.clean import mark_doubt, usable
from analytics.segment import GAP, STOP, TRIP, Segments, segment
from analytics.steps import _dwelling, _trim
from analytics.thresholds import DEFAULT
from geo.arrays import Int64Array
from geo.distance import metres_per_degree
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, Status
from tests.analytics.tracks import MONDAY, Car, at

NAMES = {STOP: "stop", GAP: "gap", TRIP: "trip"}


def silences(positions: Positions, good: Int64Array) -> np.ndarray:
    """Twin: the longest pause between any two reports in the step that ends at each usable position."""
    silence = np.zeros(len(good))
    for number in range(1, len(good)):
        times = positions.fix_time[good[number - 1] : good[number] + 1]
        silence[number] = np.diff(times).max() / SECOND_US
    return silence


def segments_of(positions: Positions) -> Segments:
    good = np.flatnonzero(usable(mark_doubt(positions)))
    return segment(positions.take(good), silences(positions, good))[0]


def day_of(car: Car) -> list[str]:
    return [NAMES[kind] for kind in segments_of(car.positions()).kind.tolist()]


def minutes(car: Car, kind: int) -> list[float]:
    """Lengths of the segments of a kind, minutes."""
    found = segments_of(car.positions())
    rows = found.kind == kind
    lengths: list[float] = ((found.end_time - found.start_time)[rows] / SECOND_US / 60).tolist()
    return lengths


@pytest.fixture(params=[(True, True), (True, False), (False, False)], ids=["speed+ignition", "speed", "places only"])
def car(request: pytest.FixtureRequest) -> Car:
    speed, ignition = request.param
    return Car(speed=speed, ignition=ignition, noise_m=4.0).report(on=False).park(1800)


def test_a_drive_between_two_stops_is_one_trip(car: Car) -> None:
    assert day_of(car.streets(10).park(1800)) == ["stop", "trip", "stop"]


def test_a_light_of_90_s_does_not_split_the_trip(car: Car) -> None:
    assert day_of(car.streets(5).wait(90).streets(5).park(1800)) == ["stop", "trip", "stop"]


def test_a_stop_of_6_min_with_the_engine_on_splits_the_trip(car: Car) -> None:
    assert day_of(car.streets(5).wait(360).streets(5).park(1800)) == ["stop", "trip", "stop", "trip", "stop"]


def test_a_wait_just_below_five_minutes_does_not_split_the_trip() -> None:
    car = Car().report(on=False).park(1800)
    assert day_of(car.streets(5).wait(200).streets(5).park(1800)) == ["stop", "trip", "stop"]


def test_a_stop_with_ignition_off_of_3_min_splits_the_trip() -> None:
    car = (
        Car(parked_s=60).report(on=False).park(1800).streets(5).skip(1).report(on=False).park(180).streets(5).park(1800)
    )
    assert day_of(car) == ["stop", "trip", "stop", "trip", "stop"]


def test_a_stalled_engine_of_1_min_does_not_split_the_trip() -> None:
    car = Car(parked_s=20).report(on=False).park(1800).streets(5).park(60).streets(5).park(1800)
    assert day_of(car) == ["stop", "trip", "stop"]


def test_parked_drift_makes_no_trip(car: Car) -> None:
    assert day_of(car.park(12 * 3600, drift_m=50)) == ["stop"]


def test_drift_beyond_the_box_makes_no_trip_while_the_ignition_is_off() -> None:
    assert day_of(Car(seed=3).report(on=False).park(12 * 3600, drift_m=120)) == ["stop"]


def test_a_trip_without_following_stop_is_a_trip(car: Car) -> None:
    assert day_of(car.streets(10)) == ["stop", "trip"]


def test_a_trip_without_stop_before_is_a_trip() -> None:
    assert day_of(Car().streets(10).park(1800)) == ["trip", "stop"]


def test_a_silence_of_20_min_is_a_gap() -> None:
    car = Car().report(on=False).park(1800).skip(1200).report(on=False).park(1800)
    assert day_of(car) == ["stop", "gap", "stop"]


def test_a_silence_of_15_min_is_a_parked_terminals_missed_reports() -> None:
    assert day_of(Car().report(on=False).park(1800).skip(600).park(1800)) == ["stop"]


def test_a_gap_on_the_way_divides_two_trips() -> None:
    car = Car().streets(10).drive(1200, reports=False).report(12.0).streets(10)
    assert day_of(car) == ["trip", "gap", "trip"]


def test_a_garage_whose_reports_have_no_fix_is_not_a_silence() -> None:
    car = Car().report(on=False).park(1800).streets(10).report(on=False).park(3 * 3600, fix=False).park(1800)
    assert day_of(car) == ["stop", "trip", "stop"]


def test_a_car_that_left_the_garage_elsewhere_was_not_seen_on_its_way() -> None:
    car = Car().report(on=False).park(1800).park(3600, fix=False).jump(5000).report(on=False).park(1800)
    assert day_of(car) == ["stop", "gap", "stop"]


def test_a_tunnel_of_3_min_is_bridged() -> None:
    car = Car().report(on=False).park(1800).streets(5).drive(180, 15.0, reports=False).streets(5).park(1800)
    assert day_of(car) == ["stop", "trip", "stop"]
    assert minutes(car, TRIP)[0] == pytest.approx(13, abs=0.4)


def test_a_move_between_two_reports_of_a_parked_terminal_does_not_vanish_in_the_stop() -> None:
    """Two stops meet in one step: each of its ends dwells, the step itself does not."""
    car = Car(ignition=False).report().park(3600).jump(2000).park(3600)
    assert day_of(car) == ["stop", "trip", "stop"]


def test_a_towed_car_made_a_trip_with_its_ignition_off() -> None:
    car = Car(parked_s=60).report(on=False).park(1800)
    for _ in range(10):
        car.jump(600).park(60)
    assert day_of(car.park(1800)) == ["stop", "trip", "stop"]


def test_shunting_in_the_yard_is_no_trip() -> None:
    car = Car().report(on=False).park(1800).drive(50, 3.0).park(1800)
    assert day_of(car) == ["stop"]


def test_a_drive_round_the_block_of_200_m_is_too_near_to_be_a_trip() -> None:
    car = Car().report(on=False).park(1800)
    for heading in (0, 90, 180, 270):
        car.drive(20, 3.0, heading)
    assert day_of(car.park(1800)) == ["stop"]


def test_start_and_end_lie_within_a_sampling_interval(car: Car) -> None:
    left = car.clock
    car.streets(10)
    came = car.clock
    found = segments_of(car.park(1800).positions())
    trip = np.flatnonzero(found.kind == TRIP)
    assert len(trip) == 1
    assert abs(int(found.start_time[trip[0]]) - left) <= 10 * SECOND_US
    assert abs(int(found.end_time[trip[0]]) - came) <= 10 * SECOND_US


def test_the_first_report_may_come_long_after_the_car_set_out() -> None:
    """The step that leaves the stop is five minutes long; the trip is not."""
    car = Car().report(on=False).park(1800).skip(280).drive(20, reports=False).report(12.0).streets(10).park(1800)
    assert minutes(car, TRIP)[0] == pytest.approx(10.5, abs=0.5)


def test_a_trip_over_midnight_is_one_trip() -> None:
    car = Car(clock=at("23:00")).report(on=False).park(3000).streets(20).park(3600)
    found = segments_of(car.positions())
    trip = found.kind == TRIP
    assert trip.sum() == 1
    assert found.start_time[trip][0] < at("00:00", MONDAY + 1) < found.end_time[trip][0]


def test_after_a_whole_day_without_a_place_the_track_begins_anew() -> None:
    car = Car().report(on=False).park(1800)
    assert day_of(car.skip(2 * 86_400).report(on=False).park(1800)) == ["stop", "stop"]


def test_a_night_between_two_days_is_a_gap() -> None:
    assert day_of(Car().report(on=False).park(1800).skip(86_000).report(on=False).park(1800)) == ["stop", "gap", "stop"]


def test_two_vehicles_do_not_touch() -> None:
    one, other = Car().report(on=False).park(1800).streets(5), Car(vehicle_ix=1).streets(5)
    both = segments_of(Positions.concat([one.positions(), other.positions()]))
    assert list(zip(both.vehicle_ix.tolist(), both.kind.tolist(), strict=True)) == [(0, STOP), (0, TRIP), (1, TRIP)]


def test_nothing_and_a_single_position_have_no_segment() -> None:
    assert len(segments_of(Positions.empty()).kind) == 0
    assert len(segments_of(Car().report().positions()).kind) == 0


PLAN = st.lists(
    st.one_of(
        st.tuples(st.just("streets"), st.integers(1, 12)),
        st.tuples(st.just("wait"), st.integers(10, 900)),
        st.tuples(st.just("park"), st.integers(10, 9000)),
        st.tuples(st.just("drift"), st.integers(300, 9000)),
        st.tuples(st.just("dark"), st.integers(300, 9000)),
        st.tuples(st.just("silence"), st.integers(1, 100_000)),
        st.tuples(st.just("jump"), st.integers(-3000, 3000)),
    ),
    min_size=1,
    max_size=12,
)


def told(plan: list[tuple[str, int]], **kind_of_car: float) -> Car:
    car = Car(**kind_of_car).report()  # type: ignore[arg-type]
    for verb, amount in plan:
        match verb:
            case "streets":
                car.streets(amount)
            case "wait":
                car.wait(amount)
            case "park":
                car.park(amount)
            case "drift":
                car.park(amount, drift_m=90)
            case "dark":
                car.park(amount, fix=False)
            case "silence":
                car.skip(amount).report()
            case _:
                car.jump(amount).skip(1).report()
    return car


@settings(deadline=None, max_examples=150)
@given(PLAN, st.booleans(), st.booleans(), st.sampled_from([0.0, 8.0]), st.integers(0, 99))
def test_trips_stops_and_gaps_tile_the_observed_time(
    plan: list[tuple[str, int]], speed: bool, ignition: bool, noise_m: float, seed: int
) -> None:
    positions = told(plan, speed=speed, ignition=ignition, noise_m=noise_m, seed=seed).positions()
    good = np.flatnonzero(usable(mark_doubt(positions)))
    track = positions.take(good)
    found = segment(track, silences(positions, good))[0]
    assert (found.end_time > found.start_time).all()
    assert (found.last > found.first).all()
    joined = found.start_time[1:] == found.end_time[:-1]
    whole_day = local_day(track.fix_time[found.first[1:]]) - local_day(track.fix_time[found.last[:-1]]) > 1
    assert (joined | whole_day).all()
    assert (found.first[1:] - found.last[:-1] == np.where(joined, 0, 1)).all()
    if len(found.kind):
        assert found.start_time[0] == track.fix_time[found.first[0]]
        assert found.end_time[-1] == track.fix_time[-1] or found.last[-1] == len(track) - 2


def dwelling_twin(track: Positions, broken: np.ndarray, towed: np.ndarray) -> list[bool]:
    """Every window, every position of it, one by one."""
    n = len(track)
    covered = [False] * n

    def broken_within(first: int, last: int) -> bool:
        return any(broken[row] for row in range(first + 1, last + 1))

    for first in range(n):
        last = first
        while last < n and track.fix_time[last] - track.fix_time[first] < DEFAULT.stop_s * SECOND_US:
            last += 1
        if last == n or broken_within(first, last):
            continue
        north_m, east_m = (float(scale[0]) for scale in metres_per_degree(track.lat[first : first + 1]))
        lats = [int(track.lat_e7[row]) for row in range(first, last + 1)]
        lons = [int(track.lon_e7[row]) for row in range(first, last + 1)]
        high, wide = (max(lats) - min(lats)) * 1e-7 * north_m, (max(lons) - min(lons)) * 1e-7 * east_m
        if max(high, wide) <= DEFAULT.stop_box_m:
            covered[first + 1 : last + 1] = [True] * (last - first)
    off = [bool(status & Status.IGNITION_KNOWN) and not status & Status.IGNITION_ON for status in track.status.tolist()]
    for first in range(n):
        for last in range(first + 1, n):
            if not off[last] or not off[first] or broken[last] or towed[last]:
                break
            if track.fix_time[last] - track.fix_time[first] >= DEFAULT.ignition_off_s * SECOND_US:
                covered[first + 1 : last + 1] = [True] * (last - first)
    return covered


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(5, 400), st.integers(-60, 60), st.integers(-60, 60), st.booleans(), st.integers(0, 9)),
        max_size=40,
    )
)
def test_dwelling_is_what_the_slow_twin_says(rows: list[tuple[int, int, int, bool, int]]) -> None:
    car = Car()
    for seconds, east, north, on, _ in rows:
        car.skip(seconds).jump(east, north).report(on=on)
    track = car.positions()
    broken = np.array([number == 0 or row[4] == 0 for number, row in enumerate(rows)], dtype=np.bool_)
    towed = np.array([row[4] == 1 for row in rows], dtype=np.bool_)
    assert _dwelling(track, broken, towed, DEFAULT).tolist() == dwelling_twin(track, broken, towed)


def trim_twin(kind: list[int], away: list[bool], of: int, to: int) -> list[int]:
    kind = list(kind)
    row = 0
    while row < len(kind):
        end = row
        while end < len(kind) and kind[end] == kind[row] and (end == row or kind[end] != 3):
            end += 1
        if kind[row] == of:
            run = list(range(row, end))
            while run and away[run[0]]:
                kind[run.pop(0)] = to
            while run and away[run[-1]]:
                kind[run.pop()] = to
        row = end
    return kind


@given(st.lists(st.tuples(st.sampled_from([STOP, STOP, TRIP, TRIP, GAP, 3]), st.booleans()), max_size=30))
def test_trimming_is_what_the_slow_twin_says(steps: list[tuple[int, bool]]) -> None:
    kind = np.array([kind for kind, _ in steps], dtype=np.int8)
    away = np.array([away for _, away in steps], dtype=np.bool_)
    expected = trim_twin(kind.tolist(), away.tolist(), STOP, TRIP)
    _trim(kind, away, STOP, TRIP)
    assert kind.tolist() == expected
