"""Sums per vehicle and local day."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.segment import Steps
from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, local_day
from geo.positions import NO_ODOMETER, Positions

_DAYS = 1 << 31  # day numbers fit below it, so vehicle and day pack into one int64


def vehicle_day_columns(
    positions: Positions,
    doubt: BoolArray,
    track: Positions,
    steps: Steps,
    sums: Mapping[str, FloatArray],
    trip_vehicle: Int32Array,
    trip_day: Int32Array,
) -> dict[str, NDArray[Any]]:
    """An entry for each vehicle and local day with positions: the columns of table `vehicle_day`, and vehicle_ix.

    Parameters
    ----------
    positions : every position, in canonical order; `doubt` marks the doubtful ones.
    track, steps : the usable ones, and what lies between them.
    sums : column → float64 (len(track),)   What each step adds; a step over midnight gives each day its part.
    trip_vehicle, trip_day : of each trip, the day on which it began.
    """
    every = _key(positions.vehicle_ix, local_day(positions.fix_time))
    new = np.ones(len(every), dtype=np.bool_)
    new[1:] = every[1:] != every[:-1]  # canonical order is their order too, so nothing need be sorted
    keys, day_of = every[new], np.cumsum(new) - 1
    count = len(keys)
    later, earlier, share = _midnight(steps)
    over = np.flatnonzero(share)  # few: the steps of which an earlier day has a part
    end = np.searchsorted(keys, _key(track.vehicle_ix, later))
    start = np.searchsorted(keys, _key(track.vehicle_ix[over], earlier[over]))
    table: dict[str, NDArray[Any]] = {
        "vehicle_ix": (keys // _DAYS).astype(np.int32),
        "day": (keys % _DAYS).astype(np.int32),
        "positions": np.bincount(day_of, minlength=count),
        "doubtful": np.bincount(day_of, weights=doubt, minlength=count).astype(np.int64),
        "trips": np.bincount(np.searchsorted(keys, _key(trip_vehicle, trip_day)), minlength=count)[:count],
    }
    for name, values in {**sums, "odometer_m": _odometer_steps(track, steps)}.items():
        table[name] = (
            np.bincount(end, weights=values * (1 - share), minlength=count)[:count]
            + np.bincount(start, weights=values[over] * share[over], minlength=count)[:count]
        ).astype(np.float64)  # of nothing bincount makes integers
    counted = np.bincount(end, weights=track.odometer_m != NO_ODOMETER, minlength=count)[:count] > 0
    table["odometer_m"] = np.where(counted, table["odometer_m"], np.nan)
    return table


def _key(vehicle_ix: Int32Array, day: Int32Array) -> Int64Array:
    return vehicle_ix.astype(np.int64) * _DAYS + day


def _midnight(steps: Steps) -> tuple[Int32Array, Int32Array, FloatArray]:
    """Local day of each step's end and of its start, and the share of its time that lies before the midnight between."""
    start, end = local_day(steps.start), local_day(steps.end)
    share = np.zeros(len(end))
    crossing = np.flatnonzero(start != end)
    midnight = end[crossing].astype(np.int64) * DAY_US - UTC_OFFSET_US
    share[crossing] = (midnight - steps.start[crossing]) / (steps.end[crossing] - steps.start[crossing])
    return end, start, share


def _odometer_steps(track: Positions, steps: Steps) -> FloatArray:
    """Growth of the odometer within each step, metres; 0 where an end has none, it ran backwards or leapt."""
    growth = np.zeros(len(track))
    if len(track) < 2:
        return growth
    before, after = track.odometer_m[:-1], track.odometer_m[1:]
    seconds = np.diff(track.fix_time) / SECOND_US
    plausible = (before != NO_ODOMETER) & (after >= before) & (after - before <= 1000 + 60 * seconds)
    growth[1:] = np.where(plausible & (steps.start[1:] < steps.end[1:]), after - before, 0)
    return growth
