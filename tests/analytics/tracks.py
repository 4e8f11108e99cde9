"""Synthetic tracks: one car told step by step (drive, wait, park, fall silent), reported as a terminal reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Self

import numpy as np
import shapely

from analytics.audit import audit
from analytics.context import Bases, FleetContext, Orders, Regions, Swipes
from analytics.duty import DutyCalendar
from analytics.evidence import Evidence, Rows, weigh
from geo.arrays import Int32Array
from geo.distance import metres_per_degree
from geo.localtime import SECOND_US, day_number, day_start_us, to_us
from geo.positions import NO_ODOMETER, Positions, Status
from geo.zones import Zone, ZoneIndex

HOME_LAT, HOME_LON = 23.13, 113.26
MONDAY = day_number(date(2026, 3, 2))
"""Day the tracks begin on unless they say otherwise: a working Monday."""


def at(clock: str, day: int = MONDAY) -> int:
    """Local time "HH:MM" or "HH:MM:SS" of a day, µs UTC."""
    hours, minutes, *seconds = map(int, clock.split(":"))
    return day_start_us(day) + (hours * 3600 + minutes * 60 + sum(seconds)) * SECOND_US


def local(text: str) -> int:
    """ISO local time, µs UTC."""
    return to_us(datetime.fromisoformat(text))


@dataclass
class Car:
    """A car and what its terminal reported so far; each verb adds reports and returns the car.

    `speed=False` and `ignition=False` are terminals that do not send these. Noise is Gaussian, metres.
    """

    clock: int = field(default_factory=lambda: at("08:00"))
    speed: bool = True
    ignition: bool = True
    noise_m: float = 0.0
    seed: int = 1
    vehicle_ix: int = 0
    driving_s: int = 10
    parked_s: int = 300
    east_m: float = 0.0
    north_m: float = 0.0
    odometer_m: float = 10_000.0
    rows: list[tuple[int, float, float, float, float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def report(self, speed_mps: float = 0.0, *, on: bool = True, fix: bool = True) -> Self:
        """One report from where the car is."""
        status = int(Status.FIX_VALID) if fix else 0
        if self.ignition:
            status |= int(Status.IGNITION_KNOWN) | (int(Status.IGNITION_ON) if on else 0)
        east, north = np.array([self.east_m, self.north_m]) + self.rng.normal(0, 1, 2) * self.noise_m
        self.rows.append((self.clock, east, north, speed_mps if self.speed else np.nan, self.odometer_m, status))
        return self

    def skip(self, seconds: float) -> Self:
        """Time passes without a report."""
        self.clock += round(seconds * SECOND_US)
        return self

    def drive(
        self, seconds: float, speed_mps: float = 12.0, heading_deg: float = 90.0, *, reports: bool = True
    ) -> Self:
        """Straight on, with a report each `driving_s`; without reports it is a tunnel."""
        heading = np.radians(heading_deg)
        left = seconds
        while left > 0:
            step = min(self.driving_s, left)
            self.east_m += step * speed_mps * np.sin(heading)
            self.north_m += step * speed_mps * np.cos(heading)
            self.odometer_m += step * speed_mps
            self.skip(step)
            if reports:
                self.report(speed_mps)
            left -= step
        return self

    def streets(self, blocks: int, speed_mps: float = 12.0, block_s: int = 60) -> Self:
        """Block after block, turning right and left by turns."""
        for block in range(blocks):
            self.drive(block_s, speed_mps, 90.0 if block % 2 else 0.0)
        return self

    def wait(self, seconds: float) -> Self:
        """Standing with the engine on, reporting as when driving."""
        for _ in range(round(seconds / self.driving_s)):
            self.skip(self.driving_s).report(0.0)
        return self

    def park(self, seconds: float, *, drift_m: float = 0.0, fix: bool = True) -> Self:
        """Standing with the engine off, a report each `parked_s`; `drift_m`: the receiver wanders so far."""
        east, north = self.east_m, self.north_m
        left = seconds
        while left > 0:
            step = min(self.parked_s, left)
            self.skip(step)
            if drift_m:
                self.east_m = east + self.rng.uniform(-drift_m, drift_m)
                self.north_m = north + self.rng.uniform(-drift_m, drift_m)
            self.report(0.0, on=False, fix=fix)
            left -= step
        self.east_m, self.north_m = east, north
        return self

    def jump(self, east_m: float, north_m: float = 0.0) -> Self:
        """Be elsewhere at once, so many metres from here."""
        self.east_m += east_m
        self.north_m += north_m
        return self

    def positions(self, *, delay_s: float = 1.0) -> Positions:
        """The reports as a batch, in order of fix time; received `delay_s` after."""
        time, east, north, speed, odometer, status = (
            np.array(column) for column in (zip(*self.rows, strict=True) if self.rows else [()] * 6)
        )
        lat, lon = place(north, east)
        return Positions.from_columns(
            len(time),
            vehicle_ix=np.full(len(time), self.vehicle_ix),
            fix_time=time.astype(np.int64),
            lat_e7=np.round(lat * 1e7),
            lon_e7=np.round(lon * 1e7),
            speed_mps=speed,
            odometer_m=np.round(odometer),
            status=status,
            received_at=time.astype(np.int64) + round(delay_s * SECOND_US),
        )


def place(north_m: np.ndarray, east_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of places given in metres from home."""
    per_lat, per_lon = (scale[0] for scale in metres_per_degree(np.array([HOME_LAT])))
    return HOME_LAT + north_m / per_lat, HOME_LON + east_m / per_lon


def positions_at(
    times: Sequence[int],
    east_m: Sequence[float] | None = None,
    *,
    north_m: Sequence[float] | None = None,
    speed: Sequence[float] | None = None,
    status: int | Sequence[int] = Status.FIX_VALID,
    vehicle_ix: int | Sequence[int] = 0,
    received_at: Sequence[int] | None = None,
    odometer_m: Sequence[int] | None = None,
    course: Sequence[float] | None = None,
) -> Positions:
    """A batch row by row: `times` µs UTC, places in metres from home."""
    n = len(times)
    lat, lon = place(np.array(north_m or [0.0] * n, dtype=float), np.array(east_m or [0.0] * n, dtype=float))
    time = np.array(times, dtype=np.int64)
    return Positions.from_columns(
        n,
        vehicle_ix=np.broadcast_to(np.array(vehicle_ix), n),
        fix_time=time,
        lat_e7=np.round(lat * 1e7),
        lon_e7=np.round(lon * 1e7),
        speed_mps=np.full(n, np.nan) if speed is None else np.array(speed),
        course_deg=np.full(n, np.nan) if course is None else np.array(course),
        odometer_m=np.full(n, NO_ODOMETER) if odometer_m is None else np.array(odometer_m),
        status=np.broadcast_to(np.array(status), n),
        received_at=time + SECOND_US if received_at is None else np.array(received_at),
    )


def weighed(positions: Positions, context: FleetContext, from_day: int = MONDAY, to_day: int = MONDAY) -> Evidence:
    """The evidence of an audit of these positions, with nothing before it."""
    tables = audit(positions, context, from_day, to_day)
    return weigh(Rows.of(tables, context), context, from_day, to_day)


def square(code: str, kind: str, east_m: tuple[float, float], north_m: tuple[float, float] = (-1000.0, 1000.0)) -> Zone:
    """A rectangular zone between the given metres east and north of home."""
    (south, north), (west, east) = place(np.array(north_m), np.array(east_m))
    return Zone(1, code, kind, f"{code}地", f"the {code}", shapely.box(west, south, east, north))


def office(
    *, first: int = MONDAY - 30, days: int = 90, shifts: Sequence[str] = ("08:30-12:00", "14:00-17:30")
) -> DutyCalendar:
    """A duty calendar of office hours: Monday to Friday, no holidays."""
    hours, kinds = [], []
    for day in range(first, first + days):
        weekend = (day - MONDAY) % 7 >= 5
        kinds.append((day, "weekend" if weekend else "workday"))
        if not weekend:
            hours += [tuple(at(end, day) for end in shift.split("-")) for shift in shifts]
    return DutyCalendar.of("office", [(start, end) for start, end in hours], kinds)


def fleet(
    vehicles: int = 1,
    *,
    calendar: DutyCalendar | None = None,
    area: Zone | None = None,
    zones: Sequence[Zone] = (),
    orders: Sequence[tuple[int, int, int, str]] = (),
    destination_m: tuple[float, float] | None = None,
    base_radius_m: float | None = None,
    swipes: Sequence[tuple[int, int, bool, str]] = (),
    vehicle_class: str = "ordinary",
    regions: tuple[Zone | None, Zone | None, Zone | None] = (None, None, None),
) -> FleetContext:
    """Context of vehicles 0 … v − 1 that all share one calendar and one permitted area.

    `orders`: (vehicle_ix, starts, ends, order_no), all to `destination_m` east and north of home; the base is about home;
    `swipes`: (vehicle_ix, swiped_at, inserted, card); `regions`: the district, city and province of all.
    """

    def shared(given: object) -> Int32Array:
        return np.full(vehicles, -1 if given is None else 0, dtype=np.int32)

    north_m, east_m = (np.array([value]) for value in (destination_m or (np.nan, np.nan))[::-1])
    destination_lat, destination_lon = place(north_m, east_m)
    of_order = list(zip(*sorted(orders), strict=True)) or [()] * 4
    of_swipe = list(zip(*sorted(swipes), strict=True)) or [()] * 4
    return FleetContext(
        vehicle_ids=np.arange(1, vehicles + 1, dtype=np.int32),
        vehicle_class=np.full(vehicles, vehicle_class, dtype=object),
        calendar_ix=shared(calendar),
        area_ix=shared(area),
        calendars=() if calendar is None else (calendar,),
        areas=ZoneIndex([] if area is None else [area]),
        zones=ZoneIndex(list(zones)),
        orders=Orders(
            np.array(of_order[0], dtype=np.int32),
            np.array(of_order[1], dtype=np.int64),
            np.array(of_order[2], dtype=np.int64),
            np.array(of_order[3], dtype=object),
            np.repeat(destination_lat, len(orders)),
            np.repeat(destination_lon, len(orders)),
        ),
        bases=Bases.unknown()
        if base_radius_m is None
        else Bases(np.full(vehicles, HOME_LAT), np.full(vehicles, HOME_LON), np.full(vehicles, base_radius_m)),
        swipes=Swipes(
            np.array(of_swipe[0], dtype=np.int32),
            np.array(of_swipe[1], dtype=np.int64),
            np.array(of_swipe[2], dtype=np.bool_),
            np.array(of_swipe[3], dtype=object),
        ),
        regions=at_home_in(vehicles, regions, area),
    )


def at_home_in(vehicles: int, regions: Sequence[Zone | None], area: Zone | None = None) -> Regions:
    """Regions of vehicles that all share these zones and one permitted area."""
    known = [zone for zone in regions if zone is not None]
    below: Zone | None = area
    zone_ix, holds, is_area = [], [], []
    for zone in regions:
        zone_ix.append(-1 if zone is None else known.index(zone))
        holds.append(zone is not None and below is not None and bool(zone.geometry.covers(below.geometry)))
        is_area.append(zone is not None and zone == area)
        below = zone or below
    return Regions(
        ZoneIndex(known),
        np.repeat(np.array(zone_ix, dtype=np.int32)[:, None], vehicles, axis=1),
        np.repeat(np.array(holds)[:, None], vehicles, axis=1),
        np.repeat(np.array(is_area)[:, None], vehicles, axis=1),
    )
