"""What tracks are opened for: a purpose or a case, stated by each person for each vehicle, valid for some hours."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.errors import StoreError
from store.log import append
from store.users import VISIBLE, User

KINDS = ("review", "case", "explanation", "management", "complaint", "audit", "other")
SAID = frozenset({"complaint", "other"})
"""Kinds that need a word more."""
MAX_SAID = 500


class PurposeError(StoreError):
    """A purpose that says too little, or names a case that is not this vehicle's."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a person opens the tracks of a vehicle."""

    purpose_id: int
    kind: str
    said: str
    case_id: int | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CaseChoice:
    """An open case of a vehicle, to choose as purpose."""

    case_id: int
    state: str


def state_purpose(
    conn: Connection[Any],
    user: User,
    vehicle_id: int,
    kind: str,
    hours: int,
    *,
    said: str = "",
    case_id: int | None = None,
) -> Purpose:
    """Write down what a vehicle's tracks are opened for, and log it as the last statement of the transaction.

    The person may see the vehicle; the caller has asked. PurposeError names what is missing.
    """
    said = said.strip()
    if kind not in KINDS:
        raise PurposeError(f"purpose: expected one of {', '.join(KINDS)}, got {kind!r}")
    if len(said) > MAX_SAID:
        raise PurposeError(f"purpose: expected at most {MAX_SAID} characters, got {len(said)}")
    if kind in SAID and not said:
        raise PurposeError(f"purpose {kind}: expected a text, got none")
    if kind == "case":
        known = conn.execute(
            "SELECT FROM case_file WHERE case_id = %s AND vehicle_id = %s", (case_id, vehicle_id)
        ).fetchone()
        if known is None:
            raise PurposeError(f"case: expected a case of this vehicle, got {case_id}")
    elif case_id is not None:
        raise PurposeError(f"purpose {kind}: expected no case, got {case_id}")
    with conn.cursor(row_factory=class_row(Purpose)) as cursor:
        stated = cursor.execute(
            """
            INSERT INTO track_purpose (user_id, vehicle_id, kind, said, case_id, expires_at)
            VALUES (%s, %s, %s, %s, %s, now() + make_interval(hours => %s))
            RETURNING purpose_id, kind, said, case_id, expires_at
            """,
            (user.user_id, vehicle_id, kind, said, case_id, hours),
        ).fetchone()
    assert stated is not None
    facts = {"kind": kind, **({"said": said} if said else {}), **({"case": case_id} if case_id else {})}
    append(conn, "access", "purpose stated", str(vehicle_id), user_id=user.user_id, facts=facts)
    return stated


def purpose_of(conn: Connection[Any], user: User, vehicle_id: int) -> Purpose | None:
    """The purpose that this person stated last for this vehicle, if it still holds."""
    with conn.cursor(row_factory=class_row(Purpose)) as cursor:
        return cursor.execute(
            """
            SELECT purpose_id, kind, said, case_id, expires_at FROM track_purpose
            WHERE user_id = %s AND vehicle_id = %s AND expires_at > now() ORDER BY purpose_id DESC LIMIT 1
            """,
            (user.user_id, vehicle_id),
        ).fetchone()


def cases_to_choose(conn: Connection[Any], user: User, vehicle_id: int) -> list[CaseChoice]:
    """Open cases of a vehicle that this person may see, newest first."""
    with conn.cursor(row_factory=class_row(CaseChoice)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT case_id, state FROM case_file JOIN mine USING (vehicle_id)
            WHERE vehicle_id = %(vehicle)s AND open ORDER BY case_id DESC LIMIT 50
            """,
            {"own_unit": user.sees_unit, "vehicle": vehicle_id},
        ).fetchall()
