"""Measured columns of some whole vehicles: what each trip, stop and vehicle-day was, in numbers and nothing else."""

from dataclasses import dataclass, fields

import numpy as np

from analytics import kernels
from analytics.area import outside_area
from analytics.clean import doubtful, usable
from analytics.context import FleetContext
from analytics.duty import duty_clock
from analytics.rollup import vehicle_day_columns
from analytics.segment import GAP, TRIP, Segments, Steps, segment
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import Columns, FloatArray, Int32Array, Int64Array
from geo.localtime import day_start_us, local_day
from geo.positions import NO_ODOMETER, Positions


@dataclass(frozen=True, slots=True)
class Measured:
    """Columns of equal length within each table, in order of vehicle and time; times in µs UTC, places in degrees × 10⁷."""

    trips: Columns
    stops: Columns
    vehicle_days: Columns


def measure(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Measured:
    """Trips that touch local days [from_day, to_day], stops and vehicle-days of positions in canonical order.

    Raises UnknownDayError as `audit` does.
    """
    status = kernels.mark_doubt(positions, thresholds)
    good = np.flatnonzero(usable(status))
    track = positions if len(good) == len(positions) else positions.take(good)
    everything, steps = segment(track, kernels.silence_s(positions, good), thresholds)
    segments = _touching(everything, from_day, to_day)
    parts = split_steps(track, segments, steps, context, thresholds)
    trips = trip_columns(track, segments, steps, parts, thresholds)
    sums = _step_sums(steps, segments, trips)
    sums |= {"off_hours_m": parts.off_hours_m, "out_of_area_m": parts.out_of_area_m}
    began = local_day(trips["start_time"])
    days = vehicle_day_columns(positions, doubtful(status), track, steps, sums, trips["vehicle_ix"], began)
    return Measured(trips, stop_columns(track, segments), days)


@dataclass(frozen=True, slots=True)
class StepParts:
    """What of each step counts as off-hours or outside the area; float64 (n,) each, 0 outside trips."""

    off_hours_m: FloatArray
    out_of_area_m: FloatArray
    out_of_area_s: FloatArray


def split_steps(
    track: Positions,
    segments: Segments,
    steps: Steps,
    context: FleetContext,
    thresholds: Thresholds = DEFAULT,
) -> StepParts:
    """What of each step of a trip lies outside duty hours, and outside the area; a step over the limit in proportion."""
    outside = outside_area(track, context.area_ix, context.areas, thresholds)
    ends, _ = trip_steps(segments)
    calendar = context.calendar_ix[track.vehicle_ix[ends]]
    start, end = steps.start[ends], steps.end[ends]
    duty = duty_clock(context.calendars, calendar, end) - duty_clock(context.calendars, calendar, start)
    off, out = np.zeros(len(track)), np.zeros(len(track))
    off[ends] = 1 - duty / np.maximum(end - start, 1)
    out[ends] = (outside[ends].astype(np.float64) + outside[ends - 1]) / 2
    metres = np.where(steps.moving, steps.metres, 0.0)
    return StepParts(metres * off, metres * out, steps.seconds * out)


def trip_columns(
    track: Positions, segments: Segments, steps: Steps, parts: StepParts, thresholds: Thresholds = DEFAULT
) -> Columns:
    """What is measured of each trip.

    Parameters
    ----------
    track : usable positions in canonical order, of which `segments`, `steps` and `parts` were made.
    """
    rows = np.flatnonzero(segments.kind == TRIP)
    first, last = segments.first[rows], segments.last[rows]
    counted = np.where(steps.moving, steps.metres, 0.0)  # drift while standing counts nothing
    distance = _sum(counted, first, last)
    return {
        "vehicle_ix": segments.vehicle_ix[rows],
        "start_time": segments.start_time[rows],
        "end_time": segments.end_time[rows],
        "start_lat_e7": track.lat_e7[first],
        "start_lon_e7": track.lon_e7[first],
        "end_lat_e7": track.lat_e7[last],
        "end_lon_e7": track.lon_e7[last],
        "distance_m": distance,
        "distance_low_m": np.maximum(0.0, distance * (1 - thresholds.distance_low_share) - thresholds.distance_end_m),
        "distance_high_m": distance * (1 + thresholds.distance_high_share) + thresholds.distance_end_m,
        "odometer_m": _odometer(track, first, last),
        "moving_s": _sum(np.where(steps.moving, steps.seconds, 0.0), first, last),
        "max_speed_mps": _fastest(track, first, last),
        "off_hours_m": _sum(parts.off_hours_m, first, last),
        "out_of_area_s": _sum(parts.out_of_area_s, first, last),
        "out_of_area_m": _sum(parts.out_of_area_m, first, last),
    }


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
    lat, lon = _middle(track, segments.first[rows][piece], segments.last[rows][piece], begin, until)
    return {
        "vehicle_ix": segments.vehicle_ix[rows][piece],
        "day": day.astype(np.int32),
        "start_time": begin,
        "end_time": until,
        "lat_e7": lat,
        "lon_e7": lon,
        "gap": segments.kind[rows][piece] == GAP,
    }


def trip_steps(segments: Segments) -> tuple[Int64Array, Int64Array]:
    """Every step that belongs to a trip, by the position that ends it, and the number of its trip; ascending."""
    rows = np.flatnonzero(segments.kind == TRIP)
    first, count = segments.first[rows], segments.last[rows] - segments.first[rows]
    trip = np.repeat(np.arange(len(rows)), count)
    return first[trip] + 1 + np.arange(len(trip)) - np.repeat(np.cumsum(count) - count, count), trip


def _touching(segments: Segments, from_day: int, to_day: int) -> Segments:
    """The segments that touch these days: of the days around them no calendar need know anything."""
    keep = (local_day(segments.start_time) <= to_day) & (local_day(segments.end_time) >= from_day)
    return Segments(*(getattr(segments, column.name)[keep] for column in fields(segments)))


def _step_sums(steps: Steps, segments: Segments, trips: Columns) -> dict[str, FloatArray]:
    """What each step adds to its day: metres with their interval, and time in motion; nothing outside trips."""
    trip_of = np.full(len(steps.metres), -1)
    within, trip = trip_steps(segments)
    trip_of[within] = trip
    counts = (trip_of >= 0) & steps.moving
    metres = np.where(counts, steps.metres, 0.0)
    total = np.append(np.maximum(trips["distance_m"], 1e-9), 1.0)
    low = np.append(trips["distance_low_m"], 0.0)
    high = np.append(trips["distance_high_m"], 0.0)
    return {
        "distance_m": metres,
        "distance_low_m": metres * (low / total)[trip_of],
        "distance_high_m": metres * (high / total)[trip_of],
        "moving_s": np.where(counts, steps.seconds, 0.0),
    }


def _sum(values: FloatArray, first: Int64Array, last: Int64Array) -> FloatArray:
    """Sum over the steps of each trip: those that end at first + 1 … last."""
    return _reduce(np.add, values, first, last)


def _reduce(operation: np.ufunc, values: FloatArray, first: Int64Array, last: Int64Array) -> FloatArray:
    if not len(first):
        return np.empty(0)
    bounds = np.column_stack((first + 1, last + 1)).ravel()
    result: FloatArray = operation.reduceat(np.append(values, 0.0), bounds)[::2]
    return result


def _fastest(track: Positions, first: Int64Array, last: Int64Array) -> FloatArray:
    """Highest reported speed; NaN where none was reported."""
    speed = np.nan_to_num(track.speed_mps.astype(np.float64), nan=-1.0)
    fastest = _reduce(np.maximum, speed, first, last)
    return np.where(fastest < 0, np.nan, fastest)


def _odometer(track: Positions, first: Int64Array, last: Int64Array) -> FloatArray:
    """Growth of the terminal's odometer over each trip; NaN where an end has none or it ran backwards."""
    start, end = track.odometer_m[first], track.odometer_m[last]
    good = (start != NO_ODOMETER) & (end != NO_ODOMETER) & (end >= start)
    return np.where(good, end - start, np.nan).astype(np.float64)


def _middle(
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
