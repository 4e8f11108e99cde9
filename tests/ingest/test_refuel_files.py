"""Refuelling from tables: what a row may say, and what each fault is called."""

from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # it ships no types
import pytest

from geo.localtime import to_datetime
from ingest.errors import FileFormatError
from ingest.files.refuels import read_refuels
from store.refuels import Refuel

IDS = {"V1": 7, "粤A1": 7}
HEADER = "receipt_no,vehicle,refuelled_at,litres,yuan,odometer_km,station,lat,lon,card_no,cancelled"
GOOD = "R-1,V1,2026-11-23T12:10:00,41.5,320,81000.5,站,23.1,113.3,F1,"


def read(tmp_path: Path, *lines: str, header: str = HEADER) -> list[Refuel]:
    path = tmp_path / "refuels.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return read_refuels(path, IDS)


def test_a_row_says_all_of_a_receipt_by_code_or_plate(tmp_path: Path) -> None:
    one, two = read(tmp_path, GOOD, "R2,粤A1,2026-11-23T04:10:00Z,20,,,,,,,true")
    assert to_datetime(one.refuelled_at) == to_datetime(two.refuelled_at)
    assert one == Refuel("R-1", 7, one.refuelled_at, 41.5, 320.0, 81_000_500, "站", 23.1, 113.3, "F1")
    assert two == Refuel("R2", 7, two.refuelled_at, 20.0, cancelled=True)


def test_a_workbook_is_read_as_a_table(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["receipt_no", "vehicle", "refuelled_at", "litres"])
    book.active.append([12345, "V1", "2026-11-23T12:10:00", 41.5])
    book.save(tmp_path / "refuels.xlsx")
    (row,) = read_refuels(tmp_path / "refuels.xlsx", IDS)
    assert (row.receipt_no, row.litres) == ("12345", 41.5)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("receipt_no", "R 1", "receipt_no: expected 1 to 64 letters"),
        ("receipt_no", "", "receipt_no: expected a value"),
        ("vehicle", "V9", "vehicle: expected a known code or plate, got 'V9'"),
        ("refuelled_at", "noon", "refuelled_at: expected a time in ISO 8601"),
        ("litres", "0", "litres: expected a number above 0"),
        ("litres", "", "litres: expected a number above 0"),
        ("litres", "10001", "litres: expected a number from 0 to 10000"),
        ("litres", "nan", "litres: expected a number"),
        ("yuan", "-1", "yuan: expected a number from 0"),
        ("odometer_km", "x", "odometer_km: expected a number, got 'x'"),
        ("lat", "91", "lat: expected a number from -90 to 90"),
        ("lon", "", "lon: expected lat and lon, or neither"),
        ("cancelled", "perhaps", "cancelled: expected true or false"),
    ],
)
def test_a_fault_names_file_line_column_and_what_was_there(
    tmp_path: Path, column: str, value: str, expected: str
) -> None:
    values = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {column: value}
    with pytest.raises(FileFormatError, match=rf"refuels\.csv:3: {expected}"):
        read(tmp_path, GOOD, ",".join(values.values()))


def test_a_table_without_litres_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        FileFormatError, match="columns: expected receipt_no, vehicle, refuelled_at, litres, missing litres"
    ):
        read(tmp_path, header="receipt_no,vehicle,refuelled_at")
