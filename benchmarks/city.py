"""The simulated city as the audit takes it, without a database: fleet from its files, positions from its columns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analytics.audit import Tables, audit_ordered
from analytics.evidence import Rows, weigh
from fixtures.reports import Columns
from geo.arrays import Int32Array
from geo.localtime import SECOND_US
from geo.positions import Positions, Status, join
from geo.zones import read_zones
from gongche.fleet import Fleet, fleet_of
from gongche.settings import Settings
from ingest.files import read_positions
from ingest.files.fleet import read_calendars, read_orders, read_swipes, read_units, read_vehicles
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import load_catalogue
from store.duty import DriverSwipe

_BITS = {
    "ignition": Status.IGNITION_ON,
    "ignition_known": Status.IGNITION_KNOWN,
    "fix_valid": Status.FIX_VALID,
    "late": Status.LATE,
    "power_cut": Status.POWER_CUT,
    "antenna_fault": Status.ANTENNA_FAULT,
}
_SENT = (
    "fix_time", "lat_e7", "lon_e7", "speed_mps", "course_deg", "odometer_m", "fuel_l", "satellites", "received_at",
)  # fmt: skip


def read_city(folder: Path) -> Fleet:
    """The fleet of a folder that `simulate` wrote; vehicle_id is the place in vehicles.csv, from 1."""
    vehicles = [
        replace(vehicle, vehicle_id=number)
        for number, vehicle in enumerate(read_vehicles(folder / "vehicles.csv")[0], start=1)
    ]
    number_of = {vehicle.code: vehicle.vehicle_id for vehicle in vehicles}
    units = read_units(folder / "units.csv")
    calendar_of_unit = {unit.code: unit.duty_calendar for unit in units}
    return fleet_of(
        units=units,
        vehicles=vehicles,
        zones=read_zones(folder / "zones.geojson"),
        duty_days={calendar.code: calendar.days for calendar in read_calendars(folder / "calendar.csv")},
        calendar_of={vehicle.vehicle_id: calendar_of_unit[vehicle.unit] for vehicle in vehicles},
        orders=(replace(order, vehicle_id=number_of[order.vehicle]) for order in read_orders(folder / "orders.csv")),
        swipes=(
            DriverSwipe(number_of[swipe.vehicle], swipe.swiped_at, swipe.driver_card, swipe.inserted)
            for swipe in read_swipes(folder / "swipes.csv")
        ),
        border_tolerance_m=Settings.model_fields["border_tolerance_m"].default,
    )


def reported(columns: Columns) -> Positions:
    """Columns of a simulated chunk as positions, in their order; vehicle_ix counts the fleet's vehicles from 0."""
    status = np.full(len(columns["fix_time"]), Status.GPS, dtype=np.uint32)
    for name, bit in _BITS.items():
        status |= np.where(columns[name].astype(np.bool_), np.uint32(bit), np.uint32(0))
    return Positions.from_columns(
        len(status), vehicle_ix=columns["vehicle"], status=status, **{name: columns[name] for name in _SENT}
    )


def as_sent(positions: Positions) -> Positions:
    """Positions at the resolution of JT/T 808: whole seconds, 10⁻⁶ degrees, 0.1 km/h, whole degrees, 0.1 km; received to
    the millisecond.
    """  # noqa: D205 - one sentence
    return replace(
        positions,
        fix_time=positions.fix_time // SECOND_US * SECOND_US,  # a clock that is wrong counts whole seconds too
        lat_e7=np.round(positions.lat_e7 / 10).astype(np.int32) * 10,
        lon_e7=np.round(positions.lon_e7 / 10).astype(np.int32) * 10,
        speed_mps=(np.round(positions.speed_mps.astype(np.float64) * 36) / 36).astype(np.float32),
        course_deg=np.round(positions.course_deg) % 360,
        odometer_m=np.where(positions.odometer_m < 0, positions.odometer_m, positions.odometer_m // 100 * 100),
        received_at=positions.received_at // 1000 * 1000,
    )


def read_reported(folder: Path, fleet: Fleet) -> tuple[Positions, Int32Array]:
    """Positions of a folder that `simulate` wrote, in canonical order, and vehicle_id of each vehicle_ix."""
    number_of = {vehicle.code: number for number, vehicle in fleet.vehicles.items()}
    batches = [
        (batch.positions, np.array([number_of[name] for name in batch.vehicles], dtype=np.int32))
        for batch in read_positions(folder / "positions.parquet")
    ]
    return join(batches)


def judge(
    fleet: Fleet, positions: Positions, ids: Int32Array, from_day: int, to_day: int
) -> tuple[Tables, pd.DataFrame]:
    """Audit positions in canonical order, weigh the trips, and the flags that the catalogue's rules raise."""
    context = fleet.context(ids)
    tables = audit_ordered(positions, context, from_day, to_day)
    evidence = weigh(Rows.of(tables, context), context, from_day, to_day)
    judged = {"trip": evidence.trips, "dark": evidence.dark, "night": evidence.nights}
    return tables, evaluate(load_catalogue(catalogue_path()), judged)
