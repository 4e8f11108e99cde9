"""Zones: named areas, read from GeoJSON, found by a raster index.

The index divides the ground into square cells and knows for each cell which zones hold it wholly and which zones'
border runs through it. Only positions in border cells pay for the exact test, so the cost per position hardly depends
on how many zones there are or how many vertices they have.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.distance import metres_per_degree

MAX_CELLS = 16_000_000
_QUADRANTS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Zone:
    """A named area: GeoJSON-like geometry in WGS-84 (x longitude, y latitude) and what kind of place it is."""

    zone_id: int
    code: str
    kind: str
    name_zh: str
    name_en: str
    geometry: shapely.Geometry


class ZoneIndex:
    """Which zones is each position in: a raster over the zones' ground, exact at the borders.

    Parameters
    ----------
    zones : sequence of Zone   They may overlap; their order gives the zone index.
    cell_deg : float   Side of a cell, degrees. 0.001 (about 100 m) suits districts, 0.0005 thousands of small zones.

    Notes
    -----
    A position exactly on a border belongs to the zone (`covers`), decided on the integer grid of 10⁻⁷ degrees.
    Cells are classified from coarse to fine: a block is split only while a border runs through it, so building costs
    the length of the borders and not their area. Memory: 4 bytes a cell of the bounding box, `MAX_CELLS` at most:
    over a province the cells grow, and only speed changes.
    """

    def __init__(self, zones: Sequence[Zone], cell_deg: float = 0.001) -> None:
        self.zones = tuple(zones)
        geometries = np.array([zone.geometry for zone in self.zones], dtype=object)
        shapely.prepare(geometries)
        self._geometries = geometries
        bounds = shapely.total_bounds(geometries) if len(self.zones) else np.zeros(4)
        if np.isnan(bounds).any():
            bounds = np.zeros(4)
        self._cell_e7 = round(cell_deg * 1e7)
        while (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) * 1e14 / self._cell_e7**2 > MAX_CELLS:
            self._cell_e7 *= 2
        self._west, self._south, east, north = (int(np.floor(bound * 1e7 / self._cell_e7)) for bound in bounds)
        self._columns, self._rows = east - self._west + 1, north - self._south + 1
        inside, border = self._classify()
        self._cell_set, self._set_start, self._set_zone, self._set_exact = self._number_sets(inside, border)

    def members(self, lat_e7: Int32Array, lon_e7: Int32Array) -> tuple[Int64Array, Int32Array]:
        """Every (position, zone) pair where the position lies in the zone.

        Parameters
        ----------
        lat_e7, lon_e7 : int32 (n,)   WGS-84 degrees × 10⁷.

        Returns
        -------
        position_index : int64 (m,)   Ascending; a position in no zone does not appear, one in two appears twice.
        zone_index : int32 (m,)   Index into `zones`, ascending within a position.
        """
        sets = self._sets_of(lat_e7, lon_e7)
        held = np.flatnonzero(sets)
        start, stop = self._set_start[sets[held]], self._set_start[sets[held] + 1]
        count = stop - start
        position = np.repeat(held, count)
        offset = np.arange(len(position)) - np.repeat(np.cumsum(count) - count, count)
        entry = np.repeat(start, count) + offset
        zone, exact = self._set_zone[entry], self._set_exact[entry]
        test = np.flatnonzero(exact)
        keep = np.ones(len(position), dtype=np.bool_)
        keep[test] = self._covers(zone[test], lat_e7[position[test]], lon_e7[position[test]])
        return position[keep], zone[keep]

    def inside(self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array) -> BoolArray:
        """Whether position i lies in zone zone_ix[i]; bool (n,). False where zone_ix is −1."""
        found = np.zeros(len(lat_e7), dtype=np.bool_)
        position, zone = self.members(lat_e7, lon_e7)
        found[position[zone == zone_ix[position]]] = True
        return found

    def _sets_of(self, lat_e7: Int32Array, lon_e7: Int32Array) -> Int32Array:
        row = lat_e7 // np.int32(self._cell_e7) - np.int32(self._south)
        column = lon_e7 // np.int32(self._cell_e7) - np.int32(self._west)
        within = (row >= 0) & (row < self._rows) & (column >= 0) & (column < self._columns)
        sets = np.zeros(len(lat_e7), dtype=np.int32)
        sets[within] = self._cell_set[row[within].astype(np.int64) * self._columns + column[within]]
        return sets

    def _covers(self, zone: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array) -> BoolArray:
        covered = np.zeros(len(zone), dtype=np.bool_)
        for each in np.unique(zone):
            rows = np.flatnonzero(zone == each)
            covered[rows] = shapely.intersects_xy(self._geometries[each], lon_e7[rows] * 1e-7, lat_e7[rows] * 1e-7)
        return covered

    def _classify(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(cell, zone) pairs, int64 (k, 2): cells wholly inside a zone, and cells its border may touch."""
        inside, border = [np.empty((0, 2), dtype=np.int64)], [np.empty((0, 2), dtype=np.int64)]
        for index, geometry in enumerate(self._geometries):
            if shapely.is_empty(geometry):
                continue
            west, south, east, north = shapely.bounds(geometry)
            first = (
                int(np.floor(south * 1e7 / self._cell_e7)) - self._south,
                int(np.floor(west * 1e7 / self._cell_e7)) - self._west,
            )
            span = max(north - south, east - west) * 1e7 / self._cell_e7 + 2
            side = 1 << int(np.ceil(np.log2(span)))
            blocks = np.array([first], dtype=np.int64)
            while len(blocks):
                boxes = self._boxes(blocks, side)
                wholly = shapely.contains_properly(geometry, boxes)
                if wholly.any():
                    inside.append(self._cells(blocks[wholly], side, index))
                blocks = blocks[~wholly & shapely.intersects(geometry, boxes)]
                if side == 1:
                    border.append(self._cells(blocks, side, index))
                    break
                side //= 2
                blocks = (blocks[:, None, :] + _QUADRANTS[None] * side).reshape(-1, 2)
        return np.concatenate(inside), np.concatenate(border)

    def _boxes(self, blocks: NDArray[np.int64], side: int) -> NDArray[Any]:
        # A hair wider than the cell, so that rounding of the box's own corners cannot hide a touching border.
        south = (blocks[:, 0] + self._south) * self._cell_e7
        west = (blocks[:, 1] + self._west) * self._cell_e7
        size = side * self._cell_e7
        boxes: NDArray[Any] = shapely.box(
            (west - 2) * 1e-7, (south - 2) * 1e-7, (west + size + 2) * 1e-7, (south + size + 2) * 1e-7
        )
        return boxes

    def _cells(self, blocks: NDArray[np.int64], side: int, zone: int) -> NDArray[np.int64]:
        steps = np.arange(side)
        rows = (blocks[:, 0, None, None] + steps[None, :, None]).repeat(side, axis=2)
        columns = (blocks[:, 1, None, None] + steps[None, None, :]).repeat(side, axis=1)
        rows, columns = rows.ravel(), columns.ravel()
        within = (rows >= 0) & (rows < self._rows) & (columns >= 0) & (columns < self._columns)
        cells = rows[within] * self._columns + columns[within]
        return np.column_stack((cells, np.full(len(cells), zone, dtype=np.int64)))

    def _number_sets(
        self, inside: NDArray[np.int64], border: NDArray[np.int64]
    ) -> tuple[Int32Array, Int64Array, Int32Array, BoolArray]:
        """Give each distinct content of a cell a number, so that a cell costs one int32 however many zones it has."""
        pairs = np.concatenate((inside, border))
        exact = np.concatenate((np.zeros(len(inside), dtype=np.int64), np.ones(len(border), dtype=np.int64)))
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        cell, entry = pairs[order, 0], pairs[order, 1] * 2 + exact[order]
        cell_set = np.zeros(self._rows * self._columns, dtype=np.int32)
        numbers: dict[bytes, int] = {}
        starts, entries = [0, 0], []
        bounds = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1], [True]))) if len(cell) else np.zeros(1)
        first, last = bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64)
        lone = last - first == 1
        single, single_of = np.unique(entry[first[lone]], return_inverse=True)
        for value in single:
            numbers[value.tobytes()] = len(numbers) + 1
            entries.append(np.array([value]))
            starts.append(starts[-1] + 1)
        cell_set[cell[first[lone]]] = single_of + 1
        for begin, end in zip(first[~lone], last[~lone], strict=True):
            content = entry[begin:end]
            number = numbers.setdefault(content.tobytes(), len(numbers) + 1)
            if number == len(starts) - 1:
                entries.append(content)
                starts.append(starts[-1] + len(content))
            cell_set[cell[begin]] = number
        flat = np.concatenate(entries) if entries else np.empty(0, dtype=np.int64)
        return cell_set, np.array(starts, dtype=np.int64), (flat // 2).astype(np.int32), flat % 2 == 1


def widen(geometry: shapely.Geometry, margin_m: float) -> shapely.Geometry:
    """The geometry grown by `margin_m` metres on all sides (shrunk, if negative).

    Degrees are scaled to metres at the middle latitude of the geometry: within 1 % of the margin for zones less than
    a degree high.
    """
    south, north = shapely.bounds(geometry)[[1, 3]]
    scale: FloatArray = np.array(metres_per_degree(np.array([(south + north) / 2])))[::-1, 0]
    grown = shapely.buffer(shapely.transform(geometry, lambda xy: xy * scale), margin_m, quad_segs=8)
    return shapely.transform(grown, lambda xy: xy / scale)


def read_zones(path: Path) -> list[Zone]:
    """Zones of a GeoJSON file in WGS-84; zone_id is the place in the file, from 1.

    Properties: `code`, `kind`, `name_zh`, `name_en`; a file of administrative outlines may say `adcode` and `level`
    instead of `code` and `kind`. ValueError names the file, the feature and what is wrong with it.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a GeoJSON FeatureCollection ({error})") from error
    return [_read_zone(feature, number, path) for number, feature in enumerate(features, start=1)]


def zone_features(zones: Iterable[Zone]) -> dict[str, Any]:
    """GeoJSON FeatureCollection of the zones, as `read_zones` takes it."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "code": zone.code,
                    "kind": zone.kind,
                    "name_zh": zone.name_zh,
                    "name_en": zone.name_en,
                },
                "geometry": json.loads(shapely.to_geojson(zone.geometry)),
            }
            for zone in zones
        ],
    }


def _read_zone(feature: dict[str, Any], number: int, path: Path) -> Zone:
    place = f"{path}, feature {number}"
    try:
        properties = feature["properties"]
        code = str(properties["code"] if "code" in properties else properties["adcode"])
        kind = str(properties["kind"] if "kind" in properties else properties["level"])
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{place}: expected properties code and kind, and a geometry; missing {error}") from error
    except shapely.errors.GEOSException as error:
        raise ValueError(f"{place}: geometry: {error}") from error
    if shapely.get_type_id(geometry) not in {3, 6}:
        raise ValueError(f"{place}: geometry: expected Polygon or MultiPolygon, got {geometry.geom_type}")
    if not shapely.is_valid(geometry):
        raise ValueError(f"{place}: geometry: {shapely.is_valid_reason(geometry)}")
    name_zh, name_en = (str(properties.get(key) or "") for key in ("name_zh", "name_en"))
    return Zone(number, code, kind, name_zh, name_en, geometry)
