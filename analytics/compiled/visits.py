"""`visits.steps_near`: one walk over the steps of trips and the rests after them."""

import numpy as np

from analytics.steps import Steps
from analytics.tally import Spans
from analytics.visits import rest_counts_until
from geo.arrays import BoolArray, Int64Array
from geo.cells import BLOCK, number_cells
from geo.clearance import from_zones
from geo.jit import compiled
from geo.positions import Positions
from geo.zones import ZoneIndex


def steps_near(
    track: Positions, steps: Steps, trips: Spans, until: Int64Array, zones: ZoneIndex
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """`visits.steps_near`."""
    clear, cell_m = from_zones(zones.raster)
    row, trip = np.empty((2, len(track)), dtype=np.int64)  # memory is taken only as far as it is filled
    ends_near = np.zeros(len(trips), dtype=np.bool_)
    count = _near(
        (track.lat_e7.view(np.uint32), track.lon_e7.view(np.uint32), track.fix_time, steps.metres),
        (trips.first, trips.last, until, rest_counts_until(trips)),
        (zones.raster.grid, clear, np.float32(cell_m)),
        (row, trip, ends_near),
    )
    return row[:count], trip[:count], ends_near


@compiled
def _near(columns, spans, raster, found):
    lat, lon, time, metres = columns
    first, last, until, latest = spans
    grid, clear, cell_m = raster
    row, of, ends_near = found
    cells = np.empty(BLOCK, dtype=np.int32)
    count = 0
    for trip in range(len(first)):
        stop = until[trip] + 1
        while stop - 1 > last[trip] and time[stop - 1] > latest[trip]:
            stop -= 1
        for start in range(first[trip] + 1, stop, BLOCK):
            end = min(start + BLOCK, stop)
            number_cells(lat[start:end], lon[start:end], grid, cells)
            for i in range(start, end):
                if metres[i] >= np.float32(clear[np.uint32(cells[i - start])]) * cell_m:
                    row[count], of[count] = i, trip
                    count += 1
                    if i == last[trip]:
                        ends_near[trip] = True
    return count
