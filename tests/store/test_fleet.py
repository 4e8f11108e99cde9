"""The fleet's own rows: in by their natural keys, out as they went in, every unknown reference named."""

from dataclasses import replace
from typing import Any

import pytest
import shapely
from psycopg import Connection

from geo.zones import Circle, Zone
from store.database import Database
from store.fleet import (
    UNASSIGNED,
    Terminal,
    TerminalType,
    Unit,
    UnknownReferenceError,
    Vehicle,
    ensure_vehicle,
    load_terminal_types,
    load_terminals,
    load_units,
    load_vehicles,
    load_zones,
    upsert_terminal_types,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
    upsert_zones,
    vehicle_code,
)
from tests.store.rows import count

AREA = Zone(0, "440106", "district", "天河区", "Tianhe", shapely.box(113.3, 23.1, 113.4, 23.2))
BASE = Zone(0, "base-1", "base", "车队", "Base", shapely.Point(113.35, 23.15).buffer(0.001))
BUREAU = Unit("bureau", "局", "Bureau", area="440106")
OFFICE = Unit("office", "处", "Office", parent="bureau")
CAR = Vehicle("V1", "粤A00001", "office", "emergency", "红旗H5", "base-1", "440106", 8.5, 60.0, 1500.0, "2025 average")
BOX = Terminal("013912345678", "V1", "jt808", "gcj02")


def fill(database: Database) -> None:
    with database.connection() as conn:
        upsert_zones(conn, [AREA, BASE])
        upsert_units(conn, [OFFICE, BUREAU])
        upsert_vehicles(conn, [CAR])
        upsert_terminals(conn, [BOX])


def test_a_circle_and_a_period_come_out_as_they_went_in(database: Database) -> None:
    circle = Circle(23.1, 113.3, 250.0)
    golf = Zone(0, "golf", "golf_course", "球场", "", circle.outline(), circle, 1_700_000_000_000_001, None)
    with database.connection() as conn:
        upsert_zones(conn, [golf, replace(BASE, valid_to=1_800_000_000_000_000)])
        found = [replace(zone, zone_id=0) for zone in load_zones(conn)]
        assert found == [golf, replace(BASE, valid_to=1_800_000_000_000_000)]
        upsert_zones(conn, [replace(golf, geometry=AREA.geometry, circle=None, valid_from=None)])
        assert load_zones(conn)[0].circle is None


def upsert(conn: Connection[Any], row: Unit | Vehicle | Terminal) -> None:
    match row:
        case Unit():
            upsert_units(conn, [BUREAU, row])
        case Vehicle():
            upsert_vehicles(conn, [row])
        case Terminal():
            upsert_terminals(conn, [row])


def test_everything_comes_out_as_it_went_in(database: Database) -> None:
    fill(database)
    with database.connection() as conn:
        zones, units = load_zones(conn), load_units(conn)
        cars, boxes = load_vehicles(conn), load_terminals(conn)
    assert [replace(zone, zone_id=0) for zone in zones] == [AREA, BASE]
    assert [replace(unit, unit_id=0) for unit in units] == [BUREAU, OFFICE]
    assert [replace(car, vehicle_id=0) for car in cars] == [CAR]
    assert boxes == [replace(BOX, vehicle_id=cars[0].vehicle_id)]
    assert cars[0].vehicle_id > 0


def test_a_second_time_brings_rows_up_to_date_and_keeps_their_ids(database: Database) -> None:
    fill(database)
    with database.connection() as conn:
        before = (load_zones(conn), load_units(conn), load_vehicles(conn))
        upsert_zones(conn, [replace(AREA, name_en="Tianhe District", geometry=BASE.geometry)])
        upsert_units(conn, [replace(OFFICE, parent="", area="base-1")])
        upsert_vehicles(conn, [replace(CAR, plate="粤A99999", base="", area="", tank_l=None)])
        upsert_vehicles(conn, [replace(CAR, code="V2")])  # the plate that V1 gave up
        upsert_terminals(conn, [replace(BOX, vehicle="V2", datum="wgs84")])
        zones, units, cars = load_zones(conn), load_units(conn), load_vehicles(conn)
        boxes = load_terminals(conn)
    assert zones[0] == replace(before[0][0], name_en="Tianhe District", geometry=BASE.geometry)
    assert units[1] == replace(before[1][1], parent="", area="base-1")
    assert cars[0] == replace(before[2][0], plate="粤A99999", base="", area="", tank_l=None)
    assert [(box.terminal_no, box.vehicle, box.datum) for box in boxes] == [(BOX.terminal_no, "V2", "wgs84")]


def test_a_parent_may_stand_later_in_the_list(database: Database) -> None:
    fill(database)
    with database.connection() as conn:
        assert {unit.code: unit.parent for unit in load_units(conn)} == {"bureau": "", "office": "bureau"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (replace(OFFICE, parent="nowhere"), "no unit has the code 'nowhere'"),
        (replace(OFFICE, area="nowhere"), "no zone has the code 'nowhere'"),
        (replace(OFFICE, duty_calendar="nowhere"), "no duty calendar has the code 'nowhere'"),
        (replace(CAR, unit="nowhere"), "no unit has the code 'nowhere'"),
        (replace(CAR, base="nowhere"), "no zone has the code 'nowhere'"),
        (replace(CAR, area="nowhere"), "no zone has the code 'nowhere'"),
        (replace(BOX, vehicle="nowhere"), "no vehicle has the code 'nowhere'"),
        (replace(BOX, terminal_type="nowhere"), "no terminal type has the code 'nowhere'"),
    ],
)
def test_a_reference_to_nothing_is_named(database: Database, wrong: Unit | Vehicle | Terminal, named: str) -> None:
    fill(database)
    with pytest.raises(UnknownReferenceError, match=named), database.connection() as conn:
        upsert(conn, wrong)


def test_of_many_unknown_references_one_is_named_and_the_rest_counted(database: Database) -> None:
    fill(database)
    cars = [replace(CAR, code=f"V{n}", plate=f"粤A{n}", unit=f"u{n}") for n in range(3)]
    with pytest.raises(UnknownReferenceError, match="'u0' and 2 more"), database.connection() as conn:
        upsert_vehicles(conn, cars)


def test_an_unknown_vehicle_is_made_once_in_the_unit_for_it(database: Database) -> None:
    with database.connection() as conn:
        made = ensure_vehicle(conn, "粤A12345")
        assert ensure_vehicle(conn, "粤A12345") == made
        other = ensure_vehicle(conn, "粤B12345")
        cars = load_vehicles(conn)
    assert [(car.vehicle_id, car.code, car.plate, car.unit) for car in cars] == [
        (made, "粤A12345", "粤A12345", UNASSIGNED),
        (other, "粤B12345", "粤B12345", UNASSIGNED),
    ]


def test_a_registered_vehicle_is_found_by_code_or_plate(database: Database) -> None:
    fill(database)
    with database.connection() as conn:
        (car,) = load_vehicles(conn)
        assert ensure_vehicle(conn, CAR.code) == ensure_vehicle(conn, CAR.plate) == car.vehicle_id
        assert count(conn, "vehicle") == 1


def test_a_terminal_has_the_datum_and_dialect_of_its_type_unless_it_has_a_datum_of_its_own(database: Database) -> None:
    fill(database)
    ours = TerminalType("bsj", "70105", "BSJ-A6", "bd09", "bsj")
    with database.connection() as conn:
        assert upsert_terminal_types(conn, [ours, TerminalType("plain")]) == 2
        upsert_terminals(
            conn,
            [
                Terminal("1", "V1", "jt808", terminal_type="bsj"),
                Terminal("2", "V1", "jt808", "gcj02", terminal_type="bsj"),
                Terminal("3", "V1", "jt808"),
            ],
        )
        found = [
            (box.datum, box.terminal_type, box.dialect) for box in load_terminals(conn) if box.terminal_no in "123"
        ]
        assert found == [("bd09", "bsj", "bsj"), ("gcj02", "bsj", "bsj"), ("wgs84", "", "")]
        upsert_terminal_types(conn, [replace(ours, datum="gcj02", dialect="")])
        assert load_terminal_types(conn) == [replace(ours, datum="gcj02", dialect=""), TerminalType("plain")]
        upsert_terminals(conn, [Terminal("2", "V1", "jt808")])
        assert {box.terminal_no: box.datum for box in load_terminals(conn)}["2"] == "wgs84"


def test_a_vehicle_is_found_by_its_code_before_another_ones_plate(database: Database) -> None:
    fill(database)
    with database.connection() as conn:
        upsert_vehicles(conn, [replace(CAR, code="V2", plate="V1"), replace(CAR, code="V3", plate="twin")])
        upsert_vehicles(conn, [replace(CAR, code="V4", plate="twin ")])
        conn.execute("ALTER TABLE vehicle DROP CONSTRAINT IF EXISTS vehicle_plate_key")
        upsert_vehicles(conn, [replace(CAR, code="V4", plate="twin")])
        assert (vehicle_code(conn, "V1"), vehicle_code(conn, CAR.plate)) == ("V1", "V1")
        for name, fault in (("nowhere", "no vehicle has"), ("twin", "several vehicles have")):
            with pytest.raises(UnknownReferenceError, match=fault):
                vehicle_code(conn, name)
