"""Changes of the rows that rules judge, by subject and local day, so that files made of them know whether they are stale.

Whoever changes such rows adds a change in the same transaction. Changes are only added: numbers that each writer had to
raise would make audits wait for each other, and lock each other out where they go over days in another order.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from psycopg import Connection

from geo.localtime import day_date, day_number

Change = tuple[int, int]
"""Number of a change, and when it was made, µs UTC."""


def note_changes(conn: Connection[Any], subject: str, days: Iterable[date]) -> None:
    """Say that a subject's rows of these local days are others now; in the transaction that made them so."""
    conn.execute(
        "INSERT INTO feature_change (subject, day) SELECT %s, day FROM unnest(%s::date[]) AS day ORDER BY day",
        (subject, sorted(set(days))),
    )


def changes_of(conn: Connection[Any], subject: str, from_day: int, to_day: int) -> dict[int, tuple[Change, ...]]:
    """The changes of each local day of [from_day, to_day], in order; days without any are left out."""
    rows = conn.execute(
        """
        SELECT day, change_id, (extract(epoch FROM at) * 1000000)::bigint FROM feature_change
        WHERE subject = %s AND day BETWEEN %s AND %s ORDER BY change_id
        """,
        (subject, day_date(from_day), day_date(to_day)),
    ).fetchall()
    found: dict[int, list[Change]] = {}
    for day, number, at in rows:
        found.setdefault(day_number(day), []).append((number, at))
    return {day: tuple(changes) for day, changes in found.items()}


def settle_changes(conn: Connection[Any], subject: str, day: int, changes: Sequence[Change]) -> tuple[Change, ...]:
    """Let the newest of these stand for all of them; returns it alone, or nothing where there are none.

    A change that came meanwhile, or was committed late under a lower number, is not among these and stays.
    """
    if not changes:
        return ()
    newest = max(changes)
    conn.execute(
        "DELETE FROM feature_change WHERE subject = %s AND day = %s AND change_id = ANY(%s)",
        (subject, day_date(day), sorted(number for number, _ in changes if number != newest[0])),
    )
    return (newest,)
