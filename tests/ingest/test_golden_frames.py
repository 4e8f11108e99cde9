"""Frames and sentences beside the objects that `gongche decode` prints for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.decode import decode_lines
from ingest.jt808.dialects import DIALECTS
from ingest.jt808.items import ITEMS
from ingest.jt808.messages import READERS

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FRAMES / name).read_text(encoding="utf-8"))
    return loaded


JT808 = _load("jt808.json")["frames"]
VENDORS = _load("jt808.json")["dialects"]
NMEA = _load("nmea.json")["groups"]


def test_the_golden_sets_are_not_empty() -> None:
    assert len(JT808) >= 50
    assert len(VENDORS) >= 7
    assert len(NMEA) >= 8


def test_each_frame_decodes_to_its_object() -> None:
    decoded = list(decode_lines("jt808", [each["frame"] for each in JT808]))
    for each, found in zip(JT808, decoded, strict=True):
        assert found == each["expected"], each["what"]


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor["what"][:40])
def test_each_vendor_frame_decodes_to_its_object(vendor: dict[str, Any]) -> None:
    assert list(decode_lines("jt808", [vendor["frame"]], vendor["dialect"])) == [vendor["expected"]]


def test_every_message_that_is_read_every_dialect_and_every_item_of_the_standard_has_a_frame() -> None:
    messages = {int(each["expected"]["message"], 16) for each in JT808 if each["expected"]["ok"]}
    assert {*READERS, 0x0200, 0x0201, 0x0704, 0x0801} <= messages
    assert {vendor["dialect"] for vendor in VENDORS} == set(DIALECTS)
    said = json.dumps(JT808)
    columns = {"odometer_km", "fuel_l", "satellites"}
    assert [row.key for row in ITEMS if row.key not in columns and f'"{row.key}"' not in said] == []


@pytest.mark.parametrize("group", NMEA, ids=lambda group: group["what"][:40])
def test_each_group_of_sentences_decodes_to_its_fixes(group: dict[str, Any]) -> None:
    assert list(decode_lines("nmea", group["sentences"])) == group["expected"]


def test_a_capture_in_one_line_gives_one_object_per_frame() -> None:
    whole = "".join(each["frame"] for each in JT808)
    assert list(decode_lines("jt808", [whole])) == [each["expected"] for each in JT808]


def test_hex_with_blanks_capitals_and_without_delimiters_is_read() -> None:
    frame = JT808[0]["frame"]
    spaced = " ".join(frame[i : i + 2] for i in range(0, len(frame), 2)).upper()
    assert list(decode_lines("jt808", [spaced, frame[2:-2], ""])) == [JT808[0]["expected"]] * 2


def test_a_line_that_is_no_hex_says_so() -> None:
    (found,) = decode_lines("jt808", ["hello"])
    assert found == {"ok": False, "error": "input: expected hexadecimal digits, got 'hello'", "input": "hello"}
