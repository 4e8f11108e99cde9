"""`clean.mark_doubt`: one fault after the other, by exact looks at the few steps that are suspect of it."""

from typing import Any

import numpy as np

from analytics.compiled.excursions import mark_excursions
from analytics.compiled.lengths import flat_m
from analytics.compiled.limits import limits_of
from analytics.compiled.marks import CLOCK, DUPLICATE, FIX, FROZEN, JUDGED, RANGE, TELEPORT
from analytics.compiled.suspects import (
    JUMP,
    STUCK,
    TIED,
    mark,
    rows_with,
    settle,
    settle_marked,
    sound_after,
    sound_before,
    suspect_steps,
)
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import UInt32Array
from geo.courses import COURSE_EAST, COURSE_NORTH
from geo.distance import EAST_TABLE, NORTH_TABLE
from geo.jit import compiled
from geo.localtime import SECOND_US
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US, Positions

_BLOCK = 4096  # rows that stay in the nearest caches, with what is reckoned of them
_TABLES = NORTH_TABLE, EAST_TABLE, COURSE_NORTH, COURSE_EAST


def mark_doubt(positions: Positions, thresholds: Thresholds = DEFAULT) -> UInt32Array:
    """`clean.mark_doubt`."""
    n = len(positions)
    status = np.empty(n, dtype=np.uint32)
    work: Any = np.zeros(-(-n // 8) * 8, dtype=np.uint8), np.empty(n + 8, dtype=np.int64)
    columns = positions.vehicle_ix, positions.fix_time, positions.lat_e7, positions.lon_e7, positions.speed_mps
    limits = limits_of(thresholds)
    _mark(columns, positions.course_deg, positions.received_at, positions.status, status, work, limits, _TABLES)
    mark_excursions(columns, positions.course_deg, status, work, limits, _TABLES)
    return status


@compiled
def _mark(columns, course, received, sent, status, work, limits, tables):
    vehicle, time, lat, lon, speed = columns
    suspect, rows = work
    for begin in range(0, len(time), _BLOCK):
        block = slice(max(begin - 1, 0), min(begin + _BLOCK, len(time)))
        _mark_each(time[block], lat[block], lon[block], received[block], sent[block], status[block])
        suspect_steps(time[block], lat[block], lon[block], speed[block], course[block], limits, suspect[block])
    _mark_ties(vehicle, time, status, rows_with(TIED, suspect, rows))
    settle(status, suspect)
    _mark_frozen(columns, status, suspect, rows_with(STUCK, suspect, rows), limits)
    settle_marked(suspect)
    steps = rows_with(JUMP, suspect, rows)
    if _mark_jumps(columns, status, suspect, steps, limits, tables):
        settle_marked(suspect)
        _mark_uncovered(columns, status, suspect, steps, limits, tables)
        settle_marked(suspect)
    _mark_doubles(columns, status, suspect, rows_with(JUMP, suspect, rows), limits, tables)
    settle_marked(suspect)


@compiled
def _mark_each(time, lat, lon, received, sent, status):
    for i in range(len(time)):  # without a branch, so that it is done for many positions at once
        nowhere = (lat[i] == 0) & (lon[i] == 0)
        beyond = (lat[i] > 900_000_000) | (lat[i] < -900_000_000) | (lon[i] > 1_800_000_000) | (lon[i] < -1_800_000_000)
        wrong = (time[i] > received[i] + FUTURE_TOLERANCE_US) | (time[i] < EARLIEST_FIX_US)
        status[i] = sent[i] | np.uint32(nowhere | beyond) * RANGE | np.uint32(wrong) * CLOCK


@compiled
def _mark_ties(vehicle, time, status, rows):
    for row in rows:
        before = row - 1
        tied = vehicle[before] == vehicle[row]
        if status[row] & JUDGED == FIX:  # tied is only what another usable one stands before
            while before >= 0 and time[before] == time[row] and status[before] & JUDGED != FIX:
                before -= 1
            tied = before >= 0 and vehicle[before] == vehicle[row] and time[before] == time[row]
        if tied:
            status[row] |= DUPLICATE


@compiled
def _mark_frozen(columns, status, suspect, rows, limits):
    """Places repeated to the last digit at speed, but the first of each run."""
    vehicle, _, lat, lon, speed = columns
    first, last, count = -1, -1, 0
    for b in rows:
        a = sound_before(vehicle, suspect, b)
        if a < 0 or not (speed[a] >= limits.frozen_speed_mps and speed[b] >= limits.frozen_speed_mps):
            continue
        if lat[a] == lat[b] and lon[a] == lon[b]:
            if a != last:
                _mark_run(columns, status, suspect, first, last, count, limits)
                first, count = a, 1
            last, count = b, count + 1
    _mark_run(columns, status, suspect, first, last, count, limits)


@compiled
def _mark_run(columns, status, suspect, first, last, count, limits):
    """One such run, if it is long enough, and what stays at its place after it."""
    vehicle, time, lat, lon, _ = columns
    if count < max(limits.frozen_count, 2):
        return
    row = sound_after(vehicle, suspect, first)
    while row >= 0 and (row <= last or (lat[row] == lat[last] and lon[row] == lon[last])):
        if row > last and time[row] - time[last] > limits.frozen_us:
            break
        mark(row, FROZEN, status, suspect)
        row = sound_after(vehicle, suspect, row)


@compiled
def _mark_jumps(columns, status, suspect, steps, limits, tables):
    """Teleports among the usable positions; whether there was any."""
    found = False
    for after in steps:
        here = sound_before(columns[0], suspect, after)
        if here >= 0 and suspect[here] & JUMP:
            before = sound_before(columns[0], suspect, here)
            if before >= 0 and _jumped(columns, before, here, here, after, limits, tables):
                mark(here, TELEPORT, status, suspect)
                found = True
    return found


@compiled
def _mark_uncovered(columns, status, suspect, steps, limits, tables):
    """A reflection may hold for two reports: find the one that a neighbour hid, now that the neighbour is marked."""
    vehicle = columns[0]
    for marked in steps:
        if status[marked] & TELEPORT:
            for here in (sound_before(vehicle, suspect, marked), sound_after(vehicle, suspect, marked)):
                if here >= 0:
                    before, after = sound_before(vehicle, suspect, here), sound_after(vehicle, suspect, here)
                    if before >= 0 and after >= 0 and _jumped(columns, before, here, here, after, limits, tables):
                        mark(here, TELEPORT, status, suspect)


@compiled
def _mark_doubles(columns, status, suspect, steps, limits, tables):
    """Excursions of two reports in a row."""
    vehicle = columns[0]
    for after in steps:
        last = sound_before(vehicle, suspect, after)
        here = sound_before(vehicle, suspect, last) if last >= 0 else -1
        if here >= 0 and suspect[here] & JUMP:
            before = sound_before(vehicle, suspect, here)
            if before >= 0 and _jumped(columns, before, here, last, after, limits, tables):
                mark(here, TELEPORT, status, suspect)
                mark(last, TELEPORT, status, suspect)


@compiled
def _jumped(columns, before, here, last, after, limits, tables):
    """Whether the rows here … last are impossible both in and out, or a standing car's excursion that came back."""
    _, time, lat, lon, speed = columns
    north_table, east_table = tables[0], tables[1]
    way_in = flat_m(lat[before], lon[before], lat[here], lon[here], north_table, east_table)
    way_out = flat_m(lat[last], lon[last], lat[after], lon[after], north_table, east_table)
    seconds_in, seconds_out = (time[here] - time[before]) / SECOND_US, (time[after] - time[last]) / SECOND_US
    fast = way_in > limits.teleport_mps * seconds_in and way_out > limits.teleport_mps * seconds_out
    if not fast and not (way_in > limits.jump_m and way_out > limits.jump_m):
        return False
    direct = flat_m(lat[before], lon[before], lat[after], lon[after], north_table, east_table)
    span = (time[after] - time[before]) / SECOND_US
    if fast and direct <= limits.teleport_mps * span:
        return True
    stands = not (speed[here] >= limits.moving_speed_mps or speed[last] >= limits.moving_speed_mps)
    return stands and min(way_in, way_out) - direct > limits.jump_m and span <= limits.jump_span_s
