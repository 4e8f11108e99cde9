"""Measured columns of some whole vehicles: what each trip, stop and vehicle-day was, in numbers and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from analytics import kernels
from analytics.bounds import AREA, Bounds
from analytics.clean import usable
from analytics.context import FleetContext
from analytics.dark import dark_columns
from analytics.exact import exact
from analytics.mileage import fused, gap_pieces
from analytics.odometer import odometer_growth
from analytics.regions import REGION_COLUMNS, out_of_regions
from analytics.rollup import vehicle_day_sums
from analytics.segment import Segments, segment
from analytics.stops import stop_columns
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.visits import rest_until, venue_columns, venue_legs
from analytics.ways import WAY_SUMS
from geo.arrays import BoolArray, Columns
from geo.localtime import local_day
from geo.positions import DTYPES, Positions


@dataclass(frozen=True, slots=True)
class Measured:
    """Columns of equal length within each table, in order of vehicle and time; times in µs UTC, places in degrees × 10⁷."""

    trips: Columns
    stops: Columns
    vehicle_days: Columns
    """Sums as `vehicle_day_sums` gives them."""
    dark: Columns


CHUNK_POSITIONS = 262_144
"""Whole vehicles are worked on together up to about so many positions, which stay in a core's cache."""


_NOT_ASKED = ("fuel_l", "altitude_m", "received_at")
"""Columns that the measures of a track do not rest on."""


def measure(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Measured:
    """Trips that touch local days [from_day, to_day], stops and vehicle-days of positions in canonical order.

    Raises UnknownDayError as `audit` does.
    """
    bounds = Bounds.of(context)
    parts = [_measure(chunk, context, bounds, from_day, to_day, thresholds) for chunk in slices(positions)]
    trips, stops, days, dark, legs = (_joined([part[table] for part in parts]) for table in range(5))
    # What costs by the call and hardly by the position is done once for all chunks.
    before = np.cumsum([0, *(len(part[0]["vehicle_ix"]) for part in parts[:-1])])
    legs["trip"] += np.repeat(before, [len(part[4]["trip"]) for part in parts])
    trips |= venue_columns(legs, len(trips["vehicle_ix"]), context.zones, thresholds)
    return Measured(trips, stops, days, dark)


def together(parts: Sequence[Measured], vehicles: Sequence[int]) -> Measured:
    """What was measured of several batches as of one: each batch's vehicles, so many, follow those of the one before."""
    first = np.cumsum([0, *vehicles[:-1]], dtype=np.int32)
    tables = []
    for name in (column.name for column in fields(Measured)):
        found = [getattr(part, name) for part in parts]
        moved = [columns | {"vehicle_ix": columns["vehicle_ix"] + ix} for columns, ix in zip(found, first, strict=True)]
        tables.append(_joined(moved))
    return Measured(*tables)


def _measure(
    positions: Positions, context: FleetContext, bounds: Bounds, from_day: int, to_day: int, thresholds: Thresholds
) -> tuple[Columns, Columns, Columns, Columns, Columns]:
    """The tables of one chunk, and the legs of its trips near venues."""
    status = kernels.mark_doubt(positions, thresholds)
    sound = usable(status)
    good = np.flatnonzero(sound)
    track = positions if len(good) == len(positions) else _placed(positions, sound)
    everything, steps = segment(track, kernels.silence_s(positions, good), thresholds)
    segments = _touching(everything, from_day, to_day)
    spans = Spans.of(segments)
    outside = kernels.outside_bounds(track, bounds, thresholds)
    sums, pieces = kernels.tally(track, steps, spans, (outside & AREA) != 0, context, thresholds)
    until = rest_until(everything, spans)
    sums |= kernels.stretches(track, steps, spans, until, thresholds)
    sums |= out_of_regions(steps, spans, outside, sums["out_of_area_m"], context)
    trips = trip_columns(track, spans, sums, thresholds)
    days = vehicle_day_sums(positions, status, track, trips, pieces, gap_pieces(track, everything))
    dark = dark_columns(positions, status, track, good)
    return trips, stop_columns(track, segments), days, dark, venue_legs(track, steps, spans, until, context.zones)


def _placed(positions: Positions, sound: BoolArray) -> Positions:
    """The usable positions, but for what is not asked of them any more: that is not copied, and 0."""
    nought = {name: np.broadcast_to(DTYPES[name].type(0), len(positions)) for name in _NOT_ASKED}
    return replace(positions, **nought).take(sound)


def slices(positions: Positions) -> list[Positions]:
    """The batch in slices of whole vehicles; one empty slice of an empty batch."""
    vehicles = np.arange(positions.vehicle_ix[-1] if len(positions) else 0, dtype=np.int32)
    ends = np.searchsorted(positions.vehicle_ix, vehicles, side="right")
    chunks, start = [], 0
    for end in ends.tolist():
        if end - start >= CHUNK_POSITIONS:
            chunks.append(positions.take(slice(start, end)))
            start = end
    return [*chunks, positions.take(slice(start, len(positions)))]


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def trip_columns(track: Positions, trips: Spans, sums: Columns, thresholds: Thresholds = DEFAULT) -> Columns:
    """What is measured of each trip; parts of its way are given as shares of the best estimate."""
    distances = fused(trips.last - trips.first, sums, thresholds)
    scale = np.divide(distances["distance_m"], sums["gps_m"], out=np.ones(len(trips)), where=sums["gps_m"] > 0)
    return {
        "vehicle_ix": trips.vehicle_ix,
        "start_time": trips.start_time,
        "end_time": trips.end_time,
        "start_lat_e7": track.lat_e7[trips.first],
        "start_lon_e7": track.lon_e7[trips.first],
        "end_lat_e7": track.lat_e7[trips.last],
        "end_lon_e7": track.lon_e7[trips.last],
        "odometer_m": odometer_growth(track, trips.first, trips.last),
        **{name: column for name, column in sums.items() if name not in WAY_SUMS},
        **distances,
        **{name: exact(sums[name] * scale) for name in ("off_hours_m", "out_of_area_m", *REGION_COLUMNS)},
        "speeding_s": np.where(np.isnan(sums["max_speed_mps"]), np.nan, sums["speeding_s"]),
    }


def _touching(segments: Segments, from_day: int, to_day: int) -> Segments:
    """The segments that touch these days: of the days around them no calendar need know anything."""
    keep = (local_day(segments.start_time) <= to_day) & (local_day(segments.end_time) >= from_day)
    return Segments(*(getattr(segments, column.name)[keep] for column in fields(segments)))
