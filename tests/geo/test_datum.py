"""Datum shifts: published places, exact round trips."""

import numpy as np
import pytest

from geo.datum import bd09_to_gcj02, gcj02_to_bd09, gcj02_to_wgs84, to_wgs84, wgs84_to_gcj02


def places() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(18.5, 53, 5000), rng.uniform(74, 134.5, 5000)


def test_gcj02_is_the_known_shift_in_guangzhou() -> None:
    """Canton Tower, as widely listed: WGS-84 23.1066 N 113.3245 E, GCJ-02 about 23.1040 N 113.3298 E."""
    lat, lon = wgs84_to_gcj02(np.array([23.1066]), np.array([113.3245]))
    assert lat[0] == pytest.approx(23.1040, abs=2e-4)
    assert lon[0] == pytest.approx(113.3299, abs=2e-4)


def test_gcj02_round_trip_closes_to_a_millimetre() -> None:
    lat, lon = places()
    back_lat, back_lon = gcj02_to_wgs84(*wgs84_to_gcj02(lat, lon))
    assert max(np.abs(back_lat - lat).max(), np.abs(back_lon - lon).max()) < 1e-8


def test_bd09_round_trip_closes_to_a_millimetre() -> None:
    lat, lon = places()
    back_lat, back_lon = bd09_to_gcj02(*gcj02_to_bd09(lat, lon))
    assert max(np.abs(back_lat - lat).max(), np.abs(back_lon - lon).max()) < 1e-8


def test_outside_china_gcj02_is_wgs84() -> None:
    lat, lon = np.array([51.5, -33.9]), np.array([-0.1, 18.4])
    assert [column.tolist() for column in wgs84_to_gcj02(lat, lon)] == [lat.tolist(), lon.tolist()]
    assert [column.tolist() for column in gcj02_to_wgs84(lat, lon)] == [lat.tolist(), lon.tolist()]


def test_to_wgs84_undoes_each_datum_and_refuses_others() -> None:
    lat, lon = np.array([23.1066]), np.array([113.3245])
    gcj = wgs84_to_gcj02(lat, lon)
    for datum, sent in {"wgs84": (lat, lon), "gcj02": gcj, "bd09": gcj02_to_bd09(*gcj)}.items():
        got_lat, got_lon = to_wgs84(*sent, datum)
        assert (got_lat[0], got_lon[0]) == pytest.approx((23.1066, 113.3245), abs=1e-8)
    with pytest.raises(ValueError, match="got 'itrf'"):
        to_wgs84(lat, lon, "itrf")
