"""Plain slow twins of `analytics.ways` and `analytics.mileage`: one step, one trip at a time, in Python's own numbers."""

import math
from dataclasses import dataclass

from analytics.thresholds import DEFAULT
from geo.positions import Positions

LIMITS = DEFAULT


@dataclass
class Way:
    """What the steps of a trip add up to."""

    way_m: float = 0.0
    spread_m2: float = 0.0
    wobble_m2: float = 0.0
    wobbles: float = 0.0
    per_chord: float = 0.0


@dataclass(frozen=True)
class Step:
    """One step: its chord as a vector, and what was reported at both ends."""

    north: float
    east: float
    chord: float
    seconds: float
    course_before: float | None
    course_after: float | None
    mean_speed: float

    @property
    def known(self) -> bool:
        return (
            self.course_before is not None
            and self.course_after is not None
            and self.chord >= LIMITS.turn_chord_m
            and self.seconds <= LIMITS.speed_gap_s
        )


def sum_of_trip(
    track: Positions, chords: list[tuple[float, float]], metres: list[float], moving: list[bool], first: int, last: int
) -> Way:
    """Sums over the steps that end at positions first + 1 … last. `chords`: north and east of each step."""
    total = Way()
    before: Step | None = None
    before_seconds = 0.0
    for row in range(first + 1, last + 1):
        step = Step(
            *chords[row],
            metres[row],
            float(track.fix_time[row] - track.fix_time[row - 1]) / 1e6,
            _course(track, row - 1),
            _course(track, row),
            (float(track.speed_mps[row - 1]) + float(track.speed_mps[row])) / 2,
        )
        far = step.seconds > LIMITS.speed_gap_s
        way, deviation = _way(track, step, row, moving=moving[row], far=far)
        total.way_m += way
        total.spread_m2 += deviation**2
        if moving[row] and not far:
            total.per_chord += 1 / max(step.chord, LIMITS.turn_chord_m)
        if before is not None and step.known and before.known:
            off = _aside(before, step)
            lasting = step.seconds + before_seconds
            if off is not None and lasting <= LIMITS.wobble_s:
                total.wobble_m2 += off**2
                total.wobbles += 1
        before, before_seconds = step, step.seconds
    return total


def _course(track: Positions, row: int) -> float | None:
    course, speed = float(track.course_deg[row]), float(track.speed_mps[row])
    if math.isnan(course) or not speed >= LIMITS.course_mps:
        return None
    return round(course * 8) % 2880 / 8


def _way(track: Positions, step: Step, row: int, *, moving: bool, far: bool) -> tuple[float, float]:
    """Metres of the step and their standard deviation."""
    hidden = not moving and step.chord >= LIMITS.hidden_step_m
    counted = step.chord if moving or hidden else 0.0
    if far:
        grown = _grown(track, row, step.seconds)
        if grown is not None:
            return max(grown, step.chord), max(grown, step.chord) * LIMITS.odometer_spread
        return counted, step.chord * LIMITS.bridge_spread if counted else 0.0
    if not moving:
        return counted, step.chord * LIMITS.bridge_spread if hidden else 0.0
    return _turned(step) if step.known else (step.chord, 0.0)


def _turned(step: Step) -> tuple[float, float]:
    """The same of a step with courses at both ends."""
    assert step.course_before is not None
    assert step.course_after is not None
    turn = (step.course_after - step.course_before + 180) % 360 - 180
    heading = math.degrees(math.atan2(step.east, step.north))
    one = (heading - step.course_before + 180) % 360 - 180  # how far the chord points off each course
    other = (step.course_after - heading + 180) % 360 - 180
    if abs(turn) > 20:
        if abs(turn) < 130 and one * turn >= 0 and other * turn >= 0 and abs(one) <= abs(turn):
            # The sine rule in the triangle of the chord and the two legs along the courses.
            legs = step.chord * (math.sin(math.radians(abs(one))) + math.sin(math.radians(abs(other))))
            legs = min(legs / math.sin(math.radians(abs(turn))), 1.5 * step.chord)
            return legs, (legs - step.chord) * LIMITS.corner_spread
    elif not (_sine(one) > _sine(20) and _sine(other) > _sine(20)):
        return step.chord, 0.0
    speed_m = step.mean_speed * step.seconds
    return min(max(speed_m, step.chord), 1.5 * step.chord), step.chord * LIMITS.winding_spread


def _sine(degrees: float) -> float:
    return abs(math.sin(math.radians(degrees)))


def _grown(track: Positions, row: int, seconds: float) -> float | None:
    start, end = int(track.odometer_m[row - 1]), int(track.odometer_m[row])
    return float(end - start) if start != -1 and 0 <= end - start <= 1000 + 60 * seconds else None


def _aside(before: Step, step: Step) -> float | None:
    """Twice the distance of the place between two steps from the line past it, if the track is straight there."""
    assert before.course_before is not None
    assert step.course_after is not None
    turned = abs((step.course_after - before.course_before + 180) % 360 - 180)
    north, east = before.north + step.north, before.east + step.east
    length = math.hypot(north, east)
    if turned > 3 or length == 0 or min(before.chord, step.chord) < LIMITS.wobble_chord_m:
        return None
    off = 2 * abs(before.east * step.north - before.north * step.east) / max(length, 1.0)
    return off if off <= LIMITS.wobble_most_m else None


def estimate(way: Way, steps: int) -> tuple[float, float, float]:
    """Low, estimate and high of one trip."""
    measured = way.wobbles >= LIMITS.wobbles_least
    noise = way.wobble_m2 / (2.5 * way.wobbles) if measured else LIMITS.noise_unknown_m**2
    shorter = min(noise / 2 * way.per_chord, way.way_m * LIMITS.noise_most_share) if measured else 0.0
    distance = way.way_m - shorter
    parts = [
        way.spread_m2,
        noise * (LIMITS.ends_noise + LIMITS.steps_noise * steps),
        LIMITS.ends_m**2,
        (shorter * LIMITS.noise_spread) ** 2,
        (distance * LIMITS.distance_spread) ** 2,
    ]
    margin = 1.96 * math.sqrt(sum(parts))
    return max(distance - margin, 0.0), distance, distance + margin
