"""What is read of cases: lists, one case with its flags, steps and files, what is due, and rows to export.

A manager sees the cases of the own unit's subtree, without the inspectors' comments and files, and without why a case was
opened, handed over or merged: these may name who told them. An inspector of own cases sees those only.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import day_date
from store.users import VISIBLE, User
from store.views import PAGE_ROWS

MOST_EVENTS, MOST_FILES = 1000, 500
INNER = ("open", "assign", "hand_over", "merge", "give_up")
"""Steps among inspectors, whose reasons are not the unit's."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list. card: the gravest its running clock has earned; empty: none."""

    case_id: int
    vehicle_id: int
    plate: str
    unit_code: str
    unit_zh: str
    unit_en: str
    state: str
    assigned_id: int | None
    assigned: str  # name of the inspector; empty: nobody
    opened_at: datetime
    opened_by: str  # empty: the system
    deadline: datetime | None
    clock: str | None
    clock_days: int | None
    overdue: bool
    card: str
    flags: int
    level: str  # of its gravest flag; empty: it has none
    verdict: str  # confirmed, dismissed; empty: not decided
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseFlag:
    """A flag of a case, or one of its vehicle that could be taken into it (in_case: where it is now)."""

    flag_id: str
    rule: str
    rule_version: int
    level: str
    points: float
    trip_id: str
    day: date
    start_time: datetime
    end_time: datetime
    reason_zh: str
    reason_en: str
    numbers: list[dict[str, Any]]
    withdrawn_at: datetime | None
    in_case: int | None


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A step of a case; an empty name: the system."""

    event_id: int
    at: datetime
    name: str
    role: str
    action: str
    from_state: str | None
    to_state: str
    reason: str
    deadline: datetime | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of a case."""

    evidence_id: int
    case_id: int
    name: str
    media_type: str
    size: int
    sha256: str
    path: str
    added_at: datetime
    added_by: str  # empty: the command line


@dataclass(frozen=True, slots=True)
class DueCase:
    """A case whose clock runs; cards: those it has for this deadline."""

    case_id: int
    deadline: datetime
    clock_days: int
    cards: list[str]


_ROWS = """
    SELECT c.case_id, c.vehicle_id, plate, unit_code, unit_zh, unit_en, c.state, c.assigned_to AS assigned_id,
           coalesce(a.name, '') AS assigned, c.opened_at, coalesce(o.name, '') AS opened_by, c.deadline, c.clock,
           c.clock_days, c.clock IS NOT NULL AND c.deadline <= now() AS overdue,
           coalesce((SELECT facts ->> 'card' FROM case_event e
                     WHERE e.case_id = c.case_id AND e.action = 'card' AND e.deadline = c.deadline AND c.clock IS NOT NULL
                     ORDER BY event_id DESC LIMIT 1), '') AS card,
           (SELECT count(*) FROM case_flag f WHERE f.case_id = c.case_id) AS flags,
           coalesce((SELECT level FROM case_flag f JOIN flag USING (flag_id) WHERE f.case_id = c.case_id
                     ORDER BY array_position(ARRAY['red', 'yellow', 'prompt'], level) LIMIT 1), '') AS level,
           coalesce((SELECT to_state FROM case_event e
                     WHERE e.case_id = c.case_id AND to_state IN ('confirmed', 'dismissed')
                       AND from_state IS DISTINCT FROM to_state ORDER BY event_id DESC LIMIT 1), '') AS verdict,
           CASE WHEN NOT c.open THEN (SELECT max(at) FROM case_event e WHERE e.case_id = c.case_id AND to_state = 'closed'
                                      AND from_state IS DISTINCT FROM to_state) END AS closed_at
    FROM case_file c JOIN mine USING (vehicle_id) LEFT JOIN app_user a ON a.user_id = c.assigned_to
    LEFT JOIN app_user o ON o.user_id = c.opened_by
"""
_MINE = " (%(own_cases)s::int IS NULL OR c.assigned_to = %(own_cases)s) "


def cases(
    conn: Connection[Any],
    user: User,
    *,
    state: str = "",
    unit: str = "",
    inspector: str = "",
    overdue: bool = False,
    from_day: date | None = None,
    to_day: date | None = None,
    page: int = 1,
    rows: int = PAGE_ROWS,
) -> tuple[list[CaseRow], int]:
    """One page of the cases this person may see, and how many there are: those that are due first, then the newest.

    state : one state, `open` (all that are not closed) or empty (all).  unit : its code; cases of those below it are not
    meant.  from_day, to_day : local days on which they were opened, both included.
    """
    chosen = (
        """
        WHERE"""
        + _MINE
        + """
          AND (%(state)s = '' OR c.state = %(state)s OR %(state)s = 'open' AND c.open)
          AND (%(unit)s = '' OR unit_code = %(unit)s) AND (%(inspector)s = '' OR a.name = %(inspector)s)
          AND (NOT %(overdue)s OR c.clock IS NOT NULL AND c.deadline <= now())
          AND (%(from)s::date IS NULL OR (c.opened_at AT TIME ZONE 'Asia/Shanghai')::date >= %(from)s)
          AND (%(to)s::date IS NULL OR (c.opened_at AT TIME ZONE 'Asia/Shanghai')::date <= %(to)s)
    """
    )
    parameters = {
        **_seen_by(user), "state": state, "unit": unit, "inspector": inspector, "overdue": overdue, "from": from_day,
        "to": to_day, "rows": rows, "skip": (page - 1) * rows,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(CaseRow)) as cursor:
        found = cursor.execute(
            VISIBLE
            + _ROWS
            + chosen
            + " ORDER BY c.open DESC, c.deadline NULLS LAST, c.case_id DESC LIMIT %(rows)s OFFSET %(skip)s",
            parameters,
        ).fetchall()
    count = conn.execute(
        VISIBLE
        + "SELECT count(*) FROM case_file c JOIN mine USING (vehicle_id) LEFT JOIN app_user a ON a.user_id = c.assigned_to"
        + chosen,
        parameters,
    ).fetchone()
    assert count is not None
    return found, count[0]


def case(conn: Connection[Any], user: User, case_id: int) -> CaseRow | None:
    """A case this person may see; None otherwise."""
    with conn.cursor(row_factory=class_row(CaseRow)) as cursor:
        return cursor.execute(
            VISIBLE + _ROWS + "WHERE" + _MINE + "AND c.case_id = %(case)s", {**_seen_by(user), "case": case_id}
        ).fetchone()


_FLAG = """
    SELECT f.flag_id, rule, rule_version, level, points, trip_id, day, start_time, end_time, reason_zh, reason_en, numbers,
           withdrawn_at, (SELECT c.case_id FROM case_flag c WHERE c.flag_id = f.flag_id AND c.open) AS in_case
"""


def case_flags(conn: Connection[Any], case_id: int) -> list[CaseFlag]:
    """The flags of a case that is known to be seen, the gravest first."""
    with conn.cursor(row_factory=class_row(CaseFlag)) as cursor:
        return cursor.execute(
            _FLAG
            + """
            FROM case_flag i JOIN flag f USING (flag_id) WHERE i.case_id = %s
            ORDER BY array_position(ARRAY['red', 'yellow', 'prompt'], level), start_time, f.flag_id LIMIT 1000
            """,
            (case_id,),
        ).fetchall()


def flags_to_take(conn: Connection[Any], case_id: int, vehicle_id: int, limit: int = 20) -> list[CaseFlag]:
    """Flags of the case's vehicle that it could take: standing, not decided, in no case or in another open one."""
    with conn.cursor(row_factory=class_row(CaseFlag)) as cursor:
        return cursor.execute(
            _FLAG
            + """
            FROM flag f WHERE vehicle_id = %(vehicle)s AND withdrawn_at IS NULL
              AND NOT EXISTS (SELECT FROM case_flag c WHERE c.flag_id = f.flag_id AND c.case_id = %(case)s)
              AND NOT EXISTS (SELECT FROM flag_verdict v WHERE v.flag_id = f.flag_id)
            ORDER BY start_time DESC, f.flag_id LIMIT %(limit)s
            """,
            {"vehicle": vehicle_id, "case": case_id, "limit": limit},
        ).fetchall()


def case_events(conn: Connection[Any], user: User, case_id: int) -> list[CaseEvent]:
    """The steps of a case that is known to be seen, in order; a manager is shown no comment, file or reason among inspectors."""
    with conn.cursor(row_factory=class_row(CaseEvent)) as cursor:
        return cursor.execute(
            """
            SELECT event_id, at, coalesce(u.name, '') AS name, coalesce(u.role, '') AS role, action, from_state, to_state,
                   CASE WHEN %(manager)s AND action = ANY(%(inner)s) THEN '' ELSE reason END AS reason, deadline, facts
            FROM case_event e LEFT JOIN app_user u USING (user_id)
            WHERE case_id = %(case)s
              AND (NOT %(manager)s OR action NOT IN ('comment', 'attach') OR u.role = 'manager')
            ORDER BY event_id LIMIT %(limit)s
            """,
            {"case": case_id, "manager": user.role == "manager", "inner": list(INNER), "limit": MOST_EVENTS},
        ).fetchall()


def case_files(conn: Connection[Any], user: User, case_id: int, evidence_id: int | None = None) -> list[CaseFile]:
    """The files attached to a case that is known to be seen, in order, or the one of a number; a manager's: managers'."""
    with conn.cursor(row_factory=class_row(CaseFile)) as cursor:
        return cursor.execute(
            """
            SELECT evidence_id, case_id, e.name, media_type, bytes AS size, sha256, path, added_at,
                   coalesce(u.name, '') AS added_by
            FROM evidence e LEFT JOIN app_user u ON u.user_id = e.added_by
            WHERE case_id = %(case)s AND kind = 'attachment' AND (%(number)s::bigint IS NULL OR evidence_id = %(number)s)
              AND (NOT %(manager)s OR u.role = 'manager')
            ORDER BY evidence_id LIMIT %(limit)s
            """,
            {"case": case_id, "number": evidence_id, "manager": user.role == "manager", "limit": MOST_FILES},
        ).fetchall()


def inspectors(conn: Connection[Any]) -> list[str]:
    """Names of all inspectors, in order."""
    return [
        name for (name,) in conn.execute("SELECT name FROM app_user WHERE role = 'inspector' ORDER BY name LIMIT 1000")
    ]


def due_cases(conn: Connection[Any], before: datetime, limit: int = 10_000) -> list[DueCase]:
    """Open cases whose clock ends before an instant, with the cards they have, the longest overdue first."""
    with conn.cursor(row_factory=class_row(DueCase)) as cursor:
        return cursor.execute(
            """
            SELECT case_id, deadline, clock_days,
                   ARRAY(SELECT facts ->> 'card' FROM case_event e WHERE e.case_id = c.case_id AND e.action = 'card'
                         AND e.deadline = c.deadline) AS cards
            FROM case_file c WHERE open AND clock IS NOT NULL AND deadline < %s ORDER BY deadline, case_id LIMIT %s
            """,
            (before, limit),
        ).fetchall()


EXPORT_COLUMNS = (
    "case_id", "vehicle", "plate", "unit", "state", "opened_at", "deadline", "verdict", "decided_at", "reason",
    "persons", "measure", "recovered_yuan", "flags", "closed_at",
)  # fmt: skip


def export_cases(conn: Connection[Any], from_day: int, to_day: int, unit: str | None = None) -> list[tuple[Any, ...]]:
    """EXPORT_COLUMNS of the cases opened on local days [from_day, to_day], of a unit (its code) with all below it, by number."""
    return conn.execute(
        """
        WITH RECURSIVE chosen AS (
            SELECT unit_id FROM unit WHERE code = %(unit)s
            UNION SELECT u.unit_id FROM unit u JOIN chosen s ON u.parent_id = s.unit_id
        )
        SELECT c.case_id, v.code, v.plate, u.code, c.state, c.opened_at, c.deadline, d.to_state, d.at, d.reason,
               (t.facts ->> 'persons')::int, t.facts ->> 'measure', (t.facts ->> 'recovered_yuan')::float,
               ARRAY(SELECT flag_id FROM case_flag f WHERE f.case_id = c.case_id ORDER BY flag_id),
               CASE WHEN NOT c.open THEN (SELECT max(at) FROM case_event e WHERE e.case_id = c.case_id
                                          AND to_state = 'closed' AND from_state IS DISTINCT FROM to_state) END
        FROM case_file c JOIN vehicle v USING (vehicle_id) JOIN unit u USING (unit_id)
        LEFT JOIN LATERAL (
            SELECT to_state, at, reason, event_id FROM case_event e
            WHERE e.case_id = c.case_id AND to_state IN ('confirmed', 'dismissed') AND from_state IS DISTINCT FROM to_state
            ORDER BY event_id DESC LIMIT 1
        ) d ON true
        LEFT JOIN LATERAL (
            SELECT facts FROM case_event e
            WHERE e.case_id = c.case_id AND e.action = 'deal' AND e.event_id > d.event_id ORDER BY event_id DESC LIMIT 1
        ) t ON true
        WHERE (c.opened_at AT TIME ZONE 'Asia/Shanghai')::date BETWEEN %(from)s AND %(to)s
          AND (%(unit)s::text IS NULL OR v.unit_id IN (SELECT unit_id FROM chosen))
        ORDER BY c.case_id
        """,
        {"from": day_date(from_day), "to": day_date(to_day), "unit": unit},
    ).fetchall()


def _seen_by(user: User) -> dict[str, Any]:
    return {"own_unit": user.sees_unit, "own_cases": user.own_cases}
