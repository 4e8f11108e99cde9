"""Doubt about positions: marked with its reason, never dropped or overwritten."""

import numpy as np

from analytics.excursions import aside, drifting
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int64Array, UInt32Array
from geo.distance import flat_m
from geo.localtime import SECOND_US
from geo.positions import Positions, Status, clock_fault

_UNUSABLE = (
    Status.DUPLICATE_TIME
    | Status.OUT_OF_RANGE
    | Status.CLOCK
    | Status.FROZEN
    | Status.TELEPORT
    | Status.CANYON
    | Status.DRIFT
)


def mark_doubt(positions: Positions, thresholds: Thresholds = DEFAULT) -> UInt32Array:
    """Status of each position with its doubt bits set.

    Parameters
    ----------
    positions : in canonical order.

    Returns
    -------
    uint32 (n,)   The sent bits, and DUPLICATE_TIME, OUT_OF_RANGE, CLOCK, FROZEN, TELEPORT, CANYON,
        DRIFT where they apply.

    Notes
    -----
    Among positions of one vehicle with one fix time the first usable one in canonical order counts: a report without a
    fix must not hide the fix of the same second. The others from FROZEN on are judged among the positions that are good so
    far: a wrong clock must not make its neighbours look impossible.
    """
    status = positions.status.copy()
    n = len(positions)
    if n == 0:
        return status
    _set(status, _out_of_range(positions), Status.OUT_OF_RANGE)
    _set(status, clock_fault(positions.fix_time, positions.received_at), Status.CLOCK)
    _set(status, _tied(positions, usable(status)), Status.DUPLICATE_TIME)
    _set(status, _frozen(positions, np.flatnonzero(usable(status)), thresholds), Status.FROZEN)
    # Of two reflections in a row at two places the second pass finds the one that its neighbour hid.
    for _ in range(2):
        jumped = _teleported(positions, np.flatnonzero(usable(status)), thresholds)
        _set(status, jumped, Status.TELEPORT)
        if not jumped.any():
            break
    _set(status, _teleported(positions, np.flatnonzero(usable(status)), thresholds, reports=2), Status.TELEPORT)
    _set(status, aside(positions, np.flatnonzero(usable(status)), thresholds), Status.CANYON)
    _set(status, drifting(positions, np.flatnonzero(usable(status)), thresholds), Status.DRIFT)
    return status


def usable(status: UInt32Array) -> BoolArray:
    """Mask of the positions that place a vehicle: a valid fix, and no doubt."""
    good: BoolArray = (status & np.uint32(Status.FIX_VALID | _UNUSABLE)) == np.uint32(Status.FIX_VALID)
    return good


def doubtful(status: UInt32Array) -> BoolArray:
    """Mask of the positions that carry any doubt bit."""
    doubt: BoolArray = (status & np.uint32(_UNUSABLE)) != 0
    return doubt


def misplaced(status: UInt32Array) -> BoolArray:
    """Mask of the positions with a fix at a place that cannot be true: impossible to reach, or not on the map.

    The excursions of CANYON and DRIFT are tens of metres and tell of the street, not of the terminal.
    """
    fixed = (status & np.uint32(Status.FIX_VALID)) != 0
    wrong: BoolArray = fixed & ((status & np.uint32(Status.TELEPORT | Status.OUT_OF_RANGE)) != 0)
    return wrong


def _set(status: UInt32Array, where: BoolArray, bit: Status) -> None:
    status[where] |= np.uint32(bit)


def _tied(positions: Positions, good: BoolArray) -> BoolArray:
    """Positions with the fix time of one before them; the good ones among themselves."""
    tied = np.zeros(len(positions), dtype=np.bool_)
    tied[1:] = (positions.vehicle_ix[1:] == positions.vehicle_ix[:-1]) & (
        positions.fix_time[1:] == positions.fix_time[:-1]
    )
    if tied.any():
        rows = np.flatnonzero(good)
        tied[rows[1:]] = (np.diff(positions.vehicle_ix[rows]) == 0) & (np.diff(positions.fix_time[rows]) == 0)
        tied[rows[:1]] = False
    return tied


def _out_of_range(positions: Positions) -> BoolArray:
    lat, lon = positions.lat_e7, positions.lon_e7
    nowhere = (lat == 0) & (lon == 0)
    beyond = (np.abs(lat.astype(np.int64)) > 900_000_000) | (np.abs(lon.astype(np.int64)) > 1_800_000_000)
    outside: BoolArray = nowhere | beyond
    return outside


def _frozen(positions: Positions, good: Int64Array, thresholds: Thresholds) -> BoolArray:
    """Places repeated to the last digit, `frozen_count` times and more, while the terminal says it drives.

    And for as long as the place stays the same after that, up to `frozen_s`: who came to stand meanwhile stands elsewhere.
    """
    frozen = np.zeros(len(positions), dtype=np.bool_)
    if not len(good):
        return frozen
    vehicle, lat, lon = positions.vehicle_ix[good], positions.lat_e7[good], positions.lon_e7[good]
    fast = positions.speed_mps[good] >= thresholds.frozen_speed_mps  # NaN is not
    moved = np.ones(len(good), dtype=np.bool_)
    moved[1:] = (np.diff(vehicle) != 0) | (np.diff(lat) != 0) | (np.diff(lon) != 0)
    new = moved.copy()
    new[1:] |= ~fast[1:] | ~fast[:-1]
    run = np.cumsum(new) - 1
    stuck = (np.bincount(run)[run] >= thresholds.frozen_count) & ~new & fast  # the first of them was there
    if stuck.any():
        time, number = positions.fix_time[good], np.arange(len(good))
        last = np.maximum.accumulate(np.where(stuck, number, -1))
        here = last >= np.maximum.accumulate(np.where(moved, number, 0))
        stuck |= here & (time - time[np.maximum(last, 0)] <= int(thresholds.frozen_s * SECOND_US))
    frozen[good[stuck]] = True
    return frozen


def _teleported(positions: Positions, good: Int64Array, thresholds: Thresholds, reports: int = 1) -> BoolArray:
    """Positions impossible both in and out, and a standing car's excursions that come straight back.

    reports : length of the excursion; a reflection at one place may hold for two reports of a parked car.
    """
    marked = np.zeros(len(positions), dtype=np.bool_)
    if len(good) < reports + 2:
        return marked
    way, seconds = _way(positions, good[:-1], good[1:]), _seconds(positions, good[:-1], good[1:])
    limit = thresholds.teleport_mps
    # Either fault needs a long way both in and out, which rules out nearly every position before the costly rest.
    far, fast = way > thresholds.jump_m, way > limit * seconds
    rows = np.flatnonzero((far[:-reports] & far[reports:]) | (fast[:-reports] & fast[reports:]))
    before, here, last, after = good[rows], good[rows + 1], good[rows + reports], good[rows + reports + 1]
    direct, span = _way(positions, before, after), _seconds(positions, before, after)
    one_vehicle = positions.vehicle_ix[before] == positions.vehicle_ix[after]
    impossible = fast[rows] & fast[rows + reports] & (direct <= limit * span)
    standing = ~(positions.speed_mps[here] >= thresholds.moving_mps)  # NaN may stand
    standing &= ~(positions.speed_mps[last] >= thresholds.moving_mps)
    there_and_back = np.minimum(way[rows], way[rows + reports]) - direct
    jumped = standing & (there_and_back > thresholds.jump_m) & (span <= thresholds.jump_span_s)
    wrong = one_vehicle & (impossible | jumped)
    marked[here[wrong]] = True
    marked[last[wrong]] = True
    return marked


def _way(positions: Positions, start: Int64Array, end: Int64Array) -> FloatArray:
    lat, lon = positions.lat_e7, positions.lon_e7
    return flat_m(lat[start], lon[start], lat[end], lon[end])


def _seconds(positions: Positions, start: Int64Array, end: Int64Array) -> FloatArray:
    seconds: FloatArray = (positions.fix_time[end] - positions.fix_time[start]) / SECOND_US
    return seconds
