"""Places that wander while the car does something else: multipath between tall houses, and the drift of a parked car.

In a street canyon the places jump aside by tens of metres, stay there for a minute and jump back, while the Doppler speed
and course tell of a car that drives on: both jumps contradict them, and each undoes the other. One reflection seen for a
single report is the same thing. A parked car's places wander about the one where it stands.
"""

import numpy as np

from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.courses import COURSE_EAST, COURSE_NORTH, course_parts
from geo.distance import chords_m, flat_m
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, Status


def aside(positions: Positions, good: Int64Array, thresholds: Thresholds = DEFAULT) -> BoolArray:
    """Positions between a jump away from where speed and course lead and the jump back; bool (n,).

    Parameters
    ----------
    positions : in canonical order; good : rows of those that are usable so far.

    Notes
    -----
    A jump is told from a manoeuvre that fell between two reports by what a car can do in that time: brake, speed up or
    turn as the difference of the two reported velocities says, and along the way what it can gain besides. Of several
    jumps the first is taken with the second, the third with the fourth; a chain of them begins anew after `canyon_s`.
    """
    marked = np.zeros(len(positions), dtype=np.bool_)
    if len(good) < 3:
        return marked
    jump, north, east = contradictions(positions, good, thresholds)
    at = np.flatnonzero(jump)
    one, other = at[:-1], at[1:]
    north, east = north[at], east[at]
    size = np.sqrt(north * north + east * east)
    left_n, left_e = north[1:] + north[:-1], east[1:] + east[:-1]
    undone = np.sqrt(left_n * left_n + left_e * left_e) <= thresholds.canyon_left_share * np.maximum(
        size[1:], size[:-1]
    )
    lasting = positions.fix_time[good[other + 1]] - positions.fix_time[good[one]]
    one_vehicle = positions.vehicle_ix[good[one]] == positions.vehicle_ix[good[other + 1]]
    pairs = undone & one_vehicle & (lasting <= int(thresholds.canyon_s * SECOND_US))
    number = np.arange(len(pairs))
    run = number - np.maximum.accumulate(np.where(pairs, -1, number)) - 1
    chosen = np.flatnonzero(pairs & (run % 2 == 0))
    cover = np.zeros(len(good) + 1, dtype=np.int64)
    np.add.at(cover, one[chosen] + 1, 1)
    np.add.at(cover, other[chosen] + 1, -1)
    marked[good[np.cumsum(cover[:-1]) > 0]] = True
    return marked


def contradictions(
    positions: Positions, good: Int64Array, thresholds: Thresholds
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Steps between good positions that speed and course contradict, and by how many metres north and east."""
    before, here = good[:-1], good[1:]
    speed, slow = positions.speed_mps.astype(np.float64), positions.speed_mps < thresholds.course_mps
    course = course_parts(positions.course_deg)
    known = slow | ((course >= 0) & ~np.isnan(speed))
    fast = np.where(slow | ~known, 0.0, speed)  # too slow to have a course: as if it stood
    v_north, v_east = fast * COURSE_NORTH[course], fast * COURSE_EAST[course]
    seconds = (positions.fix_time[here] - positions.fix_time[before]) / SECOND_US
    one_n, one_e, other_n, other_e = v_north[before], v_east[before], v_north[here], v_east[here]
    led_n, led_e = (one_n + other_n) * (seconds * 0.5), (one_e + other_e) * (seconds * 0.5)
    chord_n, chord_e = chords_m(positions.lat_e7, positions.lon_e7, before, here)
    off_n, off_e = chord_n - led_n, chord_e - led_e
    change_n, change_e = other_n - one_n, other_e - one_e
    turned = thresholds.canyon_m + np.sqrt(change_n * change_n + change_e * change_e) * (seconds * 0.5)
    along_most = turned + thresholds.canyon_mps2 * (seconds * seconds) * 0.25
    beyond = np.maximum(seconds - thresholds.canyon_blind_s, 0.0)
    across_most = turned + thresholds.canyon_mps2 * (beyond * beyond) * 0.25
    led = np.sqrt(led_n * led_n + led_e * led_e)
    long = led > thresholds.canyon_m
    scale = np.where(long, led, 1.0)
    along = np.where(long, (off_n * led_n + off_e * led_e) / scale, np.sqrt(off_n * off_n + off_e * off_e)) / along_most
    across = np.where(long, (off_n * led_e - off_e * led_n) / scale, 0.0) / across_most
    jump = along * along + across * across > 1.0
    jump &= known[before] & known[here] & (seconds <= thresholds.speed_gap_s)
    jump &= positions.vehicle_ix[before] == positions.vehicle_ix[here]
    return jump, off_n, off_e


def drifting(positions: Positions, good: Int64Array, thresholds: Thresholds = DEFAULT) -> BoolArray:
    """Positions of a car with the ignition off that lie further than `drift_m` from the middle of its stand; bool (n,).

    Parameters
    ----------
    positions : in canonical order; good : rows of those that are usable so far.

    Notes
    -----
    A stand is taken local day by local day, so that its middle does not depend on the days asked for. One that reaches
    past `unseen_step_m`, or of which not even half the places are near its middle, is no stand: the car was towed, or its
    ignition is wired wrong.
    """
    marked = np.zeros(len(positions), dtype=np.bool_)
    status = positions.status[good]
    dark = (status & np.uint32(Status.IGNITION_KNOWN | Status.IGNITION_ON)) == np.uint32(Status.IGNITION_KNOWN)
    vehicle, day = positions.vehicle_ix[good], local_day(positions.fix_time[good])
    new = np.ones(len(good), dtype=np.bool_)
    new[1:] = (np.diff(vehicle) != 0) | (np.diff(day) != 0) | ~dark[1:] | ~dark[:-1]
    begin = np.flatnonzero(new)
    count = np.diff(np.append(begin, len(good)))
    long = np.flatnonzero(count >= thresholds.drift_count)
    rows = good[np.repeat(count >= thresholds.drift_count, count)]
    count = count[long]
    stand = np.repeat(np.arange(len(long)), count)
    if not len(rows):
        return marked
    first = np.cumsum(count) - count
    middle = [
        (np.add.reduceat(column[rows].astype(np.int64), first) // count)[stand].astype(np.int32)
        for column in (positions.lat_e7, positions.lon_e7)
    ]
    away = flat_m(middle[0], middle[1], positions.lat_e7[rows], positions.lon_e7[rows])
    off = away > thresholds.drift_m
    believed = (np.maximum.reduceat(away, first) <= thresholds.unseen_step_m) & (
        2 * np.add.reduceat(off.astype(np.int64), first) < count
    )
    marked[rows[off & believed[stand]]] = True
    return marked
