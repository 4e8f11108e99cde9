"""Doubt about positions: marked with its reason, never dropped or overwritten."""

import numpy as np

from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int64Array, UInt32Array
from geo.distance import distance_m
from geo.localtime import SECOND_US
from geo.positions import Positions, Status, clock_fault

_UNUSABLE = Status.DUPLICATE_TIME | Status.OUT_OF_RANGE | Status.CLOCK | Status.FROZEN | Status.TELEPORT


def mark_doubt(positions: Positions, thresholds: Thresholds = DEFAULT) -> UInt32Array:
    """Status of each position with its doubt bits set.

    Parameters
    ----------
    positions : in canonical order.

    Returns
    -------
    uint32 (n,)   The sent bits, and DUPLICATE_TIME, OUT_OF_RANGE, CLOCK, FROZEN, TELEPORT where they apply.

    Notes
    -----
    Among positions of one vehicle with one fix time the first in canonical order counts. FROZEN and TELEPORT are judged
    among the positions that are good so far: a wrong clock must not make its neighbours look impossible.
    """
    status = positions.status.copy()
    n = len(positions)
    if n == 0:
        return status
    tied = np.zeros(n, dtype=np.bool_)
    tied[1:] = (np.diff(positions.vehicle_ix) == 0) & (np.diff(positions.fix_time) == 0)
    _set(status, tied, Status.DUPLICATE_TIME)
    _set(status, _out_of_range(positions), Status.OUT_OF_RANGE)
    _set(status, clock_fault(positions.fix_time, positions.received_at), Status.CLOCK)
    _set(status, _frozen(positions, np.flatnonzero(usable(status)), thresholds), Status.FROZEN)
    # A reflection may hold for two reports: the second pass finds the one that its neighbour hid.
    for _ in range(2):
        _set(status, _teleported(positions, np.flatnonzero(usable(status)), thresholds), Status.TELEPORT)
    return status


def usable(status: UInt32Array) -> BoolArray:
    """Mask of the positions that place a vehicle: a valid fix, and no doubt."""
    good: BoolArray = (status & np.uint32(Status.FIX_VALID | _UNUSABLE)) == np.uint32(Status.FIX_VALID)
    return good


def doubtful(status: UInt32Array) -> BoolArray:
    """Mask of the positions that carry any doubt bit."""
    doubt: BoolArray = (status & np.uint32(_UNUSABLE)) != 0
    return doubt


def _set(status: UInt32Array, where: BoolArray, bit: Status) -> None:
    status[where] |= np.uint32(bit)


def _out_of_range(positions: Positions) -> BoolArray:
    lat, lon = positions.lat_e7, positions.lon_e7
    nowhere = (lat == 0) & (lon == 0)
    beyond = (np.abs(lat.astype(np.int64)) > 900_000_000) | (np.abs(lon.astype(np.int64)) > 1_800_000_000)
    outside: BoolArray = nowhere | beyond
    return outside


def _frozen(positions: Positions, good: Int64Array, thresholds: Thresholds) -> BoolArray:
    """Places repeated to the last digit, `frozen_count` times and more, while the terminal says it drives."""
    frozen = np.zeros(len(positions), dtype=np.bool_)
    if not len(good):
        return frozen
    vehicle, lat, lon = positions.vehicle_ix[good], positions.lat_e7[good], positions.lon_e7[good]
    fast = positions.speed_mps[good] >= thresholds.frozen_speed_mps  # NaN is not
    new = np.ones(len(good), dtype=np.bool_)
    new[1:] = (np.diff(vehicle) != 0) | (np.diff(lat) != 0) | (np.diff(lon) != 0) | ~fast[1:] | ~fast[:-1]
    run = np.cumsum(new) - 1
    long = np.bincount(run)[run] >= thresholds.frozen_count
    frozen[good[long & ~new & fast]] = True  # the first of them was there
    return frozen


def _teleported(positions: Positions, good: Int64Array, thresholds: Thresholds) -> BoolArray:
    """Positions impossible both in and out, and a standing car's excursions that come straight back."""
    marked = np.zeros(len(positions), dtype=np.bool_)
    if len(good) < 3:
        return marked
    before, here, after = good[:-2], good[1:-1], good[2:]
    one_vehicle = positions.vehicle_ix[before] == positions.vehicle_ix[after]
    way_in, way_out = _way(positions, before, here), _way(positions, here, after)
    direct = _way(positions, before, after)
    t_in, t_out = _seconds(positions, before, here), _seconds(positions, here, after)
    limit = thresholds.teleport_mps
    impossible = (way_in > limit * t_in) & (way_out > limit * t_out) & (direct <= limit * (t_in + t_out))
    speed = positions.speed_mps[here]
    standing = np.where(np.isnan(speed), True, speed < thresholds.moving_mps)
    there_and_back = np.minimum(way_in, way_out) - direct
    jumped = standing & (there_and_back > thresholds.jump_m) & (t_in + t_out <= thresholds.jump_span_s)
    marked[here] = one_vehicle & (impossible | jumped)
    return marked


def _way(positions: Positions, start: Int64Array, end: Int64Array) -> FloatArray:
    lat, lon = positions.lat_e7, positions.lon_e7
    return distance_m(lat[start], lon[start], lat[end], lon[end])


def _seconds(positions: Positions, start: Int64Array, end: Int64Array) -> FloatArray:
    seconds: FloatArray = (positions.fix_time[end] - positions.fix_time[start]) / SECOND_US
    return seconds
