"""Where a vehicle stood over a span of time: the mean of its places."""

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.positions import Positions


def middles(
    track: Positions, first: Int64Array, last: Int64Array, begin: Int64Array, until: Int64Array
) -> tuple[Int32Array, Int32Array]:
    """Mean place, degrees × 10⁷, of the positions first … last with begin ≤ time ≤ until; else that of the nearest one."""
    lat, lon = np.empty(len(first), dtype=np.int32), np.empty(len(first), dtype=np.int32)
    if not len(first):
        return lat, lon
    span = int(track.fix_time.max() - track.fix_time.min()) + 1
    axis = track.vehicle_ix.astype(np.int64) * span + (track.fix_time - track.fix_time.min())
    base = track.vehicle_ix[first].astype(np.int64) * span - track.fix_time.min()
    low = np.clip(np.searchsorted(axis, base + begin), first, last)
    high = np.clip(np.searchsorted(axis, base + until, side="right") - 1, low, last)
    count = high - low + 1
    bounds = np.column_stack((low, high + 1)).ravel()
    for column, middle in ((track.lat_e7, lat), (track.lon_e7, lon)):
        total = np.add.reduceat(np.append(column, 0).astype(np.int64), bounds)[::2]
        middle[:] = total // count
    return lat, lon
