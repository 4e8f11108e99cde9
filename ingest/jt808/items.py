"""Additional items of a position (JT/T 808-2019 table 27, JT/T 1078 table 13): id BYTE, length BYTE, value.

A table, not branches: each row says the id, the length it applies to (None: any), the key it is given and how its value
is read. An id that stands here with another length, and an id that stands nowhere, is kept raw in hex under `item_XX`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


def read_items(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Items by key, and the bytes at the end that are no whole item (b"" as a rule)."""
    found: dict[str, Any] = {}
    at = 0
    while at + 2 <= len(data):
        item_id, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if len(value) < length:
            break
        at += 2 + length
        row = _ROWS.get((item_id, length)) or _ROWS.get((item_id, None))
        key = row.key if row else f"item_{item_id:02x}"
        if key == "fuel_l" and value[0] & 0x80:
            key = "fuel_pct"
        read: Any = value.hex()
        if row:
            try:
                read = row.read(value)
            except (IndexError, ValueError):
                key = f"item_{item_id:02x}"
        found[key] = [*_as_list(found[key]), read] if key in found and key.startswith("item_") else read
    return found, data[at:]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _uint(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _tenths(value: bytes) -> float:
    return int.from_bytes(value, "big") / 10


def _fuel(value: bytes) -> float:
    raw = int.from_bytes(value, "big")
    return float(raw & ~_PER_CENT_BIT) if raw & _PER_CENT_BIT else raw / 10


def _signed(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _bits(*names: str) -> Callable[[bytes], list[str]]:
    return lambda value: named_bits(int.from_bytes(value, "big"), names)


def _tyres(value: bytes) -> list[int]:
    return [pressure for pressure in value if pressure != 0xFF]  # 0xff: no such wheel


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
    return place | ({"place_id": _uint(value[1:])} if len(value) == 5 else {})


def _crossing(value: bytes) -> dict[str, Any]:
    place = _PLACE_TYPES.get(value[0], value[0])
    return {"place": place, "place_id": _uint(value[1:5]), "direction": "out" if value[5] else "in"}


def _section(value: bytes) -> dict[str, Any]:
    return {
        "section_id": _uint(value[:4]),
        "seconds": _uint(value[4:6]),
        "result": "too_long" if value[6] else "too_short",
    }


def _analogue(value: bytes) -> dict[str, int]:
    raw = _uint(value)
    return {"ad0": raw & 0xFFFF, "ad1": raw >> 16}


ITEMS = (
    Item(0x01, 4, "odometer_km", _tenths),
    Item(0x02, 2, "fuel_l", _fuel),  # bit 15 set: per cent, given as `fuel_pct`
    Item(0x03, 2, "tachograph_kmh", _tenths),
    Item(0x04, 2, "alarm_to_confirm", _uint),
    Item(0x05, 30, "tyre_pressures_pa", _tyres),
    Item(0x06, 2, "cabin_temperature_c", _signed),
    Item(0x06, 1, "battery_pct", _uint),
    Item(0x07, None, "satellites_in_view", _in_view),
    Item(0x11, 1, "overspeed_place", _overspeed),
    Item(0x11, 5, "overspeed_place", _overspeed),
    Item(0x12, 6, "area_crossing", _crossing),
    Item(0x13, 7, "section_time", _section),
    Item(0x14, 4, "video_alarms", _bits(*_VIDEO_ALARMS)),
    Item(0x15, 4, "video_lost_channels", _bits(*(f"channel_{i + 1}" for i in range(32)))),
    Item(0x16, 4, "video_covered_channels", _bits(*(f"channel_{i + 1}" for i in range(32)))),
    Item(
        0x17, 2, "storage_faults", _bits(*(f"main_{i + 1}" for i in range(12)), *(f"backup_{i + 1}" for i in range(4)))
    ),
    Item(0x18, 2, "abnormal_driving", _bits(*_ABNORMAL_DRIVING)),
    Item(
        0x18, 3, "abnormal_driving", lambda value: [*_bits(*_ABNORMAL_DRIVING)(value[:2]), f"fatigue_level_{value[2]}"]
    ),
    Item(0x25, 4, "signals", _bits(*_SIGNALS)),
    Item(0x2A, 2, "io", _bits("deep_sleep", "sleep")),
    Item(0x2B, 4, "analogue", _analogue),
    Item(0x30, 1, "signal_strength", _uint),
    Item(0x31, 1, "satellites", _uint),
)

_ROWS = {(item.item_id, item.length): item for item in ITEMS}
