"""Vehicles sealed for a holiday: did they move all the same, and do odometer and positions agree."""

import numpy as np
import pandas as pd

from analytics.context import Seals
from analytics.whereabouts import driven_m, touching
from geo.arrays import FloatArray, Int32Array, Int64Array
from geo.localtime import local_day

STILL_SEALED = np.iinfo(np.int64).max
"""End of a seal that has none yet."""


def seal_table(seals: pd.DataFrame, trips: pd.DataFrame) -> pd.DataFrame:
    """One row a seal, in the order given.

    Parameters
    ----------
    seals : seal_id, vehicle_id, sealed_at, unsealed_at (µs UTC; STILL_SEALED), odometer_m, unsealed_odometer_m (NaN not
        read), vehicle_class.
    trips : vehicle_id, start_time, end_time, distance_m, in any order.

    Returns
    -------
    DataFrame   seal_id (a text), vehicle_id, day (of the sealing), start_time, end_time, and SEAL_FEATURES; NaN: missing.
    A seal that holds still ends with the last trip in it, or as it began where there is none.
    """
    vehicle, start, end = (seals[name].to_numpy(dtype=np.int64) for name in ("vehicle_id", "sealed_at", "unsealed_at"))
    last = int(trips["end_time"].max()) if len(trips) else 0
    until = np.where(end == STILL_SEALED, np.maximum(start, last), end)
    moved = driven_m(vehicle, start, until, trips)
    growth = (seals["unsealed_odometer_m"].to_numpy() - seals["odometer_m"].to_numpy()).astype(np.float64)
    ends = start.copy()
    row, trip = touching(vehicle, start, until, trips)
    np.maximum.at(ends, row, trips["end_time"].to_numpy(dtype=np.int64)[trip])
    return pd.DataFrame(
        {
            "seal_id": pd.Series([str(each) for each in seals["seal_id"].tolist()], dtype=object),
            "vehicle_id": vehicle,
            "day": local_day(start),
            "start_time": start,
            "end_time": np.where(end == STILL_SEALED, ends, end),
            "odometer_growth_m": growth,
            "moved_m": moved,
            "odometer_gap_m": growth - moved,
            "vehicle_class": pd.Series(seals["vehicle_class"].to_numpy(), dtype=object),
        }
    )


def sealed(seals: Seals, vehicle_ix: Int32Array, at: Int64Array) -> FloatArray:
    """Whether each vehicle was sealed at an instant; float64 (n,) of 1.0 and 0.0. A seal ends before its end."""
    result = np.zeros(len(at))
    if not len(seals.sealed_at) or not len(at):
        return result
    low = min(int(seals.sealed_at.min()), int(at.min()))
    span = max(int(seals.sealed_at.max()), int(at.max())) - low + 1
    axis = seals.vehicle_ix.astype(np.int64) * span + (seals.sealed_at - low)
    seal = np.searchsorted(axis, vehicle_ix.astype(np.int64) * span + (at - low), side="right") - 1
    holds = (seal >= 0) & (seals.vehicle_ix[seal] == vehicle_ix) & (at < seals.unsealed_at[seal])
    result[holds] = 1.0
    return result
