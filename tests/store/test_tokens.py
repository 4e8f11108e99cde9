"""Tokens of machines: shown once, kept as a hash, with a person's role and unit, until they end."""

from datetime import timedelta

import pytest

from store.database import Database
from store.tokens import PREFIX, TokenError, add_token, revoke_token, tokens, user_of_token
from tests.store.rows import person


def test_a_token_speaks_for_its_person_until_it_ends_or_is_revoked(database: Database) -> None:
    with database.connection() as conn:
        number = person(conn, "wang")
        first, text = add_token(conn, "wang", 30, "order system")
        second, other = add_token(conn, "wang", 30)
        assert text.startswith(PREFIX)
        assert text != other
        found = user_of_token(conn, text)
        assert found is not None
        assert (found[0].user_id, found[0].name, found[0].role, found[1]) == (number, "wang", "inspector", first)
        assert revoke_token(conn, second) == "wang"
        assert user_of_token(conn, other) is None
        with pytest.raises(TokenError, match=f"token {second}: expected one that holds"):
            revoke_token(conn, second)
        conn.execute("UPDATE api_token SET expires_at = now() WHERE token_id = %s", (first,))
        assert user_of_token(conn, text) is None
        assert user_of_token(conn, "") is None
        rows = tokens(conn)
    now = rows[0].created_at + timedelta(days=1)
    assert [(row.token_id, row.label, row.state(now)) for row in rows] == [
        (second, "", "revoked"),
        (first, "order system", "expired"),
    ]
    assert rows[1].last_used_at is not None
    assert rows[0].last_used_at is None


def test_only_the_hash_is_kept(database: Database) -> None:
    with database.connection() as conn:
        person(conn, "wang")
        _, text = add_token(conn, "wang", 1)
        row = conn.execute("SELECT api_token::text FROM api_token").fetchone()
        assert row is not None
        assert text.removeprefix(PREFIX) not in row[0]
        assert text.encode().hex() not in row[0]


def test_nobody_has_no_token(database: Database) -> None:
    with pytest.raises(TokenError, match="nobody signs in as 'wang'"), database.connection() as conn:
        add_token(conn, "wang", 1)
