"""Distances to borders against pyproj's geodesic, point by point."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo.zones import Circle, Zone, ZoneIndex

GEOD = Geod(ellps="WGS84")
HOLED = shapely.Polygon(
    [(113.0, 23.0), (113.02, 23.001), (113.015, 23.02), (113.0, 23.015)],
    [[(113.005, 23.005), (113.01, 23.006), (113.006, 23.01)]],
)
TWO = shapely.MultiPolygon([shapely.box(113.03, 23.0, 113.04, 23.01), HOLED])


def zone(geometry: shapely.Geometry) -> Zone:
    return Zone(0, "z", "district", "", "", geometry)


def nearest_m(geometry: shapely.Geometry, lat: float, lon: float) -> float:
    """Geodesic distance to the zone, by fine points along its border."""
    if shapely.intersects_xy(geometry, lon, lat):
        return 0.0
    border = shapely.get_coordinates(shapely.segmentize(shapely.boundary(geometry), 2e-6))
    border = border[np.argsort(np.hypot((border[:, 0] - lon) * 0.92, border[:, 1] - lat))[:200]]
    return float(np.min(GEOD.inv(np.full(200, lon), np.full(200, lat), border[:, 0], border[:, 1])[2]))


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([HOLED, TWO]), st.integers(0, 2**31), st.sampled_from([5.0, 50.0, 200.0, 2000.0]))
def test_beyond_is_decided_by_the_geodesic(geometry: shapely.Geometry, seed: int, radius_m: float) -> None:
    rng = np.random.default_rng(seed)
    lat = rng.integers(229_900_000, 230_300_000, 40, dtype=np.int32)
    lon = rng.integers(1_129_900_000, 1_130_500_000, 40, dtype=np.int32)
    radius = rng.uniform(0, radius_m, 40)
    found = ZoneIndex([zone(geometry)]).beyond(np.zeros(40, dtype=np.int32), lat, lon, radius)
    for each in range(40):
        distance = nearest_m(geometry, lat[each] * 1e-7, lon[each] * 1e-7)
        if abs(distance - radius[each]) > 0.2:  # the oracle's points stand 0.2 m apart
            assert found[each] == (distance > radius[each])


@pytest.mark.parametrize("azimuth", range(0, 360, 30))
def test_a_circle_s_border_is_as_far_as_its_radius_says(azimuth: float) -> None:
    index = ZoneIndex([zone(Circle(23.1, 113.3, 500.0).outline())])
    lon, lat, _ = GEOD.fwd(113.3, 23.1, azimuth, 530.0)
    place = np.array([round(lat * 1e7)], dtype=np.int32), np.array([round(lon * 1e7)], dtype=np.int32)
    own = np.zeros(1, dtype=np.int32)
    assert index.beyond(own, *place, 29.94).all()
    assert not index.beyond(own, *place, 30.06).any()


def test_each_place_is_measured_from_its_own_zone_and_nothing_holds_those_without() -> None:
    index = ZoneIndex([zone(shapely.box(113, 23, 113.01, 23.01)), zone(shapely.box(113.02, 23, 113.03, 23.01))])
    lat, lon = np.full(4, 230_050_000, dtype=np.int32), np.full(4, 1_130_102_000, dtype=np.int32)
    own = np.array([0, 1, -1, 0], dtype=np.int32)
    assert index.beyond(own, lat, lon, 30.0).tolist() == [False, True, True, False]
    assert index.beyond(own, lat, lon, np.array([30.0, 2000.0, 30.0, 10.0])).tolist() == [False, False, True, True]


def test_the_border_itself_is_not_beyond() -> None:
    index = ZoneIndex([zone(shapely.box(113, 23, 113.01, 23.01))])
    place = np.array([230_050_000], dtype=np.int32), np.array([1_130_100_000], dtype=np.int32)
    assert not index.beyond(np.zeros(1, dtype=np.int32), *place, 0.0).any()


def test_without_zones_everywhere_is_beyond() -> None:
    place = np.array([230_050_000], dtype=np.int32), np.array([1_130_100_000], dtype=np.int32)
    assert ZoneIndex([]).beyond(np.full(1, -1, dtype=np.int32), *place, 10.0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([64.0, 256.0, 2048.0]))
def test_compiled_distances_are_those_of_columns(seed: int, reach_m: float) -> None:
    rng = np.random.default_rng(seed)
    lat = rng.integers(229_900_000, 230_300_000, 60, dtype=np.int32)
    lon = rng.integers(1_129_900_000, 1_130_500_000, 60, dtype=np.int32)
    own = rng.integers(0, 2, 60, dtype=np.int32)
    borders = ZoneIndex([zone(HOLED), zone(TWO)]).borders(reach_m)
    expected = borders.distance_by_columns(own, lat, lon, np.full(60, np.inf))
    assert borders.distance_m(own, lat, lon).tolist() == expected.tolist()
    assert np.isfinite(expected).any()
