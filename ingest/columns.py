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
