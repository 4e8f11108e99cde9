"""The store as receivers see it: groups of parcels in, terminals registered and authenticated."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.jt808.header import terminal_key
from ingest.parcel import Outcome, Parcel
from ingest.report import Report, to_columns
from store.database import Database
from store.duty import DriverSwipe, add_swipes
from store.errors import StoreError
from store.fleet import load_terminals
from store.intake import Refused, add_quarantine, count_intake
from store.positions import merge_positions
from store.terminals import authenticate_terminal, register_terminal

# A number that is not known is looked up again at most this often: a new terminal waits no longer for its first
# position, and a stranger's stream costs one query in this time.
REFRESH_S = 5.0
OUTAGES = {"OperationalError", "InterfaceError"}


@dataclass(frozen=True, slots=True)
class _Binding:
    vehicle_id: int
    datum: str


@dataclass(slots=True)
class _Count:
    received: int = 0
    accepted: int = 0
    quarantined: int = 0


@dataclass(slots=True)
class _Sorted:
    """A group taken apart: reports of known terminals with their receipt, source and note; and what is refused."""

    reports: list[Report] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    swipes: list[DriverSwipe] = field(default_factory=list)


class DatabaseSink:
    """Writes groups of parcels, each in one transaction (`ingest.intake.Sink`); one thread at a time."""

    def __init__(self, database: Database, refresh_s: float = REFRESH_S) -> None:
        self._database = database
        self._refresh_s = refresh_s
        self._bindings: dict[str, _Binding] = {}
        self._loaded_at = -float("inf")

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Merge the positions, keep what is refused with its reason, count; one outcome for each parcel."""
        self._refresh(parcels)
        counts: dict[str, _Count] = {}
        group = _Sorted()
        names: list[str] = []
        outcomes = [self._sort(parcel, group, counts, names) for parcel in parcels]
        vehicle_ids: list[int] = []
        index: dict[int, int] = {}

        def index_of(terminal: str) -> int:
            vehicle_id = self._bindings[terminal_key(terminal)].vehicle_id
            if vehicle_id not in index:
                index[vehicle_id] = len(vehicle_ids)
                vehicle_ids.append(vehicle_id)
            return index[vehicle_id]

        positions, notes = to_columns(
            group.reports, group.received_at, index_of, lambda terminal: self._bindings[terminal_key(terminal)].datum
        )
        with self._database.connection() as conn:
            if group.reports:
                merged = merge_positions(conn, positions, np.array(vehicle_ids, dtype=np.int32), notes=notes)
                fresh = np.bincount(group.source, weights=merged.fresh, minlength=len(names))
                for name, accepted in zip(names, fresh, strict=True):
                    counts[name].accepted = int(accepted)
            if group.refused:
                add_quarantine(conn, group.refused)
            if group.swipes:
                add_swipes(conn, group.swipes)
            for name, count in counts.items():
                duplicate = count.received - count.accepted - count.quarantined
                at_us = max(parcel.received_at for parcel in parcels)
                count_intake(conn, name, count.received, count.accepted, duplicate, count.quarantined, at_us)
        return outcomes

    def refuse(self, parcel: Parcel, reason: str) -> None:
        """Quarantine every report and refusal of a parcel that cannot be stored."""
        raws = [(report.raw, reason) for report in parcel.reports]
        raws += [(refusal.raw, str(refusal.error)) for refusal in parcel.refused]
        rows = [Refused(parcel.received_at, parcel.source, parcel.place, why, raw) for raw, why in raws]
        with self._database.connection() as conn:
            add_quarantine(conn, rows)
            count_intake(conn, parcel.source, len(rows), 0, 0, len(rows), parcel.received_at)

    def is_outage(self, error: Exception) -> bool:
        """Whether the database is away or busy with itself, by the names of PEP 249; else it refused what was sent."""
        names = {kind.__name__ for kind in type(error).__mro__}
        return isinstance(error, StoreError | OSError) or not names.isdisjoint(OUTAGES)

    def _sort(self, parcel: Parcel, group: _Sorted, counts: dict[str, _Count], names: list[str]) -> Outcome:
        if parcel.source not in counts:
            counts[parcel.source] = _Count()
            names.append(parcel.source)
        count, source = counts[parcel.source], names.index(parcel.source)
        count.received += len(parcel.reports) + len(parcel.refused)
        count.quarantined += len(parcel.refused)
        for refusal in parcel.refused:
            row = Refused(parcel.received_at, parcel.source, parcel.place, str(refusal.error), refusal.raw)
            group.refused.append(row)
        unknown: set[str] = set()
        for report in parcel.reports:
            if terminal_key(report.terminal) in self._bindings:
                group.reports.append(report)
                group.received_at.append(parcel.received_at)
                group.source.append(source)
                continue
            unknown.add(report.terminal)
            count.quarantined += 1
            reason = f"unknown terminal {report.terminal}"
            group.refused.append(Refused(parcel.received_at, parcel.source, parcel.place, reason, report.raw))
        for swipe in parcel.swipes:
            binding = self._bindings.get(terminal_key(swipe.terminal))
            if binding is None:
                unknown.add(swipe.terminal)
                count.received += 1
                count.quarantined += 1
                reason = f"unknown terminal {swipe.terminal}"
                group.refused.append(Refused(parcel.received_at, parcel.source, parcel.place, reason, swipe.raw))
            else:
                row_swipe = DriverSwipe(binding.vehicle_id, swipe.swiped_at, swipe.driver_card, swipe.inserted)
                group.swipes.append(row_swipe)
        return Outcome(frozenset(unknown))

    def _refresh(self, parcels: Sequence[Parcel]) -> None:
        if time.monotonic() - self._loaded_at < self._refresh_s:
            return
        named = {report.terminal for parcel in parcels for report in parcel.reports}
        named |= {swipe.terminal for parcel in parcels for swipe in parcel.swipes}
        if any(terminal_key(terminal) not in self._bindings for terminal in named):
            self._load()

    def _load(self) -> None:
        with self._database.connection() as conn:
            rows = load_terminals(conn)
        self._bindings = {terminal_key(row.terminal_no): _Binding(row.vehicle_id, row.datum) for row in rows}
        self._loaded_at = time.monotonic()


class DatabaseRegistry:
    """Registers and authenticates terminals (`ingest.jt808_session.Registry`); calls block, so they go to a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, terminal: str) -> str | None:
        """The authentication code of a terminal, None when no vehicle is bound to it."""
        with self._database.connection() as conn:
            return register_terminal(conn, terminal)

    def authenticate(self, terminal: str, code: str) -> bool:
        """Whether this is the code the terminal was given."""
        with self._database.connection() as conn:
            return authenticate_terminal(conn, terminal, code)
