"""Trips under a dispatch order against that order's route: metres beyond it, and stops it does not name."""

import numpy as np

from analytics.asked import Asked
from analytics.context import FleetContext, Orders
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.vocabulary import CONTROLLED_VENUES
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.distance import apart_m

PLACES_OF_WORK = frozenset({"base", "work_site", "customer"})
"""A stop at one of these needs no naming in the order: several places of work lie on one round."""

PRIVATE_PLACES = CONTROLLED_VENUES | {"residential"}
LEAST_USUAL_M = 1000.0
"""Ratios are to no shorter a way than this: round the corner everything is a detour."""


def detours(
    trips: Asked, order: Int64Array, context: FleetContext, thresholds: EvidenceThresholds = DEFAULT
) -> Columns:
    """What each trip drove beyond what its dispatch order explains.

    Parameters
    ----------
    trips : by vehicle_ix and start_time; distance_m, places of both ends with their kinds, dwell_s.
    order : int64 (n,)   The row of each one's order, as `order_rows` gives it.

    Returns
    -------
    float64 (n,) each   detour_m and detour_ratio (NaN without an order that names a place), unnamed_stop (1.0
    where it ends at, or sets out from, a home or a controlled venue that the order does not name, after a dwelling of
    `dwell_s`), named_place (1.0 where it ends at the order's destination).

    Notes
    -----
    An excursion is what lies between two explained places: the order's beginning, its destination, the base, other
    places of work. Its metres are compared with the usual way, `road_factor` times the straight one, by the destination
    while that has not been reached. Under way, at a place nothing explains, the way on to the destination or back to the
    base is added, whichever asks for less; so a trip is judged by itself and those before it, never by what follows.
    """
    nothing = {"detour_m": np.nan, "detour_ratio": np.nan, "unnamed_stop": 0.0, "named_place": 0.0}
    found = {name: np.full(len(trips), value) for name, value in nothing.items()}
    rows = np.flatnonzero(order >= 0)
    rows = rows[~np.isnan(context.orders.destination_lat[order[rows]])]
    if not len(rows):
        return found
    order = order[rows]
    there = context.orders.destination_lat[order], context.orders.destination_lon[order]
    vehicle = trips["vehicle_ix"][rows]
    start, end = ((trips[f"{end}_lat"][rows], trips[f"{end}_lon"][rows]) for end in ("start", "end"))
    destination = trips.column("destination_kind")
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = np.diff(order) != 0
    there_m = apart_m(*end, *there)
    at_place = there_m <= thresholds.place_m
    home_m = context.bases.distance_m(vehicle, *end)
    explained = at_place | (home_m <= thresholds.base_m) | destination.among(PLACES_OF_WORK)[rows]
    first = new | np.concatenate(([False], explained[:-1]))
    opens = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    begin = start[0][opens], start[1][opens]
    driven = _since(trips["distance_m"][rows], opens)
    reached = _before(at_place, new)
    factor = thresholds.road_factor
    begin_m = apart_m(*begin, *there)
    straight = begin_m + there_m
    back = np.flatnonzero(reached[opens])
    straight[back] = apart_m(begin[0][back], begin[1][back], end[0][back], end[1][back])
    usual = factor * straight
    beyond, ratio = np.where(explained, driven - usual, np.inf), driven / np.maximum(usual, LEAST_USUAL_M)
    under_way = np.flatnonzero(~explained)
    ways = [[begin_m[under_way], there_m[under_way]]]
    if len(context.bases.lat):
        home = context.bases.lat[vehicle[under_way]], context.bases.lon[vehicle[under_way]]
        ways.append([apart_m(lat[under_way], lon[under_way], *home) for lat, lon in (begin, end)])
    for opens_m, ends_m in ways:
        open_way, whole = factor * opens_m, driven[under_way] + factor * ends_m
        less = whole - open_way < beyond[under_way]  # never where no base is declared: NaN
        at = under_way[less]
        beyond[at] = (whole - open_way)[less]
        ratio[at] = (whole / np.maximum(open_way, LEAST_USUAL_M))[less]
    private = ~explained & destination.among(PRIVATE_PLACES)[rows] & ~(trips["dwell_s"][rows] < thresholds.dwell_s)
    after = np.concatenate(([False], private[:-1])) & ~new
    for name, values in zip(found, (np.maximum(beyond, 0.0), ratio, private | after, at_place), strict=True):
        found[name][rows] = values
    return found


def order_rows(trips: Asked, orders: Orders) -> Int64Array:
    """Row of each trip's order, −1 without one; numbers are unique over all vehicles."""
    row = {number: ix for ix, number in enumerate(orders.order_no.tolist())}
    return np.array([row.get(number, -1) for number in trips["dispatch_order"].tolist()], dtype=np.int64)


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
