"""Vendors' items of a position: dialects as rows over the standard's, named by a terminal's type.

No row touches an item that positions have a column for (0x01, 0x02, 0x31), so that frames read together and one by one
give the same columns in every dialect. Where each row comes from stands with its dialect and in docs/jt808.md; what a
dialect does not say stays raw under `item_XX`.
"""

from dataclasses import dataclass
from functools import cached_property

from ingest.jt808.items import STANDARD, Item, Rows, bits, layered, signed, uint
from ingest.jt808.readers import (
    Reader,
    battery,
    cell,
    cells,
    choice,
    cleared,
    counted,
    each,
    fields,
    per,
    sign_and_size,
    sub_items,
)
from ingest.jt808.safety import safety_items
from ingest.jt808.values import read_text


@dataclass(frozen=True)
class Dialect:
    """A vendor's or a province's items, with where their meaning comes from."""

    name: str
    source: str
    items: tuple[Item, ...]

    @cached_property
    def rows(self) -> Rows:
        """Its rows over the standard's."""
        return layered(self.items, STANDARD)


def rows_of(name: str) -> Rows:
    """Rows of a dialect by its name; the standard's for a name that is none."""
    dialect = DIALECTS.get(name)
    return dialect.rows if dialect else STANDARD


_VOLTS = per(100)
_IS_ONE: Reader = b"\x01".__eq__
_WIFI = counted(7, fields(("mac", 6, bytes.hex), ("signal", 1, signed)))
_ROTATION = choice({0: "unknown", 1: "forward", 2: "reverse", 3: "stopped"})

# ---------------------------------------------------------------- items within items

_OBD = (
    Item(0x0002, 2, "obd_speed_kmh", per(10)),
    Item(0x0003, 2, "rpm", uint),
    Item(0x0004, 2, "supply_v", per(1000)),
    Item(0x0005, 4, "obd_odometer_km", per(10)),
    Item(0x0007, 2, "fuel_consumption", per(10)),
    Item(0x0008, 2, "engine_load_pct", per(10)),
    Item(0x0009, 2, "coolant_c", per(1, -40)),
    Item(0x000B, 2, "intake_pressure", uint),
    Item(0x000C, 2, "intake_c", per(1, -40)),
    Item(0x000D, 2, "intake_flow", uint),
    Item(0x0050, 17, "vin", read_text),
    Item(0x0100, 2, "trip_km", per(10)),
    Item(0x0102, 2, "trip_fuel_l", per(10)),
    Item(0x0112, 2, "hard_accelerations", uint),
    Item(0x0113, 2, "hard_brakings", uint),
    Item(0x0114, 2, "hard_corners", uint),
)
_BSJ = (
    Item(0x002D, 4, "supply_v", per(1000)),
    Item(0x002D, 2, "battery_v", per(1000)),
    Item(
        0x0089,
        4,
        "alarms_extended",
        cleared(
            {
                0: "on_battery", 1: "asleep", 4: "collision", 8: "hard_acceleration", 9: "hard_braking", 12: "removed",
                25: "hard_corner", 30: "false_cell_seen", 31: "false_cell",
            }
        ),
    ),
    Item(0x00A8, 1, "battery_pct", uint),
    Item(0x00B2, 10, "iccid", bytes.hex),
    Item(0x00B9, None, "wifi", lambda value: read_text(value[1:])),
    Item(0x00C5, 4, "alarms_extended_2", cleared({6: "vibration", 14: "light"})),
    Item(0x00CE, 2, "supply_v", _VOLTS),
    Item(0x00D5, 15, "imei", read_text),
    Item(0x00D8, 9, "cell", fields(("mcc", 2, uint), ("mnc", 1, uint), ("area", 2, uint), ("cell", 4, uint))),
    Item(0x00E1, 1, "battery_pct", uint),
)  # fmt: skip

# ---------------------------------------------------------------- dialects

_TRACCAR = (
    Item(0x51, None, "temperatures_c", each(2, sign_and_size(0xFFFF))),
    Item(0x56, 2, "battery_pct", lambda value: value[0] * 10),
    Item(0x60, 2, "event", uint),
    Item(0x61, 2, "supply_v", _VOLTS),
    Item(0x68, 2, "battery_pct", _VOLTS),
    Item(0x69, 2, "battery_v", _VOLTS),
    Item(0x82, 2, "supply_v", per(10)),
    Item(0x94, None, "vin", read_text),
    Item(0xA7, 4, "analogue_v", each(2, _VOLTS)),
    Item(0xAC, 4, "vendor_odometer_km", per(1000)),
    Item(0xBC, None, "driver", read_text),
    Item(0xBD, None, "driver_id", read_text),
    Item(0xD0, 4, "user_status", bits("bit_0", "bit_1", "bit_2", "vibration")),
    Item(0xD3, 2, "supply_v", per(10)),
    Item(0xD4, 1, "battery", battery),
    Item(0xD4, 4, "driver_id", lambda value: str(uint(value))),
    Item(0xD5, 2, "battery_v", _VOLTS),
    Item(0xE1, 1, "battery", battery),
    Item(0xE1, 2, "supply_v", per(10)),
    Item(0xE3, 4, "battery", fields(("reserved", 1, uint), ("battery_pct", 1, uint), ("battery_v", 2, _VOLTS))),
    Item(0xE4, 2, "battery", fields(("charging", 1, lambda value: value == b"\0"), ("battery_pct", 1, uint))),
    Item(0xE5, 1, "moving", _IS_ONE),
    Item(0xE9, 1, "battery", battery),
    Item(0xEB, None, "extended", sub_items(_BSJ, length_first=True)),
    Item(0xED, None, "card", read_text),
    Item(
        0xEE, 6, "supply",
        fields(("signal", 1, uint), ("supply_v", 2, per(1000)), ("battery_v", 2, per(1000)), ("satellites", 1, uint)),
    ),
    Item(0xF1, 4, "supply_v", per(1000)),
    Item(0xF2, None, "firmware", read_text),
    Item(0xF3, None, "obd", sub_items(_OBD, length_first=False)),
    Item(0xF5, 2, "light_lux", uint),
    Item(0xF6, 2, "air_pressure", uint),
    Item(0xF6, 8, "imei", lambda value: value.hex()[1:]),
    Item(0xF7, 2, "humidity_pct", per(10)),
    Item(0xF7, 4, "battery_v", per(1000)),
    Item(0xFC, 1, "geofence", uint),
    Item(0xFE, 1, "battery_pct", uint),
    Item(0xFE, 2, "supply_v", per(10)),
    Item(0xFE, 4, "vendor_odometer_km", per(1000)),
)  # fmt: skip
_GPS51 = (
    Item(0x2B, None, "analogue_inputs", each(2, uint)),
    Item(0x51, None, "temperatures_c", each(2, sign_and_size(0xFFFF, 0x04F6))),
    Item(0x52, 1, "rotation", _ROTATION),
    Item(0x54, None, "wifi", _WIFI),
    Item(0x55, 8, "load_kg", per(10)),
    Item(0x58, None, "humidities_pct", each(2, per(10, none=0x0FFF))),
    Item(0x61, 2, "supply_v", _VOLTS),
    Item(0xE1, None, "cells", cells),
    Item(0xE2, None, "firmware", read_text),
    Item(0xF1, 20, "iccid", read_text),
    Item(0xF6, 8, "imei", lambda value: value.hex()[1:]),
    Item(
        0xFA,
        4,
        "alarms_extended",
        bits(
            "vibration", "removed", "deep_sleep", "hard_acceleration", "hard_braking", "hard_corner", "ignition_on",
            "ignition_off", "battery_low", "switched_off", "switched_off_battery_low", "armed",
        ),
    ),
    Item(0xFB, 4, "battery", fields(("battery_pct", 1, uint), ("supply_v", 2, _VOLTS), ("charging", 1, _IS_ONE))),
)  # fmt: skip
_G10LS = (
    Item(0x51, 16, "temperatures_c", each(2, sign_and_size(0xFFFF))),
    Item(0x52, 1, "rotation", _ROTATION),
    Item(0x53, None, "cells_2g", counted(8, cell(2, 2))),
    Item(0x54, None, "wifi", _WIFI),
    Item(0x56, 2, "battery", fields(("battery_level", 1, uint), ("battery_pct", 1, uint))),
    Item(0x5D, None, "cells_4g", counted(10, cell(2, 4))),
    Item(0x61, 2, "supply_v", _VOLTS),
    Item(0xF1, 20, "iccid", read_text),
    Item(0xF3, 1, "armed", _IS_ONE),
    Item(
        0xF4,
        2,
        "alarms_extended",
        bits("hard_acceleration", "deceleration", "hard_braking", "hard_corner", "collision", "roll_over", "input_1", "input_2"),
    ),
    Item(0xF5, 6, "acceleration", fields(("x", 2, signed), ("y", 2, signed), ("z", 2, signed))),
    Item(0xF6, 4, "working_mode", bytes.hex),
)  # fmt: skip

DIALECTS: dict[str, Dialect] = {
    each_dialect.name: each_dialect
    for each_dialect in (
        Dialect(
            "jsatl12", "T/JSATL 12-2017, as yezhihao/jt808-server and SmallChi/JT808 (SuBiao) have it", safety_items()
        ),
        Dialect(
            "guangdong",
            "Guangdong's edition of it, as yezhihao/jt808-server and SmallChi/JT808 (YueBiao) have it",
            safety_items(guangdong=True),
        ),
        Dialect("traccar", "traccar/traccar Jt808ProtocolDecoder: what it reads whatever the model is", _TRACCAR),
        Dialect("gps51", "SmallChi/JT808, extension GPS51", _GPS51),
        Dialect("g10ls", "AIPorto/GPS-Tracker-SDK, G10LS protocol", _G10LS),
        Dialect(
            "bsj",
            "BSJ-EG01 protocol, appendix D; traccar/traccar",
            (Item(0xEB, None, "extended", sub_items(_BSJ, length_first=True)),),
        ),
    )
}
"""By the name that a terminal's type carries."""
