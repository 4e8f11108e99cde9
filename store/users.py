"""People who sign in, and their sessions."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from psycopg import Connection
from psycopg.errors import CheckViolation, UniqueViolation

from store.errors import StoreError

_hasher = PasswordHasher()

# The vehicles a person may see: a manager those of the own unit's subtree, everybody else all.
VISIBLE = """
WITH RECURSIVE subtree AS (
    SELECT unit_id FROM unit WHERE unit_id = %(own_unit)s
    UNION SELECT u.unit_id FROM unit u JOIN subtree s ON u.parent_id = s.unit_id
), mine AS (
    SELECT v.vehicle_id, v.code, v.plate, v.class, v.model, v.unit_id, u.code AS unit_code, u.name_zh AS unit_zh,
           u.name_en AS unit_en
    FROM vehicle v JOIN unit u USING (unit_id)
    WHERE %(own_unit)s::int IS NULL OR v.unit_id IN (SELECT unit_id FROM subtree)
)
"""
"""Start of a query: `mine` are the vehicles that a person may see, by the parameter own_unit."""
SEEN = "(%(seen)s::int[] IS NULL OR vehicle_id = ANY(%(seen)s::int[]))"
"""Condition on rows of vehicles by the parameter of `seen`: as a value the planner counts them, looks few up, hashes many."""


class UserExistsError(StoreError):
    """A person of this name may sign in already."""


class InvalidEmailError(StoreError):
    """A text that is no address for mail."""


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person. unit_id: the unit whose subtree a manager sees; None for the other roles."""

    user_id: int
    name: str
    role: str  # manager, inspector, auditor, admin
    unit_id: int | None
    sees_cases: str = "all"  # all, or assigned: an inspector's own only
    unread: int = 0  # notices in the inbox

    @property
    def own_cases(self) -> int | None:
        """The inspector to whose cases this person's view is limited; None: the cases of all vehicles one sees."""
        return self.user_id if self.role == "inspector" and self.sees_cases == "assigned" else None

    @property
    def sees_unit(self) -> int | None:
        """The unit to whose subtree this person's view is limited; None: all units."""
        return self.unit_id if self.role == "manager" else None

    @property
    def may_see_quarantine(self) -> bool:
        """Whether what was refused is shown: it names terminals of all units."""
        return self.role in {"auditor", "admin"}

    @property
    def may_read_log(self) -> bool:
        """Whether the whole log is shown: looks, decisions, settings and rules of all units."""
        return self.role in {"auditor", "admin"}

    @property
    def may_see_looks(self) -> bool:
        """Whether it is shown who looked at a vehicle or trip that this person may see: the unit sees who looked."""
        return self.role in {"manager", "auditor", "admin"}

    @property
    def may_locate(self) -> bool:
        """Whether terminals may be asked where they are."""
        return self.role in {"admin", "inspector"}

    @property
    def may_see_answers(self) -> bool:
        """Whether what was asked of terminals, what they answered and their pictures are shown."""
        return self.role in {"admin", "inspector", "auditor"}

    @property
    def may_take_bundle(self) -> bool:
        """Whether the evidence bundle of a case may be made and taken."""
        return self.role in {"inspector", "auditor", "admin"}

    @property
    def may_keep_records(self) -> bool:
        """Whether refuelling may be entered and vehicles sealed: a manager of the own units, the administrator of all."""
        return self.role in {"manager", "admin"}

    @property
    def may_manage_orders(self) -> bool:
        """Whether vehicles may be applied for, approved, issued and taken back: a manager those of the own subtree."""
        return self.role in {"manager", "admin"}

    @property
    def may_see_exemptions(self) -> bool:
        """Whether the register of exemptions is shown: it names vehicles and units of the whole city."""
        return self.role in {"inspector", "auditor", "admin"}

    @property
    def may_exempt(self) -> bool:
        """Whether exemptions may be entered and ended."""
        return self.role == "admin"

    @property
    def may_see_unlocks(self) -> bool:
        """Whether requests to open the tracks of exempted vehicles are shown."""
        return self.role in {"inspector", "auditor", "admin"}

    @property
    def may_unlock(self) -> bool:
        """Whether another person's request to open such tracks may be answered."""
        return self.role in {"inspector", "admin"}

    @property
    def may_review(self) -> bool:
        """Whether the review queue and the accuracy of rules are shown: they name vehicles of all units."""
        return self.role in {"inspector", "auditor", "admin"}

    @property
    def may_decide(self) -> bool:
        """Whether reviews and cases may be decided."""
        return self.role == "inspector"

    @property
    def may_watch(self) -> bool:
        """Whether it is shown how reviews are done, and by whom."""
        return self.role in {"auditor", "admin"}

    @property
    def may_try_rules(self) -> bool:
        """Whether rules may be tried on past days: that tells of vehicles of all units."""
        return self.role in {"inspector", "auditor", "admin"}

    @property
    def may_administer(self) -> bool:
        """Whether duty calendars may be seen and edited, terminals approved and given commands."""
        return self.role == "admin"


def seen(conn: Connection[Any], own_unit: int | None, *, unit: str = "", named: str = "") -> str | None:
    """Ids of the vehicles that a person may see, as the text of an array; None: all there are.

    own_unit : the unit to whose subtree the view is limited, as `User.sees_unit` gives it.
    unit, named : of these only those of the unit of this code, and with this in their plate or code.
    """
    if own_unit is None and not unit and not named:
        return None
    row = conn.execute(
        VISIBLE
        + """
        SELECT coalesce(array_agg(vehicle_id ORDER BY vehicle_id), '{}')::text FROM mine
        WHERE (%(unit)s = '' OR unit_code = %(unit)s)
          AND (%(named)s = '' OR position(lower(%(named)s) IN lower(plate)) > 0
               OR position(lower(%(named)s) IN lower(code)) > 0)
        """,
        {"own_unit": own_unit, "unit": unit, "named": named},
    ).fetchone()
    assert row is not None
    return str(row[0])


def add_user(
    conn: Connection[Any],
    name: str,
    role: str,
    password: str,
    unit_id: int | None = None,
    *,
    sees_cases: str = "all",
) -> int:
    """Add a person; UserExistsError when the name is taken. Returns the user_id."""
    try:
        with conn.transaction():
            row = conn.execute(
                "INSERT INTO app_user (name, role, unit_id, password_hash, sees_cases) VALUES (%s, %s, %s, %s, %s) "
                "RETURNING user_id",
                (name, role, unit_id, _hasher.hash(password), sees_cases),
            ).fetchone()
    except UniqueViolation:
        raise UserExistsError(f"user {name!r}: there is one of this name") from None
    assert row is not None
    return int(row[0])


def set_email(conn: Connection[Any], name: str, email: str) -> bool:
    """Write down somebody's address for notices, or (empty) take it away; whether there is one of this name.

    InvalidEmailError when it is no address.
    """
    try:
        with conn.transaction():
            return conn.execute("UPDATE app_user SET email = %s WHERE name = %s", (email, name)).rowcount == 1
    except CheckViolation:
        raise InvalidEmailError(f"email: expected an address as name@host, got {email!r}") from None


def user_names(conn: Connection[Any]) -> set[str]:
    """Names of all who may sign in."""
    return {name for (name,) in conn.execute("SELECT name FROM app_user").fetchall()}


def users_by_name(conn: Connection[Any]) -> dict[str, User]:
    """All who may sign in, by name."""
    rows = conn.execute("SELECT user_id, name, role, unit_id, sees_cases FROM app_user ORDER BY user_id").fetchall()
    return {row[1]: User(*row) for row in rows}


def sign_in(conn: Connection[Any], name: str, password: str, hours: int) -> str | None:
    """A new session's token when name and password are right, else None. Only the token's hash is kept."""
    row = conn.execute("SELECT user_id, password_hash FROM app_user WHERE name = %s", (name,)).fetchone()
    if row is None:
        _hasher.hash(password)  # so that the answer takes as long as for a known name
        return None
    try:
        _hasher.verify(row[1], password)
    except VerificationError:
        return None
    token = secrets.token_urlsafe(32)
    conn.execute("DELETE FROM web_session WHERE expires_at < now()")
    conn.execute(
        "INSERT INTO web_session (token_sha256, user_id, expires_at) VALUES (%s, %s, now() + make_interval(hours => %s))",
        (_digest(token), row[0], hours),
    )
    return token


def user_of(conn: Connection[Any], token: str) -> User | None:
    """Who holds this session's token; None when it is unknown or has expired."""
    row = conn.execute(
        """
        SELECT u.user_id, u.name, u.role, u.unit_id, u.sees_cases,
               (SELECT count(*) FROM notice_to t WHERE t.user_id = u.user_id AND t.read_at IS NULL)
        FROM web_session s JOIN app_user u USING (user_id)
        WHERE s.token_sha256 = %s AND s.expires_at > now()
        """,
        (_digest(token),),
    ).fetchone()
    return User(*row) if row else None


def sign_out(conn: Connection[Any], token: str) -> None:
    """End a session."""
    conn.execute("DELETE FROM web_session WHERE token_sha256 = %s", (_digest(token),))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
