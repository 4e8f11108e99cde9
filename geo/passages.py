"""Which zones a straight step from one place to the next runs through, and for what part of it.

Most steps stay in cells that all hold the same zones: two look-ups tell. The others are walked part by part through the
raster, and only where they come near a border is geometry asked.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.borders import Borders
from geo.clearance import free_cells, from_zones
from geo.gridwalk import cells_along, spread
from geo.jit import COMPILED
from geo.raster import PARTS, Raster

if COMPILED:
    from geo.cells import reaches

CALM_CELLS = 12
"""Cells about a cell that are looked at for likeness; a step of 10 s at 120 km/h is 4 of 100 m, or 7 of 50 m."""
PARTS_WALKED = 1 << 20
"""Parts of cells that are walked together, about."""


@dataclass(frozen=True, slots=True)
class Places:
    """Steps from place 0 to place 1; int32 (n,) each, WGS-84 degrees × 10⁷."""

    lat0: Int32Array
    lon0: Int32Array
    lat1: Int32Array
    lon1: Int32Array

    def take(self, rows: Int64Array) -> "Places":
        """Some of the steps."""
        return Places(self.lat0[rows], self.lon0[rows], self.lat1[rows], self.lon1[rows])


@dataclass(frozen=True, slots=True)
class Passages:
    """Pairs of step and zone, ascending, and where in the step, 0 … 1."""

    step: Int64Array
    zone: Int32Array
    enters: FloatArray
    """The first place inside."""
    leaves: FloatArray
    """The last place inside."""
    share: FloatArray
    """How much of the step lies inside; less than from `enters` to `leaves` where it goes out and in again."""


def meeting(raster: Raster, places: Places) -> tuple[Int64Array, Int32Array, BoolArray, BoolArray]:
    """Pairs (step, zone), ascending, of steps that may meet a zone; whether they surely do, and lie in it wholly."""
    calm_step, calm_zone, restless = _calm_pairs(raster, places)
    found = [(calm_step, calm_zone, np.full(len(calm_step), 2, dtype=np.int8))]
    for rows in _handfuls(raster, places, restless):
        step, zone, how, divided = _walk(raster, places.take(rows), 1)
        found.append((rows[step], zone, how))
        step, zone, how, _ = _walk(raster, places.take(rows[divided]), PARTS)
        found.append((rows[divided][step], zone, how))
    step, zone, how = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(step, kind="stable")  # of one step all pairs come from one source, zones ascending
    step, zone, how = step[order], zone[order], how[order]
    return step, zone, how >= 1, how == 2


def crossed(raster: Raster, geometries: NDArray[np.object_], places: Places) -> tuple[Int64Array, Int32Array]:
    """Pairs (step, zone), ascending, where the step meets the zone, its border included."""
    step, zone, surely, _ = meeting(raster, places)
    doubt = np.flatnonzero(~surely)
    at = places.take(step[doubt])
    ends = np.stack((at.lon0, at.lat0, at.lon1, at.lat1), axis=-1).reshape(-1, 2, 2) * 1e-7
    point = (at.lat0 == at.lat1) & (at.lon0 == at.lon1)
    shapes = np.empty(len(doubt), dtype=object)
    shapes[point], shapes[~point] = shapely.points(ends[point, 0]), shapely.linestrings(ends[~point])
    keep = surely.copy()
    keep[doubt] = shapely.intersects(geometries[zone[doubt]], shapes)
    return step[keep], zone[keep]


def near(raster: Raster, lat_e7: Int32Array, lon_e7: Int32Array, length_m: FloatArray) -> BoolArray:
    """False where the step of this length that ends at the place surely meets no zone; bool (n,)."""
    if COMPILED:
        found = np.empty(len(lat_e7), dtype=np.bool_)
        clear, cell_m = from_zones(raster)
        places = lat_e7.view(np.uint32), lon_e7.view(np.uint32)
        reaches(*places, length_m, raster.grid, clear, np.float32(cell_m), found)
        return found
    return near_by_columns(raster, lat_e7, lon_e7, length_m)


def near_by_columns(raster: Raster, lat_e7: Int32Array, lon_e7: Int32Array, length_m: FloatArray) -> BoolArray:
    """`near` without numba."""
    clear, cell_m = from_zones(raster)
    reach = np.multiply(clear.take(raster.cells(lat_e7, lon_e7)), np.float32(cell_m), dtype=np.float32)
    found: BoolArray = length_m >= reach
    return found


def passages(raster: Raster, geometries: NDArray[np.object_], borders: Borders, places: Places) -> Passages:
    """The part of each step that lies in each zone; zones that are only touched may be left out."""
    step, zone, _, wholly = meeting(raster, places)
    enters, leaves, share = np.zeros(len(step)), wholly.astype(np.float64), wholly.astype(np.float64)
    doubt = np.flatnonzero(~wholly)
    if len(doubt):
        at, own = places.take(step[doubt]), zone[doubt]
        enters[doubt], leaves[doubt], share[doubt] = _parts_inside(geometries, borders, own, at)
    keep = np.flatnonzero(share > 0)
    return Passages(step[keep], zone[keep], enters[keep], leaves[keep], share[keep])


def _parts_inside(
    geometries: NDArray[np.object_], borders: Borders, zone: Int32Array, at: Places
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First and last share inside and the sum of the shares inside: cut at the border, each piece judged by its middle."""
    n = len(zone)
    step, cut = borders.crossings(zone, at.lat0, at.lon0, at.lat1, at.lon1)
    everyone = np.arange(n)
    owner = np.concatenate((everyone, step, everyone))
    cut = np.concatenate((np.zeros(n), cut, np.ones(n)))
    order = np.lexsort((cut, owner))
    owner, cut = owner[order], cut[order]
    piece = np.flatnonzero((owner[1:] == owner[:-1]) & (cut[1:] > cut[:-1]))
    owner, begin, end = owner[piece], cut[piece], cut[piece + 1]
    middle = (begin + end) / 2
    x = at.lon0[owner] + middle * (at.lon1.astype(np.int64) - at.lon0)[owner]
    y = at.lat0[owner] + middle * (at.lat1.astype(np.int64) - at.lat0)[owner]
    inside = np.flatnonzero(shapely.intersects_xy(geometries[zone[owner]], x * 1e-7, y * 1e-7))
    owner, begin, end = owner[inside], begin[inside], end[inside]
    enters, leaves = np.ones(n), np.zeros(n)
    np.minimum.at(enters, owner, begin)
    np.maximum.at(leaves, owner, end)
    return enters, leaves, np.bincount(owner, weights=end - begin, minlength=n).astype(np.float64)


def _calm_pairs(raster: Raster, places: Places) -> tuple[Int64Array, Int32Array, Int64Array]:
    """Pairs of the steps that stay among cells that are alike, and the other steps."""
    calm = _calm(raster)
    begin = raster.cells(places.lat0, places.lon0)
    north = np.abs(np.subtract(places.lat1, places.lat0, dtype=np.int64))
    east = np.abs(np.subtract(places.lon1, places.lon0, dtype=np.int64))
    reach = calm.take(begin)
    stays = np.maximum(north, east) <= reach.astype(np.int64) * raster.cell_e7
    stays |= (reach >= 0) & (begin == raster.cells(places.lat1, places.lon1))
    rows = np.flatnonzero(stays)
    sets = raster.cell_set[begin[rows]]
    rows, sets = rows[sets != 0], sets[sets != 0]
    first = raster.set_start[sets]
    owner, offset = spread((raster.set_start[sets + 1] - first).astype(np.int64))
    restless = np.flatnonzero(~stays)
    restless = restless[_about_grid(raster, places.take(restless))]
    return rows[owner], raster.set_zone[first[owner] + offset], restless


def _about_grid(raster: Raster, places: Places) -> BoolArray:
    """False where both places lie beyond the grid on the same side of it."""
    west, south = raster.west_e7, raster.south_e7
    east, north = west + raster.columns * raster.cell_e7, south + raster.rows * raster.cell_e7
    about = (np.maximum(places.lat0, places.lat1) >= south) & (np.minimum(places.lat0, places.lat1) <= north)
    about &= (np.maximum(places.lon0, places.lon1) >= west) & (np.minimum(places.lon0, places.lon1) <= east)
    return about


def _handfuls(raster: Raster, places: Places, rows: Int64Array) -> list[Int64Array]:
    """The steps in groups that each walk about `PARTS_WALKED` parts."""
    at = places.take(rows)
    length = np.abs(at.lat1.astype(np.int64) - at.lat0) + np.abs(at.lon1.astype(np.int64) - at.lon0)
    group = np.cumsum(length // (raster.cell_e7 // PARTS) + 3) // PARTS_WALKED
    return np.split(rows, np.flatnonzero(np.diff(group)) + 1) if len(rows) else []


def _walk(raster: Raster, places: Places, parts: int) -> tuple[Int64Array, Int32Array, NDArray[np.int8], Int64Array]:
    """Walk cells (parts = 1) or parts of cells (parts = PARTS).

    Returns
    -------
    step, zone : (m,)   Pairs, ascending.
    how : int8 (m,)   How surely they meet: 0 perhaps, 1 surely, 2 the whole step lies inside.
    divided : int64 (k,)   Steps that come through a divided cell, and must be walked in parts; of these there are no
        pairs.
    """
    x0, x1 = (lon.astype(np.float64) - raster.west_e7 for lon in (places.lon0, places.lon1))
    y0, y1 = (lat.astype(np.float64) - raster.south_e7 for lat in (places.lat0, places.lat1))
    shape = (raster.rows * parts, raster.columns * parts)
    step, row, column = cells_along(x0, y0, x1, y1, raster.cell_e7 // parts, shape, 1.0)
    if parts == 1:
        sets = raster.cell_set[row.astype(np.int64) * (raster.columns + 1) + column]
        coarse = np.zeros(len(x0), dtype=np.bool_)
        coarse[step[sets < 0]] = True
        held = np.flatnonzero((sets > 0) & ~coarse[step])
        divided = np.flatnonzero(coarse)
    else:
        sets = raster.parts(row, column)
        held, divided = np.flatnonzero(sets), np.empty(0, dtype=np.int64)
    first = raster.set_start[sets[held]]
    owner, offset = spread((raster.set_start[sets[held] + 1] - first).astype(np.int64))
    entry = first[owner] + offset
    zones = int(raster.set_zone.max(initial=0)) + 1
    pair = step[held[owner]] * zones + raster.set_zone[entry]
    order = np.argsort(pair, kind="stable")
    pair, plain = pair[order], ~raster.set_exact[entry][order]
    new = np.flatnonzero(np.concatenate((np.ones(min(len(pair), 1), dtype=np.bool_), pair[1:] != pair[:-1])))
    plains = np.add.reduceat(plain.astype(np.int64), new) if len(new) else np.empty(0, dtype=np.int64)
    of, zone = np.divmod(pair[new], zones)
    # The walk leaves out what lies beyond the grid, so a step counts as inside only with both its ends on it.
    low, high = np.minimum, np.maximum
    on_grid = (low(x0, x1) >= 1) & (high(x0, x1) < raster.columns * raster.cell_e7 - 1)
    on_grid &= (low(y0, y1) >= 1) & (high(y0, y1) < raster.rows * raster.cell_e7 - 1)
    wholly = (plains == np.bincount(step, minlength=len(x0))[of]) & on_grid[of]
    return of, zone.astype(np.int32), ((plains > 0).astype(np.int8) + wholly).astype(np.int8), divided


@lru_cache(maxsize=16)
def _calm(raster: Raster) -> NDArray[np.int8]:
    """Of each cell, how many cells around in every direction are like it, `CALM_CELLS` at most; −1 if it is divided."""
    shape = (raster.rows + 1, raster.columns + 1)
    cells = raster.cell_set.reshape(shape)
    padded = np.zeros((shape[0] + 1, shape[1] + 1), dtype=np.int32)  # beyond the grid there is nothing
    padded[1:, 1:] = cells
    eastward, northward = padded[:, 1:] == padded[:, :-1], padded[1:, 1:-1] == padded[:-1, 1:-1]
    along = eastward[:, 1:] & eastward[:, :-1]
    alike = along[:-2] & along[1:-1] & along[2:] & northward[:-1] & northward[1:]
    rim = np.ones((alike.shape[0] + 2, alike.shape[1] + 2), dtype=np.bool_)  # beyond the grid nothing is alike
    rim[1:-1, 1:-1] = ~alike
    calm = np.where(cells < 0, -1, 0).astype(np.int8)
    calm[-1], calm[:, -1] = -1, -1  # these stand for all that lies beyond the grid, on any side of it
    calm[:-1, :-1] += np.where(alike, free_cells(rim, CALM_CELLS - 1)[1:-1, 1:-1] + np.uint8(1), 0).astype(np.int8)
    return calm.ravel()
