"""What is read of how reviews are done: what waits, how long decisions took, the reasons given, who dismisses how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, of one person or level: how many in each class of age, and how many of all were never opened."""

    name: str
    ages: list[int]
    unseen: int

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.ages)


@dataclass(frozen=True, slots=True)
class DecisionsRow:
    """A person's decisions; of each the seconds since that person first looked at it, None: never."""

    person: str
    seconds: list[float | None]


@dataclass(frozen=True, slots=True)
class TextRow:
    """A person's reasons or explanations of one text; what: dismissal or explanation.

    places: of each of them, in no order, 1 is the newest of all texts; links: the pages that they are on.
    """

    person: str
    what: str
    text: str
    places: list[int]
    links: list[str]


@dataclass(frozen=True, slots=True)
class CountRow:
    """Decided cases and reviews of an inspector or unit, and those of them that were dismissed."""

    name_zh: str
    name_en: str
    decided: int
    dismissed: int


def waiting_items(conn: Connection[Any], now: datetime, ages_d: Sequence[int]) -> list[Waiting]:
    """Items that wait, by inspector (empty: nobody's)."""
    return _waiting(
        conn,
        """
        SELECT coalesce(a.name, '') AS name, q.made_at AS at,
               NOT EXISTS (SELECT FROM review_look l WHERE l.item_id = i.item_id) AS unseen
        FROM review_item i JOIN review_queue q USING (day) JOIN review_state s USING (item_id)
        LEFT JOIN app_user a ON a.user_id = i.assigned_to WHERE s.outcome IS NULL
        """,
        now,
        ages_d,
    )


def waiting_flags(conn: Connection[Any], now: datetime, since: datetime, ages_d: Sequence[int]) -> list[Waiting]:
    """Flags raised since an instant that are in no item and no case, by level; none of them was opened as an item."""
    return _waiting(
        conn,
        """
        SELECT level AS name, raised_at AS at, true AS unseen FROM flag f
        WHERE withdrawn_at IS NULL AND exemption_id IS NULL AND raised_at >= %(since)s
          AND NOT EXISTS (SELECT FROM review_flag r WHERE r.flag_id = f.flag_id)
          AND NOT EXISTS (SELECT FROM case_flag c WHERE c.flag_id = f.flag_id)
        """,
        now,
        ages_d,
        since=since,
    )


def _waiting(
    conn: Connection[Any], what: str, now: datetime, ages_d: Sequence[int], since: datetime | None = None
) -> list[Waiting]:
    found: dict[str, Waiting] = {}
    rows = conn.execute(
        f"""
        SELECT name, width_bucket(extract(epoch FROM %(now)s::timestamptz - at)::float8 / 86400, %(ages)s::float8[]) AS age,
               count(*), count(*) FILTER (WHERE unseen)
        FROM ({what}) each WHERE at <= %(now)s GROUP BY name, age ORDER BY name, age LIMIT 10000
        """,
        {"now": now, "ages": list(ages_d), "since": since},
    )
    for name, age, count, unseen in rows:
        before = found.get(name, Waiting(name, [0] * (len(ages_d) + 1), 0))
        ages = [each + (count if place == age else 0) for place, each in enumerate(before.ages)]
        found[name] = Waiting(name, ages, before.unseen + unseen)
    return list(found.values())


def decisions(conn: Connection[Any], since: datetime, rows: int = 20_000) -> list[DecisionsRow]:
    """Decisions since an instant, the newest, by person: reviews, and cases that were confirmed or dismissed.

    A review is looked at by opening its item; a case by opening it, its vehicle or a trip of its flags after it was
    assigned to this person, or was opened.
    """
    with conn.cursor(row_factory=class_row(DecisionsRow)) as cursor:
        return cursor.execute(
            """
            WITH decided AS (
                SELECT e.event_id, e.case_id, c.vehicle_id, c.opened_at, e.at, e.user_id, u.name AS person
                FROM case_event e JOIN case_file c USING (case_id) JOIN app_user u USING (user_id)
                WHERE e.at >= %(since)s AND e.to_state IN ('confirmed', 'dismissed')
                  AND e.from_state IS DISTINCT FROM e.to_state
                  AND NOT EXISTS (SELECT FROM review_outcome o WHERE o.case_id = e.case_id AND o.outcome <> 'case')
            ), page AS (
                SELECT event_id, opened_at, at, user_id, 'case' AS action, case_id::text AS subject FROM decided
                UNION ALL
                SELECT event_id, opened_at, at, user_id, 'vehicle', vehicle_id::text FROM decided
                UNION ALL
                SELECT event_id, opened_at, at, user_id, 'trip', f.trip_id
                FROM decided JOIN case_flag USING (case_id) JOIN flag f USING (flag_id)
            ), look AS (
                SELECT event_id, min(l.at) AS seen_at
                FROM page p CROSS JOIN LATERAL (  -- the first of each by the index: the log grows, a look-up does not
                    SELECT at FROM log_entry l
                    WHERE l.kind = 'access' AND (l.user_id, l.action, l.subject) = (p.user_id, p.action, p.subject)
                      AND l.at BETWEEN p.opened_at AND p.at
                    ORDER BY at LIMIT 1
                ) l GROUP BY event_id
            )
            SELECT person, array_agg(extract(epoch FROM at - seen_at)::float8) AS seconds FROM (
                SELECT * FROM (
                    SELECT u.name AS person, o.decided_at AS at, o.seen_at
                    FROM review_outcome o JOIN app_user u USING (user_id)
                    WHERE o.decided_at >= %(since)s AND o.outcome <> 'case'
                    UNION ALL
                    SELECT person, at, seen_at FROM decided LEFT JOIN look USING (event_id)
                ) each ORDER BY at DESC LIMIT %(rows)s
            ) newest GROUP BY person
            """,
            {"since": since, "rows": rows},
        ).fetchall()


def texts(conn: Connection[Any], since: datetime, rows: int = 20_000) -> list[TextRow]:
    """Reasons of dismissals and explanations of units since an instant, the newest `rows` of them, by person and text."""
    with conn.cursor(row_factory=class_row(TextRow)) as cursor:
        return cursor.execute(
            """
            SELECT person, what, text, array_agg(place) AS places, array_agg(link) AS links FROM (
                SELECT *, row_number() OVER (ORDER BY at DESC, link DESC) AS place FROM (
                    SELECT o.decided_at AS at, u.name AS person, 'dismissal' AS what, o.reason AS text,
                           '/queue/' || o.item_id AS link
                    FROM review_outcome o JOIN app_user u USING (user_id)
                    WHERE o.decided_at >= %(since)s AND o.outcome = 'clean' AND o.reason <> ''
                    UNION ALL
                    SELECT e.at, u.name, CASE e.to_state WHEN 'explained' THEN 'explanation' ELSE 'dismissal' END, e.reason,
                           '/cases/' || e.case_id
                    FROM case_event e JOIN app_user u USING (user_id)
                    WHERE e.at >= %(since)s AND e.to_state IN ('explained', 'dismissed')
                      AND e.from_state IS DISTINCT FROM e.to_state AND e.reason <> ''
                      AND NOT EXISTS (SELECT FROM review_outcome o WHERE o.case_id = e.case_id AND o.reason = e.reason)
                ) each ORDER BY at DESC, link DESC LIMIT %(rows)s
            ) newest GROUP BY person, what, text
            """,
            {"since": since, "rows": rows},
        ).fetchall()


_DECIDED = """
WITH decided AS (
    SELECT o.user_id, i.vehicle_id, o.outcome = 'clean' AS dismissed
    FROM review_outcome o JOIN review_item i USING (item_id)
    WHERE o.decided_at >= %(since)s AND i.why = 'ranked' AND o.outcome IN ('clean', 'suspicious') AND o.case_id IS NULL
    UNION ALL
    (SELECT DISTINCT ON (e.case_id) e.user_id, c.vehicle_id, e.to_state = 'dismissed'
     FROM case_event e JOIN case_file c USING (case_id)
     WHERE e.at >= %(since)s AND e.to_state IN ('confirmed', 'dismissed') AND e.from_state IS DISTINCT FROM e.to_state
     ORDER BY e.case_id, e.event_id DESC)
)
"""


def by_inspector(conn: Connection[Any], since: datetime, rows: int = 1000) -> list[CountRow]:
    """Of each person what was decided since an instant: reviews without a case, and the last decision of each case."""
    return _counted(conn, "JOIN app_user p USING (user_id)", "p.name AS zh, p.name AS en", since, rows)


def by_unit(conn: Connection[Any], since: datetime, rows: int = 5000) -> list[CountRow]:
    """The same of the vehicles of each unit."""
    joined = "JOIN vehicle USING (vehicle_id) JOIN unit p USING (unit_id)"
    return _counted(conn, joined, "p.name_zh AS zh, coalesce(nullif(p.name_en, ''), p.name_zh) AS en", since, rows)


def _counted(conn: Connection[Any], joined: str, names: str, since: datetime, rows: int) -> list[CountRow]:
    with conn.cursor(row_factory=class_row(CountRow)) as cursor:
        return cursor.execute(
            _DECIDED
            + f"""
            SELECT zh AS name_zh, en AS name_en, count(*) AS decided, count(*) FILTER (WHERE dismissed) AS dismissed
            FROM (SELECT {names}, dismissed FROM decided {joined}) each
            GROUP BY zh, en ORDER BY decided DESC, zh LIMIT %(rows)s
            """,
            {"since": since, "rows": rows},
        ).fetchall()
