"""The fleet's own data from files into the store."""

from datetime import date, datetime
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # it ships no types
import pytest

from geo.localtime import day_number, to_datetime, to_us
from ingest.errors import FileFormatError
from ingest.files import fleet
from store.bindings import BindingError, load_bindings
from store.database import Database
from store.drivers import DriverCard, load_cards, load_drivers
from store.duty import class_calendars, load_duty_days
from store.fleet import (
    Unit,
    UnknownReferenceError,
    load_terminals,
    load_units,
    load_vehicles,
    load_zones,
    upsert_units,
)
from store.orders import load_orders

FILES = {
    "zones.geojson": """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"code": "Z1",
        "kind": "district", "name_zh": "越秀区", "name_en": "Yuexiu"}, "geometry": {"type": "Polygon",
        "coordinates": [[[113, 23], [114, 23], [114, 24], [113, 23]]]}}]}""",
    "calendar.csv": "calendar,name,day,kind,day_name,shifts\n"
    "office,Office,2026-11-23,workday,,08:30-12:00 14:00-17:30\noffice,Office,2026-11-24,holiday,Day,\n"
    "night,Night,2026-11-23,workday,,20:00-08:00\n",
    "units.csv": "unit,name_zh,name_en,parent,area,duty_calendar\nU1,一局,One,U0,Z1,office\nU0,市,City,,,\n",
    "vehicles.csv": "vehicle,plate,unit,class,model,fuel,base,area,consumption_l_100km,tank_l,baseline_km_month,"
    "baseline_source,terminal_no,protocol,datum\nV1,粤A1,U1,ordinary,,,,,8.5,60,1769.97,2011,013900000001,jt808,gcj02\n"
    "V2,粤A2,U1,,,electric,,Z1,,,,,,,\n",
    "terminal-types.csv": "code,maker,model,datum,dialect\nbsj,70105,BSJ-A6,bd09,bsj\nplain,,,,\n",
    "drivers.csv": "code,name,unit,card,valid_from,valid_to\nD1,李,U1,C1,2026-01-01,2026-06-01\nD2,王,U1,C1,2026-06-01,\n"
    "D1,李,U1,C2,,\nD3,赵,U0,,,\n",
    "orders.csv": "order_no,vehicle,starts,ends,driver_card,purpose,destination,destination_lat,destination_lon,"
    "approved_by\nO1,V1,2026-11-23T09:00:00+08:00,2026-11-23 11:00:00,C1,会议,市政府,23.1,113.2,主任\n",
    "exemptions.csv": "vehicle,unit,approved_by,reason\n,U1,市长,抢险\n",
    "swipes.csv": "vehicle,time,driver_card,inserted\nV1,2026-11-23T08:55:00+08:00,C1,true\n粤A2,2026-11-23T12:00:00,C1,0\n",
    "refuels.csv": "receipt_no,vehicle,refuelled_at,litres,odometer_km\nR1,V1,2026-11-23T12:10:00,41.5,81000.5\n",
    "prices.csv": "valid_from,valid_to,yuan_per_l,source\n2026-10-01,2026-10-31,7.5,发改委\n2026-11-01,,7.8,发改委\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def take_all(database: Database, folder: Path) -> dict[str, int]:
    names = {kind: next(name for name in FILES if name.startswith(kind)) for kind in fleet.IMPORTERS}
    with database.connection() as conn:
        return {kind: fleet.import_file(conn, kind, folder / name).rows for kind, name in names.items()}


def test_a_folder_goes_into_the_store_and_again_changes_nothing(database: Database, folder: Path) -> None:
    expected = {
        "zones": 1,
        "calendar": 3,
        "units": 2,
        "terminal-types": 2,
        "vehicles": 2,
        "drivers": 3,
        "orders": 1,
        "exemptions": 1,
        "swipes": 2,
        "refuels": 1,
        "prices": 2,
    }
    assert take_all(database, folder) == expected
    assert take_all(database, folder) == expected
    with database.connection() as conn:
        assert [zone.code for zone in load_zones(conn)] == ["Z1"]
        one = next(unit for unit in load_units(conn) if unit.code == "U1")
        assert (one.parent, one.area, one.duty_calendar) == ("U0", "Z1", "office")
        first, second = load_vehicles(conn)
        assert (first.plate, second.area) == ("粤A1", "Z1")
        assert (first.fuel, second.fuel) == ("petrol", "electric")
        assert [(driver.code, driver.name, driver.unit) for driver in load_drivers(conn)] == [
            ("D1", "李", "U1"),
            ("D2", "王", "U1"),
            ("D3", "赵", "U0"),
        ]
        assert [(card.card_no, card.driver) for card in load_cards(conn)] == [("C1", "D1"), ("C1", "D2"), ("C2", "D1")]
        assert first.consumption_l_100km == pytest.approx(8.5)
        (terminal,) = load_terminals(conn)
        assert (terminal.terminal_no, terminal.vehicle, terminal.datum) == ("013900000001", "V1", "gcj02")
        (order,) = load_orders(conn, 0, 2**52)
        assert to_datetime(order.ends).isoformat() == "2026-11-23T11:00:00+08:00"


def test_a_circle_with_a_period_is_taken(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "venues.geojson"
    path.write_text(
        """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"code": "golf",
        "kind": "golf_course", "radius_m": 400, "valid_from": "2026-01-01", "valid_to": "2027-01-01T00:00:00Z"},
        "geometry": {"type": "Point", "coordinates": [113.3, 23.1]}}]}""",
        encoding="utf-8",
    )
    with database.connection() as conn:
        assert fleet.import_file(conn, "zones", path).rows == 1
        golf = next(zone for zone in load_zones(conn) if zone.code == "golf")
    assert golf.circle is not None
    assert golf.circle.radius_m == 400.0
    assert [to_datetime(each or 0).isoformat() for each in (golf.valid_from, golf.valid_to)] == [
        "2026-01-01T00:00:00+08:00",
        "2027-01-01T08:00:00+08:00",
    ]


def test_shifts_run_over_midnight(database: Database, folder: Path) -> None:
    take_all(database, folder)
    day = day_number(date(2026, 11, 23))
    with database.connection() as conn:
        found = load_duty_days(conn, day, day + 1)
    assert [len(each.shifts) for each in found["office"]] == [2, 0]
    starts, ends = found["night"][0].shifts[0]
    assert to_datetime(starts).isoformat() == "2026-11-23T20:00:00+08:00"
    assert to_datetime(ends).isoformat() == "2026-11-24T08:00:00+08:00"


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "message"),
    [
        (
            "orders",
            "orders.csv",
            "2026-11-23 11:00:00",
            "2026-11-23 08:00:00",
            "orders.csv:2: ends: expected a time after",
        ),
        ("orders", "orders.csv", "23.1", "north", "orders.csv:2: destination_lat: expected a number, got 'north'"),
        (
            "vehicles",
            "vehicles.csv",
            "electric",
            "steam",
            "vehicles.csv:3: fuel: expected one of petrol, diesel, electric",
        ),
        ("drivers", "drivers.csv", "王", "", "drivers.csv:3: name: expected a value, got ''"),
        (
            "drivers",
            "drivers.csv",
            "2026-01-01,2026-06-01",
            "2026-07-01,2026-06-01",
            "drivers.csv:2: valid_to: expected a time after 2026-07-01, got '2026-06-01'",
        ),
        ("drivers", "drivers.csv", "2026-01-01", "winter", "drivers.csv:2: valid_from: expected a time in ISO 8601"),
        ("vehicles", "vehicles.csv", "gcj02", "mars", "vehicles.csv:2: datum: expected one of wgs84, gcj02, bd09"),
        ("terminal-types", "terminal-types.csv", "bd09", "mars", "terminal-types.csv:2: datum: expected one of wgs84"),
        (
            "terminal-types",
            "terminal-types.csv",
            "bd09,bsj",
            "bd09,mars",
            "terminal-types.csv:2: dialect: expected one of",
        ),
        ("terminal-types", "terminal-types.csv", "bsj,", ",", "terminal-types.csv:2: code: expected a value"),
        ("vehicles", "vehicles.csv", "粤A2", "", "vehicles.csv:3: plate: expected a value, got ''"),
        ("calendar", "calendar.csv", "20:00-08:00", "late", "calendar.csv:4: shifts: expected hh:mm-hh:mm"),
        ("calendar", "calendar.csv", "2026-11-24", "tomorrow", "calendar.csv:3: day: expected a date in ISO 8601"),
        ("units", "units.csv", "name_zh", "nom", "units.csv: columns: expected unit, name_zh, missing name_zh"),
        ("prices", "prices.csv", "7.5", "free", "prices.csv:2: yuan_per_l: expected a number, got 'free'"),
        ("prices", "prices.csv", "7.5", "0", "prices.csv:2: yuan_per_l: expected a number between 0 and 1000, got '0'"),
        (
            "prices",
            "prices.csv",
            "2026-10-31",
            "2026-09-30",
            "prices.csv:2: valid_to: expected a day not before 2026-10-01",
        ),
        ("prices", "prices.csv", "2026-10-01", "October", "prices.csv:2: valid_from: expected a date in ISO 8601"),
        ("swipes", "swipes.csv", "true", "perhaps", "swipes.csv:2: inserted: expected true or false"),
        ("zones", "zones.geojson", '"code"', '"kode"', "expected properties code and kind"),
    ],
)
def test_a_fault_names_file_line_and_column(
    database: Database, folder: Path, kind: str, name: str, old: str, new: str, message: str
) -> None:
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with database.connection() as conn, pytest.raises(FileFormatError) as caught:
        fleet.import_file(conn, kind, path)
    assert message in str(caught.value)


def test_a_code_that_is_not_there_is_named(database: Database, folder: Path) -> None:
    with database.connection() as conn, pytest.raises(UnknownReferenceError, match=r"no unit has the code 'U1'"):
        fleet.import_file(conn, "vehicles", folder / "vehicles.csv")


def test_an_unknown_kind_is_refused(database: Database, folder: Path) -> None:
    with database.connection() as conn, pytest.raises(FileFormatError, match="expected one of zones, calendar"):
        fleet.import_file(conn, "trips", folder / "units.csv")


def test_a_workbook_is_read_as_its_csv_would_be(folder: Path) -> None:
    book = openpyxl.Workbook()
    for line in FILES["units.csv"].splitlines():
        book.active.append(line.split(","))
    book.save(folder / "units.xlsx")
    assert fleet.read_units(folder / "units.xlsx") == fleet.read_units(folder / "units.csv")


def test_a_purpose_may_run_over_lines(folder: Path) -> None:
    purpose = "会议\u2028第一场\n第二场"
    order = f'O2,V1,2026-11-23T09:00:00,2026-11-23T10:00:00,C1,"{purpose}",市政府,,,主任\n'
    with (folder / "orders.csv").open("a", encoding="utf-8", newline="") as file:
        file.write(order)
    assert [each.purpose for each in fleet.read_orders(folder / "orders.csv")] == ["会议", purpose]


def test_units_say_which_calendar_a_class_follows(database: Database, folder: Path) -> None:
    take_all(database, folder)

    def take(cell: str) -> list[tuple[str, str, str | None]]:
        text = f"unit,name_zh,duty_calendar,duty_calendar_emergency\nU1,一局,office,{cell}\n"
        (folder / "units.csv").write_text(text, encoding="utf-8")
        with database.connection() as conn:
            fleet.import_file(conn, "units", folder / "units.csv")
            return class_calendars(conn)

    assert take("none") == [("U1", "emergency", None)]
    assert take("night") == [("U1", "emergency", "night")]
    assert take("") == []
    with pytest.raises(UnknownReferenceError, match="no duty calendar has the code 'moon'"):
        take("moon")


def test_a_unit_or_vehicle_that_changes_calendar_is_audited_again(database: Database, folder: Path) -> None:
    take_all(database, folder)
    with database.connection() as conn:
        conn.execute("INSERT INTO sealed_part VALUES ('2026-11-23', 0, 1, 1, 1, '')")
        conn.execute(
            "INSERT INTO vehicle_day SELECT vehicle_id, '2026-11-23', 1, 0, 0, 0, 0, 0, NULL, 0, 0, 0 FROM vehicle"
        )

    def stale_after(kind: str, name: str, text: str) -> int:
        (folder / name).write_text(text, encoding="utf-8")
        with database.connection() as conn:
            fleet.import_file(conn, kind, folder / name)
            return conn.execute("DELETE FROM stale_day").rowcount

    units = FILES["units.csv"]
    assert stale_after("units", "units.csv", units) == 0
    assert stale_after("units", "units.csv", units.replace("office", "night")) == 2
    assert stale_after("vehicles", "vehicles.csv", FILES["vehicles.csv"].replace("V1,粤A1,U1", "V1,粤A1,U0")) == 1


def test_a_terminal_follows_its_type_where_the_table_leaves_the_datum_open(database: Database, folder: Path) -> None:
    take_all(database, folder)
    table = folder / "vehicles.csv"
    table.write_text(
        "vehicle,plate,unit,terminal_no,terminal_type,datum\nV1,粤A1,U1,1,bsj,\nV2,粤A2,U1,2,bsj,gcj02\n",
        encoding="utf-8",
    )
    with database.connection() as conn:
        fleet.import_file(conn, "vehicles", table)
        found = {box.terminal_no: (box.datum, box.dialect) for box in load_terminals(conn)}
    assert found == {
        "013900000001": ("gcj02", ""),
        "1": ("bd09", "bsj"),
        "2": ("gcj02", "bsj"),
    }


def test_an_order_that_meets_another_of_its_vehicle_is_refused_alone(database: Database, folder: Path) -> None:
    take_all(database, folder)
    table = folder / "orders.csv"
    rows = ["O2,V1,2026-11-23T10:00:00,2026-11-23T12:00:00", "O3,V1,2026-11-23T11:00:00,2026-11-23T13:00:00"]
    rows += ["O4,V2,2026-11-23T10:00:00,2026-11-23T12:00:00", "O5,V1,2026-11-23T12:59:00,2026-11-23T14:00:00"]
    table.write_text("\n".join(["order_no,vehicle,starts,ends", *rows]), encoding="utf-8")
    with database.connection() as conn:
        taken = fleet.import_file(conn, "orders", table)
        assert taken == fleet.import_file(conn, "orders", table), "again, the same are taken and the same refused"
        assert [order.order_no for order in load_orders(conn, 0, 2**52)] == ["O1", "O3", "O4"]
    assert taken.rows == 2
    assert taken.faults == (
        (
            "orders.csv:2: order O2: expected no other order of V1 from 2026-11-23T10:00:00+08:00 to "
            "2026-11-23T12:00:00+08:00, got order O1 from 2026-11-23T09:00:00+08:00 to 2026-11-23T11:00:00+08:00"
        ),
        (
            "orders.csv:5: order O5: expected no other order of V1 from 2026-11-23T12:59:00+08:00 to "
            "2026-11-23T14:00:00+08:00, got order O3 from 2026-11-23T11:00:00+08:00 to 2026-11-23T13:00:00+08:00"
        ),
    )


def test_a_card_that_has_a_driver_is_refused_alone(database: Database, folder: Path) -> None:
    take_all(database, folder)
    table = folder / "drivers.csv"
    table.write_text("code,name,unit,card,valid_from\nD4,孙,U1,C1,2026-03-01\nD4,孙,U1,C4,\n", encoding="utf-8")
    with database.connection() as conn:
        taken = fleet.import_file(conn, "drivers", table)
        assert DriverCard("C4", "D4") in load_cards(conn)
        assert len(load_cards(conn)) == 4
    assert (taken.rows, taken.faults) == (
        1,
        (
            (
                "drivers.csv:2: card C1: expected one that no other period holds from 2026-03-01T00:00:00+08:00 until "
                "further notice, got one of driver D1 from 2026-01-01T00:00:00+08:00 to 2026-06-01T00:00:00+08:00"
            ),
        ),
    )


def test_a_terminal_may_say_since_when_it_is_in_its_vehicle(database: Database, tmp_path: Path) -> None:
    head = "vehicle,plate,unit,terminal_no,terminal_since\n"
    rows = ("V1,粤A1,U1,1,2026-03-02T08:00\n", "V2,粤A2,U1,1,2026-03-04\n")
    file = _write(tmp_path, "v.csv", head + rows[0] + rows[1] + "V3,粤A3,U1,3,\n")
    with database.connection() as conn:
        upsert_units(conn, [Unit("U1", "局")])
        for _ in range(2):  # a second time changes nothing
            fleet.import_file(conn, "vehicles", file)
            found = [(each.terminal_no, each.vehicle, each.since, each.until) for each in load_bindings(conn)]
            moved = to_us(datetime(2026, 3, 4))
            assert found == [
                ("1", "V1", to_us(datetime(2026, 3, 2, 8)), moved),
                ("1", "V2", moved, None),
                ("3", "V3", None, None),
            ]
    with pytest.raises(FileFormatError, match=r"v.csv:2: terminal_since: expected a time in ISO 8601, got 'soon'"):
        fleet.read_vehicles(_write(tmp_path, "v.csv", head + "V1,粤A1,U1,1,soon\n"))
    late = _write(tmp_path, "v.csv", head + "V3,粤A3,U1,1,2026-03-03\n")
    with (
        database.connection() as conn,
        pytest.raises(BindingError, match="terminal 1: expected a start after 2026-03-04"),
    ):
        fleet.import_file(conn, "vehicles", late)


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
