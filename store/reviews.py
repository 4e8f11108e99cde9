"""The review queue: flags that wait, the queue of a day as it was made, looks, and what each review came to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from geo.localtime import day_date
from store.errors import StoreError
from store.log import append
from store.users import User


class ReviewError(StoreError):
    """A review that cannot be recorded: there is no such item, or it is decided already."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as it is kept; terms: name, mean, sd, coefficient, error."""

    verdicts: int
    misused: int
    verdicts_sha256: str
    penalty: float
    intercept: float
    intercept_error: float
    terms: list[dict[str, Any]]
    fitted_at: datetime | None = None
    model_id: int = 0


@dataclass(frozen=True, slots=True)
class QueueRow:
    """The queue of a day as it is kept; see table review_queue."""

    day: date
    from_day: date
    through_day: date
    inspectors: int
    per_inspector: int
    sample_share: float
    seed: str
    model_id: int | None
    candidates: int
    ranked_days: int
    flagged_days: int
    unflagged_days: int
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RankedItem:
    """An episode in its place."""

    place: int
    vehicle_id: int
    assigned_to: int | None
    episode: str
    level: str
    points: float
    probability: float
    value: float
    features: Mapping[str, float]
    flag_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class SampleItem:
    """A vehicle-day drawn at random; day: local day number."""

    place: int
    vehicle_id: int
    assigned_to: int | None
    day: int
    stratum: str
    inclusion: float


@dataclass(frozen=True, slots=True)
class DecidedEpisode:
    """An episode that was reviewed: what the model was given, its outcome, and the verdicts of cases over its flags."""

    episode: str
    features: dict[str, float]
    outcome: str
    verdicts: list[str]


# ---------------------------------------------------------------- making a queue
_WAITING = """
    SELECT f.flag_id, f.rule, f.level, f.vehicle_id, (extract(epoch FROM f.start_time) * 1000000)::bigint AS start_time,
           (extract(epoch FROM f.end_time) * 1000000)::bigint AS end_time, f.points,
           (extract(epoch FROM f.raised_at) * 1000000)::bigint AS raised_at,
           coalesce(t.destination_place, '') AS place, coalesce(t.end_lat, d.end_lat) AS lat,
           coalesce(t.end_lon, d.end_lon) AS lon, coalesce(i.episode, '') AS entry, t.distance_m,
           coalesce(d.off_hours_share, (t.features ->> 'off_hours_share')::float8) AS off_hours_share, t.features
    FROM flag f
    LEFT JOIN trip t ON f.subject = 'trip' AND t.trip_id = f.subject_id
    LEFT JOIN dark_entry d ON f.subject = 'dark' AND d.dark_id = f.subject_id
    LEFT JOIN review_flag r ON r.flag_id = f.flag_id
    LEFT JOIN review_item i ON i.item_id = r.item_id
    WHERE f.day BETWEEN %(from)s AND %(through)s AND f.withdrawn_at IS NULL AND f.exemption_id IS NULL
      AND NOT EXISTS (SELECT FROM case_flag c WHERE c.flag_id = f.flag_id)
      AND NOT EXISTS (SELECT FROM review_outcome o WHERE o.item_id = r.item_id)
    ORDER BY f.flag_id LIMIT %(rows)s
"""


def waiting_flags(
    conn: Connection[Any], from_day: int, through_day: int, measures: Sequence[str], rows: int = 500_000
) -> pd.DataFrame:
    """Flags of these local days that wait for a review, as `rules.episodes` takes them, with measures of their trips.

    Neither withdrawn nor exempted ones, nor those of a case or of a decided item. `measures` beyond the distance are read
    from the features of trips; NaN where a flag is on something else. More than `rows`: the first by name.
    """
    cursor = conn.execute(_WAITING, {"from": day_date(from_day), "through": day_date(through_day), "rows": rows})
    names = [column.name for column in cursor.description or ()]
    frame = pd.DataFrame(cursor.fetchall(), columns=names)
    features = frame.pop("features").tolist()
    for name in ("points", "lat", "lon", "distance_m", "off_hours_share"):
        frame[name] = frame[name].astype("float64")
    further = {
        name: pd.Series([each.get(name) if each else None for each in features], index=frame.index, dtype="float64")
        for name in measures
        if name not in frame
    }
    return frame.assign(**further)


def inspectors(conn: Connection[Any]) -> list[int]:
    """user_id of every inspector, in order."""
    return [
        number
        for (number,) in conn.execute(
            "SELECT user_id FROM app_user WHERE role = 'inspector' ORDER BY user_id LIMIT 10000"
        )
    ]


def last_queue(conn: Connection[Any]) -> QueueRow | None:
    """The newest queue; None before the first."""
    with conn.cursor(row_factory=class_row(QueueRow)) as cursor:
        return cursor.execute(
            """
            SELECT day, from_day, through_day, inspectors, per_inspector, sample_share, seed, model_id, candidates,
                   ranked_days, flagged_days, unflagged_days, made_at
            FROM review_queue ORDER BY day DESC LIMIT 1
            """
        ).fetchone()


def hold_queues(conn: Connection[Any]) -> None:
    """Keep others from making a queue until this transaction ends; who only reads goes on."""
    conn.execute("LOCK TABLE review_queue IN SHARE ROW EXCLUSIVE MODE")


def join_items(conn: Connection[Any], flags: Iterable[tuple[str, str]]) -> None:
    """Let flags (flag_id, episode) join the items of episodes that were shown; those that are there stay."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO review_flag (flag_id, item_id) SELECT %s, item_id FROM review_item WHERE episode = %s
            ON CONFLICT DO NOTHING
            """,
            list(flags),
        )


def vehicle_days(
    conn: Connection[Any], from_day: int, through_day: int, ranked: Sequence[str], rows: int = 2_000_000
) -> list[tuple[int, int, str]]:
    """Vehicle-days (vehicle_id, local day) of these days with trips or flags, and the stratum of each.

    ranked: a flag of the day is in the ranked part of a queue or among these, or in a case; flagged: others with flags
    that stand; unflagged. A flag that lasts longer than a day, as that of a month, is on no day.
    """
    return conn.execute(
        _OF_DAYS
        + """
        SELECT vehicle_id, day - DATE '1970-01-01',
               CASE WHEN bool_or(reviewed) THEN 'ranked' WHEN bool_or(flagged) THEN 'flagged' ELSE 'unflagged' END
        FROM (
            SELECT vehicle_id, day, true AS flagged,
                   flag_id = ANY(%(ranked)s) OR EXISTS (SELECT FROM case_flag c WHERE c.flag_id = f.flag_id)
                   OR EXISTS (SELECT FROM review_flag r JOIN review_item i USING (item_id)
                              WHERE r.flag_id = f.flag_id AND i.why = 'ranked') AS reviewed
            FROM standing f
            UNION ALL
            SELECT vehicle_id, day, false, false FROM vehicle_day
            WHERE trips > 0 AND day BETWEEN %(from)s AND %(through)s
        ) each GROUP BY vehicle_id, day ORDER BY vehicle_id, day LIMIT %(rows)s
        """,
        {"from": day_date(from_day), "through": day_date(through_day), "ranked": list(ranked), "rows": rows},
    ).fetchall()


_OF_DAYS = """
WITH standing AS (
    SELECT flag_id, vehicle_id, day FROM flag
    WHERE withdrawn_at IS NULL AND exemption_id IS NULL AND day BETWEEN %(from)s AND %(through)s
      AND end_time - start_time <= interval '24 hours'
)
"""


def decided_episodes(conn: Connection[Any], since: date, rows: int = 50_000) -> list[DecidedEpisode]:
    """Episodes of queues since a day that are decided, by a review or by a case over their flags; the newest."""
    with conn.cursor(row_factory=class_row(DecidedEpisode)) as cursor:
        return cursor.execute(
            """
            SELECT i.episode, i.features, s.outcome,
                   ARRAY(SELECT v.verdict FROM review_flag f JOIN flag_verdict v USING (flag_id)
                         WHERE f.item_id = i.item_id ORDER BY v.flag_id) AS verdicts
            FROM review_item i JOIN review_state s USING (item_id)
            WHERE i.why = 'ranked' AND i.day >= %s AND s.outcome IS NOT NULL
            ORDER BY i.day DESC, i.place LIMIT %s
            """,
            (since, rows),
        ).fetchall()


def keep_model(conn: Connection[Any], model: ModelRow) -> int:
    """Keep a model unless one of the same verdicts is kept; returns its number."""
    conn.execute(
        """
        INSERT INTO review_model (verdicts, misused, verdicts_sha256, penalty, intercept, intercept_error, terms)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (verdicts_sha256) DO NOTHING
        """,
        (
            model.verdicts,
            model.misused,
            model.verdicts_sha256,
            model.penalty,
            model.intercept,
            model.intercept_error,
            Jsonb(model.terms),
        ),
    )
    row = conn.execute(
        "SELECT model_id FROM review_model WHERE verdicts_sha256 = %s", (model.verdicts_sha256,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def model(conn: Connection[Any], *, verdicts_sha256: str = "", model_id: int | None = None) -> ModelRow | None:
    """A model by its number or by the hash of its verdicts; None where it is not kept."""
    with conn.cursor(row_factory=class_row(ModelRow)) as cursor:
        return cursor.execute(
            """
            SELECT verdicts, misused, verdicts_sha256, penalty, intercept, intercept_error, terms, fitted_at, model_id
            FROM review_model WHERE verdicts_sha256 = %s OR model_id = %s
            """,
            (verdicts_sha256, model_id),
        ).fetchone()


def keep_queue(
    conn: Connection[Any], queue: QueueRow, ranked: Sequence[RankedItem], sample: Sequence[SampleItem]
) -> None:
    """Keep the queue of a day with its items; the log tells of it. It stays as it is."""
    conn.execute(
        """
        INSERT INTO review_queue (day, from_day, through_day, inspectors, per_inspector, sample_share, seed, model_id,
                                  candidates, ranked_days, flagged_days, unflagged_days)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            queue.day, queue.from_day, queue.through_day, queue.inspectors, queue.per_inspector, queue.sample_share,
            queue.seed, queue.model_id, queue.candidates, queue.ranked_days, queue.flagged_days, queue.unflagged_days,
        ),
    )  # fmt: skip
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO review_item (day, place, why, vehicle_id, assigned_to, episode, level, points, probability, value,
                                     features)
            VALUES (%s, %s, 'ranked', %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    queue.day, each.place, each.vehicle_id, each.assigned_to, each.episode, each.level, each.points,
                    each.probability, each.value, Jsonb(dict(each.features)),
                )
                for each in ranked
            ],
        )  # fmt: skip
        cursor.executemany(
            """
            INSERT INTO review_item (day, place, why, vehicle_id, assigned_to, vehicle_day, stratum, inclusion)
            VALUES (%s, %s, 'sample', %s, %s, %s, %s, %s)
            """,
            [
                (
                    queue.day, each.place, each.vehicle_id, each.assigned_to, day_date(each.day), each.stratum,
                    each.inclusion,
                )
                for each in sample
            ],
        )  # fmt: skip
    join_items(conn, [(flag, each.episode) for each in ranked for flag in each.flag_ids])
    facts = {"ranked": len(ranked), "sample": len(sample), "candidates": queue.candidates, "model": queue.model_id}
    append(conn, "decision", "queue made", str(queue.day), facts=facts)


# ---------------------------------------------------------------- reviewing
def look(conn: Connection[Any], item_id: int, plate: str, user: User) -> None:
    """Write down that a person opened an item; the caller commits before it reads what the item shows."""
    conn.execute(
        "INSERT INTO review_look (item_id, user_id) VALUES (%s, %s) ON CONFLICT DO NOTHING", (item_id, user.user_id)
    )
    append(conn, "access", "review item", str(item_id), user_id=user.user_id, facts={"plate": plate})


def record(
    conn: Connection[Any], item_id: int, outcome: str, reason: str, user: User, case_id: int | None = None
) -> None:
    """Write down what a review came to, once; the outcomes that an item can have are `rules.verdicts.ALLOWED`.

    case_id: the case that was opened (outcome `case`) or dismissed with it. ReviewError when there is no such item, when
    it is decided already, or when the case is not about one of its flags.
    """
    row = conn.execute(
        """
        SELECT s.outcome, s.case_id, u.name, i.why
        FROM review_state s JOIN review_item i USING (item_id) LEFT JOIN app_user u USING (user_id) WHERE s.item_id = %s
        """,
        (item_id,),
    ).fetchone()
    if row is None:
        raise ReviewError(f"review item {item_id}: there is none")
    if row[0] is not None and (case_id is None or row[1] != case_id):
        raise ReviewError(f"review item {item_id}: decided already, {row[0]} by {row[2] or 'the service'}")
    if case_id is not None and not _is_about(conn, item_id, case_id):
        raise ReviewError(f"review item {item_id}: case {case_id} holds none of its flags")
    if outcome == "clean" and row[3] == "ranked" and not reason:
        raise ReviewError(f"review item {item_id}: reason: expected a text, got none")
    if outcome == "case" and case_id is None:
        raise ReviewError(f"review item {item_id}: case: expected the number of the case, got none")
    done = conn.execute(
        """
        INSERT INTO review_outcome (item_id, outcome, reason, case_id, user_id, seen_at)
        VALUES (%(item)s, %(outcome)s, %(reason)s, %(case)s, %(user)s,
                (SELECT seen_at FROM review_look WHERE item_id = %(item)s AND user_id = %(user)s))
        ON CONFLICT (item_id) DO NOTHING RETURNING item_id
        """,
        {"item": item_id, "outcome": outcome, "reason": reason, "case": case_id, "user": user.user_id},
    ).fetchone()
    if done is None:
        raise ReviewError(f"review item {item_id}: decided already")
    conn.execute(
        """
        INSERT INTO review_flag (flag_id, item_id) SELECT flag_id, item_id FROM review_item_flag WHERE item_id = %s
        ON CONFLICT DO NOTHING
        """,
        (item_id,),
    )
    facts = {"outcome": outcome, "reason": reason, **({"case": case_id} if case_id else {})}
    append(conn, "decision", "review decided", str(item_id), user_id=user.user_id, facts=facts)


def _is_about(conn: Connection[Any], item_id: int, case_id: int) -> bool:
    return conn.execute(
        "SELECT EXISTS (SELECT FROM review_item_flag JOIN case_flag USING (flag_id) WHERE item_id = %s AND case_id = %s)",
        (item_id, case_id),
    ).fetchone() == (True,)
