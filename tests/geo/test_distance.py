"""Distances against pyproj's geodesic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from geo.distance import distance_m, metres_per_degree, metres_per_e7, step_distance_m

GEOD = Geod(ellps="WGS84")


def e7(degrees: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(degrees) * 1e7).astype(np.int32)


@pytest.mark.parametrize(("length_m", "tolerance"), [(1, 5e-9), (100, 1e-9), (1000, 3e-9), (4900, 6e-8), (50_000, 0)])
def test_distance_agrees_with_the_geodesic(length_m: float, tolerance: float) -> None:
    rng = np.random.default_rng(7)
    n = 5000
    lat, lon = rng.uniform(18, 53, n), rng.uniform(73, 134, n)
    lon2, lat2, _ = GEOD.fwd(lon, lat, rng.uniform(0, 360, n), np.full(n, length_m))
    ends = e7(lat), e7(lon), e7(lat2), e7(lon2)
    truth = GEOD.inv(ends[1] * 1e-7, ends[0] * 1e-7, ends[3] * 1e-7, ends[2] * 1e-7)[2]
    np.testing.assert_allclose(distance_m(*ends), truth, rtol=tolerance)


@given(st.integers(-800_000_000, 800_000_000), st.integers(-1_800_000_000, 1_800_000_000))
def test_equal_places_are_zero_apart(lat: int, lon: int) -> None:
    place = np.array([lat], dtype=np.int32), np.array([lon], dtype=np.int32)
    assert distance_m(*place, *place)[0] == 0.0


def test_a_step_over_the_date_line_is_short() -> None:
    west, east = np.array([1_799_999_000], dtype=np.int32), np.array([-1_799_999_000], dtype=np.int32)
    equator = np.zeros(1, dtype=np.int32)
    assert distance_m(equator, west, equator, east)[0] == pytest.approx(22.26, abs=0.01)


@given(st.integers(-1_800_000_000, 1_800_000_000))
def test_the_table_agrees_with_the_radii(lat_sum: int) -> None:
    north, east = metres_per_e7(np.array([lat_sum]))
    per_north, per_east = metres_per_degree(np.array([lat_sum * 0.5e-7]))
    assert north[0] == pytest.approx(per_north[0] * 1e-7, rel=1e-10)
    assert east[0] == pytest.approx(per_east[0] * 1e-7, rel=1e-10, abs=2e-12)


def test_the_first_position_of_each_vehicle_has_no_step() -> None:
    lat = e7(np.array([23.0, 23.001, 30.0, 30.001]))
    lon = e7(np.array([113.0, 113.0, 120.0, 120.0]))
    step = step_distance_m(lat, lon, np.array([0, 0, 1, 1], dtype=np.int32))
    assert step[[0, 2]].tolist() == [0.0, 0.0]
    assert step[[1, 3]] == pytest.approx([110.76, 110.86], abs=0.02)


@pytest.mark.parametrize("n", [0, 1])
def test_no_step_without_two_positions(n: int) -> None:
    column = np.zeros(n, dtype=np.int32)
    assert step_distance_m(column, column, column).tolist() == [0.0] * n


def test_a_degree_is_as_long_as_the_geodesic_says() -> None:
    for lat in (0.0, 23.1, 45.0, 70.0):
        north, east = metres_per_degree(np.array([lat]))
        assert north[0] == pytest.approx(GEOD.inv(113, lat - 5e-4, 113, lat + 5e-4)[2] * 1000, rel=1e-7)
        assert east[0] == pytest.approx(GEOD.inv(113 - 5e-4, lat, 113 + 5e-4, lat)[2] * 1000, rel=1e-7)
