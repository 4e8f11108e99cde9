"""Outside is a state that must last, and sure in spite of the fix's error; against a count run by run."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.area import outside_area
from geo.localtime import SECOND_US
from geo.zones import ZoneIndex
from tests.analytics.tracks import at, positions_at, square

AREAS = ZoneIndex([square("a", "district", (-1000.0, 1000.0))])
ZERO = np.zeros(2, dtype=np.int32)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 50), st.booleans()), max_size=30))
def test_runs_outside_count_by_number_or_by_time(rows: list[tuple[int, int, bool]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    times = (at("08:00") + np.cumsum([row[1] for row in rows]) * SECOND_US).astype(np.int64).tolist()
    east = [2000.0 if row[2] else 0.0 for row in rows]
    found = outside_area(positions_at(times, east, vehicle_ix=[row[0] for row in rows]), ZERO, AREAS).tolist()
    expected: list[bool] = []
    for (_, out), run in groupby(range(len(rows)), key=lambda n: (rows[n][0], rows[n][2])):
        numbers = list(run)
        lasting = (times[numbers[-1]] - times[numbers[0]]) / SECOND_US
        expected += [out and (len(numbers) >= 3 or lasting >= 60)] * len(numbers)
    assert found == expected


def test_a_vehicle_outside_when_the_data_begins_is_outside() -> None:
    track = positions_at([at("08:00") + n * 10 * SECOND_US for n in range(4)], [5000.0] * 4)
    assert outside_area(track, ZERO, AREAS).all()


def test_without_area_everywhere_is_permitted() -> None:
    track = positions_at([at("08:00") + n * 10 * SECOND_US for n in range(4)], [5000.0] * 4)
    assert not outside_area(track, ZERO - 1, AREAS).any()


def test_an_area_that_no_longer_holds_forbids_nothing() -> None:
    (area,) = AREAS.zones
    lapsed = ZoneIndex([replace(area, valid_to=at("08:00:15"))])
    track = positions_at([at("08:00") + n * SECOND_US for n in range(30)], [5000.0] * 30)
    assert outside_area(track, ZERO, lapsed).tolist() == [True] * 15 + [False] * 15


def test_the_whole_error_circle_must_lie_outside() -> None:
    times = [at("08:00") + n * SECOND_US for n in range(5)]
    for satellites, radius_m in ((-1, 30.0), (12, 30.0), (6, 40.0), (4, 100.0), (0, 200.0)):
        for off_m in (-0.5, 0.5):
            track = positions_at(times, [1000.0 + radius_m + off_m] * 5)
            track.satellites[:] = satellites
            assert outside_area(track, ZERO, AREAS).all() == (off_m > 0)
    track = positions_at(times, [1060.0] * 5)
    assert outside_area(track, ZERO, AREAS, border_tolerance_m=50.0).all()
    assert not outside_area(track, ZERO, AREAS, border_tolerance_m=70.0).any()


@pytest.mark.parametrize("memory_s", [0.0, 60.0])
def test_a_year_along_the_border_gives_no_false_exit(memory_s: float) -> None:
    """Two hours of every working day on the very border, σ 7 m an axis (17 m, 95 %), errors that fade in `memory_s`."""
    n, step_s = 250 * 720, 10
    rng = np.random.default_rng(20)
    kept = np.exp(-step_s / memory_s) if memory_s else 0.0
    noise = rng.normal(0, 7.0 * np.sqrt(1 - kept**2), n)
    for row in range(1, n):
        noise[row] += kept * noise[row - 1]
    times = (at("08:00") + np.arange(n) * step_s * SECOND_US).tolist()
    north = rng.uniform(-900, 900, n)
    track = positions_at(times, (1000.0 + noise).tolist(), north_m=north.tolist())
    assert (~AREAS.inside(track.vehicle_ix, track.lat_e7, track.lon_e7)).mean() > 0.4
    exits = np.diff(outside_area(track, ZERO, AREAS).astype(np.int8), prepend=0) == 1
    assert exits.sum() <= 1
