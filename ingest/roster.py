"""Which terminals there are: the vehicle each is bound to, the datum of its coordinates, the dialect of its items.

One for a process, shared by the writer's thread, which looks things up anew, and by receivers, which only read.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from geo.datum import WGS84
from ingest.jt808.header import terminal_key
from store.database import Database
from store.fleet import load_terminals
from store.held import refused_keys

# A number that is not known is looked up again at most this often: a new terminal waits no longer for its first
# position, and a stranger's stream costs one query in this time.
REFRESH_S = 5.0
# What an administrator changed of a known terminal counts after this time at the latest.
RELOAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Binding:
    """A terminal as it is bound."""

    vehicle_id: int
    datum: str = WGS84
    dialect: str = ""


class Roster:
    """Terminals by number, without regard to leading zeros."""

    def __init__(
        self,
        database: Database,
        refresh_s: float = REFRESH_S,
        reload_s: float = RELOAD_S,
        *,
        hold_unknown: bool = False,
    ) -> None:
        self._database = database
        self._refresh_s = refresh_s
        self._reload_s = reload_s
        self._hold_unknown = hold_unknown
        self._refused: frozenset[str] = frozenset()
        self._bindings: dict[str, Binding] = {}
        self._loaded_at = -float("inf")

    def get(self, terminal: str) -> Binding | None:
        """How a terminal is bound, as far as is known without asking the database; None: to no vehicle."""
        return self._bindings.get(terminal_key(terminal))

    def holds(self, terminal: str) -> bool:
        """Whether a terminal that no vehicle is bound to is held for approval: by the setting, unless refused for good."""
        return self._hold_unknown and terminal_key(terminal) not in self._refused

    def refresh(self, terminals: Iterable[str]) -> None:
        """Ask the database if one of these is not known, or if what is known is old."""
        age_s = time.monotonic() - self._loaded_at
        if age_s < self._refresh_s:
            return
        if age_s >= self._reload_s or any(self.get(each) is None for each in terminals):
            self.load()

    def load(self) -> None:
        """Ask the database for all terminals."""
        with self._database.connection() as conn:
            rows = load_terminals(conn)
            self._refused = refused_keys(conn)
        self._bindings = {
            terminal_key(row.terminal_no): Binding(row.vehicle_id, row.datum, row.dialect) for row in rows
        }
        self._loaded_at = time.monotonic()
