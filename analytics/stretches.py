"""The longest stretches within trips: above the speed that no road allows, and standing with the engine on."""

import numpy as np

from analytics.steps import Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.visits import steps_of
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.localtime import SECOND_US
from geo.positions import Positions, Status

KNOWN_ON = int(Status.IGNITION_KNOWN | Status.IGNITION_ON)


def stretches(
    track: Positions, steps: Steps, trips: Spans, until: Int64Array, thresholds: Thresholds = DEFAULT
) -> Columns:
    """The longest stretch of each trip above the speed that no road allows, and its longest stand with the engine on.

    Parameters
    ----------
    track, steps : usable positions in canonical order, and what lies between them.
    trips : of them, with `until` as `visits.rest_until` gives it.

    Returns
    -------
    speeding_s : float64 (t,)   0.0 where there is none, and where no speed was reported.
    idle_s : float64 (t,)   On the way, or at the rest after it as far as `visits.rest_counts_until`; 0.0 where there is
        none, NaN where the ignition was never known.

    Notes
    -----
    A step is fast when both its ends report more than `top_speed_mps` and `speed_error_mps`, and no more than any car
    drives (`teleport_mps`), at most `speeding_step_s` apart: one wild reading makes no step. It idles when nothing moves
    and both its ends have the engine on. A stretch is a run of such steps, and lasts from its first report to its last.
    """
    fast = (track.speed_mps > fast_mps(thresholds)) & (track.speed_mps <= np.float32(thresholds.teleport_mps))
    fast = _both_ends(fast)
    fast[1:] &= np.diff(track.fix_time) <= int(thresholds.speeding_step_s * SECOND_US)
    idle = _both_ends((track.status & np.uint32(KNOWN_ON)) == np.uint32(KNOWN_ON)) & ~steps.moving
    known = np.zeros(len(trips), dtype=np.bool_)
    known[steps_of(np.flatnonzero(track.has(Status.IGNITION_KNOWN)), track, trips, until)[1]] = True
    return {
        "speeding_s": _longest_s(fast, track, trips, trips.last),
        "idle_s": np.where(known, _longest_s(idle, track, trips, until), np.nan),
    }


def fast_mps(thresholds: Thresholds) -> np.float32:
    """Above this a reported speed is surely more than any road allows."""
    return np.float32(thresholds.top_speed_mps + thresholds.speed_error_mps)


def _both_ends(holds: BoolArray) -> BoolArray:
    """Whether it holds at both ends of the step that ends at each position."""
    both = np.zeros(len(holds), dtype=np.bool_)
    both[1:] = holds[1:] & holds[:-1]
    return both


def _longest_s(chosen: BoolArray, track: Positions, trips: Spans, until: Int64Array) -> FloatArray:
    rows, trip = steps_of(np.flatnonzero(chosen), track, trips, until)
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (np.diff(rows) != 1) | (np.diff(trip) != 0)
    begin = np.flatnonzero(new)
    end = np.append(begin[1:], len(rows))[: len(begin)] - 1
    longest = np.zeros(len(trips), dtype=np.int64)
    np.maximum.at(longest, trip[begin], track.fix_time[rows[end]] - track.fix_time[rows[begin] - 1])
    return longest / SECOND_US
