"""How far trips led outside the district, the city and the province that their vehicle is at home in."""

import numpy as np

from analytics.area import surely_outside
from analytics.context import FleetContext
from analytics.exact import exact
from analytics.steps import Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Columns, FloatArray, Int32Array, Int64Array
from geo.positions import Positions
from geo.zones import INSIDE, ZoneIndex

LEVELS = ("district", "city", "province")
"""Kinds of zones that hold each other, the smallest first: the rows of `Regions`."""
REGION_COLUMNS = tuple(f"out_of_{level}_m" for level in LEVELS)


def out_of_regions(
    track: Positions,
    steps: Steps,
    trips: Spans,
    away: Int64Array,
    out_of_area_m: FloatArray,
    context: FleetContext,
    thresholds: Thresholds = DEFAULT,
) -> Columns:
    """Metres of each trip outside the regions of `context.regions`.

    Parameters
    ----------
    track, steps : usable positions in canonical order, and what lies between them.
    trips : of them.
    away : int64 (k,)   Rows of positions that are not surely in their vehicle's permitted area, as `rows_outside` gives.
    out_of_area_m : float64 (t,)   Metres of each trip outside that area, as `tally` gives them.

    Returns
    -------
    out_of_district_m, out_of_city_m, out_of_province_m : float64 (t,), exact parts of a metre, as `tally` counts
        out_of_area_m; NaN where the vehicle is at home in no such zone.

    Notes
    -----
    What is surely in a smaller region is surely in a larger one that holds it. So positions are looked up only where
    they may be outside the region below, or the permitted area, which most never are; and where the region is the
    permitted area, what is known of that is taken.
    """
    regions = context.regions
    found = dict.fromkeys(REGION_COLUMNS, np.full(len(trips), np.nan))
    if not len(regions.zones.zones) or not len(track):
        return found
    rows = away
    levels = zip(REGION_COLUMNS, regions.zone_ix, regions.holds, regions.is_area, strict=True)
    for name, zone_ix, holds, is_area in levels:
        if (zone_ix[trips.vehicle_ix] < 0).all():
            continue
        rows = _perhaps_outside(track, rows, zone_ix, regions.zones, holds=holds, is_area=is_area)
        vehicle = track.vehicle_ix[rows]
        asked = rows[(zone_ix[vehicle] >= 0) & ~is_area[vehicle]]
        metres = np.where(is_area[trips.vehicle_ix], out_of_area_m, 0.0)
        if len(asked):
            outside = surely_outside(track, asked, zone_ix, regions.zones, thresholds, context.border_tolerance_m)
            metres += _metres(outside, steps, trips)
        found[name] = np.where(zone_ix[trips.vehicle_ix] < 0, np.nan, metres)
    return found


def _perhaps_outside(
    track: Positions, below: Int64Array, zone_ix: Int32Array, zones: ZoneIndex, *, holds: BoolArray, is_area: BoolArray
) -> Int64Array:
    """Rows that are not surely in their vehicle's zone, and the rows of `below` of vehicles that have none; ascending."""
    vehicle = track.vehicle_ix[below]
    rows: Int64Array = below[holds[vehicle] | (zone_ix[vehicle] < 0)]
    every = (zone_ix >= 0) & ~holds
    if every[track.vehicle_ix[0] : track.vehicle_ix[-1] + 1].any():
        perhaps = every[track.vehicle_ix]
        perhaps[rows] = True
        rows = np.flatnonzero(perhaps)
    vehicle = track.vehicle_ix[rows]
    asked = np.flatnonzero((zone_ix[vehicle] >= 0) & ~is_area[vehicle])
    at = rows[asked]
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[asked] = zones.stands(zone_ix[vehicle[asked]], track.lat_e7[at], track.lon_e7[at]) != INSIDE
    return rows[keep]


def _metres(outside: BoolArray, steps: Steps, trips: Spans) -> FloatArray:
    """Metres of each trip outside; a step half outside counts half."""
    out = np.flatnonzero(outside)
    if not len(out) or not len(trips):
        return np.zeros(len(trips))
    touched = np.zeros(len(outside) + 1, dtype=np.bool_)
    touched[out] = touched[out + 1] = True
    ends = np.flatnonzero(touched[:-1])
    trip = np.searchsorted(trips.first, ends) - 1
    ends, trip = ends[trip >= 0], trip[trip >= 0]
    keep = (ends <= trips.last[trip]) & steps.moving[ends]
    ends, trip = ends[keep], trip[keep]
    share = (outside[ends].astype(np.float64) + outside[ends - 1]) / 2
    return np.bincount(trip, weights=exact(steps.metres[ends] * share), minlength=len(trips)).astype(np.float64)
