"""Parcels taken apart on their way into one transaction: positions as columns, and whatever else there is, counted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.datum import WGS84
from geo.positions import Positions, Status, clock_fault
from geo.terminal_key import terminal_key
from ingest.columns import Columns
from ingest.datums import to_wgs84_columns
from ingest.parcel import Outcome, Parcel
from ingest.report import to_columns
from ingest.roster import Binding, Roster
from store.duty import DriverSwipe
from store.intake import Refused
from store.terminal_counts import TerminalCount
from store.terminal_events import Event

MAX_NUMBER_CHARACTERS = 64


@dataclass(slots=True)
class Group:
    """Parcels taken apart: positions of known terminals, and whatever else there is, with its counts."""

    roster: Roster
    refused: list[Refused] = field(default_factory=list)
    swipes: list[DriverSwipe] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    by_source: dict[str, TerminalCount] = field(default_factory=dict)
    by_terminal: dict[str, TerminalCount] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)  # of known terminals, in the order of their first position
    _bindings: list[Binding] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)
    _by_name: dict[str, int] = field(default_factory=dict)  # the same, by the number as sent
    _reports: list[Any] = field(default_factory=list)
    _received_at: list[int] = field(default_factory=list)
    _source: list[int] = field(default_factory=list)  # of each report
    _blocks: list[tuple[Positions, dict[int, dict[str, Any]], int]] = field(default_factory=list)
    _sources: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # of each position

    @property
    def vehicle_ids(self) -> Int32Array:
        """vehicle_id by vehicle_ix, which counts terminals here."""
        return np.array([each.vehicle_id for each in self._bindings], dtype=np.int32)

    def sort(self, parcel: Parcel) -> Outcome:
        """Take a parcel apart."""
        count = self.by_source.setdefault(parcel.source, TerminalCount())
        source = list(self.by_source).index(parcel.source)
        count.received += len(parcel.reports) + len(parcel.refused)
        count.quarantined += len(parcel.refused)
        for refusal in parcel.refused:
            self._refuse(parcel, str(refusal.error), refusal.raw)
        unknown: set[str] = set()
        for report in parcel.reports:
            index = self._index_of(report.terminal)
            if index is None:
                unknown.add(report.terminal)
                self._stranger(parcel, report.terminal, report.raw, count)
                continue
            self._reports.append(report)
            self._received_at.append(parcel.received_at)
            self._source.append(source)
        if parcel.columns is not None and len(parcel.columns):
            count.received += len(parcel.columns)
            unknown |= self._sort_columns(parcel, parcel.columns, count, source)
        for swipe in parcel.swipes:
            binding = self.roster.get(swipe.terminal)
            if binding is None:
                unknown.add(swipe.terminal)
                count.received += 1
                self._stranger(parcel, swipe.terminal, swipe.raw, count)
            else:
                self.swipes.append(DriverSwipe(binding.vehicle_id, swipe.swiped_at, swipe.driver_card, swipe.inserted))
        self.events += [
            Event(each.terminal, each.at, each.kind, parcel.source, parcel.place, each.facts) for each in parcel.events
        ]
        return Outcome(frozenset(unknown))

    def positions(self) -> tuple[Positions, dict[int, dict[str, Any]]]:
        """All positions of known terminals in WGS-84, `vehicle_ix` counting terminals, and their notes by row."""

        def datum_of(terminal: str) -> str:
            return self._bindings[self._by_name[terminal]].datum

        reported, notes = to_columns(self._reports, self._received_at, self._by_name.__getitem__, datum_of)
        blocks, sources = [reported], [np.array(self._source, dtype=np.int64)]
        at = len(reported)
        for block, block_notes, source in self._blocks:
            blocks.append(block)
            sources.append(np.full(len(block), source, dtype=np.int64))
            notes |= {row + at: note for row, note in block_notes.items()}
            at += len(block)
        self._sources = np.concatenate(sources)
        positions = Positions.concat(blocks) if self._blocks else reported
        for key, number in zip(self._keys, self._tally(positions.vehicle_ix, self._keys), strict=True):
            self.by_terminal[key].received += number
        return positions, notes

    def count_accepted(self, positions: Positions, fresh: Any) -> None:
        """Count what was new, by source and by terminal."""
        for count, accepted in zip(
            self.by_source.values(), self._tally(self._sources[fresh], self.by_source), strict=True
        ):
            count.accepted = accepted
        new = positions.take(fresh)
        faulty = clock_fault(new.fix_time, new.received_at)
        columns = {
            "accepted": np.ones(len(new), dtype=np.bool_),
            "no_fix": ~new.has(Status.FIX_VALID),
            "clock_fault": faulty,
            "late": new.has(Status.LATE),
        }
        for name, chosen in columns.items():
            for key, number in zip(self._keys, self._tally(new.vehicle_ix[chosen], self._keys), strict=True):
                setattr(self.by_terminal[key], name, number)

    def _tally(self, index: Any, groups: Any) -> list[int]:
        return np.bincount(index, minlength=len(groups)).tolist()  # type: ignore[no-any-return]  # numpy leaves it open

    def _sort_columns(self, parcel: Parcel, columns: Columns, count: TerminalCount, source: int) -> set[str]:
        """Add the rows of known terminals; those of others go to quarantine."""
        found = [self._index_of(terminal) for terminal in columns.terminals]
        index = np.array([-1 if each is None else each for each in found], dtype=np.int32)
        rows = columns.positions.with_vehicle_ix(index[columns.positions.vehicle_ix])
        notes = {row: dict(note) for row, note in columns.notes.items()}
        known = rows.vehicle_ix >= 0
        unknown = set()
        if not known.all():
            for row in np.flatnonzero(~known).tolist():
                terminal = columns.terminals[columns.positions.vehicle_ix[row]]
                unknown.add(terminal)
                self._stranger(parcel, terminal, columns.raw(row), count)
            place = np.cumsum(known) - 1
            notes = {int(place[row]): note for row, note in notes.items() if known[row]}
            rows = rows.take(known)
        if any(self._bindings[ix].datum != WGS84 for ix in index.tolist() if ix >= 0):
            datums = [binding.datum for binding in self._bindings]
            rows, notes = to_wgs84_columns(rows, notes, datums)
        self._blocks.append((rows, notes, source))
        return unknown

    def _index_of(self, terminal: str) -> int | None:
        index = self._by_name.get(terminal)
        if index is None:
            key = terminal_key(terminal)
            index = self._index.get(key)
            if index is None:
                binding = self.roster.get(terminal)
                if binding is None:
                    return None
                index = self._index[key] = len(self._keys)
                self._keys.append(key)
                self._bindings.append(binding)
                self.by_terminal.setdefault(key, TerminalCount())
            self._by_name[terminal] = index
        return index

    def _stranger(self, parcel: Parcel, terminal: str, raw: bytes, count: TerminalCount) -> None:
        count.quarantined += 1
        terminal = kept_number(terminal)
        of_terminal = self.by_terminal.setdefault(terminal_key(terminal), TerminalCount())
        of_terminal.received += 1
        of_terminal.quarantined += 1
        reason = (
            f"held: terminal {terminal} waits for approval"
            if self.roster.holds(terminal)
            else f"unknown terminal {terminal}"
        )
        self._refuse(parcel, reason, raw, terminal)

    def _refuse(self, parcel: Parcel, reason: str, raw: bytes, terminal: str = "") -> None:
        self.refused.append(Refused(parcel.received_at, parcel.source, parcel.place, reason, raw, terminal))


def kept_number(terminal: str) -> str:
    """A terminal's number as the database can hold it; whatever a stranger calls itself, it costs only itself."""
    return terminal.replace("\x00", "␀")[:MAX_NUMBER_CHARACTERS]
