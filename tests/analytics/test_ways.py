"""The way within steps, what noise adds to it, and its interval: against a twin in plain Python, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.audit import audit
from analytics.clean import usable
from analytics.context import nothing_known
from analytics.excursions import aside, drifting
from analytics.mileage import fused
from analytics.ways import WAY_SUMS, way_columns
from geo.arrays import Columns
from geo.distance import chords_m, step_distance_m
from geo.localtime import SECOND_US
from geo.positions import DTYPES, Positions, Status
from tests.analytics import oracle_clean, oracle_mileage
from tests.analytics.tracks import MONDAY, Car, at, place

OFF, ON = Status.FIX_VALID | Status.IGNITION_KNOWN, Status.FIX_VALID | Status.IGNITION_KNOWN | Status.IGNITION_ON
ROW = st.tuples(
    st.sampled_from([5, 10, 10, 30, 44, 46, 400]),  # seconds since the row before
    st.floats(-400, 400),  # metres north and east since then
    st.floats(-400, 400),
    st.sampled_from([np.nan, 0.5, 1.9, 3.0, 8.0, 12.0, 12.0]),  # m/s
    st.one_of(st.just(np.nan), st.floats(0, 360, width=32)),
    st.sampled_from([-1, 0, 0, 80, 500]),  # growth of the odometer; −1: not sent
    st.booleans(),
)
SMOOTH = st.tuples(
    st.just(10), st.floats(-12, 12), st.floats(80, 110), st.sampled_from([8.0, 9.5, 11.0]), st.floats(88, 92, width=32),
    st.sampled_from([80, 100]), st.just(True),
)  # fmt: skip
Rows = list[tuple[int, float, float, float, float, int, bool]]


def track_of(rows: Rows, status: Status = Status.FIX_VALID) -> Positions:
    columns = [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]
    lat, lon = place(np.cumsum(columns[1]), np.cumsum(columns[2]))
    time = at("08:00") + np.cumsum(columns[0]).astype(np.int64) * SECOND_US
    return Positions.from_columns(
        len(rows),
        vehicle_ix=np.zeros(len(rows)),
        fix_time=time,
        lat_e7=np.round(lat * 1e7),
        lon_e7=np.round(lon * 1e7),
        speed_mps=columns[3],
        course_deg=columns[4],
        odometer_m=np.where(columns[5] < 0, -1, 1000 + np.cumsum(columns[5])),
        status=np.full(len(rows), status),
        received_at=time,
    )


def sums_of(track: Positions, moving: list[bool]) -> Columns:
    ends = np.arange(1, len(track))
    metres = step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix)
    return way_columns(track, metres, np.array(moving), np.zeros(len(ends), dtype=np.int64), ends)


def twin_of(track: Positions, moving: list[bool]) -> oracle_mileage.Way:
    metres = step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix)
    rows = np.arange(1, len(track))
    north, east = chords_m(track.lat_e7, track.lon_e7, rows - 1, rows)
    chords = [(0.0, 0.0), *zip(north.tolist(), east.tolist(), strict=True)]
    return oracle_mileage.sum_of_trip(track, chords, metres.tolist(), moving, 0, len(track) - 1)


@settings(deadline=None, max_examples=150)
@given(st.one_of(st.lists(ROW, min_size=2, max_size=12), st.lists(SMOOTH, min_size=9, max_size=20)))
def test_a_trip_adds_up_to_what_the_twin_says(rows: Rows) -> None:
    track, moving = track_of(rows), [row[6] for row in rows]
    sums, twin = sums_of(track, moving), twin_of(track, moving)
    totals = {name: float(sums[name].sum()) for name in WAY_SUMS}
    assert totals["way_m"] == pytest.approx(twin.way_m, rel=1e-6, abs=0.001)
    assert totals["spread_m2"] == pytest.approx(twin.spread_m2, rel=0.02, abs=1.0)
    assert totals["wobbles"] == twin.wobbles
    assert totals["wobble_m2"] == pytest.approx(twin.wobble_m2, rel=0.01, abs=0.5)
    assert totals["per_chord"] == pytest.approx(twin.per_chord if twin.wobbles else 0.0, abs=1e-4)
    steps = np.array([len(rows) - 1])
    found = fused(steps, {name: np.array([total]) for name, total in totals.items()})
    named = oracle_mileage.Way(**totals)
    low, distance, high = oracle_mileage.estimate(named, len(rows) - 1)
    assert found["distance_m"][0] == pytest.approx(distance, abs=1e-4)
    assert found["distance_low_m"][0] == pytest.approx(low, abs=1e-4)
    assert found["distance_high_m"][0] == pytest.approx(high, abs=1e-4)


def test_a_corner_between_two_reports_is_the_two_legs() -> None:
    rows: Rows = [(10, 0.0, 0.0, 10.0, 90.0, 0, True), (10, 60.0, 40.0, 10.0, 0.0, 0, True)]
    assert sums_of(track_of(rows), [True, True])["way_m"][0] == pytest.approx(100.0, abs=0.01)


def test_without_courses_a_corner_is_its_chord() -> None:
    rows: Rows = [(10, 0.0, 0.0, 10.0, np.nan, 0, True), (10, 60.0, 40.0, 10.0, 0.0, 0, True)]
    assert sums_of(track_of(rows), [True, True])["way_m"][0] == pytest.approx(np.hypot(60, 40), abs=0.01)


def test_a_minute_without_fix_is_the_growth_of_the_odometer_and_no_less_than_the_chord() -> None:
    for growth, metres in ((700, 700.0), (100, 500.0)):
        rows: Rows = [(10, 0.0, 0.0, 10.0, 90.0, 0, True), (60, 0.0, 500.0, 10.0, 90.0, growth, True)]
        assert sums_of(track_of(rows), [True, True])["way_m"][0] == pytest.approx(metres, abs=0.1)


def test_two_lights_with_a_drive_between_their_reports() -> None:
    rows: Rows = [(10, 0.0, 0.0, 0.0, np.nan, 0, False), (30, 0.0, 150.0, 0.0, np.nan, 0, False)]
    assert sums_of(track_of(rows), [False, False])["way_m"][0] == pytest.approx(150.0, abs=0.1)
    rows[1] = (30, 0.0, 40.0, 0.0, np.nan, 0, False)
    assert sums_of(track_of(rows), [False, False])["way_m"][0] == 0.0


def test_what_noise_adds_is_taken_off_and_the_interval_holds_the_way() -> None:
    """A straight drive of 300 reports with noise of 4 m: chords are 0.4 m a step too long."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(20):
        noise = rng.normal(0, 4, (301, 2))
        rows: Rows = [
            (10, *np.diff(noise, axis=0)[step] + [0.0, 80.0], 8.0, 90.0, 80, True) for step in range(300)
        ]  # fmt: skip
        sums = {name: np.array([column.sum()]) for name, column in sums_of(track_of(rows), [True] * 300).items()}
        found = fused(np.array([299]), sums)
        assert sums["way_m"][0] - 299 * 80 > 40
        assert abs(found["distance_m"][0] - 299 * 80) < 35
        held += bool(found["distance_low_m"][0] <= 299 * 80 <= found["distance_high_m"][0])
    assert held >= 18


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(ROW, SMOOTH), min_size=3, max_size=30), st.sampled_from([OFF, ON]))
def test_excursions_are_what_the_twin_says(rows: Rows, status: Status) -> None:
    track = track_of(rows, status)
    good = np.flatnonzero(usable(track.status))
    assert set(np.flatnonzero(aside(track, good)).tolist()) == oracle_clean.aside_rows(track, good.tolist())
    assert set(np.flatnonzero(drifting(track, good)).tolist()) == oracle_clean.drifting_rows(track, good.tolist())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-90, 90), st.booleans()), min_size=4, max_size=12))
def test_drift_is_what_the_twin_says(places: list[tuple[float, float, bool]]) -> None:
    north, east, kept = (np.array(column) for column in zip(*places, strict=True))
    steps = np.diff(np.column_stack((north, east)), axis=0, prepend=0.0)
    rows: Rows = [(300, *step, 0.0, np.nan, 0, False) for step in steps.tolist()]
    track = track_of(rows, OFF)
    good = np.flatnonzero(kept | (np.arange(len(rows)) % 2 == 0))
    assert set(np.flatnonzero(drifting(track, good)).tolist()) == oracle_clean.drifting_rows(track, good.tolist())


def test_a_trip_keeps_its_three_values() -> None:
    track = Car().park(1800).streets(6).park(1800).positions()
    trip = audit(track, nothing_known(np.zeros(1, dtype=np.int32)), MONDAY, MONDAY).trips.iloc[0]
    assert trip["distance_low_m"] < trip["distance_m"] < trip["distance_high_m"]
    assert trip["gps_m"] == pytest.approx(6 * 60 * 12.0, rel=0.001)
    assert trip["odometer_m"] == pytest.approx(6 * 60 * 12.0, abs=2)


def marks_of(growth: list[int]) -> list[str]:
    """Marks of a day on which a car drove 100 m every 10 s while its odometer grew so."""
    rows: Rows = [(10, 0.0, 100.0, 10.0, 90.0, 0, True) for _ in growth]
    track = track_of(rows)
    odometer = 100_000 + np.cumsum(growth)
    columns = {name: getattr(track, name) for name in DTYPES} | {"odometer_m": odometer}
    days = audit(
        Positions.from_columns(len(rows), **columns), nothing_known(np.zeros(1, dtype=np.int32)), MONDAY, MONDAY
    )
    marks: list[str] = days.vehicle_days["odometer_mark"].tolist()
    return marks


def test_an_odometer_that_does_not_grow_is_stuck_on_the_fifth_kilometre() -> None:
    assert marks_of([0] * 70) == ["stuck"]
    assert marks_of([0] * 45) == [""]
    assert marks_of([11] * 70) == [""]
    assert marks_of([9] * 70) == ["stuck"]


def test_an_odometer_that_runs_back_or_leaps_was_reset() -> None:
    assert marks_of([100] * 35 + [-50_000] + [100] * 34) == ["reset"]
    assert marks_of([100] * 35 + [1_601] + [100] * 34) == ["reset"]
    assert marks_of([100] * 35 + [1_600] + [100] * 34) == [""]
