"""The raster under an index of zones: for each cell of the ground, which zones hold it and whose border runs through.

Built from the borders alone: the cells that a border touches are walked edge by edge, and between two of them in a row
one point tells for all. So building costs the length of the borders, not their area nor the number of zones.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.gridwalk import cells_along, spread
from geo.jit import COMPILED

if COMPILED:
    from geo.cells import look_up

MAX_CELLS = 16_000_000
PARTS = 8
"""A cell with a border in it is divided into so many by so many parts."""
MARGIN_E7 = 4.0
"""A border fills the cells within 4 units (4 cm): whatever rounding moves by a unit or two is still tested exactly."""
EDGE_CELLS = 6
"""Empty cells around the zones' ground: what lies beyond the grid is at least so far from any zone."""
BLOCK = 32_768
"""Positions looked up together: their columns stay in a core's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Cells numbered row by row from the south-west, each with the number of its set of zones; set 0 holds none.

    The set of a position, with row = (lat_e7 − south_e7) // cell_e7 and column likewise, the last row and column
    standing for everything beyond the grid:

        number = cell_set[row * (columns + 1) + column]
        if number < 0: number = part_set[(−number − 1) * PARTS² + PARTS * part row + part column]

    where a part is cell_e7 // PARTS on a side. The set's zones are set_zone[set_start[number] : set_start[number + 1]],
    ascending; where set_exact holds the zone's border runs through and only an exact test tells.
    """

    west_e7: int
    south_e7: int
    cell_e7: int
    columns: int
    rows: int
    cell_set: Int32Array
    part_set: Int32Array
    set_start: Int32Array
    set_zone: Int32Array
    set_exact: BoolArray

    @property
    def grid(self) -> tuple[Any, ...]:
        """As the compiled loops take it: south, west, rows, columns, 1 / cell, 1 / part, parts of a cell on a side."""
        corner = np.uint32(self.south_e7 & 0xFFFFFFFF), np.uint32(self.west_e7 & 0xFFFFFFFF)
        return *corner, np.int32(self.rows), np.int32(self.columns), 1.0 / self.cell_e7, PARTS / self.cell_e7, PARTS

    def sets(self, lat_e7: Int32Array, lon_e7: Int32Array) -> Int32Array:
        """Number of the set of zones at each position; int32 (n,)."""
        sets = np.empty(len(lat_e7), dtype=np.int32)
        if COMPILED:
            look_up(lat_e7.view(np.uint32), lon_e7.view(np.uint32), self.grid, self.cell_set, self.part_set, sets)
            return sets
        return self.sets_by_columns(lat_e7, lon_e7, sets)

    def sets_by_columns(self, lat_e7: Int32Array, lon_e7: Int32Array, sets: Int32Array) -> Int32Array:
        """`sets` without numba, into an array of theirs."""
        for start in range(0, len(lat_e7), BLOCK):
            block = slice(start, start + BLOCK)
            self._look_up(lat_e7[block], lon_e7[block], sets[block])
        return sets

    def cells(self, lat_e7: Int32Array, lon_e7: Int32Array) -> NDArray[np.uint32]:
        """Place of each position's cell in `cell_set`; uint32 (n,)."""
        return self._cells(_beyond(lat_e7, self.south_e7), _beyond(lon_e7, self.west_e7))

    def parts(self, row: Int32Array, column: Int32Array) -> Int32Array:
        """Number of the set of zones in parts of cells, by row and column of the parts' own grid; int32 (n,)."""
        cell = (row // PARTS).astype(np.int64) * (self.columns + 1) + column // PARTS
        sets: Int32Array = self.cell_set[cell]
        divided = np.flatnonzero(sets < 0)
        part = row[divided] % PARTS * PARTS + column[divided] % PARTS
        sets[divided] = self.part_set[(-1 - sets[divided]) * PARTS**2 + part]
        return sets

    def _cells(self, north: NDArray[np.uint32], east: NDArray[np.uint32]) -> NDArray[np.uint32]:
        cell: NDArray[np.uint32] = np.minimum(north // np.uint32(self.cell_e7), np.uint32(self.rows))
        cell *= np.uint32(self.columns + 1)
        cell += np.minimum(east // np.uint32(self.cell_e7), np.uint32(self.columns))
        return cell

    def _look_up(self, lat_e7: Int32Array, lon_e7: Int32Array, sets: Int32Array) -> None:
        # Differences modulo 2³²: what lies south or west of the grid becomes huge and is cut to the empty last cell.
        north, east = _beyond(lat_e7, self.south_e7), _beyond(lon_e7, self.west_e7)
        np.take(self.cell_set, self._cells(north, east), out=sets, mode="wrap")  # "raise" would copy; all are in range
        rows = np.flatnonzero(sets < 0)
        if len(rows):
            side = self.cell_e7 // PARTS
            part = (north[rows] % np.uint32(self.cell_e7) // np.uint32(side)).astype(np.int32) * PARTS
            part += (east[rows] % np.uint32(self.cell_e7) // np.uint32(side)).astype(np.int32)
            sets[rows] = self.part_set[(-1 - sets[rows]) * PARTS**2 + part]


@lru_cache(maxsize=16)
def raster_of(wkb: tuple[bytes, ...], cell_deg: float) -> tuple[Raster, NDArray[np.object_]]:
    """The raster of some geometries (well-known binary), and the geometries prepared for exact tests.

    Parameters
    ----------
    wkb : polygons and multi-polygons, valid; x longitude, y latitude, WGS-84 degrees. Empty ones hold nothing.
    cell_deg : side of a cell, degrees; doubled until the grid has at most `MAX_CELLS`.

    Notes
    -----
    Kept by content for the life of the process: an audit that reads its zones anew pays for them once.
    """
    geometries = np.array([shapely.from_wkb(each) for each in wkb], dtype=object)
    _prepare(geometries)
    bounds = shapely.total_bounds(geometries) if len(geometries) else np.full(4, np.nan)
    west, south, east, north = (np.zeros(4) if np.isnan(bounds).any() else bounds * 1e7).tolist()
    cell = max(1, round(cell_deg * 1e7 / PARTS)) * PARTS
    while (east - west) * (north - south) / cell**2 > MAX_CELLS:
        cell *= 2
    first_column, first_row = int(west // cell) - EDGE_CELLS, int(south // cell) - EDGE_CELLS
    columns, rows = int(east // cell) - first_column + 1 + EDGE_CELLS, int(north // cell) - first_row + 1 + EDGE_CELLS
    return _Builder(geometries, first_column * cell, first_row * cell, cell, columns, rows).build(), geometries


def edges_of(geometries: NDArray[np.object_]) -> tuple[Int64Array, FloatArray]:
    """Every edge of every ring: the index of its geometry, and its ends x0, y0, x1, y1 in degrees × 10⁷."""
    polygons, owner = shapely.get_parts(geometries, return_index=True)
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = np.flatnonzero(ring[1:] == ring[:-1])
    return owner[polygon[ring[same]]], np.hstack((points[same], points[same + 1])) * 1e7


@dataclass(frozen=True, slots=True)
class _Builder:
    """Works on the fine grid of parts; a code is zone × 2, + 1 where the zone's border runs through."""

    geometries: NDArray[np.object_]
    west_e7: int
    south_e7: int
    cell_e7: int
    columns: int
    rows: int

    def build(self) -> Raster:
        zone, row, column = self._border()
        start, end, code = self._stretches(zone, row, column)
        cuts, sets, contents = _number_sets(start, end, code, self.rows * self.columns * PARTS**2)
        cells = np.zeros((self.rows + 1, self.columns + 1), dtype=np.int32)
        cells[:-1, :-1] = self._at_corners(cuts, sets)
        cell_set = cells.ravel()
        divided = _distinct((row // PARTS).astype(np.int64) * (self.columns + 1) + column // PARTS)
        cell_set[divided] = -1 - np.arange(len(divided), dtype=np.int32)
        return Raster(
            self.west_e7,
            self.south_e7,
            self.cell_e7,
            self.columns,
            self.rows,
            cell_set,
            self._at_parts(cuts, sets, divided, cell_set),
            np.concatenate(([0], np.cumsum([len(content) for content in contents]))).astype(np.int32),
            np.concatenate([content // 2 for content in contents]).astype(np.int32),
            np.concatenate([content % 2 == 1 for content in contents]),
        )

    def _at_corners(self, cuts: Int64Array, sets: Int32Array) -> Int32Array:
        """The set of each cell's first part; int32 (rows, columns). Cuts are put among the cells: there are fewer."""
        row, column = np.divmod(cuts, self.columns * PARTS)
        row_of, within = np.divmod(row, PARTS)
        following = np.where(within == 0, row_of * self.columns - -column // PARTS, (row_of + 1) * self.columns)
        found: Int32Array = np.repeat(sets, np.diff(following, append=self.rows * self.columns))
        return found.reshape(self.rows, self.columns)

    def _at_parts(self, cuts: Int64Array, sets: Int32Array, divided: Int64Array, cell_set: Int32Array) -> Int32Array:
        """The sets of all parts of the divided cells: each row of parts begins in a piece, and goes on by the cuts in it."""
        stride = self.columns * PARTS
        row, column = np.divmod(divided, self.columns + 1)
        begin = ((row * PARTS)[:, None] + np.arange(PARTS)) * stride + (column * PARTS)[:, None]
        piece = np.searchsorted(cuts, begin.ravel(), side="right") - 1
        row, column = np.divmod(cuts, stride)
        number = -1 - cell_set[row // PARTS * (self.columns + 1) + column // PARTS]
        inner = (number >= 0) & (column % PARTS > 0)
        cut = np.zeros((len(piece), PARTS), dtype=np.int32)
        cut[number[inner] * PARTS + row[inner] % PARTS, column[inner] % PARTS] = 1
        found: Int32Array = sets[piece[:, None] + np.cumsum(cut, axis=1, dtype=np.int32)].ravel()
        return found

    def _border(self) -> tuple[Int32Array, Int32Array, Int32Array]:
        """(zone, row, column) of every part that a zone's border may touch, ascending, each once."""
        zone, ends = edges_of(self.geometries)
        corner = (self.west_e7, self.south_e7, self.west_e7, self.south_e7)
        side, shape = self.cell_e7 // PARTS, (self.rows * PARTS, self.columns * PARTS)
        x0, y0, x1, y1 = (ends - corner).T
        line, row, column = cells_along(x0, y0, x1, y1, side, shape, MARGIN_E7)
        key = _distinct((zone[line] * shape[0] + row) * shape[1] + column)
        rest, column = np.divmod(key, shape[1])
        zone, row = np.divmod(rest, shape[0])
        return zone.astype(np.int32), row.astype(np.int32), column.astype(np.int32)

    def _stretches(
        self, zone: Int32Array, row: Int32Array, column: Int32Array
    ) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Stretches of parts within a row, [start, end) counted row by row over the grid, with the zone's code.

        Between two border parts of a row all parts are alike, so one point of them tells. Beyond the first and the last
        border part of a row a zone holds nothing.
        """
        stride = self.columns * PARTS
        flat = row.astype(np.int64) * stride + column
        follows = (zone[1:] == zone[:-1]) & (row[1:] == row[:-1])
        joined = follows & (column[1:] == column[:-1] + 1)
        first = np.flatnonzero(np.concatenate(([True], ~joined))) if len(flat) else np.empty(0, dtype=np.int64)
        last = np.append(first[1:], len(flat))[: len(first)] - 1
        between = np.flatnonzero(follows & ~joined)
        side = self.cell_e7 // PARTS
        x = (self.west_e7 + (column[between] + 1.5) * side) * 1e-7
        y = (self.south_e7 + (row[between] + 0.5) * side) * 1e-7
        between = between[shapely.intersects_xy(self.geometries[zone[between]], x, y)]
        return (
            np.concatenate((flat[first], flat[between] + 1)),
            np.concatenate((flat[last] + 1, flat[between + 1])),
            np.concatenate((zone[first] * 2 + 1, zone[between] * 2)).astype(np.int64),
        )


def _number_sets(
    start: Int64Array, end: Int64Array, code: Int64Array, total: int
) -> tuple[Int64Array, Int32Array, list[Int64Array]]:
    """Cut the grid where the content changes and number each distinct content, 0 for none.

    Returns
    -------
    cuts : int64 (k,)   Where each piece begins, ascending from 0.
    sets : int32 (k,)   The number of each piece's content.
    contents : the codes of each set, ascending.
    """
    cuts = _distinct(np.concatenate((start, end, [0])))
    cuts = cuts[cuts < max(total, 1)]
    first = np.searchsorted(cuts, start)
    stretch, step = spread(np.searchsorted(cuts, end) - first)
    codes = int(code.max(initial=0)) + 1
    piece, held = np.divmod(np.sort((first[stretch] + step) * codes + code[stretch]), codes)
    count = np.bincount(piece, minlength=len(cuts))
    begin = np.cumsum(count) - count
    sets = np.zeros(len(cuts), dtype=np.int32)
    contents: list[Int64Array] = [np.empty(0, dtype=np.int64)]
    # Code by code, pieces that began alike stay together; much faster than finding distinct rows of a matrix.
    pieces, alike = np.flatnonzero(count), np.zeros(np.count_nonzero(count), dtype=np.int64)
    for depth in range(int(count.max(initial=0))):
        _, example, alike = np.unique(
            alike * codes + held[begin[pieces] + depth], return_index=True, return_inverse=True
        )
        done = count[pieces] == depth + 1
        ending, number = np.unique(alike[done], return_inverse=True)
        sets[pieces[done]] = len(contents) + number
        contents += [held[at : at + depth + 1] for at in begin[pieces[example[ending]]].tolist()]
        pieces, alike = pieces[~done], alike[~done]
    return cuts, sets, contents


def _distinct(values: Int64Array) -> Int64Array:
    """Distinct values, ascending. By sorting: numpy's `unique` hashes, which takes ten times as long here."""
    ordered = np.sort(values)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


def _prepare(geometries: NDArray[Any]) -> None:
    """Prepare for exact tests, and run one of each kind: GEOS builds its inner trees on first use, and not for threads."""
    shapely.prepare(geometries)
    x, y = shapely.bounds(geometries)[:, :2].T if len(geometries) else np.empty((2, 0))
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    shapely.intersects_xy(geometries, x, y)
    shapely.intersects(geometries, shapely.linestrings(np.stack((x, y, x + 1e-7, y), axis=-1).reshape(-1, 2, 2)))


def _beyond(value_e7: Int32Array, origin_e7: int) -> NDArray[np.uint32]:
    return value_e7.view(np.uint32) - np.uint32(origin_e7 & 0xFFFFFFFF)
