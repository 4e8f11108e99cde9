"""What the pages and the command line read of terminals.

A person sees those of the vehicles that person may see; auditor and administrator also those without a vehicle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.terminal_events import FINDINGS
from store.users import VISIBLE, User
from store.views import PAGE_ROWS

STATES = ("", "online", "offline", "findings", "unknown", "refused")
"""What a list may be limited to; nothing: all that a vehicle is bound to, and those that wait for approval."""
FINDING_DAYS = 7
"""Findings are counted over so many days."""
HEARD_DAYS = 8
"""The last position is looked for in the counts of so many days; the state knows of everything else."""


@dataclass(frozen=True, slots=True)
class TerminalRow:
    """A terminal in a list; vehicle and unit are empty where none is bound to it, counts are of one local day."""

    terminal_key: str
    terminal_no: str
    vehicle_id: int | None
    code: str
    plate: str
    unit_zh: str
    unit_en: str
    terminal_type: str
    protocol: str
    online: bool | None  # None: it never spoke
    since: datetime | None
    heard_at: datetime | None
    refused: bool
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    findings: int


@dataclass(frozen=True, slots=True)
class TerminalTotals:
    """How many terminals of each state a person may see."""

    bound: int
    online: int
    offline: int
    findings: int
    unknown: int


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What is registered of a terminal and what it says of itself; empty where nothing is."""

    datum: str
    dialect: str
    registered_at: datetime | None
    source: str
    place: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of a terminal."""

    at: datetime
    kind: str
    source: str
    place: str
    facts: dict[str, Any]

    @property
    def is_finding(self) -> bool:
        """Whether it asks for somebody's attention."""
        return self.kind in FINDINGS


@dataclass(frozen=True, slots=True)
class CountRow:
    """Positions of a terminal received on a local day; the last three are of the accepted."""

    day: date
    received: int
    accepted: int
    duplicate: int
    quarantined: int
    no_fix: int
    clock_fault: int
    late: int


@dataclass(frozen=True, slots=True)
class BindingRow:
    """A vehicle a terminal was in: since ≤ t < until, None where that side has no end."""

    vehicle_id: int
    code: str
    plate: str
    since: datetime | None
    until: datetime | None


# `listed`: one row for each terminal the person may see. A terminal that never spoke has no state.
_LISTED = (
    VISIBLE
    + """
, listed AS (
    SELECT t.terminal_key, coalesce(s.terminal_no, t.terminal_no) AS terminal_no, m.vehicle_id, m.code, m.plate,
           m.unit_code, m.unit_zh, m.unit_en, coalesce(t.type, '') AS terminal_type, t.protocol, s.online, s.since,
           s.heard_at, false AS refused
    FROM bound_terminal t JOIN mine m USING (vehicle_id) LEFT JOIN terminal_state s USING (terminal_key)
    UNION ALL
    SELECT terminal_key, coalesce(s.terminal_no, t.terminal_no), NULL, '', '', '', '', '', coalesce(t.type, ''),
           coalesce(s.source, t.protocol), s.online, s.since, s.heard_at, s.refused_at IS NOT NULL
    FROM terminal_state s FULL JOIN terminal t USING (terminal_key)
    WHERE %(strangers)s AND terminal_key NOT IN (SELECT terminal_key FROM bound_terminal)
), found AS (
    SELECT DISTINCT terminal_key FROM terminal_event
    WHERE kind IN ('twice', 'wrong_code', 'unknown', 'gap') AND at > now() - make_interval(days => %(finding_days)s)
)
"""
)
_CHOSEN = """
    FROM listed l
    WHERE CASE %(state)s WHEN 'online' THEN vehicle_id IS NOT NULL AND coalesce(online, false)
                         WHEN 'offline' THEN vehicle_id IS NOT NULL AND NOT coalesce(online, false)
                         WHEN 'findings' THEN terminal_key IN (SELECT terminal_key FROM found) AND NOT refused
                         WHEN 'unknown' THEN vehicle_id IS NULL AND NOT refused
                         WHEN 'refused' THEN refused
                         ELSE NOT refused END
      AND (%(unit)s = '' OR unit_code = %(unit)s) AND (%(type)s = '' OR terminal_type = %(type)s)
      AND (%(search)s = '' OR position(lower(%(search)s) IN lower(terminal_no)) > 0
           OR position(lower(%(search)s) IN lower(plate)) > 0 OR position(lower(%(search)s) IN lower(code)) > 0)
      AND (%(key)s::text IS NULL OR terminal_key = %(key)s)
"""


def terminals(
    conn: Connection[Any],
    user: User,
    today: date,
    *,
    state: str = "",
    unit: str = "",
    terminal_type: str = "",
    search: str = "",
    page: int = 1,
    rows: int = PAGE_ROWS,
) -> tuple[list[TerminalRow], int]:
    """One page of terminals, those without a vehicle first, then by plate; and how many there are.

    state : one of STATES. search : part of a number, plate or code.
    """
    parameters = _parameters(user, state=state, unit=unit, terminal_type=terminal_type, search=search)
    found, count = _read(conn, parameters, today, rows, (page - 1) * rows)
    if page > 1 and not found:  # behind the last page: no row tells how many there are
        count = _read(conn, parameters, today, 1, 0)[1]
    return found, count


def terminal(conn: Connection[Any], user: User, key: str, today: date) -> TerminalRow | None:
    """A terminal this person may see, by its number without leading zeros; None otherwise."""
    for state in ("", "refused"):
        found, _ = _read(conn, _parameters(user, state=state, key=key), today, 1, 0)
        if found:
            return found[0]
    return None


def terminal_totals(conn: Connection[Any], user: User) -> TerminalTotals:
    """How many terminals there are, of those this person may see."""
    with conn.cursor(row_factory=class_row(TerminalTotals)) as cursor:
        row = cursor.execute(
            _LISTED
            + """
            SELECT count(*) FILTER (WHERE vehicle_id IS NOT NULL) AS bound,
                   count(*) FILTER (WHERE vehicle_id IS NOT NULL AND online) AS online,
                   count(*) FILTER (WHERE vehicle_id IS NOT NULL AND NOT coalesce(online, false)) AS offline,
                   count(*) FILTER (WHERE NOT refused AND terminal_key IN (SELECT terminal_key FROM found)) AS findings,
                   count(*) FILTER (WHERE vehicle_id IS NULL AND NOT refused) AS unknown
            FROM listed
            """,
            _parameters(user),
        ).fetchone()
    assert row is not None
    return row


def terminal_facts(conn: Connection[Any], key: str) -> TerminalFacts:
    """What is known of a terminal that is known to be there."""
    with conn.cursor(row_factory=class_row(TerminalFacts)) as cursor:
        row = cursor.execute(
            """
            SELECT coalesce(t.datum, y.datum, 'wgs84') AS datum, coalesce(y.dialect, '') AS dialect, t.registered_at,
                   coalesce(s.source, '') AS source, coalesce(s.place, '') AS place, coalesce(s.facts, '{}') AS facts
            FROM (SELECT %s::text AS terminal_key) k
            LEFT JOIN terminal t USING (terminal_key) LEFT JOIN terminal_type y ON y.code = t.type
            LEFT JOIN terminal_state s USING (terminal_key) LIMIT 1
            """,
            (key,),
        ).fetchone()
    assert row is not None
    return row


def terminal_bindings(conn: Connection[Any], user: User, key: str) -> list[BindingRow]:
    """The vehicles a terminal was in, of those this person may see, the last one first."""
    with conn.cursor(row_factory=class_row(BindingRow)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT vehicle_id, code, plate, lower(valid) AS since, upper(valid) AS until
            FROM terminal JOIN terminal_binding USING (terminal_no) JOIN mine USING (vehicle_id)
            WHERE terminal_key = %(key)s ORDER BY lower(valid) DESC NULLS LAST LIMIT 1000
            """,
            {"own_unit": user.sees_unit, "key": key},
        ).fetchall()


def terminal_events(conn: Connection[Any], key: str, since: datetime, limit: int) -> list[EventRow]:
    """The newest events of a terminal since an instant."""
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(
            """
            SELECT at, kind, source, place, facts FROM terminal_event
            WHERE terminal_key = %s AND at >= %s ORDER BY at DESC, event_id DESC LIMIT %s
            """,
            (key, since, limit),
        ).fetchall()


def terminal_days(conn: Connection[Any], key: str, from_day: date, to_day: date) -> list[CountRow]:
    """A terminal's counts by local day of receipt, newest first; days without any are left out."""
    with conn.cursor(row_factory=class_row(CountRow)) as cursor:
        return cursor.execute(
            """
            SELECT day, received, accepted, duplicate, quarantined, no_fix, clock_fault, late FROM terminal_count
            WHERE terminal_key = %s AND day = ANY(%s) ORDER BY day DESC
            """,
            (key, _days(from_day, to_day)),
        ).fetchall()


def _parameters(
    user: User,
    *,
    state: str = "",
    unit: str = "",
    terminal_type: str = "",
    search: str = "",
    key: str | None = None,
) -> dict[str, Any]:
    return {
        "own_unit": user.sees_unit, "strangers": user.may_see_quarantine, "state": state, "unit": unit,
        "type": terminal_type, "search": search, "key": key, "finding_days": FINDING_DAYS,
    }  # fmt: skip


def _read(
    conn: Connection[Any], parameters: dict[str, Any], today: date, rows: int, skip: int
) -> tuple[list[TerminalRow], int]:
    """Rows of `listed` with counts and findings, which are asked for the rows that are shown only; how many there are."""
    found = conn.execute(
        _LISTED
        + ", shown AS MATERIALIZED (SELECT l.*, count(*) OVER () AS count"
        + _CHOSEN
        + """
            ORDER BY vehicle_id IS NOT NULL, plate, terminal_no LIMIT %(rows)s OFFSET %(skip)s
        )
        SELECT l.terminal_key, l.terminal_no, l.vehicle_id, l.code, l.plate, l.unit_zh, l.unit_en, l.terminal_type,
               l.protocol, l.online, l.since, greatest(l.heard_at, h.heard_at) AS heard_at, l.refused,
               coalesce(c.received, 0) AS received, coalesce(c.accepted, 0) AS accepted,
               coalesce(c.duplicate, 0) AS duplicate, coalesce(c.quarantined, 0) AS quarantined, f.findings, l.count
        FROM shown l
        LEFT JOIN terminal_count c ON c.day = %(today)s AND c.terminal_key = l.terminal_key
        CROSS JOIN LATERAL (
            SELECT max(heard_at) AS heard_at FROM terminal_count
            WHERE day = ANY(%(heard_days)s) AND terminal_key = l.terminal_key
        ) h
        CROSS JOIN LATERAL (
            SELECT count(*) AS findings FROM terminal_event e
            WHERE e.terminal_key = l.terminal_key AND e.kind IN ('twice', 'wrong_code', 'unknown', 'gap')
              AND e.at > now() - make_interval(days => %(finding_days)s)
        ) f
        ORDER BY vehicle_id IS NOT NULL, plate, terminal_no
        """,
        {
            **parameters,
            "today": today,
            "heard_days": _days(today - timedelta(days=HEARD_DAYS - 1), today),
            "rows": rows,
            "skip": skip,
        },
    ).fetchall()
    return [TerminalRow(*columns) for *columns, _ in found], found[0][-1] if found else 0


def _days(from_day: date, to_day: date) -> Sequence[date]:
    return [from_day + timedelta(days=number) for number in range((to_day - from_day).days + 1)]
