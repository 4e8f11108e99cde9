"""What an audit knows besides positions: the fleet, its permissions in space and time. Columns by dense vehicle_ix."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.duty import DutyCalendar
from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array
from geo.distance import apart_m
from geo.zones import ZoneIndex


@dataclass(frozen=True, slots=True)
class Orders:
    """Dispatch orders, sorted by (vehicle_ix, starts)."""

    vehicle_ix: Int32Array
    starts: Int64Array  # µs UTC
    ends: Int64Array
    order_no: NDArray[np.object_]
    destination_lat: FloatArray  # WGS-84 degrees; NaN: the order names no place
    destination_lon: FloatArray

    def of(self, vehicles: Int32Array) -> "Orders":
        """The orders of these vehicles (distinct numbers of `vehicle_ix`), renumbered 0, 1, … in their order."""
        rows, number = _rows_of(self.vehicle_ix, vehicles)
        return Orders(
            number,
            self.starts[rows],
            self.ends[rows],
            self.order_no[rows],
            self.destination_lat[rows],
            self.destination_lon[rows],
        )

    @classmethod
    def empty(cls) -> "Orders":
        """No order."""
        times = np.empty(0, dtype=np.int64)
        return cls(np.empty(0, dtype=np.int32), times, times, np.empty(0, dtype=object), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True)
class Swipes:
    """Drivers' cards put in and taken out, sorted by (vehicle_ix, swiped_at)."""

    vehicle_ix: Int32Array
    swiped_at: Int64Array  # µs UTC
    inserted: BoolArray
    driver_card: NDArray[np.object_]

    def of(self, vehicles: Int32Array) -> "Swipes":
        """The swipes of these vehicles (distinct numbers of `vehicle_ix`), renumbered 0, 1, … in their order."""
        rows, number = _rows_of(self.vehicle_ix, vehicles)
        return Swipes(number, self.swiped_at[rows], self.inserted[rows], self.driver_card[rows])

    @classmethod
    def empty(cls) -> "Swipes":
        """No swipe."""
        return cls(
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.int64),
            np.empty(0, dtype=np.bool_),
            np.empty(0, dtype=object),
        )


@dataclass(frozen=True, slots=True)
class Seals:
    """Times for which vehicles are sealed, sorted by (vehicle_ix, sealed_at); those of a vehicle do not overlap."""

    vehicle_ix: Int32Array
    sealed_at: Int64Array  # µs UTC
    unsealed_at: Int64Array  # the largest int64: sealed still

    def of(self, vehicles: Int32Array) -> "Seals":
        """The seals of these vehicles (distinct numbers of `vehicle_ix`), renumbered 0, 1, … in their order."""
        rows, number = _rows_of(self.vehicle_ix, vehicles)
        return Seals(number, self.sealed_at[rows], self.unsealed_at[rows])

    @classmethod
    def empty(cls) -> "Seals":
        """No seal."""
        times = np.empty(0, dtype=np.int64)
        return cls(np.empty(0, dtype=np.int32), times, times)


@dataclass(frozen=True, slots=True)
class Bases:
    """The declared base of each vehicle as a circle; no entries at all: no base is known."""

    lat: FloatArray  # WGS-84 degrees of its middle; NaN: none is declared
    lon: FloatArray
    radius_m: FloatArray  # to its farthest edge

    @classmethod
    def unknown(cls) -> "Bases":
        """No vehicle has one."""
        return cls(np.empty(0), np.empty(0), np.empty(0))

    def distance_m(self, vehicle_ix: Int32Array, lat: FloatArray, lon: FloatArray) -> FloatArray:
        """Metres from the edge of the vehicle's base to each place; 0.0 inside it, NaN where none is declared."""
        if not len(self.lat):
            return np.full(len(vehicle_ix), np.nan)
        there = self.lat[vehicle_ix], self.lon[vehicle_ix]
        return np.maximum(apart_m(lat, lon, *there) - self.radius_m[vehicle_ix], 0.0)


@dataclass(frozen=True, slots=True)
class Regions:
    """District, city and province that each vehicle is at home in; without vehicles: nothing is known of any."""

    zones: ZoneIndex
    zone_ix: Int32Array
    """int32 (3, v): index into `zones` of each vehicle's district, city and province; −1: there is none."""
    holds: BoolArray
    """bool (3, v): whether what is next below lies in it as a whole. Below a region lies the smaller one that the
    vehicle is at home in, or, without one, its permitted area; below neither there is nothing to hold."""
    is_area: BoolArray
    """bool (3, v): whether it is the vehicle's permitted area itself."""

    @classmethod
    def unknown(cls) -> "Regions":
        """No vehicle has one."""
        nothing = np.empty((3, 0), dtype=np.bool_)
        return cls(ZoneIndex([]), np.empty((3, 0), dtype=np.int32), nothing, nothing)


@dataclass(frozen=True, slots=True)
class FleetContext:
    """Everything an audit may consult. One entry a vehicle where not said otherwise."""

    vehicle_ids: Int32Array
    vehicle_class: NDArray[np.object_]
    calendar_ix: Int32Array
    """Index into `calendars`; −1: no duty calendar, so nothing is off-hours."""
    area_ix: Int32Array
    """Index into the zones of `areas`; −1: everywhere is permitted."""
    calendars: tuple[DutyCalendar, ...]
    areas: ZoneIndex
    """Permitted areas."""
    zones: ZoneIndex
    """Places with names and kinds."""
    orders: Orders = field(default_factory=Orders.empty)
    swipes: Swipes = field(default_factory=Swipes.empty)
    border_tolerance_m: float = 0.0
    """A vehicle is outside its area only when further out than this, however good its fix."""
    bases: Bases = field(default_factory=Bases.unknown)
    regions: Regions = field(default_factory=Regions.unknown)
    seals: Seals = field(default_factory=Seals.empty)


def nothing_known(vehicle_ids: Int32Array) -> FleetContext:
    """Context of vehicles of which only positions are known: no calendar, no area, no order, no place."""
    n = len(vehicle_ids)
    none = np.full(n, -1, dtype=np.int32)
    anywhere = ZoneIndex([])
    return FleetContext(vehicle_ids, np.full(n, "ordinary", dtype=object), none, none, (), anywhere, anywhere)


def _rows_of(vehicle_ix: Int32Array, vehicles: Int32Array) -> tuple[Int64Array, Int32Array]:
    """Rows of each of these vehicles in a sorted column, vehicle by vehicle, and the place of each in `vehicles`."""
    first = np.searchsorted(vehicle_ix, vehicles)
    count = np.searchsorted(vehicle_ix, vehicles, side="right") - first
    number = np.repeat(np.arange(len(vehicles), dtype=np.int32), count)
    rows = np.arange(len(number)) + np.repeat(first - (np.cumsum(count) - count), count)
    return rows, number
