"""The open day followed in small steps stands in the database as an audit of all its positions would put it there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics.audit import audit_ordered
from analytics.duty import on_known_days
from geo.positions import Positions, join
from gongche import open_day
from gongche.auditing import rules_in_use, store_measured
from gongche.fleet import load_fleet
from gongche.home import Gongche
from gongche.housekeeping import House
from gongche.measuring import Measured
from gongche.open_day import OpenDay
from gongche.settings import load_settings
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.duty import DutyDay, replace_duty_days
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.orders import DispatchOrder, upsert_orders
from store.positions import merge_positions, read_day
from tests.analytics.tracks import MONDAY, Car, at
from tests.gongche.test_weighing import standing

TODAY = MONDAY + 1
WORKING = [
    DutyDay(day, "workday", "", ((at("09:00", day), at("17:00", day)),)) for day in range(MONDAY - 9, MONDAY + 9)
]


def track(seed: int) -> Positions:
    """Two days from Monday evening on, with trips every two hours and an hour in the dark."""
    car = Car(clock=at("20:00"), seed=seed, noise_m=4.0).report(on=False).park(1800)
    while car.clock < at("22:00", TODAY):
        car.streets(8 + seed).skip(1).report(on=False).park(5400)
        if car.clock > at("12:00", TODAY) and car.odometer_m < 200_000:
            car.odometer_m += 200_000
            car.skip(3600).jump(2500).report(on=False).park(1800)
    return car.positions()


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    with database.connection() as conn:
        replace_duty_days(conn, "office", "", WORKING)
        upsert_units(conn, [Unit("A", "甲", duty_calendar="office")])
        upsert_vehicles(conn, [Vehicle(f"V{number}", f"V{number}", "A") for number in (1, 2, 3)])
    return Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))


def send(home: Gongche, code: str, positions: Positions) -> None:
    with home.database.connection() as conn:
        number = next(vehicle.vehicle_id for vehicle in load_vehicles(conn) if vehicle.code == code)
        merge_positions(conn, positions, np.array([number], dtype=np.int32))


def rows(home: Gongche) -> dict[str, Any]:
    """All derived rows of today, and what weighing decided."""
    names = {
        "stop": "vehicle_id, day, start_time, end_time, lat, lon, kind, place",
        "vehicle_day": "*",
        "trip": "*",
    }
    with home.database.connection() as conn:
        found = {
            table: conn.execute(f"SELECT {columns} FROM {table} ORDER BY vehicle_id, day, {key}").fetchall()
            for (table, columns), key in zip(names.items(), ("start_time", "positions", "start_time"), strict=True)
        }
    return {**found, **standing(home)}


def audited(home: Gongche) -> dict[str, Any]:
    """Today's rows after an audit of the whole day and of the one before, as they stand in the database."""
    with home.database.connection() as conn:
        fleet = load_fleet(conn, TODAY, TODAY, home.settings.border_tolerance_m)
        positions, ids = join([read_day(conn, TODAY - 1), read_day(conn, TODAY)])
        context = fleet.context(ids)
        known, _ = on_known_days(
            context.calendars, context.calendar_ix, positions.vehicle_ix, positions.fix_time, TODAY, TODAY
        )
        tables = audit_ordered(positions if known is None else positions.take(known), context, TODAY, TODAY)
        measured = Measured(ids, len(positions), tables, (), 0.0)
        store_measured(conn, fleet, rules_in_use(conn), measured, TODAY, TODAY)
    return rows(home)


def between(positions: Positions, first: str, last: str) -> Positions:
    return positions.take((positions.fix_time >= at(first, TODAY)) & (positions.fix_time < at(last, TODAY)))


def test_look_by_look_the_day_becomes_what_an_audit_makes_of_it(home: Gongche) -> None:
    tracks = {f"V{number}": track(number) for number in (1, 2)}
    for code, positions in tracks.items():
        send(home, code, positions.take(positions.fix_time < at("06:00", TODAY)))
    followed = OpenDay(home, TODAY)
    trips = []
    for hour in range(6, 22, 4):
        for code, positions in tracks.items():
            send(home, code, between(positions, f"{hour:02}:00", f"{hour + 4:02}:00"))
        trips.append(followed.look().trips)
    assert sum(trips) > 8
    assert followed.look().vehicles == 0
    followed.check()
    found = rows(home)
    assert found["trip"]
    assert found["dark"]
    assert found == audited(home)
    assert followed.check().vehicles == 0


def test_what_comes_late_is_found_where_it_belongs(home: Gongche) -> None:
    positions = track(1)
    hole = (positions.fix_time >= at("03:00", TODAY)) & (positions.fix_time < at("03:40", TODAY))
    send(home, "V1", positions.take(~hole))
    followed = OpenDay(home, TODAY)
    followed.check()
    send(home, "V1", positions.take(hole))
    assert followed.look().vehicles == 1
    followed.check()
    assert rows(home) == audited(home)
    yesterday = Car(clock=at("23:30"), seed=9).report().streets(3).positions()
    send(home, "V1", yesterday)
    followed.look()
    followed.check()
    assert rows(home) == audited(home)


def test_late_and_new_positions_in_one_look_are_both_found_by_the_check(home: Gongche) -> None:
    positions = track(1)
    hole = (positions.fix_time >= at("03:00", TODAY)) & (positions.fix_time < at("03:40", TODAY))
    evening = positions.fix_time >= at("20:00", TODAY)
    send(home, "V1", positions.take(~hole & ~evening))
    followed = OpenDay(home, TODAY)
    followed.check()
    send(home, "V1", positions.take(hole | evening))
    followed.look()
    followed.check()
    assert rows(home) == audited(home)


def test_a_start_in_the_middle_of_the_day_goes_on_from_the_database(home: Gongche) -> None:
    positions = track(2)
    send(home, "V2", positions.take(positions.fix_time < at("12:00", TODAY)))
    OpenDay(home, TODAY).check()
    send(home, "V2", positions.take(positions.fix_time >= at("12:00", TODAY)))
    OpenDay(home, TODAY).check()
    assert rows(home) == audited(home)


def test_orders_and_vehicles_that_come_during_the_day_count(home: Gongche) -> None:
    send(home, "V1", track(1))
    followed = OpenDay(home, TODAY)
    followed.check()
    with home.database.connection() as conn:
        upsert_orders(conn, [DispatchOrder("D1", "V1", at("00:00", TODAY), at("23:00", TODAY))])
        upsert_vehicles(conn, [Vehicle("V9", "V9", "A")])
    assert followed.check().vehicles == 1
    assert rows(home) == audited(home)
    assert {row[0] for row in orders(home)} == {"D1"}
    with home.database.connection() as conn:
        upsert_vehicles(conn, [Vehicle("V10", "V10", "A")])
    send(home, "V10", track(3))
    assert followed.look().vehicles >= 1
    followed.check()
    assert rows(home) == audited(home)


def orders(home: Gongche) -> list[Any]:
    with home.database.connection() as conn:
        return conn.execute("SELECT DISTINCT dispatch_order FROM trip WHERE day = %s", (str(day_of(TODAY)),)).fetchall()


def day_of(number: int) -> np.datetime64:
    return np.datetime64(number, "D")


def test_a_calendar_that_does_not_know_the_day_is_named_and_waited_for(home: Gongche) -> None:
    with home.database.connection() as conn:
        replace_duty_days(conn, "short", "", WORKING[:9])
        upsert_units(conn, [Unit("B", "乙", duty_calendar="short")])
        upsert_vehicles(conn, [Vehicle("V3", "V3", "B")])
    send(home, "V1", track(1))
    send(home, "V3", track(2))
    followed = OpenDay(home, TODAY)
    followed.check()
    assert [(each.calendar, each.vehicles) for each in followed.left_out] == [("short", 1)]
    assert rows(home) == audited(home)


def test_a_look_stores_the_vehicles_that_wait_longest_first(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_day, "STORE_AT_ONCE", 1)
    followed = OpenDay(home, TODAY)
    for code in ("V2", "V1"):
        send(home, code, track(int(code[1])))
    assert [followed.look().vehicles for _ in range(3)] == [1, 1, 0]
    followed.check()
    assert rows(home) == audited(home)


def test_housekeeping_begins_anew_after_a_fault(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gongche.housekeeping.today", lambda: TODAY)
    monkeypatch.setattr("gongche.housekeeping.now_us", lambda: at("12:00", TODAY))
    house = House(home)
    house.round()
    send(home, "V1", track(1))
    with monkeypatch.context() as broken:
        broken.setattr("gongche.open_day.store_measured", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            house.look()
    house.look()
    found = rows(home)
    assert found["trip"]
    house.round()
    assert rows(home) == audited(home)
