"""One frame in, one message out."""

from dataclasses import dataclass, field
from typing import Any

from ingest.errors import FrameError
from ingest.jt808.frame import unescape
from ingest.jt808.header import Header, read_header
from ingest.jt808.messages import READERS
from ingest.jt808.parts import PartStore
from ingest.jt808.position import read_batch, read_position
from ingest.report import Report

POSITION, POSITION_ANSWER, POSITION_BATCH = 0x0200, 0x0201, 0x0704


@dataclass(slots=True)
class Message:
    """A decoded message: the positions it carries, and what else it says by name.

    `complete` is False for a part of a message whose other parts have not come; it carries nothing yet.
    `part_sequences` are the sequence numbers of all frames of the message, this one's alone as a rule.
    """

    header: Header
    reports: list[Report] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    part_sequences: tuple[int, ...] = ()


def decode(frame: bytes, parts: PartStore | None = None) -> Message:
    """The message of a frame (delimiters off, still escaped).

    `parts` joins messages that come in parts, one store for each connection; without it a part stays a part.
    Raises DecodeError and nothing else.
    """
    header, body = read_header(unescape(frame))
    sequences: tuple[int, ...] = (header.sequence,)
    raw = b"\x7e" + frame + b"\x7e"
    if header.parts > 1:
        joined = parts.add(header, body) if parts is not None else None
        if joined is None:
            return Message(header, facts={"part": header.part, "parts": header.parts}, complete=False)
        body, sequences = joined
        raw = body
    reports, facts = _read_body(header, body, raw)
    return Message(header, reports, facts, part_sequences=sequences)


def _read_body(header: Header, body: bytes, raw: bytes) -> tuple[list[Report], dict[str, Any]]:
    match header.message_id:
        case 0x0200:
            return [read_position(body, header, raw=raw)], {}
        case 0x0704:
            return read_batch(body, header)
        case 0x0201:
            if len(body) < 2:
                raise FrameError("body", "at least 30 bytes", str(len(body)))
            facts = {"answered_sequence": body[0] << 8 | body[1]}
            return [read_position(body[2:], header, raw=raw)], facts
        case known if known in READERS:
            return [], READERS[known](body, header)
        case _:
            return [], {"body": body.hex()}  # kept as it came: no reader for this id
