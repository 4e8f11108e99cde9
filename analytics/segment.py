"""Stops, gaps and trips: the segments that tile each vehicle's observed time, put together of its steps."""

import numpy as np

from analytics import kernels
from analytics.steps import BREAK, GAP, STOP, TRIP, Segments, Steps, run_bounds
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import FloatArray, Int8Array
from geo.localtime import SECOND_US
from geo.positions import Positions

__all__ = ["GAP", "STOP", "TRIP", "Segments", "Steps", "segment"]


def segment(track: Positions, silence_s: FloatArray, thresholds: Thresholds = DEFAULT) -> tuple[Segments, Steps]:
    """Segments of usable positions.

    Parameters
    ----------
    track : usable positions in canonical order.
    silence_s : float64 (n,)   Longest time without any report, usable or not, within the step that ends at each.

    Returns
    -------
    Segments in order of (vehicle, time), and the steps they are made of.
    """
    kind, metres, moving = kernels.step_kinds(track, silence_s, thresholds)
    return _runs(kind, track, metres, thresholds), Steps(metres, moving, kind)


def _runs(kind: Int8Array, track: Positions, metres: FloatArray, thresholds: Thresholds) -> Segments:
    begin, end = run_bounds(kind)
    steps = np.flatnonzero(kind[begin] != BREAK)
    begin, end = begin[steps], end[steps]
    kinds, vehicle = kind[begin], track.vehicle_ix[begin]
    start_time, end_time = track.fix_time[begin - 1].copy(), track.fix_time[end].copy()
    follows = np.zeros(len(begin), dtype=np.bool_)
    follows[1:] = (np.diff(begin) == (end - begin + 1)[:-1]) & (np.diff(vehicle) == 0)
    before = np.append(BREAK, kinds[:-1])[: len(kinds)]
    several = end > begin  # a trip within one step says nothing of when it began and ended
    departs = np.flatnonzero(follows & (kinds == TRIP) & (before == STOP) & several)
    arrives = np.flatnonzero(
        follows & (kinds == STOP) & (before == TRIP) & np.append(False, several[:-1])[: len(kinds)]
    )
    # The step that leaves a stop may have begun long before the car did: count back the metres it made.
    leaving = begin[departs]
    needed_us = ((metres[leaving] / thresholds.departure_mps + thresholds.pull_out_s) * SECOND_US).astype(np.int64)
    when = np.maximum(track.fix_time[leaving - 1], track.fix_time[leaving] - needed_us)
    start_time[departs] = when
    end_time[departs - 1] = when
    coming = end[arrives - 1]
    needed_us = ((metres[coming] / thresholds.departure_mps + thresholds.pull_out_s) * SECOND_US).astype(np.int64)
    when = np.minimum(track.fix_time[coming], track.fix_time[coming - 1] + needed_us)
    start_time[arrives] = when
    end_time[arrives - 1] = when
    whole = end_time > start_time
    return Segments(kinds[whole], vehicle[whole], (begin - 1)[whole], end[whole], start_time[whole], end_time[whole])
