"""Trips and stops as tables: what each was, where, how far, and what a rule may ask of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.area import outside_area
from analytics.context import FleetContext
from analytics.duty import duty_clock, off_hours_s
from analytics.orders import driver_cards, order_cover
from analytics.places import CONTROLLED_VENUES, places_at
from analytics.score import private_score
from analytics.segment import GAP, TRIP, Segments, Steps
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.localtime import SECOND_US, day_start_us, local_day, to_datetime
from geo.positions import NO_ODOMETER, Positions

FEATURES = {
    "distance_m": ("m", "length of the way driven"),
    "odometer_m": ("m", "growth of the terminal's odometer; missing where it sends none"),
    "duration_s": ("s", "from setting out to coming to rest"),
    "moving_s": ("s", "time in motion"),
    "max_speed_mps": ("m/s", "highest speed reported"),
    "off_hours_s": ("s", "time outside the duty calendar"),
    "off_hours_m": ("m", "way driven outside the duty calendar"),
    "off_hours_share": ("", "share of the time outside the duty calendar"),
    "out_of_area_s": ("s", "time outside the permitted area"),
    "out_of_area_m": ("m", "way driven outside the permitted area"),
    "out_of_area_share": ("", "share of the way outside the permitted area"),
    "dispatch_order": ("", "number of the dispatch order that covers the trip; missing without one"),
    "order_cover": ("", "share of the time that the best order covers"),
    "driver_card": ("", "driver's card that was in; missing without one"),
    "card_missing": ("", "1 no card was in, 0 one was; missing where the vehicle never reports cards"),
    "rest_day": ("", "1 when it began on a weekend or public holiday by the duty calendar"),
    "holiday": ("", "1 when it began on a public holiday by the duty calendar"),
    "origin_kind": ("", "kind of the zone it began in"),
    "destination_kind": ("", "kind of the zone it ended in"),
    "destination_controlled": ("", "1 when it ended at a controlled venue"),
    "residence": ("", "1 when it began or ended at a residence"),
    "vehicle_class": ("", "class of the vehicle"),
    "private_score": ("points", "evidence of private use, 0 to 100"),
}
"""Name → (unit, sentence) of everything a rule's condition may name."""

DERIVED = (
    "off_hours_share", "out_of_area_share", "order_cover", "driver_card", "card_missing", "rest_day", "holiday",
    "origin_kind", "destination_kind", "destination_controlled", "residence", "vehicle_class",
)  # fmt: skip


def trip_id(vehicle_id: int, start_time: int) -> str:
    """Name of a trip: the vehicle's id and the local time it began. No two trips of a vehicle begin in one second."""
    return f"{vehicle_id}-{to_datetime(start_time):%Y%m%dT%H%M%S}"


@dataclass(frozen=True, slots=True)
class StepParts:
    """What of each step counts as off-hours or outside the area; float64 (n,) each, 0 outside trips."""

    off_hours_m: FloatArray
    out_of_area_m: FloatArray
    out_of_area_s: FloatArray


def trips_table(
    track: Positions,
    segments: Segments,
    steps: Steps,
    parts: StepParts,
    context: FleetContext,
    thresholds: Thresholds = DEFAULT,
) -> pd.DataFrame:
    """One row a trip, with the columns of table `trip`, vehicle_ix, and DERIVED.

    Parameters
    ----------
    track : usable positions in canonical order, of which `segments`, `steps` and `parts` were made.
    """
    rows = np.flatnonzero(segments.kind == TRIP)
    first, last = segments.first[rows], segments.last[rows]
    vehicle, start, end = segments.vehicle_ix[rows], segments.start_time[rows], segments.end_time[rows]
    out_m = _sum(parts.out_of_area_m, first, last)
    counted = np.where(steps.moving, steps.metres, 0.0)  # drift while standing counts nothing
    distance = _sum(counted, first, last)
    low = np.maximum(0.0, distance * (1 - thresholds.distance_low_share) - thresholds.distance_end_m)
    high = distance * (1 + thresholds.distance_high_share) + thresholds.distance_end_m
    calendar = context.calendar_ix[vehicle]
    origin, origin_kind = places_at(context.zones, track.lat_e7[first], track.lon_e7[first])
    destination, destination_kind = places_at(context.zones, track.lat_e7[last], track.lon_e7[last])
    order, cover = order_cover(context.orders, vehicle, start, end, thresholds)
    card, card_missing = driver_cards(context.swipes, vehicle, start, end, thresholds)
    rest, holiday = _day_kinds(context, calendar, start)
    duration = (end - start) / SECOND_US
    off_s = off_hours_s(context.calendars, calendar, start, end)
    trips = pd.DataFrame(
        {
            "trip_id": _texts(
                trip_id(number, when)
                for number, when in zip(context.vehicle_ids[vehicle].tolist(), start.tolist(), strict=True)
            ),
            "vehicle_ix": vehicle,
            "day": local_day(start),
            "start_time": start,
            "end_time": end,
            "start_lat": track.lat[first],
            "start_lon": track.lon[first],
            "end_lat": track.lat[last],
            "end_lon": track.lon[last],
            "distance_m": distance,
            "distance_low_m": low,
            "distance_high_m": high,
            "odometer_m": _odometer(track, first, last),
            "duration_s": duration,
            "moving_s": _sum(np.where(steps.moving, steps.seconds, 0.0), first, last),
            "max_speed_mps": _fastest(track, first, last),
            "off_hours_s": off_s,
            "off_hours_m": _sum(parts.off_hours_m, first, last),
            "out_of_area_s": _sum(parts.out_of_area_s, first, last),
            "out_of_area_m": out_m,
            "dispatch_order": pd.Series(order, dtype=object),
            "origin_place": _texts(origin),
            "destination_place": _texts(destination),
            "off_hours_share": off_s / duration,
            "out_of_area_share": np.divide(out_m, distance, out=np.zeros(len(rows)), where=distance > 0),
            "order_cover": cover,
            "driver_card": pd.Series(card, dtype=object),
            "card_missing": card_missing,
            "rest_day": rest.astype(float),
            "holiday": holiday.astype(float),
            "origin_kind": _texts(origin_kind),
            "destination_kind": _texts(destination_kind),
            "destination_controlled": np.isin(destination_kind.astype(str), list(CONTROLLED_VENUES)).astype(float),
            "residence": ((origin_kind == "residential") | (destination_kind == "residential")).astype(float),
            "vehicle_class": pd.Series(context.vehicle_class[vehicle], dtype=object),
        }
    )
    return pd.concat([trips, private_score(trips)], axis=1)


def stops_table(track: Positions, segments: Segments, context: FleetContext) -> pd.DataFrame:
    """One row a stop or gap and local day: cut at local midnight, with the columns of table `stop` and vehicle_ix."""
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
    vehicle = segments.vehicle_ix[rows][piece]
    lat, lon = _middle(track, segments.first[rows][piece], segments.last[rows][piece], begin, until)
    name, _ = places_at(context.zones, lat, lon)
    return pd.DataFrame(
        {
            "vehicle_ix": vehicle,
            "day": day.astype(np.int32),
            "start_time": begin,
            "end_time": until,
            "lat": lat * 1e-7,
            "lon": lon * 1e-7,
            "kind": _texts(np.where(segments.kind[rows][piece] == GAP, "gap", "stop")),
            "place": _texts(name),
        }
    )


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


def trip_steps(segments: Segments) -> tuple[Int64Array, Int64Array]:
    """Every step that belongs to a trip, by the position that ends it, and the number of its trip; ascending."""
    rows = np.flatnonzero(segments.kind == TRIP)
    first, count = segments.first[rows], segments.last[rows] - segments.first[rows]
    trip = np.repeat(np.arange(len(rows)), count)
    return first[trip] + 1 + np.arange(len(trip)) - np.repeat(np.cumsum(count) - count, count), trip


def _texts(values: Iterable[str]) -> "pd.Series[str]":
    """Texts as a column of one dtype, with or without rows."""
    return pd.Series(list(values), dtype="str")


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


def _day_kinds(context: FleetContext, calendar: Int32Array, start: Int64Array) -> tuple[BoolArray, BoolArray]:
    rest, holiday = np.zeros(len(start), dtype=np.bool_), np.zeros(len(start), dtype=np.bool_)
    days = local_day(start)
    for number, each in enumerate(context.calendars):
        rows = np.flatnonzero(calendar == number)
        if len(rows):
            rest[rows], holiday[rows] = each.kinds_of(days[rows])
    return rest, holiday


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
