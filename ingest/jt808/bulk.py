"""Many frames at once: positions become columns without an object for each; all else is left to the reader of one frame.

The reader of one frame is the oracle: for every buffer, what `read_bulk` gives together with `decode` of the frames that
it leaves is what `decode` of all frames gives.
"""

from collections import namedtuple
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from geo.arrays import Int64Array
from geo.jit import COMPILED
from geo.positions import DTYPES, Positions
from ingest.jt808.position import NOTED, OTHER, position_note

if COMPILED:
    from ingest.jt808 import loops

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
    keys: bytes
    """16 a terminal: the last 16 digits of its number, those before them, and how many bytes of digits there were."""
    notes: dict[int, dict[str, Any]]
    others: list[tuple[int, bytes]]
    count: int

    @cached_property
    def terminals(self) -> list[str]:
        """The terminals' numbers as sent."""
        return [_digits(self.keys[at : at + 16]) for at in range(0, len(self.keys), 16)]


def read_bulk(data: bytes, received_at: int) -> Bulk:
    """The positions (0x0200) among the frames of a buffer; whatever is odd about a frame leaves it to `decode`.

    Parameters
    ----------
    data : `7e frame 7e frame … 7e`; empty frames between two delimiters count for nothing.
    received_at : µs UTC, of all of them.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    marks = np.flatnonzero(raw == 0x7E)
    frames = np.flatnonzero(np.diff(marks) > 1)
    begin, end = marks[frames] + 1, marks[frames + 1]
    count = len(begin)
    kinds, terminal, keys = np.full(count, OTHER, np.int8), np.empty(count, np.int32), np.empty((count, 2), np.uint64)
    columns = Columns(*(np.empty(count, dtype=DTYPES[name]) for name in _SENT))
    rows, terminals = 0, 0
    if COMPILED:
        rows, terminals = loops.read_frames(raw, marks, np.flatnonzero(raw == 0x7D), kinds, terminal, keys, columns)
    positions = Positions(
        vehicle_ix=terminal[:rows],
        received_at=np.full(rows, received_at, dtype=np.int64),
        **{name: column[:rows] for name, column in columns._asdict().items()},
    )
    number = np.flatnonzero(kinds != OTHER)
    noted = np.flatnonzero(kinds[number] == NOTED).tolist()
    left = np.flatnonzero(kinds == OTHER).tolist()
    return Bulk(
        positions,
        number,
        keys[:terminals].astype(">u8").tobytes(),
        {row: position_note(data[begin[number[row]] : end[number[row]]]) for row in noted},
        [(each, data[begin[each] : end[each]]) for each in left],
        count,
    )


@lru_cache(maxsize=1 << 17)
def _digits(key: bytes) -> str:
    """The number as sent, of one row of the keys."""
    return (key[8:15] + key[:8]).hex()[-2 * key[15] :]
