"""What the page of exemptions reads. It names vehicles and units of the whole city: `User.may_see_exemptions` first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.views import PAGE_ROWS


@dataclass(frozen=True, slots=True)
class ExemptionRow:
    """An exemption in a list, with its end before its time and how many flags it lifts now; None: open, nobody, not ended."""

    exemption_id: int
    vehicle_id: int | None
    plate: str
    unit_zh: str
    unit_en: str
    rule: str
    approved_by: str
    reason: str
    valid_from: datetime | None
    valid_to: datetime | None
    entered_at: datetime
    entered_by: str
    ended_at: datetime | None
    end_reason: str
    ended_by: str
    holds: bool
    begins: bool
    flags: int


def exemptions(
    conn: Connection[Any], *, holding: bool = False, page: int = 1, rows: int = PAGE_ROWS
) -> tuple[list[ExemptionRow], int]:
    """One page of exemptions and how many there are: those that hold or will hold first, then the latest.

    holding: without those that are over.
    """
    asked = {"holding": holding, "rows": rows, "skip": (page - 1) * rows}
    with conn.cursor(row_factory=class_row(ExemptionRow)) as cursor:
        found = cursor.execute(
            """
            SELECT e.exemption_id, e.vehicle_id, coalesce(v.plate, '') AS plate, coalesce(u.name_zh, '') AS unit_zh,
                   coalesce(u.name_en, '') AS unit_en, coalesce(rule, '') AS rule, approved_by, e.reason,
                   lower(valid) AS valid_from, upper(valid) AS valid_to, e.entered_at, coalesce(a.name, '') AS entered_by,
                   n.ends_at AS ended_at, coalesce(n.reason, '') AS end_reason, coalesce(b.name, '') AS ended_by,
                   held @> now() AS holds, NOT isempty(held) AND lower(held) > now() IS TRUE AS begins,
                   (SELECT count(*) FROM flag f
                    WHERE f.exemption_id = e.exemption_id AND withdrawn_at IS NULL)::int AS flags
            """
            + _FOUND
            + " ORDER BY (held && tstzrange(now(), NULL)) DESC, e.exemption_id DESC LIMIT %(rows)s OFFSET %(skip)s",
            asked,
        ).fetchall()
    count = conn.execute("SELECT count(*)" + _FOUND, asked).fetchone()
    assert count is not None
    return found, count[0]


_FOUND = """
    FROM exemption e LEFT JOIN exemption_end n USING (exemption_id)
        CROSS JOIN LATERAL (SELECT valid * tstzrange(NULL, n.ends_at) AS held) AS held
        LEFT JOIN vehicle v USING (vehicle_id) LEFT JOIN unit u ON u.unit_id = e.unit_id
        LEFT JOIN app_user a ON a.user_id = e.entered_by LEFT JOIN app_user b ON b.user_id = n.ended_by
    WHERE NOT %(holding)s OR held && tstzrange(now(), NULL)
"""
