"""What the pages read of reviews: the queue of a person, an item with its flags, and what precision and recall rest on."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.reviews import ModelRow, QueueRow
from store.views import PAGE_ROWS


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item in a list; outcome None: it waits. flags: how many there are now, rules: their ids."""

    item_id: int
    day: date
    place: int
    why: str
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    assigned_to: int | None
    inspector: str
    level: str | None
    points: float | None
    probability: float | None
    value: float | None
    vehicle_day: date | None
    stratum: str | None
    features: dict[str, float]
    model_id: int | None
    flags: int
    rules: list[str]
    first_time: datetime | None
    last_time: datetime | None
    outcome: str | None
    reason: str
    case_id: int | None
    decided_by: str
    decided_at: datetime | None
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemFlag:
    """A flag of an item. withdrawn: its ground is gone; exempted: an exemption lifts it; verdict: of its case, or None."""

    flag_id: str
    rule: str
    rule_version: int
    level: str
    points: float
    trip_id: str
    vehicle_id: int
    start_time: datetime
    end_time: datetime
    reason_zh: str
    reason_en: str
    numbers: list[dict[str, Any]]
    withdrawn: bool
    exempted: bool
    case_id: int | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class DecidedFlags:
    """Flags of a rule and level on which the same was decided: by a case (verdict), by the review of the item (outcome).

    groups: of each flag what it was decided with, the number of its item, or below zero that of its case.
    """

    rule: str
    level: str
    verdict: str | None
    outcome: str | None
    groups: list[int]


@dataclass(frozen=True, slots=True)
class DayUnits:
    """Vehicle-days that were ranked or drawn and are alike, with the rules that flag each and what was decided.

    decided: of what was ranked the different (verdict, outcome) of its flags; of what was drawn those of its item.
    """

    stratum: str
    weight: float
    rules: list[str]
    decided: list[tuple[str | None, str | None]]
    count: int = 1


_ITEM = """
    SELECT i.item_id, i.day, i.place, i.why, i.vehicle_id, v.plate, u.name_zh AS unit_zh, u.name_en AS unit_en,
           i.assigned_to, coalesce(a.name, '') AS inspector, i.level, i.points, i.probability, i.value, i.vehicle_day,
           i.stratum, i.features, q.model_id, f.flags, f.rules, f.first_time, f.last_time, s.outcome, s.reason, s.case_id,
           coalesce(d.name, '') AS decided_by, s.decided_at,
           coalesce(s.seen_at, (SELECT min(l.seen_at) FROM review_look l WHERE l.item_id = i.item_id)) AS seen_at
    FROM review_item i JOIN review_queue q USING (day) JOIN vehicle v USING (vehicle_id) JOIN unit u USING (unit_id)
    JOIN review_state s USING (item_id)
    LEFT JOIN app_user a ON a.user_id = i.assigned_to
    LEFT JOIN app_user d ON d.user_id = s.user_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS flags, coalesce(array_agg(DISTINCT rule ORDER BY rule), '{}') AS rules,
               min(start_time) AS first_time, max(end_time) AS last_time
        FROM review_item_flag r JOIN flag USING (flag_id) WHERE r.item_id = i.item_id
    ) f
"""


def queue_items(
    conn: Connection[Any], today: date, person: int | None, *, page: int = 1, rows: int = PAGE_ROWS
) -> tuple[list[ItemRow], int, int]:
    """One page of a person's items (None: everybody's), how many there are, and how many of them wait.

    Those of the newest queue up to today and those of earlier ones that wait; the waiting first, the newest queue first.
    """
    asked = {"today": today, "person": person, "rows": rows, "skip": (page - 1) * rows}
    with conn.cursor(row_factory=class_row(ItemRow)) as cursor:
        found = cursor.execute(
            _ITEM
            + _OF_PERSON
            + " ORDER BY (s.outcome IS NOT NULL), i.day DESC, i.place LIMIT %(rows)s OFFSET %(skip)s",
            asked,
        ).fetchall()
    counts = conn.execute(
        """
        SELECT count(*), count(*) FILTER (WHERE s.outcome IS NULL)
        FROM review_item i JOIN review_state s USING (item_id)
        """
        + _OF_PERSON,
        asked,
    ).fetchone()
    assert counts is not None
    return found, counts[0], counts[1]


_OF_PERSON = """
    WHERE (i.day = (SELECT max(day) FROM review_queue WHERE day <= %(today)s) OR s.outcome IS NULL AND i.day <= %(today)s)
      AND (%(person)s::int IS NULL OR i.assigned_to = %(person)s OR i.assigned_to IS NULL)
"""


def item(conn: Connection[Any], item_id: int) -> ItemRow | None:
    """An item; None where there is none."""
    with conn.cursor(row_factory=class_row(ItemRow)) as cursor:
        return cursor.execute(_ITEM + " WHERE i.item_id = %s", (item_id,)).fetchone()


def neighbours(conn: Connection[Any], found: ItemRow, person: int | None) -> tuple[int | None, int | None]:
    """The waiting items before and after one, in the order in which its person works through them."""
    row = conn.execute(
        """
        WITH waiting AS (
            SELECT i.item_id, i.day, i.place FROM review_item i JOIN review_state s USING (item_id)
            WHERE s.outcome IS NULL AND i.item_id <> %(item)s
              AND (%(person)s::int IS NULL OR i.assigned_to = %(person)s OR i.assigned_to IS NULL)
        )
        SELECT (SELECT item_id FROM waiting WHERE (day, -place) > (%(day)s, -%(place)s::int) ORDER BY day, place DESC LIMIT 1),
               (SELECT item_id FROM waiting WHERE (day, -place) < (%(day)s, -%(place)s::int) ORDER BY day DESC, place LIMIT 1)
        """,
        {"item": found.item_id, "day": found.day, "place": found.place, "person": person},
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def item_flags(conn: Connection[Any], item_id: int, rows: int = 200) -> list[ItemFlag]:
    """The flags of an item, the gravest first, of these the newest."""
    with conn.cursor(row_factory=class_row(ItemFlag)) as cursor:
        return cursor.execute(
            """
            SELECT f.flag_id, f.rule, f.rule_version, f.level, f.points, f.trip_id, f.vehicle_id, f.start_time, f.end_time,
                   f.reason_zh, f.reason_en, f.numbers, f.withdrawn_at IS NOT NULL AS withdrawn,
                   f.exemption_id IS NOT NULL AS exempted,
                   (SELECT max(case_id) FROM case_flag c WHERE c.flag_id = f.flag_id) AS case_id,
                   (SELECT verdict FROM flag_verdict d WHERE d.flag_id = f.flag_id) AS verdict
            FROM review_item_flag r JOIN flag f USING (flag_id) WHERE r.item_id = %s
            ORDER BY array_position(ARRAY['red', 'yellow', 'prompt'], f.level), f.start_time DESC, f.flag_id LIMIT %s
            """,
            (item_id, rows),
        ).fetchall()


# ---------------------------------------------------------------- precision and recall
_VERDICTS, _OUTCOMES = ["confirmed", "dismissed"], ["clean", "suspicious", "misuse", "case"]
_PAIRS = [(verdict, outcome) for verdict in (None, *_VERDICTS) for outcome in (None, *_OUTCOMES)]
"""What a flag may have come to: the verdict of a case and the outcome of a review, by the number of its bit."""

# `mark`: what was decided of each flag in a case or an item. Of several cases the last decision counts.
_DECIDED = """
WITH last AS MATERIALIZED (
    SELECT DISTINCT ON (case_id) case_id, event_id, to_state AS verdict FROM case_event
    WHERE to_state IN ('confirmed', 'dismissed') AND from_state IS DISTINCT FROM to_state ORDER BY case_id, event_id DESC
), mark AS MATERIALIZED (
    SELECT flag_id, added_at, case_id, verdict, item_id, reviewed.day, why, outcome
    FROM (
        SELECT flag_id, min(added_at) AS added_at, max(event_id) AS event_id
        FROM case_flag LEFT JOIN last USING (case_id) GROUP BY flag_id
    ) cased LEFT JOIN last USING (event_id) FULL JOIN (
        SELECT flag_id, item_id, i.day, i.why, outcome
        FROM review_flag JOIN review_item i USING (item_id) LEFT JOIN review_outcome USING (item_id)
    ) reviewed USING (flag_id)
), decided AS (
    SELECT rule, level, verdict, outcome,
           array_agg(CASE WHEN outcome IS NULL THEN -case_id ELSE item_id END) AS groups
    FROM mark JOIN flag f USING (flag_id)
    WHERE f.day >= %(since)s AND (verdict IS NOT NULL OR outcome IS NOT NULL) GROUP BY rule, level, verdict, outcome
), ranked AS (
    SELECT array_agg(DISTINCT f.rule) AS rules,
           bit_or(1 << (coalesce(array_position(%(verdicts)s::text[], verdict), 0) * %(beside)s
                        + coalesce(array_position(%(outcomes)s::text[], outcome), 0))) AS pairs
    FROM (
        SELECT made.day, made_at, span.day::date AS of_day
        FROM review_queue made
        CROSS JOIN generate_series(from_day::timestamp, through_day::timestamp, '1 day') AS span(day)
        WHERE made.day >= %(since)s
    ) q JOIN flag f ON f.day = q.of_day LEFT JOIN mark m USING (flag_id)
    WHERE f.day BETWEEN %(first)s AND %(last)s AND f.withdrawn_at IS NULL AND f.exemption_id IS NULL
      AND f.end_time - f.start_time <= interval '24 hours'
    GROUP BY f.vehicle_id, f.day, q.day, q.made_at
    HAVING bool_or(m.why = 'ranked' AND m.day <= q.day OR m.added_at <= q.made_at)
)
SELECT rule, level, verdict, outcome, groups, NULL AS rules, NULL AS pairs, NULL AS count FROM decided
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, rules, pairs, count(*) FROM ranked GROUP BY rules, pairs
ORDER BY rule, level, verdict, outcome, rules, pairs
"""


def decided(conn: Connection[Any], since: date, rows: int = 200_000) -> tuple[list[DecidedFlags], list[DayUnits]]:
    """What precision and recall rest on, since a local day.

    The flags that a case or a review decided; and the vehicle-days of queues that were ranked when their sample was
    drawn, and those that were drawn (the newest `rows` of them). Alike are flags of a rule and level of which the same was
    decided, and ranked vehicle-days with the same rules and the same decisions: a hundredth of the rows, and as much can
    be told.
    """
    first, last = conn.execute(
        "SELECT min(from_day), max(through_day) FROM review_queue WHERE day >= %s", (since,)
    ).fetchall()[0]
    found = conn.execute(
        _DECIDED,
        {
            "since": since,
            "first": first,
            "last": last,
            "verdicts": _VERDICTS,
            "outcomes": _OUTCOMES,
            "beside": len(_OUTCOMES) + 1,
        },
    ).fetchall()
    flags = [DecidedFlags(*columns) for *columns, rules, _, _ in found if rules is None]
    ranked = [
        DayUnits("ranked", 1.0, rules, [pair for bit, pair in enumerate(_PAIRS) if pairs >> bit & 1], count)
        for *_, rules, pairs, count in found
        if rules is not None
    ]
    return flags, _drawn(conn, since, rows) + ranked


def _drawn(conn: Connection[Any], since: date, rows: int) -> list[DayUnits]:
    drawn = conn.execute(
        """
        SELECT i.stratum, 1 / i.inclusion,
               ARRAY(SELECT DISTINCT f.rule FROM review_item_flag r JOIN flag f USING (flag_id)
                     WHERE r.item_id = i.item_id ORDER BY f.rule),
               ARRAY(SELECT v.verdict FROM review_item_flag r JOIN flag_verdict v USING (flag_id)
                     WHERE r.item_id = i.item_id ORDER BY v.flag_id),
               s.outcome
        FROM review_item i JOIN review_state s USING (item_id)
        WHERE i.why = 'sample' AND i.day >= %s ORDER BY i.day DESC, i.place LIMIT %s
        """,
        (since, rows),
    ).fetchall()
    return [
        DayUnits(stratum, weight, rules, [(verdict, None) for verdict in verdicts] or [(None, outcome)])
        for stratum, weight, rules, verdicts, outcome in drawn
    ]


def queues(conn: Connection[Any], since: date, rows: int = 400) -> list[QueueRow]:
    """The queues since a day, the newest first."""
    with conn.cursor(row_factory=class_row(QueueRow)) as cursor:
        return cursor.execute(
            """
            SELECT day, from_day, through_day, inspectors, per_inspector, sample_share, seed, model_id, candidates,
                   ranked_days, flagged_days, unflagged_days, made_at
            FROM review_queue WHERE day >= %s ORDER BY day DESC LIMIT %s
            """,
            (since, rows),
        ).fetchall()


def newest_model(conn: Connection[Any]) -> ModelRow | None:
    """The model that the newest queue was ranked by; None where it was ranked by points."""
    with conn.cursor(row_factory=class_row(ModelRow)) as cursor:
        return cursor.execute(
            """
            SELECT verdicts, misused, verdicts_sha256, penalty, intercept, intercept_error, terms, fitted_at, model_id
            FROM review_model
            WHERE model_id = (SELECT model_id FROM review_queue ORDER BY day DESC LIMIT 1)
            """
        ).fetchone()
