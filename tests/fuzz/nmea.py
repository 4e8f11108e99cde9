"""NMEA 0183: lines, sentences and epochs, over the stream as it is and with its checksums made right."""

import json
import re
from collections.abc import Iterable
from functools import reduce
from operator import xor

from ingest.errors import Refusal
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.nmea.text import as_json
from tests.fuzz.chunks import chunkings
from tests.fuzz.storable import check_refusals, check_reports

PROTOCOL = "nmea"
WORDS = [
    b"$GNRMC,", b"$BDGGA,", b"$GPGSA,", b"$GNGNS,", b"$BDGLL,", b"$GBVTG,", b"$GNZDA,", b"$PGONG,", b"$", b"*", b",,",
    b"235959.999", b"000000", b"235960.00", b"9000.0000,N", b"9000.0001,N", b"18000.0000,W", b"-1", b"1e9", b"nan", b"inf",
    b"1_0", b"+1", b"0001", b"9999", b"290224", b"010180", b"311279", b"\x00", b"\r\n", b"\n\n", b"N", b"D", b"V", b"A",
]  # fmt: skip
_SENTENCE = re.compile(rb"\$([^$*\r\n]*)(?:\*[^$\r\n]{0,2})?")


def check(data: bytes) -> None:
    """AssertionError, or whatever raises, where the stream is not read as it should be."""
    for stream in (data, mended(data)):
        found = read([stream])
        shown = list(map(_shown, found))
        for chunks in chunkings(stream):
            assert list(map(_shown, read(chunks))) == shown, "other chunks gave other fixes"
        check_reports([each.report for each in found if isinstance(each, Fix)])
        check_refusals([each for each in found if isinstance(each, Refusal)])
        for each in found:
            json.dumps(as_json(each), allow_nan=False)


def read(chunks: Iterable[bytes]) -> list[Fix | Refusal]:
    """Fixes and refusals of a stream in chunks, as a connection has them."""
    splitter, assembler = LineSplitter(), EpochAssembler()
    found: list[Fix | Refusal] = []
    for lines in (*map(splitter.feed, chunks), splitter.close()):
        for line in lines:
            found += [line] if isinstance(line, Refusal) else assembler.feed(line)
    return found + assembler.close()


def mended(stream: bytes) -> bytes:
    """The stream with every sentence's checksum made right, so that its fields are read."""
    return _SENTENCE.sub(lambda found: b"$%b*%02X" % (found[1], reduce(xor, found[1], 0)), stream)


def _shown(each: Fix | Refusal) -> Fix | tuple[bytes, str]:
    return (each.raw, str(each.error)) if isinstance(each, Refusal) else each  # errors of the same words differ
