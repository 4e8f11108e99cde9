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
    count, begin, vehicle_end = 0, 0, 0
    while begin < len(time):
        if begin == vehicle_end:
            vehicle_end += np.searchsorted(vehicle[begin:], vehicle[begin], side="right")
        day = (time[begin] + UTC_OFFSET_US) // DAY_US
        end = begin + np.searchsorted(time[begin:vehicle_end], (day + 1) * DAY_US - UTC_OFFSET_US)
        doubtful, misplaced = _counted(status[begin:end])
        keys[0, count], keys[1, count], keys[2, count] = vehicle[begin], day, end - begin
        keys[3, count], keys[4, count] = doubtful, misplaced
        count, begin = count + 1, end
    return count


@compiled
def _counted(status):
    """How many are doubtful, and how many misplaced."""
    doubtful, misplaced = np.uint32(0), np.uint32(0)
    for i in range(len(status)):  # without a branch, so that it is done for many positions at once
        doubtful += np.uint32(status[i] & DOUBT != 0)
        misplaced += np.uint32((status[i] & FIX != 0) & (status[i] & MISPLACED != 0))
    return doubtful, misplaced


@compiled
def _odometer_days(vehicle, time, odometer, day_vehicle, day, grown, breaks):
    begin, vehicle_end = 0, 0
    for at in range(len(day)):
        grown[at] = np.nan
        if begin == len(time) or day_vehicle[at] != vehicle[begin]:
            continue
        if begin >= vehicle_end:
            vehicle_end = begin + np.searchsorted(vehicle[begin:], vehicle[begin], side="right")
            before = -1  # the day of the position before
        end = begin + np.searchsorted(time[begin:vehicle_end], (day[at] + 1) * DAY_US - UTC_OFFSET_US)
        if begin == end:
            continue
        sent, growth, leaps = _growth(time[begin:end], odometer[begin:end])
        if sent:
            grown[at] = 0.0
        if before >= 0 and day[at] - day[before] == 1:
            _over_midnight(time[begin - 1 : begin + 1], odometer[begin - 1 : begin + 1], at, before, day, grown, breaks)
        if sent:
            grown[at] += growth
        breaks[at] += leaps
        begin, before = end, at


@compiled
def _growth(time, odometer):
    """Whether a counter was sent within a day, by how many metres it grew, and how often it ran backwards or leapt."""
    if _steady(odometer):
        return True, np.float64(odometer[-1] - odometer[0]), np.int64(0)
    sent, metres, leaps = odometer[0] != NO_ODOMETER, np.int64(0), np.int64(0)
    for i in range(1, len(time)):
        growth, lasting_s = odometer[i] - odometer[i - 1], np.float64(time[i] - time[i - 1]) / SECOND_US
        known = (odometer[i] != NO_ODOMETER) & (odometer[i - 1] != NO_ODOMETER)
        plausible = (growth >= 0) & (np.float64(growth) <= 1000 + ODOMETER_MPS * lasting_s)
        metres += growth if known & plausible else 0
        leaps += known & ~plausible
        sent |= odometer[i] != NO_ODOMETER
    return sent, np.float64(metres), leaps


@compiled
def _steady(odometer):
    """Whether every one was sent and each step grew by 0 … 1000, which is plausible in no time at all."""
    signs = odometer[0]
    for i in range(1, len(odometer)):  # without a branch, so that it is done for many steps at once
        growth = odometer[i] - odometer[i - 1]
        signs |= odometer[i] | growth | (1000 - growth)
    return signs >= 0


@compiled
def _over_midnight(time, odometer, at, before, day, grown, breaks):
    """The step from one day to the next: each has its share."""
    growth, lasting = np.float64(odometer[1] - odometer[0]), time[1] - time[0]
    if odometer[0] == NO_ODOMETER or odometer[1] == NO_ODOMETER or growth == 0:
        return
    if not 0 <= growth <= 1000 + ODOMETER_MPS * (lasting / SECOND_US):
        breaks[at] += 1
        return
    earlier = np.rint(growth * ((day[at] * DAY_US - UTC_OFFSET_US - time[0]) / lasting))
    grown[before] += earlier
    grown[at] += growth - earlier
