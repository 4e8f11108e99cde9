"""Many sentences at once: epochs become columns without an object for each; whatever is odd goes sentence by sentence.

`EpochAssembler` is the oracle: for every stream and any chunking, the rows and refusals are those of its fixes and refusals.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, Int64Array
from geo.jit import COMPILED
from geo.positions import DTYPES, Positions
from ingest.errors import Refusal
from ingest.nmea.epoch import EpochAssembler, Fix
from ingest.nmea.fields import MODES, QUALITIES, SEVERAL, SYSTEMS
from ingest.nmea.lines import LineSplitter
from ingest.report import Report, to_columns
from ingest.rollover import note_sent_time, restore_weeks

if COMPILED:
    from ingest.nmea import epoch_loops, loops
    from ingest.nmea.field_loops import NO_TIME

Notes = dict[int, dict[str, Any]]

AT_END = "end"
_LF = ord("\n")
_LINE_END = re.compile(rb"\r?\n|\r")
# The shortest line that can make a fix, as `$GNGLL,,,,,120000,*hh`.
_LEAST_BYTES = 22
_MOST_NAMES = 4096


@dataclass(frozen=True)
class Fixes:
    """Fixes of a piece of a stream, in their order.

    `terminals[vehicle_ix]` is who spoke, empty where nobody said; `refused`: (number of the line counted from 1, or
    `AT_END`, refusal); `noted`: (first row, what makes the notes of the rows from there on, by row counted from it).
    """

    positions: Positions
    terminals: list[str]
    refused: list[tuple[str, Refusal]]
    noted: list[tuple[int, Callable[[], Notes]]]

    @cached_property
    def notes(self) -> Notes:
        """What has no column, by row; objects for each row are made only when asked for."""
        notes: Notes = {}
        for first, make in self.noted:
            made = make()
            notes.update(zip((row + first for row in made), made.values(), strict=True) if first else made)
        return notes

    def take(self, mask: BoolArray) -> "Fixes":
        """The fixes that a mask chooses, with the names of these alone, and all refusals."""
        if mask.all():
            return self
        rows = np.flatnonzero(mask)
        used, vehicle_ix = np.unique(self.positions.vehicle_ix[rows], return_inverse=True)
        notes = {number: self.notes[row] for number, row in enumerate(rows.tolist()) if row in self.notes}
        return Fixes(
            self.positions.take(rows).with_vehicle_ix(vehicle_ix.astype(np.int32)),
            [self.terminals[ix] for ix in used.tolist()],
            self.refused,
            [(0, lambda: notes)],
        )


class BulkAssembler:
    """Turns one stream of sentences into columns; takes any chunks, and large ones fast. `terminal`: who speaks first."""

    def __init__(self, terminal: str = "") -> None:
        self._assembler = EpochAssembler(terminal)
        self._splitter = LineSplitter()
        self._lines = 0  # line ends before this chunk

    def feed(self, chunk: bytes, received_at: int, *, last: bool = False) -> Fixes:
        """Fixes and refusals that the chunk completes; of the `last` one also what is left, as `EpochAssembler.close` has it.

        received_at : µs UTC, of all of them.
        """
        rows, lines, at, least = _Rows(received_at), _LineCount(chunk, self._lines), 0, 0
        loop = _Loop(chunk) if COMPILED else None
        while at < len(chunk):
            if loop and at >= least and self._assembler.idle and self._splitter.idle:
                at = loop.run(at, self._assembler, rows)
                least = at + 1  # what it stopped at is not for it
                continue
            end = _LINE_END.search(chunk, at)
            after = end.end() if end else len(chunk)
            opened, whole = self._assembler.opened, self._splitter.idle
            sentences = self._splitter.feed(chunk[at:after])
            self._take(sentences, rows, lines, at)
            whole &= self._splitter.idle and len(sentences) == 1
            if loop and whole and at >= least and self._assembler.opened > opened and self._assembler.begun:
                self._assembler.resume(self._assembler.terminal, self._assembler.last_us)  # the loop takes this line
            else:
                at = after
        if last:
            self._take(self._splitter.close(), rows, lines, at)
            rows.add(self._assembler.close(), lambda: AT_END)
        self._lines = lines.number(len(chunk)) - 1
        return rows.fixes()

    def _take(self, sentences: list[bytes | Refusal], rows: "_Rows", lines: "_LineCount", at: int) -> None:
        for each in sentences:
            found = [each] if isinstance(each, Refusal) else self._assembler.feed(each)
            rows.add(found, lambda: str(lines.number(at)))


class _LineCount:
    """Numbers of the lines of a chunk, asked in rising order."""

    def __init__(self, chunk: bytes, before: int) -> None:
        self._chunk, self._number, self._at = chunk, before + 1, 0

    def number(self, at: int) -> int:
        self._number += int(np.count_nonzero(np.frombuffer(self._chunk, np.uint8)[self._at : at] == _LF))
        self._at = at
        return self._number


class _Rows:
    """Rows of both ways, in the order they come."""

    def __init__(self, received_at: int) -> None:
        self.received_at = received_at
        self._index: dict[str, int] = {}
        self._parts: list[Positions] = []
        self._noted: list[tuple[int, Callable[[], Notes]]] = []
        self._count = 0
        self._reports: list[Report] = []
        self._refused: list[tuple[str, Refusal]] = []

    def add(self, found: Iterable[Fix | Refusal], place: Callable[[], str]) -> None:
        """Put what the reader of single sentences found behind the rows that came."""
        for each in found:
            if isinstance(each, Refusal):
                self._refused.append((place(), each))
            else:
                self._reports.append(each.report)

    def extend(self, positions: Positions, make_notes: Callable[[], Notes]) -> None:
        """Put rows behind those that came."""
        if self._reports:
            reports, self._reports = self._reports, []
            rows, notes = to_columns(reports, self.received_at, self.named)
            self.extend(rows, lambda: notes)
        self._parts.append(positions)
        self._noted.append((self._count, make_notes))
        self._count += len(positions)

    def named(self, terminal: str) -> int:
        """`vehicle_ix` of who speaks."""
        return self._index.setdefault(terminal, len(self._index))

    def fixes(self) -> Fixes:
        """All of them."""
        if self._reports:
            self.extend(Positions.empty(), dict)
        positions = self._parts[0] if len(self._parts) == 1 else Positions.concat(self._parts)
        return Fixes(positions, list(self._index), self._refused, self._noted)


class _Loop:
    """The compiled loop over one chunk, with the columns it fills."""

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk
        self._data = np.frombuffer(chunk, dtype=np.uint8)
        most = len(chunk) // _LEAST_BYTES + 1
        self._sent = epoch_loops.Sent(
            *(np.empty(most, dtype=dtype) for dtype in epoch_loops.DTYPES)
        )  # touched as far as it is filled
        self._names = np.empty((_MOST_NAMES, 2), dtype=np.int64)
        self._row = 0

    def run(self, at: int, assembler: EpochAssembler, rows: _Rows) -> int:
        """Where the loop stops; what it took goes to the rows, and the assembler goes on from there."""
        first, last = self._row, NO_TIME if assembler.last_us is None else assembler.last_us
        name = np.frombuffer(assembler.terminal.encode(), dtype=np.uint8)
        stop, self._row, last, named = loops.read_epochs(self._data, at, first, last, name, self._names, self._sent)
        names = [self._chunk[begin:end].decode() for begin, end in self._names[:named].tolist()]
        if self._row > first:
            sent = epoch_loops.Sent(*(column[first : self._row] for column in self._sent))
            fix_time, restored = restore_weeks(sent.fix_time, rows.received_at)
            positions = _positions(sent, fix_time, rows, [assembler.terminal, *names])
            rows.extend(positions, partial(_notes, sent, restored))
        assembler.resume(names[-1] if names else assembler.terminal, None if last == NO_TIME else last)
        return int(stop)


def _positions(sent: Any, fix_time: Int64Array, rows: _Rows, speakers: list[str]) -> Positions:
    """Positions of what the loop read, as `to_columns` makes them."""
    n = len(fix_time)
    if len(speakers) == 1:
        vehicle_ix = np.full(n, rows.named(speakers[0]), dtype=np.int32)
    else:
        spoke, which = np.unique(sent.speaker, return_inverse=True)
        vehicle_ix = np.array([rows.named(speakers[each]) for each in spoke.tolist()], dtype=np.int32)[which]
    columns = {name: column for name, column in sent._asdict().items() if name in DTYPES}
    received_at = np.full(n, rows.received_at, dtype=np.int64)
    return Positions.from_columns(
        n, **columns | {"vehicle_ix": vehicle_ix, "fix_time": fix_time, "received_at": received_at}
    )


def _notes(sent: Any, restored: BoolArray) -> Notes:
    """Notes by row. Rows that say the same things (most receivers always do) are made together, by no loop of ours."""
    notes: Notes = {}
    for kinds in np.unique(sent.noted).tolist():
        if kinds == 0:
            continue
        rows = np.flatnonzero(sent.noted == kinds)
        columns = {name: values(getattr(sent, name)[rows]) for bit, name, values in _NOTED if kinds & bit}
        said = zip(*columns.values(), strict=True)
        notes.update(zip(rows.tolist(), map(dict, map(zip, repeat(tuple(columns)), said)), strict=True))
    note_sent_time(notes, sent.fix_time, restored)
    return notes


def _qualities(column: NDArray[np.int8]) -> list[str]:
    return [QUALITIES[str(each)] for each in column.tolist()]


def _modes(column: NDArray[np.uint8]) -> list[str]:
    return [MODES[chr(each)] for each in column.tolist()]


def _views(column: Any) -> list[dict[str, int]]:
    """Counts by system. They change slowly, so rows of the same counts share one object."""
    packed = np.ascontiguousarray(column).view(f"V{column.itemsize * column.shape[1]}")[:, 0].tolist()
    names = (*SYSTEMS, SEVERAL)
    made = {
        each: {
            name: count
            for name, count in zip(names, np.frombuffer(each, column.dtype).tolist(), strict=False)
            if count >= 0
        }
        for each in set(packed)
    }
    return [made[each] for each in packed]


_NOTED: list[tuple[int, str, Callable[[Any], list[Any]]]] = (
    [
        (epoch_loops.HDOP, "hdop", np.ndarray.tolist),
        (epoch_loops.PDOP, "pdop", np.ndarray.tolist),
        (epoch_loops.VDOP, "vdop", np.ndarray.tolist),
        (epoch_loops.QUALITY, "quality", _qualities),
        (epoch_loops.MODE, "mode", _modes),
        (epoch_loops.IN_VIEW, "in_view", _views),
    ]
    if COMPILED
    else []
)
"""Bit of `noted`, column and key of the note, values of the column."""
