"""One frame in, one message out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ingest.errors import DecodeError, FrameError
from ingest.jt808.frame import unescape
from ingest.jt808.header import Header, read_header
from ingest.jt808.media import read_media
from ingest.jt808.messages import READERS
from ingest.jt808.parts import PartStore
from ingest.jt808.position import read_batch, read_position
from ingest.report import Report

POSITION, POSITION_ANSWER, POSITION_BATCH, MEDIA = 0x0200, 0x0201, 0x0704, 0x0801


@dataclass(slots=True)
class Message:
    """A decoded message: the positions it carries, what else it says by name, and a picture's or recording's `data`.

    `complete` is False for a part of a message whose other parts have not come; it carries nothing yet.
    `part_sequences` are the sequence numbers of all frames of the message, this one's alone as a rule.
    """

    header: Header
    reports: list[Report] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    part_sequences: tuple[int, ...] = ()
    data: bytes = b""


def decode(frame: bytes, parts: PartStore | None = None, dialect: str | Callable[[str], str] = "") -> Message:
    """The message of a frame (delimiters off, still escaped). Raises DecodeError and nothing else.

    Parameters
    ----------
    parts : joins messages that come in parts, one store for each connection; without it a part stays a part.
    dialect : name of the dialect by which vendor items are read, or what gives it for a terminal's number; a name that
        is none of `DIALECTS` reads the standard's items only.
    """
    header, body = read_header(unescape(frame))
    if header.parts == 1:
        return _read(Message(header, part_sequences=(header.sequence,)), body, b"\x7e" + frame + b"\x7e", dialect)
    joined = parts.add(header, frame) if parts is not None else None
    if parts is None or joined is None:
        return Message(header, facts={"part": header.part, "parts": header.parts}, complete=False)
    try:
        return _read(Message(header, part_sequences=joined.sequences), joined.body, joined.body, dialect)
    except DecodeError as error:
        parts.refuse((each for i, each in enumerate(joined.frames, start=1) if i != header.part), error)
        raise


def _read(message: Message, body: bytes, raw: bytes, dialect_of: str | Callable[[str], str]) -> Message:
    """The message with what its body says; `raw` is what a position of it came in."""
    header = message.header
    dialect = dialect_of if isinstance(dialect_of, str) else dialect_of(header.terminal)
    match header.message_id:
        case 0x0200:
            message.reports = [read_position(body, header, raw=raw, dialect=dialect)]
        case 0x0704:
            message.reports, message.facts = read_batch(body, header, dialect)
        case 0x0201:
            if len(body) < 2:
                raise FrameError("body", "at least 30 bytes", str(len(body)))
            message.facts = {"answered_sequence": body[0] << 8 | body[1]}
            message.reports = [read_position(body[2:], header, raw=raw, dialect=dialect)]
        case 0x0801:
            message.facts, message.data = read_media(body, header)
        case known if known in READERS:
            message.facts = READERS[known](body, header)
        case _:
            message.facts = {"body": body.hex()}  # kept as it came: no reader for this id
    return message
