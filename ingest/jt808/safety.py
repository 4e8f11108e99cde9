"""Items 0x64–0x67: driver assistance, driver's state, tyres, blind spots (T/JSATL 12-2017; Guangdong's edition of it).

alarm id DWORD | flag BYTE | what is special to the item | speed km/h BYTE | altitude m WORD | latitude, longitude DWORD
10⁻⁶° | time BCD[6] | vehicle WORD | label: terminal id BYTE[7], time BCD[6], number BYTE, files BYTE, reserved BYTE

special: 0x64 type, level, speed ahead, distance ahead, deviation, sign, sign's value BYTE each
0x65 type, level, fatigue BYTE each, reserved BYTE[4] | 0x66 nothing | 0x67 type BYTE
at the end of 0x66: count BYTE, count × (wheel BYTE, alarms WORD, pressure kPa, temperature °C, battery % WORD each)

Guangdong has the terminal id in 30 bytes and two reserved, one implementation the wheel in a WORD too. What is special
to an item is valid for some types only, and is given as sent.
"""

from collections.abc import Callable, Mapping
from typing import Any

from geo.localtime import to_datetime
from ingest.errors import FieldError
from ingest.jt808.items import Item
from ingest.jt808.values import Cursor, named_bits, read_time

_FLAGS = {0: "none", 1: "start", 2: "end"}
_DEVIATIONS = {0: "none", 1: "left", 2: "right"}
_SIGNS = {0: "none", 1: "speed_limit", 2: "height_limit", 3: "weight_limit", 4: "no_entry", 5: "no_stopping"}
_VEHICLE = (
    "ignition", "left_turn", "right_turn", "wiper", "brake", "card_inserted", "bit_6", "bit_7", "bit_8", "bit_9", "fixed",
)  # fmt: skip
_TYRE_ALARMS = (
    "report", "pressure_high", "pressure_low", "temperature_high", "sensor_fault", "pressure_uneven", "slow_leak",
    "battery_low",
)  # fmt: skip
_ADAS = {
    1: "forward_collision", 2: "lane_departure", 3: "too_close", 4: "pedestrian_collision", 5: "frequent_lane_change",
    6: "sign_exceeded", 7: "obstacle", 16: "sign_recognised", 17: "picture_taken",
}  # fmt: skip
_ADAS_GUANGDONG = _ADAS | {18: "solid_line_crossed", 19: "pedestrian_in_aisle"}
_DSM = {
    1: "fatigue", 2: "phone_call", 3: "smoking", 4: "distracted", 5: "driver_abnormal", 16: "picture_taken",
    17: "driver_changed",
}  # fmt: skip
_DSM_GUANGDONG = _DSM | {
    4: "not_looking_ahead", 6: "camera_covered", 8: "driving_too_long", 10: "no_seat_belt", 11: "dark_glasses",
    12: "hands_off_wheel", 13: "playing_with_phone",
}  # fmt: skip
_BSD = {1: "behind", 2: "behind_left", 3: "behind_right"}

Special = Callable[[Cursor], dict[str, Any]]


def safety_items(*, guangdong: bool = False) -> tuple[Item, ...]:
    """Rows of the four items of one of the two editions."""
    label = (30, 2) if guangdong else (7, 1)
    specials: tuple[tuple[int, str, Special], ...] = (
        (0x64, "driver_assistance", _assistance(_ADAS_GUANGDONG if guangdong else _ADAS)),
        (0x65, "driver_state", _driver(_DSM_GUANGDONG if guangdong else _DSM)),
        (0x66, "tyre_alarm", lambda _: {}),
        (0x67, "blind_spot_alarm", lambda cursor: {"type": _named(_BSD, cursor.uint(1))}),
    )
    return tuple(Item(item_id, None, key, _reader(special, *label)) for item_id, key, special in specials)


def _reader(special: Special, id_bytes: int, reserved_bytes: int) -> Callable[[bytes], dict[str, Any]]:
    def read(value: bytes) -> dict[str, Any]:
        cursor = Cursor(value)
        found: dict[str, Any] = {"alarm_id": cursor.uint(4), "flag": _named(_FLAGS, cursor.uint(1))}
        found |= special(cursor)
        found |= {"speed_kmh": cursor.uint(1), "altitude_m": cursor.uint(2)}
        found |= {"lat": cursor.uint(4) / 1e6, "lon": cursor.uint(4) / 1e6, "time": _time(cursor.take(6))}
        found["vehicle"] = named_bits(cursor.uint(2), _VEHICLE)
        found |= {"terminal_id": cursor.text(id_bytes), "label_time": _time(cursor.take(6))}
        found |= {"label_number": cursor.uint(1), "files": cursor.uint(1)}
        cursor.take(reserved_bytes)
        return found | (_tyres(cursor) if cursor.left else {})

    return read


def _assistance(types: Mapping[int, str]) -> Special:
    def read(cursor: Cursor) -> dict[str, Any]:
        return {
            "type": _named(types, cursor.uint(1)),
            "level": cursor.uint(1),
            "ahead_kmh": cursor.uint(1),
            "ahead_s": cursor.uint(1) / 10,
            "deviation": _named(_DEVIATIONS, cursor.uint(1)),
            "sign": _named(_SIGNS, cursor.uint(1)),
            "sign_value": cursor.uint(1),
        }

    return read


def _driver(types: Mapping[int, str]) -> Special:
    def read(cursor: Cursor) -> dict[str, Any]:
        found = {"type": _named(types, cursor.uint(1)), "level": cursor.uint(1), "fatigue": cursor.uint(1)}
        return found | {"reserved": cursor.take(4).hex()}

    return read


def _tyres(cursor: Cursor) -> dict[str, Any]:
    count = cursor.uint(1)
    wheel_bytes = 2 if cursor.left == count * 10 else 1
    if cursor.left != count * (wheel_bytes + 8):
        raise ValueError("tyres: bytes left over")
    return {
        "tyres": [
            {
                "wheel": cursor.uint(wheel_bytes),
                "alarms": named_bits(cursor.uint(2), _TYRE_ALARMS),
                "pressure_kpa": cursor.uint(2),
                "temperature_c": cursor.uint(2),
                "battery_pct": cursor.uint(2),
            }
            for _ in range(count)
        ]
    }


def _named(names: Mapping[int, str], value: int) -> str:
    return names.get(value, str(value))


def _time(raw: bytes) -> str:
    try:
        return to_datetime(read_time(raw)).isoformat()
    except FieldError:
        return raw.hex()
