"""How far a place lies from the border of a zone, where that is near enough to matter."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geo.arrays import FloatArray, Int32Array, Int64Array
from geo.distance import EAST_TABLE, NORTH_TABLE, metres_per_degree, metres_per_e7
from geo.gridwalk import cells_along, spread
from geo.jit import COMPILED
from geo.raster import edges_of

if COMPILED:
    from geo.nearest import distances

PAIRS = 1 << 20
"""Pairs of place and edge measured together."""


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """The edges of the zones' borders by the cells from which they may be reached within `reach_m`."""

    reach_m: float
    west_e7: int
    south_e7: int
    cell_e7: int
    columns: int
    rows: int
    zones: int
    first: Int32Array  # of each cell: the first of its keys, −1 where no border may be reached from it
    key: Int64Array  # (row × columns + column) × zones + zone, ascending
    start: Int64Array  # of each key's edges in `edge`, and the end of the last
    edge: Int64Array
    ends: FloatArray  # (edges, 4): x0, y0, x1, y1 in degrees × 10⁷

    @classmethod
    def of(cls, geometries: NDArray[np.object_], reach_m: float, cell_e7: int) -> Self:
        """The borders of some polygons and multi-polygons; cells are no smaller than the reach."""
        zone, ends = edges_of(geometries)
        bounds = (ends[:, 0].min(), ends[:, 1].min(), ends[:, 0].max(), ends[:, 1].max()) if len(ends) else (0.0,) * 4
        furthest = min(max(abs(bounds[1]), abs(bounds[3])) * 1e-7, 89.0)
        per_degree = min(float(scale[0]) for scale in metres_per_degree(np.array([furthest])))
        margin = reach_m / per_degree * 1e7 + 2
        cell = max(cell_e7, int(margin))
        west, south = int(bounds[0] - margin) - 1, int(bounds[1] - margin) - 1
        columns, rows = int((bounds[2] + margin - west) // cell) + 1, int((bounds[3] + margin - south) // cell) + 1
        x0, y0, x1, y1 = (ends - (west, south, west, south)).T
        line, row, column = cells_along(x0, y0, x1, y1, cell, (rows, columns), margin)
        zones = max(len(geometries), 1)
        key = (row.astype(np.int64) * columns + column) * zones + zone[line]
        order = np.argsort(key, kind="stable")
        key = key[order]
        new = np.flatnonzero(np.concatenate((np.ones(min(len(key), 1), dtype=np.bool_), key[1:] != key[:-1])))
        start, key = np.append(new, len(key)), key[new]
        first = np.full(rows * columns, -1, dtype=np.int32)
        first[key[::-1] // zones] = np.arange(len(key), dtype=np.int32)[::-1]  # the last that is written stands
        return cls(reach_m, west, south, cell, columns, rows, zones, first, key, start, line[order], ends)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """As the compiled loops take them: the grid with its zones, the keys by cell, and the edges by key."""
        grid = (self.south_e7, self.west_e7, self.cell_e7, self.rows, self.columns, self.zones)
        return tuple(map(np.int64, grid)), self.first, self.key, self.start, self.edge, self.ends

    def distance_m(self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array) -> FloatArray:
        """Metres from each place to the nearest point of the border of its zone.

        Parameters
        ----------
        zone_ix, lat_e7, lon_e7 : int32 (n,)

        Returns
        -------
        float64 (n,)   Infinite where the border is further away than `reach_m`, sometimes only where it is further
        than that plus a cell's diagonal.

        Notes
        -----
        Edges are straight in longitude and latitude, as everywhere with zones; metres are those of the ellipsoid's
        local radii at the place: within 10⁻⁵ of the geodesic at 100 m, 10⁻⁴ at a kilometre, up to 50° N.
        """
        distance = np.full(len(zone_ix), np.inf)
        if COMPILED:
            distances(zone_ix, lat_e7, lon_e7, self.arrays, (NORTH_TABLE, EAST_TABLE), distance)
            return distance
        return self.distance_by_columns(zone_ix, lat_e7, lon_e7, distance)

    def distance_by_columns(
        self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array, distance: FloatArray
    ) -> FloatArray:
        """`distance_m` without numba, into an array of infinities."""
        row = np.floor_divide(np.subtract(lat_e7, self.south_e7, dtype=np.int64), self.cell_e7)
        column = np.floor_divide(np.subtract(lon_e7, self.west_e7, dtype=np.int64), self.cell_e7)
        cell: Int64Array = row * self.columns + column
        near = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        near &= self.first.take(cell, mode="clip") >= 0
        places = np.flatnonzero(near)
        key = cell[places] * self.zones + zone_ix[places].astype(np.int64)
        own, slot = self._held(key)
        places = places[own]
        count = (self.start[1:] - self.start[:-1])[slot]
        group = np.cumsum(count) // PAIRS
        for each in np.unique(group):
            some = group == each
            distance[places[some]] = self._nearest(places[some], slot[some], count[some], lat_e7, lon_e7)
        return distance

    def crossings(
        self, zone_ix: Int32Array, lat0_e7: Int32Array, lon0_e7: Int32Array, lat1_e7: Int32Array, lon1_e7: Int32Array
    ) -> tuple[Int64Array, FloatArray]:
        """Where straight steps cross or touch the border of their zone.

        Returns
        -------
        step : int64 (m,)   Ascending.
        share : float64 (m,)   How far along the step, 0 … 1; not in order within a step, and a corner counts twice.
        """
        corner = np.array([self.west_e7, self.south_e7], dtype=np.float64)
        x0, y0 = lon0_e7 - corner[0], lat0_e7 - corner[1]
        x1, y1 = lon1_e7 - corner[0], lat1_e7 - corner[1]
        step, row, column = cells_along(x0, y0, x1, y1, self.cell_e7, (self.rows, self.columns), 1.0)
        key = (row.astype(np.int64) * self.columns + column) * self.zones + zone_ix[step]
        places, slot = self._held(key)
        owner, offset = spread((self.start[1:] - self.start[:-1])[slot])
        step, edge = step[places[owner]], self.edge[self.start[slot][owner] + offset]
        ax, ay, bx, by = (self.ends[edge] - np.tile(corner, 2)).T
        run, rise = (x1 - x0)[step], (y1 - y0)[step]
        # On which side of the step either end of the edge lies. Edges along the step are told by their neighbours.
        side_a = run * (ay - y0[step]) - rise * (ax - x0[step])
        side_b = run * (by - y0[step]) - rise * (bx - x0[step])
        met = np.flatnonzero((side_a != side_b) & (np.sign(side_a) * np.sign(side_b) <= 0))
        step, run, rise = step[met], run[met], rise[met]
        along = side_a[met] / (side_a[met] - side_b[met])
        x, y = ax[met] + along * (bx - ax)[met] - x0[step], ay[met] + along * (by - ay)[met] - y0[step]
        length2 = run * run + rise * rise
        share = (x * run + y * rise) / np.where(length2 > 0, length2, 1.0)
        within = np.flatnonzero((share >= 0) & (share <= 1) & (length2 > 0))
        return step[within], share[within]

    def _held(self, key: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Which of these keys there are, and where."""
        slot = np.searchsorted(self.key, key)
        slot[slot == len(self.key)] = 0
        found = np.flatnonzero(self.key[slot] == key) if len(self.key) else np.empty(0, dtype=np.int64)
        return found, slot[found]

    def _nearest(
        self, places: Int64Array, slot: Int64Array, count: Int64Array, lat_e7: Int32Array, lon_e7: Int32Array
    ) -> FloatArray:
        owner, step = spread(count)
        x0, y0, x1, y1 = self.ends[self.edge[self.start[slot][owner] + step]].T
        lat, lon = lat_e7[places].astype(np.float64), lon_e7[places].astype(np.float64)
        north, east = (scale[owner] for scale in metres_per_e7(lat_e7[places].astype(np.int64) * 2))
        away_x, away_y = (x0 - lon[owner]) * east, (y0 - lat[owner]) * north
        run, rise = (x1 - x0) * east, (y1 - y0) * north
        length2 = run * run + rise * rise
        share = np.clip(-(away_x * run + away_y * rise) / np.where(length2 > 0, length2, 1.0), 0.0, 1.0)
        x, y = away_x + share * run, away_y + share * rise
        nearest: FloatArray = np.sqrt(np.minimum.reduceat(x * x + y * y, np.cumsum(count) - count))
        return nearest
