"""Vendors' items by name and unit; and that no dialect changes what positions have columns for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.jit import COMPILED
from ingest.jt808 import Header, decode
from ingest.jt808 import encode as enc
from ingest.jt808.bulk import read_bulk
from ingest.jt808.dialects import DIALECTS, rows_of
from ingest.jt808.items import ITEMS, STANDARD, read_items
from ingest.report import Report, to_columns
from tests.ingest.protocol_strategies import START_US

TERMINAL = "013912345678"
BODY = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))
PLACE = "28" + "0016" + "0160ec7b" + "06c04733" + "261123080000" + "0411"  # speed, altitude, place, time, vehicle
LABEL = "54303030303031" + "261123080000" + "03" + "02" + "00"
LABEL_GUANGDONG = "54303030303031" + "00" * 23 + "261123080000" + "03" + "02" + "0000"
COMMON = {
    "alarm_id": 7,
    "flag": "start",
    "speed_kmh": 40,
    "altitude_m": 22,
    "lat": 23.129211,
    "lon": 113.264435,
    "time": "2026-11-23T08:00:00+08:00",
    "vehicle": ["ignition", "brake", "fixed"],
    "terminal_id": "T000001",
    "label_time": "2026-11-23T08:00:00+08:00",
    "label_number": 3,
    "files": 2,
}
HEAD = "00000007" + "01"
ADAS = "01" + "02" + "23" + "0c" + "01" + "01" + "3c"
TYRE = {"alarms": ["pressure_low", "battery_low"], "pressure_kpa": 180, "temperature_c": 41, "battery_pct": 9}
TYRE_HEX = "0084" + "00b4" + "0029" + "0009"


def item(item_id: int, value: str) -> bytes:
    raw = bytes.fromhex(value)
    return bytes([item_id, len(raw)]) + raw


def note(items: bytes, dialect: str) -> dict[str, Any]:
    (report,) = decode(enc.frame(Header(0x0200, TERMINAL, 1), BODY + items)[1:-1], dialect=dialect).reports
    return report.note


@st.composite
def vendor_items(draw: st.DrawFn) -> bytes:
    """An item of any dialect or of the standard, most of them as long as their row says."""
    row = draw(st.sampled_from([*ITEMS, *(row for dialect in DIALECTS.values() for row in dialect.items)]))
    size = row.length if row.length is not None and draw(st.booleans()) else draw(st.integers(0, 50))
    return bytes([row.item_id, size]) + draw(st.binary(min_size=size, max_size=size))


@pytest.mark.parametrize(
    ("dialect", "sent", "expected"),
    [
        (
            "jsatl12",
            item(0x64, HEAD + ADAS + PLACE + LABEL),
            {
                "driver_assistance": COMMON
                | {"type": "forward_collision", "level": 2, "ahead_kmh": 35, "ahead_s": 1.2}
                | {"deviation": "left", "sign": "speed_limit", "sign_value": 60}
            },
        ),
        (
            "guangdong",
            item(0x65, HEAD + "0a" + "01" + "00" + "00000000" + PLACE + LABEL_GUANGDONG),
            {"driver_state": COMMON | {"type": "no_seat_belt", "level": 1, "fatigue": 0, "reserved": "00000000"}},
        ),
        (
            "jsatl12",
            item(0x66, HEAD + PLACE + LABEL + "01" + "03" + TYRE_HEX),
            {"tyre_alarm": COMMON | {"tyres": [{"wheel": 3} | TYRE]}},
        ),
        (
            "guangdong",
            item(0x66, HEAD + PLACE + LABEL_GUANGDONG + "01" + "0003" + TYRE_HEX),
            {"tyre_alarm": COMMON | {"tyres": [{"wheel": 3} | TYRE]}},
        ),
        (
            "jsatl12",
            item(0x67, HEAD + "02" + PLACE + LABEL) + item(0x67, HEAD + "09" + PLACE + LABEL),
            {"blind_spot_alarm": [COMMON | {"type": "behind_left"}, COMMON | {"type": "9"}]},
        ),
        ("gps51", bytes.fromhex("2b049203a46f"), {"analogue_inputs": [37379, 42095]}),
        ("gps51", bytes.fromhex("51080134805004f6ffff"), {"temperatures_c": [30.8, -8.0, None, None]}),
        ("gps51", bytes.fromhex("520103"), {"rotation": "stopped"}),
        ("gps51", item(0x54, "01" + "a1b2c3d4e5f6" + "c4"), {"wifi": [{"mac": "a1b2c3d4e5f6", "signal": -60}]}),
        ("gps51", item(0x55, "00000000000004d2"), {"load_kg": 123.4}),
        ("gps51", item(0x58, "00120fff"), {"humidities_pct": [1.8, None]}),
        ("gps51", bytes.fromhex("61021d74"), {"supply_v": 75.4}),
        (
            "gps51",
            item(0xE1, "01cc0000" + "696a" + "0863a8d0"),
            {"cells": {"mcc": 460, "mnc": 0, "cells": [{"area": 26986, "cell": 140749008}]}},
        ),
        ("gps51", bytes.fromhex("f1143839383630343032313032303930393737303032"), {"iccid": "89860402102090977002"}),
        ("gps51", item(0xF6, "0861234567890123"), {"imei": "861234567890123"}),
        ("gps51", bytes.fromhex("fa0400000021"), {"alarms_extended": ["vibration", "hard_corner"]}),
        ("gps51", bytes.fromhex("fb045f050701"), {"battery": {"battery_pct": 95, "supply_v": 12.87, "charging": True}}),
        ("g10ls", item(0x56, "095c"), {"battery": {"battery_level": 9, "battery_pct": 92}}),
        (
            "g10ls",
            item(0x5D, "01" + "01cc" + "00" + "262c" + "04ba0102" + "1f"),
            {"cells_4g": [{"mcc": 460, "mnc": 0, "area": 9772, "cell": 79298818, "signal": 31}]},
        ),
        ("g10ls", item(0xF3, "01"), {"armed": True}),
        ("g10ls", item(0xF5, "0001ffff0400"), {"acceleration": {"x": 1, "y": -1, "z": 1024}}),
        ("traccar", item(0x56, "0900"), {"battery_pct": 90}),
        ("traccar", item(0xA7, "04d20064"), {"analogue_v": [12.34, 1.0]}),
        ("traccar", item(0xAC, "0000303a"), {"vendor_odometer_km": 12.346}),
        ("traccar", item(0xD0, "00000008"), {"user_status": ["vibration"]}),
        ("traccar", item(0xD4, "ff"), {"battery": {"charging": True}}),
        ("traccar", item(0xE4, "0055"), {"battery": {"charging": True, "battery_pct": 85}}),
        ("traccar", item(0xF1, "00003089"), {"supply_v": 12.425}),
        (
            "traccar",
            item(0xF3, "0002" + "02" + "01f4" + "0009" + "02" + "0082" + "7777" + "01" + "05"),
            {"obd": {"obd_speed_kmh": 50.0, "coolant_c": 90.0, "item_7777": "05"}},
        ),
        (
            "bsj",
            item(0xEB, "0006" + "002d" + "000036b0" + "000300a855" + "0006" + "00c5" + "ffffffbf" + "0003777701"),
            {"extended": {"supply_v": 14.0, "battery_pct": 85, "alarms_extended_2": ["vibration"], "item_7777": "01"}},
        ),
        ("bsj", item(0xEB, "0006" + "0089" + "ffffeffe"), {"extended": {"alarms_extended": ["on_battery", "removed"]}}),
    ],
)  # fmt: skip
def test_a_vendor_item_is_read_by_name_and_unit(dialect: str, sent: bytes, expected: dict[str, Any]) -> None:
    assert note(sent, dialect) == expected


@pytest.mark.parametrize(
    ("dialect", "value"),
    [
        ("bsj", "0001" + "002d"),  # a length that does not hold its id
        ("bsj", "0009" + "002d" + "00"),
        ("gps51", "02" + "a1b2c3d4e5f6c4"),
        ("traccar", "0002" + "05" + "01f4"),
    ],
)
def test_a_vendor_item_that_is_not_what_its_row_says_stays_raw(dialect: str, value: str) -> None:
    item_id = {"bsj": 0xEB, "gps51": 0x54, "traccar": 0xF3}[dialect]
    assert note(item(item_id, value), dialect) == {f"item_{item_id:02x}": value}


def test_an_alarm_without_a_time_keeps_the_rest() -> None:
    sent = item(0x67, HEAD + "02" + PLACE.replace("261123080000", "000000000000") + LABEL)
    assert note(sent, "jsatl12")["blind_spot_alarm"]["time"] == "000000000000"


def test_without_a_dialect_or_with_one_that_is_none_vendor_items_stay_raw() -> None:
    assert note(bytes.fromhex("61021d74"), "") == {"item_61": "1d74"}
    assert note(bytes.fromhex("61021d74"), "no such dialect") == {"item_61": "1d74"}
    assert rows_of("no such dialect") is STANDARD


def test_a_dialect_keeps_the_items_of_the_standard() -> None:
    sent = bytes.fromhex("300118" + "0602fff6")
    for name in DIALECTS:
        assert note(sent, name) == {"signal_strength": 24, "cabin_temperature_c": -10}


@pytest.mark.parametrize("name", DIALECTS)
def test_no_dialect_touches_what_positions_have_columns_for(name: str) -> None:
    columns = {"odometer_km", "fuel_l", "satellites"}
    standard = {(row.item_id, row.length) for row in ITEMS if row.key in columns}
    assert {each for each in DIALECTS[name].items if each.key in columns or each.item_id in {0x01, 0x02, 0x31}} == set()
    assert standard <= set(rows_of(name))
    assert DIALECTS[name].source
    assert DIALECTS[name].name == name


def test_no_two_rows_of_a_table_are_for_the_same_item() -> None:
    for items in (ITEMS, *(dialect.items for dialect in DIALECTS.values())):
        assert len({(row.item_id, row.length) for row in items}) == len(items)


def test_the_dialect_may_be_asked_for_by_the_terminal() -> None:
    frame = enc.frame(Header(0x0200, TERMINAL, 1), BODY + bytes.fromhex("61021d74"))
    asked: list[str] = []

    def dialect_of(terminal: str) -> str:
        asked.append(terminal)
        return "gps51"

    (report,) = decode(frame[1:-1], dialect=dialect_of).reports
    bulk = read_bulk(frame, START_US, dialect_of)
    assert report.note == {"supply_v": 75.4}
    assert list(bulk.notes.values()) in ([], [report.note])
    assert set(asked) == {TERMINAL}


def test_items_are_read_by_the_rows_given() -> None:
    assert read_items(bytes.fromhex("61021d74"), rows_of("g10ls")) == ({"supply_v": 75.4}, b"")


@given(items=st.lists(vendor_items(), max_size=4).map(b"".join), name=st.sampled_from([*DIALECTS]))
def test_frames_read_together_have_the_notes_of_frames_read_alone(items: bytes, name: str) -> None:
    frame = enc.frame(Header(0x0200, TERMINAL, 1), BODY + items)
    (report,) = decode(frame[1:-1], dialect=name).reports
    positions, notes = to_columns([report], START_US, lambda _: 0)
    bulk = read_bulk(frame, START_US, lambda _: name)
    if COMPILED:
        assert bulk.notes == notes
        assert bulk.positions.odometer_m[0] == positions.odometer_m[0]
        assert bulk.positions.satellites[0] == positions.satellites[0]
        assert np.array_equal(bulk.positions.fuel_l, positions.fuel_l, equal_nan=True)
    else:
        assert [number for number, _ in bulk.others] == [0]
