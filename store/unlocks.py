"""Vehicles that two persons have to open: those exempted from all rules. One asks with a reason, another allows it."""

from collections.abc import Sequence
from dataclasses import Field, dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

from psycopg import Connection
from psycopg.rows import class_row

from store.errors import StoreError
from store.log import append
from store.users import VISIBLE, User

MAX_REASON = 500
WAITS_DAYS = 7
"""A request that nobody answered for so long is no longer shown."""


class UnlockError(StoreError):
    """A request that cannot be made or answered as it was said."""


@dataclass(frozen=True, slots=True)
class UnlockRow:
    """A request, and its answer where there is one."""

    unlock_id: int
    vehicle_id: int
    plate: str
    asked_by: int
    asker: str
    reason: str
    asked_at: datetime
    answerer: str
    granted: bool | None
    answered_at: datetime | None
    expires_at: datetime | None


class Reasoned(Protocol):
    """A row that tells of a flag why it was raised."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def flag_id(self) -> str:
        """Which."""

    @property
    def reason_zh(self) -> str:
        """In Chinese."""

    @property
    def reason_en(self) -> str:
        """In English."""


Flag = TypeVar("Flag", bound=Reasoned)


def is_locked(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> bool:
    """Whether an exemption of the vehicle itself from all rules holds now or held at some time of [start, end]."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM exemption e LEFT JOIN exemption_end n USING (exemption_id)
                           CROSS JOIN LATERAL (SELECT valid * tstzrange(NULL, n.ends_at) AS held) AS held
                       WHERE vehicle_id = %s AND rule IS NULL AND (held @> now() OR held && tstzrange(%s, %s, '[]')))
        """,
        (vehicle_id, start, end),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def is_unlocked(conn: Connection[Any], user: User, vehicle_id: int) -> bool:
    """Whether this person asked for, or allowed, the opening of this vehicle's tracks, and that still holds."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM track_unlock u JOIN track_unlock_answer a USING (unlock_id)
                       WHERE u.vehicle_id = %s AND a.granted AND a.expires_at > now()
                       AND %s IN (a.asked_by, a.answered_by))
        """,
        (vehicle_id, user.user_id),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def without_places(conn: Connection[Any], user: User, flags: Sequence[Flag]) -> list[Flag]:
    """The flags as this person may read them: without reasons, which name places, where those are not shown.

    They are not for a trip under approved private use, and for a vehicle that two persons have to open and have not.
    """
    closed = {
        flag_id
        for (flag_id,) in conn.execute(
            """
            SELECT flag_id FROM flag f
            WHERE flag_id = ANY(%(flags)s)
              AND (EXISTS (SELECT FROM trip t JOIN dispatch_order o ON o.order_no = t.dispatch_order AND o.private_use
                           WHERE t.trip_id = f.trip_id)
                   OR EXISTS (SELECT FROM exemption e LEFT JOIN exemption_end n USING (exemption_id)
                                  CROSS JOIN LATERAL (SELECT valid * tstzrange(NULL, n.ends_at) AS held) AS held
                              WHERE e.vehicle_id = f.vehicle_id AND e.rule IS NULL
                                AND (held @> now() OR held && tstzrange(f.start_time, f.end_time, '[]')))
                   AND NOT EXISTS (SELECT FROM track_unlock u JOIN track_unlock_answer a USING (unlock_id)
                                   WHERE u.vehicle_id = f.vehicle_id AND a.granted AND a.expires_at > now()
                                   AND %(user)s IN (a.asked_by, a.answered_by)))
            LIMIT %(limit)s
            """,
            {"flags": [flag.flag_id for flag in flags], "user": user.user_id, "limit": len(flags)},
        )
    }
    return [replace(flag, reason_zh="", reason_en="") if flag.flag_id in closed else flag for flag in flags]


def ask_unlock(conn: Connection[Any], user: User, vehicle_id: int, reason: str) -> int:
    """Ask for a vehicle's tracks; logged last. UnlockError without a reason; returns the number of the request.

    A request of this person that waits already is that request.
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise UnlockError(f"reason: expected a text of at most {MAX_REASON} characters, got {len(reason)}")
    waiting = conn.execute(
        """
        SELECT u.unlock_id FROM track_unlock u LEFT JOIN track_unlock_answer a USING (unlock_id)
        WHERE u.vehicle_id = %s AND u.asked_by = %s AND a.unlock_id IS NULL
          AND u.asked_at > now() - make_interval(days => %s) ORDER BY u.unlock_id DESC LIMIT 1
        """,
        (vehicle_id, user.user_id, WAITS_DAYS),
    ).fetchone()
    if waiting is not None:
        return int(waiting[0])
    row = conn.execute(
        "INSERT INTO track_unlock (vehicle_id, asked_by, reason) VALUES (%s, %s, %s) RETURNING unlock_id",
        (vehicle_id, user.user_id, reason),
    ).fetchone()
    assert row is not None
    append(conn, "access", "unlock asked", str(vehicle_id), user_id=user.user_id, facts={"reason": reason})
    return int(row[0])


def answer_unlock(conn: Connection[Any], user: User, unlock_id: int, granted: bool, hours: int) -> None:
    """Allow or refuse a request of somebody else; logged last. UnlockError where it is one's own, answered or not there."""
    row = conn.execute("SELECT vehicle_id, asked_by FROM track_unlock WHERE unlock_id = %s", (unlock_id,)).fetchone()
    if row is None:
        raise UnlockError(f"unlock: there is no request {unlock_id}")
    vehicle_id, asked_by = row
    if asked_by == user.user_id:
        raise UnlockError("unlock: expected another person than the one who asked")
    answered = conn.execute(
        """
        INSERT INTO track_unlock_answer (unlock_id, asked_by, answered_by, granted, expires_at)
        VALUES (%(unlock)s, %(asker)s, %(user)s, %(granted)s,
                CASE WHEN %(granted)s THEN now() + make_interval(hours => %(hours)s) END)
        ON CONFLICT (unlock_id) DO NOTHING RETURNING unlock_id
        """,
        {"unlock": unlock_id, "asker": asked_by, "user": user.user_id, "granted": granted, "hours": hours},
    ).fetchone()
    if answered is None:
        raise UnlockError(f"unlock: request {unlock_id} is answered already")
    action = "unlock allowed" if granted else "unlock refused"
    append(conn, "decision", action, str(vehicle_id), user_id=user.user_id, facts={"request": unlock_id})


def unlocks(conn: Connection[Any], user: User) -> list[UnlockRow]:
    """Requests of the last WAITS_DAYS about vehicles that this person may see, those that wait first."""
    with conn.cursor(row_factory=class_row(UnlockRow)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT u.unlock_id, u.vehicle_id, plate, u.asked_by, p.name AS asker, u.reason, u.asked_at,
                   coalesce(q.name, '') AS answerer, a.granted, a.answered_at, a.expires_at
            FROM track_unlock u JOIN mine USING (vehicle_id) JOIN app_user p ON p.user_id = u.asked_by
            LEFT JOIN track_unlock_answer a USING (unlock_id) LEFT JOIN app_user q ON q.user_id = a.answered_by
            WHERE u.asked_at > now() - make_interval(days => %(days)s)
            ORDER BY a.unlock_id IS NOT NULL, u.asked_at DESC LIMIT 200
            """,
            {"own_unit": user.sees_unit, "days": WAITS_DAYS},
        ).fetchall()
