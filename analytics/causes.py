"""The innocent causes of what looks like private use, each tested on every trip."""

import numpy as np
import pandas as pd

from analytics.context import FleetContext
from analytics.detour import PLACES_OF_WORK
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.places import places_at
from geo.arrays import BoolArray, FloatArray
from geo.datum import gcj02_to_wgs84, wgs84_to_gcj02
from geo.distance import apart_m
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US

ROUND_THE_CLOCK = frozenset({"emergency"})
"""Classes whose work knows no hours and no order beforehand."""


WIDE = frozenset({"", "district", "city", "province"})
"""Kinds that say nothing of what is at a place."""


def innocent_causes(
    trips: pd.DataFrame, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT
) -> dict[str, BoolArray]:
    """For each cause of `score.CAUSES` the trips on which it holds; bool (n,)."""
    ordered = trips["dispatch_order"].notna().to_numpy()
    weekend = (trips["day"].to_numpy() + 3) % 7 >= 5
    rest = trips["rest_day"].to_numpy() > 0
    calendar = context.calendar_ix[trips["vehicle_ix"].to_numpy(dtype=np.int64)] >= 0
    return {
        "order": ordered,
        "order_near": ~ordered & _order_near(trips, context, thresholds),
        "emergency": trips["vehicle_class"].isin(ROUND_THE_CLOCK).to_numpy(),
        "on_shift": rest & calendar & (trips["off_hours_share"].to_numpy() == 0),
        "adjusted_workday": weekend & ~rest & calendar,
        "drift": drifted(trips, thresholds),
        "datum": _other_datum(trips, context),
        "passing": _passing(trips, thresholds),
        "lunch": _lunch(trips, thresholds),
        "named": trips["named_place"].to_numpy() > 0,
        "no_reader": trips["reader_silent_days"].isna().to_numpy(),
        "reader_broken": (trips["reader_silent_days"] >= thresholds.reader_silent_days).to_numpy(),
        "coverage": trips["dark_covered"].to_numpy(),
        "under_order": trips["dark_ordered"].to_numpy() & trips["driver_card"].notna().to_numpy(),
    }


def drifted(trips: pd.DataFrame, thresholds: EvidenceThresholds = DEFAULT) -> BoolArray:
    """Whether a trip was drift of a parked receiver: never faster than a run, or the odometer stood nearly still."""
    slow = (trips["max_speed_mps"] < thresholds.drift_mps).to_numpy()
    return slow | (trips["odometer_m"] < thresholds.drift_share * trips["distance_m"]).to_numpy()


def _order_near(trips: pd.DataFrame, context: FleetContext, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether an order of the vehicle lies within `order_near_s` of the trip."""
    orders = context.orders
    if not len(orders.starts) or not len(trips):
        return np.zeros(len(trips), dtype=np.bool_)
    near = int(thresholds.order_near_s * SECOND_US)
    start, end = trips["start_time"].to_numpy() - near, trips["end_time"].to_numpy() + near
    low = min(int(orders.starts.min()), int(start.min()))
    span = max(int(orders.ends.max()), int(end.max())) - low + 1
    axis = trips["vehicle_ix"].to_numpy(dtype=np.int64) * span - low
    vehicle = orders.vehicle_ix.astype(np.int64) * span - low
    begun = np.searchsorted(vehicle + orders.starts, axis + end, side="right")
    over = np.searchsorted(np.sort(vehicle + orders.ends), axis + start)
    near_by: BoolArray = begun > over
    return near_by


def _other_datum(trips: pd.DataFrame, context: FleetContext) -> BoolArray:
    """Whether both ends lie at places of work once a shift by GCJ-02, one way or the other, is undone, and neither did.

    A terminal with the wrong datum is wrong all day: one end alone may be chance.
    """
    fits = np.zeros(len(trips), dtype=np.bool_)
    odd = ~trips["destination_kind"].isin(PLACES_OF_WORK) & ~trips["origin_kind"].isin(PLACES_OF_WORK)
    rows = np.flatnonzero(odd.to_numpy() & trips["dispatch_order"].isna().to_numpy())
    rows = np.union1d(rows, np.flatnonzero(odd.to_numpy() & (trips["unnamed_stop"] > 0).to_numpy()))
    if not len(rows):
        return fits
    for undo in (gcj02_to_wgs84, wgs84_to_gcj02):
        both = np.ones(len(rows), dtype=np.bool_)
        for end in ("start", "end"):
            lat, lon = undo(trips[f"{end}_lat"].to_numpy()[rows], trips[f"{end}_lon"].to_numpy()[rows])
            at = places_at(context.zones, _e7(lat), _e7(lon), trips[f"{end}_time"].to_numpy()[rows])
            both &= at.among(PLACES_OF_WORK)
        fits[rows] |= both
    return fits


def _passing(trips: pd.DataFrame, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether it stood only shortly wherever it began or ended at a place that is neither work nor just somewhere."""
    short = ~(trips["venue_dwell_s"] >= thresholds.dwell_s).to_numpy()
    for kind, seconds in (("destination_kind", "dwell_s"), ("origin_kind", "stood_s")):
        nothing = trips[kind].isin(PLACES_OF_WORK | WIDE).to_numpy()
        short &= nothing | (trips[seconds] < thresholds.dwell_s).to_numpy()
    return short


def _lunch(trips: pd.DataFrame, thresholds: EvidenceThresholds) -> BoolArray:
    """Whether it led to a restaurant at noon of a day of duty, near by, from a place of work; or back from there."""
    arrive = (trips["end_time"].to_numpy() + UTC_OFFSET_US) % DAY_US / SECOND_US / 3600
    leave = (trips["start_time"].to_numpy() + UTC_OFFSET_US) % DAY_US / SECOND_US / 3600
    way = apart_m(*(trips[name].to_numpy() for name in ("start_lat", "start_lon", "end_lat", "end_lon")))
    there = (trips["destination_kind"] == "restaurant") & trips["origin_kind"].isin(PLACES_OF_WORK)
    there &= (trips["dwell_s"] <= thresholds.lunch_s) & _between(arrive, thresholds.lunch_from_h, thresholds.lunch_to_h)
    back = (trips["origin_kind"] == "restaurant") & trips["destination_kind"].isin(PLACES_OF_WORK)
    latest = thresholds.lunch_to_h + thresholds.lunch_s / 3600
    back &= (trips["stood_s"] <= thresholds.lunch_s) & _between(leave, thresholds.lunch_from_h, latest)
    duty = (trips["rest_day"] == 0).to_numpy()
    lunch: BoolArray = (there | back).to_numpy() & duty & (way <= thresholds.lunch_way_m)
    return lunch


def _between(hour: FloatArray, low: float, high: float) -> BoolArray:
    inside: BoolArray = (hour >= low) & (hour <= high)
    return inside


def _e7(degrees: FloatArray) -> "np.typing.NDArray[np.int32]":
    return np.round(degrees * 1e7).astype(np.int32)
