"""Payloads on `gongche/<terminal>/position`: positions in JSON (one or a list), NMEA sentences, or JT/T 808 frames.

JSON keys (those of `gongche decode`): `fix_time` ISO 8601 (without offset: fleet time), `lat`, `lon` degrees; optional
`valid` (true if absent), `datum` (wgs84, gcj02, bd09), `altitude_m`, `speed_kmh`, `course_deg`, `ignition`,
`odometer_km`, `fuel_l`, `satellites`, `systems`, `alarms`, `late`, `power_cut`, `antenna_fault`. Others stay as a note.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from geo.datum import DATUMS
from geo.localtime import to_us
from ingest.errors import DecodeError, FieldError, Refusal
from ingest.jt808 import FrameSplitter, PartStore, decode
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.report import KMH_PER_MPS, Report, check_place, check_time

Decoded = tuple[list[Report], list[Refusal]]


def read_payload(payload: bytes, terminal: str) -> Decoded:
    """Reports and refusals of one payload, whatever its form; the topic says which terminal speaks, not the payload."""
    if payload[:1] == b"\x7e":
        reports, refused = _read_frames(payload)
    elif payload[:1] == b"$":
        reports, refused = _read_sentences(payload)
    else:
        reports, refused = read_json(payload)
    for report in reports:
        report.terminal = terminal
    return reports, refused


def read_json(payload: bytes) -> Decoded:
    """Reports of one position object or a list of them; a bad one costs only itself."""
    try:
        content = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return [], [Refusal(payload, FieldError("payload", "JSON", str(error).partition("\n")[0]))]
    objects = content if isinstance(content, list) else [content]
    reports, refused = [], []
    for each in objects:
        # Half of a character, which UTF-8 knows not, stays the escape it was sent as.
        raw = payload if len(objects) == 1 else json.dumps(each, ensure_ascii=False).encode(errors="backslashreplace")
        try:
            report = _read_object(each)
        except DecodeError as error:
            refused.append(Refusal(raw, error))
            continue
        report.raw = raw
        reports.append(report)
    return reports, refused


def write_json(report: Report) -> bytes:
    """The payload of one report, as a simulated terminal sends it."""
    return json.dumps(report.as_json() | report.note, ensure_ascii=False).encode()


def _read_object(position: Any) -> Report:
    if not isinstance(position, dict):
        raise FieldError("position", "an object", type(position).__name__)
    found = {key: read(key, position[key]) for key, read in KEYS.items() if position.get(key) is not None}
    if "fix_time" not in found:
        raise FieldError("fix_time", "a time", "none")
    valid = found.get("valid", True)
    lat_e7, lon_e7 = (None if key not in found else round(found[key] * 1e7) for key in ("lat", "lon"))
    if lat_e7 is None or lon_e7 is None:
        if valid:
            raise FieldError("lat, lon", "a place, or valid: false", "none")
        lat_e7 = lon_e7 = None
    else:
        check_place(lat_e7, lon_e7)
    return Report(
        terminal="",
        fix_time=found["fix_time"],
        valid=valid,
        lat_e7=lat_e7,
        lon_e7=lon_e7,
        altitude_m=found.get("altitude_m"),
        speed_mps=found["speed_kmh"] / KMH_PER_MPS if "speed_kmh" in found else None,
        course_deg=found.get("course_deg"),
        ignition=found.get("ignition"),
        odometer_m=round(found["odometer_km"] * 1000) if "odometer_km" in found else None,
        fuel_l=found.get("fuel_l"),
        satellites=found.get("satellites"),
        systems=found.get("systems", ()),
        alarms=found.get("alarms", ()),
        late=found.get("late", False),
        power_cut=found.get("power_cut", False),
        antenna_fault=found.get("antenna_fault", False),
        datum=found.get("datum"),
        note=_note({key: value for key, value in position.items() if key not in KEYS}),
    )


def _note(rest: dict[str, Any]) -> dict[str, Any]:
    """What has no key of its own."""
    _check_storable("note", rest)
    return rest


def _check_storable(key: str, value: Any) -> None:
    """Raise FieldError unless a database can hold it: no NUL, no half of a character, no infinity."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode().decode()
    except (ValueError, RecursionError) as error:
        raise FieldError(key, "storable values", str(error).partition("\n")[0]) from None
    if "\\u0000" in text:
        raise FieldError(key, "storable values", "a NUL character")


def _time(key: str, value: Any) -> int:
    try:
        instant = to_us(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        raise FieldError(key, "a time in ISO 8601", repr(value)[:60]) from None
    check_time(instant)
    return instant


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def read(key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise FieldError(key, f"a number from {low:g} to {high:g}", repr(value)[:60])
        return value

    return read


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 200:
        raise FieldError(key, "a count", repr(value)[:60])
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError(key, "true or false", repr(value)[:60])
    return value


def _words(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FieldError(key, "a list of words", repr(value)[:60])
    _check_storable(key, value)
    return tuple(value)


def _datum(key: str, value: Any) -> str:
    if value not in DATUMS:
        raise FieldError(key, f"one of {', '.join(DATUMS)}", repr(value)[:60])
    return str(value)


KEYS: dict[str, Callable[[str, Any], Any]] = {
    "fix_time": _time,
    "valid": _flag,
    "lat": _number(-90, 90),
    "lon": _number(-180, 180),
    "altitude_m": _number(-32_767, 32_767),
    "speed_kmh": _number(0, 10_000),
    "course_deg": _number(0, 360),
    "ignition": _flag,
    "odometer_km": _number(0, 1e9),
    "fuel_l": _number(0, 1e6),
    "satellites": _count,
    "systems": _words,
    "alarms": _words,
    "late": _flag,
    "power_cut": _flag,
    "antenna_fault": _flag,
    "datum": _datum,
}
"""Key → reader of its value."""


def _read_frames(payload: bytes) -> Decoded:
    splitter, parts = FrameSplitter(), PartStore()
    reports: list[Report] = []
    refused: list[Refusal] = []
    for each in [*splitter.feed(payload), *splitter.close()]:
        if isinstance(each, Refusal):
            refused.append(each)
            continue
        try:
            reports += decode(each, parts).reports
        except DecodeError as error:
            refused.append(Refusal(b"\x7e" + each + b"\x7e", error))
    return reports, refused


def _read_sentences(payload: bytes) -> Decoded:
    splitter, assembler = LineSplitter(), EpochAssembler()
    lines = [*splitter.feed(payload), *splitter.close()]
    found = [each for line in lines for each in ([line] if isinstance(line, Refusal) else assembler.feed(line))]
    found += assembler.close()
    reports = [each.report for each in found if isinstance(each, Fix)]
    return reports, [each for each in found if isinstance(each, Refusal)]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
