"""Trips and stops as tables: what each was, where, how far, and what a rule may ask of it."""

import numpy as np
import pandas as pd

from analytics.context import FleetContext
from analytics.naming import trip_ids
from analytics.orders import driver_cards, order_cover
from analytics.places import places_at, texts, venues
from analytics.regions import REGION_COLUMNS
from analytics.sealing import sealed
from analytics.thresholds import DEFAULT, Thresholds
from analytics.vocabulary import CONTROLLED_VENUES
from geo.arrays import BoolArray, Columns, Int32Array, Int64Array
from geo.localtime import SECOND_US, local_day

DERIVED = (
    "off_hours_share", "out_of_area_share", "order_cover", "driver_card", "card_missing", "rest_day", "holiday",
    "origin_kind", "destination_kind", "destination_controlled", "venue_dwell_s", "venue_kind", "residence",
    "vehicle_class", "speeding_s", "idle_s", *REGION_COLUMNS, "sealed",
)  # fmt: skip


def trips_table(trips: Columns, context: FleetContext, thresholds: Thresholds = DEFAULT) -> pd.DataFrame:
    """One row a trip, with the columns of table `trip`, vehicle_ix, and DERIVED.

    Parameters
    ----------
    trips : as `measure` gives them.
    """
    vehicle, start, end = trips["vehicle_ix"], trips["start_time"], trips["end_time"]
    calendar = context.calendar_ix[vehicle]
    origin = places_at(context.zones, trips["start_lat_e7"], trips["start_lon_e7"], start)
    destination = places_at(context.zones, trips["end_lat_e7"], trips["end_lon_e7"], end)
    order, cover = order_cover(context.orders, vehicle, start, end, thresholds)
    card, card_missing = driver_cards(context.swipes, vehicle, start, end, thresholds)
    rest, holiday = _day_kinds(context, calendar, start)
    duration = (end - start) / SECOND_US
    off_s = trips["off_hours_s"]
    distance, out_m = trips["distance_m"], trips["out_of_area_m"]
    return pd.DataFrame(
        {
            "trip_id": trip_ids(context.vehicle_ids[vehicle], start),
            "vehicle_ix": vehicle,
            "day": local_day(start),
            "start_time": start,
            "end_time": end,
            "start_lat": trips["start_lat_e7"] * 1e-7,
            "start_lon": trips["start_lon_e7"] * 1e-7,
            "end_lat": trips["end_lat_e7"] * 1e-7,
            "end_lon": trips["end_lon_e7"] * 1e-7,
            "distance_m": distance,
            "gps_m": trips["gps_m"],
            "distance_low_m": trips["distance_low_m"],
            "distance_high_m": trips["distance_high_m"],
            "odometer_m": trips["odometer_m"],
            "duration_s": duration,
            "moving_s": trips["moving_s"],
            "max_speed_mps": trips["max_speed_mps"],
            "off_hours_s": off_s,
            "off_hours_m": trips["off_hours_m"],
            "out_of_area_s": trips["out_of_area_s"],
            "out_of_area_m": out_m,
            "dispatch_order": pd.Series(order, dtype=object),
            "origin_place": origin.names,
            "destination_place": destination.names,
            "off_hours_share": off_s / duration,
            "out_of_area_share": np.divide(out_m, distance, out=np.zeros(len(start)), where=distance > 0),
            "order_cover": cover,
            "driver_card": pd.Series(card, dtype=object),
            "card_missing": card_missing,
            "rest_day": rest.astype(float),
            "holiday": holiday.astype(float),
            "origin_kind": origin.kinds,
            "destination_kind": destination.kinds,
            "destination_controlled": destination.among(CONTROLLED_VENUES).astype(float),
            "venue_dwell_s": trips["venue_dwell_s"],
            "venue_kind": venues(context.zones, trips["venue_ix"]).kinds,
            "residence": (origin.among({"residential"}) | destination.among({"residential"})).astype(float),
            "vehicle_class": pd.Series(context.vehicle_class[vehicle], dtype=object),
            **{name: trips[name] for name in ("speeding_s", "idle_s", *REGION_COLUMNS)},
            "sealed": sealed(context.seals, vehicle, start),
        },
        copy=False,
    )


def stops_table(stops: Columns, context: FleetContext) -> pd.DataFrame:
    """One row a stop or gap and local day: the columns of table `stop`, and vehicle_ix."""
    place = places_at(context.zones, stops["lat_e7"], stops["lon_e7"], stops["start_time"])
    return pd.DataFrame(
        {
            "vehicle_ix": stops["vehicle_ix"],
            "day": stops["day"],
            "start_time": stops["start_time"],
            "end_time": stops["end_time"],
            "lat": stops["lat_e7"] * 1e-7,
            "lon": stops["lon_e7"] * 1e-7,
            "kind": texts(("stop", "gap"), stops["gap"].astype(np.int64)),
            "place": place.names,
        },
        copy=False,
    )


def _day_kinds(context: FleetContext, calendar: Int32Array, start: Int64Array) -> tuple[BoolArray, BoolArray]:
    rest, holiday = np.zeros(len(start), dtype=np.bool_), np.zeros(len(start), dtype=np.bool_)
    days = local_day(start)
    for number, each in enumerate(context.calendars):
        rows = np.flatnonzero(calendar == number)
        if len(rows):
            rest[rows], holiday[rows] = each.kinds_of(days[rows])
    return rest, holiday
