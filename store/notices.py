"""Notices: made once of each step that is news, read in the inbox, delivered outside with every attempt written down.

Whether a step was turned into a notice is asked of the notices, not of a mark: numbers of steps may be committed in
another order than they were given out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

NEWS_DAYS = 7
"""An older step is no news: it was made before there were notices, or while nothing ran for a week."""
LATE_MIN = 60
"""Minutes for which a step may be under way: notices are made in the order of steps, so that a step that happened so
long before the newest one with a notice has its own."""
INBOX_ROWS = 100


@dataclass(frozen=True, slots=True)
class Step:
    """A step that no notice was made of."""

    source: str
    source_id: int
    kind: str
    number: str
    vehicle_id: int
    units: list[int]
    actor: int | None
    assigned: int | None
    asker: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person who may be told."""

    user_id: int
    role: str
    unit_id: int | None
    email: str


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be tried now; email and name: of the person a mail is for."""

    delivery_id: int
    channel: str
    attempts: int
    name: str
    email: str
    kind: str
    number: str
    plate: str
    vehicle: str
    unit: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice in somebody's inbox."""

    notice_id: int
    kind: str
    number: str
    vehicle_id: int
    plate: str
    happened_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its last attempt."""

    delivery_id: int
    channel: str
    name: str
    kind: str
    number: str
    state: str
    attempts: int
    next_at: datetime
    at: datetime | None
    answer: str


_STEPS = """
    WITH RECURSIVE above AS (
        SELECT unit_id AS vehicle_unit, unit_id, parent_id, 0 AS far FROM unit
        UNION SELECT a.vehicle_unit, u.unit_id, u.parent_id, a.far + 1 FROM above a JOIN unit u ON u.unit_id = a.parent_id
        WHERE a.far < 20
    ), step AS (
        SELECT 'case' AS source, e.event_id AS source_id,
               'case ' || CASE e.action WHEN 'card' THEN (e.facts ->> 'card') || ' card' ELSE e.action END AS kind,
               c.case_id::text AS number, c.vehicle_id, e.user_id AS actor, c.assigned_to AS assigned, NULL::int AS asker,
               e.at
        FROM case_event e JOIN case_file c USING (case_id)
        WHERE e.action <> '' AND e.at > %(since)s
        UNION ALL
        SELECT 'order', e.event_id, 'order ' || e.action, o.order_no, o.vehicle_id, e.user_id, NULL, o.applied_by, e.at
        FROM order_event e JOIN dispatch_order o USING (order_no) WHERE e.at > %(since)s
        UNION ALL
        SELECT 'unlock', unlock_id, 'unlock asked', unlock_id::text, vehicle_id, asked_by, NULL, asked_by, asked_at
        FROM track_unlock WHERE asked_at > %(since)s
        UNION ALL
        SELECT 'unlock answer', a.unlock_id, CASE WHEN granted THEN 'unlock allowed' ELSE 'unlock refused' END,
               a.unlock_id::text, u.vehicle_id, a.answered_by, NULL, a.asked_by, a.answered_at
        FROM track_unlock_answer a JOIN track_unlock u USING (unlock_id)
        WHERE a.answered_at > %(since)s
    )
    SELECT s.source, s.source_id, s.kind, s.number, s.vehicle_id,
           ARRAY(SELECT a.unit_id FROM above a WHERE a.vehicle_unit = v.unit_id ORDER BY a.far) AS units,
           s.actor, s.assigned, s.asker, s.at
    FROM step s JOIN vehicle v USING (vehicle_id)
    WHERE NOT EXISTS (SELECT FROM notice n WHERE n.source = s.source AND n.source_id = s.source_id)
      AND s.kind = ANY(%(kinds)s)
    ORDER BY s.at, s.source, s.source_id LIMIT %(rows)s
"""


def new_steps(conn: Connection[Any], kinds: Sequence[str], rows: int = 1000) -> list[Step]:
    """Steps of these kinds that no notice was made of, the oldest first. Two who make notices wait for each other."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('gongche notices'))")
    since = conn.execute(
        """
        SELECT greatest(now() - make_interval(days => %s),
                        least(coalesce(max(happened_at), '-infinity'), now()) - make_interval(mins => %s))
        FROM notice
        """,
        (NEWS_DAYS, LATE_MIN),
    ).fetchone()
    assert since is not None
    with conn.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(_STEPS, {"since": since[0], "kinds": list(kinds), "rows": rows}).fetchall()


def people_to_tell(conn: Connection[Any]) -> list[Recipient]:
    """Everybody who signs in."""
    with conn.cursor(row_factory=class_row(Recipient)) as cursor:
        return cursor.execute("SELECT user_id, role, unit_id, email FROM app_user ORDER BY user_id").fetchall()


def make_notice(conn: Connection[Any], step: Step, to: Sequence[int], mail_to: Sequence[int], webhook: bool) -> None:
    """A notice of a step for these people, with its deliveries."""
    row = conn.execute(
        """
        INSERT INTO notice (source, source_id, kind, number, vehicle_id, happened_at) VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT DO NOTHING RETURNING notice_id
        """,
        (step.source, step.source_id, step.kind, step.number, step.vehicle_id, step.at),
    ).fetchone()
    if row is None:
        return
    conn.execute("INSERT INTO notice_to (notice_id, user_id) SELECT %s, unnest(%s::int[])", (row[0], list(to)))
    conn.execute(
        """
        INSERT INTO notice_delivery (notice_id, channel, user_id)
        SELECT %(notice)s, 'mail', unnest(%(mail)s::int[]) UNION ALL SELECT %(notice)s, 'webhook', NULL WHERE %(webhook)s
        """,
        {"notice": row[0], "mail": list(mail_to), "webhook": webhook},
    )


def take_due(conn: Connection[Any]) -> Due | None:
    """A delivery that is to be tried now, locked until the transaction ends; None when there is none."""
    with conn.cursor(row_factory=class_row(Due)) as cursor:
        return cursor.execute(
            """
            SELECT d.delivery_id, d.channel, d.attempts, coalesce(p.name, '') AS name, coalesce(p.email, '') AS email,
                   n.kind, n.number, v.plate, v.code AS vehicle, u.code AS unit, n.happened_at
            FROM notice_delivery d JOIN notice n USING (notice_id) JOIN vehicle v USING (vehicle_id)
            JOIN unit u ON u.unit_id = v.unit_id LEFT JOIN app_user p ON p.user_id = d.user_id
            WHERE d.state = 'waiting' AND d.next_at <= now()
            ORDER BY d.next_at, d.delivery_id LIMIT 1 FOR UPDATE OF d SKIP LOCKED
            """
        ).fetchone()


def write_attempt(conn: Connection[Any], due: Due, ok: bool, answer: str, again_min: int | None) -> None:
    """What came of an attempt; after a failure it waits for so many minutes, or (None) is given up."""
    conn.execute(
        "INSERT INTO notice_attempt (delivery_id, attempt, ok, answer) VALUES (%s, %s, %s, %s)",
        (due.delivery_id, due.attempts + 1, ok, answer[:500]),
    )
    conn.execute(
        """
        UPDATE notice_delivery SET attempts = attempts + 1,
               state = CASE WHEN %(ok)s THEN 'sent' WHEN %(again)s::int IS NULL THEN 'given up' ELSE 'waiting' END,
               next_at = now() + make_interval(mins => coalesce(%(again)s, 0))
        WHERE delivery_id = %(delivery)s
        """,
        {"ok": ok, "again": again_min, "delivery": due.delivery_id},
    )


def inbox(conn: Connection[Any], user_id: int, rows: int = INBOX_ROWS) -> list[NoticeRow]:
    """Somebody's notices: unread ones first, each newest first."""
    with conn.cursor(row_factory=class_row(NoticeRow)) as cursor:
        return cursor.execute(
            """
            SELECT n.notice_id, n.kind, n.number, n.vehicle_id, v.plate, n.happened_at, t.read_at
            FROM notice_to t JOIN notice n USING (notice_id) JOIN vehicle v USING (vehicle_id)
            WHERE t.user_id = %s ORDER BY t.read_at IS NOT NULL, n.notice_id DESC LIMIT %s
            """,
            (user_id, rows),
        ).fetchall()


def mark_read(conn: Connection[Any], user_id: int, notice_id: int | None = None) -> int:
    """Mark one of somebody's notices as read, or (None) all; returns how many were not before."""
    return conn.execute(
        """
        UPDATE notice_to SET read_at = now()
        WHERE user_id = %(user)s AND read_at IS NULL AND (%(notice)s::bigint IS NULL OR notice_id = %(notice)s)
        """,
        {"user": user_id, "notice": notice_id},
    ).rowcount


def deliveries(conn: Connection[Any], rows: int = 200) -> list[DeliveryRow]:
    """The latest deliveries, those that were given up or wait first."""
    with conn.cursor(row_factory=class_row(DeliveryRow)) as cursor:
        return cursor.execute(
            """
            SELECT d.delivery_id, d.channel, coalesce(p.name, '') AS name, n.kind, n.number, d.state, d.attempts,
                   d.next_at, a.at, coalesce(a.answer, '') AS answer
            FROM notice_delivery d JOIN notice n USING (notice_id) LEFT JOIN app_user p ON p.user_id = d.user_id
            LEFT JOIN notice_attempt a ON a.delivery_id = d.delivery_id AND a.attempt = d.attempts
            ORDER BY d.state = 'sent', d.delivery_id DESC LIMIT %s
            """,
            (rows,),
        ).fetchall()
