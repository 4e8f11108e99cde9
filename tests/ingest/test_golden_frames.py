"""Frames and sentences beside the objects that `gongche decode` prints for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.decode import decode_lines

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FRAMES / name).read_text(encoding="utf-8"))
    return loaded


JT808 = _load("jt808.json")["frames"]
NMEA = _load("nmea.json")["groups"]


def test_the_golden_sets_are_not_empty() -> None:
    assert len(JT808) >= 15
    assert len(NMEA) >= 8


def test_each_frame_decodes_to_its_object() -> None:
    decoded = list(decode_lines("jt808", [each["frame"] for each in JT808]))
    for each, found in zip(JT808, decoded, strict=True):
        assert found == each["expected"], each["what"]


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
