"""Where vehicles are at home: by their base, else their unit's area; and what lies in what."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.bounds import REGIONS
from geo.zones import Zone
from gongche.home_regions import HomeRegions, home_regions
from tests.analytics.tracks import at, square

EAST = square("east", "district", (0, 9_000), (-9_000, 9_000))
WEST = square("west", "district", (-9_000, 0), (-9_000, 9_000))
CITY = square("city", "city", (-9_000, 9_000), (-9_000, 9_000))
PROVINCE = square("province", "province", (-90_000, 90_000), (-90_000, 90_000))
FAR = square("far", "district", (80_000, 200_000), (0, 9_000))
YARD = square("yard", "base", (100, 300), (0, 200))
SITES = square("sites", "work_site", (-2_000, 1_000), (-3_000, 3_000))
ZONES = [EAST, WEST, CITY, PROVINCE, FAR, YARD, SITES]


def names(regions: HomeRegions, code: str) -> list[str]:
    return [regions.zones.zones[zone].code if zone >= 0 else "" for zone in regions.home.get(code, (-1, -1, -1))]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("yard", ["east", "city", "province"]), ("sites", ["west", "city", "province"]),
        ("east", ["east", "city", "province"]), ("city", ["", "city", "province"]),
        ("province", ["", "", "province"]), ("far", ["far", "", ""]), ("nowhere", ["", "", ""]), ("", ["", "", ""]),
    ],
)  # fmt: skip
def test_a_place_lies_where_its_middle_does_and_a_city_in_no_district(code: str, expected: list[str]) -> None:
    assert names(home_regions(ZONES, [code], []), code) == expected


def test_of_zones_that_follow_each_other_the_one_that_holds_longest() -> None:
    old = replace(EAST, code="old", valid_to=at("00:00"))
    assert names(home_regions([old, *ZONES], ["yard"], []), "yard")[0] == "east"
    assert names(home_regions([*ZONES, old], ["yard"], []), "yard")[0] == "east"


@pytest.mark.parametrize(
    ("home", "area", "holds"),
    [
        ("yard", "east", [True, True, True]), ("yard", "city", [False, True, True]), ("yard", "", [False, True, True]),
        ("yard", "far", [False, True, True]), ("city", "east", [False, True, True]), ("far", "far", [True, False, False]),
        ("", "east", [False, False, False]),
    ],
)  # fmt: skip
def test_what_is_next_below_lies_in_it_or_not(home: str, area: str, holds: list[bool]) -> None:
    regions = home_regions(ZONES, ["yard", "city", "far"], ["east", "city", "far"]).of([home], [area])
    assert regions.holds[:, 0].tolist() == holds
    codes = [regions.zones.zones[zone].code if zone >= 0 else None for zone in regions.zone_ix[:, 0]]
    assert regions.is_area[:, 0].tolist() == [code == area for code in codes]


def test_each_vehicle_has_its_own_column_and_no_vehicle_none() -> None:
    regions = home_regions(ZONES, ["yard", "sites"], ["east"])
    found = regions.of(["yard", "sites", "yard"], ["east", "", ""])
    assert [found.zones.zones[zone].code for zone in found.zone_ix[0]] == ["east", "west", "east"]
    assert found.zone_ix.dtype == np.int32
    assert found.zone_ix.shape == found.holds.shape == found.is_area.shape == (3, 3)
    nobody = regions.of([], [])
    assert nobody.zone_ix.shape == (len(REGIONS), 0)
    assert home_regions([], ["yard"], ["east"]).of(["yard"], ["east"]).zone_ix.tolist() == [[-1], [-1], [-1]]


def test_a_border_drawn_a_few_metres_aside_holds_still() -> None:
    within = square("within", "district", (0, 9_005), (-9_005, 9_000))
    beyond = square("beyond", "district", (0, 9_020), (-9_000, 9_000))
    zones: list[Zone] = [within, beyond, CITY]
    regions = home_regions(zones, ["city"], ["within", "beyond"])
    assert [regions.of(["city"], [area]).holds[1, 0] for area in ("within", "beyond")] == [True, False]
