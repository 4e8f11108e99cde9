"""Where each vehicle sleeps: its place of every night, the base that four weeks of nights teach, and the declared one."""

import numpy as np
import pandas as pd

from analytics.context import FleetContext
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.orders import order_cover
from analytics.places import places_at
from geo.arrays import BoolArray, FloatArray
from geo.distance import metres_per_degree
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, day_date

HOUR_US = 3600 * SECOND_US

NIGHT_FEATURES = {
    "base_m": ("m", "how far from the edge of its declared base it slept; missing where none is declared"),
    "night_s": ("s", "time it stood there between midnight and five"),
    "nights_here": ("", "nights of four weeks at this place, this one counted"),
    "learned_base_m": ("m", "how far the base that its nights teach lies from the declared one; missing without both"),
    "night_kind": ("", "kind of the zone it slept in"),
    "dispatch_order": ("", "number of the dispatch order that covers the night; missing without one"),
    "vehicle_class": ("", "class of the vehicle"),
}
"""Name → (unit, sentence) of everything a rule's condition on a night may name."""


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
    found = stops.iloc[rows][["vehicle_ix", "day", "lat", "lon", "place", "start_time"]].assign(night_s=asleep[rows])
    found = found.sort_values(["vehicle_ix", "day", "night_s", "start_time"], ascending=[True, True, False, True])
    first = ~found.duplicated(["vehicle_ix", "day"]).to_numpy()
    found = found[first].drop(columns="start_time").reset_index(drop=True)
    where = (found[name].to_numpy() for name in ("vehicle_ix", "lat", "lon"))
    return found.assign(base_m=context.bases.distance_m(*where))


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
    near_rows = known[known["day"].between(first, to_day)]
    vehicles = int(near_rows["vehicle_ix"].max()) + 1 if len(near_rows) else 0
    span = to_day - first + 1
    lat, lon = (np.full((vehicles, span), np.nan) for _ in range(2))
    at = near_rows["vehicle_ix"].to_numpy(), near_rows["day"].to_numpy() - first
    lat[at], lon[at] = near_rows["lat"], near_rows["lon"]
    learned = {name: np.full((vehicles, span), np.nan) for name in ("lat", "lon")}
    count, here = np.zeros((vehicles, span), dtype=np.int64), np.zeros((vehicles, span), dtype=np.int64)
    near = _near(lat, lon, window, thresholds.same_place_m)
    for day in range(max(from_day - first, 0), span):
        low = max(day - window + 1, 0)
        pieces = slice(low, day + 1)
        core, together, here[:, day] = _densest(near[:, pieces, pieces])
        nights_known = (~np.isnan(lat[:, pieces])).sum(axis=1)
        members = together.sum(axis=1)
        teaches = (members >= thresholds.learned_nights) & (2 * members > nights_known) & core
        count[teaches, day] = members[teaches]
        for name, places in (("lat", lat), ("lon", lon)):
            total = np.where(together, places[:, pieces], 0.0).sum(axis=1)
            learned[name][teaches, day] = total[teaches] / members[teaches]
    rows = near_rows[near_rows["day"] >= from_day].reset_index(drop=True)
    at = rows["vehicle_ix"].to_numpy(), rows["day"].to_numpy() - first
    vehicle = rows["vehicle_ix"].to_numpy()
    return rows.assign(
        nights_here=here[at],
        learned_lat=learned["lat"][at],
        learned_lon=learned["lon"][at],
        learned_nights=count[at],
        learned_base_m=context.bases.distance_m(vehicle, learned["lat"][at], learned["lon"][at]),
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
    lat_e7, lon_e7 = (np.rint(found[name].to_numpy(dtype=np.float64) * 1e7).astype(np.int32) for name in ("lat", "lon"))
    order, _ = order_cover(context.orders, vehicle, start, end)
    names = zip(context.vehicle_ids[vehicle].tolist(), found["day"].tolist(), strict=True)
    return found.assign(
        night_id=pd.Series([night_id(*each) for each in names], dtype="str"),
        start_time=start,
        end_time=end,
        night_kind=pd.Series(places_at(context.zones, lat_e7, lon_e7, start)[1], dtype="str"),
        dispatch_order=pd.Series(order, dtype=object),
        vehicle_class=pd.Series(context.vehicle_class[vehicle], dtype=object),
    )


def night_id(vehicle_id: int, day: int) -> str:
    """Name of a night: the vehicle's id and the local day that it ends on."""
    return f"{vehicle_id}-N{day_date(day):%Y%m%d}"


def _near(lat: FloatArray, lon: FloatArray, window: int, within_m: float) -> BoolArray:
    """Which nights (v, n) of a vehicle less than a window apart lie within some metres of each other; (v, n, n).

    Flat about the earlier night, whose scale is worked out once for all pairs.
    """
    vehicles, span = lat.shape
    north_m, east_m = (scale.reshape(lat.shape) for scale in metres_per_degree(np.nan_to_num(lat).ravel()))
    near = np.zeros((vehicles, span, span), dtype=np.bool_)
    for apart in range(min(window, span)):
        early, late = np.arange(span - apart), np.arange(apart, span)
        north = (lat[:, late] - lat[:, early]) * north_m[:, early]
        east = (lon[:, late] - lon[:, early]) * east_m[:, early]
        near[:, early, late] = near[:, late, early] = north * north + east * east <= within_m * within_m
    return near


def _densest(near: BoolArray) -> tuple[BoolArray, BoolArray, FloatArray]:
    """Of each vehicle's nights (v, n, n near each other): has it any, which lie about the densest, how many about the last."""
    about = near.sum(axis=2)
    latest_first = about[:, ::-1]
    densest = about.shape[1] - 1 - np.argmax(latest_first, axis=1)
    vehicles = np.arange(len(near))
    return about.max(axis=1, initial=0) > 0, near[vehicles, densest], about[:, -1].astype(np.float64)
