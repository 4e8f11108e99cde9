"""Which positions lie outside what their vehicle is bound to, for certain and for long enough to count; and how far."""

import numpy as np

from analytics.bounds import LEVELS, Bounds
from analytics.exact import exact
from analytics.steps import Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int64Array, UInt8Array
from geo.localtime import SECOND_US
from geo.positions import Positions
from geo.zones import INSIDE


def outside_bounds(track: Positions, bounds: Bounds, thresholds: Thresholds = DEFAULT) -> UInt8Array:
    """Outside of which of its vehicle's bounds each position counts as being; uint8 (n,), a bit a level.

    Parameters
    ----------
    track : usable positions in canonical order.

    Notes
    -----
    A position is outside only when the whole circle that surely holds the vehicle is: `error_circles` times the fix's
    accuracy, and never less than the border's tolerance. It is a state, not a crossing: a vehicle that is outside
    when the data begins is outside. A run of positions outside counts when it holds `outside_count` of them or lasts
    `outside_s`. Where a zone does not hold at that time, nothing is known of it, and nothing claimed.

    What is surely in a smaller region is surely in a larger one that holds it. So positions are looked up only where
    they may be outside the region below, or the permitted area, which most never are; and what is the permitted area
    itself is not looked up again: its bit stays 0.
    """
    found = np.zeros(len(track), dtype=np.uint8)
    rows = np.empty(0, dtype=np.int64)
    for level in range(LEVELS):
        rows, asked = _perhaps_outside(track, rows, bounds, level)
        outside = _surely_outside(track, asked, bounds, level, thresholds)
        found[outside] |= np.uint8(1 << level)
    return found


def metres_outside(steps: Steps, trips: Spans, outside: UInt8Array) -> FloatArray:
    """Metres of each trip outside each level; float64 (LEVELS, t). A step half outside counts half."""
    metres = np.zeros((LEVELS, len(trips)))
    if not len(trips):
        return metres
    for level in range(LEVELS):
        out = outside >> np.uint8(level) & np.uint8(1)
        ends = np.flatnonzero(out[1:] | out[:-1]) + 1
        trip = np.searchsorted(trips.first, ends) - 1
        ends, trip = ends[trip >= 0], trip[trip >= 0]
        keep = (ends <= trips.last[trip]) & steps.moving[ends]
        ends, trip = ends[keep], trip[keep]
        share = (out[ends].astype(np.float64) + out[ends - 1]) / 2
        metres[level] = np.bincount(trip, weights=exact(steps.metres[ends] * share), minlength=len(trips))
    return metres


def _perhaps_outside(track: Positions, below: Int64Array, bounds: Bounds, level: int) -> tuple[Int64Array, Int64Array]:
    """Rows that are not surely in their vehicle's zone, and the rows of `below` of vehicles that have none; ascending.

    Beside them those among them whose zone must be asked.
    """
    zone_ix, holds, asks = bounds.zone_ix[level], bounds.holds[level], ~bounds.is_area[level]
    vehicle = track.vehicle_ix[below]
    rows: Int64Array = below[holds[vehicle] | (zone_ix[vehicle] < 0)]
    every = (zone_ix >= 0) & ~holds
    if len(track) and every[track.vehicle_ix[0] : track.vehicle_ix[-1] + 1].any():
        perhaps = every[track.vehicle_ix]
        perhaps[rows] = True
        rows = np.flatnonzero(perhaps)
    vehicle = track.vehicle_ix[rows]
    asked = np.flatnonzero((zone_ix[vehicle] >= 0) & asks[vehicle])
    at = rows[asked]
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[asked] = bounds.zones.stands(zone_ix[vehicle[asked]], track.lat_e7[at], track.lon_e7[at]) != INSIDE
    return rows[keep], at[keep[asked]]


def _surely_outside(
    track: Positions, rows: Int64Array, bounds: Bounds, level: int, thresholds: Thresholds
) -> Int64Array:
    """Those of the rows, ascending, that lie outside for certain and for long enough."""
    zone = bounds.zone_ix[level, track.vehicle_ix[rows]]
    radius = bounds.radius_m(track.satellites[rows], thresholds)
    beyond = bounds.zones.beyond(zone, track.lat_e7[rows], track.lon_e7[rows], radius)
    out = rows[beyond & bounds.zones.holds(zone, track.fix_time[rows])]
    return out[_lasting(out, track, thresholds)]


def _lasting(out: Int64Array, track: Positions, thresholds: Thresholds) -> BoolArray:
    """Which of these rows, ascending, belong to runs that last."""
    new = np.ones(len(out), dtype=np.bool_)
    new[1:] = (np.diff(out) != 1) | (np.diff(track.vehicle_ix[out]) != 0)
    begin = np.flatnonzero(new)
    count = np.diff(np.append(begin, len(out)))
    lasting = (track.fix_time[out[begin + count - 1]] - track.fix_time[out[begin]]) / SECOND_US
    brief = (count < thresholds.outside_count) & (lasting < thresholds.outside_s)
    return ~np.repeat(brief, count)
