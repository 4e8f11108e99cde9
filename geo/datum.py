"""Chinese map datums: GCJ-02 and BD-09 to and from WGS-84 (CGCS2000 is WGS-84 to under a metre in China).

GCJ-02 shifts WGS-84 by 50–700 m inside mainland China with a fixed trigonometric series on the Krasovsky ellipsoid;
BD-09 turns GCJ-02 a second time. No official text is public; the constants are those every open implementation uses.
All functions: float64 degrees (n,), (n,) → (n,), (n,), in the order lat, lon.
"""

import numpy as np

from geo.arrays import BoolArray, FloatArray

WGS84 = "wgs84"
DATUMS = (WGS84, "gcj02", "bd09")

_KRASOVSKY_A_M = 6_378_245.0
_KRASOVSKY_E2 = 0.006_693_421_622_965_943_23
_BD_TURN = np.pi * 3000.0 / 180.0
_FIXED_POINT_STEPS = 6  # the shift changes by < 1 % over its own length, so each step gains two digits


def to_wgs84(lat: FloatArray, lon: FloatArray, datum: str) -> tuple[FloatArray, FloatArray]:
    """WGS-84 place of coordinates given in `datum` (one of `DATUMS`); ValueError on another name."""
    if datum == WGS84:
        return lat, lon
    if datum == "gcj02":
        return gcj02_to_wgs84(lat, lon)
    if datum == "bd09":
        return gcj02_to_wgs84(*bd09_to_gcj02(lat, lon))
    raise ValueError(f"datum: expected one of {', '.join(DATUMS)}, got {datum!r}")


def wgs84_to_gcj02(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    """GCJ-02 place of a WGS-84 one; outside mainland China's bounding box GCJ-02 is WGS-84."""
    d_lat, d_lon = _shift(lat, lon)
    inside = _in_china_box(lat, lon)
    return np.where(inside, lat + d_lat, lat), np.where(inside, lon + d_lon, lon)


def gcj02_to_wgs84(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    """WGS-84 place of a GCJ-02 one, by fixed-point iteration: the round trip closes to under a millimetre."""
    inside = _in_china_box(lat, lon)
    # Outside nothing is shifted; there, near the poles, the steps would run away past the range of numbers.
    gcj_lat, gcj_lon = np.where(inside, lat, 35.0), np.where(inside, lon, 105.0)
    wgs_lat, wgs_lon = gcj_lat, gcj_lon
    for _ in range(_FIXED_POINT_STEPS):
        d_lat, d_lon = _shift(wgs_lat, wgs_lon)
        wgs_lat, wgs_lon = gcj_lat - d_lat, gcj_lon - d_lon
    return np.where(inside, wgs_lat, lat), np.where(inside, wgs_lon, lon)


def gcj02_to_bd09(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    """BD-09 place of a GCJ-02 one."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_TURN)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_TURN)
    return radius * np.sin(angle) + 0.006, radius * np.cos(angle) + 0.0065


def bd09_to_gcj02(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    """GCJ-02 place of a BD-09 one, by fixed-point iteration on `gcj02_to_bd09`."""
    gcj_lat, gcj_lon = lat - 0.006, lon - 0.0065
    for _ in range(_FIXED_POINT_STEPS):
        back_lat, back_lon = gcj02_to_bd09(gcj_lat, gcj_lon)
        gcj_lat, gcj_lon = gcj_lat + (lat - back_lat), gcj_lon + (lon - back_lon)
    return gcj_lat, gcj_lon


def _in_china_box(lat: FloatArray, lon: FloatArray) -> BoolArray:
    inside: BoolArray = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    return inside


def _shift(lat: FloatArray, lon: FloatArray) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(lon) - 105.0, np.asarray(lat) - 35.0
    root = np.sqrt(np.abs(x))
    common = (20 * np.sin(6 * x * np.pi) + 20 * np.sin(2 * x * np.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
    north += (20 * np.sin(y * np.pi) + 40 * np.sin(y / 3 * np.pi)) * 2 / 3
    north += (160 * np.sin(y / 12 * np.pi) + 320 * np.sin(y * np.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
    east += (20 * np.sin(x * np.pi) + 40 * np.sin(x / 3 * np.pi)) * 2 / 3
    east += (150 * np.sin(x / 12 * np.pi) + 300 * np.sin(x / 30 * np.pi)) * 2 / 3
    phi = np.radians(lat)
    magic = 1 - _KRASOVSKY_E2 * np.sin(phi) ** 2
    d_lat = np.degrees(north * magic * np.sqrt(magic) / (_KRASOVSKY_A_M * (1 - _KRASOVSKY_E2)))
    d_lon = np.degrees(east * np.sqrt(magic) / (_KRASOVSKY_A_M * np.cos(phi)))
    return d_lat, d_lon
