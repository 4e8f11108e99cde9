"""The most telling zone names a place."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from analytics.places import places_at
from analytics.vocabulary import KINDS
from geo.zones import ZoneIndex
from tests.analytics.tracks import place, square


def names_at(index: ZoneIndex, *east_m: float) -> list[tuple[str, str]]:
    lat, lon = place(np.zeros(len(east_m)), np.array(east_m))
    found = places_at(index, np.round(lat * 1e7).astype(np.int32), np.round(lon * 1e7).astype(np.int32))
    return list(zip(found.names.tolist(), found.kinds.tolist(), strict=True))


def test_a_base_in_a_district_is_the_base_and_nowhere_is_empty() -> None:
    index = ZoneIndex([square("d", "district", (-5000, 5000)), square("b", "base", (-100, 100))])
    assert names_at(index, 0.0, 1000.0, 9000.0) == [("b地", "base"), ("d地", "district"), ("", "")]


def test_among_equals_the_first_counts() -> None:
    index = ZoneIndex([square("x", "hotel", (-100, 100)), square("y", "hotel", (-200, 200))])
    assert names_at(index, 0.0, 150.0) == [("x地", "hotel"), ("y地", "hotel")]


def test_each_kind_is_outranked_by_those_before_it() -> None:
    for telling, other in pairwise(KINDS):
        index = ZoneIndex([square("o", other, (-100, 100)), square("t", telling, (-100, 100))])
        assert names_at(index, 0.0) == [("t地", telling)]


def test_a_zone_names_a_place_only_while_it_holds() -> None:
    index = ZoneIndex([replace(square("b", "base", (-100, 100)), valid_to=100), square("d", "district", (-5000, 5000))])
    lat, lon = (np.round(each * 1e7).astype(np.int32) for each in place(np.zeros(2), np.zeros(2)))
    assert places_at(index, lat, lon, np.array([99, 100])).kinds.tolist() == ["base", "district"]


def test_without_zones_or_places_there_is_nothing() -> None:
    assert names_at(ZoneIndex([]), 0.0) == [("", "")]
    assert names_at(ZoneIndex([square("x", "hotel", (-100, 100))])) == []
