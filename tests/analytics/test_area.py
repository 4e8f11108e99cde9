"""Outside is a state that must last; against a count run by run."""

from itertools import groupby

import numpy as np
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
