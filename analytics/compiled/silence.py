"""`silence.silence_s`: steps between neighbouring rows at once, and only the others report by report."""

import numpy as np

from geo.arrays import FloatArray, Int64Array
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US, Positions

_ROWS = 64  # looked at together: most have no long step among them


def silence_s(positions: Positions, good: Int64Array) -> FloatArray:
    """`silence.silence_s`."""
    silence = np.zeros(len(good))
    _silence(positions.vehicle_ix, positions.fix_time, positions.received_at, good, silence)
    return silence


def long_steps(time: Int64Array, least_us: int) -> Int64Array:
    """`silence.long_steps`."""
    rows = np.empty(len(time), dtype=np.int64)  # memory is taken only as far as it is filled
    return rows[: _long_steps(time, np.int64(least_us), rows)].copy()


@compiled
def _long_steps(time, least_us, rows):
    count = 0
    for begin in range(1, len(time), _ROWS):
        end = min(begin + _ROWS, len(time))
        if _longest(time[begin - 1 : end]) >= least_us:
            for i in range(begin, end):
                if time[i] - time[i - 1] >= least_us:
                    rows[count] = i
                    count += 1
    return count


@compiled
def _longest(time):
    longest = time[1] - time[0]
    for i in range(2, len(time)):  # without a branch, so that it is done for many steps at once
        longest = max(longest, time[i] - time[i - 1])
    return longest


@compiled
def _silence(vehicle, time, received, good, silence):
    begin = 0
    while begin < len(good):
        end = _run_end(good, begin)
        if begin > 0 and vehicle[good[begin]] == vehicle[good[begin - 1]]:
            silence[begin] = _longest_s(time, received, good[begin - 1], good[begin])
        rows = slice(good[begin], good[begin] + end - begin)
        _pauses(vehicle[rows], time[rows], silence[begin:end])
        begin = end


@compiled
def _run_end(rows, begin):
    """Where the run of neighbouring rows ends that begins at a place among ascending rows, one past it."""
    end, stride = begin, len(rows)
    while stride > 0:  # of ascending rows none is left out where the last is as far off as they are many
        while end + stride < len(rows) and rows[end + stride] - rows[begin] == end + stride - begin:
            end += stride
        stride //= 4
    return end + 1


@compiled
def _longest_s(time, received, start, end):
    """Longest time between the reports from one usable row to the next."""
    longest, last = 0.0, start
    for i in range(start + 1, end + 1):
        if time[i] <= received[i] + FUTURE_TOLERANCE_US and time[i] >= EARLIEST_FIX_US:
            longest = max(longest, (time[i] - time[last]) / SECOND_US)
            last = i
    return longest


@compiled
def _pauses(vehicle, time, silence):
    for i in range(1, len(time)):  # without a branch, so that it is done for many steps at once
        silence[i] = (time[i] - time[i - 1]) / SECOND_US if vehicle[i] == vehicle[i - 1] else 0.0
