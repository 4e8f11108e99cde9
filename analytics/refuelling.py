"""Refuelling against the positions: was the vehicle there, did the tank take it, what did it burn since the last time."""

import numpy as np
import pandas as pd

from analytics.record_thresholds import DEFAULT, RecordThresholds
from analytics.whereabouts import driven_m, touching
from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.distance import apart_m
from geo.localtime import DAY_US, SECOND_US, local_day

NEVER = -1
"""Time of a refuelling before that there is not."""


def refuel_table(
    refuels: pd.DataFrame,
    trips: pd.DataFrame,
    stops: pd.DataFrame,
    observed: pd.DataFrame,
    gauge: pd.DataFrame,
    thresholds: RecordThresholds = DEFAULT,
) -> pd.DataFrame:
    """One row a refuelling, in the order given.

    Parameters
    ----------
    refuels : receipt_no, vehicle_id, refuelled_at (µs UTC), before_at (of the refuelling before; NEVER), litres, lat, lon
        (NaN unknown), vehicle_class, tank_l, consumption_l_100km (NaN not declared).
    trips : vehicle_id, start_time, end_time, start_lat, start_lon, end_lat, end_lon, distance_m, from the refuelling
        before on.
    stops : vehicle_id, start_time, end_time, lat, lon, kind, about each refuelling.
    observed : vehicle_id, day of the days with a usable position, from the refuelling before on.
    gauge : row (of refuels), time, fuel_l: readings about each refuelling.

    Returns
    -------
    DataFrame   refuel_id, vehicle_id, day, start_time, end_time, and REFUEL_FEATURES; NaN: missing. refuel_id is the
    receipt's number and the vehicle's: a receipt that is corrected to another vehicle is another refuelling.
    """
    vehicle, at, before = (
        refuels[name].to_numpy(dtype=np.int64) for name in ("vehicle_id", "refuelled_at", "before_at")
    )
    litres, tank, declared = (
        refuels[name].to_numpy(dtype=np.float64) for name in ("litres", "tank_l", "consumption_l_100km")
    )
    level, rise = _gauged(len(at), gauge)
    since = np.where(_observed(vehicle, before, at, observed, thresholds), driven_m(vehicle, before, at, trips), np.nan)
    enough = np.where(since >= thresholds.consumption_m, since, np.nan)
    return pd.DataFrame(
        {
            "refuel_id": pd.Series(
                [
                    f"{receipt}-{mine}"
                    for receipt, mine in zip(refuels["receipt_no"].tolist(), vehicle.tolist(), strict=True)
                ],
                dtype=object,
            ),
            "vehicle_id": vehicle,
            "day": local_day(at),
            "start_time": at,
            "end_time": at,
            "refuel_l": litres,
            "over_tank_l": litres - (tank - np.nan_to_num(level)),
            "unseen_l": litres - rise,
            "apart_m": _apart_m(refuels, vehicle, at, trips, stops, thresholds),
            "since_m": since,
            "l_100km": litres / enough * 100_000,
            "consumption_ratio": litres / enough * 100_000 / declared,
            "vehicle_class": pd.Series(refuels["vehicle_class"].to_numpy(), dtype=object),
        }
    )


def _gauged(count: int, gauge: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """The level before the largest rise of each refuelling's readings, and that rise; NaN without two readings.

    The largest rise of a later over an earlier reading: a receipt's clock need not be right, and what a moving tank
    slops only ever makes it larger, which accuses nobody.
    """
    level, rise = np.full(count, np.nan), np.full(count, np.nan)
    if not len(gauge):
        return level, rise
    row, time, fuel = gauge["row"].to_numpy(dtype=np.int64), gauge["time"].to_numpy(), gauge["fuel_l"].to_numpy()
    order = np.lexsort((fuel, time, row))
    row, fuel = row[order], fuel[order].astype(np.float64)
    # Each refuelling lies a step below the one before, so that one running minimum begins anew with each.
    step = row * -(np.ptp(fuel) + 1.0)
    lowest = np.minimum.accumulate(fuel + step) - step
    risen = fuel - lowest
    best = np.lexsort((-risen, row))
    top = best[np.concatenate(([True], np.diff(row[best]) != 0))]
    several = np.bincount(row, minlength=count)[row[top]] > 1
    top = top[several]
    level[row[top]], rise[row[top]] = lowest[top], risen[top]
    return level, rise


def _observed(
    vehicle: Int64Array, before: Int64Array, at: Int64Array, observed: pd.DataFrame, thresholds: RecordThresholds
) -> BoolArray:
    """Whether every local day from the refuelling before to this one has a usable position; bool (n,)."""
    first, last = local_day(before).astype(np.int64), local_day(at).astype(np.int64)
    known = (before != NEVER) & (at - before <= thresholds.since_days * DAY_US)
    if not len(observed):
        return np.zeros(len(at), dtype=np.bool_)
    keys = np.unique(observed["vehicle_id"].to_numpy(dtype=np.int64) << 32 | observed["day"].to_numpy(dtype=np.int64))
    count = np.searchsorted(keys, vehicle << 32 | last, side="right") - np.searchsorted(keys, vehicle << 32 | first)
    whole: BoolArray = known & (count == last - first + 1)
    return whole


def _apart_m(
    refuels: pd.DataFrame,
    vehicle: Int64Array,
    at: Int64Array,
    trips: pd.DataFrame,
    stops: pd.DataFrame,
    thresholds: RecordThresholds,
) -> FloatArray:
    """Metres from the station that the vehicle kept all the time about the refuelling; NaN unknown.

    Where it stood they are told. On the way from A to B it came no nearer than half of what the way would have been
    longer by had it led there: (A to station + station to B − way) / 2; and no nearer than an end in that time is, less
    what can be driven in the part of the way that lies in it. A silence says nothing, nor does a time of which only a
    part is known.
    """
    lat, lon = (refuels[name].to_numpy(dtype=np.float64) for name in ("lat", "lon"))
    apart = np.full(len(at), np.inf)
    seen_from, seen_to = np.full(len(at), np.iinfo(np.int64).max), np.full(len(at), np.iinfo(np.int64).min)
    margin = int(thresholds.receipt_s * SECOND_US)
    row, stop = touching(vehicle, at - margin, at + margin, stops)
    where = (stops[name].to_numpy(dtype=np.float64)[stop] for name in ("lat", "lon"))
    np.minimum.at(apart, row, np.nan_to_num(apart_m(lat[row], lon[row], *where)))
    told = np.isfinite(lat)
    told[row[(stops["kind"] == "gap").to_numpy()[stop]]] = False
    _widen(seen_from, seen_to, row, stops, stop)
    row, trip = touching(vehicle, at - margin, at + margin, trips)
    begun, ended = (trips[name].to_numpy(dtype=np.int64)[trip] for name in ("start_time", "end_time"))
    to_start, to_end = (
        apart_m(
            lat[row], lon[row], *(trips[f"{end}_{axis}"].to_numpy(dtype=np.float64)[trip] for axis in ("lat", "lon"))
        )
        for end in ("start", "end")
    )
    way = trips["distance_m"].to_numpy(dtype=np.float64)[trip]
    within_s = (np.minimum(ended, (at + margin)[row]) - np.maximum(begun, (at - margin)[row])) / SECOND_US
    reach = np.minimum(way, within_s * thresholds.fastest_mps)
    bounds = (
        (to_start + to_end - way) / 2,
        np.where(begun >= (at - margin)[row], to_start - reach, 0.0),
        np.where(ended <= (at + margin)[row], to_end - reach, 0.0),
    )
    np.minimum.at(apart, row, np.nan_to_num(np.maximum.reduce([*bounds, np.zeros(len(row))])))
    _widen(seen_from, seen_to, row, trips, trip)
    whole = (seen_from <= at - margin) & (seen_to >= at + margin)
    return np.where(told & whole, apart, np.nan)


def _widen(
    seen_from: Int64Array, seen_to: Int64Array, row: Int64Array, entries: pd.DataFrame, entry: Int64Array
) -> None:
    """Take in, in place, from when to when each row is known; trips and stops tile what was observed."""
    np.minimum.at(seen_from, row, entries["start_time"].to_numpy(dtype=np.int64)[entry])
    np.maximum.at(seen_to, row, entries["end_time"].to_numpy(dtype=np.int64)[entry])
