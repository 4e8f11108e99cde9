"""Many positions at once on their way to the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geo.positions import Positions


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions as sent, in the datum of each terminal.

    `terminals[vehicle_ix]` is the number of the terminal; `notes` holds, by row, what has no column; `raw` gives the
    bytes a row came in, for quarantine.
    """

    positions: Positions
    terminals: Sequence[str]
    notes: Mapping[int, Mapping[str, Any]]
    raw: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.positions)

    def pieces(self) -> list["Columns"]:
        """The first and the second half of the rows; itself where there is only one."""
        middle = len(self) // 2
        return [self._rows(0, middle), self._rows(middle, len(self))] if middle else [self]

    def _rows(self, start: int, end: int) -> "Columns":
        notes = {row - start: note for row, note in self.notes.items() if start <= row < end}
        raw = self.raw
        return Columns(self.positions.take(slice(start, end)), self.terminals, notes, lambda row: raw(row + start))
