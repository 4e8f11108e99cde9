"""Trips under a dispatch order against that order's route: metres beyond it, and stops it does not name."""

import numpy as np
import pandas as pd

from analytics.context import FleetContext, Orders
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.places import CONTROLLED_VENUES
from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.distance import apart_m

PLACES_OF_WORK = frozenset({"base", "work_site", "customer"})
"""A stop at one of these needs no naming in the order: several places of work lie on one round."""

PRIVATE_PLACES = CONTROLLED_VENUES | {"residential"}
LEG = [
    "vehicle_ix", "start_lat", "start_lon", "end_lat", "end_lon", "distance_m", "destination_kind", "dwell_s",
]  # fmt: skip
LEAST_USUAL_M = 1000.0
"""Ratios are to no shorter a way than this: round the corner everything is a detour."""


def detours(
    trips: pd.DataFrame, order: Int64Array, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT
) -> pd.DataFrame:
    """What each trip drove beyond what its dispatch order explains.

    Parameters
    ----------
    trips : by vehicle_ix and start_time; distance_m, places of both ends with their kinds, dwell_s.
    order : int64 (n,)   The row of each one's order, as `order_rows` gives it.

    Returns
    -------
    DataFrame   Index of `trips`: detour_m and detour_ratio (NaN without an order that names a place), unnamed_stop (1.0
    where it ends at, or sets out from, a home or a controlled venue that the order does not name, after a dwelling of
    `dwell_s`), named_place (1.0 where it ends at the order's destination).

    Notes
    -----
    An excursion is what lies between two explained places: the order's beginning, its destination, the base, other
    places of work. Its metres are compared with the usual way, `road_factor` times the straight one, by the destination
    while that has not been reached. Under way, at a place nothing explains, the way on to the destination or back to the
    base is added, whichever asks for less; so a trip is judged by itself and those before it, never by what follows.
    """
    nothing = pd.DataFrame(
        {"detour_m": np.nan, "detour_ratio": np.nan, "unnamed_stop": 0.0, "named_place": 0.0}, index=trips.index
    )
    rows = np.flatnonzero(order >= 0)
    rows = rows[~np.isnan(context.orders.destination_lat[order[rows]])]
    if not len(rows):
        return nothing
    order = order[rows]
    legs = trips[LEG].iloc[rows]
    there = context.orders.destination_lat[order], context.orders.destination_lon[order]
    vehicle = legs["vehicle_ix"].to_numpy()
    end = legs["end_lat"].to_numpy(), legs["end_lon"].to_numpy()
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = np.diff(order) != 0
    at_place = apart_m(*end, *there) <= thresholds.place_m
    home_m = context.bases.distance_m(vehicle, *end)
    explained = at_place | (home_m <= thresholds.base_m) | legs["destination_kind"].isin(PLACES_OF_WORK).to_numpy()
    first = new | np.concatenate(([False], explained[:-1]))
    opens = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    begin = legs["start_lat"].to_numpy()[opens], legs["start_lon"].to_numpy()[opens]
    driven = _since(legs["distance_m"].to_numpy(), opens)
    reached = _before(at_place, new)
    factor = thresholds.road_factor
    via = apart_m(*begin, *there) + apart_m(*there, *end)
    usual = factor * np.where(reached[opens], apart_m(*begin, *end), via)
    beyond, ratio = np.where(explained, driven - usual, np.inf), driven / np.maximum(usual, LEAST_USUAL_M)
    for lat, lon in _goals(context, vehicle, there):
        open_way, still = factor * apart_m(*begin, lat, lon), factor * apart_m(*end, lat, lon)
        less = ~explained & (driven + still - open_way < beyond)  # never where no base is declared: NaN
        beyond[less] = (driven + still - open_way)[less]
        ratio[less] = ((driven + still) / np.maximum(open_way, LEAST_USUAL_M))[less]
    private = ~explained & legs["destination_kind"].isin(PRIVATE_PLACES).to_numpy()
    private &= ~(legs["dwell_s"] < thresholds.dwell_s).to_numpy()
    after = np.concatenate(([False], private[:-1])) & ~new
    return nothing.assign(
        detour_m=_spread(rows, np.maximum(beyond, 0.0), len(trips), np.nan),
        detour_ratio=_spread(rows, ratio, len(trips), np.nan),
        unnamed_stop=_spread(rows, (private | after).astype(float), len(trips), 0.0),
        named_place=_spread(rows, at_place.astype(float), len(trips), 0.0),
    )


def order_rows(trips: pd.DataFrame, orders: Orders) -> Int64Array:
    """Row of each trip's order, −1 without one; numbers are unique over all vehicles."""
    numbers, wanted = (pd.Index(each, dtype=object) for each in (orders.order_no, trips["dispatch_order"]))
    return np.where(wanted.isna(), -1, numbers.get_indexer(wanted))


def _goals(
    context: FleetContext, vehicle: Int64Array, there: tuple[FloatArray, FloatArray]
) -> list[tuple[FloatArray, FloatArray]]:
    if not len(context.bases.lat):
        return [there]
    return [there, (context.bases.lat[vehicle], context.bases.lon[vehicle])]


def _since(metres: FloatArray, opens: Int64Array) -> FloatArray:
    """Sum of the metres from row opens[i] to row i."""
    total = np.cumsum(metres)
    since: FloatArray = total - (total - metres)[opens]
    return since


def _before(at: BoolArray, new: BoolArray) -> BoolArray:
    """Whether `at` held for an earlier row of the same group."""
    count: Int64Array = np.cumsum(at) - at
    start = np.maximum.accumulate(np.where(new, np.arange(len(at)), 0))
    before: BoolArray = np.greater(count, count[start])
    return before


def _spread(rows: Int64Array, values: FloatArray, n: int, otherwise: float) -> FloatArray:
    full = np.full(n, otherwise)
    full[rows] = values
    return full
