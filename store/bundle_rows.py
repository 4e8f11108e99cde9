"""What the evidence bundle of a case reads of it, and how a bundle that was given out is put on record.

Everything is read in one snapshot (`hold_still`), so that a bundle is of one instant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import to_datetime
from store.manifest import GENESIS, manifest_path
from store.trip_views import OrderRow, TripRow

MAX_FLAGS = 2_000
MAX_EVENTS = 10_000
MAX_ENTRIES = 20_000
MAX_SEALINGS = 20_000
MAX_FILES = 1_000


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case with its vehicle."""

    case_id: int
    vehicle_id: int
    vehicle: str
    plate: str
    vehicle_class: str
    model: str
    unit: str
    unit_zh: str
    unit_en: str
    state: str
    assigned_to: str
    deadline: datetime | None
    opened_at: datetime
    opened_by: str
    base_zone_id: int | None
    area_zone_id: int | None
    calendar: str


@dataclass(frozen=True, slots=True)
class CaseStep:
    """A step of a case. person: empty for the system."""

    event_id: int
    at: datetime
    person: str
    from_state: str | None
    to_state: str
    reason: str
    deadline: datetime | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CaseFlag:
    """A flag of a case, with the verdict on it."""

    flag_id: str
    rule: str
    rule_version: int
    level: str
    subject: str
    subject_id: str
    trip_id: str
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
    added_at: datetime
    added_by: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Exempted:
    """An exemption of the vehicle or of a unit above it that holds at some time; whose: its code."""

    exemption_id: int
    whose: str
    rule: str
    approved_by: str
    reason: str
    valid_from: datetime | None
    valid_to: datetime | None
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class DutyDayRow:
    """A day of a duty calendar, with its shifts as (start, end)."""

    day: date
    kind: str
    name: str
    shifts: tuple[tuple[datetime, datetime], ...]


@dataclass(frozen=True, slots=True)
class SealedDay:
    """The newest sealed part that a vehicle's positions of a local day are in. reopened: late ones are in none yet."""

    version: int
    sequence: int
    rows: int
    path: str
    reopened: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """An entry of the log as its hash takes it."""

    entry_id: int
    at_us: int
    user_id: int | None
    kind: str
    action: str
    subject: str
    facts: str
    previous_sha256: str
    sha256: str
    person: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of a case: an attachment, or a bundle that was given out."""

    evidence_id: int
    kind: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    path: str
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True)
class Heads:
    """Number and hash of the newest entry of the log, and of the newest sealing of the archive; 0 where there is none."""

    entry_id: int
    entry_sha256: str
    sequence: int
    manifest_sha256: str


def hold_still(conn: Connection[Any]) -> None:
    """Make this transaction, in which nothing was read yet, one snapshot that changes nothing."""
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def case(conn: Connection[Any], case_id: int) -> CaseRow | None:
    """A case; None where there is none of this number."""
    with conn.cursor(row_factory=class_row(CaseRow)) as cursor:
        return cursor.execute(
            """
            SELECT c.case_id, c.vehicle_id, v.code AS vehicle, v.plate, v.class AS vehicle_class, v.model, u.code AS unit,
                   u.name_zh AS unit_zh, u.name_en AS unit_en, c.state, coalesce(a.name, '') AS assigned_to, c.deadline,
                   c.opened_at, coalesce(o.name, '') AS opened_by, v.base_zone_id,
                   coalesce(v.area_zone_id, u.area_zone_id) AS area_zone_id, coalesce(d.calendar, '') AS calendar
            FROM case_file c JOIN vehicle v USING (vehicle_id) JOIN unit u USING (unit_id)
            LEFT JOIN app_user a ON a.user_id = c.assigned_to LEFT JOIN app_user o ON o.user_id = c.opened_by
            LEFT JOIN vehicle_calendar d ON d.vehicle_id = v.vehicle_id
            WHERE c.case_id = %s
            """,
            (case_id,),
        ).fetchone()


def steps(conn: Connection[Any], case_id: int) -> list[CaseStep]:
    """The steps of a case, in order."""
    with conn.cursor(row_factory=class_row(CaseStep)) as cursor:
        return cursor.execute(
            """
            SELECT event_id, at, coalesce(name, '') AS person, from_state, to_state, reason, deadline, facts
            FROM case_event LEFT JOIN app_user USING (user_id) WHERE case_id = %s ORDER BY event_id LIMIT %s
            """,
            (case_id, MAX_EVENTS),
        ).fetchall()


def case_flags(conn: Connection[Any], case_id: int) -> list[CaseFlag]:
    """The flags of a case, by time; one more than MAX_FLAGS where there are too many."""
    with conn.cursor(row_factory=class_row(CaseFlag)) as cursor:
        return cursor.execute(
            """
            SELECT f.flag_id, f.rule, f.rule_version, f.level, f.subject, f.subject_id, f.trip_id, f.day, f.start_time,
                   f.end_time, f.points, f.reason_zh, f.reason_en, f.numbers, f.raised_at, f.withdrawn_at, f.exemption_id,
                   c.added_at, coalesce(u.name, '') AS added_by, coalesce(v.verdict, '') AS verdict
            FROM case_flag c JOIN flag f USING (flag_id) LEFT JOIN app_user u ON u.user_id = c.added_by
            LEFT JOIN flag_verdict v ON v.flag_id = f.flag_id
            WHERE c.case_id = %s ORDER BY f.start_time, f.flag_id LIMIT %s
            """,
            (case_id, MAX_FLAGS + 1),
        ).fetchall()


def trip(conn: Connection[Any], trip_id: str) -> TripRow | None:
    """A trip; None where late data took it away."""
    with conn.cursor(row_factory=class_row(TripRow)) as cursor:
        return cursor.execute(
            """
            SELECT trip_id, vehicle_id, plate, u.name_zh AS unit_zh, u.name_en AS unit_en, day, start_time, end_time,
                   start_lat, start_lon, end_lat, end_lon, distance_m, distance_low_m, distance_high_m, odometer_m,
                   duration_s, moving_s, max_speed_mps, off_hours_s, off_hours_m, out_of_area_s, out_of_area_m,
                   dispatch_order, origin_place, destination_place, private_score, features,
                   (SELECT count(*) FROM flag f WHERE f.trip_id = t.trip_id AND withdrawn_at IS NULL)::int AS flags,
                   EXISTS (SELECT FROM dispatch_order o WHERE o.order_no = t.dispatch_order AND o.private_use) AS private_use
            FROM trip t JOIN vehicle v USING (vehicle_id) JOIN unit u USING (unit_id) WHERE trip_id = %s
            """,
            (trip_id,),
        ).fetchone()


def private_trips(
    conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """When a vehicle was on trips under approved private use, as far as they touch a time."""
    return conn.execute(
        """
        SELECT t.start_time, t.end_time FROM trip t JOIN dispatch_order o ON o.order_no = t.dispatch_order AND o.private_use
        WHERE t.vehicle_id = %s AND t.start_time <= %s AND t.end_time >= %s ORDER BY t.start_time LIMIT 1000
        """,
        (vehicle_id, end, start),
    ).fetchall()


def is_private_time(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> bool:
    """Whether an order of approved private use holds at some instant of (start, end)."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM dispatch_order WHERE vehicle_id = %s AND private_use AND starts < %s AND ends > %s
                       AND state NOT IN ('applied', 'refused', 'cancelled'))
        """,
        (vehicle_id, end, start),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def silence(conn: Connection[Any], dark_id: str) -> dict[str, Any] | None:
    """An entry of the dark-kilometre ledger by its columns; None where there is none."""
    row = conn.execute("SELECT to_jsonb(d) FROM dark_entry d WHERE dark_id = %s", (dark_id,)).fetchone()
    return None if row is None else row[0]


def orders(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> list[OrderRow]:
    """Dispatch orders of a vehicle that touch a time; without where those of approved private use went."""
    with conn.cursor(row_factory=class_row(OrderRow)) as cursor:
        return cursor.execute(
            """
            SELECT order_no, starts, ends, driver_card, purpose, CASE WHEN private_use THEN '' ELSE destination END
                   AS destination, approved_by
            FROM dispatch_order WHERE vehicle_id = %s AND starts < %s AND ends > %s ORDER BY starts, order_no LIMIT 100
            """,
            (vehicle_id, end, start),
        ).fetchall()


def exemptions(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> list[Exempted]:
    """Exemptions of a vehicle, or of a unit it stands below, that hold at some time of [start, end]."""
    with conn.cursor(row_factory=class_row(Exempted)) as cursor:
        return cursor.execute(
            """
            WITH RECURSIVE above AS (
                SELECT unit_id, 0 AS depth FROM vehicle WHERE vehicle_id = %(vehicle)s
                UNION SELECT u.parent_id, depth + 1 FROM above a JOIN unit u USING (unit_id)
                WHERE u.parent_id IS NOT NULL AND depth < 32
            )
            SELECT exemption_id, coalesce(v.code, u.code) AS whose, coalesce(rule, '') AS rule, approved_by, reason,
                   lower(valid) AS valid_from, upper(valid) AS valid_to, entered_at
            FROM exemption e LEFT JOIN vehicle v USING (vehicle_id) LEFT JOIN unit u ON u.unit_id = e.unit_id
            WHERE (e.vehicle_id = %(vehicle)s OR e.unit_id IN (SELECT unit_id FROM above))
              AND valid && tstzrange(%(start)s, %(end)s, '[]') ORDER BY exemption_id LIMIT 100
            """,
            {"vehicle": vehicle_id, "start": start, "end": end},
        ).fetchall()


def duty_days(conn: Connection[Any], calendar: str, first: date, last: date) -> list[DutyDayRow]:
    """Days of a duty calendar with their shifts, by day."""
    span = (calendar, first, last)
    shifts: dict[date, list[tuple[datetime, datetime]]] = {}
    for day, starts, ends in conn.execute(
        "SELECT day, starts, ends FROM duty_shift WHERE calendar = %s AND day BETWEEN %s AND %s ORDER BY starts LIMIT 5000",
        span,
    ):
        shifts.setdefault(day, []).append((starts, ends))
    rows = conn.execute(
        "SELECT day, kind, name FROM duty_day WHERE calendar = %s AND day BETWEEN %s AND %s ORDER BY day LIMIT 1000",
        span,
    ).fetchall()
    return [DutyDayRow(day, kind, name, tuple(shifts.get(day, ()))) for day, kind, name in rows]


def sealed_day(conn: Connection[Any], vehicle_id: int, bucket: int, day: date) -> SealedDay | None:
    """The sealed part of a bucket's day; None where the day is not sealed."""
    with conn.cursor(row_factory=class_row(SealedDay)) as cursor:
        return cursor.execute(
            """
            SELECT version, sequence, rows, path,
                   EXISTS (SELECT FROM open_day o WHERE o.day = p.day AND o.vehicle_id = %s) AS reopened
            FROM sealed_part p WHERE day = %s AND bucket = %s ORDER BY version DESC LIMIT 1
            """,
            (vehicle_id, day, bucket),
        ).fetchone()


def sealings(conn: Connection[Any], first: int) -> list[tuple[int, str]]:
    """(Number, path of its manifest) of every sealing from one on, in order."""
    rows = conn.execute(
        """
        WITH sealing AS (
            SELECT 'positions' AS tree, day, sequence FROM sealed_part
            UNION SELECT 'raw', day, sequence FROM sealed_frames
        ), numbered AS (
            SELECT sequence, tree, day, rank() OVER (PARTITION BY tree, day ORDER BY sequence)::int AS version FROM sealing
        )
        SELECT sequence, tree, day, version FROM numbered WHERE sequence >= %s ORDER BY sequence LIMIT %s
        """,
        (first, MAX_SEALINGS),
    ).fetchall()
    return [(sequence, manifest_path(tree, day.isoformat(), version)) for sequence, tree, day, version in rows]


def heads(conn: Connection[Any]) -> Heads:
    """The heads of log and archive."""
    log = conn.execute("SELECT entry_id, sha256 FROM log_head").fetchone() or (0, GENESIS)
    archive = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone() or (0, GENESIS)
    return Heads(*log, *archive)


def log_lines(conn: Connection[Any], case_id: int, subjects: Sequence[str], since: datetime) -> list[LogLine]:
    """Entries about a case, its flags or what they are on, in order; the newest MAX_ENTRIES where there are more.

    since: when the case was opened; an entry that names it among its facts is not older.
    """
    with conn.cursor(row_factory=class_row(LogLine)) as cursor:
        return cursor.execute(
            """
            SELECT * FROM (
                SELECT entry_id, (extract(epoch FROM at) * 1000000)::bigint AS at_us, l.user_id, kind, action, subject,
                       facts::text AS facts, previous_sha256, sha256, coalesce(u.name, facts ->> 'who', '') AS person
                FROM log_entry l LEFT JOIN app_user u ON u.user_id = l.user_id
                WHERE subject = ANY(%(subjects)s) OR (subject = %(case)s AND action LIKE '%%case%%')
                   OR (at >= %(since)s AND %(case)s IN (facts ->> 'case', facts ->> 'case_id'))
                ORDER BY entry_id DESC LIMIT %(limit)s
            ) AS newest ORDER BY entry_id
            """,
            {"case": str(case_id), "subjects": list(subjects), "since": since, "limit": MAX_ENTRIES},
        ).fetchall()


def log_hashes(conn: Connection[Any], numbers: Sequence[int]) -> dict[int, str]:
    """Number → hash of these entries, as far as the log has them."""
    return dict(
        conn.execute(
            "SELECT entry_id, sha256 FROM log_entry WHERE entry_id = ANY(%s) LIMIT %s", (list(numbers), len(numbers))
        ).fetchall()
    )


def terminals_of(conn: Connection[Any], vehicle_id: int, from_us: int, to_us: int) -> list[str]:
    """Numbers without leading zeros of the terminals that were in a vehicle at some time of [from_us, to_us) (µs UTC)."""
    rows = conn.execute(
        """
        SELECT DISTINCT terminal_key FROM terminal_binding JOIN terminal USING (terminal_no)
        WHERE terminal_binding.vehicle_id = %s AND valid && tstzrange(%s, %s) ORDER BY terminal_key LIMIT 50
        """,
        (vehicle_id, to_datetime(from_us), to_datetime(to_us)),
    ).fetchall()
    return [key for (key,) in rows]


def case_files(conn: Connection[Any], case_id: int) -> list[CaseFile]:
    """Attachments and earlier bundles of a case, by number."""
    with conn.cursor(row_factory=class_row(CaseFile)) as cursor:
        return cursor.execute(
            """
            SELECT evidence_id, kind, e.name, media_type, bytes, sha256, path, added_at, coalesce(u.name, '') AS added_by
            FROM evidence e LEFT JOIN app_user u ON u.user_id = e.added_by WHERE case_id = %s
            ORDER BY evidence_id LIMIT %s
            """,
            (case_id, MAX_FILES),
        ).fetchall()


def add_bundle(
    conn: Connection[Any], case_id: int, name: str, size: int, sha256: str, path: str, user_id: int | None
) -> int:
    """Put a bundle on record; returns the number of the file. path: below the folder of files."""
    row = conn.execute(
        """
        INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path, added_by)
        VALUES (%s, 'bundle', %s, 'application/zip', %s, %s, %s, %s) RETURNING evidence_id
        """,
        (case_id, name, size, sha256, path, user_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def bundle_record(conn: Connection[Any], sha256: str) -> tuple[int, datetime] | None:
    """(Case, when) of the bundle with this hash that was given out; None where none was."""
    return conn.execute(
        "SELECT case_id, added_at FROM evidence WHERE kind = 'bundle' AND sha256 = %s ORDER BY evidence_id LIMIT 1",
        (sha256,),
    ).fetchone()
