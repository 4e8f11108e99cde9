"""Terminals' registration: the code each was given, and whether it came back right."""

import hmac
import secrets

from psycopg import Connection

# 8 random bytes: 16 hexadecimal digits, which every terminal seen can hold (JT/T 808 sets no limit; some stop at 20).
CODE_BYTES = 8


def register_terminal(conn: Connection, terminal_no: str) -> str | None:
    """The authentication code of a terminal, made at its first registration; None when no vehicle is bound to it.

    Numbers match without regard to leading zeros: the editions of JT/T 808 pad them to different lengths. A terminal
    that registers again keeps its code, so that an older connection of it stays right.
    """
    row = conn.execute(
        """
        UPDATE terminal
           SET auth_code = CASE WHEN auth_code = '' THEN %(code)s ELSE auth_code END,
               registered_at = now()
         WHERE terminal_no IN (
                   SELECT terminal_no FROM bound_terminal WHERE ltrim(terminal_no, '0') = ltrim(%(terminal_no)s, '0')
               )
        RETURNING auth_code
        """,
        {"code": secrets.token_hex(CODE_BYTES), "terminal_no": terminal_no},
    ).fetchone()
    return None if row is None else str(row[0])


def authenticate_terminal(conn: Connection, terminal_no: str, code: str) -> bool | None:
    """Whether `code` is the one this terminal was given; False for one that never registered, None for a stranger."""
    row = conn.execute(
        "SELECT auth_code FROM bound_terminal WHERE ltrim(terminal_no, '0') = ltrim(%s, '0')", (terminal_no,)
    ).fetchone()
    if row is None:
        return None
    return row[0] != "" and hmac.compare_digest(row[0].encode(), code.encode())
