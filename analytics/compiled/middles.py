"""`middles.middles`: the places of each span summed, and nothing else touched."""

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.jit import compiled
from geo.positions import Positions


def middles(
    track: Positions, first: Int64Array, last: Int64Array, begin: Int64Array, until: Int64Array
) -> tuple[Int32Array, Int32Array]:
    """`middles.middles`."""
    lat, lon = np.empty(len(first), dtype=np.int32), np.empty(len(first), dtype=np.int32)
    _middles(track.fix_time, (track.lat_e7, track.lon_e7), (first, last, begin, until), lat, lon)
    return lat, lon


@compiled
def _middles(time, places, spans, lat, lon):
    first, last, begin, until = spans
    for span in range(len(first)):
        low = first[span] + np.searchsorted(time[first[span] : last[span]], begin[span])
        high = low + max(np.searchsorted(time[low : last[span] + 1], until[span], side="right") - 1, 0)
        lat_sum, lon_sum = np.int64(0), np.int64(0)
        for i in range(low, high + 1):
            lat_sum += places[0][i]
            lon_sum += places[1][i]
        lat[span], lon[span] = lat_sum // (high - low + 1), lon_sum // (high - low + 1)
