"""The append-only log: looks, decisions, changed settings and rules, numbered and hash-chained by the database.

How an entry is hashed stands in docs/log.md; `store.log_chain` checks the chain, `store.log_heads` its daily heads.
"""

from collections.abc import Mapping
from typing import Any, Literal

from psycopg import Connection
from psycopg.types.json import Jsonb

Kind = Literal["access", "decision", "setting", "rule"]
"""access: a look; decision: what a person decided; setting, rule: what the service and the judgement go by."""


def append(
    conn: Connection[Any],
    kind: Kind,
    action: str,
    subject: str,
    *,
    user_id: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Write an entry; returns its number. Without a user_id it was the command line or the service.

    Nobody else can append until this transaction ends: make it the last statement before the commit, and never wait for
    another lock after it. A look is written down, and committed, before the data is read.
    """
    row = conn.execute(
        "INSERT INTO log_entry (user_id, kind, action, subject, facts) VALUES (%s, %s, %s, %s, %s) RETURNING entry_id",
        (user_id, kind, action, subject, Jsonb(dict(facts or {}))),
    ).fetchone()
    assert row is not None
    return int(row[0])


def append_changes(
    conn: Connection[Any], kind: Kind, action: str, current: Mapping[str, Any], facts: Mapping[str, Any]
) -> list[str]:
    """Write an entry, with `old` and `new`, for each subject whose value differs from what its last entry says.

    `current` is subject → value as JSON has it; a subject that is in the log but no longer there becomes null. Two that
    start at once do not write the same change twice. Returns the subjects. The lock is that of `append`.
    """
    conn.execute("SELECT FROM log_head FOR UPDATE")
    rows = conn.execute(
        """
        SELECT DISTINCT ON (subject) subject, facts -> 'new' FROM log_entry
        WHERE kind = %s AND action = %s ORDER BY subject, entry_id DESC
        """,
        (kind, action),
    ).fetchall()
    known = dict(rows)
    changed = [subject for subject in sorted({*known, *current}) if _differs(subject, known, current)]
    for subject in changed:
        old, new = known.get(subject), current.get(subject)
        append(conn, kind, action, subject, facts={**facts, "old": old, "new": new})
    return changed


def _differs(subject: str, known: Mapping[str, Any], current: Mapping[str, Any]) -> bool:
    if subject in current:
        return subject not in known or known[subject] != current[subject]
    return known[subject] is not None
