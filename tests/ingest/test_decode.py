"""Files of frames to objects: hex or bytes, any chunking, lines of any length, and parts that do not come."""

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import PIECE_BYTES, decode_file, decode_lines
from ingest.jt808 import Header
from ingest.jt808 import encode as enc
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US, chunkings, frame_streams

TERMINAL = "013912345678"
HEARTBEAT = enc.frame(Header(0x0002, TERMINAL, 1))
POSITION = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))


class Chunked(io.RawIOBase):
    """A file that gives its bytes in the chunks it was made of, as a pipe does."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._chunks:
            return 0
        chunk = self._chunks.pop(0)
        count = min(len(chunk), len(buffer))
        buffer[:count] = chunk[:count]
        if count < len(chunk):
            self._chunks.insert(0, chunk[count:])
        return count


def decoded(data: bytes, protocol: str = "jt808", dialect: str = "") -> list[dict[str, Any]]:
    return list(decode_file(protocol, io.BytesIO(data), dialect))


@given(data=st.data(), frames=frame_streams())
def test_a_capture_of_bytes_gives_what_its_frames_give_in_hex(data: st.DataObject, frames: list[bytes]) -> None:
    expected = list(decode_lines("jt808", [frame.hex() for frame in frames]))
    stream = b"".join(frames)
    piped = io.BufferedReader(Chunked(data.draw(chunkings(stream))))
    assert list(decode_file("jt808", piped)) == decoded(stream) == expected
    assert decoded("\n".join(frame.hex(" ") for frame in frames).encode()) == expected
    assert decoded(b"\r\n \n" + stream.hex().encode()) == expected


def test_a_capture_may_begin_within_a_frame() -> None:
    first, second = decoded(HEARTBEAT[5:] + HEARTBEAT)
    assert first["error"] == "frame: expected 7e, got bytes before the first delimiter"
    assert second["message"] == "0x0002"


def test_a_line_longer_than_what_is_held_at_once_is_read_to_its_end() -> None:
    line = HEARTBEAT.hex() * (3 * PIECE_BYTES // len(HEARTBEAT))
    found = decoded(b"0x" + line.encode() + b"\n" + HEARTBEAT.hex().encode())
    assert len(found) == 3 * PIECE_BYTES // len(HEARTBEAT) + 1
    assert all(each["ok"] for each in found)


def test_half_a_digit_pair_at_the_end_of_a_line_is_refused() -> None:
    assert decoded(HEARTBEAT.hex().encode() + b"7")[1:] == [
        {"ok": False, "error": "input: expected hexadecimal digits in pairs, got '7'", "input": "7"}
    ]


def test_a_line_that_turns_bad_costs_only_itself() -> None:
    first, second = decoded(b"7e00 zz\n" + HEARTBEAT.hex().encode())
    assert first["error"] == "input: expected hexadecimal digits, got '7e00 zz'"
    assert second["ok"]


@pytest.mark.parametrize("raw", [True, False])
def test_parts_that_did_not_come_are_refused_at_the_end(raw: bool) -> None:
    sent = enc.frames(Header(0x0704, TERMINAL, 7), enc.batch_body([POSITION] * 6, blind_spot=False), limit=80)
    found = decoded(b"".join(sent[:2]) if raw else b"\n".join(frame.hex().encode() for frame in sent[:2]))
    assert [each["ok"] for each in found] == [True, True, False, False]
    assert found[2] == {
        "ok": False,
        "error": f"parts: expected the other parts, got the end after 2 of {len(sent)} parts",
        "input": sent[0].hex(),
    }


def test_a_message_that_gave_way_is_refused_where_it_did() -> None:
    sent = [enc.frames(Header(0x0900, TERMINAL, n * 10), bytes(100), limit=60)[0] for n in range(9)]
    found = decoded(b"".join(sent))
    assert [each["ok"] for each in found].index(False) == 8
    assert found[8]["input"] == sent[0].hex()
    assert sum(not each["ok"] for each in found) == 9


def test_a_dialect_reads_a_vendor_item() -> None:
    frame = enc.frame(Header(0x0200, TERMINAL, 1), POSITION + bytes.fromhex("61021d74"))
    assert decoded(frame, dialect="gps51")[0]["extra"] == {"supply_v": 75.4}
    assert decoded(frame)[0]["extra"] == {"item_61": "1d74"}


def test_of_a_picture_its_size_and_hash_are_told() -> None:
    body = enc.media_body(9, b"\xff\xd8abc")
    found = [decoded(b"".join(enc.frames(Header(0x0801, TERMINAL, 1), body, limit))) for limit in (6, 1023)]
    assert found[0][-1]["extra"] == found[1][-1]["extra"]
    assert found[0][-1]["extra"] == {
        "media_no": 9,
        "type": "image",
        "format": "jpeg",
        "event": "platform",
        "channel": 1,
        "bytes": 5,
        "sha256": "da1b4cc24a669f66d416598ad107b01b54f21d117f91b354cfdccc647b49fbe2",
    }


@pytest.mark.parametrize("raw", [True, False])
def test_a_large_capture_is_not_held(raw: bool) -> None:
    data = HEARTBEAT * 40_000 if raw else HEARTBEAT.hex().encode() * 20_000
    file = io.BytesIO(data)
    tracemalloc.start()
    count = sum(each["ok"] for each in decode_file("jt808", file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == len(data) // (len(HEARTBEAT) * (1 if raw else 2))
    assert peak < 20 * PIECE_BYTES


def test_sentences_of_a_file_are_fixes() -> None:
    line = b"$GPRMC,000000.00,A,2307.74978,N,11315.86610,E,23.326,271.0,231126,,,A*6C\r\n"
    assert decoded(line, "nmea") == list(decode_lines("nmea", [line.decode()]))
    assert json.dumps(decoded(line, "nmea"))
