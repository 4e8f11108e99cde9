"""Many frames at once: positions become columns without an object for each; all else is left to the reader of one frame.

The reader of one frame is the oracle: for every buffer, what `read_bulk` gives together with `decode` of the frames that
it leaves is what `decode` of all frames gives.
"""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import Int32Array, Int64Array
from geo.jit import COMPILED
from geo.positions import DTYPES, Positions
from ingest.jt808.frame import escape
from ingest.jt808.header import Header, write_header
from ingest.jt808.position import BASE, NOTED, OTHER, position_note
from ingest.rollover import note_sent_time, restore_weeks

if COMPILED:
    from ingest.jt808 import loops

_ANSWER_BYTES = 54
_SENT = [name for name in DTYPES if name not in {"vehicle_ix", "received_at"}]
Columns: Any = namedtuple("Columns", _SENT)  # type: ignore[misc]  # noqa: PYI024 - its fields are the columns of positions


@dataclass(frozen=True)
class Bulk:
    """Frames of a buffer, counted from 0 in their order.

    `positions[i]` is what frame `number[i]` said, in the terminal's own datum; `terminals[vehicle_ix]` is the number as
    sent, `notes` what has no column, by row. `others`: (number, frame without its delimiters, still escaped).
    """

    positions: Positions
    number: Int64Array
    keys: NDArray[np.uint64]
    """(terminals, 2): the last 16 digits of its number; those before them, and how many bytes of digits there were."""
    headers: Int32Array
    """(rows, 2): sequence and version of each row's message."""
    notes: dict[int, dict[str, Any]]
    others: list[tuple[int, bytes]]
    count: int
    _data: bytes
    _begin: Int64Array
    _end: Int64Array

    @cached_property
    def terminals(self) -> list[str]:
        """The terminals' numbers as sent."""
        keys = self.keys.astype(">u8").tobytes()
        return [_digits(keys[at : at + 16]) for at in range(0, len(keys), 16)]

    def raw(self, row: int) -> bytes:
        """The frame of a row, as sent."""
        number = self.number[row]
        return self._data[self._begin[number] - 1 : self._end[number] + 1]

    def answers(self, results: NDArray[np.uint8], first_sequence: int) -> bytes:
        """A general answer (0x8001) to each row, as sent; our sequence numbers count on from the first."""
        out = np.empty(_ANSWER_BYTES * len(results) + 2, dtype=np.uint8)
        size = loops.write_answers(
            self.positions.vehicle_ix, self.keys, self.headers, results, first_sequence, 0x0200, out
        )
        return out[:size].tobytes()


def read_bulk(data: bytes, received_at: int, dialect: Callable[[str], str] = lambda _: "") -> Bulk:
    """The positions (0x0200) among the frames of a buffer; whatever is odd about a frame leaves it to `decode`.

    Parameters
    ----------
    data : `7e frame 7e frame … 7e`; empty frames between two delimiters count for nothing.
    received_at : µs UTC, of all of them.
    dialect : name of the dialect of a terminal's number; no dialect changes an item that has a column.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    marks = np.flatnonzero(raw == 0x7E)
    frames = np.flatnonzero(np.diff(marks) > 1)
    begin, end = marks[frames] + 1, marks[frames + 1]
    count = len(begin)
    kinds, terminal, keys = np.full(count, OTHER, np.int8), np.empty(count, np.int32), np.empty((count, 2), np.uint64)
    headers = np.empty((count, 2), dtype=np.int32)
    columns = Columns(*(np.empty(count, dtype=DTYPES[name]) for name in _SENT))
    rows, terminals = 0, 0
    if COMPILED:
        rows, terminals = loops.read_frames(
            raw, marks, np.flatnonzero(raw == 0x7D), kinds, terminal, keys, headers, columns
        )
    sent = {name: column[:rows] for name, column in columns._asdict().items()}
    number = np.flatnonzero(kinds != OTHER)
    noted = np.flatnonzero(kinds[number] == NOTED).tolist()
    notes = {row: position_note(data[begin[number[row]] : end[number[row]]], dialect) for row in noted}
    fix_time, restored = restore_weeks(sent["fix_time"], received_at)
    if fix_time is not sent["fix_time"]:
        note_sent_time(notes, sent["fix_time"], restored)
        sent["fix_time"] = fix_time
    received = np.full(rows, received_at, dtype=np.int64)
    left = np.flatnonzero(kinds == OTHER).tolist()
    return Bulk(
        Positions(vehicle_ix=terminal[:rows], received_at=received, **sent),
        number,
        keys[:terminals],
        headers[:rows],
        notes,
        [(each, data[begin[each] : end[each]]) for each in left],
        count,
        data,
        begin,
        end,
    )


def warm_up() -> None:
    """Have the loops compiled before the first terminal waits for them; seconds where none was before."""
    if COMPILED:
        frame = escape(write_header(Header(0x0200, "0", 0), BASE.pack(0, 0, 0, 0, 0, 0, 0, bytes(6))))
        bulk = read_bulk(frame, 0)
        loops.write_answers(
            bulk.positions.vehicle_ix, bulk.keys, bulk.headers, np.empty(0, np.uint8), 0, 0, np.empty(0, np.uint8)
        )


@lru_cache(maxsize=1 << 17)
def _digits(key: bytes) -> str:
    """The number as sent, of one row of the keys."""
    return (key[8:15] + key[:8]).hex()[-2 * key[15] :]
