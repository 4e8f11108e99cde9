"""An unknown terminal is approved: bound to a vehicle, and what of it lies in quarantine taken as positions after all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from geo.localtime import to_datetime
from geo.positions import Status, clock_fault
from geo.terminal_key import terminal_key
from ingest.errors import DecodeError, IngestError
from ingest.jt808 import decode
from ingest.jt808.header import Header
from ingest.jt808.position import read_position
from ingest.jt808_session import CARD, card_swipe
from ingest.payload import read_payload
from ingest.periods import NO_VEHICLE, Periods
from ingest.report import Report, to_columns
from store.bindings import bind, bindings_of, load_bindings
from store.database import Database
from store.duty import DriverSwipe, add_swipes
from store.fleet import Terminal, load_terminals, upsert_terminals, vehicle_code
from store.held import HeldRow, Taken, held_rows, mark_released, move_in_counts, move_in_ledger, refuse_terminal
from store.positions import merge_positions

PIECE_ROWS = 2_000
"""Rows taken in one transaction."""
_DIGITS_2019 = 20


class ApprovalError(IngestError):
    """A terminal that cannot be approved as asked, or is bound otherwise already."""


@dataclass(slots=True)
class Released:
    """What became of a terminal's rows in quarantine.

    `left` stays there: it could not be decoded, or the terminal was in no vehicle then.
    """

    accepted: int = 0
    duplicate: int = 0
    left: int = 0


def approve(
    database: Database, terminal_no: str, vehicle: str, *, protocol: str = "", terminal_type: str = "", datum: str = ""
) -> Released:
    """Bind a terminal to a vehicle (by code or plate) and take what waits of it in quarantine.

    The binding begins where the last one ended, else it has no beginning, so that all that waits is taken. Receivers
    learn of it within seconds; what they refuse until then is taken by `release`, or by approving again, which changes
    nothing else. ApprovalError when the terminal is bound to another vehicle or a number cannot be one;
    store.fleet.UnknownReferenceError when there is no such vehicle or type.
    """
    key = terminal_key(terminal_no.strip())
    if not terminal_no.strip():
        raise ApprovalError("terminal: expected a number, got nothing")
    with database.connection() as conn:
        code = vehicle_code(conn, vehicle)
        known = _known(conn, key)
        if known is not None and known.vehicle not in {"", code}:
            raise ApprovalError(
                f"terminal {known.terminal_no}: expected one that waits, it is bound to {known.vehicle}"
            )
        if known is None or not known.vehicle:
            refuse_terminal(conn, key, refused=False)
            _bind(conn, known, Terminal(terminal_no.strip(), code, protocol, datum, terminal_type=terminal_type))
    return release(database, terminal_no)


def release(database: Database, terminal_no: str) -> Released:
    """Take what lies in quarantine of a terminal of times when it was in a vehicle, in pieces, each in a transaction.

    Each row is decoded again from its bytes. Its receipt stays what it was, and the ledger's hour and the terminal's
    day count it as accepted or duplicate from now on. ApprovalError when it never was in a vehicle.
    """
    key = terminal_key(terminal_no.strip())
    total, after = Released(), 0
    while True:
        with database.connection() as conn:
            known, bindings = _known(conn, key), bindings_of(conn, key)
            if known is None or not bindings:
                raise ApprovalError(f"terminal {terminal_no}: expected one that a vehicle is bound to")
            rows = held_rows(conn, key, after, PIECE_ROWS)
            if not rows:
                return total
            after = rows[-1].quarantine_id
            taken = _take(conn, rows, known, Periods.of((each.since, each.until, each.vehicle_id) for each in bindings))
            mark_released(conn, [row.quarantine_id for row, _ in taken])
            _count(conn, key, taken)
        accepted = sum(each.accepted for _, each in taken)
        total.accepted += accepted
        total.duplicate += len(taken) - accepted
        total.left += len(rows) - len(taken)


def read_held(row: HeldRow, terminal_no: str, dialect: str = "") -> Report | DriverSwipe | None:
    """The position or card swipe (of vehicle 0) in a row's bytes; None when they hold none, or more than one."""
    try:
        if row.source == "jt808":
            found = _read_frame(row.raw, terminal_no, dialect)
        else:
            reports, refused = read_payload(row.raw, terminal_no)
            found = [] if refused else list(reports)
    except DecodeError:
        found = []
    return found[0] if len(found) == 1 else None


def _read_frame(raw: bytes, terminal_no: str, dialect: str) -> list[Report | DriverSwipe]:
    """A whole frame, or the bare body of a position that came in a batch or in parts."""
    if raw[:1] == b"\x7e" and raw[-1:] == b"\x7e" and len(raw) > 2:
        try:
            message = decode(raw[1:-1], dialect=dialect)
        except DecodeError:
            if len(raw) < 28:
                raise
        else:
            swipe = card_swipe(message, raw) if message.header.message_id == CARD else None
            if swipe is not None:
                return [DriverSwipe(0, swipe.swiped_at, swipe.driver_card, swipe.inserted)]
            return list(message.reports)
    header = Header(0x0200, terminal_no, 0, version=int(len(terminal_no) == _DIGITS_2019))
    return [read_position(raw, header, raw=raw, dialect=dialect)]


def _known(conn: Any, key: str) -> Terminal | None:
    return next((each for each in load_terminals(conn) if terminal_key(each.terminal_no) == key), None)


def _bind(conn: Any, known: Terminal | None, asked: Terminal) -> None:
    """Bind a terminal that is in no vehicle; of one that was in one before all holds, unless a type or datum is said."""
    if known is None:
        upsert_terminals(conn, [replace(asked, protocol=asked.protocol or "jt808")])
        return
    history = load_bindings(conn, [known.terminal_no])
    since = history[-1].until if history else None
    if asked.terminal_type or asked.datum:
        anew = replace(
            asked,
            terminal_no=known.terminal_no,
            protocol=asked.protocol or known.protocol,
            terminal_type=asked.terminal_type or known.terminal_type,
            since=since,
        )
        upsert_terminals(conn, [anew])
    else:
        bind(conn, known.terminal_no, asked.vehicle, since)


def _take(conn: Any, rows: Sequence[HeldRow], known: Terminal, periods: Periods) -> list[tuple[HeldRow, Taken]]:
    read = [(row, read_held(row, known.terminal_no, known.dialect)) for row in rows]
    swipes = [(row, found) for row, found in read if isinstance(found, DriverSwipe)]
    return _take_swipes(conn, swipes, periods) + _take_reports(
        conn, [(row, found) for row, found in read if isinstance(found, Report)], known.datum, periods
    )


def _take_swipes(
    conn: Any, swipes: Sequence[tuple[HeldRow, DriverSwipe]], periods: Periods
) -> list[tuple[HeldRow, Taken]]:
    swiped_at = np.array([swipe.swiped_at for _, swipe in swipes], dtype=np.int64)
    received_at = np.array([row.received_at for row, _ in swipes], dtype=np.int64)
    vehicles = periods.vehicles_at(swiped_at, received_at).tolist()
    credited = [
        (row, replace(swipe, vehicle_id=vehicle))
        for (row, swipe), vehicle in zip(swipes, vehicles, strict=True)
        if vehicle != NO_VEHICLE
    ]
    add_swipes(conn, [swipe for _, swipe in credited])
    return [(row, Taken(accepted=True)) for row, _ in credited]


def _take_reports(
    conn: Any, reports: Sequence[tuple[HeldRow, Report]], datum: str, periods: Periods
) -> list[tuple[HeldRow, Taken]]:
    batch, notes = to_columns(
        [report for _, report in reports], [row.received_at for row, _ in reports], lambda _: 0, lambda _: datum
    )
    vehicle = periods.vehicles_at(batch.fix_time, batch.received_at)
    chosen = np.flatnonzero(vehicle != NO_VEHICLE)
    vehicle_ids, vehicle_ix = np.unique(vehicle[chosen], return_inverse=True)
    batch = batch.take(chosen).with_vehicle_ix(vehicle_ix.astype(np.int32))
    place = {row: number for number, row in enumerate(chosen.tolist())}
    notes = {place[row]: note for row, note in notes.items() if row in place}
    merged = merge_positions(conn, batch, vehicle_ids, notes=notes)
    marks = (
        merged.fresh,
        merged.fresh & ~batch.has(Status.FIX_VALID),
        merged.fresh & clock_fault(batch.fix_time, batch.received_at),
        merged.fresh & batch.has(Status.LATE),
    )
    of_each = zip(*(mark.tolist() for mark in marks), strict=True)
    return [(reports[row][0], Taken(*marked)) for row, marked in zip(chosen.tolist(), of_each, strict=True)]


def _count(conn: Any, key: str, taken: Sequence[tuple[HeldRow, Taken]]) -> None:
    hours: dict[tuple[datetime, str], list[Taken]] = defaultdict(list)
    days: dict[datetime, list[Taken]] = defaultdict(list)
    for row, each in taken:
        when = to_datetime(row.received_at)
        hours[when.replace(minute=0, second=0, microsecond=0), row.source].append(each)
        days[when.replace(hour=0, minute=0, second=0, microsecond=0)].append(each)
    for (hour, source), share in sorted(hours.items(), key=lambda item: item[0]):
        move_in_ledger(conn, source, hour, share)
    for day, share in sorted(days.items(), key=lambda item: item[0]):
        move_in_counts(conn, key, day, share)
