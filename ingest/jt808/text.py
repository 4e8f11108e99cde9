"""Frames as lines of hex or as bytes, and messages as the objects that `gongche decode` prints."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.errors import DecodeError, FrameError, Refusal
from ingest.jt808.decode import POSITION_BATCH, Message, decode
from ingest.jt808.frame import FrameSplitter
from ingest.jt808.parts import PartStore


def decode_bytes(chunks: Iterable[bytes], parts: PartStore, dialect: str = "") -> Iterator[dict[str, Any]]:
    """One object for each frame of a capture, whatever its chunks."""
    splitter = FrameSplitter()
    for chunk in chunks:
        yield from _objects(splitter.feed(chunk), parts, dialect)
    yield from _objects(splitter.close(), parts, dialect)


def decode_line(pieces: Iterable[str], parts: PartStore, dialect: str = "") -> Iterator[dict[str, Any]]:
    """One object for each frame in a line of hex, given in pieces; blanks are allowed, delimiters may be missing."""
    splitter, started, empty, odd, text = FrameSplitter(), False, True, "", ""
    for piece in pieces:
        text = "".join(piece.split())
        digits = odd + (text if started else text.removeprefix("0x"))
        even = len(digits) & ~1
        odd = digits[even:]
        try:
            data = bytes.fromhex(digits[:even])
        except ValueError:
            yield refusal(FrameError("input", "hexadecimal digits", repr(piece.strip()[:40])), text)
            return
        if not started and data:
            data, started = (data if data[:1] == b"\x7e" else b"\x7e" + data), True
        for each in _objects(splitter.feed(data), parts, dialect):
            empty = False
            yield each
    if odd:
        yield refusal(FrameError("input", "hexadecimal digits in pairs", repr(odd)), odd)
    elif started:
        ended = list(_objects(splitter.feed(b"\x7e"), parts, dialect))
        yield from ended
        if empty and not ended:
            yield refusal(FrameError("frame", "at least 13 bytes", "0"), text)


def as_json(message: Message) -> dict[str, Any]:
    """The object of a message.

    What a single position carries beyond its own keys stands in `extra`; the positions of a batch carry their own. Of a
    picture or recording it says the size and the SHA-256.
    """
    positions, extra = [], dict(message.facts)
    for report in message.reports:
        position = report.as_json()
        if message.header.message_id == POSITION_BATCH and report.note:
            position["extra"] = report.note
        elif report.note:
            extra |= report.note
        positions.append(position)
    if message.data:
        extra |= {"bytes": len(message.data), "sha256": hashlib.sha256(message.data).hexdigest()}
    header = message.header
    head = {"ok": True, "message": header.name, "terminal": header.terminal, "sequence": header.sequence}
    return head | {"positions": positions, "extra": extra}


def given_up(parts: PartStore) -> Iterator[dict[str, Any]]:
    """The objects of frames of messages whose other parts did not come, at the end."""
    return (refusal(each.error, each.raw.hex()) for each in parts.close())


def refusal(error: DecodeError, text: str) -> dict[str, Any]:
    """The object of an input that cannot be taken."""
    return {"ok": False, "error": str(error), "input": text}


def _objects(found: Iterable[bytes | Refusal], parts: PartStore, dialect: str) -> Iterator[dict[str, Any]]:
    for each in found:
        if isinstance(each, Refusal):
            yield refusal(each.error, each.raw.hex())
            continue
        try:
            message = as_json(decode(each, parts, dialect))
        except DecodeError as error:
            message = refusal(error, f"7e{each.hex()}7e")
        yield from (refusal(gone.error, gone.raw.hex()) for gone in parts.take_given_up())
        yield message
