"""What is counted of a vehicle-day: positions, those in doubt, and those at a place that cannot be true."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import compiled, days
from analytics.audit import audit
from analytics.clean import misplaced
from analytics.stream import Stream
from geo.localtime import SECOND_US, local_day
from geo.positions import DOUBT_BITS, Positions, Status
from tests.analytics.tracks import MONDAY, Car, at, fleet, positions_at

FIX = int(Status.FIX_VALID)
COUNTED = ("positions", "doubtful", "misplaced")
DOUBTS = [int(bit) for bit in Status if bit & DOUBT_BITS]


@pytest.mark.parametrize("bit", list(Status))
def test_only_a_fix_that_is_impossible_to_reach_or_off_the_map_is_misplaced(bit: Status) -> None:
    status = np.array([bit | FIX, bit & ~FIX], dtype=np.uint32)
    assert misplaced(status).tolist() == [bit in {Status.TELEPORT, Status.OUT_OF_RANGE}, False]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 60), st.sets(st.sampled_from([0, FIX, *DOUBTS]))),
        min_size=1,
        max_size=30,
    )
)
def test_counts_are_those_of_counting_row_by_row_in_numpy_and_compiled(
    rows: list[tuple[int, int, set[int]]],
) -> None:
    rows = sorted(rows, key=lambda row: row[:2])
    expected: dict[tuple[int, int], list[int]] = {}
    for vehicle, hours, bits in rows:
        count = expected.setdefault((vehicle, MONDAY + hours // 24), [0, 0, 0])
        count[0] += 1
        count[1] += any(bit in bits for bit in DOUBTS)
        count[2] += FIX in bits and (int(Status.TELEPORT) in bits or int(Status.OUT_OF_RANGE) in bits)
    batch = positions_at(
        [at("00:00") + hours * 3600 * SECOND_US for _, hours, _ in rows],
        status=[sum(bits) for _, _, bits in rows],
        vehicle_ix=[vehicle for vehicle, _, _ in rows],
    )
    for form in (days, compiled):
        table = form.count_days(batch, batch.status, Positions.empty())
        found = zip(table["vehicle_ix"].tolist(), table["day"].tolist(), strict=True)
        counts = zip(*(table[name].tolist() for name in COUNTED), strict=True)
        assert dict(zip(found, map(list, counts), strict=True)) == expected


def test_a_leap_there_and_back_is_misplaced_and_a_car_that_stays_there_was_towed() -> None:
    drive = Car().report().streets(5)
    there_and_back = Car().report().streets(5).jump(5000).drive(10).jump(-5000).streets(5).positions()
    stays = drive.skip(600).jump(5000).streets(5).positions()
    assert audit(there_and_back, fleet(), MONDAY, MONDAY).vehicle_days["misplaced"].tolist() == [1]
    assert audit(stays, fleet(), MONDAY, MONDAY).vehicle_days["misplaced"].tolist() == [0]


@pytest.mark.parametrize(("fix", "expected"), [(True, 2), (False, 0)])
def test_zero_degrees_count_where_the_terminal_says_that_it_has_a_fix(*, fix: bool, expected: int) -> None:
    positions = Car().report().streets(5).positions()
    nowhere = np.isin(np.arange(len(positions)), [3, 7])
    status = np.where(nowhere & ~fix, 0, positions.status).astype(np.uint32)
    lat, lon = (np.where(nowhere, 0, column).astype(np.int32) for column in (positions.lat_e7, positions.lon_e7))
    found = audit(replace(positions, lat_e7=lat, lon_e7=lon, status=status), fleet(), MONDAY, MONDAY)
    assert found.vehicle_days["misplaced"].tolist() == [expected]


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_the_stream_counts_what_the_batch_counts_before_and_after_a_cut(pieces: int) -> None:
    car = Car(clock=at("22:00")).report()
    for _ in range(6):
        car.streets(10).jump(0, 4000).drive(10).jump(0, -4000).streets(5).park(3000)
    positions = car.positions()
    expected = audit(positions, fleet(), MONDAY, MONDAY + 1).vehicle_days
    assert expected["misplaced"].sum() == 6
    assert (np.unique(local_day(positions.fix_time)) == [MONDAY, MONDAY + 1]).all()
    late = np.arange(len(positions)) // 5 == 12  # one of the misplaced among them
    assert (
        expected["misplaced"].sum()
        > audit(positions.take(~late), fleet(), MONDAY, MONDAY + 1).vehicle_days["misplaced"].sum()
    )
    stream = Stream(fleet(), MONDAY, MONDAY + 1)
    for piece in np.array_split(np.flatnonzero(~late), pieces):
        stream.feed(positions.take(piece))
    assert any(part.vehicle_days["misplaced"].sum() for part in stream._final), "nothing was settled"
    stream.feed(positions.take(late))
    found = stream.tables().vehicle_days
    assert found[list(COUNTED)].to_numpy().tolist() == expected[list(COUNTED)].to_numpy().tolist()
