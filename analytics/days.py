"""The vehicle-days that positions lie on, and what is counted of them without any trip."""

import numpy as np

from analytics.clean import doubtful, misplaced
from analytics.odometer import ODOMETER_MPS
from geo.arrays import BoolArray, Columns, FloatArray, Int32Array, Int64Array, UInt32Array
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, local_day
from geo.positions import NO_ODOMETER, Positions

_DAYS = 1 << 31  # day numbers fit below it, so vehicle and day pack into one int64


def count_days(positions: Positions, status: UInt32Array, track: Positions) -> Columns:
    """The days themselves: positions, doubtful and misplaced ones, the odometer's growth (NaN: never sent) and breaks."""
    every = day_key(positions.vehicle_ix, local_day(positions.fix_time))
    new = np.ones(len(every), dtype=np.bool_)
    new[1:] = every[1:] != every[:-1]  # canonical order is their order too, so nothing need be sorted
    keys, day_of = every[new], np.cumsum(new) - 1
    count = len(keys)
    counted, metres, breaks = _odometer_days(track, keys)
    return {
        "vehicle_ix": (keys // _DAYS).astype(np.int32),
        "day": (keys % _DAYS).astype(np.int32),
        "positions": np.bincount(day_of, minlength=count),
        "doubtful": np.bincount(day_of, weights=doubtful(status), minlength=count).astype(np.int64),
        "misplaced": np.bincount(day_of, weights=misplaced(status), minlength=count).astype(np.int64),
        "odometer_m": np.where(counted, metres, np.nan),
        "odometer_breaks": breaks,
    }


def day_key(vehicle_ix: Int32Array, day: Int32Array) -> Int64Array:
    """Vehicle and day in one number, in their order; int64 (n,)."""
    return vehicle_ix.astype(np.int64) * _DAYS + day


def by_day(at: Int64Array, values: FloatArray, count: int) -> FloatArray:
    """Values summed by day; float64 (count,)."""
    return np.bincount(at, weights=values, minlength=count)[:count].astype(np.float64)  # of nothing it makes integers


def _odometer_days(track: Positions, keys: Int64Array) -> tuple[BoolArray, FloatArray, Int64Array]:
    """Whether each day saw an odometer, how far it grew, and how often it ran backwards or leapt.

    A step over midnight gives each day its share, and its break to the later one.

    Growth within a step is 0 where an end has none, it ran backwards or leapt.
    """
    day = local_day(track.fix_time)
    at = np.searchsorted(keys, day_key(track.vehicle_ix, day))
    seen = by_day(at, (track.odometer_m != NO_ODOMETER).astype(np.float64), len(keys)) > 0
    if len(track) < 2:
        return seen, np.zeros(len(keys)), np.zeros(len(keys), dtype=np.int64)
    before, after = track.odometer_m[:-1], track.odometer_m[1:]
    lasting = np.diff(track.fix_time)
    known = (before != NO_ODOMETER) & (after != NO_ODOMETER) & (np.diff(track.vehicle_ix) == 0) & (np.diff(day) <= 1)
    plausible = known & (after >= before) & (after - before <= 1000 + ODOMETER_MPS * (lasting / SECOND_US))
    broken = np.flatnonzero(known & ~plausible)
    breaks = np.bincount(at[broken + 1], minlength=len(keys))[: len(keys)].astype(np.int64)
    rows = np.flatnonzero(plausible & (after != before))
    growth = (after - before)[rows].astype(np.float64)
    share = np.zeros(len(rows))
    over = np.flatnonzero(day[rows] != day[rows + 1])
    midnight = day[rows + 1][over].astype(np.int64) * DAY_US - UTC_OFFSET_US
    share[over] = (midnight - track.fix_time[rows][over]) / lasting[rows][over]
    earlier = np.rint(growth * share)
    metres = by_day(at[rows + 1], growth - earlier, len(keys)) + by_day(at[rows], earlier, len(keys))
    return seen, metres, breaks
