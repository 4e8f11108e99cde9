"""Exemptions: leave from rules, with who approved it, why, from when to when. Entered once, never changed.

One that ends before its time gets a row of its own that says so. Closed days on which one begins or ceases to hold wait
for another audit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from store.errors import StoreError
from store.fleet import refer
from store.judged import SEALED
from store.stale import MARK


class ExemptionError(StoreError):
    """An exemption that says too little, or of whom twice; an end that is none."""


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
    mark_exempted(conn, [row[0]])
    return int(row[0])


def is_entered(conn: Connection[Any], exemption: Exemption) -> bool:
    """Whether one that says the same, to the last word, was entered already; it may have been ended since."""
    begins, ends = exemption.valid_from, exemption.valid_to
    row = conn.execute(
        """
        SELECT FROM exemption e LEFT JOIN vehicle v USING (vehicle_id) LEFT JOIN unit u ON u.unit_id = e.unit_id
        WHERE (coalesce(v.code, ''), coalesce(u.code, ''), coalesce(rule, ''), approved_by, e.reason) = (%s, %s, %s, %s, %s)
          AND valid = tstzrange(%s, %s)
        """,
        (
            exemption.vehicle,
            exemption.unit,
            exemption.rule,
            exemption.approved_by,
            exemption.reason,
            None if begins is None else to_datetime(begins),
            None if ends is None else to_datetime(ends),
        ),
    ).fetchone()
    return row is not None


def end_exemption(
    conn: Connection[Any], exemption_id: int, ends_at: int, reason: str, user_id: int | None = None
) -> None:
    """End an exemption at an instant, µs UTC, before its time; closed days that it lifted flags of become stale.

    One that ends before it began never held. ExemptionError where there is none, it ended already, or ends earlier.
    """
    if not reason.strip():
        raise ExemptionError("exemption: reason: expected a text, got none")
    # Of two that end it at once, the second waits here and finds it ended.
    row = conn.execute(
        """
        SELECT upper(valid), EXISTS (SELECT FROM exemption_end n WHERE n.exemption_id = e.exemption_id)
        FROM exemption e WHERE exemption_id = %s FOR UPDATE
        """,
        (exemption_id,),
    ).fetchone()
    if row is None:
        raise ExemptionError(f"exemption: no exemption has the number {exemption_id}")
    until, ended = row
    when = to_datetime(ends_at)
    if ended or (until is not None and until <= when):
        raise ExemptionError(
            f"exemption {exemption_id}: expected one that still holds at {when.isoformat()}, got one that ended before"
        )
    inserted = conn.execute(
        "INSERT INTO exemption_end (exemption_id, ends_at, reason, ended_by) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (exemption_id, when, reason.strip(), user_id),
    )
    if not inserted.rowcount:
        raise ExemptionError(f"exemption {exemption_id}: expected one that holds, got one that was ended just now")
    mark_exempted(conn, [exemption_id], since_us=ends_at)


def mark_exempted(conn: Connection[Any], exemption_ids: Sequence[int], since_us: int | None = None) -> None:
    """Make the closed days stale on which these exemptions hold, or held until they were ended; from an instant on.

    Of the vehicle, or of all vehicles in the unit and below it. A flag is lifted by what holds over its whole time, so no
    other day is concerned.
    """
    conn.execute(
        f"""
        WITH RECURSIVE given AS (
            SELECT exemption_id, vehicle_id, unit_id, valid * tstzrange(%(since)s, NULL) AS valid
            FROM exemption WHERE exemption_id = ANY(%(ids)s)
        ), below AS (
            SELECT exemption_id, unit_id FROM given WHERE unit_id IS NOT NULL
            UNION SELECT b.exemption_id, u.unit_id FROM unit u JOIN below b ON u.parent_id = b.unit_id
        ), held AS (
            SELECT vehicle_id, valid FROM given WHERE vehicle_id IS NOT NULL
            UNION ALL SELECT c.vehicle_id, g.valid FROM given g JOIN below USING (exemption_id) JOIN vehicle c
                ON c.unit_id = below.unit_id
        )
        INSERT INTO stale_day (vehicle_id, day)
        SELECT DISTINCT v.vehicle_id, v.day FROM vehicle_day v JOIN held h USING (vehicle_id)
        WHERE v.day >= coalesce((lower(h.valid) AT TIME ZONE 'Asia/Shanghai')::date, '-infinity')
          AND v.day <= coalesce(((upper(h.valid) - interval '1 us') AT TIME ZONE 'Asia/Shanghai')::date, 'infinity')
          AND NOT isempty(h.valid)
          AND {SEALED}
        ORDER BY v.vehicle_id, v.day {MARK}
        """,
        {"ids": list(exemption_ids), "since": None if since_us is None else to_datetime(since_us)},
    )


def load_exemptions(conn: Connection[Any], from_us: int, to_us_: int) -> list[Exemption]:
    """Exemptions that hold at some time of [from_us, to_us_), by number; one that was ended has its end for valid_to."""
    rows = conn.execute(
        """
        SELECT approved_by, e.reason, coalesce(v.code, ''), coalesce(u.code, ''), coalesce(rule, ''), lower(held),
               upper(held), e.entered_at, e.exemption_id
        FROM exemption e LEFT JOIN exemption_end n USING (exemption_id)
            CROSS JOIN LATERAL (SELECT valid * tstzrange(NULL, n.ends_at) AS held) AS held
            LEFT JOIN vehicle v USING (vehicle_id) LEFT JOIN unit u ON u.unit_id = e.unit_id
        WHERE held && tstzrange(%s, %s) ORDER BY exemption_id
        """,
        (to_datetime(from_us), to_datetime(to_us_)),
    ).fetchall()
    return [
        Exemption(
            approved_by, reason, vehicle, unit, rule, begins and to_us(begins), ends and to_us(ends), entered_at, number
        )
        for approved_by, reason, vehicle, unit, rule, begins, ends, entered_at, number in rows
    ]
