"""Sums per vehicle and local day."""

import numpy as np

from analytics import kernels
from analytics.days import by_day, day_key
from analytics.exact import exact
from geo.arrays import Columns, UInt32Array
from geo.localtime import local_day
from geo.positions import Positions


def vehicle_day_columns(
    positions: Positions, status: UInt32Array, track: Positions, trips: Columns, pieces: Columns
) -> Columns:
    """An entry for each vehicle and local day with positions: the columns of table `vehicle_day`, and vehicle_ix.

    Parameters
    ----------
    positions, status : every position, in canonical order, and its status with doubt marked.
    track : the usable ones.
    trips : vehicle_ix, start_time, and distance_m with its interval; `pieces` of them as `tally` gives them.
    """
    days = kernels.count_days(positions, status, track)
    keys = day_key(days["vehicle_ix"], days["day"])
    count = len(keys)
    trip = pieces["trip"]
    at = np.searchsorted(keys, day_key(trips["vehicle_ix"][trip], pieces["day"]))
    # A trip through a whole day without a position has no metres on it, and the day no entry.
    there = np.flatnonzero(np.append(keys, -1)[at] == day_key(trips["vehicle_ix"][trip], pieces["day"]))
    at, trip = at[there], trip[there]
    whole = np.maximum(trips["distance_m"], 1e-9)
    sums = {name: pieces[name][there] for name in ("distance_m", "moving_s", "off_hours_m", "out_of_area_m")}
    for name in ("distance_low_m", "distance_high_m"):
        sums[name] = exact(sums["distance_m"] * (trips[name] / whole)[trip])
    began = np.searchsorted(keys, day_key(trips["vehicle_ix"], local_day(trips["start_time"])))
    return (
        days
        | {"trips": np.bincount(began, minlength=count)[:count]}
        | {name: by_day(at, values, count) for name, values in sums.items()}
    )
