"""What a zone is: a named area on the ground, its kind, and when it holds."""

from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import Geod

from geo.arrays import FloatArray
from geo.distance import metres_per_degree

CIRCLE_ERROR_M = 0.05
"""A circle's outline stays this close to the true one: a hundredth of what a fix is good for, with few corners."""

KINDS = (
    "district", "city", "province", "base", "golf_course", "entertainment", "bath_house", "hotel", "school", "restaurant",
    "residential", "work_site", "customer",
)  # fmt: skip

_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Circle:
    """All places within a distance on the ellipsoid of a centre in WGS-84."""

    lat: float
    lon: float
    radius_m: float

    def outline(self) -> shapely.Polygon:
        """Polygon whose border lies within `CIRCLE_ERROR_M` of the circle, half of it outside and half inside."""
        deepest = min(2 * CIRCLE_ERROR_M / self.radius_m, 0.1)
        corners = max(16, int(np.ceil(np.pi / np.arccos(1 - deepest))))
        azimuth = np.arange(corners) * (360.0 / corners)
        reach = np.full(corners, self.radius_m * (1 + (1 - np.cos(np.pi / corners)) / 2))
        lon, lat, _ = _GEOD.fwd(np.full(corners, self.lon), np.full(corners, self.lat), azimuth, reach)
        return shapely.polygons(np.column_stack((lon, lat)))


@dataclass(frozen=True, slots=True)
class Zone:
    """A named area: geometry in WGS-84 (x longitude, y latitude), what kind of place it is, and when it holds."""

    zone_id: int
    code: str
    kind: str
    name_zh: str
    name_en: str
    geometry: shapely.Geometry
    """Polygon or MultiPolygon; the outline, where the zone is a circle."""
    circle: Circle | None = None
    valid_from: int | None = None  # µs UTC, inclusive; None: since ever
    valid_to: int | None = None  # µs UTC, exclusive; None: for ever


def widen(geometry: shapely.Geometry, margin_m: float) -> shapely.Geometry:
    """The geometry grown by `margin_m` metres on all sides (shrunk, if negative).

    Degrees are scaled to metres at the middle latitude of the geometry: within 1 % of the margin for zones less than
    a degree high.
    """
    south, north = shapely.bounds(geometry)[[1, 3]]
    scale: FloatArray = np.array(metres_per_degree(np.array([(south + north) / 2])))[::-1, 0]
    grown = shapely.buffer(shapely.transform(geometry, lambda xy: xy * scale), margin_m, quad_segs=8)
    return shapely.transform(grown, lambda xy: xy / scale)
