"""Tables with a header: CSV, or the first sheet of an .xlsx workbook, as rows of text with their line."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]  # it ships no types

from geo.localtime import day_number, to_us
from ingest.errors import FileFormatError
from ingest.files.batch import open_binary


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its values by column, and where it stands. Every reader raises FileFormatError naming that place."""

    file: str
    line: int
    values: dict[str, str]

    def fault(self, column: str, expected: str) -> FileFormatError:
        """The error of a value that is not what it should be."""
        return FileFormatError(
            f"{self.file}:{self.line}: {column}: expected {expected}, got {self.values.get(column, '')!r}"
        )

    def text(self, column: str, *, needed: bool = False) -> str:
        """The value without blanks around it; empty where the column is missing, unless it is needed."""
        value = self.values.get(column, "").strip()
        if needed and not value:
            raise self.fault(column, "a value")
        return value

    def one_of(self, column: str, allowed: tuple[str, ...], default: str) -> str:
        """One of a few words; `default` where empty."""
        value = self.text(column) or default
        if value not in allowed:
            raise self.fault(column, f"one of {', '.join(allowed)}")
        return value

    def number(self, column: str) -> float | None:
        """A number, None where empty."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise self.fault(column, "a number") from None
        if not -1e12 < value < 1e12:
            raise self.fault(column, "a number")
        return value

    def instant(self, column: str) -> int:
        """A time in ISO 8601, µs UTC; without an offset the fleet's."""
        try:
            return to_us(datetime.fromisoformat(self.text(column, needed=True)))
        except ValueError:
            raise self.fault(column, "a time in ISO 8601") from None

    def day(self, column: str) -> int:
        """A date in ISO 8601, as local day number."""
        try:
            return day_number(date.fromisoformat(self.text(column)))
        except ValueError:
            raise self.fault(column, "a date in ISO 8601") from None

    def flag(self, column: str) -> bool:
        """True or false, 1 or 0."""
        text = self.text(column).lower()
        if text not in {"true", "false", "1", "0"}:
            raise self.fault(column, "true or false")
        return text in {"true", "1"}


def read_table(path: Path, needed: tuple[str, ...]) -> Iterator[Row]:
    """Rows that hold anything, one by one. FileFormatError when the file is no table, or a needed column is not there."""
    lines = _read_workbook(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    header = [name.strip().lower() for name in next(lines, (0, list[str]()))[1]]
    missing = [name for name in needed if name not in header]
    if missing:
        raise FileFormatError(f"{path.name}: columns: expected {', '.join(needed)}, missing {', '.join(missing)}")
    for line, values in lines:
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            raise FileFormatError(f"{path.name}:{line}: row: expected {len(header)} fields, got {len(values)}")
        yield Row(path.name, line, dict(zip(header, values, strict=True)))


def _read_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    with open_binary(path) as file:
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{path.name}: expected UTF-8, got {error.reason} at byte {error.start}") from None
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        for values in reader:
            yield reader.line_num, values
    except csv.Error as error:
        raise FileFormatError(f"{path.name}:{reader.line_num}: row: expected CSV, got {error}") from None


def _read_workbook(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:
        raise FileFormatError(f"{path.name}: expected an .xlsx workbook, got {error}") from error
    try:
        sheet = book.worksheets[0]
        for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield line, [_cell(value) for value in values]
    finally:
        book.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
