"""Steps through zones: shapely's line against every zone, one by one."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.distance import distance_m
from geo.zones import Zone, ZoneIndex
from tests.geo.shapes import zones_of

Steps = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def steps_of(rng: np.random.Generator, zones: list[Zone]) -> Steps:
    """Parked, short, long and very long steps; some from corner to corner of a zone, some along its edges."""
    n = 120
    lat, lon = rng.integers((229_900_000, 1_131_900_000), (231_100_000, 1_133_100_000), (n, 2)).T
    length = 10 ** rng.uniform(0, 7, (n, 1)) * rng.normal(0, 1, (n, 2))
    length[:20] = 0
    corners = np.round(shapely.get_coordinates([zone.geometry for zone in zones]) * 1e7)
    at = rng.integers(0, len(corners), 30)
    lat, lon = np.concatenate((lat, corners[at, 1])), np.concatenate((lon, corners[at, 0]))
    onward = np.concatenate((length, corners[(at + rng.integers(0, 3, 30)) % len(corners), ::-1] - corners[at, ::-1]))
    ends = lat + onward[:, 0], lon + onward[:, 1]
    return tuple(np.round(each).astype(np.int32) for each in (lat, lon, *ends))  # type: ignore[return-value]


def line(steps: Steps, row: int) -> shapely.Geometry:
    lat0, lon0, lat1, lon1 = (each[row] * 1e-7 for each in steps)
    same = (lat0, lon0) == (lat1, lon1)
    return shapely.Point(lon0, lat0) if same else shapely.LineString([(lon0, lat0), (lon1, lat1)])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([0.0005, 0.001, 0.01]))
def test_crossed_zones_are_those_that_shapely_s_line_meets(seed: int, cell_deg: float) -> None:
    rng = np.random.default_rng(seed)
    zones = zones_of(rng)
    if not zones:
        return
    steps = steps_of(rng, zones)
    found = ZoneIndex(zones, cell_deg).crossed(*steps)
    lines = [line(steps, row) for row in range(len(steps[0]))]
    expected = [
        (row, number)
        for row, each in enumerate(lines)
        for number, zone in enumerate(zones)
        if shapely.intersects(zone.geometry, each)
    ]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([0.0005, 0.001, 0.01]))
def test_the_part_inside_is_what_shapely_cuts_out(seed: int, cell_deg: float) -> None:
    rng = np.random.default_rng(seed)
    zones = zones_of(rng)
    if not zones:
        return
    steps = steps_of(rng, zones)
    found = ZoneIndex(zones, cell_deg).passages(*steps)
    shares = {
        (int(s), int(z)): (a, b, c)
        for s, z, a, b, c in zip(found.step, found.zone, found.enters, found.leaves, found.share, strict=True)
    }
    for row in range(len(steps[0])):
        each = line(steps, row)
        for number, zone in enumerate(zones):
            enters, leaves, share = shares.get((row, number), (0.0, 0.0, 0.0))
            if each.length == 0:
                assert share == float(shapely.intersects(zone.geometry, each))
                continue
            cut = shapely.intersection(each, zone.geometry)
            near = 1e-7 / each.length + 1e-9  # the grid of positions
            assert share == pytest.approx(cut.length / each.length, abs=3 * near)
            if cut.length > 2e-6:
                along = shapely.line_locate_point(each, shapely.points(shapely.get_coordinates(cut)), normalized=True)
                assert enters == pytest.approx(along.min(), abs=near) or cut.geom_type == "GeometryCollection"
                assert leaves == pytest.approx(along.max(), abs=near) or cut.geom_type == "GeometryCollection"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([0.0005, 0.001, 0.01]))
def test_a_step_that_is_not_near_meets_nothing(seed: int, cell_deg: float) -> None:
    rng = np.random.default_rng(seed)
    zones = zones_of(rng)
    if not zones:
        return
    index, steps = ZoneIndex(zones, cell_deg), steps_of(rng, zones)
    near = index.near(steps[2], steps[3], distance_m(*steps))
    assert not np.isin(np.flatnonzero(~near), index.crossed(*steps)[0]).any()


def test_steps_around_the_grid_are_not_taken_for_steps_at_rest() -> None:
    index = ZoneIndex([Zone(0, "z", "hotel", "", "", shapely.box(113, 23, 113.01, 23.01))])
    west, east = np.array([1_129_000_000], dtype=np.int32), np.array([1_131_000_000], dtype=np.int32)
    through, past = np.array([230_050_000], dtype=np.int32), np.array([231_050_000], dtype=np.int32)
    assert [each.tolist() for each in index.crossed(through, west, through, east)] == [[0], [0]]
    assert [each.tolist() for each in index.crossed(past, west, past, east)] == [[], []]
    passage = index.passages(through, west, through, east)
    assert passage.share == pytest.approx([0.05])
    assert passage.enters == pytest.approx([0.5])


def test_without_zones_or_steps_nothing_is_crossed() -> None:
    none = np.empty(0, dtype=np.int32)
    one = np.array([230_050_000], dtype=np.int32)
    box = Zone(0, "z", "hotel", "", "", shapely.box(113, 23, 113.01, 23.01))
    for index, place in ((ZoneIndex([]), one), (ZoneIndex([box]), none)):
        assert not len(index.crossed(place, place, place, place)[0])
        assert not len(index.passages(place, place, place, place).step)
