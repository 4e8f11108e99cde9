"""How long a vehicle was driven without a rest."""

import numpy as np

from analytics.asked import Asked
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from geo.arrays import FloatArray
from geo.localtime import SECOND_US


def unbroken_s(trips: Asked, thresholds: EvidenceThresholds = DEFAULT) -> FloatArray:
    """Seconds driven up to the end of each trip since the last rest; float64 (n,).

    Parameters
    ----------
    trips : by vehicle_ix and start_time; end_time, moving_s. What lies before the first of them is a rest.

    Notes
    -----
    A rest is `rest_s` and more between the end of a trip and the beginning of the next. Waits within trips and shorter
    stands break nothing, nor do they count as driving. A silence so long counts as a rest: nobody saw it driven.
    """
    vehicle, start, end = trips["vehicle_ix"], trips["start_time"], trips["end_time"]
    new = np.ones(len(trips), dtype=np.bool_)
    new[1:] = (vehicle[1:] != vehicle[:-1]) | (start[1:] - end[:-1] >= int(thresholds.rest_s * SECOND_US))
    driven_us = np.rint(trips["moving_s"] * SECOND_US).astype(np.int64)
    total = np.cumsum(driven_us)
    first = np.maximum.accumulate(np.where(new, np.arange(len(trips)), 0))
    seconds: FloatArray = (total - (total - driven_us)[first]) / SECOND_US
    return seconds
