"""`borders.outside_bounds` and `borders.metres_outside`: one walk over the positions, and one over the steps of trips.

By the raster alone most positions are known to lie inside; of the others most lie further from any border than their
circle reaches. Only what is left is measured.
"""

import numpy as np

from analytics.bounds import LEVELS, Bounds
from analytics.exact import PARTS
from analytics.steps import Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import FloatArray, UInt8Array
from geo.cells import cell_number, number_blocks, part_number
from geo.clearance import blocks_of, from_borders
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import Positions
from geo.zones import BORDER, INSIDE, OUTSIDE

_INSIDE, _OUTSIDE, _BORDER = 0, 1, 2  # two bits a level; never all of them, so that there is room for two more:
_MIXED, _UNKNOWN = np.uint8(254), np.uint8(255)
_NEAR = np.dtype([("at", np.int64), ("zone", np.int32), ("lat", np.int32), ("lon", np.int32), ("radius", np.float64)])
_ROWS, _FEW = 4096, 256  # they are looked up together; the few that are a vehicle's first, row by row
_ALL_BYTES = np.uint64(0x0101010101010101)


def outside_bounds(track: Positions, bounds: Bounds, thresholds: Thresholds = DEFAULT) -> UInt8Array:
    """`borders.outside_bounds`."""
    zones = bounds.zones
    found = np.zeros((len(track) // 8 + 1) * 8, dtype=np.uint8)
    if (bounds.zone_ix < 0).all():
        return found[: len(track)]
    raster, radii = zones.raster, bounds.radii_m(thresholds)
    borders = zones.borders(float(radii[-1]))  # few fixes are worse
    most = len(track) * LEVELS  # memory is taken only as far as it is filled
    near, doubt = np.empty(most, dtype=_NEAR), np.empty(most, dtype=np.int64)
    count = np.zeros(2, dtype=np.int64)
    _stand(
        (track.vehicle_ix, track.lat_e7, track.lon_e7, track.fix_time, track.satellites),
        (bounds.zone_ix, bounds.holds, bounds.is_area, zones.valid_from, zones.valid_to),
        (raster.grid, raster.cell_set, raster.part_set, raster.set_start, raster.set_zone, raster.set_exact),
        blocks_of(raster),
        (*from_borders(raster), radii, borders.reach_m, zones.across_part_m),
        (found, near, doubt, count),
    )
    near, doubt = near[: count[0]], doubt[: count[1]]
    apart = borders.distance_m(*(np.ascontiguousarray(near[name]) for name in ("zone", "lat", "lon"))) > near["radius"]
    outside = near["at"][apart]
    if len(doubt):
        rows, level = doubt // LEVELS, doubt % LEVELS
        zone, radius = (
            bounds.zone_ix[level, track.vehicle_ix[rows]],
            bounds.radius_m(track.satellites[rows], thresholds),
        )
        beyond = zones.beyond(zone, track.lat_e7[rows], track.lon_e7[rows], radius)
        outside = np.concatenate((outside, doubt[beyond]))
    lasting = np.int64(thresholds.outside_count), float(thresholds.outside_s)
    _keep_lasting(track.vehicle_ix, track.fix_time, np.ascontiguousarray(outside), lasting, found)
    return found[: len(track)]


def metres_outside(steps: Steps, trips: Spans, outside: UInt8Array) -> FloatArray:
    """`borders.metres_outside`."""
    metres = np.zeros((len(trips), LEVELS))
    _metres(steps.metres, steps.moving, trips.first, trips.last, outside, metres)
    return np.ascontiguousarray(metres.T)


@compiled
def _stand(columns, bounds, raster, blocks, reach, told):
    """Tell of most rows; which are left to be measured near a border, and which to be asked of the zones."""
    vehicle = columns[0]
    lat, lon = columns[1].view(np.uint32), columns[2].view(np.uint32)
    numbers, states = np.empty(_ROWS, dtype=np.int32), np.empty(_ROWS, dtype=np.uint8)
    hows = np.empty(len(raster[3]), dtype=np.uint8)
    begin = 0
    while begin < len(vehicle):
        vehicle_end = begin + np.searchsorted(vehicle[begin:], vehicle[begin], side="right")
        hows[:-1], hows[-1] = _UNKNOWN, _MIXED
        start = begin
        while start < vehicle_end:
            end = min(start + (_FEW if start == begin else _ROWS), vehicle_end)
            number_blocks(lat[start:end], lon[start:end], blocks[0], numbers)
            for at in range(end - start):  # without a branch; most positions are at home, and nothing is left to do
                states[at] = hows[blocks[1][np.uint32(numbers[at])]]
            states[end - start : (end - start + 7) // 8 * 8] = _INSIDE
            _look_closer(
                start, numbers, states[: (end - start + 7) // 8 * 8], hows, columns, bounds, raster, blocks, reach, told
            )
            start = end
        begin = vehicle_end


@compiled
def _look_closer(start, numbers, states, hows, columns, bounds, raster, blocks, reach, told):
    """`_stand` of the rows from `start` on that are not inside by their block alone."""
    vehicle, lat, lon, time, satellites = columns
    zone, _, _, valid_from, valid_to = bounds
    grid, cell_set, part_set = raster[:3]
    _, ground, free = blocks
    clear, cell_m, radii, reach_m, across_m = reach
    found, near, doubt, count = told
    own, words = vehicle[start], states.view(np.uint64)
    for word in range(len(words)):
        if words[word] == 0:
            continue
        for at in range(8 * word, 8 * word + 8):
            if states[at] == _INSIDE:
                continue
            i, block = start + at, np.uint32(numbers[at])
            number, lat_i, lon_i = np.int32(ground[block]), np.uint32(lat[i]), np.uint32(lon[i])
            if states[at] == _MIXED:
                number = cell_set[np.uint32(cell_number(lat_i, lon_i, grid))]
                if number < 0:
                    number = part_set[part_number(number, lat_i, lon_i, grid)]
            if hows[number] == _UNKNOWN:
                hows[number] = _how(number, own, bounds, raster)
            how = np.int64(hows[number])
            if how == _INSIDE:
                continue
            sent = satellites[i]
            radius = radii[len(radii) - 1 if sent < 0 else min(sent, len(radii) - 1)]
            apart = free[block] * cell_m > radius
            if not apart:
                apart = clear[np.uint32(cell_number(lat_i, lon_i, grid))] * cell_m > radius
            for level in range(LEVELS):
                stands = how >> 2 * level & 3
                if stands == _INSIDE:
                    continue
                mine = zone[level, own]
                if time[i] < valid_from[mine] or time[i] >= valid_to[mine]:
                    continue
                if stands == _OUTSIDE and apart:
                    found[i] |= 1 << level
                elif stands == _OUTSIDE and radius <= reach_m:
                    near[count[0]].at = i * LEVELS + level
                    near[count[0]].zone, near[count[0]].radius = mine, radius
                    near[count[0]].lat, near[count[0]].lon = lat[i], lon[i]
                    count[0] += 1
                elif stands == _OUTSIDE or radius < across_m:
                    doubt[count[1]] = i * LEVELS + level
                    count[1] += 1


@compiled
def _how(number, vehicle, bounds, raster):
    """How the zones of a vehicle stand to a set's ground, as far as they must be asked: two bits a level."""
    zone, holds, is_area = bounds[:3]
    set_start, set_zone, set_exact = raster[3:]
    how, perhaps = 0, False
    for level in range(LEVELS):
        own = zone[level, vehicle]
        if own < 0 or (holds[level, vehicle] and not perhaps):
            continue
        perhaps = True
        if is_area[level, vehicle]:
            continue
        stands = OUTSIDE
        for entry in range(set_start[number], set_start[number + 1]):
            if set_zone[entry] == own:
                stands = BORDER if set_exact[entry] else INSIDE
        if stands == INSIDE:
            perhaps = False
        else:
            how |= (_OUTSIDE if stands == OUTSIDE else _BORDER) << 2 * level
    return how


@compiled
def _keep_lasting(vehicle, time, beyond, lasting, found):
    """Add what was measured to be beyond, and drop the runs that are too short to count; `found` ends in a row of none."""
    for each in beyond:
        found[each // LEVELS] |= 1 << each % LEVELS
    begin = np.zeros(LEVELS, dtype=np.int64)
    before, words = np.uint8(0), found.view(np.uint64)
    for word in range(len(words)):
        row = 8 * word
        if words[word] == before * _ALL_BYTES and (before == 0 or vehicle[row - 1] == vehicle[row + 7]):
            continue
        for i in range(row, row + 8):
            now = found[i]
            new = before != 0 and now != 0 and vehicle[i] != vehicle[i - 1]
            if now == before and not new:
                continue
            ending, beginning = (before, now) if new else (before & ~now, now & ~before)
            for level in range(LEVELS):
                if ending >> level & 1:
                    first = begin[level]
                    if i - first < lasting[0] and (time[i - 1] - time[first]) / SECOND_US < lasting[1]:
                        found[first:i] &= ~np.uint8(1 << level)
                if beginning >> level & 1:
                    begin[level] = i
            before = now


@compiled
def _metres(metres, moving, first, last, outside, found):
    for trip in range(len(first)):
        before = outside[first[trip]]
        for i in range(first[trip] + 1, last[trip] + 1):
            now = outside[i]
            if now | before and moving[i]:
                for level in range(LEVELS):
                    share = (np.float64(now >> level & 1) + (before >> level & 1)) / 2
                    found[trip, level] += np.rint(metres[i] * share * PARTS) / PARTS
            before = now
