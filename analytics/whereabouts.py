"""Where a vehicle was, and how far it had driven, by its trips and stops: for records that name an instant or a time."""

import numpy as np
import pandas as pd

from geo.arrays import FloatArray, Int64Array

_GRAIN = 2.0**16
"""Metres are counted in 2⁻¹⁶ m, so that sums are exact and the same in any order."""


def touching(
    vehicle: Int64Array, start: Int64Array, end: Int64Array, entries: pd.DataFrame
) -> tuple[Int64Array, Int64Array]:
    """Every pair of a row and an entry of the same vehicle that share an instant; both ends belong to a time.

    Parameters
    ----------
    vehicle, start, end : int64 (n,)   vehicle_id, µs UTC.
    entries : vehicle_id, start_time, end_time, in any order.

    Returns
    -------
    row, entry : int64 (m,)   Row of the times, and of the entries; by row, then by the entry's beginning.
    """
    none = np.empty(0, dtype=np.int64)
    if not len(start) or not len(entries):
        return none, none
    of, begins, ends = (entries[name].to_numpy(dtype=np.int64) for name in ("vehicle_id", "start_time", "end_time"))
    order = np.lexsort((ends, begins, of))
    low, high = min(int(begins.min()), int(start.min())), max(int(ends.max()), int(end.max()))
    numbers = np.unique(np.concatenate((vehicle, of)))
    span = high - low + 1
    axis = np.searchsorted(numbers, of[order]) * span
    # Ends as running maxima, so that a long early entry is not searched past.
    latest = np.maximum.accumulate(axis + (ends[order] - low))
    mine = np.searchsorted(numbers, vehicle) * span
    first = np.searchsorted(latest, mine + (start - low), side="left")
    stop = np.searchsorted(axis + (begins[order] - low), mine + (end - low), side="right")
    count = np.maximum(stop - first, 0)
    row = np.repeat(np.arange(len(start)), count)
    entry = order[np.repeat(first, count) + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)]
    meet = (of[entry] == vehicle[row]) & (ends[entry] >= start[row])
    return row[meet], entry[meet]


def driven_m(vehicle: Int64Array, start: Int64Array, end: Int64Array, trips: pd.DataFrame) -> FloatArray:
    """Metres that each vehicle drove from one instant to another.

    Parameters
    ----------
    vehicle, start, end : int64 (n,)   vehicle_id, µs UTC.
    trips : vehicle_id, start_time, end_time, distance_m, in any order; those of a vehicle do not overlap.

    Returns
    -------
    float64 (n,)   0.0 where no trip shares time with it. Of a trip that an instant divides the metres are divided as
    its time is.
    """
    if not len(start) or not len(trips):
        return np.zeros(len(start))
    of, begins, ends = (trips[name].to_numpy(dtype=np.int64) for name in ("vehicle_id", "start_time", "end_time"))
    metres = np.rint(trips["distance_m"].to_numpy(dtype=np.float64) * _GRAIN) / _GRAIN
    order = np.lexsort((begins, of))
    of, begins, ends, metres = of[order], begins[order], ends[order], metres[order]
    before = np.concatenate(([0.0], np.cumsum(metres)))
    numbers = np.unique(np.concatenate((vehicle, of)))
    low, high = min(int(begins.min()), int(start.min())), max(int(ends.max()), int(end.max()))
    span = high - low + 1
    axis = np.searchsorted(numbers, of) * span + (begins - low)

    def until(at: Int64Array) -> FloatArray:
        last = np.searchsorted(axis, np.searchsorted(numbers, vehicle) * span + (at - low), side="right") - 1
        part = np.clip((at - begins[last]) / np.maximum(ends[last] - begins[last], 1), 0.0, 1.0)
        mine = (last >= 0) & (of[last] == vehicle)
        return np.where(mine, before[last] + part * metres[last], before[last + 1])

    driven: FloatArray = np.maximum(until(end) - until(start), 0.0)
    return driven
