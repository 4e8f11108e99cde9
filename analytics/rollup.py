"""Sums per vehicle and local day."""

import numpy as np

from analytics import kernels
from analytics.days import by_day, day_key
from analytics.exact import exact
from geo.arrays import Columns, Int32Array, Int64Array, UInt32Array
from geo.localtime import local_day
from geo.positions import Positions


def vehicle_day_columns(
    positions: Positions, status: UInt32Array, track: Positions, trips: Columns, pieces: Columns, gaps: Columns
) -> Columns:
    """An entry for each vehicle and local day with positions: the columns of table `vehicle_day`, and vehicle_ix.

    `distance_m` and its interval are the best estimate of all that was driven: trips, and the way over silences (`gap_m`);
    `gps_m` are the chords of the trips alone.

    Parameters
    ----------
    positions, status : every position, in canonical order, and its status with doubt marked.
    track : the usable ones.
    trips : vehicle_ix, start_time, gps_m, and distance_m with its interval; `pieces` of them as `tally` gives them.
    gaps : as `gap_pieces` gives them.
    """
    days = kernels.count_days(positions, status, track)
    keys = day_key(days["vehicle_ix"], days["day"])
    count = len(keys)
    trip = pieces["trip"]
    # A trip or silence through a whole day without a position has no metres on it, and the day no entry.
    at, there = _places(keys, trips["vehicle_ix"][trip], pieces["day"])
    trip = trip[there]
    gps = pieces["gps_m"][there]
    share = gps / np.maximum(trips["gps_m"], 1e-9)[trip]
    sums = {"gps_m": gps, "moving_s": pieces["moving_s"][there]}
    for name in ("distance_m", "distance_low_m", "distance_high_m"):
        sums[name] = exact(share * trips[name][trip])
    scale = np.divide(sums["distance_m"], gps, out=np.ones(len(gps)), where=gps > 0)
    for name in ("off_hours_m", "out_of_area_m"):
        sums[name] = exact(pieces[name][there] * scale)
    table = days | {name: by_day(at, values, count) for name, values in sums.items()}
    at, there = _places(keys, gaps["vehicle_ix"], gaps["day"])
    for name, part in (("distance_m", "gap_m"), ("distance_low_m", "gap_low_m"), ("distance_high_m", "gap_high_m")):
        table[name] += by_day(at, gaps[part][there], count)
    table["gap_m"] = by_day(at, gaps["gap_m"][there], count)
    began = np.searchsorted(keys, day_key(trips["vehicle_ix"], local_day(trips["start_time"])))
    table["trips"] = np.bincount(began, minlength=count)[:count]
    return table


def _places(keys: Int64Array, vehicle_ix: Int32Array, day: Int32Array) -> tuple[Int64Array, Int64Array]:
    """Where the vehicle-days stand among the keys, and which of them do."""
    wanted = day_key(vehicle_ix, day)
    at = np.searchsorted(keys, wanted)
    there = np.flatnonzero(np.append(keys, -1)[at] == wanted)
    return at[there], there
