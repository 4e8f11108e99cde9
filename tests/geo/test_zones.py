"""The raster index against shapely's exact answer."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.pairs import laid_out, pairs_at
from geo.zones import Zone, ZoneIndex, read_zones
from tests.geo.shapes import zones_of

DISTRICTS = Path(__file__).parents[2] / "fixtures" / "districts.geojson"


def zone(number: int, geometry: shapely.Geometry) -> Zone:
    return Zone(number, f"z{number}", "hotel", f"名{number}", f"name {number}", geometry)


def exact(zones: list[Zone], lat_e7: np.ndarray, lon_e7: np.ndarray) -> list[tuple[int, int]]:
    return [
        (position, number)
        for position in range(len(lat_e7))
        for number, each in enumerate(zones)
        if shapely.intersects_xy(each.geometry, lon_e7[position] * 1e-7, lat_e7[position] * 1e-7)
    ]


def pairs(index: ZoneIndex, lat_e7: np.ndarray, lon_e7: np.ndarray) -> list[tuple[int, int]]:
    position, number = index.members(lat_e7, lon_e7)
    return list(zip(position.tolist(), number.tolist(), strict=True))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([0.0005, 0.001, 0.01]))
def test_index_gives_the_exact_answer(seed: int, cell: float) -> None:
    """On the ground, on corners, on borders as near as the grid of 10⁻⁷ degrees allows, and a unit beside them."""
    rng = np.random.default_rng(seed)
    zones = zones_of(rng)
    if not zones:
        return
    lat = rng.integers(229_000_000, 232_000_000, 200, dtype=np.int32)
    lon = rng.integers(1_131_000_000, 1_134_000_000, 200, dtype=np.int32)
    borders = shapely.boundary([each.geometry for each in zones])
    some = shapely.get_coordinates(
        shapely.line_interpolate_point(rng.choice(borders, 60), rng.random(60), normalized=True)
    )
    near = np.concatenate((shapely.get_coordinates(borders)[:60], some))
    near_e7 = np.round(near * 1e7).astype(np.int32) + rng.integers(-1, 2, near.shape, dtype=np.int32)
    lat, lon = np.concatenate((lat, near_e7[:, 1])), np.concatenate((lon, near_e7[:, 0]))
    index, expected = ZoneIndex(zones, cell), exact(zones, lat, lon)
    assert pairs(index, lat, lon) == expected
    own = rng.integers(-1, len(zones), len(lat)).astype(np.int32)
    assert index.inside(own, lat, lon).tolist() == [(row, int(zone)) in expected for row, zone in enumerate(own)]


def test_a_position_on_the_border_is_in_the_zone() -> None:
    index = ZoneIndex([zone(0, shapely.box(113, 23, 113.1, 23.1))])
    lat = np.array([230_000_000, 231_000_000, 230_500_000, 230_500_000, 229_999_999, 231_000_001], dtype=np.int32)
    lon = np.array([1_130_500_000, 1_130_500_000, 1_130_000_000, 1_131_000_000, 1_130_500_000, 1_130_500_000], np.int32)
    assert index.members(lat, lon)[0].tolist() == [0, 1, 2, 3]


def test_inside_is_the_same_where_the_table_would_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    zones = [zone(i, shapely.Point(x, y).buffer(0.02)) for i, (x, y) in enumerate(rng.uniform(23, 23.1, (12, 2)))]
    lat, lon = rng.integers(229_700_000, 231_300_000, (2, 500), dtype=np.int32)
    own = rng.integers(-1, 12, 500).astype(np.int32)
    table = ZoneIndex(zones).inside(own, lat, lon)
    monkeypatch.setattr("geo.zones.TABLE", 0)
    assert np.array_equal(ZoneIndex(zones).inside(own, lat, lon), table)


def test_districts_tile_their_ground_as_shapely_says() -> None:
    zones = read_zones(DISTRICTS)
    assert len(zones) == 11
    rng = np.random.default_rng(1)
    lat = rng.integers(225_000_000, 240_000_000, 4000, dtype=np.int32)
    lon = rng.integers(1_129_000_000, 1_141_000_000, 4000, dtype=np.int32)
    assert pairs(ZoneIndex(zones), lat, lon) == exact(zones, lat, lon)


def test_an_index_over_a_province_grows_its_cells_and_keeps_its_answer() -> None:
    zones = [zone(0, shapely.box(109, 20, 117, 25)), zone(1, shapely.box(113, 23, 113.01, 23.01))]
    lat, lon = np.array([230_050_000, 260_000_000], dtype=np.int32), np.array([1_130_050_000] * 2, dtype=np.int32)
    assert pairs(ZoneIndex(zones, 0.0005), lat, lon) == [(0, 0), (0, 1)]


def test_inside_asks_each_position_for_its_own_zone() -> None:
    index = ZoneIndex([zone(0, shapely.box(113, 23, 113.1, 23.1)), zone(1, shapely.box(113.2, 23, 113.3, 23.1))])
    lat, lon = np.full(4, 230_500_000, dtype=np.int32), np.array([1_130_500_000] * 4, dtype=np.int32)
    assert index.inside(np.array([0, 1, -1, 0], dtype=np.int32), lat, lon).tolist() == [True, False, False, True]


def test_an_index_without_zones_holds_nothing() -> None:
    lat = np.array([230_000_000], dtype=np.int32)
    assert pairs(ZoneIndex([]), lat, lat) == []


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 200), max_size=4))
def test_any_chunking_and_any_order_give_the_same(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    zones = [zone(i, shapely.Point(x, y).buffer(0.02)) for i, (x, y) in enumerate(rng.uniform(23, 23.1, (12, 2)))]
    index = ZoneIndex(zones, 0.001)
    lat, lon = rng.integers(229_700_000, 231_300_000, (2, 200), dtype=np.int32)
    order = rng.permutation(200)
    together = pairs(index, lat, lon)
    bounds = [0, *sorted(cuts), 200]
    parts = [
        [(start + position, number) for position, number in pairs(index, lat[start:end], lon[start:end])]
        for start, end in pairwise(bounds)
    ]
    assert [pair for part in parts for pair in part] == together
    assert (
        sorted((int(order[position]), number) for position, number in pairs(index, lat[order], lon[order])) == together
    )
    own = rng.integers(-1, 12, 200).astype(np.int32)
    assert index.inside(own, lat, lon).tolist() == [(i, int(own[i])) in together for i in range(200)]


def test_sets_are_laid_out_alike_with_and_without_a_compiler() -> None:
    rng = np.random.default_rng(5)
    raster = ZoneIndex(zones_of(rng)).raster
    lat = rng.integers(raster.south_e7 - 5_000, raster.south_e7 + raster.rows * raster.cell_e7, 9_000, dtype=np.int32)
    lon = rng.integers(raster.west_e7 - 5_000, raster.west_e7 + raster.columns * raster.cell_e7, 9_000, dtype=np.int32)
    for rows in (slice(0, 9_000), slice(0, 0)):
        place = lat[rows], lon[rows]
        found, expected = pairs_at(raster, *place), laid_out(raster, raster.sets(*place))
        assert len(found[0]) > 0 or not len(place[0])
        for column in range(3):
            assert found[column].dtype == expected[column].dtype
            assert np.array_equal(found[column], expected[column])


def test_a_cell_in_many_zones_knows_them_all() -> None:
    zones = [zone(i, shapely.box(113, 23, 113.1 + i * 0.01, 23.1)) for i in range(9)]
    lat, lon = np.full(9, 230_500_000, dtype=np.int32), np.full(9, 1_130_500_000, dtype=np.int32)
    index, own = ZoneIndex(zones), np.arange(9, dtype=np.int32)
    assert pairs(index, lat[:1], lon[:1]) == [(0, number) for number in range(9)]
    assert index.inside(own, lat, lon).all()
    assert index.inside(own, lat, np.full(9, 1_131_550_000, dtype=np.int32)).tolist() == [False] * 6 + [True] * 3


def test_places_far_away_or_impossible_are_in_no_zone() -> None:
    index = ZoneIndex([zone(0, shapely.box(113, 23, 113.1, 23.1)), zone(1, shapely.box(-180, -90, -179, -89))])
    limits = np.iinfo(np.int32)
    lat = np.array([limits.min, limits.max, 0, 900_000_000, -900_000_000, 230_500_000], dtype=np.int32)
    lon = np.array([limits.max, limits.min, 0, 1_800_000_000, -1_800_000_000, limits.min], dtype=np.int32)
    assert pairs(index, lat, lon) == [(4, 1)]


def test_a_zone_holds_only_in_its_time() -> None:
    index = ZoneIndex([replace(zone(0, shapely.box(113, 23, 113.1, 23.1)), valid_from=100, valid_to=200)])
    lat, lon = np.full(4, 230_500_000, dtype=np.int32), np.full(4, 1_130_500_000, dtype=np.int32)
    time, own = np.array([99, 100, 199, 200]), np.zeros(4, dtype=np.int32)
    assert index.members(lat, lon, time)[0].tolist() == [1, 2]
    assert index.inside(own, lat, lon, time).tolist() == [False, True, True, False]
    assert index.inside(own, lat, lon).all()


def test_equal_geometries_share_one_raster() -> None:
    one, other = (ZoneIndex([zone(i, shapely.box(113, 23, 113.1, 23.1))]) for i in range(2))
    assert one.raster is other.raster
