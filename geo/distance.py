"""Length of steps on the WGS-84 ellipsoid."""

import numpy as np
from pyproj import Geod

from geo.arrays import FloatArray, Int32Array, Int64Array

WGS84_A_M = 6_378_137.0
WGS84_F = 1 / 298.257223563
_E2 = WGS84_F * (2 - WGS84_F)
_GEOD = Geod(ellps="WGS84")

LONG_STEP_M = 5_000.0
"""Past this the local-radii form drifts from the geodesic; such steps are rare and take pyproj's geodesic."""


def metres_per_degree(lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Length of a degree of latitude and of longitude at each latitude, metres; from the ellipsoid's local radii.

    Meridian radius M = a(1−e²)/(1−e² sin²φ)^1.5, prime vertical N = a/√(1−e² sin²φ); a degree of longitude is
    N cos φ · π/180. Source: Torge & Müller, Geodesy, 4th ed., §4.1.
    """
    phi = np.radians(lat)
    w2 = 1 - _E2 * np.sin(phi) ** 2
    prime_vertical = WGS84_A_M / np.sqrt(w2)
    meridian = prime_vertical * (1 - _E2) / w2
    return np.radians(meridian), np.radians(prime_vertical * np.cos(phi))


def metres_per_e7(lat_sum_e7: Int64Array) -> tuple[FloatArray, FloatArray]:
    """Length of 10⁻⁷ degrees of latitude and of longitude halfway between two latitudes, metres.

    Parameters
    ----------
    lat_sum_e7 : int64 (n,)   Sum of the two latitudes, degrees × 10⁷.

    Notes
    -----
    Read from a table of `metres_per_degree` every 0.0016°, straight lines between: 2·10⁻¹⁰ off at 53° N, and three
    times as fast as its sines and roots. Made of sums and products alone, it gives the same bits everywhere.
    """
    at = np.abs(lat_sum_e7)
    entry = at >> TABLE_SHIFT
    part = (at & TABLE_MASK) * (1.0 / (TABLE_MASK + 1))
    north, east = NORTH_TABLE[entry], EAST_TABLE[entry]
    return (
        north + (NORTH_TABLE[entry + 1] - north) * part,
        east + (EAST_TABLE[entry + 1] - east) * part,
    )


TABLE_SHIFT, TABLE_MASK = 15, (1 << 15) - 1
# One entry more than a pole needs on its far side, so that the entry after any is there.
_EDGES: FloatArray = (np.arange((1_800_000_000 >> TABLE_SHIFT) + 3) << TABLE_SHIFT).astype(np.float64) * 0.5e-7
NORTH_TABLE, EAST_TABLE = (per_degree * 1e-7 for per_degree in metres_per_degree(_EDGES))
"""Metres of 10⁻⁷ degrees by the sum of two latitudes ≥ 0, an entry every 2^TABLE_SHIFT."""


def distance_m(lat1_e7: Int32Array, lon1_e7: Int32Array, lat2_e7: Int32Array, lon2_e7: Int32Array) -> FloatArray:
    """Distance between pairs of places, metres.

    Parameters
    ----------
    lat1_e7, lon1_e7, lat2_e7, lon2_e7 : int32 (n,) or broadcastable   WGS-84 degrees × 10⁷.

    Returns
    -------
    float64 (n,)   Metres; 0.0 for equal places.

    Notes
    -----
    Differences are taken in integers, so nothing cancels; radii are those of the mid-latitude. Within 3·10⁻⁹ of the
    geodesic under a kilometre up to 53° N, 6·10⁻⁸ at `LONG_STEP_M`; longer pairs take the
    geodesic (Karney 2013, through pyproj).
    """
    distance = np.atleast_1d(flat_m(lat1_e7, lon1_e7, lat2_e7, lon2_e7))
    long = np.flatnonzero(distance > LONG_STEP_M)
    if long.size:
        ends = np.broadcast_arrays(lon1_e7, lat1_e7, lon2_e7, lat2_e7)
        lon1, lat1, lon2, lat2 = (np.atleast_1d(end)[long] * 1e-7 for end in ends)
        distance[long] = _GEOD.inv(lon1, lat1, lon2, lat2)[2]
    return distance


def flat_m(lat1_e7: Int32Array, lon1_e7: Int32Array, lat2_e7: Int32Array, lon2_e7: Int32Array) -> FloatArray:
    """`distance_m` without the geodesic: good for any decision about far or near, a thousandth off at 1,000 km."""
    d_lat = np.asarray(lat2_e7, dtype=np.int64) - lat1_e7
    d_lon = np.asarray(lon2_e7, dtype=np.int64) - lon1_e7
    if np.abs(d_lon).max(initial=0) > 1_800_000_000:
        d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    north_m, east_m = metres_per_e7(np.asarray(lat1_e7, dtype=np.int64) + lat2_e7)
    north, east = d_lat * north_m, d_lon * east_m
    length: FloatArray = np.sqrt(north * north + east * east)
    return length


def chords_m(
    lat_e7: Int32Array, lon_e7: Int32Array, start: Int64Array, end: Int64Array
) -> tuple[FloatArray, FloatArray]:
    """Metres north and east from row `start` to row `end` of places, flat as `flat_m`; float64 (n,) each."""
    d_lat = lat_e7[end].astype(np.int64) - lat_e7[start]
    d_lon = (lon_e7[end].astype(np.int64) - lon_e7[start] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    north_m, east_m = metres_per_e7(lat_e7[start].astype(np.int64) + lat_e7[end])
    return d_lat * north_m, d_lon * east_m


def apart_m(lat1: FloatArray, lon1: FloatArray, lat2: FloatArray | float, lon2: FloatArray | float) -> FloatArray:
    """Metres between pairs of places in degrees, float64 (n,) or broadcastable; NaN where a coordinate is NaN.

    Flat about the middle latitude, as `flat_m`: for decisions about far or near.
    """
    middle = np.nan_to_num((lat1 + lat2) * 1e7)
    north_m, east_m = metres_per_e7(np.rint(middle).astype(np.int64))
    north, east = (lat2 - lat1) * 1e7 * north_m, (lon2 - lon1) * 1e7 * east_m
    length: FloatArray = np.sqrt(north * north + east * east)
    return length


def step_distance_m(lat_e7: Int32Array, lon_e7: Int32Array, vehicle_ix: Int32Array) -> FloatArray:
    """Length of the step that ends at each position, metres.

    Parameters
    ----------
    lat_e7, lon_e7 : int32 (n,)   WGS-84 degrees × 10⁷, sorted by (vehicle_ix, fix_time).
    vehicle_ix : int32 (n,)   Dense index of the vehicle; a change starts a new track.

    Returns
    -------
    float64 (n,)   Metres. 0.0 at a vehicle's first position. Error bound as in `distance_m`.
    """
    step = np.zeros(len(lat_e7))
    if len(step) > 1:
        step[1:] = distance_m(lat_e7[:-1], lon_e7[:-1], lat_e7[1:], lon_e7[1:])
        step[1:][vehicle_ix[1:] != vehicle_ix[:-1]] = 0.0
    return step
