"""District, city and province that vehicles are at home in: where their base lies, else their unit's permitted area."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from analytics.bounds import REGIONS
from analytics.context import Regions
from geo.zones import FOR_EVER, Zone, ZoneIndex

CELL_DEG = 0.004
"""Cells of half a kilometre: few columns of memory for a province, and its border parts are 50 m wide still."""
SLACK_DEG = 1e-4
"""A zone holds another that leaves it by 10 m at most: nothing within that counts as outside, whose circle is larger."""
NOWHERE = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class HomeRegions:
    """Zones that vehicles are at home in, by the codes of bases, areas and zones."""

    zones: ZoneIndex
    home: Mapping[str, tuple[int, ...]]
    """Code of a base or area → index of its district, city and province; −1: there is none."""
    within: frozenset[tuple[str, int]]
    """Code of an area or region, and the index of a region that holds it."""

    def of(self, homes: Sequence[str], areas: Sequence[str]) -> Regions:
        """Of vehicles with these bases (else their units' areas) and permitted areas; an empty code is none."""
        each = list(zip(homes, areas, strict=True))
        columns = {pair: self._column(*pair) for pair in set(each)}
        parts = (np.array([columns[pair][part] for pair in each]).reshape(-1, len(REGIONS)).T for part in range(3))
        zone_ix, holds, is_area = parts
        return Regions(self.zones, zone_ix.astype(np.int32), holds.astype(np.bool_), is_area.astype(np.bool_))

    def _column(self, home: str, area: str) -> tuple[tuple[int, ...], list[bool], list[bool]]:
        """Of a vehicle with this base and permitted area: its regions, whether they hold what is below, are the area."""
        regions = self.home.get(home, NOWHERE)
        codes = [self.zones.zones[region].code if region >= 0 else "" for region in regions]
        below, holds = area, []
        for region, code in zip(regions, codes, strict=True):
            holds.append((below, region) in self.within)
            below = code or below
        return regions, holds, [code != "" and code == area for code in codes]


def home_regions(zones: Sequence[Zone], homes: Iterable[str], areas: Iterable[str]) -> HomeRegions:
    """What bases and areas with these codes lie in; a code that no zone has lies nowhere.

    A place lies in the zone of a kind that holds its middle; of several the one that holds longest, then the first. An
    area that is itself a city lies in no district, one that is a province in no city.
    """
    by_code = {zone.code: zone for zone in zones}
    found = [zone for zone in zones if zone.kind in REGIONS]
    places = [by_code[code] for code in sorted({*homes} & by_code.keys())]
    at = {place.code: _regions_of(place, held) for place, held in zip(places, _holding(places, found), strict=True)}
    wanted = {code for regions in at.values() for code in regions}
    used = [zone for zone in found if zone.code in wanted]
    number = {zone.code: ix for ix, zone in enumerate(used)} | {"": -1}
    inner = [*(by_code[code] for code in sorted({*areas} & by_code.keys())), *used]
    return HomeRegions(
        ZoneIndex(used, CELL_DEG),
        {place: tuple(number[code] for code in regions) for place, regions in at.items()},
        frozenset(_within(inner, used)),
    )


def _holding(places: Sequence[Zone], regions: Sequence[Zone]) -> list[list[Zone]]:
    """The regions that hold the middle of each place."""
    held: list[list[Zone]] = [[] for _ in places]
    middles = shapely.point_on_surface(_geometries(places))
    pairs = shapely.STRtree(_geometries(regions)).query(middles, predicate="intersects")
    for place, region in sorted(zip(*pairs.tolist(), strict=True)):
        held[place].append(regions[region])
    return held


def _regions_of(place: Zone, held: Sequence[Zone]) -> list[str]:
    """Codes of the district, city and province of a place; empty where there is none."""
    own = REGIONS.index(place.kind) if place.kind in REGIONS else -1
    codes = [""] * len(REGIONS)
    for level in range(own + 1, len(REGIONS)):
        mine = [zone for zone in held if zone.kind == REGIONS[level]]
        codes[level] = max(mine, key=_holds_until).code if mine else ""
    if own >= 0:
        codes[own] = place.code
    return codes


def _holds_until(zone: Zone) -> int:
    return FOR_EVER if zone.valid_to is None else zone.valid_to


def _within(inner: Sequence[Zone], regions: Sequence[Zone]) -> set[tuple[str, int]]:
    wide = shapely.buffer(_geometries(regions), SLACK_DEG, quad_segs=1)
    region, place = shapely.STRtree(_geometries(inner)).query(wide, predicate="covers")
    return {(inner[one].code, other) for one, other in zip(place.tolist(), region.tolist(), strict=True)}


def _geometries(zones: Sequence[Zone]) -> NDArray[Any]:
    return np.array([zone.geometry for zone in zones], dtype=object)
