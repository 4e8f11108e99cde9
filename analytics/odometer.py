"""The terminal's own counter: how far it grew, and whether it can be believed."""

import numpy as np

from geo.arrays import FloatArray, Int64Array
from geo.localtime import SECOND_US
from geo.positions import NO_ODOMETER, Positions

ODOMETER_MPS = 60.0
"""216 km/h all the time: no official car keeps it up."""


def odometer_growth(track: Positions, first: Int64Array, last: Int64Array) -> FloatArray:
    """Growth of the odometer from one position to another of a vehicle, metres; NaN where it is missing or not plausible.

    It is not plausible when it ran backwards, or grew by more than a kilometre and `ODOMETER_MPS` all the time: counters
    in tenths of a kilometre lag by up to one, and a reset or an exchange leaps.
    """
    start, end = track.odometer_m[first], track.odometer_m[last]
    lasting = track.fix_time[last] - track.fix_time[first]
    good = (start != NO_ODOMETER) & (end >= start) & (end - start <= 1000 + ODOMETER_MPS * (lasting / SECOND_US))
    return np.where(good, end - start, np.nan).astype(np.float64)
