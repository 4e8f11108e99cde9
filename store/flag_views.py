"""What the pages of a flag and of rules read, and what a trial of a rule is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import day_date
from store.archive import VEHICLES_PER_BUCKET, Archive
from store.manifest import POSITIONS, manifest_path, sha256
from store.unlocks import without_places
from store.users import SEEN, VISIBLE, User, seen

SEVERAL = 100
"""Rows of a list beside a flag at most."""


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """A flag, whole; times aware."""

    flag_id: str
    rule: str
    rule_version: int
    level: str
    subject: str
    subject_id: str
    trip_id: str
    vehicle_id: int
    plate: str
    unit_code: str
    unit_zh: str
    unit_en: str
    day: date
    start_time: datetime
    end_time: datetime
    points: float
    reason_zh: str
    reason_en: str
    numbers: list[dict[str, Any]]
    raised_at: datetime
    withdrawn_at: datetime | None
    exemption_id: int | None
    rule_text: str | None


@dataclass(frozen=True, slots=True)
class OrderBeside:
    """A dispatch order of the vehicle, with a time."""

    order_no: str
    starts: datetime
    ends: datetime
    purpose: str
    destination: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class DutyBeside:
    """A day of the duty calendar that applies to the vehicle, with its shifts."""

    calendar: str
    day: date
    kind: str
    name: str
    shifts: list[tuple[datetime, datetime]]


@dataclass(frozen=True, slots=True)
class ExemptionBeside:
    """An exemption of the vehicle or of a unit above it."""

    exemption_id: int
    kind: str  # vehicle, unit
    of: str  # the unit's name, empty for the vehicle's own
    rule: str  # empty: all rules
    approved_by: str
    reason: str
    valid_from: datetime | None
    valid_to: datetime | None
    holds: bool  # for the whole of the flag's time


@dataclass(frozen=True, slots=True)
class SealedPart:
    """The sealed part of the archive that holds positions of a vehicle's day."""

    day: date
    bucket: int
    version: int
    sequence: int
    path: str
    manifest: str  # where the manifest lies that names it
    manifest_sha256: str  # empty: it cannot be read here


@dataclass(frozen=True, slots=True)
class CaseBeside:
    """A case that a flag is in."""

    case_id: int
    state: str
    opened_at: datetime


def flag_facts(conn: Connection[Any], user: User, flag_id: str) -> FlagFacts | None:
    """A flag of a vehicle that this person may see, withdrawn or not, without places that are not shown; None otherwise."""
    with conn.cursor(row_factory=class_row(FlagFacts)) as cursor:
        found = cursor.execute(
            VISIBLE
            + """
            SELECT flag_id, f.rule, rule_version, level, subject, subject_id, trip_id, f.vehicle_id, plate, unit_code,
                   unit_zh, unit_en, day, start_time, end_time, points, reason_zh, reason_en, numbers, raised_at,
                   withdrawn_at, exemption_id, r.text AS rule_text
            FROM flag f JOIN mine USING (vehicle_id) JOIN rule_version r ON (r.rule, r.version) = (f.rule, rule_version)
            WHERE flag_id = %(flag)s
            """,
            {"own_unit": user.sees_unit, "flag": flag_id},
        ).fetchone()
    return None if found is None else without_places(conn, user, [found])[0]


_ROWS = {
    "trip": """
        SELECT to_jsonb(t) - 'features' || t.features FROM trip t WHERE trip_id = %s
        """,
    "dark": """
        SELECT to_jsonb(d) || jsonb_build_object('vehicle_class', v.class)
        FROM dark_entry d JOIN vehicle v USING (vehicle_id) WHERE dark_id = %s
        """,
    "night": """
        SELECT to_jsonb(n) || jsonb_build_object('vehicle_class', v.class)
        FROM regexp_match(%s, '^([0-9]{1,9})-N([0-9]{8})$') AS named
        JOIN vehicle_night n ON n.vehicle_id = named[1]::int AND to_char(n.day, 'YYYYMMDD') = named[2]
        JOIN vehicle v ON v.vehicle_id = n.vehicle_id
        """,
}
"""Subject → its row with all features by name; a subject without one is explained by the flag's own numbers."""


def subject_row(conn: Connection[Any], subject: str, subject_id: str) -> dict[str, Any] | None:
    """The features of what a flag is on, as they stand; None where it is gone, or where no such row is kept."""
    if subject not in _ROWS:
        return None
    row = conn.execute(_ROWS[subject], (subject_id,)).fetchone()
    return dict(row[0]) if row else None


def orders_beside(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> list[OrderBeside]:
    """The vehicle's orders that overlap a time, and the nearest before and after it, by time.

    Without where those of approved private use went.
    """
    with conn.cursor(row_factory=class_row(OrderBeside)) as cursor:
        return cursor.execute(
            """
            WITH mine AS (SELECT order_no, starts, ends, purpose, approved_by,
                                 CASE WHEN private_use THEN '' ELSE destination END AS destination
                          FROM dispatch_order WHERE vehicle_id = %(v)s)
            SELECT * FROM (
                (SELECT * FROM mine WHERE starts < %(e)s AND ends > %(s)s ORDER BY starts LIMIT 20)
                UNION (SELECT * FROM mine WHERE ends <= %(s)s ORDER BY ends DESC LIMIT 1)
                UNION (SELECT * FROM mine WHERE starts >= %(e)s ORDER BY starts LIMIT 1)
            ) beside ORDER BY starts, order_no
            """,
            {"v": vehicle_id, "s": start, "e": end},
        ).fetchall()


def duty_beside(conn: Connection[Any], vehicle_id: int, first: date, last: date) -> list[DutyBeside]:
    """Days of the vehicle's duty calendar, with the shifts that begin on them; empty without a calendar."""
    with conn.cursor(row_factory=class_row(DutyBeside)) as cursor:
        return cursor.execute(
            """
            SELECT d.calendar, d.day, d.kind, d.name,
                   ARRAY(SELECT ARRAY[s.starts, s.ends] FROM duty_shift s
                         WHERE s.calendar = d.calendar AND s.day = d.day ORDER BY s.starts) AS shifts
            FROM vehicle_calendar c JOIN duty_day d USING (calendar)
            WHERE c.vehicle_id = %s AND d.day BETWEEN %s AND %s ORDER BY d.day LIMIT 40
            """,
            (vehicle_id, first, last),
        ).fetchall()


def exemptions_beside(
    conn: Connection[Any], vehicle_id: int, rule: str, start: datetime, end: datetime
) -> list[ExemptionBeside]:
    """Exemptions of the vehicle or a unit above it from this rule or from all, those that hold at a time first."""
    with conn.cursor(row_factory=class_row(ExemptionBeside)) as cursor:
        return cursor.execute(
            """
            WITH RECURSIVE above AS (
                SELECT unit_id FROM vehicle WHERE vehicle_id = %(v)s
                UNION SELECT u.parent_id FROM unit u JOIN above a USING (unit_id) WHERE u.parent_id IS NOT NULL
            )
            SELECT exemption_id, CASE WHEN e.vehicle_id IS NULL THEN 'unit' ELSE 'vehicle' END AS kind,
                   coalesce(u.name_zh, '') AS of, coalesce(rule, '') AS rule, approved_by, reason,
                   lower(valid) AS valid_from, upper(valid) AS valid_to,
                   valid @> tstzrange(%(s)s, %(e)s) AS holds
            FROM exemption e LEFT JOIN unit u ON u.unit_id = e.unit_id
            WHERE (e.vehicle_id = %(v)s OR e.unit_id IN (SELECT unit_id FROM above)) AND (rule IS NULL OR rule = %(r)s)
            ORDER BY holds DESC, exemption_id LIMIT %(limit)s
            """,
            {"v": vehicle_id, "r": rule, "s": start, "e": end, "limit": SEVERAL},
        ).fetchall()


def sealed_beside(
    conn: Connection[Any], archive: Archive | None, vehicle_id: int, first: date, last: date
) -> list[SealedPart]:
    """The newest sealed parts with positions of a vehicle on local days, each with the manifest that names it."""
    rows = conn.execute(
        """
        SELECT DISTINCT ON (p.day) p.day, p.bucket, p.version, p.sequence, p.path,
               (SELECT count(DISTINCT b.sequence) FROM sealed_part b WHERE b.day = p.day AND b.sequence <= p.sequence)
        FROM sealed_part p WHERE p.day BETWEEN %s AND %s AND p.bucket = %s ORDER BY p.day, p.version DESC LIMIT 40
        """,
        (first, last, vehicle_id // VEHICLES_PER_BUCKET),
    ).fetchall()
    found = []
    for day, bucket, version, sequence, path, sealing in rows:
        manifest = manifest_path(POSITIONS, day.isoformat(), sealing)
        try:
            hashed = sha256(archive.files.get(manifest)) if archive is not None else ""
        except OSError:
            hashed = ""
        found.append(SealedPart(day, bucket, version, sequence, path, manifest, hashed))
    return found


def cases_of(conn: Connection[Any], flag_id: str) -> list[CaseBeside]:
    """The cases that a flag is in, newest first."""
    with conn.cursor(row_factory=class_row(CaseBeside)) as cursor:
        return cursor.execute(
            """
            SELECT case_id, state, opened_at FROM case_flag JOIN case_file USING (case_id)
            WHERE flag_id = %s ORDER BY case_id DESC LIMIT %s
            """,
            (flag_id, SEVERAL),
        ).fetchall()


def open_flags(conn: Connection[Any], user: User, from_day: date, to_day: date) -> Mapping[str, int]:
    """Rule → how many flags of these days stand, of the vehicles that this person may see."""
    return dict(
        conn.execute(
            f"""
            SELECT rule, count(*) FROM flag
            WHERE withdrawn_at IS NULL AND day BETWEEN %(from)s AND %(to)s
              AND {SEEN}
            GROUP BY rule ORDER BY rule LIMIT 1000
            """,
            {"seen": seen(conn, user.sees_unit), "from": from_day, "to": to_day},
        ).fetchall()
    )


def flags_to_compare(
    conn: Connection[Any], rule: str, from_day: int, to_day: int, vehicle_ids: Sequence[int] | None
) -> pd.DataFrame:
    """Flags of a rule on these days, of these vehicles or all, withdrawn ones too: `rules.whatif.STORED_COLUMNS`."""
    rows = conn.execute(
        """
        SELECT f.flag_id, rule_version, level, subject_id, vehicle_id, day - DATE '1970-01-01', withdrawn_at IS NOT NULL,
               exemption_id IS NOT NULL, coalesce(verdict, ''), reason_zh, reason_en
        FROM flag f LEFT JOIN flag_verdict v USING (flag_id)
        WHERE rule = %(rule)s AND day BETWEEN %(from)s AND %(to)s
          AND (%(vehicles)s::int[] IS NULL OR vehicle_id = ANY(%(vehicles)s))
        ORDER BY flag_id
        """,
        {
            "rule": rule,
            "from": day_date(from_day),
            "to": day_date(to_day),
            "vehicles": None if vehicle_ids is None else list(vehicle_ids),
        },
    ).fetchall()
    columns = (
        "flag_id", "rule_version", "level", "subject_id", "vehicle_id", "day", "withdrawn", "exempted", "verdict",
        "reason_zh", "reason_en",
    )  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=list(columns), dtype=object
    )  # texts of dtype str would take longer than all else
    return frame.astype({"withdrawn": bool, "exempted": bool})


def confirmed_subjects(conn: Connection[Any], subject: str, from_day: int, to_day: int) -> frozenset[str]:
    """What of a subject has a confirmed flag of any rule on these days."""
    rows = conn.execute(
        """
        SELECT DISTINCT subject_id FROM flag JOIN flag_verdict USING (flag_id)
        WHERE verdict = 'confirmed' AND subject = %s AND day BETWEEN %s AND %s
        """,
        (subject, day_date(from_day), day_date(to_day)),
    ).fetchall()
    return frozenset(name for (name,) in rows)
