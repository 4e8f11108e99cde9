"""Rhythms over weeks: the same vehicle at the same place at the same time of day, on one day after the other."""

import numpy as np
import pandas as pd

from analytics.asked import Asked
from analytics.detour import PLACES_OF_WORK
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.distance import apart_m
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US

HOUR_S = 3600.0
DAY_S = 86_400.0


def patterns(trips: Asked, nights: pd.DataFrame, thresholds: EvidenceThresholds = DEFAULT) -> Columns:
    """On how many days, of the window that ends with its own, each trip's rhythm recurs.

    Parameters
    ----------
    trips : by vehicle_ix and start_time, of `window_days` before those of interest too.
    nights : as `overnight.nights` gives them; of the whole window.

    Returns
    -------
    float64 (n,) each   recurring_days (days with a trip that no order covers, to the same place, no place of
    work, at the same hour), school_run_days (days with a short call at the same school when children are brought or
    fetched), home_work_days (nights away from the base at the place it goes to in the evening or comes from in the
    morning). 0.0 where it has no such rhythm itself.
    """
    away = ~trips.column("destination_kind").among(PLACES_OF_WORK)
    free = trips.column("dispatch_order").missing
    ends = _second_of_day(trips["end_time"])
    window = thresholds.window_days
    recurring = _days_alike(trips, away & free, ends, thresholds.same_hour_s, window, thresholds)
    school = _school_run(trips, ends, thresholds) & free
    return {
        "recurring_days": recurring,
        "school_run_days": _days_alike(trips, school, ends, DAY_S, window, thresholds),
        "home_work_days": _nights_at(trips, nights, free, thresholds),
    }


def _school_run(trips: Asked, ends: FloatArray, thresholds: EvidenceThresholds) -> BoolArray:
    in_hours = np.zeros(len(trips), dtype=np.bool_)
    for begin_h, end_h in thresholds.school_hours:
        in_hours |= (ends >= begin_h * HOUR_S) & (ends <= end_h * HOUR_S)
    short = trips["dwell_s"] <= thresholds.school_dwell_s
    run: BoolArray = in_hours & short & trips.column("destination_kind").among({"school"})
    return run


def _days_alike(
    trips: Asked,
    which: BoolArray,
    second: FloatArray,
    within_s: float,
    window: int,
    thresholds: EvidenceThresholds,
) -> FloatArray:
    """For each of some trips: days of the window with one of them that ends at its place, about its time of day."""
    days = np.zeros(len(trips))
    rows = np.flatnonzero(which)
    if not len(rows):
        return days
    vehicle, day = (trips[name][rows].astype(np.int64) for name in ("vehicle_ix", "day"))
    key = vehicle << 32 | day
    low = np.searchsorted(key, key - window + 1)
    count = np.searchsorted(key, key, side="right") - low
    one = np.repeat(np.arange(len(rows)), count)
    other = np.repeat(low, count) + np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    apart_s = np.abs(second[rows][one] - second[rows][other])
    alike = np.minimum(apart_s, DAY_S - apart_s) <= within_s
    lat, lon = trips["end_lat"][rows], trips["end_lon"][rows]
    one, other = one[alike], other[alike]
    near = apart_m(lat[one], lon[one], lat[other], lon[other]) <= thresholds.same_place_m
    distinct = np.unique(one[near].astype(np.int64) << 32 | day[other[near]]) >> 32
    days[rows] = np.bincount(distinct, minlength=len(rows))
    return days


def _nights_at(trips: Asked, nights: pd.DataFrame, free: BoolArray, thresholds: EvidenceThresholds) -> FloatArray:
    """Nights away from the base, up to the trip's day, at the place where it ends or from which it sets out."""
    best = np.zeros(len(trips))
    away = nights[nights["base_m"] > thresholds.away_m]
    rows = np.flatnonzero(free)
    if not len(away) or not len(rows):
        return best
    key = away["vehicle_ix"].to_numpy(dtype=np.int64) << 32 | away["day"].to_numpy(dtype=np.int64)
    mine = trips["vehicle_ix"][rows].astype(np.int64) << 32 | trips["day"][rows]
    low = np.searchsorted(key, mine - thresholds.window_days + 1)
    count = np.searchsorted(key, mine, side="right") - low
    trip = np.repeat(rows, count)
    night = np.repeat(low, count) + np.arange(len(trip)) - np.repeat(np.cumsum(count) - count, count)
    night_lat, night_lon = away["lat"].to_numpy()[night], away["lon"].to_numpy()[night]
    for end in ("start", "end"):
        lat, lon = (trips[f"{end}_{axis}"][trip] for axis in ("lat", "lon"))
        near = apart_m(lat, lon, night_lat, night_lon) <= thresholds.same_place_m
        best = np.maximum(best, np.bincount(trip[near], minlength=len(trips)))
    return best


def _second_of_day(time: Int64Array) -> FloatArray:
    second: FloatArray = (time + UTC_OFFSET_US) % DAY_US / SECOND_US
    return second
