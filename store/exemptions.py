"""Exemptions: leave from rules, with who approved it, why, from when to when. Entered once, never changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from store.errors import StoreError
from store.fleet import refer
from store.judged import mark_exemption


class ExemptionError(StoreError):
    """An exemption that says too little, or of whom twice."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """Leave of a vehicle, or of a unit and all below it (one of them, by code), from a rule, or from all (empty).

    From `valid_from` to before `valid_to`, µs UTC; None: since ever, until further notice.
    """

    approved_by: str
    reason: str
    vehicle: str = ""
    unit: str = ""
    rule: str = ""
    valid_from: int | None = None
    valid_to: int | None = None
    entered_at: datetime | None = None
    exemption_id: int = 0


def add_exemption(conn: Connection[Any], exemption: Exemption, user_id: int | None = None) -> int:
    """Enter an exemption, by a person or (None) at the command line; returns its number.

    The closed days on which it holds become stale, so that the next audit lifts their flags.
    ExemptionError names what is missing or too much; UnknownReferenceError a vehicle or unit that is not there.
    """
    if bool(exemption.vehicle) == bool(exemption.unit):
        raise ExemptionError(
            f"exemption: expected a vehicle or a unit, got {'both' if exemption.vehicle else 'neither'}"
        )
    for name in ("approved_by", "reason"):
        if not getattr(exemption, name).strip():
            raise ExemptionError(f"exemption: {name}: expected a text, got none")
    begins, ends = exemption.valid_from, exemption.valid_to
    if begins is not None and ends is not None and ends <= begins:
        raise ExemptionError(
            f"exemption: valid_to: expected a time after {to_datetime(begins).isoformat()}, "
            f"got {to_datetime(ends).isoformat()}"
        )
    refer(conn, "vehicle", {exemption.vehicle})
    refer(conn, "unit", {exemption.unit})
    row = conn.execute(
        """
        INSERT INTO exemption (vehicle_id, unit_id, rule, approved_by, reason, valid, entered_by)
        VALUES ((SELECT vehicle_id FROM vehicle WHERE code = %(vehicle)s),
                (SELECT unit_id FROM unit WHERE code = %(unit)s), nullif(%(rule)s, ''), %(approved_by)s, %(reason)s,
                tstzrange(%(valid_from)s, %(valid_to)s), %(user_id)s)
        RETURNING exemption_id
        """,
        {
            "vehicle": exemption.vehicle,
            "unit": exemption.unit,
            "rule": exemption.rule,
            "approved_by": exemption.approved_by,
            "reason": exemption.reason,
            "valid_from": None if begins is None else to_datetime(begins),
            "valid_to": None if ends is None else to_datetime(ends),
            "user_id": user_id,
        },
    ).fetchone()
    assert row is not None
    mark_exemption(conn, row[0])
    return int(row[0])


def load_exemptions(conn: Connection[Any], from_us: int, to_us_: int) -> list[Exemption]:
    """Exemptions that hold at some time of [from_us, to_us_), by number."""
    rows = conn.execute(
        """
        SELECT approved_by, reason, coalesce(v.code, ''), coalesce(u.code, ''), coalesce(rule, ''), lower(valid),
               upper(valid), entered_at, exemption_id
        FROM exemption e LEFT JOIN vehicle v USING (vehicle_id) LEFT JOIN unit u ON u.unit_id = e.unit_id
        WHERE valid && tstzrange(%s, %s) ORDER BY exemption_id
        """,
        (to_datetime(from_us), to_datetime(to_us_)),
    ).fetchall()
    return [
        Exemption(
            approved_by, reason, vehicle, unit, rule, begins and to_us(begins), ends and to_us(ends), entered_at, number
        )
        for approved_by, reason, vehicle, unit, rule, begins, ends, entered_at, number in rows
    ]
