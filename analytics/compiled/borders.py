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
from geo.cells import BLOCK, number_cells, part_number
from geo.clearance import from_borders
from geo.distance import EAST_TABLE, NORTH_TABLE
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.nearest import nearest_m
from geo.positions import Positions
from geo.zones import BORDER, INSIDE, OUTSIDE

_INSIDE, _OUTSIDE, _BORDER = 0, 1, 2  # two bits a level


def outside_bounds(track: Positions, bounds: Bounds, thresholds: Thresholds = DEFAULT) -> UInt8Array:
    """`borders.outside_bounds`."""
    zones = bounds.zones
    found = np.zeros(len(track), dtype=np.uint8)
    if (bounds.zone_ix < 0).all():
        return found
    raster, radii = zones.raster, bounds.radii_m(thresholds)
    clear, cell_m = from_borders(raster)
    near = zones.borders(float(radii[-1]))  # few fixes are worse
    doubt = np.empty(len(track) * LEVELS, dtype=np.int64)  # memory is taken only as far as it is filled
    count = _stand(
        (track.vehicle_ix, track.lat_e7, track.lon_e7, track.fix_time, track.satellites),
        (bounds.zone_ix, bounds.holds, bounds.is_area, zones.valid_from, zones.valid_to),
        (raster.grid, raster.cell_set, raster.part_set, raster.set_start, raster.set_zone, raster.set_exact),
        (clear, cell_m, radii, zones.across_part_m),
        (near.reach_m, near.arrays, (NORTH_TABLE, EAST_TABLE)),
        found,
        doubt,
    )
    rows, level = doubt[:count] // LEVELS, doubt[:count] % LEVELS
    zone = bounds.zone_ix[level, track.vehicle_ix[rows]]
    radius = bounds.radius_m(track.satellites[rows], thresholds)
    beyond = zones.beyond(zone, track.lat_e7[rows], track.lon_e7[rows], radius)
    lasting = np.int64(thresholds.outside_count), float(thresholds.outside_s)
    _keep_lasting(track.vehicle_ix, track.fix_time, doubt[:count][beyond], lasting, found)
    return found


def metres_outside(steps: Steps, trips: Spans, outside: UInt8Array) -> FloatArray:
    """`borders.metres_outside`."""
    metres = np.zeros((len(trips), LEVELS))
    _metres(steps.metres, steps.moving, trips.first, trips.last, outside, metres)
    return np.ascontiguousarray(metres.T)


@compiled
def _stand(columns, bounds, raster, reach, near, found, doubt):
    vehicle, lat, lon, time, satellites = columns
    zone, _, _, valid_from, valid_to = bounds
    grid, cell_set, part_set = raster[:3]
    clear, cell_m, radii, across_m = reach
    reach_m, borders, tables = near
    cells = np.empty(BLOCK, dtype=np.int32)
    count = 0
    own, calm, last, how = np.int32(-1), np.int32(-1), np.int32(-1), 0
    for start in range(0, len(lat), BLOCK):
        end = min(start + BLOCK, len(lat))
        number_cells(lat[start:end].view(np.uint32), lon[start:end].view(np.uint32), grid, cells)
        for i in range(start, end):
            cell = np.uint32(cells[i - start])
            number = cell_set[cell]
            if vehicle[i] != own:
                own, calm, last = vehicle[i], np.int32(-1), np.int32(-1)
            if number == calm:
                continue
            if number < 0:
                number = part_set[part_number(number, np.uint32(lat[i]), np.uint32(lon[i]), grid)]
                if number == calm:
                    continue
            if number != last:
                last, how = number, _how(number, own, bounds, raster)
            if how == 0:
                calm = number
                continue
            told = satellites[i]
            radius = radii[len(radii) - 1 if told < 0 else min(told, len(radii) - 1)]
            apart = clear[cell] * cell_m > radius
            for level in range(LEVELS):
                stands = how >> 2 * level & 3
                if stands == _INSIDE:
                    continue
                mine = zone[level, own]
                if time[i] < valid_from[mine] or time[i] >= valid_to[mine]:
                    continue
                if stands == _OUTSIDE and (
                    apart or (radius <= reach_m and nearest_m(mine, lat[i], lon[i], borders, tables) > radius)
                ):
                    found[i] |= 1 << level
                elif radius > reach_m if stands == _OUTSIDE else radius < across_m:
                    doubt[count] = i * LEVELS + level
                    count += 1
    return count


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
    """Add what was measured to be beyond, and drop the runs that are too short to count."""
    least, least_s = lasting
    for each in beyond:
        found[each // LEVELS] |= 1 << each % LEVELS
    begin = np.zeros(LEVELS, dtype=np.int64)
    before = np.uint8(0)
    for i in range(len(found) + 1):
        now = found[i] if i < len(found) else np.uint8(0)
        new = 0 < i < len(found) and vehicle[i] != vehicle[i - 1]
        if now == before and not (new and now):
            continue
        ending, beginning = (before, now) if new else (before & ~now, now & ~before)
        for level in range(LEVELS):
            if ending >> level & 1:
                first = begin[level]
                if i - first < least and (time[i - 1] - time[first]) / SECOND_US < least_s:
                    for row in range(first, i):
                        found[row] &= ~np.uint8(1 << level)
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
