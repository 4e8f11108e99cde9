"""Which zones hold each position: a raster over the zones' ground, exact at the borders.

The raster knows for each cell which zones hold it wholly and which zones' border runs through it. Only positions in
border parts of cells pay for the exact test, so the cost per position hardly depends on how many zones there are or
how many corners they have.
"""

from collections.abc import Sequence
from functools import cached_property
from threading import Lock

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.borders import Borders
from geo.pairs import kept, laid_out, pairs_at
from geo.passages import Passages, Places, crossed, near, passages
from geo.raster import MARGIN_E7, PARTS, Raster, raster_of
from geo.zone import Circle, Zone, widen
from geo.zone_files import read_zones, zone_features

__all__ = ["Circle", "Zone", "ZoneIndex", "read_zones", "widen", "zone_features"]

TABLE = 4_000_000
"""Sets of zones × zones up to which `inside` looks into a table; some hundred areas, which is what it is asked about."""
OUTSIDE, INSIDE, BORDER = 0, 1, 2
"""How a zone stands to a part of the ground: it holds nothing of it, all, or its border runs through."""
DEGREE_M = 111_700.0
"""No degree of latitude or longitude is longer."""
SMALL_CELL_DEG = 0.0005
LEAST_REACH_M = 64.0
_ONE_AT_A_TIME = Lock()
"""Of threads that begin an audit together the first builds a raster for all; from Python 3.12 on nothing else sees to it."""
SINCE_EVER, FOR_EVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class ZoneIndex:
    """Tells which zones each position is in, and whether it is in its own.

    Parameters
    ----------
    zones : sequence of Zone   They may overlap; their order gives the zone index.
    cell_deg : float   Side of a cell, degrees. 0.001 (about 100 m) suits districts, 0.0005 thousands of small zones.

    Notes
    -----
    A position exactly on a border belongs to the zone (`covers`), decided on the integer grid of 10⁻⁷ degrees.
    Memory: 4 bytes a cell of the bounding box and 256 a cell with a border in it; over a province the cells grow, and
    only speed changes. Indexes of equal geometries share one raster. Threads may share an index.
    """

    def __init__(self, zones: Sequence[Zone], cell_deg: float = 0.001) -> None:
        self.zones, self.cell_deg = tuple(zones), cell_deg
        self.valid_from = np.array([_or(zone.valid_from, SINCE_EVER) for zone in zones], dtype=np.int64)
        self.valid_to = np.array([_or(zone.valid_to, FOR_EVER) for zone in zones], dtype=np.int64)
        self._lasting = bool((self.valid_from == SINCE_EVER).all() and (self.valid_to == FOR_EVER).all())
        self._reaching: dict[float, Borders] = {}
        self._of_kinds: dict[frozenset[str], ZoneIndex] = {}
        self._joined: dict[ZoneIndex, Joined] = {}

    @property
    def raster(self) -> Raster:
        """The raster under the zones; made when it is first asked for."""
        return self._ground[0]

    @cached_property
    def _ground(self) -> tuple[Raster, NDArray[np.object_]]:
        wkb = tuple(shapely.to_wkb(zone.geometry) for zone in self.zones)
        with _ONE_AT_A_TIME:
            return raster_of(wkb, self.cell_deg)

    @property
    def _geometries(self) -> NDArray[np.object_]:
        return self._ground[1]

    @cached_property
    def _standing(self) -> NDArray[np.int8] | None:
        return _standing(self.raster, len(self.zones))

    @property
    def across_part_m(self) -> float:
        """From anywhere in a part of a cell that a border runs through, the border is no further than this."""
        return float(np.sqrt(2.0) * DEGREE_M * 1e-7 * (self.raster.cell_e7 // PARTS + 2 * MARGIN_E7))

    def joined(self, other: "ZoneIndex") -> "Joined":
        """One index of these zones and another's, each zone once; made once."""
        if other not in self._joined:
            number = {zone: ix for ix, zone in enumerate(dict.fromkeys((*self.zones, *other.zones)))}
            own, others = (np.array([number[zone] for zone in each.zones], dtype=np.int32) for each in (self, other))
            alike = next((each for each in (self, other) if each.zones == (*number,)), None)
            self._joined[other] = alike or ZoneIndex([*number], self.cell_deg), own, others
        return self._joined[other]

    def of_kinds(self, kinds: frozenset[str]) -> "ZoneIndex":
        """An index of the zones of these kinds alone, in this order, in cells for small zones; made once."""
        if kinds not in self._of_kinds:
            self._of_kinds[kinds] = ZoneIndex([zone for zone in self.zones if zone.kind in kinds], SMALL_CELL_DEG)
        return self._of_kinds[kinds]

    def members(
        self, lat_e7: Int32Array, lon_e7: Int32Array, time: Int64Array | None = None
    ) -> tuple[Int64Array, Int32Array]:
        """Every (position, zone) pair where the position lies in the zone.

        Parameters
        ----------
        lat_e7, lon_e7 : int32 (n,)   WGS-84 degrees × 10⁷.
        time : int64 (n,), optional   µs UTC: only zones that hold at that time. Without it zones hold for ever.

        Returns
        -------
        position_index : int64 (m,)   Ascending; a position in no zone does not appear, one in two appears twice.
        zone_index : int32 (m,)   Index into `zones`, ascending within a position.
        """
        position, zone, test = pairs_at(self.raster, lat_e7, lon_e7)
        at = position[test]
        position, zone = kept(position, zone, self._covers(zone[test], lat_e7[at], lon_e7[at]), test)
        if time is not None and not self._lasting:
            keep = self.holds(zone, time[position])
            position, zone = position[keep], zone[keep]
        return position, zone

    def inside(
        self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array, time: Int64Array | None = None
    ) -> BoolArray:
        """Whether position i lies in zone zone_ix[i], and this holds at time[i]; bool (n,). False where zone_ix is −1."""
        stands = self.stands(zone_ix, lat_e7, lon_e7)
        found: BoolArray = stands == INSIDE
        rows = np.flatnonzero(stands == BORDER)
        found[rows] = self._covers(zone_ix[rows], lat_e7[rows], lon_e7[rows])
        if time is not None and not self._lasting:
            rows = np.flatnonzero(found)
            found[rows] = self.holds(zone_ix[rows], time[rows])
        return found

    def stands(self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array) -> NDArray[np.int8]:
        """How zone zone_ix[i] stands to the raster's part that holds position i; int8 (n,).

        INSIDE, OUTSIDE, or BORDER, where only an exact test tells; OUTSIDE where zone_ix is −1.
        """
        sets = self.raster.sets(lat_e7, lon_e7)
        if self._standing is not None:
            sets *= np.int32(len(self.zones) + 1)
            sets += zone_ix
            return self._standing.take(sets)
        position, zone, test = laid_out(self.raster, sets)
        how = np.full(len(position), INSIDE, dtype=np.int8)
        how[test] = BORDER
        stands = np.zeros(len(lat_e7), dtype=np.int8)
        own = np.flatnonzero(zone == zone_ix[position])
        stands[position[own]] = how[own]
        return stands

    def beyond(
        self, zone_ix: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array, radius_m: FloatArray | float
    ) -> BoolArray:
        """Whether the whole circle of radius_m[i] about position i lies outside zone zone_ix[i].

        Parameters
        ----------
        radius_m : float64 (n,) or one for all   Not negative; the circle counts with its edge.

        Returns
        -------
        bool (n,)   True where zone_ix is −1. Times at which zones hold are not considered.

        Notes
        -----
        Only places outside the zone and in a cell that its border reaches are measured, as `Borders.distance_m` does.
        """
        radius = np.broadcast_to(radius_m, zone_ix.shape)
        stands = self.stands(zone_ix, lat_e7, lon_e7)
        beyond: BoolArray = stands == OUTSIDE
        rows = np.flatnonzero((stands == BORDER) & (radius < self.across_part_m))
        beyond[rows] = ~self._covers(zone_ix[rows], lat_e7[rows], lon_e7[rows])
        rows = np.flatnonzero(beyond & (zone_ix >= 0))
        if len(rows):
            distance = self.borders(float(radius[rows].max())).distance_m(zone_ix[rows], lat_e7[rows], lon_e7[rows])
            beyond[rows] = distance > radius[rows]
        return beyond

    def crossed(
        self, lat0_e7: Int32Array, lon0_e7: Int32Array, lat1_e7: Int32Array, lon1_e7: Int32Array
    ) -> tuple[Int64Array, Int32Array]:
        """Every (step, zone) pair where the straight step from place 0 to place 1 meets the zone, border included.

        Returns
        -------
        step_index : int64 (m,)   Ascending.
        zone_index : int32 (m,)   Ascending within a step. Times at which zones hold are not considered.
        """
        return crossed(self.raster, self._geometries, Places(lat0_e7, lon0_e7, lat1_e7, lon1_e7))

    def near(self, lat_e7: Int32Array, lon_e7: Int32Array, length_m: FloatArray) -> BoolArray:
        """False where the step of length_m[i] that ends at place i surely meets no zone; bool (n,).

        Costs one look-up; the few steps that are left are what `crossed` and `passages` should be asked about.
        """
        return near(self.raster, lat_e7, lon_e7, length_m)

    def passages(self, lat0_e7: Int32Array, lon0_e7: Int32Array, lat1_e7: Int32Array, lon1_e7: Int32Array) -> Passages:
        """What part of each straight step lies in each zone; a zone that is only touched does not appear."""
        places = Places(lat0_e7, lon0_e7, lat1_e7, lon1_e7)
        return passages(self.raster, self._geometries, self.borders(0.0), places)

    def holds(self, zone_ix: Int32Array, time: Int64Array) -> BoolArray:
        """Whether zone zone_ix[i] (not −1) holds at time[i], µs UTC; bool (n,)."""
        if self._lasting:
            return np.ones(len(zone_ix), dtype=np.bool_)
        holds: BoolArray = (self.valid_from[zone_ix] <= time) & (time < self.valid_to[zone_ix])
        return holds

    def borders(self, radius_m: float) -> Borders:
        """Borders that reach at least so far; a few reaches serve all radii. Threads may make one twice, to no harm."""
        reach_m = 0.0 if radius_m == 0 else LEAST_REACH_M
        while reach_m < radius_m:
            reach_m *= 2
        if reach_m not in self._reaching:
            self._reaching[reach_m] = Borders.of(self._geometries, reach_m, self.raster.cell_e7)
        return self._reaching[reach_m]

    def _covers(self, zone: Int32Array, lat_e7: Int32Array, lon_e7: Int32Array) -> BoolArray:
        covered: BoolArray = shapely.intersects_xy(self._geometries[zone], lon_e7 * 1e-7, lat_e7 * 1e-7)
        return covered


Joined = tuple[ZoneIndex, Int32Array, Int32Array]
"""An index of the zones of two, and the number in it of each zone of the one and of the other."""


def _standing(raster: Raster, zones: int) -> NDArray[np.int8] | None:
    """How each zone stands to each set's cells, by set × (zones + 1) + zone; None where that would be a large table.

    The last place of a set is for no zone at all, and so is −1, which is the last place of the set before.
    """
    sets = len(raster.set_start) - 1
    if sets * (zones + 1) > TABLE:
        return None
    table = np.zeros(sets * (zones + 1), dtype=np.int8)
    owner = np.repeat(np.arange(sets), np.diff(raster.set_start))
    table[owner * (zones + 1) + raster.set_zone] = np.where(raster.set_exact, BORDER, INSIDE)
    return table


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
