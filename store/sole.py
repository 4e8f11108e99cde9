"""Work that one process at a time does, however many could: held by a lock that ends with its connection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from store.database import Database
from store.errors import UnreachableError

_LOCKS = 0x676F6E69  # any fixed number that is ours


@contextmanager
def sole(database: Database, work: int) -> Iterator[Callable[[], bool]]:
    """Wait until no other process does this work; gives a question whether we still hold it, as after a server's restart.

    UnreachableError when the database does not answer.
    """
    conn = database.alone()
    try:
        try:
            conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCKS, work))
        except psycopg.Error as error:
            raise UnreachableError(f"database: {error}") from None

        def holds() -> bool:
            with suppress(psycopg.Error):
                conn.execute("SELECT 1")
                return True
            return False

        yield holds
    finally:
        conn.close()
