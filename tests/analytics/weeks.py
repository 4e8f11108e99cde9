"""Rows of trips, stops, nights and silences made by hand, for what is weighed over weeks."""

import numpy as np
import pandas as pd

from analytics.context import FleetContext
from analytics.evidence import Rows
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US
from tests.analytics.tracks import MONDAY, at, place

Spot = tuple[float, float]
"""Metres east and north of home."""


def degrees(spot: Spot) -> tuple[float, float]:
    lat, lon = place(np.array([spot[1]]), np.array([spot[0]]))
    return float(lat[0]), float(lon[0])


def trip(start: str, end: str, begin: Spot, goal: Spot, day: int = MONDAY, **values: object) -> dict[str, object]:
    """A trip of an ordinary car on duty, from nowhere in particular to nowhere, its metres 1.3 times the straight ones."""
    start_lat, start_lon = degrees(begin)
    end_lat, end_lon = degrees(goal)
    metres = 1.3 * float(np.hypot(goal[0] - begin[0], goal[1] - begin[1]))
    since, until = at(start, day), at(end, day)
    row: dict[str, object] = {
        "trip_id": f"T{day}-{start}", "vehicle_ix": 0, "day": day, "start_time": since, "end_time": until,
        "start_lat": start_lat, "start_lon": start_lon, "end_lat": end_lat, "end_lon": end_lon, "distance_m": metres,
        "odometer_m": metres, "max_speed_mps": 15.0, "duration_s": (until - since) / SECOND_US, "moving_s": 1e-6 * (until - since),
        "off_hours_share": 0.0,
        "off_hours_s": 0.0, "out_of_area_share": 0.0, "dispatch_order": None, "driver_card": "C1", "card_missing": 0.0,
        "rest_day": 0.0, "holiday": 0.0, "origin_kind": "district", "destination_kind": "district", "residence": 0.0,
        "destination_controlled": 0.0, "venue_dwell_s": 0.0, "vehicle_class": "ordinary", "dwell_s": np.nan,
        "stood_s": np.nan,
    }  # fmt: skip
    return row | values


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    """Trips in order of vehicle and time."""
    table = pd.DataFrame(list(rows))
    for name in ("dispatch_order", "driver_card"):
        table[name] = table[name].astype(object)
    return table.sort_values(["vehicle_ix", "start_time"], ignore_index=True)


def stop(start: str, end: str, spot: Spot, day: int = MONDAY, **values: object) -> dict[str, object]:
    """Standing on one day; "24:00" is its end."""
    lat, lon = degrees(spot)
    times = {"start_time": at(start, day), "end_time": at(end, day)}
    return {"vehicle_ix": 0, "day": day, **times, "lat": lat, "lon": lon, "kind": "stop", "place": "", **values}


def stops(*rows: dict[str, object]) -> pd.DataFrame:
    columns = ["vehicle_ix", "day", "start_time", "end_time", "lat", "lon", "kind", "place"]
    table = pd.DataFrame(list(rows), columns=columns)
    return table.astype(dict.fromkeys(("vehicle_ix", "day", "start_time", "end_time"), np.int64)).sort_values(
        ["vehicle_ix", "start_time"], ignore_index=True
    )


def silence(start: str, end: str, begin: Spot, goal: Spot, day: int = MONDAY, **values: object) -> dict[str, object]:
    """An entry of the dark ledger before anything is known of its cause; by default the odometer grew by the way."""
    start_lat, start_lon = degrees(begin)
    end_lat, end_lon = degrees(goal)
    jump = float(np.hypot(goal[0] - begin[0], goal[1] - begin[1]))
    since, until = at(start, day), at(end, day)
    seconds = (until - since) / SECOND_US
    row: dict[str, object] = {
        "dark_id": f"D{day}-{start}", "vehicle_ix": 0, "vehicle_id": 1, "day": day, "start_time": since,
        "end_time": until, "start_lat": start_lat, "start_lon": start_lon, "end_lat": end_lat, "end_lon": end_lon,
        "jump_m": jump, "odometer_m": jump, "dark_m": jump, "fixless": 0, "power_cut": False, "antenna_fault": False,
        "dark_s": seconds, "off_hours_s": 0.0, "off_hours_share": 0.0, "dispatch_order": None, "order_cover": 0.0,
        "vehicle_class": "ordinary",
    }  # fmt: skip
    return row | values


def dark(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows) or [silence("01:00", "02:00", (0, 0), (0, 0))]).iloc[: len(rows)]


def rows_of(
    trips: pd.DataFrame,
    standing: pd.DataFrame,
    silences: pd.DataFrame | None = None,
    context: FleetContext | None = None,
) -> Rows:
    """What is weighed; `sightings` are the stops themselves."""
    ids = np.arange(1, 100) if context is None else context.vehicle_ids
    seen = standing.assign(vehicle_id=ids[standing["vehicle_ix"].to_numpy(dtype=np.int64)])
    return Rows(trips, standing, dark() if silences is None else silences, seen)


def hour_of(time: int) -> float:
    return ((time + UTC_OFFSET_US) % DAY_US) / SECOND_US / 3600
