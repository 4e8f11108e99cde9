"""`days.count_days`."""

import numpy as np

from analytics.compiled.marks import DOUBT, FIX, MISPLACED
from analytics.odometer import ODOMETER_MPS
from geo.arrays import Columns, UInt32Array
from geo.jit import compiled
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from geo.positions import NO_ODOMETER, Positions


def count_days(positions: Positions, status: UInt32Array, track: Positions) -> Columns:
    """`days.count_days`."""
    keys = np.empty((5, len(positions)), dtype=np.int64)
    grown = np.empty(len(positions))
    count = _count_days(positions.vehicle_ix, positions.fix_time, status, keys)
    vehicle, day, counted, doubtful, misplaced = keys[:, :count].copy()
    breaks = np.zeros(count, dtype=np.int64)
    _odometer_days(track.vehicle_ix, track.fix_time, track.odometer_m, vehicle, day, grown, breaks)
    return {
        "vehicle_ix": vehicle.astype(np.int32),
        "day": day.astype(np.int32),
        "positions": counted,
        "doubtful": doubtful,
        "misplaced": misplaced,
        "odometer_m": grown[:count].copy(),
        "odometer_breaks": breaks,
    }


@compiled
def _count_days(vehicle, time, status, keys):
    count, until = 0, np.int64(0)
    for i in range(len(time)):
        if i == 0 or vehicle[i] != vehicle[i - 1] or time[i] >= until:
            day = (time[i] + UTC_OFFSET_US) // DAY_US
            until = (day + 1) * DAY_US - UTC_OFFSET_US
            keys[0, count], keys[1, count] = vehicle[i], day
            keys[2:, count] = 0
            count += 1
        keys[2, count - 1] += 1
        keys[3, count - 1] += status[i] & DOUBT != 0
        keys[4, count - 1] += status[i] & FIX != 0 and status[i] & MISPLACED != 0
    return count


@compiled
def _odometer_days(vehicle, time, odometer, day_vehicle, day, grown, breaks):
    grown[: len(day)] = np.nan
    at = 0
    for i in range(len(time)):
        before = at
        while day_vehicle[at] != vehicle[i] or (day[at] + 1) * DAY_US - UTC_OFFSET_US <= time[i]:
            at += 1
        if odometer[i] != NO_ODOMETER and np.isnan(grown[at]):
            grown[at] = 0.0
        if i == 0 or vehicle[i] != vehicle[i - 1] or odometer[i] == odometer[i - 1]:
            continue
        if odometer[i - 1] == NO_ODOMETER or odometer[i] == NO_ODOMETER or day[at] - day[before] > 1:
            continue
        lasting, growth = time[i] - time[i - 1], np.float64(odometer[i] - odometer[i - 1])
        if not 0 <= growth <= 1000 + ODOMETER_MPS * (lasting / SECOND_US):
            breaks[at] += 1
            continue
        if day[at] != day[before]:
            share = (day[at] * DAY_US - UTC_OFFSET_US - time[i - 1]) / lasting
            earlier = np.rint(growth * share)
            grown[before] += earlier
            growth -= earlier
        grown[at] += growth
