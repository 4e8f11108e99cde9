"""Frames as lines of hex, and messages as the objects that `gongche decode` prints."""

from collections.abc import Iterator
from typing import Any

from ingest.errors import DecodeError, FrameError
from ingest.jt808.decode import POSITION_BATCH, Message, decode
from ingest.jt808.frame import FrameSplitter
from ingest.jt808.parts import PartStore


def decode_line(line: str, parts: PartStore | None = None) -> Iterator[dict[str, Any]]:
    """One object for each frame in a line of hex; blanks inside are allowed, delimiters may be missing."""
    text = "".join(line.split()).removeprefix("0x")
    if not text:
        return
    try:
        data = bytes.fromhex(text)
    except ValueError:
        yield refusal(FrameError("input", "hexadecimal digits", repr(line.strip()[:40])), text)
        return
    if data[:1] != b"\x7e":
        data = b"\x7e" + data
    splitter = FrameSplitter()
    found = splitter.feed(data if data[-1:] == b"\x7e" else data + b"\x7e")
    if not found:
        yield refusal(FrameError("frame", "at least 13 bytes", "0"), text)
    for each in found:
        if not isinstance(each, bytes):
            yield refusal(each.error, each.raw.hex())
            continue
        try:
            yield as_json(decode(each, parts))
        except DecodeError as error:
            yield refusal(error, f"7e{each.hex()}7e")


def as_json(message: Message) -> dict[str, Any]:
    """The object of a message.

    What a single position carries beyond its own keys stands in `extra`; the positions of a batch carry their own.
    """
    positions, extra = [], dict(message.facts)
    for report in message.reports:
        position = report.as_json()
        if message.header.message_id == POSITION_BATCH and report.note:
            position["extra"] = report.note
        elif report.note:
            extra |= report.note
        positions.append(position)
    header = message.header
    head = {"ok": True, "message": header.name, "terminal": header.terminal, "sequence": header.sequence}
    return head | {"positions": positions, "extra": extra}


def refusal(error: DecodeError, text: str) -> dict[str, Any]:
    """The object of an input that cannot be taken."""
    return {"ok": False, "error": str(error), "input": text}
