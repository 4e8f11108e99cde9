"""Plain slow twins of `analytics.excursions`: one vehicle's positions, one at a time, in Python's own numbers."""

import math
from itertools import groupby, pairwise

import numpy as np

from analytics.thresholds import DEFAULT
from geo.distance import flat_m, metres_per_degree
from geo.localtime import local_day
from geo.positions import Positions, Status

LIMITS = DEFAULT


def aside_rows(positions: Positions, good: list[int]) -> set[int]:
    """Rows between a jump away and the jump back; jumps are paired as they come."""
    found: set[int] = set()
    waiting: tuple[int, float, float] | None = None  # place among `good` after the jump, and how far off it led
    for place, (before, here) in enumerate(pairwise(good), start=1):
        off = _off(positions, before, here)
        if off is None:
            continue
        if waiting is not None:
            start = good[waiting[0] - 1]
            soon = positions.fix_time[here] - positions.fix_time[start] <= LIMITS.canyon_s * 1e6
            same = positions.vehicle_ix[here] == positions.vehicle_ix[start]
            left = math.hypot(off[0] + waiting[1], off[1] + waiting[2])
            size = max(math.hypot(*off), math.hypot(*waiting[1:]))
            if soon and same and left <= LIMITS.canyon_left_share * size:
                found.update(good[waiting[0] : place])
                waiting = None
                continue
        waiting = (place, *off)
    return found


def _velocity(positions: Positions, row: int) -> tuple[float, float] | None:
    speed, course = float(positions.speed_mps[row]), float(positions.course_deg[row])
    if speed < LIMITS.course_mps:
        return 0.0, 0.0
    if math.isnan(speed) or math.isnan(course):
        return None
    angle = math.radians(round(course * 8) / 8)
    return speed * math.cos(angle), speed * math.sin(angle)


def _off(positions: Positions, before: int, here: int) -> tuple[float, float] | None:
    """How far off a place lies from where speed and course lead, where that is more than a car can do."""
    one, other = _velocity(positions, before), _velocity(positions, here)
    seconds = float(positions.fix_time[here] - positions.fix_time[before]) / 1e6
    if one is None or other is None or seconds > LIMITS.speed_gap_s:
        return None
    if positions.vehicle_ix[before] != positions.vehicle_ix[here]:
        return None
    lat = np.array([(int(positions.lat_e7[before]) + int(positions.lat_e7[here])) / 2e7])
    per_lat, per_lon = (float(each[0]) for each in metres_per_degree(lat))
    north = (int(positions.lat_e7[here]) - int(positions.lat_e7[before])) * 1e-7 * per_lat
    east = (int(positions.lon_e7[here]) - int(positions.lon_e7[before])) * 1e-7 * per_lon
    led = ((one[0] + other[0]) / 2 * seconds, (one[1] + other[1]) / 2 * seconds)
    off = (north - led[0], east - led[1])
    turned = LIMITS.canyon_m + math.dist(one, other) / 2 * seconds
    along_most = turned + LIMITS.canyon_mps2 * seconds**2 / 4
    across_most = turned + LIMITS.canyon_mps2 * max(seconds - LIMITS.canyon_blind_s, 0) ** 2 / 4
    length = math.hypot(*led)
    if length > LIMITS.canyon_m:
        along = (off[0] * led[0] + off[1] * led[1]) / length
        across = (off[0] * led[1] - off[1] * led[0]) / length
    else:
        along, across = math.hypot(*off), 0.0
    return off if (along / along_most) ** 2 + (across / across_most) ** 2 > 1 else None


def drifting_rows(positions: Positions, good: list[int]) -> set[int]:
    """Rows far from the middle of a stand without ignition, stand by stand and day by day."""
    found: set[int] = set()

    def stand(row: int) -> tuple[int, int, int]:
        dark = int(positions.status[row]) & int(Status.IGNITION_KNOWN | Status.IGNITION_ON) == int(
            Status.IGNITION_KNOWN
        )
        day = int(local_day(positions.fix_time[row : row + 1])[0])
        return int(positions.vehicle_ix[row]), day, -1 if dark else row

    for (_, _, number), group in groupby(good, key=stand):
        rows = list(group)
        if number >= 0 or len(rows) < LIMITS.drift_count:
            continue
        lat = sum(int(positions.lat_e7[row]) for row in rows) // len(rows)
        lon = sum(int(positions.lon_e7[row]) for row in rows) // len(rows)
        away = {
            row: float(flat_m(np.int32(lat), np.int32(lon), positions.lat_e7[row], positions.lon_e7[row]))  # type: ignore[arg-type]
            for row in rows
        }
        beyond = {row for row in rows if away[row] > LIMITS.drift_m}
        if 2 * len(beyond) < len(rows) and max(away.values()) <= LIMITS.unseen_step_m:
            found |= beyond
    return found
