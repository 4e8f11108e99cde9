"""An unknown terminal is approved: bound to a vehicle, and what of it lies in quarantine taken as positions after all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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
from ingest.report import Report, to_columns
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
    """What became of a terminal's rows in quarantine; `left` could not be decoded and stays there."""

    accepted: int = 0
    duplicate: int = 0
    left: int = 0


def approve(
    database: Database, terminal_no: str, vehicle: str, *, protocol: str = "", terminal_type: str = "", datum: str = ""
) -> Released:
    """Bind a terminal to a vehicle (by code or plate) and take what waits of it in quarantine.

    Receivers learn of the binding within seconds; what they refuse until then is taken by `release`, or by approving
    again, which changes nothing else. ApprovalError when the terminal is bound to another vehicle or a number cannot
    be one; store.fleet.UnknownReferenceError when there is no such vehicle or type.
    """
    key = terminal_key(terminal_no.strip())
    if not terminal_no.strip():
        raise ApprovalError("terminal: expected a number, got nothing")
    with database.connection() as conn:
        code = vehicle_code(conn, vehicle)
        bound = next((each for each in load_terminals(conn) if terminal_key(each.terminal_no) == key), None)
        if bound is not None and bound.vehicle != code:
            raise ApprovalError(
                f"terminal {bound.terminal_no}: expected one that waits, it is bound to {bound.vehicle}"
            )
        if bound is None:
            refuse_terminal(conn, key, refused=False)
            upsert_terminals(
                conn, [Terminal(terminal_no.strip(), code, protocol or "jt808", datum, terminal_type=terminal_type)]
            )
    return release(database, terminal_no)


def release(database: Database, terminal_no: str) -> Released:
    """Take what lies in quarantine of a terminal that is bound; pieces of bounded size, each in a transaction.

    Each row is decoded again from its bytes. Its receipt stays what it was, and the ledger's hour and the terminal's
    day count it as accepted or duplicate from now on. ApprovalError when no vehicle is bound to it.
    """
    key = terminal_key(terminal_no.strip())
    total, after = Released(), 0
    while True:
        with database.connection() as conn:
            bound = next((each for each in load_terminals(conn) if terminal_key(each.terminal_no) == key), None)
            if bound is None:
                raise ApprovalError(f"terminal {terminal_no}: expected one that a vehicle is bound to")
            rows = held_rows(conn, key, after, PIECE_ROWS)
            if not rows:
                return total
            after = rows[-1].quarantine_id
            taken = _take(conn, rows, bound)
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


def _take(conn: Any, rows: Sequence[HeldRow], bound: Terminal) -> list[tuple[HeldRow, Taken]]:
    read = [(row, read_held(row, bound.terminal_no, bound.dialect)) for row in rows]
    reports = [(row, found) for row, found in read if isinstance(found, Report)]
    swipes = [(row, found) for row, found in read if isinstance(found, DriverSwipe)]
    add_swipes(conn, [DriverSwipe(bound.vehicle_id, s.swiped_at, s.driver_card, s.inserted) for _, s in swipes])
    taken = [(row, Taken(accepted=True)) for row, _ in swipes]
    if not reports:
        return taken
    batch, notes = to_columns(
        [report for _, report in reports],
        [row.received_at for row, _ in reports],
        lambda _: 0,
        lambda _: bound.datum,
    )
    merged = merge_positions(conn, batch, np.array([bound.vehicle_id], dtype=np.int32), notes=notes)
    marks = (
        merged.fresh,
        merged.fresh & ~batch.has(Status.FIX_VALID),
        merged.fresh & clock_fault(batch.fix_time, batch.received_at),
        merged.fresh & batch.has(Status.LATE),
    )
    of_each = zip(*(mark.tolist() for mark in marks), strict=True)
    return taken + [(row, Taken(*marked)) for (row, _), marked in zip(reports, of_each, strict=True)]


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
