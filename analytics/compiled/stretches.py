"""`stretches.stretches`: one walk over the steps of trips and the rests after them."""

import numpy as np

from analytics.steps import Steps
from analytics.stretches import KNOWN_ON, fast_mps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.visits import rest_counts_until
from geo.arrays import Columns, Int64Array
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import Positions, Status

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
    least, most, apart = limits
    for trip in range(len(first)):
        fast, idles = np.int64(0), np.int64(0)
        longest_fast, longest_idle, told = np.int64(0), np.int64(0), np.uint32(0)
        before = first[trip]
        was_fast = (speed[before] > least) & (speed[before] <= most)
        was_on = status[before] & _KNOWN_ON == _KNOWN_ON
        for i in range(first[trip] + 1, until[trip] + 1):
            if i > last[trip] and time[i] > latest[trip]:
                break
            lasting = time[i] - time[i - 1]
            is_fast = (speed[i] > least) & (speed[i] <= most)
            is_on = status[i] & _KNOWN_ON == _KNOWN_ON
            told |= status[i] & _KNOWN
            fast = fast + lasting if is_fast and was_fast and lasting <= apart and i <= last[trip] else np.int64(0)
            idles = idles + lasting if is_on and was_on and not moving[i] else np.int64(0)
            longest_fast, longest_idle = max(longest_fast, fast), max(longest_idle, idles)
            was_fast, was_on = is_fast, is_on
        speeding[trip], idle[trip], known[trip] = longest_fast, longest_idle, told != 0
