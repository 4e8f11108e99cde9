"""Position objects in JSON, one or a list of them: the keys of `gongche decode`, each with the reader of its value.

Objects of the known keys alone are read by msgspec, which decodes and checks in one go; whatever it does not take goes
key by key through `KEYS`, which has the last word and the words for what is wrong.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from geo.datum import DATUMS
from geo.localtime import to_us
from ingest.errors import DecodeError, FieldError, Refusal
from ingest.report import KMH_PER_MPS, Report, check_place, check_time

Decoded = tuple[list[Report], list[Refusal]]


def read_json(payload: bytes) -> Decoded:
    """Reports of one position object or a list of them; a bad one costs only itself."""
    plain = read_plain(payload)
    return ([plain], []) if plain is not None else read_any_json(payload)


def read_any_json(payload: bytes) -> Decoded:
    """As `read_json`, key by key."""
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
    """What has no key of its own, if a database can hold it: no NUL, no half of a character, no infinity."""
    try:
        text = json.dumps(rest, ensure_ascii=False, allow_nan=False).encode().decode()
    except (ValueError, RecursionError) as error:
        raise FieldError("note", "storable values", str(error).partition("\n")[0]) from None
    if "\\u0000" in text:
        raise FieldError("note", "storable values", "a NUL character")
    return rest


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
    if not isinstance(value, list) or not all(isinstance(each, str) and _is_storable(each) for each in value):
        raise FieldError(key, "a list of words", repr(value)[:60])
    return tuple(value)


def _is_storable(text: str) -> bool:
    """Whether a database can hold it: no NUL, no half of a character."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


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


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A position object of the known keys alone; the bounds are those of `KEYS`."""

    fix_time: str
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    valid: bool | None = None
    altitude_m: Annotated[float, msgspec.Meta(ge=-32_767, le=32_767)] | None = None
    speed_kmh: Annotated[float, msgspec.Meta(ge=0, le=10_000)] | None = None
    course_deg: Annotated[float, msgspec.Meta(ge=0, le=360)] | None = None
    ignition: bool | None = None
    odometer_km: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    fuel_l: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    satellites: Annotated[int, msgspec.Meta(ge=0, le=200)] | None = None
    systems: tuple[str, ...] | None = None
    alarms: tuple[str, ...] | None = None
    late: bool | None = None
    power_cut: bool | None = None
    antenna_fault: bool | None = None
    datum: str | None = None


_DECODER = msgspec.json.Decoder(_Plain)


def read_plain(payload: bytes) -> Report | None:
    """The report of an object of the known keys alone; None: it must be read key by key."""
    if b"\\u0000" in payload:
        return None
    try:
        said = _DECODER.decode(payload)
        fix_time = to_us(datetime.fromisoformat(said.fix_time))
        check_time(fix_time)
    except (msgspec.MsgspecError, DecodeError, UnicodeError, ValueError, OverflowError, RecursionError):
        return None
    valid = said.valid is not False
    lat_e7 = lon_e7 = None
    if said.lat is not None and said.lon is not None:
        lat_e7, lon_e7 = round(said.lat * 1e7), round(said.lon * 1e7)
    elif valid:
        return None
    if said.datum is not None and said.datum not in DATUMS:
        return None
    return Report(
        "",
        fix_time,
        valid,
        lat_e7,
        lon_e7,
        said.altitude_m,
        None if said.speed_kmh is None else said.speed_kmh / KMH_PER_MPS,
        said.course_deg,
        said.ignition,
        None if said.odometer_km is None else round(said.odometer_km * 1000),
        said.fuel_l,
        said.satellites,
        said.systems or (),
        said.alarms or (),
        said.late is True,
        said.power_cut is True,
        said.antenna_fault is True,
        said.datum,
        {},
        payload,
    )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
