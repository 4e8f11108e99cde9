"""Whether a transaction was committed whose answer was lost: the server remembers, by the transaction's number."""

from typing import Any

from psycopg import Connection

from store.errors import StoreError


class UndecidedError(StoreError):
    """The transaction is still under way on the server; ask again."""


def transaction_number(conn: Connection[Any]) -> str:
    """The number of the transaction of this connection."""
    row = conn.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None
    return str(row[0])


def was_committed(conn: Connection[Any], number: str) -> bool:
    """Whether the transaction of this number, a recent one, was committed; UndecidedError while it is under way."""
    row = conn.execute("SELECT pg_xact_status(%s::text::xid8)", (number,)).fetchone()
    assert row is not None
    if row[0] == "in progress":
        raise UndecidedError(f"transaction {number} is under way")
    return bool(row[0] == "committed")
