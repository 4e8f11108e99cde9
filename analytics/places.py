"""What is at a place: the most telling zone that holds it."""

import numpy as np
from numpy.typing import NDArray

from geo.arrays import Int32Array
from geo.zones import ZoneIndex

KINDS = (
    "base", "work_site", "golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel",
    "customer", "residential", "district", "city", "province",
)  # fmt: skip
"""Kinds of zones, the most telling first: a base inside a district is the base."""

CONTROLLED_VENUES = frozenset({"golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel"})
"""Venues under strict control: golf courses, entertainment, bath houses, hotels, schools; and restaurants."""


def places_at(
    zones: ZoneIndex, lat_e7: Int32Array, lon_e7: Int32Array
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Name (Chinese) and kind of the most telling zone at each place; object (n,), empty text where there is none.

    Among zones of one kind the first in the index's order counts.
    """
    name = np.full(len(lat_e7), "", dtype=object)
    kind = np.full(len(lat_e7), "", dtype=object)
    if not zones.zones:
        return name, kind
    rank = np.array([KINDS.index(zone.kind) for zone in zones.zones])
    names = np.array([zone.name_zh for zone in zones.zones], dtype=object)
    kinds = np.array([zone.kind for zone in zones.zones], dtype=object)
    position, zone = zones.members(lat_e7, lon_e7)
    order = np.lexsort((zone, rank[zone], position))
    position, zone = position[order], zone[order]
    first = np.ones(len(position), dtype=np.bool_)
    first[1:] = np.diff(position) != 0
    name[position[first]] = names[zone[first]]
    kind[position[first]] = kinds[zone[first]]
    return name, kind


def venue_kinds(zones: ZoneIndex, venue_ix: Int32Array) -> NDArray[np.object_]:
    """Kind of each controlled venue, by its index among `zones.of_kinds(CONTROLLED_VENUES)`; empty text where it is −1."""
    venues = zones.of_kinds(CONTROLLED_VENUES).zones
    kinds = np.array([*(zone.kind for zone in venues), ""], dtype=object)
    found: NDArray[np.object_] = kinds[venue_ix]
    return found
