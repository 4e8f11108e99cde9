"""What the page of refuelling reads: receipts with what rules found on them, vehicle-months; permissions as in `store.views`."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.users import SEEN, VISIBLE, User, seen
from store.views import PAGE_ROWS

MONTH_ROWS = 200


@dataclass(frozen=True, slots=True)
class RefuelRow:
    """A receipt that holds; `features` as rules were asked about it, empty: not judged yet; flags: (rule, level)."""

    subject_id: str
    receipt_no: str
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    refuelled_at: datetime
    litres: float
    yuan: float | None
    odometer_m: int | None
    station: str
    card_no: str
    corrected: int  # former rows of the receipt
    features: dict[str, Any]
    flags: list[list[str]]


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A vehicle-month with its receipts; `features` and flags as in RefuelRow."""

    subject_id: str
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    receipts: int
    litres: float
    yuan: float | None
    features: dict[str, Any]
    flags: list[list[str]]


FLAGS = """
    ARRAY(SELECT ARRAY[f.rule, f.level] FROM flag f
          WHERE f.subject = {subject} AND f.subject_id = {subject_id} AND f.withdrawn_at IS NULL
          ORDER BY f.points DESC, f.rule LIMIT 20)
"""
"""Open flags on a row as (rule, level), the gravest first."""


def refuels(
    conn: Connection[Any],
    user: User,
    *,
    from_day: date,
    to_day: date,
    unit: str = "",
    receipt: str = "",
    flagged: bool = False,
    page: int = 1,
    rows: int = PAGE_ROWS,
) -> tuple[list[RefuelRow], int]:
    """One page of the receipts of these days, newest first, and how many there are; `receipt`: that one, of any day."""
    parameters = {
        "seen": seen(conn, user.sees_unit, unit=unit), "from": from_day, "to": to_day, "receipt": receipt,
        "flagged": flagged, "rows": rows, "skip": (page - 1) * rows,
    }  # fmt: skip
    chosen = f"""
        FROM (SELECT *, receipt_no || '-' || vehicle_id AS subject_id FROM valid_refuel) r
        WHERE {SEEN} AND CASE WHEN %(receipt)s = ''
                   THEN refuelled_at >= %(from)s::timestamp AT TIME ZONE 'Asia/Shanghai'
                        AND refuelled_at < (%(to)s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
                   ELSE %(receipt)s IN (receipt_no, subject_id) END
          AND (NOT %(flagged)s OR EXISTS (SELECT FROM flag f WHERE f.subject = 'refuel' AND f.subject_id = r.subject_id
                                          AND f.withdrawn_at IS NULL))
    """
    with conn.cursor(row_factory=class_row(RefuelRow)) as cursor:
        found = cursor.execute(
            f"""
            SELECT r.subject_id, receipt_no, r.vehicle_id, plate, name_zh AS unit_zh, name_en AS unit_en, refuelled_at,
                   litres, yuan, odometer_m, station, card_no,
                   (SELECT count(*) FROM refuel o WHERE o.receipt_no = r.receipt_no AND o.refuel_id < r.refuel_id)::int
                       AS corrected,
                   coalesce((SELECT features FROM judged_record j
                             WHERE j.subject = 'refuel' AND j.subject_id = r.subject_id), '{{}}') AS features,
                   {FLAGS.format(subject="'refuel'", subject_id="r.subject_id")} AS flags
            FROM (SELECT * {chosen} ORDER BY refuelled_at DESC, receipt_no LIMIT %(rows)s OFFSET %(skip)s) r
            JOIN vehicle USING (vehicle_id) JOIN unit USING (unit_id)
            ORDER BY refuelled_at DESC, receipt_no
            """,
            parameters,
        ).fetchall()
    count = conn.execute("SELECT count(*) " + chosen, parameters).fetchone()
    assert count is not None
    return found, count[0]


def vehicle_months(
    conn: Connection[Any], user: User, *, from_day: date, to_day: date, unit: str = ""
) -> tuple[list[MonthRow], int]:
    """The vehicle-months listed under these days, farthest from their units first, and how many there are."""
    parameters = {
        "own_unit": user.sees_unit, "from": from_day, "to": to_day, "unit": unit, "rows": MONTH_ROWS,
    }  # fmt: skip
    chosen = """
        FROM judged_record j JOIN mine USING (vehicle_id)
        WHERE j.subject = 'month' AND j.day BETWEEN %(from)s AND %(to)s AND (%(unit)s = '' OR unit_code = %(unit)s)
    """
    with conn.cursor(row_factory=class_row(MonthRow)) as cursor:
        found = cursor.execute(
            VISIBLE
            + f"""
            SELECT j.subject_id, j.vehicle_id, plate, unit_zh, unit_en, s.receipts, s.litres, s.yuan, j.features,
                   {FLAGS.format(subject="'month'", subject_id="j.subject_id")} AS flags
            FROM (
                SELECT j.*, plate, unit_zh, unit_en {chosen}
                ORDER BY greatest(abs((features ->> 'consumption_z')::float8), abs((features ->> 'unit_z')::float8)) DESC
                         NULLS LAST, plate LIMIT %(rows)s
            ) j CROSS JOIN LATERAL (
                SELECT count(*)::int AS receipts, coalesce(sum(litres), 0) AS litres, sum(yuan) AS yuan FROM valid_refuel r
                WHERE r.vehicle_id = j.vehicle_id AND r.refuelled_at >= j.start_time AND r.refuelled_at < j.end_time
            ) s
            ORDER BY greatest(abs((features ->> 'consumption_z')::float8), abs((features ->> 'unit_z')::float8)) DESC
                     NULLS LAST, plate
            """,
            parameters,
        ).fetchall()
    count = conn.execute(VISIBLE + "SELECT count(*) " + chosen, parameters).fetchone()
    assert count is not None
    return found, count[0]
