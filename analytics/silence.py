"""How long a terminal said nothing before each usable position."""

import numpy as np

from geo.arrays import FloatArray, Int64Array
from geo.localtime import SECOND_US
from geo.positions import Positions, clock_fault


def silence_s(positions: Positions, good: Int64Array) -> FloatArray:
    """Longest time without any report between each usable position and the one before it, seconds; float64 (k,).

    Reports without a fix break a silence too: a car that reports from a garage is not silent. Those with a wrong clock
    do not.
    """
    if not len(good):
        return np.empty(0)
    timely = np.flatnonzero(~clock_fault(positions.fix_time, positions.received_at))
    pause = np.zeros(len(positions))
    pause[timely[1:]] = np.diff(positions.fix_time[timely]) / SECOND_US
    bounds = np.concatenate((good[:1], good[:-1] + 1))
    silence = np.maximum.reduceat(pause[: good[-1] + 1], bounds)
    silence[0] = 0.0
    new = np.flatnonzero(np.diff(positions.vehicle_ix[good]) != 0) + 1
    silence[new] = 0.0
    return silence


def long_steps(time: Int64Array, least_us: int) -> Int64Array:
    """Ends of the steps that last so long at least, ascending rows; a vehicle's first step is measured from another's."""
    return np.flatnonzero(np.diff(time) >= least_us) + 1
