"""`stretches.stretches`: one walk over the steps of trips and the rests after them."""

import numpy as np

from analytics.compiled.suspects import next_with
from analytics.steps import Steps
from analytics.stretches import KNOWN_ON, fast_mps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.visits import rest_counts_until
from geo.arrays import Columns, Int64Array
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import Positions, Status

_RESTS, _GOES = np.uint8(1), np.uint8(0)
_KNOWN, _KNOWN_ON = np.uint32(Status.IGNITION_KNOWN), np.uint32(KNOWN_ON)


def stretches(
    track: Positions, steps: Steps, trips: Spans, until: Int64Array, thresholds: Thresholds = DEFAULT
) -> Columns:
    """`stretches.stretches`."""
    speeding, idle = np.zeros(len(trips), dtype=np.int64), np.zeros(len(trips), dtype=np.int64)
    known = np.zeros(len(trips), dtype=np.bool_)
    limits = (
        fast_mps(thresholds),
        np.float32(thresholds.teleport_mps),
        np.int64(thresholds.speeding_step_s * SECOND_US),
    )
    spans = trips.first, trips.last, until, rest_counts_until(trips)
    _stretches(track.fix_time, track.speed_mps, track.status, steps.moving, spans, limits, speeding, idle, known)
    return {"speeding_s": speeding / SECOND_US, "idle_s": np.where(known, idle / SECOND_US, np.nan)}


@compiled
def _stretches(time, speed, status, moving, spans, limits, speeding, idle, known):
    first, last, until, latest = spans
    longest = np.int64(0)
    for trip in range(len(first)):
        longest = max(longest, until[trip] - first[trip])
    rests = np.zeros((longest // 8 + 1) * 8, dtype=np.uint8)
    for trip in range(len(first)):
        steps = slice(first[trip], last[trip] + 1)
        if _any_faster(speed[steps], limits[0]):
            speeding[trip] = _fast(time[steps], speed[steps], limits)
        end = until[trip] + 1
        if time[until[trip]] > latest[trip]:
            end = last[trip] + 1
            end += np.searchsorted(time[end : until[trip] + 1], latest[trip], side="right")
        begin, count = np.uint64(first[trip]), end - 1 - first[trip]
        known[trip] = _rests(begin, count, status, moving, rests)
        rests[count] = _RESTS  # where the search for the next one ends
        step = next_with(_RESTS, rests, 0)
        while step < count:
            ended = step + 1
            while ended < count and rests[ended]:
                ended += 1
            idle[trip] = max(idle[trip], time[first[trip] + ended] - time[first[trip] + step])
            step = next_with(_RESTS, rests, ended)


@compiled
def _any_faster(speed, least):
    faster = 0
    for each in speed:  # without a branch, so that it is done for many positions at once
        faster += each > least
    return faster > 0


@compiled
def _fast(time, speed, limits):
    """The longest time for which every report is too fast."""
    least, most, apart = limits
    fast, longest, was_fast = np.int64(0), np.int64(0), (speed[0] > least) & (speed[0] <= most)
    for i in range(1, len(time)):
        lasting = time[i] - time[i - 1]
        is_fast = (speed[i] > least) & (speed[i] <= most)
        fast = fast + lasting if is_fast and was_fast and lasting <= apart else np.int64(0)
        longest, was_fast = max(longest, fast), is_fast
    return longest


@compiled
def _rests(begin, count, status, moving, rests):
    """Marks the steps that stand with the ignition on; whether the ignition was told."""
    told = np.uint32(0)
    for i in range(count):  # without a branch, so that it is done for many steps at once
        row = begin + np.uint64(i)
        after = row + np.uint64(1)
        told |= status[after] & _KNOWN
        on = (status[after] & _KNOWN_ON == _KNOWN_ON) & (status[row] & _KNOWN_ON == _KNOWN_ON)
        rests[i] = _RESTS if on & ~moving[after] else _GOES
    return told != 0
