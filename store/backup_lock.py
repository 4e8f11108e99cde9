"""The lock by which a backup asks for rest: no chunk is compressed, no partition dropped, while one reads.

Any number of backups hold it together. Who would rewrite or drop tables takes it for the length of a transaction, or
finds it held and leaves the work for the next round.
"""

from typing import Any

from psycopg import Connection

MIGRATION_LOCK = 0x676F6E67
"""Whoever holds it keeps others from opening the database, which brings its schema up to date."""

_BACKUP_LOCK = 0x676F6E6A  # any fixed number that is ours


def hold_for_backup(conn: Connection[Any]) -> None:
    """Hold it together with other backups until the transaction ends; waits for a rewrite that is under way."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_BACKUP_LOCK,))


def no_backup_reads(conn: Connection[Any]) -> bool:
    """Whether no backup is under way; then none begins to read until the transaction ends."""
    row = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (_BACKUP_LOCK,)).fetchone()
    assert row is not None
    return bool(row[0])
