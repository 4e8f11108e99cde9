"""CSV of positions: `vehicle, time, lat, lon` by name in any order, and the optional columns of `COLUMNS`.

Blocks of whole lines go through pyarrow and are converted column by column; only a block that holds broken lines is
taken apart line by line. An unknown column stays as a note; a bad row is refused with its line number.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.datum import DATUMS
from geo.localtime import UTC_OFFSET_US
from geo.positions import NO_ALTITUDE, NO_ODOMETER, NO_SATELLITES, Status
from ingest.errors import FileFormatError
from ingest.files.batch import Batch, kmh_to_mps, make_batch, open_binary, refused_at
from ingest.report import convert_e7
from store.intake import Refused

BLOCK_BYTES = 16 << 20
REQUIRED = ("vehicle", "time", "lat", "lon")
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d:?\d\d)$")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Number:
    """An optional column of numbers: what is allowed, and the words of a refusal."""

    low: float
    high: float
    expected: str
    whole: bool = False


NUMBERS = {
    "lat": Number(-90, 90, "degrees from -90 to 90"),
    "lon": Number(-180, 180, "degrees from -180 to 180"),
    "speed_kmh": Number(0, 10_000, "km/h from 0 to 10000"),
    "course_deg": Number(0, 360, "degrees from 0 to 360"),
    "odometer_km": Number(0, 1e9, "kilometres, 0 or more"),
    "fuel_l": Number(0, 1e6, "litres, 0 or more"),
    "satellites": Number(0, 200, "a count", whole=True),
    "altitude_m": Number(-32_767, 32_767, "metres"),
}
FLAGS = ("ignition", "valid", "late")
COLUMNS = ("vehicle", "time", "datum", *NUMBERS, *FLAGS)
"""Every column that is understood."""


def is_csv(head: bytes) -> bool:
    """Whether the first line names time, lat and lon."""
    names = _names(head.partition(b"\n")[0])
    return {"time", "lat", "lon"} <= set(names)


def read_csv(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Batches of a CSV file; `vehicle` stands for the column of that name where it is missing.

    FileFormatError on a header that lacks a required column or names one twice.
    """
    with open_binary(path) as file:
        names = _names(file.readline())
        _check_header(path, names, vehicle)
        line, rest = 2, b""
        while chunk := file.read(BLOCK_BYTES):
            block, newline, tail = (rest + chunk).rpartition(b"\n")
            if newline:
                yield _read_block(path, names, block + newline, line, vehicle, received_at)
                line += block.count(b"\n") + 1
            rest = tail
        if rest.strip():
            yield _read_block(path, names, rest + b"\n", line, vehicle, received_at)


def _names(header: bytes) -> list[str]:
    text = header.decode("utf-8-sig", errors="replace").strip("\r\n")
    return [name.strip().lower() for name in next(csv.reader([text]), [])]


def _check_header(path: Path, names: Sequence[str], vehicle: str | None) -> None:
    missing = [name for name in REQUIRED if name not in names and not (name == "vehicle" and vehicle)]
    if missing:
        raise FileFormatError(f"{path.name}: columns: expected {', '.join(REQUIRED)}, missing {', '.join(missing)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileFormatError(f"{path.name}: columns: expected each once, got {', '.join(twice)} more than once")


class _Faults:
    """The first fault of each row."""

    def __init__(self, n: int) -> None:
        self.good: BoolArray = np.ones(n, dtype=np.bool_)
        self.reasons: dict[int, str] = {}

    def add(self, bad: BoolArray, column: str, expected: str, texts: pa.Array) -> None:
        """Mark rows; `texts` is what they hold."""
        for row in np.flatnonzero(bad & self.good):
            self.reasons[int(row)] = f"{column}: expected {expected}, got {texts[int(row)].as_py()!r}"
        self.good &= ~bad


def _read_block(
    path: Path, names: list[str], block: bytes, first_line: int, vehicle: str | None, received_at: int
) -> Batch:
    texts, lines, refused = _parse(path, names, block, first_line, received_at)
    faults = _Faults(len(lines))
    who = _vehicles(texts, vehicle, len(lines), faults)
    time = _times(texts["time"], faults)
    numbers = {name: _numbers(name, texts[name], faults) for name in NUMBERS if name in texts}
    flags = {name: _flags(name, texts[name], faults) for name in FLAGS if name in texts}
    datum = _datums(texts.get("datum"), len(lines), faults)
    keep = np.flatnonzero(faults.good)
    if faults.reasons:
        raw = block.split(b"\n")
        for row, reason in faults.reasons.items():
            number = int(lines[row])
            refused.append(refused_at(path, str(number), reason, raw[number - first_line].rstrip(b"\r"), received_at))
    refused.sort(key=lambda each: int(each.place.rpartition(":")[2]))
    notes = _notes(texts, keep)
    return _batch(
        who[keep], time[keep], {k: v[keep] for k, v in numbers.items()}, flags, datum, keep, notes, refused, received_at
    )


def _batch(
    who: NDArray[Any],
    time: Int64Array,
    numbers: dict[str, FloatArray],
    flags: dict[str, NDArray[np.int8]],
    datum: NDArray[Any] | None,
    keep: Int64Array,
    notes: dict[int, dict[str, Any]],
    refused: list[Refused],
    received_at: int,
) -> Batch:
    n = len(keep)
    status = np.full(n, Status.FIX_VALID, dtype=np.uint32)
    if "valid" in flags:
        status[flags["valid"][keep] == 0] = 0
    if "ignition" in flags:
        status[flags["ignition"][keep] >= 0] |= np.uint32(Status.IGNITION_KNOWN)
        status[flags["ignition"][keep] == 1] |= np.uint32(Status.IGNITION_ON)
    if "late" in flags:
        status[flags["late"][keep] == 1] |= np.uint32(Status.LATE)
    columns: dict[str, Any] = {}
    if "speed_kmh" in numbers:
        columns["speed_mps"] = kmh_to_mps(numbers["speed_kmh"])
    for name in ("course_deg", "fuel_l"):
        if name in numbers:
            columns[name] = numbers[name].astype(np.float32)
    for name, given, absent in (
        ("odometer_m", "odometer_km", NO_ODOMETER),
        ("satellites", "satellites", NO_SATELLITES),
        ("altitude_m", "altitude_m", NO_ALTITUDE),
    ):
        if given in numbers:
            values = numbers[given] * (1000 if name == "odometer_m" else 1)
            columns[name] = np.where(np.isnan(values), absent, np.rint(values)).astype(np.int64)
    batch = make_batch(
        who, time, numbers["lat"], numbers["lon"], received_at, status=status, notes=notes, refused=refused, **columns
    )
    if datum is not None:
        _convert(batch, datum[keep])
    return batch


def _convert(batch: Batch, datum: NDArray[Any]) -> None:
    lat_e7, lon_e7 = batch.positions.lat_e7, batch.positions.lon_e7
    for name in DATUMS[1:]:
        rows = np.flatnonzero(datum == name)
        for row in rows:
            sent = {"sent_lat": float(lat_e7[row]) / 1e7, "sent_lon": float(lon_e7[row]) / 1e7, "datum": name}
            batch.notes[int(row)] = batch.notes.get(int(row), {}) | sent
        lat_e7[rows], lon_e7[rows] = convert_e7(lat_e7[rows], lon_e7[rows], name)


def _parse(
    path: Path, names: list[str], block: bytes, first_line: int, received_at: int
) -> tuple[dict[str, pa.Array], Int64Array, list[Refused]]:
    """Columns as text, the line of each row, and the lines that are none."""
    broken: list[Any] = []

    def skip(row: Any) -> str:
        broken.append(row)
        return "skip"

    try:
        block.decode("utf-8")
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            parse_options=arrow_csv.ParseOptions(invalid_row_handler=skip, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return _parse_lines(path, names, block, first_line, received_at)
    if broken or table.num_rows != block.count(b"\n"):
        return _parse_lines(path, names, block, first_line, received_at)
    lines = np.arange(first_line, first_line + table.num_rows, dtype=np.int64)
    return {name: table.column(name).combine_chunks() for name in names}, lines, []


def _parse_lines(
    path: Path, names: list[str], block: bytes, first_line: int, received_at: int
) -> tuple[dict[str, pa.Array], Int64Array, list[Refused]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    refused: list[Refused] = []
    for number, raw in enumerate(block.rstrip(b"\n").split(b"\n"), start=first_line):
        if not raw.strip():
            continue  # an empty line is no row
        try:
            fields = next(csv.reader([raw.decode("utf-8").rstrip("\r")], strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            what = "UTF-8" if isinstance(error, UnicodeDecodeError) else "a row of CSV"
            refused.append(refused_at(path, str(number), f"row: expected {what}, got {error}", raw, received_at))
            continue
        if len(fields) != len(names):
            reason = f"row: expected {len(names)} fields, got {len(fields)}"
            refused.append(refused_at(path, str(number), reason, raw, received_at))
            continue
        rows.append(fields)
        lines.append(number)
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    texts = {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    return texts, np.array(lines, dtype=np.int64), refused


def _vehicles(texts: dict[str, pa.Array], vehicle: str | None, n: int, faults: _Faults) -> NDArray[Any]:
    if vehicle:
        return np.full(n, vehicle, dtype=object)
    names = pc.utf8_trim_whitespace(texts["vehicle"])
    faults.add(np.asarray(pc.equal(names, "").to_numpy(zero_copy_only=False)), "vehicle", "a name", names)
    found: NDArray[Any] = names.to_numpy(zero_copy_only=False)
    return found


def _times(texts: pa.Array, faults: _Faults) -> Int64Array:
    """Instants, µs UTC; without an offset a time is the fleet's."""
    trimmed = pc.utf8_trim_whitespace(texts)
    for kind, shift in ((pa.timestamp("us", "UTC"), 0), (pa.timestamp("us"), UTC_OFFSET_US)):
        try:
            found: Int64Array = pc.cast(trimmed, kind).cast(pa.int64()).to_numpy() - shift
        except pa.ArrowInvalid:
            continue
        return found
    series = pd.Series(trimmed.to_pylist(), dtype=object)
    parsed = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    bad = parsed.isna().to_numpy()
    instants = parsed.fillna(pd.Timestamp(0, tz="UTC")).dt.as_unit("us").astype("int64").to_numpy(np.int64, copy=True)
    naive = np.array([_OFFSET.search(text[10:]) is None for text in series], dtype=np.bool_)
    instants[naive] -= UTC_OFFSET_US
    faults.add(np.asarray(bad), "time", "a time in ISO 8601", texts)
    return np.asarray(instants, dtype=np.int64)


def _numbers(name: str, texts: pa.Array, faults: _Faults) -> FloatArray:
    """Values, NaN where empty."""
    rule = NUMBERS[name]
    trimmed = pc.utf8_trim_whitespace(texts)
    empty = pc.equal(trimmed, "")
    filled = pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)
    try:
        values: FloatArray = pc.cast(filled, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except pa.ArrowInvalid:
        values = np.asarray(
            pd.to_numeric(pd.Series(filled.to_pylist(), dtype=object), errors="coerce"), dtype=np.float64
        )
    absent = np.asarray(empty.to_numpy(zero_copy_only=False))
    with np.errstate(invalid="ignore"):
        bad = ~((values >= rule.low) & (values <= rule.high))
        if rule.whole:
            bad |= values != np.rint(values)
    if name not in {"lat", "lon"}:
        bad &= ~absent
    faults.add(bad, name, rule.expected, texts)
    return values


def _flags(name: str, texts: pa.Array, faults: _Faults) -> NDArray[np.int8]:
    """1 true, 0 false, −1 empty."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    at = pc.fill_null(pc.index_in(words, pa.array([*_WORDS, ""])), -1).to_numpy(zero_copy_only=False)
    meaning = np.array([*_WORDS.values(), -1, 0], dtype=np.int8)  # the last stands for −1: no such word
    faults.add(at < 0, name, "true or false", texts)
    found: NDArray[np.int8] = meaning[at]
    return found


def _datums(texts: pa.Array | None, n: int, faults: _Faults) -> NDArray[Any] | None:
    if texts is None:
        return None
    names = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    known = pc.is_in(names, pa.array([*DATUMS, ""])).to_numpy(zero_copy_only=False)
    faults.add(~np.asarray(known), "datum", f"one of {', '.join(DATUMS)}", texts)
    found: NDArray[Any] = names.to_numpy(zero_copy_only=False)
    assert len(found) == n
    return found


def _notes(texts: dict[str, pa.Array], keep: Int64Array) -> dict[int, dict[str, Any]]:
    unknown = {name: texts[name].take(pa.array(keep)).to_pylist() for name in texts if name not in COLUMNS}
    notes: dict[int, dict[str, Any]] = {}
    for name, values in unknown.items():
        for row, value in enumerate(values):
            if value:
                notes.setdefault(row, {})[name] = value.replace("\x00", "␀")  # NUL cannot stand in a database
    return notes
