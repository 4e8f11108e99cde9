"""What is at a place: the most telling zone that holds it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.zones import Zone, ZoneIndex

KINDS = (
    "base", "work_site", "golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel",
    "customer", "residential", "district", "city", "province",
)  # fmt: skip
"""Kinds of zones, the most telling first: a base inside a district is the base."""

CONTROLLED_VENUES = frozenset({"golf_course", "entertainment", "bath_house", "school", "restaurant", "hotel"})
"""Venues under strict control: golf courses, entertainment, bath houses, hotels, schools; and restaurants."""


_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Places:
    """The most telling zone of each of some places: its index among `zones`, −1 where there is none.

    Zones are few and places many: what is asked of a place is answered for each zone once.
    """

    zones: Sequence[Zone]
    ix: Int64Array  # (n,)

    @property
    def names(self) -> "pd.Series[str]":
        """Chinese names (n,); empty text where there is none."""
        return texts([zone.name_zh for zone in self.zones], self.ix)

    @property
    def kinds(self) -> "pd.Series[str]":
        """Kinds (n,); empty text where there is none."""
        return texts([zone.kind for zone in self.zones], self.ix)

    def among(self, kinds: Collection[str]) -> BoolArray:
        """Whether each is of one of these kinds; bool (n,)."""
        return np.array([*(zone.kind in kinds for zone in self.zones), False], dtype=np.bool_)[self.ix]


def places_at(zones: ZoneIndex, lat_e7: Int32Array, lon_e7: Int32Array, time: Int64Array | None = None) -> Places:
    """The most telling zone at each place.

    Among zones of one kind the first in the index's order counts; with `time` (µs UTC), those that hold then.
    """
    order = np.argsort([_RANK[zone.kind] for zone in zones.zones], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    position, zone = zones.members(lat_e7, lon_e7, time)
    place = np.full(len(lat_e7), -1, dtype=np.int64)
    if len(position):
        first = np.flatnonzero(np.concatenate(([True], position[1:] != position[:-1])))
        place[position[first]] = order[np.minimum.reduceat(rank[zone], first)]
    return Places(zones.zones, place)


def venues(zones: ZoneIndex, venue_ix: Int32Array) -> Places:
    """The controlled venues of such an index among `zones.of_kinds(CONTROLLED_VENUES)`."""
    return Places(zones.of_kinds(CONTROLLED_VENUES).zones, venue_ix.astype(np.int64))


def texts(choices: Sequence[str], which: Int64Array) -> "pd.Series[str]":
    """Of some texts the one of each number, the empty text for −1; a column of one dtype, with or without rows."""
    codes = np.where(which < 0, len(choices), which)
    return pd.Series(pa.array([*choices, ""], pa.large_string()).take(pa.array(codes)), dtype="str")
