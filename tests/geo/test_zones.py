"""The raster index against shapely's exact answer."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo.zones import Zone, ZoneIndex, read_zones, widen, zone_features

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
@given(
    st.lists(
        st.tuples(st.floats(113.2, 113.3), st.floats(23.0, 23.1), st.floats(1e-4, 0.05), st.integers(3, 9)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0.0005, 0.001, 0.01]),
    st.integers(0, 2**31),
)
def test_index_gives_the_exact_answer(shapes: list[tuple[float, float, float, int]], cell: float, seed: int) -> None:
    zones = [zone(i, shapely.Point(x, y).buffer(r, quad_segs=s)) for i, (x, y, r, s) in enumerate(shapes)]
    rng = np.random.default_rng(seed)
    lat = rng.integers(229_000_000, 232_000_000, 300, dtype=np.int32)
    lon = rng.integers(1_131_000_000, 1_134_000_000, 300, dtype=np.int32)
    corners = shapely.get_coordinates([each.geometry for each in zones])[:50]
    lat = np.concatenate((lat, np.round(corners[:, 1] * 1e7).astype(np.int32)))
    lon = np.concatenate((lon, np.round(corners[:, 0] * 1e7).astype(np.int32)))
    assert pairs(ZoneIndex(zones, cell), lat, lon) == exact(zones, lat, lon)


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


def test_widen_grows_by_metres() -> None:
    grown = widen(shapely.box(113, 23, 113.1, 23.1), 50)
    west, south, east, north = shapely.bounds(grown)
    geod = Geod(ellps="WGS84")
    assert geod.inv(113, 23.05, west, 23.05)[2] == pytest.approx(50, abs=0.5)
    assert geod.inv(113.05, 23.1, 113.05, north)[2] == pytest.approx(50, abs=0.5)
    assert east > 113.1
    assert south < 23


def test_zones_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    zones = [zone(1, shapely.box(113, 23, 113.1, 23.1))]
    (tmp_path / "zones.geojson").write_text(json.dumps(zone_features(zones)), encoding="utf-8")
    assert read_zones(tmp_path / "zones.geojson") == zones


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"properties": {"kind": "hotel"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}, "feature 1: .*code"),
        (
            {"properties": {"code": "a", "kind": "hotel"}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
            "expected Polygon or MultiPolygon, got Point",
        ),
        (
            {
                "properties": {"code": "a", "kind": "hotel"},
                "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
            },
            "Self-intersection",
        ),
    ],
)
def test_a_bad_zone_is_refused_with_file_and_feature(tmp_path: Path, feature: dict[str, object], message: str) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_zones(path)


def test_a_file_that_is_not_geojson_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"zones\.geojson: expected a GeoJSON FeatureCollection"):
        read_zones(path)
