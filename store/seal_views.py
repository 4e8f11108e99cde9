"""What the page of sealed vehicles reads: seals with what rules found on them, and who is not sealed; as `store.views`."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.refuel_views import FLAGS
from store.users import VISIBLE, User

SEAL_ROWS = 300
FREE_ROWS = 200


@dataclass(frozen=True, slots=True)
class SealRow:
    """A seal; `features` as rules were asked about it, empty: not judged yet; flags: (rule, level)."""

    seal_id: int
    vehicle_id: int
    plate: str
    unit_zh: str
    unit_en: str
    sealed_at: datetime
    unsealed_at: datetime | None
    odometer_m: int | None
    unsealed_odometer_m: int | None
    bay_zh: str
    bay_en: str
    key_custodian: str
    reason: str
    features: dict[str, Any]
    flags: list[list[str]]

    @property
    def mistaken(self) -> bool:
        """Whether it was entered by mistake: ended as it began."""
        return self.unsealed_at == self.sealed_at


@dataclass(frozen=True, slots=True)
class FreeRow:
    """A vehicle that has no seal without an end."""

    vehicle_id: int
    plate: str
    code: str
    unit_zh: str
    unit_en: str


def seals(
    conn: Connection[Any], user: User, *, from_day: date, to_day: date, unit: str = "", seal_id: int | None = None
) -> tuple[list[SealRow], int]:
    """Seals that hold still or held on one of these days, newest first, and how many there are; `seal_id`: that one."""
    parameters = {
        "own_unit": user.sees_unit, "from": from_day, "to": to_day, "unit": unit, "seal": seal_id, "rows": SEAL_ROWS,
    }  # fmt: skip
    chosen = """
        FROM vehicle_seal s JOIN mine USING (vehicle_id)
        WHERE CASE WHEN %(seal)s::int IS NULL
                   THEN sealed_at < (%(to)s::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
                        AND (unsealed_at IS NULL OR unsealed_at >= %(from)s::timestamp AT TIME ZONE 'Asia/Shanghai')
                   ELSE seal_id = %(seal)s END
          AND (%(unit)s = '' OR unit_code = %(unit)s)
    """
    with conn.cursor(row_factory=class_row(SealRow)) as cursor:
        found = cursor.execute(
            VISIBLE
            + f"""
            SELECT seal_id, s.vehicle_id, plate, unit_zh, unit_en, sealed_at, unsealed_at, odometer_m, unsealed_odometer_m,
                   coalesce(z.name_zh, s.bay) AS bay_zh, coalesce(nullif(z.name_en, ''), z.name_zh, s.bay) AS bay_en,
                   key_custodian, reason,
                   coalesce((SELECT features FROM judged_record j
                             WHERE j.subject = 'seal' AND j.subject_id = s.seal_id::text), '{{}}') AS features,
                   {FLAGS.format(subject="'seal'", subject_id="s.seal_id::text")} AS flags
            {chosen.replace("JOIN mine", "LEFT JOIN zone z ON z.zone_id = s.bay_zone_id JOIN mine")}
            ORDER BY unsealed_at IS NOT NULL, sealed_at DESC, plate LIMIT %(rows)s
            """,
            parameters,
        ).fetchall()
    count = conn.execute(VISIBLE + "SELECT count(*) " + chosen, parameters).fetchone()
    assert count is not None
    return found, count[0]


def free_vehicles(conn: Connection[Any], user: User, unit: str = "") -> tuple[list[FreeRow], int]:
    """Vehicles of a unit, or of all this person may see, that have no seal without an end, by unit; and how many."""
    parameters = {"own_unit": user.sees_unit, "unit": unit, "rows": FREE_ROWS}
    chosen = """
        FROM mine WHERE (%(unit)s = '' OR unit_code = %(unit)s)
          AND NOT EXISTS (SELECT FROM vehicle_seal s WHERE s.vehicle_id = mine.vehicle_id AND s.unsealed_at IS NULL)
    """
    with conn.cursor(row_factory=class_row(FreeRow)) as cursor:
        found = cursor.execute(
            VISIBLE
            + f"SELECT vehicle_id, plate, code, unit_zh, unit_en {chosen} ORDER BY unit_code, plate LIMIT %(rows)s",
            parameters,
        ).fetchall()
    count = conn.execute(VISIBLE + "SELECT count(*) " + chosen, parameters).fetchone()
    assert count is not None
    return found, count[0]


def seals_of(conn: Connection[Any], user: User, seal_ids: list[int]) -> dict[int, str]:
    """seal_id → plate of those seals whose vehicle this person may see."""
    rows = conn.execute(
        VISIBLE
        + "SELECT seal_id, plate FROM vehicle_seal JOIN mine USING (vehicle_id) WHERE seal_id = ANY(%(ids)s) LIMIT 1000",
        {"own_unit": user.sees_unit, "ids": seal_ids},
    ).fetchall()
    return dict(rows)
