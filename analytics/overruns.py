"""Trips under a dispatch order against its hours and its places."""

import numpy as np

from analytics.asked import Asked
from analytics.context import FleetContext
from geo.arrays import Columns, FloatArray, Int64Array
from geo.distance import metres_per_e7
from geo.localtime import SECOND_US

Places = tuple[FloatArray, FloatArray]
"""Latitudes and longitudes, WGS-84 degrees."""


def overruns(trips: Asked, order: Int64Array, context: FleetContext) -> Columns:
    """By how much each trip goes beyond its dispatch order in time and in place.

    Parameters
    ----------
    trips : by vehicle_ix and start_time; places of both ends.
    order : int64 (n,)   The row of each one's order, as `detour.order_rows` gives it.

    Returns
    -------
    order_overrun_s : float64 (n,)   Time of the trip before its order begins and after it ends; NaN without an order.
    order_away_m : float64 (n,)   How far the end of the trip that is farther off lies from where its order leads; NaN
        without an order that names a place.

    Notes
    -----
    An order leads along the straight lines from its destination to the vehicle's base, and to the place from which the
    vehicle set out on its first trip under the order: who stops half-way is on the way, who drives on past the
    destination, or aside, is away by what he drove on. Detours on the way are what `detours` measures. The base's
    metres are from its edge. Lines are straight on a plane about the end that is judged: a few metres in a thousand
    off at 500 km. What a tolerance is, in time or place, a rule says.
    """
    orders = context.orders
    overrun, away = np.full(len(trips), np.nan), np.full(len(trips), np.nan)
    rows = np.flatnonzero(order >= 0)
    if not len(rows):
        return {"order_overrun_s": overrun, "order_away_m": away}
    start, end = (trips[name][rows] for name in ("start_time", "end_time"))
    begins, ends = orders.starts[order[rows]], orders.ends[order[rows]]
    before = np.clip(begins - start, 0, end - start)
    after = np.clip(end - ends, 0, end - start)
    overrun[rows] = (before + after) / SECOND_US
    rows = rows[~np.isnan(orders.destination_lat[order[rows]])]
    order = order[rows]
    there = orders.destination_lat[order], orders.destination_lon[order]
    begun = _places(trips, "start", rows)
    first = _first_of(order, len(orders.starts))
    set_out = begun[0][first], begun[1][first]
    vehicle = trips["vehicle_ix"][rows]
    bases = context.bases
    for places in (begun, _places(trips, "end", rows)):
        off = bases.distance_m(vehicle, *places)
        out = np.flatnonzero(off != 0)  # who is at the base is nowhere else
        at, leads, came = (_taken(each, out) for each in (places, there, set_out))
        ahead = _about(at, leads)
        off[out] = np.fmin(off[out], _from_line(ahead, _about(at, came)))
        if len(bases.lat):
            base = bases.lat[vehicle[out]], bases.lon[vehicle[out]]
            off[out] = np.fmin(off[out], _from_line(ahead, _about(at, base)))
        away[rows] = np.fmax(away[rows], off)
    return {"order_overrun_s": overrun, "order_away_m": away}


def _places(trips: Asked, end: str, rows: Int64Array) -> Places:
    return trips[f"{end}_lat"][rows], trips[f"{end}_lon"][rows]


def _first_of(order: Int64Array, orders: int) -> Int64Array:
    """For each row the first row of the same one of so many orders."""
    first = np.zeros(orders, dtype=np.int64)
    first[order[::-1]] = np.arange(len(order))[::-1]  # the last that is written stays
    return first[order]


def _taken(places: Places, rows: Int64Array) -> Places:
    return places[0][rows], places[1][rows]


def _from_line(one: Places, other: Places) -> FloatArray:
    """Metres of each place from the straight line between two others, about it; NaN where one of these is NaN."""
    (x0, y0), (x1, y1) = one, other
    dx, dy = x1 - x0, y1 - y0
    length2 = dx * dx + dy * dy
    part = np.divide(-(x0 * dx + y0 * dy), length2, out=np.zeros_like(length2), where=length2 > 0)
    part = np.clip(part, 0.0, 1.0)
    away: FloatArray = np.hypot(x0 + part * dx, y0 + part * dy)
    return away


def _about(middle: Places, place: Places) -> Places:
    """Metres east and north of a place from another, flat about the latitude halfway between them."""
    half = np.rint(np.nan_to_num(middle[0] + place[0]) * 1e7).astype(np.int64)
    north_m, east_m = metres_per_e7(half)
    return (place[1] - middle[1]) * 1e7 * east_m, (place[0] - middle[0]) * 1e7 * north_m
