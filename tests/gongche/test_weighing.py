"""What weeks and neighbours tell is the same in whatever order days and units were audited, late data included."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo.positions import Positions
from gongche.auditing import audit_days, audit_stale
from gongche.home import Gongche
from gongche.settings import load_settings
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.duty import DutyDay, replace_duty_days
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.positions import merge_positions
from tests.analytics.tracks import MONDAY, Car, at

LAST = MONDAY + 3
CALENDAR = [
    DutyDay(day, "workday", "", ((at("08:00", day), at("18:00", day)),)) for day in range(MONDAY - 9, MONDAY + 40)
]
Order = Callable[[Gongche], Any]


def track(seed: int) -> Positions:
    """Four days: an hour in the dark at noon, the same way out and back each evening."""
    car = Car(clock=at("08:00"), seed=seed, noise_m=3.0).report(on=False)
    for day in range(MONDAY, LAST + 1):
        car.park((at("12:00", day) - car.clock) / 1e6)
        car.odometer_m += 3_000
        car.skip(3600).report(on=False).park((at("19:00", day) - at("13:00", day)) / 1e6)
        car.drive(600).skip(1).report(on=False).park(3600).drive(600, heading_deg=270.0).skip(1).report(on=False)
        car.park((at("08:00", day + 1) - car.clock) / 1e6)
    return car.positions()


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Gongche:
    with database.connection() as conn:
        replace_duty_days(conn, "office", "", CALENDAR)
        upsert_units(conn, [Unit("A", "甲", duty_calendar="office"), Unit("B", "乙", duty_calendar="office")])
        upsert_vehicles(conn, [Vehicle("V1", "V1", "A"), Vehicle("V2", "V2", "B"), Vehicle("V3", "V3", "B")])
        for seed, vehicle in enumerate(load_vehicles(conn)):
            positions = track(seed)
            if vehicle.code == "V2":  # Tuesday of the second one comes late
                positions = positions.take(
                    (positions.fix_time < at("00:00", MONDAY + 1)) | (positions.fix_time >= at("00:00", MONDAY + 2))
                )
            merge_positions(conn, positions, np.array([vehicle.vehicle_id], dtype=np.int32))
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    home.archive.seal(database, LAST + 1)
    return home


def late(home: Gongche) -> None:
    """The day that was missing comes in, and is sealed."""
    with home.database.connection() as conn:
        second = next(vehicle for vehicle in load_vehicles(conn) if vehicle.code == "V2")
        merge_positions(conn, track(1), np.array([second.vehicle_id], dtype=np.int32))
    home.archive.seal(home.database, LAST + 1)


def standing(home: Gongche) -> dict[str, list[str]]:
    """Everything that weighing decides, as text."""
    queries = {
        "trips": "SELECT trip_id, private_score, features FROM trip ORDER BY trip_id",
        "nights": "SELECT * FROM vehicle_night ORDER BY vehicle_id, day",
        "dark": "SELECT * FROM dark_entry ORDER BY dark_id",
        "flags": "SELECT flag_id, level, reason_zh, numbers FROM flag WHERE withdrawn_at IS NULL ORDER BY flag_id",
    }
    with home.database.connection() as conn:
        rows = {name: conn.execute(query).fetchall() for name, query in queries.items()}
    return {name: [json.dumps(row, default=str, sort_keys=True) for row in each] for name, each in rows.items()}


def whole(home: Gongche) -> None:
    audit_days(home, MONDAY, LAST)


def days(*numbers: int) -> Order:
    return lambda home: [audit_days(home, MONDAY + number, MONDAY + number) for number in numbers]


def unit_by_unit(home: Gongche) -> None:
    for unit in ("A", "B"):
        audit_days(home, MONDAY, LAST, unit=unit)


def test_any_order_of_audits_ends_in_the_same_rows(opened: Gongche) -> None:
    late(opened)
    whole(opened)
    expected = standing(opened)
    scores = [json.loads(row)[2] for row in expected["trips"]]
    assert max(features["recurring_days"] for features in scores) == 4.0
    assert {json.loads(row)[-1] for row in expected["dark"]} == {"coverage"}
    assert any("recurring-private-place" in row for row in expected["flags"])
    assert len(expected["nights"]) == 9
    for order in (days(3, 2, 1, 0), days(1, 3, 0, 2), unit_by_unit):
        with opened.database.connection() as conn:
            conn.execute("TRUNCATE trip, stop, vehicle_day, vehicle_night, dark_entry, flag CASCADE")
        order(opened)
        assert standing(opened) == expected


def test_a_late_day_changes_the_weeks_after_it_and_its_neighbours(opened: Gongche) -> None:
    whole(opened)
    before = standing(opened)
    late(opened)
    assert audit_stale(opened).trips > 0
    after = standing(opened)
    with opened.database.connection() as conn:
        conn.execute("TRUNCATE trip, stop, vehicle_day, vehicle_night, dark_entry, flag CASCADE")
    whole(opened)
    assert standing(opened) == after
    causes = {row: json.loads(row)[-1] for row in before["dark"]}
    assert sorted(causes.values()) == ["coverage"] * 9 + ["unknown"] * 2
    assert {json.loads(row)[-1] for row in after["dark"]} == {"coverage"}
