"""Terminals that no vehicle is bound to: what of them lies in quarantine, and how it moves on once one is.

A position of such a terminal is quarantined with one of two reasons, by the setting `unknown_terminals`: it was refused,
or it was acknowledged and is held. Both are taken when an administrator approves the terminal. What was quarantined for
another reason stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import to_us

UNKNOWN, HELD = "unknown terminal ", "held: terminal "
"""How the reasons begin; the number follows."""


@dataclass(frozen=True, slots=True)
class HeldTerminal:
    """A terminal that spoke and is bound to no vehicle; `facts` is what it said of itself, by kind."""

    terminal_key: str
    terminal_no: str
    source: str
    place: str
    online: bool
    heard_at: datetime
    refused_at: datetime | None
    facts: dict[str, Any]
    positions: int  # in quarantine, to be taken once it is approved
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Something of such a terminal in quarantine."""

    quarantine_id: int
    received_at: int  # µs UTC
    source: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """A row that leaves quarantine: whether its position is new, else it is a duplicate; the marks are of new ones."""

    accepted: bool
    no_fix: bool = False
    clock_fault: bool = False
    late: bool = False


# The shape of the index quarantine_held; number zero is spelt '' there.
_OF_TERMINAL = """
    terminal_no <> '' AND released_at IS NULL AND ltrim(terminal_no, '0') = ltrim({key}, '0')
    AND (starts_with(reason, 'unknown terminal ') OR starts_with(reason, 'held: terminal '))
"""


def held(conn: Connection[Any], *, refused: bool = False, limit: int = 500) -> list[HeldTerminal]:
    """Terminals that wait for approval, those heard last first; with `refused` those refused for good instead."""
    with conn.cursor(row_factory=class_row(HeldTerminal)) as cursor:
        return cursor.execute(
            f"""
            SELECT s.terminal_key, s.terminal_no, s.source, s.place, s.online, s.heard_at, s.refused_at, s.facts,
                   q.positions, q.first_at, q.last_at
            FROM terminal_state s
            CROSS JOIN LATERAL (
                SELECT count(*) AS positions, min(received_at) AS first_at, max(received_at) AS last_at
                FROM quarantine WHERE {_OF_TERMINAL.format(key="s.terminal_key")}
            ) q
            WHERE NOT EXISTS (SELECT FROM bound_terminal t WHERE t.terminal_key = s.terminal_key)
              AND (s.refused_at IS NOT NULL) = %s
            ORDER BY s.heard_at DESC, s.terminal_key LIMIT %s
            """,
            (refused, limit),
        ).fetchall()


def held_count(conn: Connection[Any], key: str) -> int:
    """How many rows of a terminal wait in quarantine to be taken."""
    row = conn.execute(f"SELECT count(*) FROM quarantine WHERE {_OF_TERMINAL.format(key='%s')}", (key,)).fetchone()
    assert row is not None
    return int(row[0])


def refuse_terminal(conn: Connection[Any], key: str, *, refused: bool = True) -> bool:
    """Refuse an unknown terminal for good, or take that back; False when it never spoke, or a vehicle is bound to it.

    It leaves the list of those that wait. What lies in quarantine stays there, and what it sends goes there too.
    """
    row = conn.execute(
        """
        UPDATE terminal_state s SET refused_at = CASE WHEN %s THEN coalesce(refused_at, now()) END
        WHERE terminal_key = %s AND NOT EXISTS (SELECT FROM bound_terminal t WHERE t.terminal_key = s.terminal_key)
        RETURNING 1
        """,
        (refused, key),
    ).fetchone()
    return row is not None


def refused_keys(conn: Connection[Any]) -> frozenset[str]:
    """Terminals refused for good, by key: not to be held whatever the setting says."""
    rows = conn.execute("SELECT terminal_key FROM terminal_state WHERE refused_at IS NOT NULL").fetchall()
    return frozenset(key for (key,) in rows)


def held_rows(conn: Connection[Any], key: str, after: int, limit: int) -> list[HeldRow]:
    """The next rows of a terminal in quarantine with ids beyond `after`, locked until the transaction ends."""
    rows = conn.execute(
        f"""
        SELECT quarantine_id, received_at, source, raw FROM quarantine
        WHERE {_OF_TERMINAL.format(key="%s")} AND quarantine_id > %s ORDER BY quarantine_id LIMIT %s FOR UPDATE
        """,
        (key, after, limit),
    ).fetchall()
    return [HeldRow(number, to_us(received_at), source, bytes(raw)) for number, received_at, source, raw in rows]


def mark_released(conn: Connection[Any], ids: Sequence[int]) -> None:
    """Say of rows in quarantine that they were taken after all."""
    conn.execute("UPDATE quarantine SET released_at = now() WHERE quarantine_id = ANY(%s)", (list(ids),))


def move_in_ledger(conn: Connection[Any], source: str, hour: datetime, taken: Sequence[Taken]) -> None:
    """Move rows of a source, received in an hour, from quarantined to accepted and duplicate.

    The writer counts a group in the hour of its last receipt, so some of these may stand in the hour after.
    """
    rows = conn.execute(
        """
        SELECT hour, quarantined FROM intake_count
        WHERE source = %(source)s AND hour IN (%(hour)s, %(hour)s::timestamptz + interval '1 hour')
        ORDER BY hour FOR UPDATE
        """,
        {"source": source, "hour": hour},
    ).fetchall()
    for at, share in _shares(rows, taken):
        conn.execute(
            """
            UPDATE intake_count SET quarantined = quarantined - %(rows)s, accepted = accepted + %(accepted)s,
                                    duplicate = duplicate + %(duplicate)s
            WHERE hour = %(at)s AND source = %(source)s
            """,
            {"at": at, "source": source, **_numbers(share)},
        )


def move_in_counts(conn: Connection[Any], key: str, received_at: datetime, taken: Sequence[Taken]) -> None:
    """The same for the terminal's own counts, of the local day of a receipt."""
    rows = conn.execute(
        """
        SELECT day, quarantined FROM terminal_count
        WHERE terminal_key = %(key)s AND day IN (%(day)s::date, %(day)s::date + 1) ORDER BY day FOR UPDATE
        """,
        {"key": key, "day": received_at.date()},
    ).fetchall()
    for at, share in _shares(rows, taken):
        conn.execute(
            """
            UPDATE terminal_count
            SET quarantined = quarantined - %(rows)s, accepted = accepted + %(accepted)s,
                duplicate = duplicate + %(duplicate)s, no_fix = no_fix + %(no_fix)s,
                clock_fault = clock_fault + %(clock_fault)s, late = late + %(late)s
            WHERE day = %(at)s AND terminal_key = %(key)s
            """,
            {"at": at, "key": key, **_numbers(share)},
        )


def _shares(rows: Sequence[tuple[Any, int]], taken: Sequence[Taken]) -> list[tuple[Any, Sequence[Taken]]]:
    """Which rows move in which of the counts (key, quarantined), none of which gives more than it has.

    What no count has was never counted, as before there were counts of terminals; then nothing moves.
    """
    shares: list[tuple[Any, Sequence[Taken]]] = []
    at = 0
    for key, quarantined in rows:
        share = taken[at : at + quarantined]
        if share:
            shares.append((key, share))
        at += len(share)
    return shares


def _numbers(share: Sequence[Taken]) -> dict[str, int]:
    accepted = sum(each.accepted for each in share)
    return {
        "rows": len(share),
        "accepted": accepted,
        "duplicate": len(share) - accepted,
        "no_fix": sum(each.no_fix for each in share),
        "clock_fault": sum(each.clock_fault for each in share),
        "late": sum(each.late for each in share),
    }
