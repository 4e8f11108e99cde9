"""Orders with their life, and exemptions, from tables: what is taken, and each fault with file, line, expected and got."""

from datetime import datetime
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest

from geo.localtime import FLEET_ZONE
from ingest.errors import FileFormatError
from ingest.files import fleet
from rules.orders import PURPOSES, STATES
from store.database import Database
from store.exemptions import end_exemption, load_exemptions
from tests.store.rows import START, vehicles

PLAIN = "order_no,vehicle,starts,ends"
HEAD = f"{PLAIN},state,purpose_class,driver,odometer_out_km,odometer_in_km,emergency,emergency_reason,entered_at,private_use"
ROW = "O1,粤A00000,2026-03-02T08:00,2026-03-02T10:00,closed,duty,王,100,120.5,true,抢险,2026-03-02T11:00,"
EXEMPTIONS = """vehicle,unit,rule,approved_by,reason,valid_from,valid_to
粤A00000,,no-card,市长,抢险,2026-03-02T00:00,2026-03-05T00:00
,unassigned,,局长,机要,,
"""


def table(tmp_path: Path, *rows: str, head: str = HEAD) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


def test_the_reader_knows_the_words_of_the_rules() -> None:
    assert set(fleet.ORDER_STATES) == set(STATES)
    assert fleet.PURPOSE_CLASSES == PURPOSES


def test_an_order_comes_with_its_life_and_without_it_stays_what_it_was(database: Database, tmp_path: Path) -> None:
    found = (
        "SELECT state, purpose_class, driver, odometer_out_km, odometer_in_km, emergency, emergency_reason, entered_at, private_use"
        " FROM dispatch_order WHERE order_no = %s"
    )
    entered = datetime(2026, 3, 2, 11, tzinfo=FLEET_ZONE)
    with database.connection() as conn:
        vehicles(conn)
        rows = (ROW, "O2,粤A00000,2026-03-03T08:00,2026-03-03T10:00,,private_approved,,,,,,,")
        fleet.import_file(conn, "orders", table(tmp_path, *rows))
        whole = ("closed", "duty", "王", 100.0, 120.5, True, "抢险", entered, False)
        assert conn.execute(found, ("O1",)).fetchone() == whole
        fleet.import_file(conn, "orders", table(tmp_path, ",".join(ROW.split(",")[:4]), head=PLAIN))
        assert conn.execute(found, ("O1",)).fetchone() == whole
        row = conn.execute(found, ("O2",)).fetchone()
        assert row is not None
        assert (row[0], row[1], row[8]) == ("approved", "private_approved", True), "that is private use by itself"


def test_a_workbook_is_read_as_a_table_is(database: Database, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (HEAD, ROW):
        book.active.append(row.split(","))
    book.save(tmp_path / "orders.xlsx")
    with database.connection() as conn:
        vehicles(conn)
        assert fleet.import_file(conn, "orders", tmp_path / "orders.xlsx").rows == 1
        assert conn.execute("SELECT odometer_in_km, emergency FROM dispatch_order").fetchone() == (120.5, True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("closed", "lost", "orders.csv:2: state: expected one of applied, approved, .*, got 'lost'"),
        ("duty", "golf", "orders.csv:2: purpose_class: expected one of duty, .*, got 'golf'"),
        ("120.5", "99", "orders.csv:2: odometer_in_km: expected not less than 100, as it was issued, got '99'"),
        (",100,", ",-1,", "orders.csv:2: odometer_out_km: expected kilometres from 0 on, got '-1'"),
        (",true,", ",ja,", "orders.csv:2: emergency: expected true or false, got 'ja'"),
        ("T11:00,", "T11:00,x", "orders.csv:2: private_use: expected true or false, got 'x'"),
        ("2026-03-02T11:00", "later", "orders.csv:2: entered_at: expected a time in ISO 8601, got 'later'"),
    ],
)
def test_a_fault_of_a_column_names_it(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        list(fleet.read_orders(table(tmp_path, ROW.replace(old, new))))


def test_exemptions_are_entered_once_and_what_is_not_there_costs_its_row(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "exemptions.csv"
    path.write_text(EXEMPTIONS + "V9,,,市长,x,,\n", encoding="utf-8")
    with database.connection() as conn:
        vehicles(conn)
        taken = fleet.import_file(conn, "exemptions", path)
        assert (taken.rows, taken.faults) == (2, ("exemptions.csv:4: no vehicle has the code 'V9'",))
        one, other = load_exemptions(conn, START, START + 1)
        assert (one.vehicle, one.rule, one.approved_by, one.valid_from) == ("粤A00000", "no-card", "市长", START)
        assert (other.unit, other.rule, other.valid_to) == ("unassigned", "", None)
        end_exemption(conn, other.exemption_id, START, "误录")
        assert fleet.import_file(conn, "exemptions", path) == taken
        assert conn.execute("SELECT count(*) FROM exemption").fetchone() == (2,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "粤A00000",
            "",
            "exemptions.csv:2: vehicle: expected a code here or under unit, and not both; unit is '', got ''",
        ),
        ("粤A00000,", "粤A00000,U", "exemptions.csv:2: vehicle: .* unit is 'U', got '粤A00000'"),
        ("市长", " ", "exemptions.csv:2: approved_by: expected a value"),
        ("抢险", "", "exemptions.csv:2: reason: expected a value"),
        ("2026-03-05", "2026-03-01", "exemptions.csv:2: valid_to: expected a time after 2026-03-02T00:00"),
        ("2026-03-02", "2.3.26", "exemptions.csv:2: valid_from: expected a time in ISO 8601"),
    ],
)
def test_a_fault_of_an_exemption_names_it(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "exemptions.csv"
    path.write_text(EXEMPTIONS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileFormatError, match=message):
        list(fleet.read_exemptions(path))
