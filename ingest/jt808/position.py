"""Position body (JT/T 808-2019 §8.18), 28 bytes, then items.

alarm DWORD | status DWORD | latitude, longitude DWORD 10⁻⁶°
altitude m WORD | speed 0.1 km/h WORD | course WORD | time BCD[6] in UTC+8
"""

import struct
from collections.abc import Callable
from typing import Any

from ingest.errors import FieldError, FrameError
from ingest.jt808.dialects import rows_of
from ingest.jt808.frame import bare
from ingest.jt808.header import Header, read_header
from ingest.jt808.items import read_items
from ingest.jt808.values import named_bits, read_time
from ingest.report import KMH_PER_MPS, Report, check_place

BASE = struct.Struct(">IIIIhHH6s")  # altitude signed: some terminals send places below sea level, none are above 32 km

IGNITION, FIXED, SOUTH, WEST, OUT_OF_SERVICE, ENCRYPTED = (1 << bit for bit in range(6))
SYSTEM_BITS = {18: "gps", 19: "beidou", 20: "glonass", 21: "galileo"}
OTHER_STATUS = {
    4: "out_of_service", 5: "coordinates_encrypted", 6: "forward_collision_warning", 7: "lane_departure_warning",
    10: "fuel_cut", 11: "circuit_cut", 12: "doors_locked",
    13: "door_1_open", 14: "door_2_open", 15: "door_3_open", 16: "door_4_open", 17: "door_5_open",
}  # fmt: skip
_COLUMNS = ("odometer_km", "fuel_l", "satellites")  # items that positions have columns for
OTHER, PLAIN, NOTED = range(3)
"""What a frame is to `read_bulk`: left to `decode`, a position that is all columns, a position with a note too."""
MOVING_BIT = 22  # 2019
LOAD = {1: "half", 2: "reserved", 3: "full"}
ALARMS = (
    "emergency", "overspeed", "fatigue", "danger", "gnss_fault", "antenna_cut", "antenna_short", "power_low",
    "power_off", "display_fault", "speech_fault", "camera_fault", "card_reader_fault", "overspeed_warning",
    "fatigue_warning", "forbidden_driving", "tyre_pressure", "blind_spot", "daily_driving_time", "parked_too_long",
    "area_crossing", "route_crossing", "section_time", "off_route", "speed_sensor", "fuel_abnormal", "stolen",
    "illegal_ignition", "illegal_displacement", "collision", "roll_over", "illegal_door",
)  # fmt: skip
ANTENNA_ALARMS = 0b111 << 4
POWER_OFF_ALARM = 1 << 8
STATUS_WORDS = sum(1 << bit for bit in OTHER_STATUS) | 0b11 << 8 | 1 << MOVING_BIT | ~((1 << 23) - 1) & 0xFFFFFFFF


def read_position(body: bytes, header: Header, *, late: bool = False, raw: bytes = b"", dialect: str = "") -> Report:
    """The report of one position body; `dialect` names the vendor's items beside the standard's.

    A position without a fix, or with encrypted coordinates, is kept as not valid; without a fix, coordinates off the
    globe are no place and stay in the note. FrameError on a body under 28 bytes; FieldError on a time that is none, or
    on a fix off the globe.
    """
    if len(body) < BASE.size:
        raise FrameError("position", f"at least {BASE.size} bytes", str(len(body)))
    alarm, status, lat, lon, altitude, speed, course, time = BASE.unpack_from(body)
    items, unread = read_items(body[BASE.size :], rows_of(dialect)) if len(body) > BASE.size else ({}, b"")
    odometer_km, fuel_l, satellites = (items.pop(name, None) for name in _COLUMNS)
    note = _note(status, items, unread)
    lat_e7: int | None = -lat * 10 if status & SOUTH else lat * 10
    lon_e7: int | None = -lon * 10 if status & WEST else lon * 10
    valid = bool(status & FIXED) and not status & ENCRYPTED
    if lat > 90_000_000 or lon > 180_000_000:
        if valid:
            check_place(lat * 10, lon * 10)
        note |= {"sent_lat": lat / 1e6, "sent_lon": lon / 1e6}
        lat_e7 = lon_e7 = None
    return Report(
        terminal=header.terminal,
        fix_time=read_time(time),
        valid=valid,
        lat_e7=lat_e7,
        lon_e7=lon_e7,
        altitude_m=altitude,
        speed_mps=speed / 10 / KMH_PER_MPS,
        course_deg=course,
        ignition=bool(status & IGNITION),
        odometer_m=None if odometer_km is None else round(odometer_km * 1000),
        fuel_l=fuel_l,
        satellites=satellites,
        systems=tuple(name for bit, name in SYSTEM_BITS.items() if status >> bit & 1),
        alarms=tuple(named_bits(alarm, ALARMS)) if alarm else (),
        late=late,
        power_cut=bool(alarm & POWER_OFF_ALARM),
        antenna_fault=bool(alarm & ANTENNA_ALARMS),
        note=note,
        raw=raw,
    )


def read_batch(body: bytes, header: Header, dialect: str = "") -> tuple[list[Report], dict[str, Any]]:
    """Reports of a 0x0704 body: count WORD, type BYTE (1 from a blind spot), then (length WORD, body) × count."""
    if len(body) < 3:
        raise FrameError("batch", "at least 3 bytes", str(len(body)))
    count, kind, at = body[0] << 8 | body[1], body[2], 3
    reports = []
    for number in range(1, count + 1):
        length = int.from_bytes(body[at : at + 2], "big")
        entry = body[at + 2 : at + 2 + length]
        if at + 2 > len(body) or len(entry) < length:
            raise FrameError("batch", f"{count} positions", f"the end of the body in number {number}")
        reports.append(read_position(entry, header, late=kind == 1, raw=entry, dialect=dialect))
        at += 2 + length
    if at != len(body):
        raise FieldError("batch", f"{count} positions", f"{len(body) - at} bytes more")
    return reports, {"batch": "blind_spot" if kind == 1 else "normal"}


def position_note(frame: bytes, dialect: Callable[[str], str]) -> dict[str, Any]:
    """What has no column in a sound 0x0200 frame (delimiters off, still escaped) whose place is on the globe."""
    header, body = read_header(bare(frame)[:-1])
    alarm, status, *_ = BASE.unpack_from(body)
    note = _note(status, *read_items(body[BASE.size :], rows_of(dialect(header.terminal))))
    for name in _COLUMNS:
        note.pop(name, None)
    return {"alarms": named_bits(alarm, ALARMS), **note} if alarm else note


def _note(status: int, items: dict[str, Any], unread: bytes) -> dict[str, Any]:
    note: dict[str, Any] = {"status": _status_words(status)} if status & STATUS_WORDS else {}
    note |= items
    return note | ({"unread": unread.hex()} if unread else {})


def _status_words(status: int) -> list[str]:
    words = [name for bit, name in OTHER_STATUS.items() if status >> bit & 1]
    if status >> 8 & 0b11:
        words.append(f"load_{LOAD[status >> 8 & 0b11]}")
    if status >> MOVING_BIT & 1:
        words.append("moving")
    return words + [f"bit_{bit}" for bit in range(MOVING_BIT + 1, 32) if status >> bit & 1]
