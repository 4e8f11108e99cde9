"""Speed of the audit on one core: `python -m benchmarks.audit --json [--positions N --seed S]`.

The fleet is made here, column-wise: every car drives out and back between its base and places in the eleven districts,
with waits, noise and parked reports, under office hours and with its district as permitted area.
"""

import argparse
import json
import resource
import time
from datetime import date
from pathlib import Path

import numpy as np

from analytics.audit import audit
from analytics.context import FleetContext
from analytics.duty import DutyCalendar
from geo.localtime import SECOND_US, day_number, day_start_us
from geo.positions import Positions, Status
from geo.zones import ZoneIndex, read_zones

DISTRICTS = Path(__file__).parents[1] / "fixtures" / "districts.geojson"
FIRST_DAY = day_number(date(2026, 3, 2))
PER_DAY = 1440
"""Reports of a car and day: four drives of 290 at 10 s, and 280 standing at 4 min."""
BORDER_M = 50.0


def main() -> None:
    """Make the fleet, audit it, print positions a second and the peak of resident memory."""
    parser = argparse.ArgumentParser(description="speed of the audit on one core")
    parser.add_argument("--positions", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    days = 7
    vehicles = max(1, asked.positions // (PER_DAY * days))
    positions = drive(vehicles, days, np.random.default_rng(asked.seed))
    context = know(vehicles, days)
    audit(positions.take(slice(0, PER_DAY)), context, FIRST_DAY, FIRST_DAY)  # loads what is compiled
    began = time.perf_counter()
    tables = audit(positions, context, FIRST_DAY, FIRST_DAY + days - 1)
    seconds = time.perf_counter() - began
    facts = {
        "positions": len(positions),
        "vehicles": vehicles,
        "trips": len(tables.trips),
        "seconds": round(seconds, 3),
        "positions_per_s": round(len(positions) / seconds),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def drive(vehicles: int, days: int, rng: np.random.Generator) -> Positions:
    """Positions of a synthetic fleet, in canonical order."""
    driving, standing = np.full(290, 10.0), np.full(70, 240.0)
    seconds = np.concatenate([np.concatenate((driving, standing))] * 4)
    seconds *= 86_000 / seconds.sum()
    moves = np.tile(np.repeat([True, False], (290, 70)), 4)
    n = vehicles * days
    halted = rng.random((n, PER_DAY // 10)).repeat(10, axis=1) < 0.15  # lights
    speed = np.where(moves & ~halted, rng.uniform(8, 16, (n, PER_DAY)), 0.0)
    out = np.where(np.arange(PER_DAY) // 360 % 2 == 0, 1.0, -1.0)
    turn = (np.arange(PER_DAY) // 12) % 2 == 0  # a corner every two minutes
    way = speed * seconds * out
    north = np.cumsum(np.where(turn, way, 0.0), axis=1) + rng.normal(0, 4, (n, PER_DAY))
    east = np.cumsum(np.where(turn, 0.0, way), axis=1) + rng.normal(0, 4, (n, PER_DAY))
    home_lat = rng.uniform(22.7, 23.6, vehicles).repeat(days)[:, None]
    home_lon = rng.uniform(113.1, 113.8, vehicles).repeat(days)[:, None]
    start = np.tile(np.array([day_start_us(FIRST_DAY + day) for day in range(days)]), vehicles)[:, None]
    fix_time = start + np.round(np.cumsum(seconds) * SECOND_US).astype(np.int64)
    on = np.where(moves, int(Status.IGNITION_ON), 0)
    status = int(Status.FIX_VALID | Status.IGNITION_KNOWN) | on
    return Positions.from_columns(
        n * PER_DAY,
        vehicle_ix=np.arange(vehicles).repeat(days * PER_DAY),
        fix_time=fix_time.ravel(),
        lat_e7=np.round((home_lat + north / 110_800) * 1e7).ravel(),
        lon_e7=np.round((home_lon + east / 102_500) * 1e7).ravel(),
        speed_mps=speed.ravel(),
        odometer_m=np.cumsum((speed * seconds).reshape(vehicles, -1), axis=1).ravel(),
        status=np.broadcast_to(status, (n, PER_DAY)).ravel(),
        received_at=fix_time.ravel() + SECOND_US,
    )


def know(vehicles: int, days: int) -> FleetContext:
    """Office hours, a district as each car's permitted area, and the districts as places."""
    zones = read_zones(DISTRICTS)
    known = range(FIRST_DAY - 1, FIRST_DAY + days + 1)
    hour = 3600 * SECOND_US
    shifts = [(day_start_us(day) + 8 * hour, day_start_us(day) + 18 * hour) for day in known]
    calendar = DutyCalendar.of("office", shifts, [(day, "workday") for day in known])
    return FleetContext(
        vehicle_ids=np.arange(1, vehicles + 1, dtype=np.int32),
        vehicle_class=np.full(vehicles, "ordinary", dtype=object),
        calendar_ix=np.zeros(vehicles, dtype=np.int32),
        area_ix=np.arange(vehicles, dtype=np.int32) % len(zones),
        calendars=(calendar,),
        areas=ZoneIndex(zones),
        zones=ZoneIndex(zones),
        border_tolerance_m=BORDER_M,
    )


if __name__ == "__main__":
    main()
