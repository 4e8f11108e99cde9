"""What is at a place: the most telling zone that holds it."""

import numpy as np
from numpy.typing import NDArray

from geo.arrays import Int32Array, Int64Array
from geo.zones import ZoneIndex

KINDS = (
    "base", "work_site", "golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel",
    "customer", "residential", "district", "city", "province",
)  # fmt: skip
"""Kinds of zones, the most telling first: a base inside a district is the base."""

CONTROLLED_VENUES = frozenset({"golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel"})
"""Venues under strict control: golf courses, entertainment, bath houses, hotels, schools; and restaurants."""


def places_at(
    zones: ZoneIndex, lat_e7: Int32Array, lon_e7: Int32Array, time: Int64Array | None = None
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Name (Chinese) and kind of the most telling zone at each place; object (n,), empty text where there is none.

    Among zones of one kind the first in the index's order counts; with `time` (µs UTC), those that hold then.
    """
    order = np.array(
        sorted(range(len(zones.zones)), key=lambda one: KINDS.index(zones.zones[one].kind)), dtype=np.int64
    )
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    names = np.array([*(zone.name_zh for zone in zones.zones), ""], dtype=object)
    kinds = np.array([*(zone.kind for zone in zones.zones), ""], dtype=object)
    position, zone = zones.members(lat_e7, lon_e7, time)
    place = np.full(len(lat_e7), -1, dtype=np.int64)
    if len(position):
        first = np.flatnonzero(np.concatenate(([True], position[1:] != position[:-1])))
        place[position[first]] = order[np.minimum.reduceat(rank[zone], first)]
    return names[place], kinds[place]


def venue_kinds(zones: ZoneIndex, venue_ix: Int32Array) -> NDArray[np.object_]:
    """Kind of each controlled venue, by its index among `zones.of_kinds(CONTROLLED_VENUES)`; empty text where it is −1."""
    venues = zones.of_kinds(CONTROLLED_VENUES).zones
    kinds = np.array([*(zone.kind for zone in venues), ""], dtype=object)
    found: NDArray[np.object_] = kinds[venue_ix]
    return found
