"""Which terminals there are: the vehicles each was in and when, the datum of its coordinates, the dialect of its items.

One for a process, shared by the writer's thread, which looks things up anew, and by receivers, which only read.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from geo.datum import WGS84
from geo.terminal_key import terminal_key
from ingest.periods import Periods
from store.bindings import binding_revision, load_bindings
from store.database import Database
from store.fleet import load_terminals
from store.held import refused_keys

if TYPE_CHECKING:
    from psycopg import Connection

# Bindings that changed count after this time at the latest: one small question to the database.
CHECK_S = 1.0
# A number that is not known is looked up again at most this often, and so is who was refused for good: a stranger's
# stream costs one look at all terminals in this time.
REFRESH_S = 5.0
# What an administrator changed of a known terminal otherwise counts after this time at the latest.
RELOAD_S = 60.0


@dataclass(frozen=True, slots=True)
class Binding:
    """A terminal as it is bound."""

    periods: Periods
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
        self._revision = -1
        self._loaded_at = self._checked_at = -float("inf")

    def get(self, terminal: str) -> Binding | None:
        """How a terminal is bound, as far as is known without asking the database; None: it never was in a vehicle."""
        return self._bindings.get(terminal_key(terminal))

    def holds(self, terminal: str) -> bool:
        """Whether a terminal that no vehicle is bound to is held for approval: by the setting, unless refused for good."""
        return self._hold_unknown and terminal_key(terminal) not in self._refused

    def refresh(self, terminals: Iterable[str]) -> None:
        """Ask the database if one of these is not known, if a binding changed, or if what is known is old."""
        now = time.monotonic()
        age_s = now - self._loaded_at
        stranger = age_s >= self._refresh_s and any(self.get(each) is None for each in terminals)
        if stranger or age_s >= self._reload_s:
            self.load()
        elif now - self._checked_at >= min(CHECK_S, self._refresh_s):
            with self._database.connection() as conn:
                changed = binding_revision(conn) != self._revision
            self._checked_at = now
            if changed:
                self.load()

    def load(self) -> None:
        """Ask the database for all terminals."""
        with self._database.connection() as conn:
            revision = binding_revision(conn)  # first: what changes meanwhile is seen as a change
            bindings = load_roster(conn)
            self._refused = refused_keys(conn)
        self._bindings, self._revision = bindings, revision
        self._loaded_at = self._checked_at = time.monotonic()


def load_roster(conn: "Connection[Any]") -> dict[str, Binding]:
    """How each terminal that ever was in a vehicle is bound, by its number without leading zeros."""
    periods = {
        number: Periods.of([(each.since, each.until, each.vehicle_id) for each in of_terminal])
        for number, of_terminal in groupby(load_bindings(conn), attrgetter("terminal_no"))
    }
    return {
        terminal_key(row.terminal_no): Binding(periods[row.terminal_no], row.datum, row.dialect)
        for row in load_terminals(conn)
        if row.terminal_no in periods
    }
