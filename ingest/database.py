"""The store as receivers see it: groups of parcels in, terminals registered and authenticated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.datum import WGS84
from geo.positions import Positions, Status, clock_fault
from ingest.columns import Columns
from ingest.datums import to_wgs84_columns
from ingest.jt808.header import terminal_key
from ingest.media import MediaFolder, describe
from ingest.parcel import Media, Outcome, Parcel
from ingest.report import to_columns
from ingest.rollover import note_sent_time, restore_weeks
from ingest.roster import Binding, Roster
from store.database import Database
from store.duty import DriverSwipe, add_swipes
from store.errors import StoreError
from store.intake import Refused, add_quarantine, count_intake
from store.media import Media as MediaRow
from store.media import add_media
from store.positions import merge_positions
from store.receivers import BROKER
from store.terminal_counts import TerminalCount, count_terminals
from store.terminal_events import Event, add_events
from store.terminals import authenticate_terminal, register_terminal

OUTAGES = {"OperationalError", "InterfaceError"}
# Numbers that no vehicle is bound to and that were told of since the start; past it they are told of again.
_TOLD_AT_MOST = 100_000


class DatabaseSink:
    """Writes groups of parcels, each in one transaction (`ingest.intake.Sink`); one thread at a time.

    With `hold_unknown` what a terminal sends that no vehicle is bound to is quarantined all the same, and acknowledged:
    it waits there for the terminal to be approved. `roster` is shared with the receivers; `receiver` is the number of this
    process (`store.receivers`); pictures are kept in `media`, else only what they are.
    """

    def __init__(
        self,
        database: Database,
        roster: Roster | None = None,
        *,
        hold_unknown: bool = False,
        receiver: int = BROKER,
        media: MediaFolder | None = None,
    ) -> None:
        self._database = database
        self._roster = roster or Roster(database)
        self._hold_unknown = hold_unknown
        self._receiver = receiver
        self._media = media
        self._told: set[str] = set()

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Merge the positions, keep what is refused with its reason, count; one outcome for each parcel."""
        self._roster.refresh(_terminals(parcels))
        group = _Group(self._roster, hold=self._hold_unknown)
        outcomes = [group.sort(parcel) for parcel in parcels]
        positions, notes = group.positions()
        events = [*group.events, *self._strangers(outcomes, parcels)]
        files = [self._file(each, parcel.received_at) for parcel in parcels for each in parcel.media]
        at_us = max(parcel.received_at for parcel in parcels)
        with self._database.connection() as conn:
            if len(positions):
                merged = merge_positions(conn, positions, group.vehicle_ids, notes=notes)
                group.count_accepted(positions, merged.fresh)
            if group.refused:
                add_quarantine(conn, group.refused)
            if group.swipes:
                add_swipes(conn, group.swipes)
            if events:
                add_events(conn, events, self._receiver)
            if files:
                add_media(conn, files)
            for name, count in group.by_source.items():
                count_intake(conn, name, count.received, count.accepted, count.duplicate, count.quarantined, at_us)
            count_terminals(conn, at_us, group.by_terminal)
        return outcomes if not self._hold_unknown else [Outcome() for _ in outcomes]

    def refuse(self, parcel: Parcel, reason: str) -> None:
        """Quarantine every report and refusal of a parcel that cannot be stored."""
        raws = [(report.terminal, report.raw, reason) for report in parcel.reports]
        raws += [("", refusal.raw, str(refusal.error)) for refusal in parcel.refused]
        columns = parcel.columns
        if columns is not None:
            terminal = [columns.terminals[ix] for ix in columns.positions.vehicle_ix.tolist()]
            raws += [(terminal[row], columns.raw(row), reason) for row in range(len(columns))]
        rows = [Refused(parcel.received_at, parcel.source, parcel.place, why, raw, no) for no, raw, why in raws]
        counts: dict[str, TerminalCount] = {}
        for row in rows:
            if row.terminal_no:
                count = counts.setdefault(terminal_key(row.terminal_no), TerminalCount())
                count.received += 1
                count.quarantined += 1
        with self._database.connection() as conn:
            add_quarantine(conn, rows)
            count_intake(conn, parcel.source, len(rows), 0, 0, len(rows), parcel.received_at)
            count_terminals(conn, parcel.received_at, counts)

    def is_outage(self, error: Exception) -> bool:
        """Whether the database is away or busy with itself, by the names of PEP 249; else it refused what was sent."""
        names = {kind.__name__ for kind in type(error).__mro__}
        return isinstance(error, StoreError | OSError) or not names.isdisjoint(OUTAGES)

    def _file(self, media: Media, received_at: int) -> MediaRow:
        """A file written before the transaction that tells of it: what a crash leaves over is a file that nobody names."""
        return describe(media, received_at) if self._media is None else self._media.keep(media, received_at)

    def _strangers(self, outcomes: Sequence[Outcome], parcels: Sequence[Parcel]) -> Iterator[Event]:
        """A finding on each number that no vehicle is bound to, the first time it comes."""
        for outcome, parcel in zip(outcomes, parcels, strict=True):
            for terminal in outcome.unknown:
                key = terminal_key(terminal)
                if key not in self._told:
                    if len(self._told) >= _TOLD_AT_MOST:
                        self._told.clear()
                    self._told.add(key)
                    yield Event(terminal, parcel.received_at, "unknown", parcel.source, parcel.place, {})


@dataclass(slots=True)
class _Group:
    """Parcels taken apart: positions of known terminals, and whatever else there is, with its counts."""

    roster: Roster
    hold: bool
    refused: list[Refused] = field(default_factory=list)
    swipes: list[DriverSwipe] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    by_source: dict[str, TerminalCount] = field(default_factory=dict)
    by_terminal: dict[str, TerminalCount] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)  # of known terminals, in the order of their first position
    _bindings: list[Binding] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)
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
            self.by_terminal[self._keys[index]].received += 1
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

        def index_of(terminal: str) -> int:
            return self._index[terminal_key(terminal)]

        def datum_of(terminal: str) -> str:
            return self._bindings[index_of(terminal)].datum

        reported, notes = to_columns(self._reports, self._received_at, index_of, datum_of)
        blocks, sources = [reported], [np.array(self._source, dtype=np.int64)]
        at = len(reported)
        for block, block_notes, source in self._blocks:
            blocks.append(block)
            sources.append(np.full(len(block), source, dtype=np.int64))
            notes |= {row + at: note for row, note in block_notes.items()}
            at += len(block)
        self._sources = np.concatenate(sources)
        return (Positions.concat(blocks) if self._blocks else reported), notes

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
        for ix, number in zip(*(each.tolist() for each in np.unique(rows.vehicle_ix, return_counts=True)), strict=True):
            self.by_terminal[self._keys[ix]].received += number
        fix_time, restored = restore_weeks(rows.fix_time, rows.received_at)
        note_sent_time(notes, rows.fix_time, restored)
        rows = rows.with_fix_time(fix_time)
        if any(self._bindings[ix].datum != WGS84 for ix in index.tolist() if ix >= 0):
            datums = [binding.datum for binding in self._bindings]
            rows, notes = to_wgs84_columns(rows, notes, datums)
        self._blocks.append((rows, notes, source))
        return unknown

    def _index_of(self, terminal: str) -> int | None:
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
        return index

    def _stranger(self, parcel: Parcel, terminal: str, raw: bytes, count: TerminalCount) -> None:
        count.quarantined += 1
        of_terminal = self.by_terminal.setdefault(terminal_key(terminal), TerminalCount())
        of_terminal.received += 1
        of_terminal.quarantined += 1
        reason = f"held: terminal {terminal} waits for approval" if self.hold else f"unknown terminal {terminal}"
        self._refuse(parcel, reason, raw, terminal)

    def _refuse(self, parcel: Parcel, reason: str, raw: bytes, terminal: str = "") -> None:
        self.refused.append(Refused(parcel.received_at, parcel.source, parcel.place, reason, raw, terminal))


class DatabaseRegistry:
    """Registers and authenticates terminals (`ingest.registry.Registry`); calls block, so they go to a thread."""

    def __init__(self, database: Database, roster: Roster | None = None) -> None:
        self._database = database
        self._roster = roster or Roster(database)

    def register(self, terminal: str) -> str | None:
        """The authentication code of a terminal, None when no vehicle is bound to it."""
        with self._database.connection() as conn:
            return register_terminal(conn, terminal)

    def authenticate(self, terminal: str, code: str) -> bool | None:
        """Whether this is the code the terminal was given; None when no vehicle is bound to it."""
        with self._database.connection() as conn:
            return authenticate_terminal(conn, terminal, code)

    def dialect(self, terminal: str) -> str:
        """The dialect of a terminal's items, as far as is known without asking the database."""
        binding = self._roster.get(terminal)
        return binding.dialect if binding is not None else ""


def _terminals(parcels: Sequence[Parcel]) -> Iterator[str]:
    for parcel in parcels:
        for report in parcel.reports:
            yield report.terminal
        for swipe in parcel.swipes:
            yield swipe.terminal
        if parcel.columns is not None:
            yield from parcel.columns.terminals
