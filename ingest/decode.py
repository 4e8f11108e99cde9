"""Lines or captures of a protocol to the objects that `gongche decode` prints."""

from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from ingest.jt808.parts import PartStore
from ingest.jt808.text import decode_bytes, decode_line, given_up
from ingest.nmea.text import decode_sentences

PROTOCOLS = ("jt808", "nmea")
PIECE_BYTES = 1 << 16
"""Of a capture, whatever its lines are, no more is held at once."""


def decode_lines(protocol: str, lines: Iterable[str], dialect: str = "") -> Iterator[dict[str, Any]]:
    """One JSON-ready object per message: frames in hex for "jt808", sentences for "nmea".

    Parts of one JT/T 808 message are joined across lines, and refused at the end where some did not come; an NMEA fix
    comes when its epoch ends.
    """
    return decode_sentences(lines) if protocol == "nmea" else _decode_hex(((line,) for line in lines), dialect)


def decode_file(protocol: str, file: BufferedIOBase, dialect: str = "") -> Iterator[dict[str, Any]]:
    """The same of a file: sentences, frames in lines of hex, or frames as bytes where there is a 7e at its beginning."""
    if protocol == "nmea":
        return decode_sentences(line.decode("utf-8", errors="replace") for line in file)
    head = file.readline(PIECE_BYTES)
    while head.isspace():
        head = file.readline(PIECE_BYTES)
    if b"\x7e" in head:  # no hex digit
        return _decode_capture(chain((head,), iter(lambda: file.read1(PIECE_BYTES), b"")), dialect)
    lines = groupby(_pieces(head, file), itemgetter(0))
    return _decode_hex(((text for _, text in pieces) for _, pieces in lines), dialect)


def _decode_capture(chunks: Iterable[bytes], dialect: str) -> Iterator[dict[str, Any]]:
    parts = PartStore()
    yield from decode_bytes(chunks, parts, dialect)
    yield from given_up(parts)


def _decode_hex(lines: Iterable[Iterable[str]], dialect: str) -> Iterator[dict[str, Any]]:
    parts = PartStore()
    for pieces in lines:
        yield from decode_line(pieces, parts, dialect)
    yield from given_up(parts)


def _pieces(head: bytes, file: BufferedIOBase) -> Iterator[tuple[int, str]]:
    """Pieces of lines with the number of their line."""
    number, piece = 0, head
    while piece:
        yield number, piece.decode("utf-8", errors="replace")
        number += piece.endswith(b"\n")
        piece = file.readline(PIECE_BYTES)
