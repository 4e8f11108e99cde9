"""JT/T 808: splitter, decoder and parts, over the stream as it is and with its lengths and checksums made right.

Without that hardly a changed body would get past its checksum.
"""

from collections.abc import Iterable
from typing import Any

from ingest.errors import DecodeError, Refusal
from ingest.jt808 import FrameSplitter, Message, PartStore, decode
from ingest.jt808.decode import POSITION_BATCH
from ingest.jt808.frame import bare, escape
from ingest.jt808.header import BODY_BITS, ENCRYPTION_BITS, PARTS_BIT, VERSION_BIT
from ingest.jt808.text import as_json
from tests.fuzz.chunks import chunkings
from tests.fuzz.storable import check_json, check_refusals, check_reports

PROTOCOL = "jt808"
WORDS = [
    b"\x7e\x7e", b"\x7d\x01", b"\x7d\x02", b"\x7d", b"\x02\x00", b"\x07\x04", b"\x02\x01", b"\x07\x02", b"\x01\x00",
    b"\x01\x02", b"\x00\x05", b"\x80\x03", b"\x20\x00", b"\x60\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff",
    b"\x01\x04\xff\xff\xff\xff", b"\x02\x02\xff\xff", b"\x31\x01\xff", b"\x07\x04\x00\x00\x00\x00", b"\xff\xff\x00\x01",
    b"\x99\x12\x31\x23\x59\x59", b"\x00\x01\x01\x00\x00\x00", b"\x24\x02\x29\x00\x00\x00", b"\x80\x00",
]  # fmt: skip


def check(data: bytes) -> None:
    """AssertionError, or whatever a decoder raises beside DecodeError, where the stream is not read as it should be."""
    for stream in (data, mended(data)):
        found = read([stream])
        segments = [segment for segment in stream.split(b"\x7e") if segment]
        assert len(found) == len(segments), f"{len(segments)} segments gave {len(found)} messages and refusals"
        for chunks in chunkings(stream):
            assert read(chunks) == found, "other chunks gave other messages"
        for each in found:
            if isinstance(each, Message):
                _check_message(each)


def read(chunks: Iterable[bytes]) -> list[Message | tuple[bytes, str]]:
    """Messages and refusals (bytes, reason) of a stream in chunks, as a connection has them."""
    splitter, parts = FrameSplitter(), PartStore()
    found: list[Message | tuple[bytes, str]] = []
    for frames in (*map(splitter.feed, chunks), splitter.close()):
        for frame in frames:
            each: Message | Refusal
            if isinstance(frame, Refusal):
                each = frame
            else:
                try:
                    each = decode(frame, parts)
                except DecodeError as error:
                    each = Refusal(frame, error)
            if isinstance(each, Refusal):
                check_refusals([each])
            found.append((each.raw, str(each.error)) if isinstance(each, Refusal) else each)
    for _, missing in parts.missing():
        assert missing, "an unfinished message that misses nothing"
    return found


def mended(stream: bytes) -> bytes:
    """The stream with each frame's length, checksum and digits made right, so that its body is read."""
    return b"\x7e".join(
        segment if len(segment) < 14 else _mended(bytearray(bare(segment)[:-1])) for segment in stream.split(b"\x7e")
    )


def _mended(content: bytearray) -> bytes:
    if len(content) < 13:
        return escape(bytes(content))[1:-1]
    attributes = (content[2] << 8 | content[3]) & ~(BODY_BITS | ENCRYPTION_BITS)
    number, digits = (5, 10) if attributes & VERSION_BIT else (4, 6)
    body_at = number + digits + 2 + (4 if attributes & PARTS_BIT else 0)
    del content[body_at + BODY_BITS :]
    attributes |= max(0, len(content) - body_at)
    content[2:4] = attributes.to_bytes(2, "big")
    for at in range(number, min(number + digits, len(content))):
        content[at] = _decimal(content[at] >> 4) << 4 | _decimal(content[at] & 15)
    return escape(bytes(content))[1:-1]


def _decimal(digit: int) -> int:
    return digit if digit <= 9 else digit - 6


def _check_message(message: Message) -> None:
    header = message.header
    assert header.terminal.isdecimal()
    assert len(header.terminal) in {12, 20}
    assert 1 <= header.part <= header.parts
    assert message.complete or not message.reports
    assert len(message.part_sequences) in ({header.parts} if message.complete else {0})
    check_reports(message.reports)
    check_json(message.facts)
    shown: dict[str, Any] = as_json(message)
    assert len(shown["positions"]) == len(message.reports)
    assert header.message_id == POSITION_BATCH or len(message.reports) <= 1
    check_json(shown)
