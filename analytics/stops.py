"""Stops and gaps as rows, a piece for each local day."""

import numpy as np

from analytics import kernels
from analytics.steps import GAP, TRIP, Segments
from geo.arrays import Columns
from geo.localtime import day_start_us, local_day
from geo.positions import Positions


def stop_columns(track: Positions, segments: Segments) -> Columns:
    """Stops and gaps, cut at local midnight: one piece for each local day."""
    rows = np.flatnonzero(segments.kind != TRIP)
    start, end = segments.start_time[rows], segments.end_time[rows]
    first_day, last_day = local_day(start), local_day(end - 1)
    count = last_day - first_day + 1
    piece = np.repeat(np.arange(len(rows)), count)
    day = np.repeat(first_day, count) + np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count)
    midnight = np.array([day_start_us(each) for each in range(int(day.min()), int(day.max()) + 2)]) if len(day) else day
    base = int(day.min()) if len(day) else 0
    begin = np.maximum(start[piece], midnight[day - base])
    until = np.minimum(end[piece], midnight[day - base + 1])
    # The place of a piece rests on the positions of that day alone, so that it is the same however far back one reads.
    lat, lon = kernels.middles(track, segments.first[rows][piece], segments.last[rows][piece], begin, until)
    return {
        "vehicle_ix": segments.vehicle_ix[rows][piece],
        "day": day.astype(np.int32),
        "start_time": begin,
        "end_time": until,
        "lat_e7": lat,
        "lon_e7": lon,
        "gap": segments.kind[rows][piece] == GAP,
    }
