"""Fields of position sentences as values. Every sentence that counts is a row of `READERS`.

Field order: gpsd (`driver_nmea0183.c`) and pynmeagps (`nmeatypes_get.py`).
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ingest.errors import FieldError
from ingest.nmea.sentence import TALKERS, Sentence
from ingest.report import check_place

MPS_PER_KNOT = 1852 / 3600
SECOND_US = 1_000_000
GNS_SYSTEMS = ("gps", "glonass", "galileo", "beidou", "qzss", "navic")
GSA_SYSTEMS = {"1": "gps", "2": "glonass", "3": "galileo", "4": "beidou", "5": "qzss", "6": "navic"}
SYSTEMS = ("gps", "beidou", "glonass", "galileo", "qzss", "navic")
"""The order in which systems are named."""
SEVERAL = "several"
"""Where GN tells satellites in view: those of several systems together."""
# Satellite numbers without a system id: (first, last, system); 33–64 are SBAS, which is no system of its own. 201 and 202
# are QZSS at some makers and BeiDou at others: BeiDou here.
NUMBER_RANGES = (
    (1, 32, "gps"), (65, 96, "glonass"), (193, 200, "qzss"), (201, 264, "beidou"), (301, 336, "galileo"),
    (401, 437, "beidou"),
)  # fmt: skip
QUALITIES = {
    "0": "none", "1": "gnss", "2": "differential", "3": "pps", "4": "rtk", "5": "rtk_float", "6": "estimated",
    "7": "manual", "8": "simulator",
}  # fmt: skip
MODES = {
    "A": "autonomous", "D": "differential", "E": "estimated", "N": "none", "R": "rtk", "F": "rtk_float",
    "P": "precise", "M": "manual", "S": "simulator",
}  # fmt: skip

# Calendars of receivers begin with their chip's, at the earliest 1970; what says another century is no date.
YEARS = range(1970, 2100)
LIMIT = 1e9
"""No number in a sentence comes near it."""

_VIEW = ("count of sentences", "number of the sentence", "satellites in view")
_PLAIN = "+-.0123456789"
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(?:\.(\d*))?")
_ANGLE = re.compile(r"(\d{1,3})([0-5]\d)(?:\.(\d{0,12}))?")


@dataclass(slots=True)
class Reading:
    """What one sentence says. `time_us`: microseconds of the day; None where the sentence has no time."""

    time_us: int | None = None
    day: date | None = None
    valid: bool | None = None
    lat_e7: int | None = None
    lon_e7: int | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    satellites: int | None = None
    systems: tuple[str, ...] = ()
    view: tuple[int, int, int] | None = None  # of a group: how many sentences, which of them, satellites in view
    note: dict[str, Any] = field(default_factory=dict)


def read_fields(sentence: Sentence) -> Reading | None:
    """Values of a sentence; None for a kind that says nothing about a position. FieldError on a wrong field."""
    reader = READERS.get(sentence.kind) if sentence.talker else None
    if reader is None:
        return None
    least, read = reader
    if len(sentence.fields) < least:
        raise FieldError(sentence.name, f"at least {least} fields", str(len(sentence.fields)))
    return read(sentence)


def read_time(text: str) -> int | None:
    """Microseconds of the day of hhmmss.ss; None when empty."""
    if not text:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise FieldError("time", "hhmmss.ss", repr(text))
    hours, minutes, seconds, fraction = match.groups()
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * SECOND_US + int((fraction or "0")[:6].ljust(6, "0"))


def read_day(day: str, month: str, year: str) -> date:
    """A calendar date; two-digit years 80–99 are 19xx."""
    if day.isdecimal() and month.isdecimal() and year.isdecimal():
        number = int(year)
        if len(year) == 2:
            number += 1900 if number >= 80 else 2000
        if number in YEARS:
            with suppress(ValueError, OverflowError):
                return date(number, int(month), int(day))
    raise FieldError("date", "day, month, year", f"{day}-{month}-{year}")


def read_angle(text: str, hemisphere: str, hemispheres: str) -> int | None:
    """Degrees × 10⁷ of [d]ddmm.mmmm, rounded half up in integers; None when empty.

    hemispheres : the two letters that may stand beside it, "NS" or "EW"; the second one is negative.
    """
    if not text:
        return None
    match = _ANGLE.fullmatch(text)
    if match is None:
        raise FieldError("coordinate", "dddmm.mmmm", repr(text))
    degrees, minutes, fraction = match.groups()
    fraction = fraction or ""
    scale: int = 60 * 10 ** len(fraction)
    numerator = int(minutes + fraction) * 10_000_000
    e7 = int(degrees) * 10_000_000 + (2 * numerator + scale) // (2 * scale)
    if hemisphere not in {hemispheres[0], hemispheres[1]}:
        raise FieldError("hemisphere", f"{hemispheres[0]} or {hemispheres[1]}", repr(hemisphere))
    return -e7 if hemisphere == hemispheres[1] else e7


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = LIMIT if text.strip(_PLAIN) else float(text)  # float also takes 1_0, 1e3 and nan
    except ValueError:
        value = LIMIT
    if not -LIMIT < value < LIMIT:
        raise FieldError(name, "a number", repr(text))
    return value


def _count(name: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 3:
        raise FieldError(name, "a count", repr(text))
    return int(text)


def _place(fields: Sequence[str]) -> tuple[int | None, int | None]:
    lat, lon = read_angle(fields[0], fields[1], "NS"), read_angle(fields[2], fields[3], "EW")
    if lat is None or lon is None:
        return None, None
    check_place(lat, lon)
    return lat, lon


def _rmc(sentence: Sentence) -> Reading:
    f = sentence.fields
    lat, lon = _place(f[2:6])
    knots = _number("speed", f[6])
    day = read_day(f[8][:2], f[8][2:4], f[8][4:]) if f[8] else None
    mode = f[11] if len(f) > 11 else ""
    return Reading(
        time_us=read_time(f[0]),
        day=day,
        valid=f[1] == "A" and mode != "N" and lat is not None,
        lat_e7=lat,
        lon_e7=lon,
        speed_mps=None if knots is None else knots * MPS_PER_KNOT,
        course_deg=_number("course", f[7]),
        note={} if mode in {"", "A", "N"} else {"mode": MODES.get(mode, mode)},
    )


def _gga(sentence: Sentence) -> Reading:
    f = sentence.fields
    lat, lon = _place(f[1:5])
    note: dict[str, Any] = {} if f[5] in {"", "0", "1"} else {"quality": QUALITIES.get(f[5], f[5])}
    hdop = _number("hdop", f[7])
    return Reading(
        time_us=read_time(f[0]),
        valid=f[5] not in {"", "0"} and lat is not None,
        lat_e7=lat,
        lon_e7=lon,
        satellites=_count("satellites", f[6]),
        altitude_m=_number("altitude", f[8]),
        note=note | ({} if hdop is None else {"hdop": hdop}),
    )


def _gns(sentence: Sentence) -> Reading:
    f = sentence.fields
    lat, lon = _place(f[1:5])
    hdop = _number("hdop", f[7])
    return Reading(
        time_us=read_time(f[0]),
        valid=any(letter != "N" for letter in f[5]) and lat is not None,
        lat_e7=lat,
        lon_e7=lon,
        satellites=_count("satellites", f[6]),
        altitude_m=_number("altitude", f[8]),
        systems=tuple(system for system, letter in zip(GNS_SYSTEMS, f[5], strict=False) if letter != "N"),
        note={} if hdop is None else {"hdop": hdop},
    )


def _gll(sentence: Sentence) -> Reading:
    f = sentence.fields
    lat, lon = _place(f[:4])
    mode = f[6] if len(f) > 6 else ""
    return Reading(
        time_us=read_time(f[4]), valid=f[5] == "A" and mode != "N" and lat is not None, lat_e7=lat, lon_e7=lon
    )


def _vtg(sentence: Sentence) -> Reading:
    f = sentence.fields
    kmh, knots = _number("speed", f[6]), _number("speed", f[4])
    speed = None if kmh is None else kmh / 3.6
    return Reading(
        speed_mps=knots * MPS_PER_KNOT if speed is None and knots is not None else speed,
        course_deg=_number("course", f[0]),
    )


def _gsa(sentence: Sentence) -> Reading:
    f = sentence.fields
    numbers = [int(text) for text in f[2:14] if text.isdecimal()]
    named = (GSA_SYSTEMS.get(f[17]) if len(f) > 17 else None) or TALKERS[sentence.talker]
    systems = [named] if named and numbers else []
    if not named:
        systems = [name for first, last, name in NUMBER_RANGES if any(first <= n <= last for n in numbers)]
    dops = {name: _number(name, text) for name, text in zip(("pdop", "hdop", "vdop"), f[14:17], strict=True)}
    return Reading(systems=tuple(systems), note={name: value for name, value in dops.items() if value is not None})


def _gsv(sentence: Sentence) -> Reading:
    sentences, number, satellites = (_count(name, text) for name, text in zip(_VIEW, sentence.fields, strict=False))
    if sentences is None or number is None or satellites is None:
        return Reading()
    if number > sentences:
        raise FieldError("number of the sentence", f"at most {sentences}, as many as there are", str(number))
    return Reading(view=(sentences, number, satellites))


def _zda(sentence: Sentence) -> Reading:
    f = sentence.fields
    return Reading(time_us=read_time(f[0]), day=read_day(f[1], f[2], f[3]) if f[1] and f[2] and f[3] else None)


READERS: dict[str, tuple[int, Callable[[Sentence], Reading]]] = {
    "RMC": (9, _rmc),
    "GGA": (9, _gga),
    "GNS": (9, _gns),
    "GLL": (6, _gll),
    "VTG": (7, _vtg),
    "GSA": (17, _gsa),
    "GSV": (3, _gsv),
    "ZDA": (4, _zda),
}
"""Kind → fewest fields, reader. The rest says nothing about a position."""
