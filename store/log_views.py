"""What the pages read of the log: pages of entries, and who looked at a vehicle or a trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.views import PAGE_ROWS

LOOKS_DAYS = 90


@dataclass(frozen=True, slots=True)
class LogRow:
    """An entry; name is empty for the command line and the service."""

    entry_id: int
    at: datetime
    name: str
    kind: str
    action: str
    subject: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LookRow:
    """How often a person looked, when last, and for what: kinds of purposes, none where no track was opened."""

    name: str
    role: str
    count: int
    last_at: datetime
    purposes: list[str]


def log_entries(
    conn: Connection[Any],
    *,
    since: datetime,
    before: datetime,
    kind: str = "",
    person: str = "",
    subject: str = "",
    page: int = 1,
    rows: int = PAGE_ROWS,
) -> tuple[list[LogRow], int]:
    """One page of the entries of [since, before), newest first, and how many there are.

    kind, person (a name that signs in, or the account of a command) and subject (or the plate in its facts) narrow them
    where they are not empty.
    """
    asked = {"since": since, "before": before, "kind": kind, "person": person, "subject": subject}
    with conn.cursor(row_factory=class_row(LogRow)) as cursor:
        found = cursor.execute(
            "SELECT l.entry_id, l.at, coalesce(u.name, '') AS name, l.kind, l.action, l.subject, l.facts"
            + _ASKED_FOR
            + " ORDER BY l.entry_id DESC LIMIT %(rows)s OFFSET %(skip)s",
            {**asked, "rows": rows, "skip": (page - 1) * rows},
        ).fetchall()
    count = conn.execute("SELECT count(*)" + _ASKED_FOR, asked).fetchone()
    assert count is not None
    return found, count[0]


_ASKED_FOR = """
    FROM log_entry l LEFT JOIN app_user u USING (user_id)
    WHERE l.at >= %(since)s AND l.at < %(before)s
      AND (%(kind)s = '' OR l.kind = %(kind)s)
      AND (%(person)s = '' OR coalesce(u.name, l.facts ->> 'who') = %(person)s)
      AND (%(subject)s = '' OR l.subject = %(subject)s OR l.facts ->> 'plate' = %(subject)s)
"""


def log_people(conn: Connection[Any]) -> list[str]:
    """Names of all who may sign in, in order."""
    return [name for (name,) in conn.execute("SELECT name FROM app_user ORDER BY name")]


def looks(
    conn: Connection[Any], *, vehicle_id: int | None = None, trip_ids: Sequence[str] = (), rows: int = 20
) -> list[LookRow]:
    """Who looked at a vehicle or at any of these trips in the last 90 days, the latest first."""
    with conn.cursor(row_factory=class_row(LookRow)) as cursor:
        return cursor.execute(
            """
            SELECT u.name, u.role, count(*) AS count, max(l.at) AS last_at,
                   coalesce(array_agg(DISTINCT l.facts ->> 'purpose') FILTER (WHERE l.facts ? 'purpose'), '{}') AS purposes
            FROM log_entry l JOIN app_user u USING (user_id)
            WHERE (l.subject = %(vehicle)s AND l.action = 'vehicle' OR l.subject = ANY(%(trips)s) AND l.action = 'trip')
              AND l.kind = 'access' AND l.at >= now() - make_interval(days => %(days)s)
            GROUP BY u.user_id ORDER BY last_at DESC LIMIT %(rows)s
            """,
            {
                "vehicle": None if vehicle_id is None else str(vehicle_id),
                "trips": list(trip_ids),
                "days": LOOKS_DAYS,
                "rows": rows,
            },
        ).fetchall()
