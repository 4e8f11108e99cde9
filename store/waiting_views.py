"""What waits for a person: reviews and cases; the few numbers that the first page leads on from."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.users import SEEN, User, seen


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits. cases: open and this inspector's; to_explain: asked of the own units."""

    reviews: int
    cases: int
    overdue: int  # of these cases
    to_explain: int
    explain_overdue: int


def waiting(conn: Connection[Any], user: User, today: date) -> Waiting:
    """What waits for this person; nought of what is not this role's."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        row = cursor.execute(
            f"""
            WITH asked AS (
                SELECT clock IS NOT NULL AND deadline <= now() AS overdue FROM case_file
                WHERE open AND {SEEN} AND CASE WHEN %(manager)s THEN state = 'explanation_asked' ELSE assigned_to = %(user)s END
            )
            SELECT (SELECT count(*) FROM review_item i JOIN review_state s USING (item_id)
                    WHERE %(decides)s AND s.outcome IS NULL AND i.day <= %(today)s
                      AND (i.assigned_to = %(user)s OR i.assigned_to IS NULL)) AS reviews,
                   (SELECT count(*) FROM asked WHERE %(decides)s) AS cases,
                   (SELECT count(*) FROM asked WHERE %(decides)s AND overdue) AS overdue,
                   (SELECT count(*) FROM asked WHERE %(manager)s) AS to_explain,
                   (SELECT count(*) FROM asked WHERE %(manager)s AND overdue) AS explain_overdue
            """,
            {
                "seen": seen(conn, user.sees_unit),
                "user": user.user_id,
                "manager": user.role == "manager",
                "decides": user.may_decide,
                "today": today,
            },
        ).fetchone()
    assert row is not None
    return row
