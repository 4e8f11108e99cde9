"""Many sentences at once give what they give one by one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.jit import COMPILED
from geo.positions import DTYPES, EARLIEST_FIX_US, Positions
from ingest.errors import Refusal
from ingest.nmea import EpochAssembler, Fix, LineSplitter, bulk
from ingest.nmea.bulk import AT_END, BulkAssembler
from ingest.nmea.epoch import MAX_SENTENCES
from ingest.report import Report, to_columns
from ingest.rollover import ROLLOVER_US
from tests.ingest.nmea_strategies import PLACE, line, streams
from tests.ingest.protocol_strategies import chunkings

RECEIVED_AT = 1_795_500_000_000_000
Refused = list[tuple[str, bytes, str]]


def one_by_one(stream: bytes) -> tuple[list[Report], Refused]:
    """Reports and refusals by the assembler, line after line."""
    splitter, assembler = LineSplitter(), EpochAssembler()
    reports: list[Report] = []
    refused: Refused = []

    def sort(place: str, lines: list[bytes | Refusal]) -> None:
        for each in lines:
            for found in [each] if isinstance(each, Refusal) else assembler.feed(each):
                if isinstance(found, Refusal):
                    refused.append((place, found.raw, str(found.error)))
                else:
                    reports.append(found.report)

    for number, each in enumerate(stream.split(b"\n"), start=1):
        sort(str(number), splitter.feed(each + b"\n"))
    for found in assembler.close():
        if isinstance(found, Refusal):
            refused.append((AT_END, found.raw, str(found.error)))
        else:
            reports.append(found.report)
    return reports, refused


def at_once(chunks: list[bytes]) -> tuple[Positions, list[str], dict[int, object], Refused]:
    """The same of chunks read together: columns, the name of each row, notes, refusals."""
    assembler = BulkAssembler()
    pieces = [assembler.feed(chunk, RECEIVED_AT) for chunk in chunks[:-1]]
    pieces.append(assembler.feed(chunks[-1], RECEIVED_AT, last=True))
    names: list[str] = []
    notes: dict[int, object] = {}
    refused: Refused = []
    count = 0
    for piece in pieces:
        names += [piece.terminals[ix] for ix in piece.positions.vehicle_ix]
        notes |= {row + count: note for row, note in piece.notes.items()}
        refused += [(place, each.raw, str(each.error)) for place, each in piece.refused]
        count += len(piece.positions)
    return Positions.concat([piece.positions for piece in pieces]), names, notes, refused


def check_equal(stream: bytes, chunks: list[bytes]) -> None:
    reports, refused = one_by_one(stream)
    expected, expected_notes = to_columns(reports, RECEIVED_AT, lambda _: 0)
    positions, names, notes, also_refused = at_once(chunks)
    assert also_refused == refused
    assert names == [report.terminal for report in reports]
    assert notes == expected_notes
    for name in DTYPES:
        if name != "vehicle_ix":
            assert getattr(positions, name).tobytes() == getattr(expected, name).tobytes(), name


@settings(deadline=None, max_examples=150)
@given(data=st.data(), stream=streams())
def test_sentences_together_give_what_they_give_one_by_one(data: st.DataObject, stream: bytes) -> None:
    check_equal(stream, [stream])
    check_equal(stream, data.draw(chunkings(stream)))


def usual(clock: str, day: str = "231126") -> bytes:
    said = (
        f"GNRMC,{clock},A,{PLACE},10.0,90.0,{day},,,A",
        f"GNGGA,{clock},{PLACE},1,09,0.9,11.5,M,,M,,",
        "GNGSA,A,3,06,09,16,,,,,,,,,,1.6,0.8,1.4,4",
        "BDGSV,2,1,05,01,02,03,04",
        "BDGSV,2,2,05,01,02,03,04,1",
    )
    return b"".join(line(each) + b"\r\n" for each in said)


def record_sentences(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the reader of single sentences is asked from now on."""
    asked: list[bytes] = []
    feed = EpochAssembler.feed

    def recorded(self: EpochAssembler, raw: bytes) -> list[Fix | Refusal]:
        asked.append(raw)
        return feed(self, raw)

    monkeypatch.setattr(EpochAssembler, "feed", recorded)
    return asked


@pytest.mark.skipif(not COMPILED, reason="without numba all sentences are read one by one")
def test_usual_epochs_are_left_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = record_sentences(monkeypatch)
    stream = b"".join(usual(f"12{number // 60:02d}{number % 60:02d}.00") for number in range(200))
    fixes = BulkAssembler("A1").feed(stream, RECEIVED_AT, last=True)
    assert len(fixes.positions) == 200
    assert asked == usual("120319.00").split()  # the last epoch, as it is open when the chunk ends
    assert fixes.notes[0] == {"hdop": 0.9, "pdop": 1.6, "vdop": 1.4, "in_view": {"beidou": 5}}


@pytest.mark.skipif(not COMPILED, reason="without numba all sentences are read one by one")
def test_one_odd_line_costs_the_loop_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = record_sentences(monkeypatch)
    epochs = [usual(f"12{number // 60:02d}{number % 60:02d}.00") for number in range(200)]
    epochs[100] += b"$GNRMC,broken\r\n"
    fixes = BulkAssembler("A1").feed(b"".join(epochs), RECEIVED_AT, last=True)
    assert [place for place, _ in fixes.refused] == ["506"]
    assert len(fixes.positions) == 200
    assert len(asked) == 6 + 1 + 5  # its epoch, the line that ends it, and the epoch still open at the end


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_dates_names_and_open_epochs_go_on_over_chunks(size: int) -> None:
    stream = b"$PGONG,A1\r\n" + usual("235958.00", "221126")
    stream += b"".join(
        line(f"GNGGA,{clock},{PLACE},1,09,,11.5,M,,M,,") + b"\r\n" for clock in ("235959.00", "000000.00")
    )
    stream += b"$PGONG,B2\r\n" + usual("000001.00") + line("PGONG,A1") + b"\r\n" + usual("000002.00")
    check_equal(stream, [stream[at : at + size] for at in range(0, len(stream), size)])
    _, names, _, _ = at_once([stream])
    assert names == ["A1", "A1", "A1", "B2", "A1"]


def test_an_epoch_that_a_refused_sentence_seems_to_end_goes_on() -> None:
    stream = (
        usual("120000.00")
        + line(f"GNRMC,120001.00,A,{PLACE},1e3,,231126,,,A")
        + b"\r\n"
        + line("GPGSV,1,1,11,01")
        + b"\r\n"
    )
    check_equal(stream, [stream])


def test_lost_weeks_are_given_back_in_files_too() -> None:
    assert RECEIVED_AT - ROLLOVER_US < EARLIEST_FIX_US
    stream = usual("120000.00", "090407") + usual("120001.00", "090407") + usual("120002.00")
    fixes = BulkAssembler("A1").feed(stream, RECEIVED_AT, last=True)
    assert fixes.positions.fix_time.tolist() == [1_795_435_200_000_000 + second * 1_000_000 for second in range(3)]
    assert [note.get("sent_fix_time") for note in fixes.notes.values()] == [
        "2007-04-09T12:00:00+00:00",
        "2007-04-09T12:00:01+00:00",
        None,
    ]


def test_a_mask_takes_rows_with_their_names_and_notes() -> None:
    stream = b"$PGONG,A1\r\n" + usual("120000.00") + b"$PGONG,B2\r\n" + usual("120001.00")
    fixes = BulkAssembler().feed(stream, RECEIVED_AT, last=True)
    part = fixes.take(np.array([False, True]))
    assert (part.terminals, part.positions.vehicle_ix.tolist()) == (["B2"], [0])
    assert part.notes == {0: fixes.notes[1]}


def test_the_longest_epoch_and_endless_ones_are_the_same() -> None:
    head = line(f"GNRMC,120000.00,A,{PLACE},10.0,90.0,231126,,,A") + b"\r\n"
    for count in (MAX_SENTENCES - 1, MAX_SENTENCES, 3 * MAX_SENTENCES):
        stream = (
            head + (line("GNVTG,90.0,T,,M,,N,36.0,K,A") + b"\r\n") * count + usual("120001.00") + usual("120002.00")
        )
        check_equal(stream, [stream])
        check_equal(head * count, [head * count])


@pytest.mark.parametrize("seed", range(4))
def test_a_long_capture_with_bytes_lost_and_changed_is_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    epochs = [
        usual(f"{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}.00") for number in range(0, 8_000, 50)
    ]
    stream = bytearray(b"".join(epochs))
    for at in rng.integers(0, len(stream), 60).tolist():
        stream[at] = int(rng.choice(list(b"$*,\r\n.0A\x00\xff")))
    for at in rng.integers(0, len(stream), 20).tolist():
        del stream[at : at + int(rng.integers(1, 90))]
    data = bytes(stream)
    check_equal(data, [data])
    cuts = [0, *sorted(rng.integers(0, len(data), 30).tolist()), len(data)]
    check_equal(data, [data[begin:end] for begin, end in pairwise(cuts)])


def test_without_a_compiler_all_is_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "COMPILED", False)
    asked = record_sentences(monkeypatch)
    stream = b"$PGONG,A1\r\n" + usual("120000.00") + b"noise\r\n" + usual("120001.00")
    check_equal(stream, [stream[:100], stream[100:]])
    assert len(asked) == 2 * 11
