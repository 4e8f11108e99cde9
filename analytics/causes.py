"""The innocent causes of what looks like private use, each tested on every trip."""

import numpy as np

from analytics.asked import Asked
from analytics.context import FleetContext
from analytics.detour import PLACES_OF_WORK
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.places import places_at
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.datum import gcj02_to_wgs84, wgs84_to_gcj02
from geo.distance import apart_m
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US

ROUND_THE_CLOCK = frozenset({"emergency"})
"""Classes whose work knows no hours and no order beforehand."""


_RESTAURANT = frozenset({"restaurant"})
WIDE = frozenset({"", "district", "city", "province"})
"""Kinds that say nothing of what is at a place."""


def innocent_causes(
    trips: Asked, silences: Columns, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT
) -> dict[str, BoolArray]:
    """For each cause of `parts.CAUSES` the trips on which it holds; bool (n,).

    Parameters
    ----------
    silences : bool (n,) each   dark_covered, dark_ordered: whether other vehicles were silent in a silence within or
        beside the trip, and whether an order covers one.
    """
    ordered = ~trips.column("dispatch_order").missing
    weekend = (trips["day"] + 3) % 7 >= 5
    rest = trips["rest_day"] > 0
    calendar = context.calendar_ix[trips["vehicle_ix"]] >= 0
    return {
        "order": ordered,
        "order_near": ~ordered & _order_near(trips, context, thresholds),
        "emergency": trips.column("vehicle_class").among(ROUND_THE_CLOCK),
        "on_shift": rest & calendar & (trips["off_hours_share"] == 0),
        "adjusted_workday": weekend & ~rest & calendar,
        "drift": drifted(trips, thresholds),
        "datum": _other_datum(trips, context),
        "passing": _passing(trips, thresholds),
        "lunch": _lunch(trips, thresholds),
        "named": trips["named_place"] > 0,
        "no_reader": np.isnan(trips["reader_silent_days"]),
        "reader_broken": trips["reader_silent_days"] >= thresholds.reader_silent_days,
        "coverage": silences["dark_covered"],
        "under_order": silences["dark_ordered"] & ~trips.column("driver_card").missing,
    }


def drifted(trips: Asked, thresholds: EvidenceThresholds = DEFAULT) -> BoolArray:
    """Whether a trip was drift of a parked receiver: never faster than a run, or the odometer stood nearly still."""
    slow = trips["max_speed_mps"] < thresholds.drift_mps
    still: BoolArray = slow | (trips["odometer_m"] < thresholds.drift_share * trips["distance_m"])
    return still


def _order_near(trips: Asked, context: FleetContext, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether an order of the vehicle lies within `order_near_s` of the trip."""
    orders = context.orders
    if not len(orders.starts) or not len(trips):
        return np.zeros(len(trips), dtype=np.bool_)
    near = int(thresholds.order_near_s * SECOND_US)
    start, end = trips["start_time"] - near, trips["end_time"] + near
    low = min(int(orders.starts.min()), int(start.min()))
    span = max(int(orders.ends.max()), int(end.max())) - low + 1
    axis = trips["vehicle_ix"].astype(np.int64) * span - low
    vehicle = orders.vehicle_ix.astype(np.int64) * span - low
    begun = np.searchsorted(vehicle + orders.starts, axis + end, side="right")
    over = np.searchsorted(np.sort(vehicle + orders.ends), axis + start)
    near_by: BoolArray = begun > over
    return near_by


def _other_datum(trips: Asked, context: FleetContext) -> BoolArray:
    """Whether both ends lie at places of work once a shift by GCJ-02, one way or the other, is undone, and neither did.

    A terminal with the wrong datum is wrong all day: one end alone may be chance.
    """
    fits = np.zeros(len(trips), dtype=np.bool_)
    odd = ~trips.column("destination_kind").among(PLACES_OF_WORK) & ~trips.column("origin_kind").among(PLACES_OF_WORK)
    rows = np.flatnonzero(odd & (trips.column("dispatch_order").missing | (trips["unnamed_stop"] > 0)))
    for undo in (gcj02_to_wgs84, wgs84_to_gcj02):
        fit = rows
        for end in ("start", "end"):
            lat, lon = undo(trips[f"{end}_lat"][fit], trips[f"{end}_lon"][fit])
            at = places_at(context.zones, _e7(lat), _e7(lon), trips[f"{end}_time"][fit])
            fit = fit[at.among(PLACES_OF_WORK)]
        fits[fit] = True
    return fits


def _passing(trips: Asked, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether it stood only shortly wherever it began or ended at a place that is neither work nor just somewhere."""
    short: BoolArray = ~(trips["venue_dwell_s"] >= thresholds.dwell_s)
    for kind, seconds in (("destination_kind", "dwell_s"), ("origin_kind", "stood_s")):
        nothing = trips.column(kind).among(PLACES_OF_WORK | WIDE)
        short &= nothing | (trips[seconds] < thresholds.dwell_s)
    return short


def _lunch(trips: Asked, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether it led to a restaurant at noon of a day of duty, near by, from a place of work; or back from there."""
    origin, destination = trips.column("origin_kind"), trips.column("destination_kind")
    latest = thresholds.lunch_to_h + thresholds.lunch_s / 3600
    there = destination.among(_RESTAURANT) & origin.among(PLACES_OF_WORK) & (trips["dwell_s"] <= thresholds.lunch_s)
    back = origin.among(_RESTAURANT) & destination.among(PLACES_OF_WORK) & (trips["stood_s"] <= thresholds.lunch_s)
    there &= _between(trips["end_time"], thresholds.lunch_from_h, thresholds.lunch_to_h)
    back &= _between(trips["start_time"], thresholds.lunch_from_h, latest)
    rows = np.flatnonzero((there | back) & (trips["rest_day"] == 0))
    way = apart_m(*(trips[name][rows] for name in ("start_lat", "start_lon", "end_lat", "end_lon")))
    lunch = np.zeros(len(trips), dtype=np.bool_)
    lunch[rows] = way <= thresholds.lunch_way_m
    return lunch


def _between(time: Int64Array, low: float, high: float) -> BoolArray:
    """Whether it was between two hours of the local day."""
    hour = (time + UTC_OFFSET_US) % DAY_US / SECOND_US / 3600
    inside: BoolArray = (hour >= low) & (hour <= high)
    return inside


def _e7(degrees: FloatArray) -> "np.typing.NDArray[np.int32]":
    return np.round(degrees * 1e7).astype(np.int32)
