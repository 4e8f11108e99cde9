"""The fleet as the audit needs it: rows of the store as columns by dense vehicle index."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from psycopg import Connection

from analytics.context import Bases, FleetContext, Orders, Seals, Swipes
from analytics.duty import DutyCalendar
from analytics.evidence_thresholds import DEFAULT
from analytics.sealing import STILL_SEALED
from analytics.vocabulary import KINDS
from geo.arrays import Int32Array
from geo.distance import apart_m
from geo.localtime import day_start_us
from geo.zones import Circle, Zone, ZoneIndex
from gongche.home_regions import HomeRegions, home_regions
from gongche.scope import scope_of
from rules.scope import Scope
from store.duty import DriverSwipe, DutyDay, load_duty_days, load_swipes, vehicle_calendars
from store.exemptions import Exemption, load_exemptions
from store.fleet import Unit, Vehicle, load_units, load_vehicles, load_zones
from store.orders import DispatchOrder, load_orders
from store.seals import SealTime, load_seals

MARGIN_DAYS = 2
"""Calendar days, orders and swipes are read so far beyond the days asked for: trips and shifts run over midnight."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything an audit consults besides positions, read once for all batches."""

    units: dict[str, Unit]
    vehicles: dict[int, Vehicle]
    calendars: tuple[DutyCalendar, ...]
    calendar_of: Mapping[int, str]  # vehicle_id → code; vehicles without a calendar are left out
    areas: ZoneIndex
    zones: ZoneIndex
    bases: Mapping[str, Circle]  # code of a zone that is some vehicle's base → about it
    regions: HomeRegions
    orders: Orders
    """With vehicle_id for vehicle_ix, as the swipes."""
    swipes: Swipes
    border_tolerance_m: float
    seals: Seals
    exemptions: tuple[Exemption, ...] = ()

    def vehicles_of(self, unit: str) -> Int32Array:
        """vehicle_id of the vehicles in a unit's subtree; empty when there is no such unit."""
        inside = {unit} & set(self.units)
        while True:
            more = {each.code for each in self.units.values() if each.parent in inside} - inside
            if not more:
                break
            inside |= more
        return np.array([number for number, vehicle in self.vehicles.items() if vehicle.unit in inside], dtype=np.int32)

    def context(self, vehicle_ids: Int32Array) -> FleetContext:
        """The context of these vehicles, in this order."""
        vehicles = [self.vehicles[number] for number in vehicle_ids.tolist()]
        calendar = {each.code: number for number, each in enumerate(self.calendars)}
        area = {zone.code: number for number, zone in enumerate(self.areas.zones)}
        units = [self.units[vehicle.unit] for vehicle in vehicles]
        areas = [vehicle.area or unit.area for vehicle, unit in zip(vehicles, units, strict=True)]
        homes = [vehicle.base or unit.area for vehicle, unit in zip(vehicles, units, strict=True)]
        return FleetContext(
            vehicle_ids=vehicle_ids,
            vehicle_class=np.array([vehicle.vehicle_class for vehicle in vehicles], dtype=object),
            calendar_ix=_column(calendar.get(self.calendar_of.get(number, ""), -1) for number in vehicle_ids.tolist()),
            area_ix=_column(area.get(code, -1) for code in areas),
            calendars=self.calendars,
            areas=self.areas,
            zones=self.zones,
            bases=self._bases(vehicles),
            regions=self.regions.of(homes, areas),
            orders=self.orders.of(vehicle_ids),
            swipes=self.swipes.of(vehicle_ids),
            border_tolerance_m=self.border_tolerance_m,
            seals=self.seals.of(vehicle_ids),
        )

    def scope(self, vehicle_ids: Int32Array) -> Scope:
        """Where rules apply to these vehicles, in this order."""
        return scope_of([self.vehicles[number] for number in vehicle_ids.tolist()], self.units, self.exemptions)

    def _bases(self, vehicles: Sequence[Vehicle]) -> Bases:
        nowhere = Circle(np.nan, np.nan, 0.0)
        circles = [self.bases.get(vehicle.base, nowhere) for vehicle in vehicles]
        return Bases(
            np.array([each.lat for each in circles]),
            np.array([each.lon for each in circles]),
            np.array([each.radius_m for each in circles]),
        )


def load_fleet(conn: Connection[Any], from_day: int, to_day: int, border_tolerance_m: float) -> Fleet:
    """Read what audits of local days [from_day, to_day] consult."""
    first, last = from_day - MARGIN_DAYS, to_day + MARGIN_DAYS
    span = (day_start_us(first), day_start_us(last + 1))
    weighed_anew = day_start_us(last + DEFAULT.window_days)
    return fleet_of(
        units=load_units(conn),
        vehicles=load_vehicles(conn),
        zones=load_zones(conn),
        duty_days=load_duty_days(conn, first, last),
        calendar_of=vehicle_calendars(conn),
        orders=load_orders(conn, span[0], weighed_anew),
        swipes=load_swipes(conn, *span),
        seals=load_seals(conn, *span),
        border_tolerance_m=border_tolerance_m,
        exemptions=load_exemptions(conn, span[0], weighed_anew),
    )


def fleet_of(
    *,
    units: Iterable[Unit],
    vehicles: Iterable[Vehicle],
    zones: Sequence[Zone],
    duty_days: Mapping[str, Sequence[DutyDay]],
    calendar_of: Mapping[int, str],
    orders: Iterable[DispatchOrder],
    swipes: Iterable[DriverSwipe],
    border_tolerance_m: float,
    exemptions: Iterable[Exemption] = (),
    seals: Iterable[SealTime] = (),
) -> Fleet:
    """The fleet from its rows, each vehicle with its vehicle_id."""
    units, vehicles = list(units), list(vehicles)
    permitted = {unit.area for unit in units} | {vehicle.area for vehicle in vehicles}
    bases = {vehicle.base for vehicle in vehicles}
    calendars = [
        DutyCalendar.of(code, [shift for day in days for shift in day.shifts], [(day.day, day.kind) for day in days])
        for code, days in duty_days.items()
    ]
    return Fleet(
        units={unit.code: unit for unit in units},
        vehicles={vehicle.vehicle_id: vehicle for vehicle in vehicles},
        calendars=tuple(calendars),
        calendar_of=calendar_of,
        areas=ZoneIndex([zone for zone in zones if zone.code in permitted]),
        zones=ZoneIndex([zone for zone in zones if zone.kind in KINDS]),
        bases=_circles([zone for zone in zones if zone.code in bases]),
        regions=home_regions(zones, bases | {unit.area for unit in units}, permitted),
        orders=_orders(orders),
        swipes=_swipes(swipes),
        border_tolerance_m=border_tolerance_m,
        exemptions=tuple(exemptions),
        seals=_seals(seals),
    )


def _circles(zones: Sequence[Zone]) -> dict[str, Circle]:
    """The circle about the middle of each zone that reaches its farthest corner, by the zone's code."""
    found = {}
    for zone in zones:
        middle = zone.geometry.centroid
        lon, lat = shapely.get_coordinates(zone.geometry).T
        found[zone.code] = Circle(middle.y, middle.x, float(apart_m(lat, lon, middle.y, middle.x).max()))
    return found


def _column(values: Any) -> Int32Array:
    return np.fromiter(values, dtype=np.int32)


def _orders(orders: Iterable[DispatchOrder]) -> Orders:
    """As columns, row by row as they come: a city's year of orders is never held as objects."""
    kind = np.dtype(
        [("id", "i4"), ("starts", "i8"), ("ends", "i8"), ("order_no", object), ("lat", "f8"), ("lon", "f8")]
    )
    each_row = (
        (each.vehicle_id, each.starts, each.ends, each.order_no, each.destination_lat, each.destination_lon)
        for each in orders
    )
    rows = np.fromiter(each_row, dtype=kind)  # a place that is None becomes NaN
    order = np.lexsort((rows["order_no"], rows["starts"], rows["id"]))
    return Orders(*(rows[name][order] for name in kind.names or ()))


def _swipes(swipes: Iterable[DriverSwipe]) -> Swipes:
    kind = np.dtype([("id", "i4"), ("at", "i8"), ("inserted", "?"), ("card", object)])
    each_row = ((each.vehicle_id, each.swiped_at, each.inserted, sys.intern(each.driver_card)) for each in swipes)
    rows = np.fromiter(each_row, dtype=kind)
    order = np.lexsort((rows["card"], rows["inserted"], rows["at"], rows["id"]))
    return Swipes(*(rows[name][order] for name in kind.names or ()))


def _seals(seals: Iterable[SealTime]) -> Seals:
    kind = np.dtype([("id", "i4"), ("sealed_at", "i8"), ("unsealed_at", "i8")])
    each_row = (
        (each.vehicle_id, each.sealed_at, STILL_SEALED if each.unsealed_at is None else each.unsealed_at)
        for each in seals
    )
    rows = np.fromiter(each_row, dtype=kind)
    order = np.lexsort((rows["sealed_at"], rows["id"]))
    return Seals(*(rows[name][order] for name in kind.names or ()))
