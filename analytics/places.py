"""What is at a place: the most telling zone that holds it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from analytics.vocabulary import CONTROLLED_VENUES, KINDS
from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.zones import Zone, ZoneIndex

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Places:
    """The most telling zone of each of some places: its index among `zones`, −1 where there is none.

    Zones are few and places many: what is asked of a place is answered for each zone once.
    """

    zones: Sequence[Zone]
    ix: Int64Array  # (n,)
    rank: Int64Array  # (n,): index of its kind among KINDS, −1 where there is none

    @property
    def names(self) -> "pd.Series[str]":
        """Chinese names (n,); empty text where there is none."""
        return texts([zone.name_zh for zone in self.zones], self.ix)

    @property
    def kinds(self) -> "pd.Series[str]":
        """Kinds (n,); empty text where there is none."""
        return texts(KINDS, self.rank)

    def among(self, kinds: Collection[str]) -> BoolArray:
        """Whether each is of one of these kinds; bool (n,)."""
        return np.array([*(kind in kinds for kind in KINDS), False], dtype=np.bool_)[self.rank]


def places_at(zones: ZoneIndex, lat_e7: Int32Array, lon_e7: Int32Array, time: Int64Array | None = None) -> Places:
    """The most telling zone at each place.

    Among zones of one kind the first in the index's order counts; with `time` (µs UTC), those that hold then.
    """
    kinds = _ranks(zones.zones)
    order = np.argsort(kinds, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    position, zone = zones.members(lat_e7, lon_e7, time)
    place = np.full(len(lat_e7), -1, dtype=np.int64)
    if len(position):
        first = np.flatnonzero(np.concatenate(([True], position[1:] != position[:-1])))
        place[position[first]] = order[np.minimum.reduceat(rank[zone], first)]
    return Places(zones.zones, place, np.append(kinds, -1)[place])


def venues(zones: ZoneIndex, venue_ix: Int32Array) -> Places:
    """The controlled venues of such an index among `zones.of_kinds(CONTROLLED_VENUES)`."""
    found = zones.of_kinds(CONTROLLED_VENUES).zones
    return Places(found, venue_ix.astype(np.int64), np.append(_ranks(found), -1)[venue_ix])


def _ranks(zones: Sequence[Zone]) -> Int64Array:
    return np.array([_RANK[zone.kind] for zone in zones], dtype=np.int64)


def texts(choices: Sequence[str], which: Int64Array) -> "pd.Series[str]":
    """Of some texts the one of each number, the empty text for −1; a column of one dtype, with or without rows."""
    codes = np.where(which < 0, len(choices), which)
    return as_texts(pa.array([*choices, ""], pa.large_string()).take(pa.array(codes)))


def as_texts(column: pa.LargeStringArray | pa.ChunkedArray) -> "pd.Series[str]":
    """A column of Arrow's texts as pandas has it, nothing copied or looked at."""
    return pd.Series(pd.arrays.ArrowStringArray(column, dtype=_TEXT))  # type: ignore[call-arg]  # stubs lack dtype


_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
"""What pandas calls "str"."""
