"""Where each vehicle sleeps: its place of every night, the base that four weeks of nights teach, and the declared one."""

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analytics.asked import with_columns
from analytics.context import FleetContext
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.naming import night_ids
from analytics.orders import order_cover
from analytics.places import places_at
from geo.arrays import BoolArray, FloatArray
from geo.distance import metres_per_degree
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US

HOUR_US = 3600 * SECOND_US


def nights(stops: pd.DataFrame, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT) -> pd.DataFrame:
    """The overnight place of each vehicle and local day: where it stood longest in that day's small hours.

    Parameters
    ----------
    stops : pieces cut at midnight (vehicle_ix, day, start_time, end_time, lat, lon, kind, place).

    Returns
    -------
    DataFrame   vehicle_ix, day (the one the night ends on), lat, lon, place, night_s (time stood there), base_m (metres
    from the edge of the declared base; NaN without one), by vehicle and day. A night of which less than `night_min_s` was
    seen in one place has no row: a silence is no place.
    """
    midnight = stops["day"].to_numpy(dtype=np.int64) * DAY_US - UTC_OFFSET_US
    begin = np.maximum(stops["start_time"].to_numpy(), midnight + int(thresholds.night_from_h * HOUR_US))
    until = np.minimum(stops["end_time"].to_numpy(), midnight + int(thresholds.night_to_h * HOUR_US))
    asleep = (until - begin) / SECOND_US
    rows = np.flatnonzero((asleep >= thresholds.night_min_s) & (stops["kind"] == "stop").to_numpy())
    vehicle, day, start = (stops[name].to_numpy()[rows] for name in ("vehicle_ix", "day", "start_time"))
    order = np.lexsort((start, -asleep[rows], day, vehicle))
    rows, vehicle, day = rows[order], vehicle[order], day[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (vehicle[1:] != vehicle[:-1]) | (day[1:] != day[:-1])
    rows = rows[first]
    found = {name: stops[name].array[rows] for name in ("vehicle_ix", "day", "lat", "lon", "place")}
    where = (np.asarray(found[name]) for name in ("vehicle_ix", "lat", "lon"))
    known = {"night_s": asleep[rows], "base_m": context.bases.distance_m(*where)}
    return pd.DataFrame(found | known, copy=False)


def with_bases(
    known: pd.DataFrame,
    context: FleetContext,
    from_day: int,
    to_day: int,
    thresholds: EvidenceThresholds = DEFAULT,
) -> pd.DataFrame:
    """The nights of local days [from_day, to_day] against the declared base, and against the one that was learned.

    Parameters
    ----------
    known : as `nights` gives them, of `window_days` before from_day too.

    Returns
    -------
    DataFrame   Rows of these days with nights_here (nights of the window at this place), learned_lat, learned_lon,
    learned_nights (NaN, 0 where nothing is learned), learned_base_m (the learned base's metres from the declared one).

    Notes
    -----
    The learned base is the core of the densest cluster, as DBSCAN would have it with a radius of `same_place_m`: the
    night of the window with most nights about it, the latest of equals; its place is the mean of these. Twenty-eight
    places need no index: all pairs of a window are compared, in columns over vehicles.
    """
    window = thresholds.window_days
    first = from_day - window + 1
    day = known["day"].to_numpy()
    near_rows = known[(day >= first) & (day <= to_day)]
    vehicle, day = near_rows["vehicle_ix"].to_numpy(), near_rows["day"].to_numpy()
    vehicles = int(vehicle.max(initial=-1)) + 1
    span = to_day - first + 1
    lat, lon = (np.full((vehicles, span), np.nan) for _ in range(2))
    lat[vehicle, day - first], lon[vehicle, day - first] = near_rows["lat"], near_rows["lon"]
    near = _near(lat, lon, window, thresholds.same_place_m)
    about = _about(near, window)
    densest = window - 1 - np.argmax(about, axis=2)
    last = np.arange(about.shape[1])
    together = sliding_window_view(near, window, axis=2)[np.arange(vehicles)[:, None], last + densest, last]
    members = together.sum(axis=2)
    nights_known = sliding_window_view(~np.isnan(lat), window, axis=1).sum(axis=2)
    teaches = (members >= thresholds.learned_nights) & (2 * members > nights_known) & (members > 0)
    learned = [
        np.divide(
            np.where(together, sliding_window_view(places, window, axis=1), 0.0).sum(axis=2),
            members,
            out=np.full(members.shape, np.nan),
            where=teaches,
        )
        for places in (lat, lon)
    ]
    asked = day >= from_day
    vehicle = vehicle[asked]
    at = vehicle, day[asked] - from_day
    learned_lat, learned_lon = (places[at] for places in learned)
    return with_columns(
        near_rows[asked].reset_index(drop=True),
        {
            "nights_here": about[:, :, 0][at].astype(np.int64),
            "learned_lat": learned_lat,
            "learned_lon": learned_lon,
            "learned_nights": np.where(teaches, members, 0)[at],
            "learned_base_m": context.bases.distance_m(vehicle, learned_lat, learned_lon),
        },
    )


def under_orders(found: pd.DataFrame, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT) -> pd.DataFrame:
    """Nights as rules judge them: each with its name, its time, the kind of zone it was spent in and the order over it.

    Parameters
    ----------
    found : as `with_bases` gives them.

    Returns
    -------
    DataFrame   With night_id (the vehicle's id and the day, no two nights share one), start_time and end_time (µs UTC,
    the small hours of that day), night_kind (empty outside all zones), dispatch_order (None without one that covers
    most of that time) and vehicle_class too.
    """
    vehicle = found["vehicle_ix"].to_numpy(dtype=np.int32)
    midnight = found["day"].to_numpy(dtype=np.int64) * DAY_US - UTC_OFFSET_US
    start = midnight + int(thresholds.night_from_h * HOUR_US)
    end = midnight + int(thresholds.night_to_h * HOUR_US)
    lat_e7, lon_e7 = (np.rint(found[name].to_numpy() * 1e7).astype(np.int32) for name in ("lat", "lon"))
    order, _ = order_cover(context.orders, vehicle, start, end)
    return with_columns(
        found,
        {
            "night_id": night_ids(context.vehicle_ids[vehicle], found["day"].to_numpy()),
            "start_time": start,
            "end_time": end,
            "night_kind": places_at(context.zones, lat_e7, lon_e7, start).kinds,
            "dispatch_order": pd.Series(order, dtype=object),
            "vehicle_class": pd.Series(context.vehicle_class[vehicle], dtype=object),
        },
    )


def _near(lat: FloatArray, lon: FloatArray, window: int, within_m: float) -> BoolArray:
    """Which nights (v, n) of a vehicle less than a window apart lie within some metres of each other; (v, n, n).

    Flat about the earlier night, whose scale is worked out once for all pairs.
    """
    vehicles, span = lat.shape
    north_m, east_m = (scale.reshape(lat.shape) for scale in metres_per_degree(np.nan_to_num(lat).ravel()))
    near = np.zeros((vehicles, span, span), dtype=np.bool_)
    pairs = near.reshape(vehicles, span * span)
    for apart in range(min(window, span)):
        early, late = slice(span - apart), slice(apart, span)
        north = (lat[:, late] - lat[:, early]) * north_m[:, early]
        east = (lon[:, late] - lon[:, early]) * east_m[:, early]
        close = north * north + east * east <= within_m * within_m
        # So far above the diagonal, and below it.
        pairs[:, apart : (span - apart) * span : span + 1] = pairs[:, apart * span :: span + 1] = close
    return near


def _about(near: BoolArray, window: int) -> NDArray[np.int16]:
    """How many nights of each window lie about each night in it, the latest first; (v, windows, window).

    Of nights (v, n, n) that lie near each other.
    """
    vehicles, span, _ = near.shape
    about = np.empty((vehicles, span - window + 1, window), dtype=np.int16)
    count = near[:, : window - 1].sum(axis=1, dtype=np.int16)
    for first in range(span - window + 1):
        count += near[:, first + window - 1]
        about[:, first] = count[:, first : first + window][:, ::-1]
        count -= near[:, first]
    return about
