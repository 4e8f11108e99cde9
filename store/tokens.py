"""Tokens by which machines ask the API as a person. Only their hashes are kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.errors import StoreError
from store.users import User

PREFIX = "gongche_"
"""Begins every token, so that one that was left lying somewhere is known for what it is."""


class TokenError(StoreError):
    """A token that cannot be made or revoked."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token in a list."""

    token_id: int
    name: str
    role: str
    label: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """valid, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= now else "valid"


def add_token(conn: Connection[Any], name: str, days: int, label: str = "") -> tuple[int, str]:
    """Number and text of a new token of the person of this name; the text is not to be had again. TokenError: nobody."""
    token = PREFIX + secrets.token_urlsafe(32)
    row = conn.execute(
        """
        INSERT INTO api_token (user_id, token_sha256, label, expires_at)
        SELECT user_id, %s, %s, now() + make_interval(days => %s) FROM app_user WHERE name = %s RETURNING token_id
        """,
        (_digest(token), label, days, name),
    ).fetchone()
    if row is None:
        raise TokenError(f"user: nobody signs in as {name!r}")
    return int(row[0]), token


def user_of_token(conn: Connection[Any], token: str) -> tuple[User, int] | None:
    """Who a token speaks for, and its number; None when it is unknown, expired or revoked. The use is noted, to the minute."""
    row = conn.execute(
        """
        SELECT u.user_id, u.name, u.role, u.unit_id, token_id,
               coalesce(last_used_at < now() - interval '1 minute', true) AS unnoted
        FROM api_token t JOIN app_user u USING (user_id)
        WHERE token_sha256 = %s AND expires_at > now() AND revoked_at IS NULL
        """,
        (_digest(token),),
    ).fetchone()
    if row is None:
        return None
    *user, token_id, unnoted = row
    if unnoted:
        conn.execute("UPDATE api_token SET last_used_at = now() WHERE token_id = %s", (token_id,))
    return User(*user), token_id


def tokens(conn: Connection[Any], rows: int = 1000) -> list[TokenRow]:
    """All tokens, the newest first."""
    with conn.cursor(row_factory=class_row(TokenRow)) as cursor:
        return cursor.execute(
            """
            SELECT token_id, name, role, label, t.created_at, expires_at, last_used_at, revoked_at
            FROM api_token t JOIN app_user USING (user_id) ORDER BY token_id DESC LIMIT %s
            """,
            (rows,),
        ).fetchall()


def revoke_token(conn: Connection[Any], token_id: int) -> str:
    """End a token for good; returns whose it was. TokenError where there is none of the number, or it is revoked."""
    row = conn.execute(
        """
        UPDATE api_token t SET revoked_at = now() FROM app_user u
        WHERE u.user_id = t.user_id AND token_id = %s AND revoked_at IS NULL RETURNING name
        """,
        (token_id,),
    ).fetchone()
    if row is None:
        raise TokenError(f"token {token_id}: expected one that holds; gongche user token --list shows them")
    return str(row[0])


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
