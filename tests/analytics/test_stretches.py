"""The longest stretches above any limit and with an idling engine, against a walk step by step; and what they are."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import compiled, kernels, stretches
from analytics.audit import audit
from analytics.context import nothing_known
from analytics.segment import segment
from analytics.tally import Spans
from analytics.visits import rest_until
from geo.localtime import SECOND_US
from geo.positions import Positions, Status
from tests.analytics.test_audit import batch
from tests.analytics.tracks import MONDAY, Car, at

FORMS = pytest.mark.parametrize("form", [stretches, compiled])
FAST = 38.0
NOBODY = nothing_known(np.ones(1, dtype=np.int32))


def found(form: ModuleType, track: Positions) -> tuple[list[float], list[float]]:
    segments, steps = segment(track, kernels.silence_s(track, np.arange(len(track))))
    trips = Spans.of(segments)
    columns = form.stretches(track, steps, trips, rest_until(segments, trips))
    return columns["speeding_s"].tolist(), columns["idle_s"].tolist()


def plain(track: Positions) -> tuple[list[float], list[float]]:
    """The slow twin: every step of every trip, and of the rest after it, one by one."""
    segments, steps = segment(track, kernels.silence_s(track, np.arange(len(track))))
    trips = Spans.of(segments)
    until = rest_until(segments, trips)
    speeding, idle = [], []
    for first, last, end, begun in zip(trips.first, trips.last, until, trips.start_time, strict=True):
        noon = at("12:00", MONDAY + (begun - at("00:00")) // 86_400_000_000 + 1)
        fast, idles, known = [0], [0], False
        for row in range(first + 1, end + 1):
            if row > last and track.fix_time[row] > noon:
                break
            lasting = int(track.fix_time[row] - track.fix_time[row - 1])
            ends = [float(track.speed_mps[each]) for each in (row - 1, row)]
            above = row <= last and all(120 / 3.6 + 2 < speed <= 70 for speed in ends) and lasting <= 90 * SECOND_US
            fast.append(fast[-1] + lasting if above else 0)
            known |= bool(track.status[row] & Status.IGNITION_KNOWN)
            on = all(
                track.status[each] & Status.IGNITION_KNOWN and track.status[each] & Status.IGNITION_ON
                for each in (row - 1, row)
            )
            idles.append(idles[-1] + lasting if on and not steps.moving[row] else 0)
        speeding.append(max(fast) / SECOND_US)
        idle.append(max(idles) / SECOND_US if known else np.nan)
    return speeding, idle


@settings(deadline=None, max_examples=3)
@given(st.integers(0, 8))
def test_both_forms_are_what_a_walk_step_by_step_gives(seed: int) -> None:
    track = batch(seed).take(batch(seed).vehicle_ix == 0)
    flicker = np.random.default_rng(seed).random(len(track)) < 0.03
    track = track.with_status(np.where(flicker, track.status & ~np.uint32(Status.IGNITION_ON), track.status))
    expected = plain(track)
    assert max(expected[1]) > 60
    for form in (stretches, compiled):
        np.testing.assert_array_equal(found(form, track), expected)


@FORMS
def test_a_stretch_lasts_from_the_first_fast_report_to_the_last(form: ModuleType) -> None:
    track = Car().report().drive(100).drive(60, FAST).drive(100).drive(30, FAST).drive(60).park(900).positions()
    assert found(form, track)[0] == [50.0]


@FORMS
@pytest.mark.parametrize(("speeds", "seconds"), [([FAST], 0.0), ([FAST, FAST], 10.0), ([FAST, 12.0, FAST], 0.0)])
def test_a_wild_reading_alone_is_no_stretch(form: ModuleType, speeds: list[float], seconds: float) -> None:
    car = Car().report().drive(100)
    for speed in speeds:
        car.drive(10, speed)
    assert found(form, car.drive(100).park(900).positions())[0] == [seconds]


@FORMS
@pytest.mark.parametrize(("speed_mps", "fast"), [(35.33, False), (35.34, True), (70.0, True), (70.5, False)])
def test_the_limit_is_the_roads_and_the_terminals_error_and_no_car_flies(
    form: ModuleType, speed_mps: float, *, fast: bool
) -> None:
    track = Car().report().drive(200, 30.0).drive(100, speed_mps).drive(100, 30.0).park(900).positions()
    assert (found(form, track)[0][0] > 0) == fast


@FORMS
@pytest.mark.parametrize(("apart_s", "seconds"), [(90, 110.0), (91, 10.0)])
def test_reports_too_far_apart_say_nothing_of_the_time_between(form: ModuleType, apart_s: int, seconds: float) -> None:
    car = Car().report().drive(100).drive(20, FAST).drive(apart_s, FAST, reports=False).report(FAST)
    assert found(form, car.drive(10, FAST).drive(100).park(900).positions())[0] == [seconds]


@FORMS
def test_the_engine_runs_on_at_the_rest_after_the_trip(form: ModuleType) -> None:
    track = Car().report().drive(300).wait(1800).park(3600).drive(300).wait(30).drive(300).park(900).positions()
    assert found(form, track)[1] == [1790.0, 20.0]


@FORMS
def test_of_a_rest_what_lies_before_noon_of_the_next_day_counts(form: ModuleType) -> None:
    car = Car(clock=at("21:00")).report().drive(300).wait(10)
    car.driving_s = 300
    car.wait(24 * 3600)
    seconds = found(form, car.positions())[1][0]
    assert at("12:00", MONDAY + 1) - 300 * SECOND_US < at("21:05:10") + seconds * SECOND_US <= at("12:00", MONDAY + 1)


@FORMS
def test_without_ignition_nothing_is_known_of_idling(form: ModuleType) -> None:
    track = Car(ignition=False).report().drive(300).wait(1800).positions()
    assert np.isnan(found(form, track)[1]).tolist() == [True]
    off = Car().report(on=False).drive(300, 12.0).park(1800).positions()
    assert found(form, off)[1] == [0.0]


@FORMS
def test_no_position_makes_no_stretch(form: ModuleType) -> None:
    assert found(form, Positions.empty()) == ([], [])


def test_without_speeds_nothing_is_known_of_speeding() -> None:
    track = Car(speed=False).report().drive(300, FAST).park(1800).positions()
    assert audit(track, NOBODY, MONDAY, MONDAY).trips["speeding_s"].isna().tolist() == [True]
    assert audit(Car().report().drive(300).positions(), NOBODY, MONDAY, MONDAY).trips["speeding_s"].tolist() == [0.0]
