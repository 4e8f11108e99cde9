"""Header of a message (JT/T 808-2019 §4.4.3).

    id WORD | attributes WORD | 2019: version BYTE | terminal BCD[6], 2019: BCD[10] | sequence WORD
    in parts: | total WORD | index WORD

Attributes: bits 0–9 body length, 10–12 encryption (bit 10 RSA), 13 in parts, 14 version mark (2019), 15 reserved.
"""

from dataclasses import dataclass

from geo.terminal_key import terminal_key as terminal_key  # noqa: PLC0414 - decoders and receivers find it here
from ingest.errors import FieldError, FrameError

BODY_BITS = 0x03FF
ENCRYPTION_BITS = 0x1C00
PARTS_BIT = 0x2000
VERSION_BIT = 0x4000


@dataclass(frozen=True, slots=True)
class Header:
    """Who sent what: `version` 0 is 2011 or 2013, 1 the first edition of 2019; `part` counts from 1."""

    message_id: int
    terminal: str  # digits as sent: 12, or 20 in 2019
    sequence: int
    version: int = 0
    parts: int = 1
    part: int = 1

    @property
    def name(self) -> str:
        """The message id as written: 0x0200."""
        return f"0x{self.message_id:04x}"


def read_header(content: bytes) -> tuple[Header, bytes]:
    """Header and body of an unescaped frame without its checksum.

    Raises FrameError where the length does not agree with the attributes, FieldError on an encrypted body, a terminal
    number that is not decimal, or impossible part numbers.
    """
    attributes = content[2] << 8 | content[3]
    at = 4
    version = 0
    digits = 6
    if attributes & VERSION_BIT:
        version, at, digits = content[4], 5, 10
    length = attributes & BODY_BITS
    body_at = at + digits + 2 + (4 if attributes & PARTS_BIT else 0)
    if body_at + length != len(content):
        raise FrameError("body length", str(length), str(len(content) - body_at))
    if attributes & ENCRYPTION_BITS:
        raise FieldError("encryption", "none", "RSA" if attributes & 0x0400 else f"kind {attributes >> 10 & 7}")
    terminal = content[at : at + digits].hex()
    if not terminal.isdecimal():
        raise FieldError("terminal number", "decimal digits", terminal)
    at += digits
    sequence = content[at] << 8 | content[at + 1]
    parts = part = 1
    if attributes & PARTS_BIT:
        parts, part = content[at + 2] << 8 | content[at + 3], content[at + 4] << 8 | content[at + 5]
        if not 1 <= part <= parts:
            raise FieldError("part", f"1 to {parts}", str(part))
    message_id = content[0] << 8 | content[1]
    return Header(message_id, terminal, sequence, version, parts, part), content[body_at:]


def write_header(header: Header, body: bytes) -> bytes:
    """Header and body as bytes, ready to be escaped. ValueError on a body that needs parts."""
    if len(body) > BODY_BITS:
        raise ValueError(f"body: expected at most {BODY_BITS} bytes, got {len(body)}")
    attributes = len(body) | (PARTS_BIT if header.parts > 1 else 0) | (VERSION_BIT if header.version else 0)
    head = header.message_id.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    if header.version:
        head += bytes([header.version])
    head += bytes.fromhex(header.terminal.zfill(20 if header.version else 12))
    head += (header.sequence & 0xFFFF).to_bytes(2, "big")
    if header.parts > 1:
        head += header.parts.to_bytes(2, "big") + header.part.to_bytes(2, "big")
    return head + body
