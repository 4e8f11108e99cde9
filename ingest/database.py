"""The store as receivers see it: groups of parcels in, terminals registered and authenticated."""

import logging
from collections.abc import Callable, Iterator, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any

from geo.terminal_key import terminal_key
from ingest.group import Group, kept_number
from ingest.media import MediaFolder, describe
from ingest.parcel import Outcome, Parcel
from ingest.roster import Roster
from store.database import Database
from store.duty import add_swipes
from store.errors import StoreError
from store.intake import Refused, add_quarantine, count_intake
from store.media import Media as MediaRow
from store.media import add_media
from store.positions import merge_positions
from store.raw_frames import RawFrame, add_raw
from store.receivers import BROKER
from store.terminal_counts import TerminalCount, count_terminals
from store.terminal_events import Event, add_events
from store.terminals import authenticate_terminal, register_terminal
from store.transactions import transaction_number, was_committed

if TYPE_CHECKING:
    from psycopg import Connection

log = logging.getLogger(__name__)

OUTAGES = {"OperationalError", "InterfaceError"}
# SQLSTATE class 54 is operational by its name, but a row that is too large stays so.
PROGRAM_LIMIT = "54"
# Numbers that no vehicle is bound to and that were told of since the start; past it they are told of again.
_TOLD_AT_MOST = 100_000


class DatabaseSink:
    """Writes groups of parcels, each in one transaction (`ingest.intake.Sink`); one thread at a time.

    What a terminal sends that no vehicle is bound to is quarantined; where the roster holds it, it is acknowledged all the
    same and waits there for the terminal to be approved. `roster` is shared with the receivers; `receiver` is the number of this
    process (`store.receivers`); pictures are kept in `media`, else only what they are.
    """

    def __init__(
        self,
        database: Database,
        roster: Roster | None = None,
        *,
        receiver: int = BROKER,
        media: MediaFolder | None = None,
    ) -> None:
        self._database = database
        self._roster = roster or Roster(database)
        self._receiver = receiver
        self._media = media
        self._told: set[str] = set()
        self._unsure: tuple[list[Parcel], str] | None = None

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Merge the positions, keep what is refused with its reason, count; one outcome for each parcel."""
        self._roster.refresh(_terminals(parcels))
        group = Group(self._roster)
        outcomes = [group.sort(parcel) for parcel in parcels]
        positions, notes = group.positions()
        strangers = list(self._strangers(outcomes, parcels))
        files = [self._files(parcel) for parcel in parcels]
        at_us = max(parcel.received_at for parcel in parcels)
        raw = [row for parcel in parcels if parcel.raw for row in _raw_frames(parcel)]

        def store(conn: "Connection[Any]") -> None:
            if raw:
                add_raw(conn, raw)
            if len(positions):
                merged = merge_positions(conn, positions, group.vehicle_ids, notes=notes)
                group.count_accepted(positions, merged.fresh)
            if group.refused:
                add_quarantine(conn, group.refused)
            if group.swipes:
                add_swipes(conn, group.swipes)
            if group.events or strangers:
                add_events(conn, [*group.events, *strangers], self._receiver)
            if any(rows for rows, _ in files):
                add_media(conn, [row for rows, _ in files for row in rows])
            for name, count in sorted(group.by_source.items()):  # writers that meet wait in one order
                count_intake(conn, name, count.received, count.accepted, count.duplicate, count.quarantined, at_us)
            count_terminals(conn, at_us, group.by_terminal)

        self._once(parcels, store)
        self._tell_of(strangers)
        unkept = [failed for _, failed in files]
        return [
            Outcome(frozenset(each for each in outcome.unknown if not self._roster.holds(each)), failed)
            for outcome, failed in zip(outcomes, unkept, strict=True)
        ]

    def refuse(self, parcel: Parcel, reason: str) -> None:
        """Quarantine whatever a parcel holds that cannot be stored."""
        raws = [(report.terminal, report.raw, reason) for report in parcel.reports]
        raws += [("", refusal.raw, str(refusal.error)) for refusal in parcel.refused]
        raws += [(swipe.terminal, swipe.raw, reason) for swipe in parcel.swipes]
        raws += [(event.terminal, repr(event).encode(errors="backslashreplace"), reason) for event in parcel.events]
        raws += [(media.terminal, media.data, reason) for media in parcel.media]
        raws += [(frames.terminal, frames.data, reason) for frames in parcel.raw]
        columns = parcel.columns
        if columns is not None:
            terminal = [columns.terminals[ix] for ix in columns.positions.vehicle_ix.tolist()]
            raws += [(terminal[row], columns.raw(row), reason) for row in range(len(columns))]
        rows = [
            Refused(parcel.received_at, parcel.source, parcel.place, why, raw, kept_number(terminal))
            for terminal, raw, why in raws
        ]
        counts: dict[str, TerminalCount] = {}
        for row in rows:
            if row.terminal_no:
                count = counts.setdefault(terminal_key(row.terminal_no), TerminalCount())
                count.received += 1
                count.quarantined += 1

        def store(conn: "Connection[Any]") -> None:
            add_quarantine(conn, rows)
            count_intake(conn, parcel.source, len(rows), 0, 0, len(rows), parcel.received_at)
            count_terminals(conn, parcel.received_at, counts)

        self._once([parcel], store)

    def is_outage(self, error: Exception) -> bool:
        """Whether the database is away or busy with itself, by the names of PEP 249; else it refused what was sent."""
        names = {kind.__name__ for kind in type(error).__mro__}
        too_large = str(getattr(error, "sqlstate", None) or "").startswith(PROGRAM_LIMIT)
        return isinstance(error, StoreError | OSError) or not (too_large or names.isdisjoint(OUTAGES))

    def _once(self, parcels: Sequence[Parcel], store: Callable[["Connection[Any]"], None]) -> None:
        """Store parcels in a transaction; one whose commit was not answered is asked after before it is done again."""
        unsure = self._unsure
        if unsure is not None and len(unsure[0]) == len(parcels) and all(map(is_, unsure[0], parcels)):
            with self._database.connection() as conn:
                committed = was_committed(conn, unsure[1])
            self._unsure = None
            if committed:
                return
        with self._database.connection() as conn:
            store(conn)
            self._unsure = (list(parcels), transaction_number(conn))
        self._unsure = None

    def _files(self, parcel: Parcel) -> tuple[list[MediaRow], frozenset[int]]:
        """Files written before the transaction that tells of them, and the numbers of those that the disk did not take.

        What a crash leaves over is a file that nobody names.
        """
        rows, failed = [], set()
        for each in parcel.media:
            try:
                keep = describe if self._media is None else self._media.keep
                rows.append(keep(each, parcel.received_at))
            except OSError as error:
                log.error("media %s of terminal %s: %s", each.media_no, each.terminal, error)  # noqa: TRY400 - one line
                failed.add(each.media_no)
        return rows, frozenset(failed)

    def _strangers(self, outcomes: Sequence[Outcome], parcels: Sequence[Parcel]) -> Iterator[Event]:
        """A finding on each number that no vehicle is bound to, the first time it comes."""
        new: set[str] = set()
        for outcome, parcel in zip(outcomes, parcels, strict=True):
            for terminal in outcome.unknown:
                key = terminal_key(kept_number(terminal))
                if key not in self._told and key not in new:
                    new.add(key)
                    yield Event(terminal, parcel.received_at, "unknown", parcel.source, parcel.place, {})

    def _tell_of(self, strangers: Sequence[Event]) -> None:
        if len(self._told) >= _TOLD_AT_MOST:
            self._told.clear()
        self._told.update(terminal_key(kept_number(each.terminal_no)) for each in strangers)


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

    def holds(self, terminal: str) -> bool:
        """Whether a terminal that no vehicle is bound to is answered as if there were one, and waits for approval."""
        return self._roster.holds(terminal)

    def dialect(self, terminal: str) -> str:
        """The dialect of a terminal's items, as far as is known without asking the database."""
        binding = self._roster.get(terminal)
        return binding.dialect if binding is not None else ""


def _raw_frames(parcel: Parcel) -> Iterator[RawFrame]:
    for each in parcel.raw:
        place = each.place or parcel.place
        yield RawFrame(parcel.received_at, parcel.source, place, kept_number(each.terminal), each.data)


def _terminals(parcels: Sequence[Parcel]) -> Iterator[str]:
    for parcel in parcels:
        for report in parcel.reports:
            yield report.terminal
        for swipe in parcel.swipes:
            yield swipe.terminal
        if parcel.columns is not None:
            yield from parcel.columns.terminals
