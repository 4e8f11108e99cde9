"""Rows worth an exact look, a byte of bits each, by loops without a branch that are done for many rows at once.

A step's bit may be set where an exact look finds nothing, never the other way round: so bounds in 32-bit numbers will do,
and neighbouring rows may stand for usable ones, as long as the step after a row that is not usable has every bit.
"""

import numpy as np

from analytics.compiled.lengths import LONGEST_E7_M
from analytics.compiled.marks import FIX, JUDGED, KNOWN, ON
from geo.jit import compiled
from geo.localtime import SECOND_US

TIED, STUCK, JUMP, ASIDE = (np.uint8(1 << bit) for bit in range(4))
"""Of the step that ends at a row: it takes no time, repeats its place at speed, is long or fast, leaves its course."""
SOUND, AWAKE, ASLEEP, MARKED = (np.uint8(1 << bit) for bit in (4, 5, 6, 7))
"""Of a row: it is usable so far, and that without the ignition known to be off, or with it; it is in doubt since."""

_ANY = np.uint8(STUCK | JUMP | ASIDE)
_NONE = np.uint8(0)
_ALL_BYTES = np.uint64(0x0101010101010101)

_LONGEST_E7_M = np.float32(LONGEST_E7_M)
# Within half a percent of 10⁻⁷ of a degree, east on the equator.
_NORTH_E7_M, _EAST_E7_M = np.float32(0.011113), np.float32(0.011151)
_SLACK = np.float32(0.01)  # radii, sines and courses in eighths of a degree, all taken together
_WILD_M, _WILD = np.float32(1e5), np.float32(1000.0)  # metres; speeds and degrees: beyond, nothing is claimed
_SECOND = np.float32(1 / SECOND_US)
_LONG_US = (1 << 31) - 1
_LONG_S = np.float32(_LONG_US // SECOND_US)  # of what lasts longer, half an hour and more, the course claims nothing
_HALF, _QUARTER, _ONE, _FOUR = np.float32(0.5), np.float32(0.25), np.float32(1.0), np.float32(4.0)
_ZERO, _ENDLESS = np.float32(0.0), np.float32(np.inf)
_HALF_TURNS, _LAT_HALF_TURNS = np.float32(1 / 180), np.float32(0.5e-7 / 180)
_BEND, _REST = np.float32(0.225), np.float32(0.775)


@compiled
def suspect_steps(time, lat, lon, speed, course, limits, suspect):
    """Bits of the steps, of which the usable rows are not known yet; of few enough rows at a time."""
    north, east = np.empty(len(time), dtype=np.float32), np.empty(len(time), dtype=np.float32)
    d_lat, d_lon, seconds = np.empty_like(north), np.empty_like(north), np.empty_like(north)
    _velocities(speed, course, limits, north, east)
    _differences(time, lat, lon, seconds, d_lat, d_lon)
    _steps(seconds, d_lat, d_lon, lat, speed, north, east, limits, suspect)


@compiled
def settle(status, suspect):
    """Bits of the rows by their status; a step that now begins elsewhere is looked at again."""
    first = suspect[:1] & _ANY
    for i in range(1, len(status)):  # without a branch, so that it is done for many rows at once
        steps = (suspect[i] & _ANY) | (_NONE if status[i - 1] & JUDGED == FIX else _ANY)
        rests = ASLEEP if status[i] & (KNOWN | ON) == KNOWN else AWAKE
        suspect[i] = steps | SOUND | rests if status[i] & JUDGED == FIX else _NONE
    if len(status):
        rests = ASLEEP if status[0] & (KNOWN | ON) == KNOWN else AWAKE
        suspect[0] = first[0] | SOUND | rests if status[0] & JUDGED == FIX else _NONE


@compiled
def mark(row, doubt, status, suspect):
    """Put a row in doubt, which counts as usable still until `settle_marked`."""
    status[row] |= doubt
    suspect[row] |= MARKED


@compiled
def settle_marked(suspect):
    """`settle` of the rows marked since, and of the steps that begin there."""
    row = next_with(MARKED, suspect, 0)
    while row < len(suspect):
        suspect[row] = _NONE
        if row + 1 < len(suspect) and suspect[row + 1] & SOUND:
            suspect[row + 1] |= _ANY
        row = next_with(MARKED, suspect, row + 1)


@compiled
def rows_with(bit, suspect, rows):
    """The rows that have a bit, ascending, in front of `rows`."""
    count = 0
    words = suspect.view(np.uint64)
    for word in range(len(words)):
        if words[word] & (bit * _ALL_BYTES):
            for i in range(8 * word, 8 * word + 8):
                rows[count] = i
                count += suspect[i] & bit != 0
    return rows[:count]


@compiled
def next_with(bit, suspect, row):
    """The first row from this one on that has a bit; as many as there are bytes without one."""
    while row & 7 and row < len(suspect) and not suspect[row] & bit:
        row += 1
    if row & 7 == 0:
        words = suspect.view(np.uint64)
        while row < len(suspect) and not words[row >> 3] & (bit * _ALL_BYTES):
            row += 8
        while row < len(suspect) and not suspect[row] & bit:
            row += 1
    return row


@compiled
def sound_before(vehicle, suspect, row):
    """The vehicle's usable row before a row; −1 without one, and before −1."""
    i = row - 1
    while i >= 0 and vehicle[i] == vehicle[row]:
        if suspect[i] & SOUND:
            return i
        i -= 1
    return -1


@compiled
def sound_after(vehicle, suspect, row):
    """The vehicle's usable row after a row; −1 without one."""
    i = row + 1
    while i < len(vehicle) and vehicle[i] == vehicle[row]:
        if suspect[i] & SOUND:
            return i
        i += 1
    return -1


@compiled
def _velocities(speed, course, limits, north, east):
    """Velocities within a third of a percent; NaN where one is not known, endless where nothing is claimed."""
    for i in range(len(speed)):
        slow = speed[i] < limits.course_mps
        wild = (speed[i] > _WILD) | (abs(course[i]) > _WILD)
        turn = course[i] * _HALF_TURNS
        turn -= np.rint(turn * _HALF) * np.float32(2.0)
        fast_n, fast_e = speed[i] * _sine(_HALF - abs(turn)), speed[i] * _sine(turn)
        north[i] = _ZERO if slow else (_ENDLESS if wild else fast_n)
        east[i] = _ZERO if slow else (_ENDLESS if wild else fast_e)


@compiled
def _sine(half_turns):
    """Sine of −1 … 1 half turns by two parabolas, 0.0011 off."""
    bow = _FOUR * half_turns * (_ONE - abs(half_turns))
    return bow * (_REST + _BEND * abs(bow))


@compiled
def _differences(time, lat, lon, seconds, d_lat, d_lon):
    """Of each step, as numbers of 32 bits; more than `_LONG_US` counts as that."""
    for i in range(1, len(time)):
        seconds[i] = np.float32(np.int32(min(time[i] - time[i - 1], _LONG_US))) * _SECOND
        # Across the date line the difference is a great length still, whether or not it fits into 32 bits.
        d_lat[i] = np.float32(np.int32(lat[i] - lat[i - 1]))
        d_lon[i] = np.float32(np.int32(lon[i] - lon[i - 1]))


@compiled
def _steps(seconds, d_lat, d_lon, lat, speed, north, east, limits, suspect):
    jump_m, teleport_mps = np.float32(limits.jump_m), np.float32(limits.teleport_mps)
    canyon_m, canyon_mps2 = np.float32(limits.canyon_m), np.float32(limits.canyon_mps2)
    blind_s, gap_s = np.float32(limits.canyon_blind_s), np.float32(limits.speed_gap_s + 0.001)
    for i in range(1, len(lat)):
        at_most = (abs(d_lat[i]) + abs(d_lon[i])) * _LONGEST_E7_M
        tied = seconds[i] == _ZERO
        same = (d_lat[i] == _ZERO) & (d_lon[i] == _ZERO)
        stuck = same & (speed[i] >= limits.frozen_speed_mps) & (speed[i - 1] >= limits.frozen_speed_mps)
        drives = (speed[i] >= limits.moving_speed_mps) & (speed[i - 1] >= limits.moving_speed_mps)
        jump = ((at_most > jump_m) & ~drives) | (at_most > teleport_mps * seconds[i])
        # What is off the course is at least what brings `excursions.contradictions` about with the narrower bound.
        half = seconds[i] * _HALF
        narrowing = _sine(_HALF - abs(np.float32(lat[i]) + np.float32(lat[i - 1])) * _LAT_HALF_TURNS)
        off_n = d_lat[i] * _NORTH_E7_M - (north[i] + north[i - 1]) * half
        off_e = d_lon[i] * _EAST_E7_M * narrowing - (east[i] + east[i - 1]) * half
        change = max(abs(north[i] - north[i - 1]), abs(east[i] - east[i - 1])) * half
        led = (abs(north[i]) + abs(north[i - 1]) + abs(east[i]) + abs(east[i - 1])) * half
        beyond = max(seconds[i] - blind_s, _ZERO)
        bound = canyon_m + change + canyon_mps2 * beyond * beyond * _QUARTER - (at_most + led) * _SLACK
        within = (off_n * off_n + off_e * off_e <= bound * abs(bound)) & (at_most <= _WILD_M) & (seconds[i] < _LONG_S)
        known = (north[i] == north[i]) & (north[i - 1] == north[i - 1])
        aside = known & (seconds[i] <= gap_s) & ~within
        suspect[i] = (
            (TIED if tied else _NONE)
            | (STUCK if stuck else _NONE)
            | (JUMP if jump else _NONE)
            | (ASIDE if aside else _NONE)
        )
