"""Circles, widened areas, and zones as files; pyproj's geodesic as the judge of metres."""

import json
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo.zones import Circle, Zone, read_zones, widen, zone_features

GEOD = Geod(ellps="WGS84")


def zone(number: int, geometry: shapely.Geometry) -> Zone:
    return Zone(number, f"z{number}", "hotel", f"名{number}", f"name {number}", geometry)


@settings(deadline=None, max_examples=50)
@given(st.floats(-60, 60), st.floats(1, 20_000), st.floats(0, 360))
def test_a_circle_is_right_to_five_centimetres_on_the_ellipsoid(lat: float, radius_m: float, azimuth: float) -> None:
    outline = Circle(lat, 113.0, radius_m).outline()
    for off_m, inside in ((-0.051, True), (0.051, False)):
        lon1, lat1, _ = GEOD.fwd(113.0, lat, azimuth, radius_m + off_m)
        assert shapely.intersects_xy(outline, lon1, lat1) == inside


def test_a_circle_is_read_from_a_point_with_a_radius(tmp_path: Path) -> None:
    circle = Circle(23.1, 113.3, 400.0)
    drawn = [
        Zone(1, "golf", "golf_course", "球场", "", circle.outline(), circle, 1_700_000_000_000_000, None),
        Zone(2, "shop", "customer", "客户", "Shop", shapely.box(113, 23, 114, 24), None, None, 1_800_000_000_000_000),
    ]
    features = zone_features(drawn)
    assert features["features"][0]["geometry"] == {"type": "Point", "coordinates": [113.3, 23.1]}
    assert features["features"][0]["properties"]["radius_m"] == 400.0
    (tmp_path / "zones.geojson").write_text(json.dumps(features), encoding="utf-8")
    assert read_zones(tmp_path / "zones.geojson") == drawn


def test_widen_grows_by_metres() -> None:
    grown = widen(shapely.box(113, 23, 113.1, 23.1), 50)
    west, south, east, north = shapely.bounds(grown)
    assert GEOD.inv(113, 23.05, west, 23.05)[2] == pytest.approx(50, abs=0.5)
    assert GEOD.inv(113.05, 23.1, 113.05, north)[2] == pytest.approx(50, abs=0.5)
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
            "expected Polygon or MultiPolygon, or Point with radius_m, got Point",
        ),
        (
            {
                "properties": {"code": "a", "kind": "hotel"},
                "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
            },
            "Self-intersection",
        ),
        (
            {"properties": {"code": "a", "kind": "pub"}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
            "feature 1: kind: expected one of district, .*got 'pub'",
        ),
        (
            {
                "properties": {"code": "a", "kind": "hotel", "radius_m": -5},
                "geometry": {"type": "Point", "coordinates": [1, 2]},
            },
            "radius_m: expected metres above 0",
        ),
        (
            {
                "properties": {"code": "a", "kind": "hotel", "radius_m": 5, "valid_from": "soon"},
                "geometry": {"type": "Point", "coordinates": [1, 2]},
            },
            "valid_from: expected a time in ISO 8601, got 'soon'",
        ),
        (
            {
                "properties": {
                    "code": "a",
                    "kind": "hotel",
                    "radius_m": 5,
                    "valid_from": "2026-03-02",
                    "valid_to": "2026-03-01",
                },
                "geometry": {"type": "Point", "coordinates": [1, 2]},
            },
            "valid_to: expected a time after 2026-03-02",
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


def test_a_code_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps(zone_features([zone(1, shapely.box(113, 23, 114, 24))] * 2)), encoding="utf-8")
    with pytest.raises(ValueError, match="feature 2: code: 'z1' is that of feature 1 too"):
        read_zones(path)
