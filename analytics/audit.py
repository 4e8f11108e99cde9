"""The audit: positions of whole vehicles in, trips, stops and vehicle-days out."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from analytics.clean import doubtful, mark_doubt, usable
from analytics.context import FleetContext
from analytics.features import split_steps, stops_table, trip_steps, trips_table
from analytics.rollup import vehicle_days_table
from analytics.segment import Segments, Steps, segment
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import FloatArray, Int64Array
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, canonical, clock_fault

CHUNK_POSITIONS = 262_144
"""Whole vehicles are worked on together up to about so many positions, which stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Result of an audit; columns as in the database's tables, with vehicle_ix and times in µs UTC."""

    trips: pd.DataFrame
    stops: pd.DataFrame
    vehicle_days: pd.DataFrame


def audit(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Tables:
    """Trips, stops and vehicle-days of local days [from_day, to_day].

    Parameters
    ----------
    positions : any order, repetitions allowed; of local days from_day − 1 … to_day + 1 where they exist, so that what
        happens at either end is decided by the same evidence whatever days are asked for.
    context : one entry for each vehicle_ix.

    Returns
    -------
    Tables   Trips that began on these days, stops cut at midnight, a row for each vehicle and day with positions; in
    order of vehicle and time. The same for any order, repetition or division of the positions.

    Raises
    ------
    UnknownDayError   A trip that touches the days asked for touches one that its duty calendar does not know.
    """
    ordered = canonical(positions)
    parts = [_audit_chunk(chunk, context, from_day, to_day, thresholds) for chunk in _chunks(ordered)]
    return Tables(
        *(_within([part[table] for part in parts], from_day, to_day) for table in range(3)),
    )


def _audit_chunk(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    status = mark_doubt(positions, thresholds)
    good = np.flatnonzero(usable(status))
    track = positions.take(good)
    everything, steps = segment(track, _silence_s(positions, good), thresholds)
    segments = _touching(everything, from_day, to_day)
    parts = split_steps(track, segments, steps, context, thresholds)
    trips = trips_table(track, segments, steps, parts, context, thresholds)
    sums = _step_sums(steps, segments, trips)
    sums |= {"off_hours_m": parts.off_hours_m, "out_of_area_m": parts.out_of_area_m}
    days = vehicle_days_table(positions, doubtful(status), track, steps, sums, trips)
    return trips, stops_table(track, segments, context), days


def _touching(segments: Segments, from_day: int, to_day: int) -> Segments:
    """The segments that touch these days: of the days around them no calendar need know anything."""
    keep = (local_day(segments.start_time) <= to_day) & (local_day(segments.end_time) >= from_day)
    return Segments(*(getattr(segments, column.name)[keep] for column in fields(segments)))


def _step_sums(steps: Steps, segments: Segments, trips: pd.DataFrame) -> dict[str, FloatArray]:
    """What each step adds to its day: metres with their interval, and time in motion; nothing outside trips."""
    trip_of = np.full(len(steps.metres), -1)
    within, trip = trip_steps(segments)
    trip_of[within] = trip
    counts = (trip_of >= 0) & steps.moving
    metres = np.where(counts, steps.metres, 0.0)
    total = np.append(np.maximum(trips["distance_m"].to_numpy(dtype=np.float64), 1e-9), 1.0)
    low = np.append(trips["distance_low_m"].to_numpy(dtype=np.float64), 0.0)
    high = np.append(trips["distance_high_m"].to_numpy(dtype=np.float64), 0.0)
    return {
        "distance_m": metres,
        "distance_low_m": metres * (low / total)[trip_of],
        "distance_high_m": metres * (high / total)[trip_of],
        "moving_s": np.where(counts, steps.seconds, 0.0),
    }


def _silence_s(positions: Positions, good: Int64Array) -> FloatArray:
    """Longest time without any report between each usable position and the one before it, seconds; float64 (k,).

    Reports without a fix break a silence too: a car that reports from a garage is not silent. Those with a wrong clock
    do not.
    """
    if not len(good):
        return np.empty(0)
    timely = np.flatnonzero(~clock_fault(positions.fix_time, positions.received_at))
    pause = np.zeros(len(positions))
    pause[timely[1:]] = np.diff(positions.fix_time[timely]) / SECOND_US
    bounds = np.concatenate((good[:1], good[:-1] + 1))
    silence = np.maximum.reduceat(pause[: good[-1] + 1], bounds)
    silence[0] = 0.0
    new = np.flatnonzero(np.diff(positions.vehicle_ix[good]) != 0) + 1
    silence[new] = 0.0
    return silence


def _chunks(positions: Positions) -> list[Positions]:
    """The batch in slices of whole vehicles."""
    ends = np.append(np.flatnonzero(np.diff(positions.vehicle_ix)) + 1, len(positions))
    chunks, start = [], 0
    for end in ends.tolist():
        if end - start >= CHUNK_POSITIONS or end == len(positions):
            chunks.append(positions.take(slice(start, end)))
            start = end
    return chunks


def _within(tables: list[pd.DataFrame], from_day: int, to_day: int) -> pd.DataFrame:
    whole = pd.concat(tables, ignore_index=True)
    return whole[whole["day"].between(from_day, to_day)].reset_index(drop=True)
