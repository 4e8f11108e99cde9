"""What each vehicle is bound to: the area it is permitted in, and the regions it is at home in; nested where they are."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from analytics.context import FleetContext, Regions
from analytics.thresholds import Thresholds
from geo.arrays import BoolArray, FloatArray, Int16Array, Int32Array
from geo.zones import ZoneIndex

REGIONS = ("district", "city", "province")
"""Kinds of zones that hold each other, the smallest first: the rows of `Regions`."""
LEVELS = 1 + len(REGIONS)
"""Permitted area, then the regions: the rows of `Bounds`, and the bits of what lies outside of them."""
AREA = np.uint8(1)
"""The bit of the permitted area."""

_ACCURACY_M = np.array([100.0, 100.0, 100.0, 100.0, 50.0, 30.0, 20.0, 15.0])
"""Radius that holds 95 % of fixes, by satellites in the fix; the last for seven and more, and where none are told.

JT/T 794 allows 15 m, which open sky with seven satellites keeps with ease. Each satellite less weakens the geometry:
five leave one to check the others by, four none at all, and a fix from three rests on an assumed height or on dead
reckoning. Many protocols do not tell; a terminal that passed the standard's test is then taken at its word.
"""
_NOT_TOLD = len(_ACCURACY_M) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Zones of each vehicle by level, (LEVELS, v), in one index for all levels."""

    zones: ZoneIndex
    zone_ix: Int32Array
    """−1: there is none."""
    holds: BoolArray
    """As in `Regions`: what surely lies in the level below is then not looked up. An area holds nothing below."""
    is_area: BoolArray
    """Whether it is the permitted area itself: it is not looked up either."""
    tolerance_m: float

    @classmethod
    def of(cls, context: FleetContext) -> Self:
        """Of the vehicles of a context."""
        return cls._of(context.area_ix, context.areas, context.regions, context.border_tolerance_m)

    @classmethod
    def of_areas(cls, area_ix: Int32Array, areas: ZoneIndex, tolerance_m: float = 0.0) -> Self:
        """Of vehicles of which only the permitted area is known."""
        return cls._of(area_ix, areas, Regions.unknown(), tolerance_m)

    @classmethod
    def _of(cls, area_ix: Int32Array, areas: ZoneIndex, regions: Regions, tolerance_m: float) -> Self:
        zones, own, others = areas.joined(regions.zones)
        zone_ix = np.full((LEVELS, len(area_ix)), -1, dtype=np.int32)
        holds, is_area = np.zeros((2, *zone_ix.shape), dtype=np.bool_)
        zone_ix[0] = np.append(own, np.int32(-1))[area_ix]
        if len(others):
            zone_ix[1:] = np.append(others, np.int32(-1))[regions.zone_ix]
            holds[1:], is_area[1:] = regions.holds, regions.is_area
        return cls(zones, zone_ix, holds, is_area, tolerance_m)

    def radius_m(self, satellites: Int16Array, thresholds: Thresholds) -> FloatArray:
        """Radius of the circle that surely holds the vehicle, and no less than the border's tolerance; float64 (n,)."""
        return self.radii_m(thresholds).take(np.where(satellites < 0, _NOT_TOLD, satellites), mode="clip")

    def radii_m(self, thresholds: Thresholds) -> FloatArray:
        """`radius_m` by satellites, the last for more and where none are told."""
        return np.maximum(_ACCURACY_M * thresholds.error_circles, self.tolerance_m)
