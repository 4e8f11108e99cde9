"""Many frames at once give what each of them gives by itself."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.jit import COMPILED
from geo.positions import DTYPES
from ingest.errors import DecodeError
from ingest.jt808 import FrameSplitter, decode, encode
from ingest.jt808.bulk import read_bulk
from ingest.jt808.header import Header
from ingest.report import Report, to_columns
from tests.ingest.protocol_strategies import mutated, position_frame, reports

RECEIVED_AT = 1_700_000_000_000_000
GOOD = Report("013912345678", 1_700_000_000_000_000, True, 231_000_000, 1_132_000_000, 11, 12.0, 90, True)


def body(draw: st.DrawFn) -> bytes:
    """A position body with any bits, times and items."""
    words = draw(st.lists(st.integers(0, 0xFFFFFFFF), min_size=2, max_size=2))
    if draw(st.booleans()):
        words = [0, draw(st.integers(0, 63)) | draw(st.integers(0, 15)) << 18]
    place = [draw(st.integers(0, 90_000_001)), draw(st.integers(0, 180_000_001))]
    rest = draw(st.binary(min_size=6, max_size=6))
    time = bytes.fromhex("".join(draw(st.lists(st.sampled_from("0123456789a"), min_size=12, max_size=12))))
    if draw(st.booleans()):
        time = bytes.fromhex(
            draw(st.sampled_from(["240229235959", "230229000000", "001231235959", "991130240000", "040315120000"]))
        )
    items = b"".join(
        bytes([item, len(value)]) + value
        for item, value in draw(
            st.lists(st.tuples(st.sampled_from([1, 2, 3, 0x30, 0x31, 0xEB]), st.binary(max_size=5)), max_size=4)
        )
    )
    tail = draw(st.sampled_from([b"", b"\x01", b"\x01\x04\x00"]))
    return b"".join(word.to_bytes(4, "big") for word in [*words, *place]) + rest + time + items + tail


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One frame: a usual position, an odd one, one of another kind, a broken one."""
    match draw(st.integers(0, 3)):
        case 0:
            return position_frame(draw(reports()), draw(st.integers(0, 0xFFFF)), draw(st.sampled_from([0, 1])))
        case 1:
            version = draw(st.sampled_from([0, 1]))
            number = draw(st.from_regex(r"[0-9]{20}" if version else r"[0-9]{12}", fullmatch=True))
            return encode.frame(Header(0x0200, number, 7, version), body(draw))
        case 2:
            return encode.frame(Header(draw(st.integers(0, 0xFFFF)), "013900000001", 1), draw(st.binary(max_size=60)))
        case _:
            return draw(mutated(position_frame(draw(reports()))))


def one_by_one(data: bytes) -> tuple[list[Report], list[str]]:
    """Reports and refusals by the reader of one frame."""
    found: list[Report] = []
    refused: list[str] = []
    for each in FrameSplitter().feed(data):
        assert isinstance(each, bytes)
        try:
            found += decode(each).reports
        except DecodeError as error:
            refused.append(str(error))
    return found, refused


def at_once(data: bytes) -> tuple[dict[str, list[object]], dict[int, object], list[str]]:
    """The same by reading them together: columns with the terminals' numbers, notes, and refusals."""
    bulk = read_bulk(data, RECEIVED_AT)
    pieces: list[tuple[int, Sequence[object], object]] = []
    for row, number in enumerate(bulk.number.tolist()):
        values = {name: getattr(bulk.positions, name)[row] for name in DTYPES}
        values["vehicle_ix"] = bulk.terminals[values["vehicle_ix"]]
        pieces.append((number, list(values.values()), bulk.notes.get(row)))
    refused = []
    for number, frame in bulk.others:
        try:
            positions, notes, names = by_reports(decode(frame).reports)
        except DecodeError as error:
            refused.append(str(error))
            continue
        for row in range(len(positions)):
            values = {name: getattr(positions, name)[row] for name in DTYPES}
            pieces.append((number, [names[values.pop("vehicle_ix")], *values.values()], notes.get(row)))
    pieces.sort(key=lambda piece: piece[0])
    columns = dict(zip(DTYPES, zip(*(values for _, values, _ in pieces), strict=True), strict=True)) if pieces else {}
    return columns, {row: note for row, (_, _, note) in enumerate(pieces) if note}, refused  # type: ignore[return-value]


def by_reports(found: list[Report]):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as to_columns has it
    names = sorted({report.terminal for report in found})
    return *to_columns(found, RECEIVED_AT, names.index), names


@settings(deadline=None, max_examples=300)
@given(st.lists(frames(), max_size=8))
@example([position_frame(GOOD)] * 3)
def test_frames_together_give_what_they_give_alone(sent: list[bytes]) -> None:
    data = b"\x7e" + b"".join(sent) + b"\x7e"
    found, refused = one_by_one(data)
    columns, notes, also_refused = at_once(data)
    assert also_refused == refused
    if not found:
        assert not columns
        return
    positions, expected_notes, names = by_reports(found)
    assert notes == expected_notes
    assert list(columns["vehicle_ix"]) == [names[ix] for ix in positions.vehicle_ix]
    for name in DTYPES:
        if name != "vehicle_ix":
            column = np.array(columns[name], dtype=DTYPES[name])
            assert np.array_equal(column.view(np.uint8), getattr(positions, name).view(np.uint8)), name


@pytest.mark.skipif(not COMPILED, reason="without numba all frames are left to the reader of one")
def test_usual_positions_are_left_to_nobody() -> None:
    report = Report(**{**{name: getattr(GOOD, name) for name in GOOD.__slots__}, "odometer_m": 100, "satellites": 9})
    bulk = read_bulk(b"".join(position_frame(each, 1, v) for v in (0, 1) for each in (GOOD, report)), RECEIVED_AT)
    assert (bulk.count, bulk.others, bulk.notes) == (4, [], {})
    assert sorted(bulk.terminals) == ["00000000013912345678", "013912345678"]


def test_too_long_a_frame_is_left() -> None:
    bulk = read_bulk(b"\x7e" + b"\x02\x00" * 4000 + b"\x7e" + position_frame(GOOD), RECEIVED_AT)
    assert [number for number, _ in bulk.others][:1] == [0]
    assert bulk.count == 2


@pytest.mark.skipif(not COMPILED, reason="frames are read together only where numba is installed")
@given(st.lists(st.tuples(reports(), st.integers(0, 0xFFFF), st.sampled_from([0, 1])), max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_answers_made_together_are_those_made_one_by_one(
    sent: list[tuple[Report, int, int]], data: st.DataObject
) -> None:
    bulk = read_bulk(b"".join(position_frame(*each) for each in sent), RECEIVED_AT)
    results = data.draw(st.lists(st.integers(0, 4), min_size=len(bulk.number), max_size=len(bulk.number)))
    first = data.draw(st.integers(0, 0xFFFF))
    headers = [decode(bulk.raw(row)[1:-1]).header for row in range(len(bulk.number))]
    one_by_one = [
        encode.general_answer(header, (first + row) & 0xFFFF, result)
        for row, (header, result) in enumerate(zip(headers, results, strict=True))
    ]
    assert bulk.answers(np.array(results, dtype=np.uint8), first) == b"".join(one_by_one)
