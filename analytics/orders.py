"""Permission for a trip: the dispatch order that covers it, the driver's card that was in."""

import numpy as np
from numpy.typing import NDArray

from analytics.context import Orders, Swipes
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import FloatArray, Int32Array, Int64Array
from geo.localtime import SECOND_US


def order_cover(
    orders: Orders, vehicle_ix: Int32Array, start: Int64Array, end: Int64Array, thresholds: Thresholds = DEFAULT
) -> tuple[NDArray[np.object_], FloatArray]:
    """The dispatch order of each trip and the share of its time that it covers.

    Parameters
    ----------
    orders : sorted by (vehicle_ix, starts).
    vehicle_ix, start, end : (n,)   Trips; µs UTC.

    Returns
    -------
    order_no : object (n,)   None where no order covers `order_min_cover` of the trip.
    cover : float64 (n,)   0 … 1, of the order that covers most, its time widened by `order_margin_s`; ties go to the
        earlier order.
    """
    number = np.full(len(start), None, dtype=object)
    cover = np.zeros(len(start))
    if not len(orders.starts) or not len(start):
        return number, cover
    margin = int(thresholds.order_margin_s * SECOND_US)
    # Vehicle and time on one axis; ends as running maxima, so that a long early order is not searched past.
    low = min(int(orders.starts.min()) - margin, int(start.min()))
    span = max(int(orders.ends.max()) + margin, int(end.max())) - low + 1
    begins = orders.vehicle_ix.astype(np.int64) * span + (orders.starts - margin - low)
    latest_end = np.maximum.accumulate(orders.vehicle_ix.astype(np.int64) * span + (orders.ends + margin - low))
    axis = vehicle_ix.astype(np.int64) * span
    first = np.searchsorted(latest_end, axis + (start - low), side="right")
    stop = np.searchsorted(begins, axis + (end - low), side="left")
    count = np.maximum(stop - first, 0)
    trip = np.repeat(np.arange(len(start)), count)
    order = np.repeat(first, count) + np.arange(len(trip)) - np.repeat(np.cumsum(count) - count, count)
    mine = orders.vehicle_ix[order] == vehicle_ix[trip]
    trip, order = trip[mine], order[mine]
    shared = np.minimum(orders.ends[order] + margin, end[trip]) - np.maximum(orders.starts[order] - margin, start[trip])
    share = np.clip(shared / np.maximum(end[trip] - start[trip], 1), 0.0, 1.0)
    best = np.lexsort((order, -share, trip))
    trip, order, share = trip[best], order[best], share[best]
    top = np.ones(len(trip), dtype=np.bool_)
    top[1:] = np.diff(trip) != 0
    cover[trip[top]] = share[top]
    covered = top & (share >= thresholds.order_min_cover)
    number[trip[covered]] = orders.order_no[order[covered]]
    return number, cover


def driver_cards(
    swipes: Swipes, vehicle_ix: Int32Array, start: Int64Array, end: Int64Array, thresholds: Thresholds = DEFAULT
) -> tuple[NDArray[np.object_], FloatArray]:
    """The driver's card of each trip, and whether it was missing.

    Returns
    -------
    card : object (n,)   The card that was in at the start, or put in within `card_margin_s` of it; None without one.
    missing : float64 (n,)   1.0 no card was in; 0.0 one was; NaN for a vehicle that never reported a card, of which
        nothing can be said.
    """
    card = np.full(len(start), None, dtype=object)
    missing = np.full(len(start), np.nan)
    if not len(swipes.swiped_at) or not len(start):
        return card, missing
    until = np.minimum(start + int(thresholds.card_margin_s * SECOND_US), end)
    low = min(int(swipes.swiped_at.min()), int(start.min()))
    span = max(int(swipes.swiped_at.max()), int(end.max())) - low + 1
    axis = swipes.vehicle_ix.astype(np.int64) * span + (swipes.swiped_at - low)
    of_trip = vehicle_ix.astype(np.int64) * span
    swipe = np.searchsorted(axis, of_trip + (start - low), side="right") - 1
    was_in = (swipe >= 0) & (swipes.vehicle_ix[swipe] == vehicle_ix) & swipes.inserted[swipe]
    # Else the first one put in after it. What is taken out again at the end of the trip was in all the same.
    insertions = np.flatnonzero(swipes.inserted)
    after = np.searchsorted(axis[insertions], of_trip + (start - low), side="right")
    in_time = ~was_in & (after < np.searchsorted(axis[insertions], of_trip + (until - low), side="right"))
    swipe[in_time] = insertions[after[in_time]]
    inserted = was_in | in_time
    card[inserted] = swipes.driver_card[swipe[inserted]]
    missing[np.isin(vehicle_ix, swipes.vehicle_ix)] = 1.0
    missing[inserted] = 0.0
    return card, missing
