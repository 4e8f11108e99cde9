"""Metres outside district, city and province, against every step by itself; however the regions lie in each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import kernels
from analytics.area import outside_area
from analytics.audit import audit
from analytics.bounds import AREA, Bounds
from analytics.context import FleetContext, Regions
from analytics.regions import REGION_COLUMNS, out_of_regions
from analytics.segment import segment
from analytics.tally import Spans
from geo.positions import Positions
from geo.zones import Zone, ZoneIndex
from tests.analytics.test_audit import batch
from tests.analytics.tracks import MONDAY, Car, at, at_home_in, fleet, square

DISTRICT = square("d", "district", (-2_000, 3_000), (-4_000, 4_000))
CITY = square("c", "city", (-4_000, 9_000), (-9_000, 9_000))
PROVINCE = square("p", "province", (-90_000, 20_000), (-90_000, 20_000))
ASIDE = square("a", "city", (1_000, 9_000), (-90_000, 90_000))
REGIONS = st.tuples(
    st.sampled_from([None, DISTRICT]), st.sampled_from([None, CITY, ASIDE]), st.sampled_from([None, PROVINCE])
)


def found(track: Positions, context: FleetContext) -> dict[str, list[float]]:
    segments, steps = segment(track, kernels.silence_s(track, np.arange(len(track))))
    outside = kernels.outside_bounds(track, Bounds.of(context))
    trips = Spans.of(segments)
    sums, _ = kernels.tally(track, steps, trips, (outside & AREA) != 0, context)
    columns = out_of_regions(steps, trips, outside, sums["out_of_area_m"], context)
    return {name: column.tolist() for name, column in columns.items()}


def plain(track: Positions, zone: Zone | None) -> list[float]:
    """The slow twin: every position looked up, every step of every trip by itself."""
    segments, steps = segment(track, kernels.silence_s(track, np.arange(len(track))))
    trips = Spans.of(segments)
    if zone is None:
        return [np.nan] * len(trips)
    outside = outside_area(track, np.zeros(9, dtype=np.int32), ZoneIndex([zone]))
    metres = []
    for first, last in zip(trips.first, trips.last, strict=True):
        total = 0.0
        for row in range(first + 1, last + 1):
            share = (int(outside[row]) + int(outside[row - 1])) / 2
            total += float(np.rint(steps.metres[row] * share * 65_536) / 65_536) if steps.moving[row] else 0.0
        metres.append(total)
    return metres


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 5), REGIONS, st.sampled_from([None, DISTRICT, CITY, square("b", "base", (-500, 6_000))]))
def test_metres_outside_are_what_every_step_gives(
    seed: int, regions: tuple[Zone | None, Zone | None, Zone | None], area: Zone | None
) -> None:
    track = batch(seed)
    metres = found(track, fleet(2, regions=regions, area=area))
    for name, zone in zip(REGION_COLUMNS, regions, strict=True):
        np.testing.assert_array_equal(metres[name], plain(track, zone), err_msg=name)


def test_vehicles_are_at_home_in_zones_of_their_own() -> None:
    track = batch(1)
    of_first, of_other = at_home_in(1, (DISTRICT, CITY, None)), at_home_in(1, (None, ASIDE, PROVINCE))
    zone_ix = np.hstack((of_first.zone_ix, np.where(of_other.zone_ix < 0, -1, of_other.zone_ix + 2)))
    zones = ZoneIndex([*of_first.zones.zones, *of_other.zones.zones])
    holds, is_area = (np.hstack((getattr(of_first, name), getattr(of_other, name))) for name in ("holds", "is_area"))
    regions = Regions(zones, zone_ix.astype(np.int32), holds, is_area)
    metres = found(track, replace(fleet(2), regions=regions))
    for vehicle, (district, city, province) in enumerate([(DISTRICT, CITY, None), (None, ASIDE, PROVINCE)]):
        own = track.take(track.vehicle_ix == vehicle)
        trips = len(plain(own, CITY))
        part = slice(0, trips) if vehicle == 0 else slice(-trips, None)
        for name, zone in zip(REGION_COLUMNS, (district, city, province), strict=True):
            np.testing.assert_array_equal(metres[name][part], plain(own, zone), err_msg=name)


def test_the_district_as_permitted_area_gives_the_same_metres() -> None:
    context = replace(fleet(2, area=DISTRICT, regions=(DISTRICT, None, None)), border_tolerance_m=50.0)
    trips = audit(batch(2), context, MONDAY, MONDAY + 3).trips
    assert trips["out_of_area_m"].max() > 1000
    assert trips["out_of_district_m"].tolist() == trips["out_of_area_m"].tolist()
    assert trips["out_of_city_m"].isna().all()


def test_a_region_that_no_longer_holds_is_not_left() -> None:
    track = Car().report().drive(1200).park(900).positions()
    lapsed = replace(CITY, valid_to=at("07:00"))
    assert found(track, fleet(regions=(None, lapsed, None)))["out_of_city_m"] == [0.0]
    assert found(track, fleet(regions=(None, CITY, None)))["out_of_city_m"][0] == pytest.approx(5_400, abs=150)


def test_nothing_is_outside_of_nothing() -> None:
    track = Car().report().drive(1200).park(900).positions()
    assert np.isnan(list(found(track, fleet()).values())).all()
    assert found(Positions.empty(), fleet(regions=(DISTRICT, CITY, PROVINCE))) == {name: [] for name in REGION_COLUMNS}
