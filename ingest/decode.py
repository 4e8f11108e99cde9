"""Lines of a protocol to the objects that `gongche decode` prints."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ingest.jt808.parts import PartStore
from ingest.jt808.text import decode_line
from ingest.nmea.text import decode_sentences


def decode_lines(protocol: str, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One JSON-ready object per message: frames in hex for "jt808", sentences for "nmea"; KeyError on another name.

    Parts of one JT/T 808 message are joined across lines; an NMEA fix comes when its epoch ends.
    """
    return PROTOCOLS[protocol](lines)


def _decode_frames(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    parts = PartStore()
    for line in lines:
        yield from decode_line(line, parts)


PROTOCOLS: dict[str, Callable[[Iterable[str]], Iterator[dict[str, Any]]]] = {
    "jt808": _decode_frames,
    "nmea": decode_sentences,
}
