"""Parcels taken apart on their way into one transaction: positions as columns, and whatever else there is, counted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.datum import WGS84
from geo.localtime import to_datetime
from geo.positions import Positions, Status, clock_fault
from geo.terminal_key import terminal_key
from ingest.columns import Columns
from ingest.datums import to_wgs84_columns
from ingest.parcel import CardSwipe, Outcome, Parcel
from ingest.periods import NO_VEHICLE
from ingest.report import Report, to_columns
from ingest.rollover import restore_weeks
from ingest.roster import Roster
from store.duty import DriverSwipe
from store.intake import Refused
from store.terminal_counts import TerminalCount
from store.terminal_events import Event

MAX_NUMBER_CHARACTERS = 64
_NO_SEAT, _BY_TIME = -1, -2


@dataclass(slots=True)
class Group:
    """Parcels taken apart: positions of known terminals, and whatever else there is, with its counts.

    A seat is a terminal in a vehicle. Nearly all terminals were in one vehicle always and have one seat, which is looked
    up by the number as sent; only where there were several, the times of the positions tell which.
    """

    roster: Roster
    refused: list[Refused] = field(default_factory=list)
    swipes: list[DriverSwipe] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    by_source: dict[str, TerminalCount] = field(default_factory=dict)
    by_terminal: dict[str, TerminalCount] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)  # of the terminal of each seat, in the order of first positions
    _vehicle_ids: list[int] = field(default_factory=list)  # of each seat
    _datums: list[str] = field(default_factory=list)
    _datum_of: dict[str, str] = field(default_factory=dict)  # of a known terminal, by the number as sent
    _seats: dict[tuple[str, int], int] = field(default_factory=dict)  # by key and vehicle
    _by_name: dict[str, int] = field(default_factory=dict)  # by the number as sent; _BY_TIME: there are several
    _reports: list[Report] = field(default_factory=list)
    _report_seats: list[int] = field(default_factory=list)
    _received_at: list[int] = field(default_factory=list)
    _source: list[int] = field(default_factory=list)  # of each report
    _blocks: list[tuple[Positions, dict[int, dict[str, Any]], int]] = field(default_factory=list)
    _sources: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # of each position

    @property
    def vehicle_ids(self) -> Int32Array:
        """vehicle_id by vehicle_ix, which counts seats here."""
        return np.array(self._vehicle_ids, dtype=np.int32)

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
            seat = self._by_name.get(report.terminal, _NO_SEAT)
            if seat < 0:
                seat = self._seat_then(report.terminal, report.fix_time, parcel.received_at)
                if seat < 0:
                    unknown |= self._stranger(parcel, report.terminal, report.raw, report.fix_time, count)
                    continue
            self._reports.append(report)
            self._report_seats.append(seat)
            self._received_at.append(parcel.received_at)
            self._source.append(source)
        if parcel.columns is not None and len(parcel.columns):
            count.received += len(parcel.columns)
            unknown |= self._sort_columns(parcel, parcel.columns, count, source)
        for swipe in parcel.swipes:
            unknown |= self._sort_swipe(parcel, swipe, count)
        self.events += [
            Event(each.terminal, each.at, each.kind, parcel.source, parcel.place, each.facts) for each in parcel.events
        ]
        return Outcome(frozenset(unknown))

    def positions(self) -> tuple[Positions, dict[int, dict[str, Any]]]:
        """All positions of known terminals in WGS-84, `vehicle_ix` counting seats, and their notes by row."""
        reported, notes = to_columns(self._reports, self._received_at, lambda _: 0, self._datum_of.__getitem__)
        reported = reported.with_vehicle_ix(np.array(self._report_seats, dtype=np.int32))
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
            if number:
                self.by_terminal.setdefault(key, TerminalCount()).received += number
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
                if number:
                    of_terminal = self.by_terminal[key]
                    setattr(of_terminal, name, getattr(of_terminal, name) + number)

    def _tally(self, index: Any, groups: Any) -> list[int]:
        return np.bincount(index, minlength=len(groups)).tolist()  # type: ignore[no-any-return]  # numpy leaves it open

    def _sort_columns(self, parcel: Parcel, columns: Columns, count: TerminalCount, source: int) -> set[str]:
        """Add the rows of known terminals; those of others go to quarantine."""
        sent = columns.positions
        seats = [self._seat_of(terminal) for terminal in columns.terminals]
        seat: Int32Array = np.array(seats, dtype=np.int32)[sent.vehicle_ix]
        for number, terminal in enumerate(columns.terminals) if _BY_TIME in seats else ():
            if seats[number] == _BY_TIME:
                of_it = np.flatnonzero(sent.vehicle_ix == number)
                seat[of_it] = self._seats_then(terminal, sent.fix_time[of_it], sent.received_at[of_it])
        rows = sent.with_vehicle_ix(seat)
        notes = {row: dict(note) for row, note in columns.notes.items()}
        unknown: set[str] = set()
        if min(seats) < 0 and not (known := seat >= 0).all():
            for row in np.flatnonzero(~known).tolist():
                terminal = columns.terminals[sent.vehicle_ix[row]]
                unknown |= self._stranger(parcel, terminal, columns.raw(row), int(sent.fix_time[row]), count)
            place = np.cumsum(known) - 1
            notes = {int(place[row]): note for row, note in notes.items() if known[row]}
            rows = rows.take(known)
        if any(self._datum_of.get(terminal, WGS84) != WGS84 for terminal in columns.terminals):
            rows, notes = to_wgs84_columns(rows, notes, self._datums)
        self._blocks.append((rows, notes, source))
        return unknown

    def _sort_swipe(self, parcel: Parcel, swipe: CardSwipe, count: TerminalCount) -> set[str]:
        seat = self._seat_then(swipe.terminal, swipe.swiped_at, parcel.received_at)
        if seat < 0:
            count.received += 1
            return self._stranger(parcel, swipe.terminal, swipe.raw, swipe.swiped_at, count)
        self.swipes.append(DriverSwipe(self._vehicle_ids[seat], swipe.swiped_at, swipe.driver_card, swipe.inserted))
        return set()

    def _seat_of(self, terminal: str) -> int:
        """The one seat of a terminal; _BY_TIME where it had several, _NO_SEAT where it never had any."""
        seat = self._by_name.get(terminal)
        if seat is None:
            binding = self.roster.get(terminal)
            if binding is None:
                return _NO_SEAT
            only = binding.periods.only
            seat = _BY_TIME if only == NO_VEHICLE else self._seat(terminal_key(terminal), only, binding.datum)
            self._by_name[terminal], self._datum_of[terminal] = seat, binding.datum
        return seat

    def _seats_then(self, terminal: str, fix_time: Int64Array, received_at: Int64Array) -> Int32Array:
        """The seat of a terminal for each position of it, int32 (n,); _NO_SEAT where it was in no vehicle."""
        binding = self.roster.get(terminal)
        assert binding is not None
        key = terminal_key(terminal)
        vehicles, which = np.unique(binding.periods.vehicles_at(fix_time, received_at), return_inverse=True)
        seats = [_NO_SEAT if each == NO_VEHICLE else self._seat(key, each, binding.datum) for each in vehicles.tolist()]
        return np.array(seats, dtype=np.int32)[which]

    def _seat_then(self, terminal: str, fix_time: int, received_at: int) -> int:
        """The seat of a terminal at one time; _NO_SEAT where it was in no vehicle."""
        seat = self._seat_of(terminal)
        if seat != _BY_TIME:
            return seat
        received = np.array([received_at], dtype=np.int64)
        restored, _ = restore_weeks(np.array([fix_time], dtype=np.int64), received)
        return int(self._seats_then(terminal, restored, received)[0])

    def _seat(self, key: str, vehicle_id: int, datum: str) -> int:
        seat = self._seats.get((key, vehicle_id))
        if seat is None:
            seat = self._seats[key, vehicle_id] = len(self._keys)
            self._keys.append(key)
            self._vehicle_ids.append(vehicle_id)
            self._datums.append(datum)
        return seat

    def _stranger(self, parcel: Parcel, terminal: str, raw: bytes, at: int, count: TerminalCount) -> set[str]:
        """Quarantine what a terminal sent while it was in no vehicle; the number, where it is in none at receipt either.

        A terminal that is in a vehicle again is told that all is well: sending it once more would change nothing.
        """
        count.quarantined += 1
        kept = kept_number(terminal)
        of_terminal = self.by_terminal.setdefault(terminal_key(kept), TerminalCount())
        of_terminal.received += 1
        of_terminal.quarantined += 1
        binding = self.roster.get(terminal)
        if binding is not None and binding.periods.holds_at(parcel.received_at):
            self._refuse(
                parcel, f"unknown terminal {kept} at {to_datetime(at).isoformat()}, in no vehicle then", raw, kept
            )
            return set()
        held = self.roster.holds(terminal)
        self._refuse(
            parcel, f"held: terminal {kept} waits for approval" if held else f"unknown terminal {kept}", raw, kept
        )
        return {terminal}

    def _refuse(self, parcel: Parcel, reason: str, raw: bytes, terminal: str = "") -> None:
        self.refused.append(Refused(parcel.received_at, parcel.source, parcel.place, reason, raw, terminal))


def kept_number(terminal: str) -> str:
    """A terminal's number as the database can hold it; whatever a stranger calls itself, it costs only itself."""
    return terminal.replace("\x00", "␀")[:MAX_NUMBER_CHARACTERS]
