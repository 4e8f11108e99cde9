"""JT/T 808 read many frames at once, as imports do, held against the reader of one frame."""

from typing import Any

import numpy as np

from geo.positions import DTYPES, Positions
from ingest.errors import DecodeError, Refusal
from ingest.jt808 import FrameSplitter, decode
from ingest.jt808.bulk import read_bulk
from ingest.report import Report, to_columns
from tests.fuzz import jt808
from tests.fuzz.chunks import chunkings
from tests.fuzz.storable import RECEIVED_AT

PROTOCOL = "jt808"
WORDS = jt808.WORDS

read_bulk(b"", RECEIVED_AT)  # its loops are compiled now, not while the first input's time is taken

Row = tuple[str, bytes, Any]
"""Terminal, the columns' bytes, and the note of a position; or "", the refused bytes and the reason."""


def check(data: bytes) -> None:
    """AssertionError where reading together gives other positions, notes, order or refusals than reading one by one."""
    for stream in (data, jt808.mended(data)):
        expected = _one_by_one(stream)
        for chunks in ([stream], *chunkings(stream)[:1]):
            assert _together(chunks) == expected, "read together and one by one differ"


def _one_by_one(stream: bytes) -> list[Row]:
    splitter = FrameSplitter()
    return [row for each in (*splitter.feed(stream), *splitter.close()) for row in _rows(each)]


def _together(chunks: list[bytes]) -> list[Row]:
    splitter, rows = FrameSplitter(), list[Row]()
    for chunk in chunks:
        before, whole, after = splitter.split(chunk)
        rows += [row for each in before for row in _rows(each)]
        bulk = read_bulk(whole, RECEIVED_AT)
        numbered = [(number, each) for number, frame in bulk.others for each in _left(frame)]
        for row, number in enumerate(bulk.number.tolist()):
            name = bulk.terminals[bulk.positions.vehicle_ix[row]]
            numbered.append((number, (name, _bytes(bulk.positions, row), bulk.notes.get(row) or None)))
        rows += [row for _, row in sorted(numbered, key=lambda each: each[0])]
        rows += [row for each in after for row in _rows(each)]
    return rows + [row for each in splitter.close() for row in _rows(each)]


def _left(frame: bytes) -> list[Row]:
    return [row for each in FrameSplitter().feed(b"\x7e" + frame + b"\x7e") for row in _rows(each)]


def _rows(frame: bytes | Refusal) -> list[Row]:
    if isinstance(frame, Refusal):
        return [("", frame.raw, str(frame.error))]
    try:
        return [_row(report) for report in decode(frame).reports]
    except DecodeError as error:
        return [("", frame, str(error))]


def _row(report: Report) -> Row:
    positions, notes = to_columns([report], RECEIVED_AT, lambda _: 0)
    return report.terminal, _bytes(positions, 0), notes.get(0) or None


def _bytes(positions: Positions, row: int) -> bytes:
    return b"".join(
        np.ascontiguousarray(getattr(positions, name)[row]).tobytes() for name in DTYPES if name != "vehicle_ix"
    )
