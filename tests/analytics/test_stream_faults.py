"""The stream ends where the batch does with terminals that send anything, and with a degraded fleet as it was received."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from analytics import stream as stream_module
from analytics.audit import TABLES, audit
from analytics.context import FleetContext
from analytics.stream import Stream
from benchmarks.city import reported
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks
from geo.localtime import SECOND_US, day_number, local_day
from geo.positions import NO_ODOMETER, Positions, Status
from tests.analytics.test_audit import CITY
from tests.analytics.tracks import MONDAY, at, fleet, office, positions_at, square

PARKED = Status.FIX_VALID | Status.IGNITION_KNOWN
DRIVEN = PARKED | Status.IGNITION_ON
SENT = (Status.FIX_VALID, PARKED, DRIVEN, Status.IGNITION_KNOWN)


def known_city(vehicles: int, first: int, days: int) -> FleetContext:
    """A fleet with a duty calendar, a permitted area, a venue at home, orders and cards."""
    venue = square("inn", "restaurant", (-500, 500), (-500, 500))
    orders = [(0, at("09:00"), at("12:00"), "D1"), (1, at("09:00", MONDAY + 1), at("20:00", MONDAY + 1), "D2")]
    return fleet(
        vehicles, calendar=office(first=first, days=days), area=CITY, zones=[CITY, venue], orders=orders,
        swipes=[(0, at("08:00"), True, "C1"), (0, at("17:00"), False, "C1")],
    )  # fmt: skip


def equal(stream: Stream, came: Positions) -> None:
    """Of the days that decide, the batch has the rows of the stream."""
    day = local_day(came.fix_time)
    inside = (day >= stream.from_day - 1) & (day <= stream.to_day + 1)
    expected, found = audit(came.take(inside), stream.context, stream.from_day, stream.to_day), stream.tables()
    for table in TABLES:
        right = getattr(expected, table)
        assert_frame_equal(getattr(found, table)[right.columns], right, check_exact=True)


def as_received(positions: Positions, rng: np.random.Generator, late_share: float) -> np.ndarray:
    """Rows in order of receipt: some hours late, some twice."""
    n = len(positions)
    delay = np.where(rng.random(n) < late_share, rng.integers(0, 60_000, n), 0) * SECOND_US
    again = rng.integers(0, n, n // 20)
    when = np.concatenate((positions.received_at + delay, positions.received_at[again] + 90 * SECOND_US))
    return np.concatenate((np.arange(n), again))[np.argsort(when, kind="stable")]


def anything(vehicle: int, rng: np.random.Generator) -> Positions:
    """Drives, stands and drifts, and among them leaps, silences, lost fixes, stopped odometers and wrong clocks."""
    rows: list[tuple[int, float, float, float, int, int, int]] = []
    time, east, north, metres = at("00:10"), 0.0, 0.0, 1000.0
    odometer_share = rng.choice([0, 0.5, 1.0])
    for _ in range(int(rng.integers(4, 18))):
        kind, noise = int(rng.integers(0, 4)), rng.choice([1.0, 40.0, 100.0])
        for _ in range(int(rng.integers(1, 50))):
            if kind == 0:
                seconds, step, speed, status = 10, (rng.normal(0, 80), 90.0), rng.choice([np.nan, 0, 5.0, 12.0]), DRIVEN
            elif kind == 1:
                seconds, step, speed, status = 300, (0.0, rng.normal(0, noise)), rng.choice([0.0, np.nan, 3.5]), PARKED
            elif kind == 2:
                seconds, step, speed, status = 280, (0.0, 0.0), rng.choice([0.0, 0.0, 4.0]), rng.choice(SENT)
            else:
                seconds = int(rng.choice([0, 1, 10, 30, 200, 1000, 4000, 20_000]))
                step = float(rng.choice([0, 0, -7, 90, -500])), float(rng.choice([0, 5, 40, 400, 6000]))
                speed, status = rng.choice([np.nan, 0.0, 1.5, 3.0, 12.0]), rng.choice(SENT)
            time += seconds * SECOND_US + int(rng.integers(0, 2) * rng.integers(0, 900_000))
            east, north = (east + step[0]) % 40_000, (north + step[1]) % 40_000
            metres += abs(step[0]) + abs(step[1])
            off = 0 if rng.random() > 0.005 else int(rng.choice([-40, 3, 300])) * 86_400 * SECOND_US
            leap = 3000.0 if rng.random() < 0.01 else 0.0
            came = time + int(rng.choice([1, 1, -400, 60])) * SECOND_US
            odometer = int(metres) if rng.random() < odometer_share else NO_ODOMETER
            rows.append((time + off, east, north + leap, speed, int(status), came, odometer))
    times, easts, norths, speeds, bits, receipts, counter = zip(*rows, strict=True)
    positions = positions_at(
        times, easts, north_m=norths, speed=speeds, status=bits, vehicle_ix=vehicle, received_at=receipts,
        odometer_m=counter,
    )  # fmt: skip
    course = np.where(rng.random(len(rows)) < rng.choice([0, 0.3, 1]), rng.choice([0, 45, 90], len(rows)), np.nan)
    return replace(positions, course_deg=course.astype(np.float32))


@settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**31), st.integers(1, 40), st.sampled_from([0.0, 0.01]), st.sampled_from([1, 64]))
def test_terminals_that_send_anything(draw: int, parts: int, late_share: float, settle_rows: int) -> None:
    rng = np.random.default_rng(draw)
    positions = Positions.concat([anything(vehicle, rng) for vehicle in range(2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "SETTLE_ROWS", settle_rows)
        stream = Stream(known_city(2, MONDAY - 100, 600), MONDAY, MONDAY + int(rng.integers(0, 5)))
        rows = as_received(positions, rng, late_share)
        for part in np.split(rows, np.sort(rng.integers(0, len(rows) + 1, parts - 1))):
            stream.feed(positions.take(part))
    equal(stream, positions)


def test_a_degraded_fleet_as_it_was_received() -> None:
    first, days, vehicles = day_number(FIRST_DAY), 3, 6
    made = next(chunks(make_fleet(vehicles, 3), first, days, 3, degraded=True))
    positions = reported(made.columns)
    stream = Stream(known_city(vehicles, first - 500, 600), first, first + days - 1)
    for part in np.array_split(np.argsort(positions.received_at, kind="stable"), 120):
        stream.feed(positions.take(part))
    assert len(stream.tables().trips) > 20
    equal(stream, positions)
