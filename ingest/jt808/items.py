"""Additional items of a position (JT/T 808-2019 table 27, JT/T 1078 table 13): id BYTE, length BYTE, value.

A table, not branches: each row says the id, the length it applies to (None: any), the key it is given and how its value
is read. An id that stands here with another length, and an id that stands nowhere, is kept raw in hex under `item_XX`.
Vendors' rows are in `ingest.jt808.dialects`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.errors import DecodeError
from ingest.jt808.values import named_bits

_SIGNALS = (
    "low_beam", "high_beam", "right_turn", "left_turn", "brake", "reverse", "fog", "outline", "horn",
    "air_conditioning", "neutral", "retarder", "abs", "heater", "clutch",
)  # fmt: skip
_VIDEO_ALARMS = (
    "video_signal_lost", "video_covered", "storage_fault", "other_video_fault", "bus_overcrowded",
    "abnormal_driving", "special_recording_full",
)  # fmt: skip
_ABNORMAL_DRIVING = ("fatigue", "phone_call", "smoking")
_PLACE_TYPES = {0: "none", 1: "circle", 2: "rectangle", 3: "polygon", 4: "section"}
_CONSTELLATIONS = ("beidou", "gps", "glonass", "galileo")
_PER_CENT_BIT = 0x8000


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the table."""

    item_id: int
    length: int | None
    key: str
    read: Callable[[bytes], Any]


Rows = Mapping[tuple[int, int | None], Item]


def read_items(data: bytes, rows: Rows | None = None) -> tuple[dict[str, Any], bytes]:
    """Items by key, by the rows of a dialect or the standard's, and the bytes at the end that are no whole item.

    Of a key that comes again the first is taken and the others stay raw; objects, as alarms are, become a list.
    """
    known = STANDARD if rows is None else rows
    found: dict[str, Any] = {}
    at = 0
    while at + 2 <= len(data):
        item_id, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if len(value) < length:
            break
        at += 2 + length
        row = known.get((item_id, length)) or known.get((item_id, None))
        if row is None or not _take(row, value, found):
            key = f"item_{item_id:02x}"
            found[key] = [*_as_list(found[key]), value.hex()] if key in found else value.hex()
    return found, data[at:]


def _take(row: Item, value: bytes, found: dict[str, Any]) -> bool:
    """Put what a row reads under its key; False where the value is not what the row says, or comes again."""
    try:
        read = row.read(value)
    except (IndexError, ValueError, DecodeError):
        return False
    key = "fuel_pct" if row.key == "fuel_l" and value[0] & 0x80 else row.key
    if key not in found:
        found[key] = read
    elif isinstance(read, dict):
        found[key] = [*_as_list(found[key]), read]
    else:
        return False
    return True


def layered(rows: Iterable[Item], below: Rows) -> Rows:
    """The rows over others: of an id with any length none of those below are left."""
    chosen = {(row.item_id, row.length): row for row in rows}
    return {key: row for key, row in below.items() if (key[0], None) not in chosen} | chosen


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def uint(value: bytes) -> int:
    """An unsigned integer of all bytes."""
    return int.from_bytes(value, "big")


def tenths(value: bytes) -> float:
    """An unsigned integer of tenths."""
    return int.from_bytes(value, "big") / 10


def signed(value: bytes) -> int:
    """An integer in two's complement."""
    return int.from_bytes(value, "big", signed=True)


def bits(*names: str) -> Callable[[bytes], list[str]]:
    """What reads the names of the bits that are set, lowest first."""
    return lambda value: named_bits(int.from_bytes(value, "big"), names)


def _fuel(value: bytes) -> float:
    raw = int.from_bytes(value, "big")
    return float(raw & ~_PER_CENT_BIT) if raw & _PER_CENT_BIT else raw / 10


def _tyres(value: bytes) -> list[int | None]:
    return [None if pressure == 0xFF else pressure for pressure in value.rstrip(b"\xff")]


def _in_view(value: bytes) -> dict[str, list[dict[str, int]]]:
    view: dict[str, list[dict[str, int]]] = {}
    at = 0
    for system in _CONSTELLATIONS:
        count, at = value[at], at + 1
        view[system] = []
        for _ in range(count):
            number, elevation, azimuth = value[at], value[at + 1], value[at + 2] << 8 | value[at + 3]
            view[system].append({"number": number, "elevation_deg": elevation, "azimuth_deg": azimuth})
            at += 4
    if at != len(value):
        raise ValueError("satellites in view: bytes left over")
    return view


def _overspeed(value: bytes) -> dict[str, Any]:
    place: dict[str, Any] = {"place": _PLACE_TYPES.get(value[0], value[0])}
    return place | ({"place_id": uint(value[1:])} if len(value) == 5 else {})


def _crossing(value: bytes) -> dict[str, Any]:
    place = _PLACE_TYPES.get(value[0], value[0])
    return {"place": place, "place_id": uint(value[1:5]), "direction": "out" if value[5] else "in"}


def _section(value: bytes) -> dict[str, Any]:
    return {
        "section_id": uint(value[:4]),
        "seconds": uint(value[4:6]),
        "result": "too_long" if value[6] else "too_short",
    }


def _analogue(value: bytes) -> dict[str, int]:
    raw = uint(value)
    return {"ad0": raw & 0xFFFF, "ad1": raw >> 16}


ITEMS = (
    Item(0x01, 4, "odometer_km", tenths),
    Item(0x02, 2, "fuel_l", _fuel),  # bit 15 set: per cent, given as `fuel_pct`
    Item(0x03, 2, "tachograph_kmh", tenths),
    Item(0x04, 2, "alarm_to_confirm", uint),
    Item(0x05, 30, "tyre_pressures", _tyres),  # the standard says Pa, of which a byte holds no tyre's
    Item(0x06, 2, "cabin_temperature_c", signed),
    Item(0x06, 1, "battery_pct", uint),
    Item(0x07, None, "satellites_in_view", _in_view),
    Item(0x11, 1, "overspeed_place", _overspeed),
    Item(0x11, 5, "overspeed_place", _overspeed),
    Item(0x12, 6, "area_crossing", _crossing),
    Item(0x13, 7, "section_time", _section),
    Item(0x14, 4, "video_alarms", bits(*_VIDEO_ALARMS)),
    Item(0x15, 4, "video_lost_channels", bits(*(f"channel_{i + 1}" for i in range(32)))),
    Item(0x16, 4, "video_covered_channels", bits(*(f"channel_{i + 1}" for i in range(32)))),
    Item(
        0x17, 2, "storage_faults", bits(*(f"main_{i + 1}" for i in range(12)), *(f"backup_{i + 1}" for i in range(4)))
    ),
    Item(0x18, 2, "abnormal_driving", bits(*_ABNORMAL_DRIVING)),
    Item(
        0x18, 3, "abnormal_driving", lambda value: [*bits(*_ABNORMAL_DRIVING)(value[:2]), f"fatigue_level_{value[2]}"]
    ),
    Item(0x25, 4, "signals", bits(*_SIGNALS)),
    Item(0x2A, 2, "io", bits("deep_sleep", "sleep")),
    Item(0x2B, 4, "analogue", _analogue),
    Item(0x30, 1, "signal_strength", uint),
    Item(0x31, 1, "satellites", uint),
    Item(0xE0, 1, "vendor_bytes", uint),
)

STANDARD: Rows = layered(ITEMS, {})
"""The standard's rows by id and length."""
