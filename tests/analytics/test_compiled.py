"""The compiled loops give what the numpy forms give, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import borders, clean, compiled, days, kernels, middles, silence, steps, stretches, tally
from analytics.bounds import Bounds
from analytics.context import nothing_known
from analytics.duty import DutyCalendar
from analytics.segment import segment
from analytics.visits import rest_until
from benchmarks.city import reported
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks
from geo.arrays import Columns
from geo.localtime import SECOND_US, day_number, day_start_us
from geo.positions import Positions, Status, canonical, canonical_order
from geo.zones import Zone, ZoneIndex

HOUR = 3600 * SECOND_US
NOON = day_start_us(day_number(FIRST_DAY)) + 12 * 3600 * SECOND_US

DAY = day_number(FIRST_DAY)
OFFICE = DutyCalendar.of(
    "office",
    [(day_start_us(DAY + day) + 9 * HOUR, day_start_us(DAY + day) + 17 * HOUR) for day in range(70)],
    [(DAY + day, "workday") for day in range(-2, 70)],
)

NEAR = shapely.Point(113.3, 23.1).buffer(0.004)
AREAS = ZoneIndex(
    [
        Zone(number, f"Z{number}", "district", "", "", geometry)
        for number, geometry in enumerate(
            [
                NEAR,
                NEAR.difference(shapely.Point(113.3, 23.101).buffer(0.001)),
                shapely.box(113.3, 23.1, 113.4, 23.6),
                shapely.box(113.29999, 23.09, 113.30001, 23.6),
                shapely.box(110.0, 20.0, 115.0, 25.0),
            ]
        )
    ]
)

ROW = st.tuples(
    st.integers(0, 1),  # vehicle
    st.sampled_from([0, 1, 10, 30, 200, 300, 1000, 40_000]),  # seconds since the row before
    st.sampled_from([0, 0, 0, 1, 5, 40, 400, 6000, 4_000_000]),  # metres north, about
    st.sampled_from([0, 0, 1, -7, 90, -500]),  # metres east, about
    st.sampled_from([np.nan, 0.0, 1.4999, 1.5, 3.0, 12.0, 36.0, 36.0, 80.0]),
    st.sampled_from(
        [
            Status.FIX_VALID,
            Status.FIX_VALID | Status.IGNITION_KNOWN,
            Status.FIX_VALID | Status.IGNITION_KNOWN | Status.IGNITION_ON,
            Status.IGNITION_KNOWN,
        ]
    ),
    st.sampled_from([1, 1, 1, 1, -400, 86_400]),  # seconds until it is received
    st.sampled_from([np.nan, 0.0, 0.0, 2.9, 25.0, 90.0, 90.0, 300.0, 359.99]),  # course
    st.sampled_from([-1, 0, 10, 10, 5000, 10_000_000]),  # metres the odometer grew; -1: it was not sent
)


Rows = list[tuple[int, int, int, int, float, Status, int, float, int]]


def track_of(rows: Rows, step_e7: int) -> Positions:
    time = NOON + np.cumsum([row[1] for row in rows]) * SECOND_US
    sign = np.where(np.arange(len(rows)) % 3 == 2, -1, 1)
    return canonical(
        Positions.from_columns(
            len(rows),
            vehicle_ix=np.array([row[0] for row in rows]),
            fix_time=time,
            lat_e7=231_000_000 + np.cumsum([row[2] * step_e7 for row in rows] * sign) % 40_000_000,
            lon_e7=1_133_000_000 + np.cumsum([row[3] * step_e7 for row in rows]),
            speed_mps=np.array([row[4] for row in rows]),
            course_deg=np.array([row[7] for row in rows]),
            odometer_m=np.where(np.array([row[8] for row in rows]) < 0, -1, np.cumsum([row[8] for row in rows])),
            status=np.array([int(row[5]) for row in rows]),
            received_at=time + np.array([row[6] for row in rows]) * SECOND_US,
        )
    )


def assert_equal(positions: Positions) -> None:
    status = clean.mark_doubt(positions)
    assert compiled.mark_doubt(positions).tolist() == status.tolist()
    good = np.flatnonzero(clean.usable(status))
    quiet = silence.silence_s(positions, good)
    assert compiled.silence_s(positions, good).tolist() == quiet.tolist()
    track = positions.take(good)
    found, expected = (each.long_steps(track.fix_time, 300 * SECOND_US) for each in (compiled, silence))
    assert found.tolist() == expected.tolist()
    for found, expected in zip(compiled.step_kinds(track, quiet), steps.step_kinds(track, quiet), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_same(compiled.count_days(positions, status, track), days.count_days(positions, status, track))
    segments, between = segment(track, quiet)
    spans = segments.first, segments.last, segments.start_time + 90 * SECOND_US, segments.end_time - 30 * SECOND_US
    for found, expected in zip(compiled.middles(track, *spans), middles.middles(track, *spans), strict=True):
        np.testing.assert_array_equal(found, expected)
    trips = tally.Spans.of(segments)
    context = replace(
        nothing_known(np.arange(2, dtype=np.int32)), calendars=(OFFICE,), calendar_ix=np.array([0, -1], dtype=np.int32)
    )
    rests = rest_until(segments, trips)
    assert_same(*(each.stretches(track, between, trips, rests) for each in (compiled, stretches)))
    for outside in (np.arange(len(track)) // 7 % 3 == 0, np.zeros(len(track), dtype=np.bool_)):
        results = [each.tally(track, between, trips, outside, context) for each in (compiled, tally)]
        for found_table, expected_table in zip(*results, strict=True):
            assert_same(found_table, expected_table)


def assert_same(found: Columns, expected: Columns) -> None:
    assert found.keys() == expected.keys()
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)


@settings(deadline=None, max_examples=150)
@given(st.lists(ROW, min_size=1, max_size=60), st.sampled_from([3, 90, 140]))
def test_any_rows(rows: Rows, step_e7: int) -> None:
    assert_equal(track_of(rows, step_e7))


@pytest.mark.parametrize("degraded", [False, True])
def test_a_simulated_fleet(*, degraded: bool) -> None:
    made = next(chunks(make_fleet(8, 3), day_number(FIRST_DAY), 3, 3, degraded=degraded))
    positions = canonical(reported(made.columns))
    positions = positions.take(positions.vehicle_ix < 2)
    assert len(positions) > 2000
    assert_equal(positions)


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=60), st.sampled_from([3, 90, 140]), st.integers(-1, 4), st.integers(-1, 4))
def test_the_same_rows_are_outside(rows: Rows, step_e7: int, one: int, other: int) -> None:
    track = track_of(rows, step_e7)
    track.satellites[:] = np.arange(len(track)) % 10 - 1
    zone_ix = np.array([[one, other], [other, -1], [3, one], [one, one]], dtype=np.int32)
    holds = (np.arange(8).reshape(4, 2) + one) % 3 == 0
    holds[0] = False
    is_area = (zone_ix == zone_ix[0]) & (zone_ix >= 0) & (np.arange(4) > 0)[:, None]
    for tolerance_m in (0.0, 50.0, 300.0):
        bounds = Bounds(AREAS, zone_ix, holds, is_area, tolerance_m)
        found, expected = (each.outside_bounds(track, bounds) for each in (compiled, borders))
        np.testing.assert_array_equal(found, expected)
    segments, between = segment(track, kernels.silence_s(track, np.arange(len(track))))
    trips = tally.Spans.of(segments)
    results = [each.metres_outside(between, trips, found) for each in (compiled, borders)]
    np.testing.assert_array_equal(*results)


EDGE = st.sampled_from(
    [
        *(-(2**31), 2**31 - 1, 0, 1, -1, 230_000_000, 230_000_900, 230_030_000),
        *(900_000_000, 899_999_000, -900_000_000, -899_970_000, 900_000_001),
        *(1_800_000_000, 1_799_999_500, -1_800_000_000, -1_799_970_000, -1_799_999_000, 1_800_000_001),
    ]
)
EXTREME_ROW = st.tuples(
    st.integers(0, 5),  # vehicle
    st.sampled_from([0, 1, 1, 10, 20, 45, 46, 1000, 90_000]),  # seconds since the row before
    EDGE,
    EDGE,
    st.sampled_from([np.nan, np.inf, -np.inf, -5.0, 0.0, 1.9999999, 2.0, 3.0, 30.0, 1000.0, 1001.0, 3e38]),
    st.sampled_from([np.nan, np.inf, -np.inf, -725.0, -0.01, 0.0, 90.0, 359.96, 360.0, 1000.0, 1001.0, 1e6]),
    st.integers(0, 7).map(lambda bits: bits | 1) | st.integers(0, 2**23 - 1),
    st.sampled_from([1, 1, 1, 1, 1, -300, -301, -(2**40)]),  # seconds until it is received
    st.integers(1, 5),  # times it is sent
)


@settings(deadline=None, max_examples=60)
@given(st.lists(EXTREME_ROW, max_size=12), st.sampled_from([0, NOON, 1_262_304_000 * SECOND_US - 60 * SECOND_US]))
def test_extreme_rows_are_in_the_same_doubt(
    rows: list[tuple[int, int, int, int, float, float, int, int, int]], first: int
) -> None:
    """The ends of the earth and of the numbers, vehicles of one row, and bits that nobody sent."""
    rows = [row for row in rows for _ in range(row[8])]
    vehicle, seconds, lat, lon, speed, course, status, delay, _ = (
        np.array([row[at] for row in rows]) for at in range(9)
    )
    time = first + np.cumsum(seconds.astype(np.int64)) * SECOND_US
    columns = {"lat_e7": lat, "lon_e7": lon, "speed_mps": speed, "course_deg": course, "status": status}
    received_at = time + delay.astype(np.int64) * SECOND_US
    positions = Positions.from_columns(len(rows), vehicle_ix=vehicle, fix_time=time, received_at=received_at, **columns)
    positions = positions.take(canonical_order(positions))
    with np.errstate(invalid="ignore", over="ignore"):  # an endless speed leads nowhere
        doubt = clean.mark_doubt(positions)
    assert compiled.mark_doubt(positions).tolist() == doubt.tolist()
    good = np.flatnonzero(clean.usable(doubt))
    assert compiled.silence_s(positions, good).tolist() == silence.silence_s(positions, good).tolist()


def test_no_positions() -> None:
    assert_equal(Positions.empty())


def test_the_compiled_loops_are_in_use_here() -> None:
    assert kernels.COMPILED
    assert kernels.step_kinds is compiled.step_kinds
