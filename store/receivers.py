"""Which receiver processes live, and the terminals that one of them left behind when it ended.

Each start of a process takes a number and holds an advisory lock on it for as long as its connection lives, so that the
server itself knows who is gone, however it went; no clock and no heartbeat is needed. When the server starts anew, every
process takes its lock again with its next connection.
"""

from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime

BROKER = 0
"""Stands for the receiver where a broker holds the terminals' connections: no process of ours ends them."""
_LOCKS = 0x676F6E68  # any fixed number that is ours
_LIVING = """
    SELECT objid::bigint AS receiver FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND classid = %(locks)s AND objsubid = 2 AND granted
      AND d.datname = current_database()
"""


def next_receiver(conn: Connection[Any]) -> int:
    """The number of a receiver process that starts."""
    row = conn.execute("SELECT nextval('receiver_number')::int").fetchone()
    assert row is not None
    return int(row[0])


def hold_receiver(conn: Connection[Any], receiver: int) -> None:
    """Say that this receiver process lives, until the connection ends.

    The lock is shared with our own connection before, which the server may not know yet to be gone.
    """
    conn.execute("SELECT pg_advisory_lock_shared(%s, %s)", (_LOCKS, receiver))


def leave_offline(conn: Connection[Any], at_us: int) -> int:
    """Mark as offline what stands online by a receiver process that no longer lives; how many terminals these were.

    Each gets an event `offline` of this instant (µs UTC): when the process ended nobody knows.
    """
    row = conn.execute(
        f"""
        WITH living AS ({_LIVING}
        ), gone AS (
            SELECT terminal_key FROM terminal_state
            WHERE online AND receiver <> %(broker)s AND receiver NOT IN (SELECT receiver FROM living)
            ORDER BY terminal_key COLLATE "C" FOR UPDATE
        ), changed AS (
            UPDATE terminal_state s SET online = false, since = greatest(s.since, %(at)s) FROM gone
            WHERE s.terminal_key = gone.terminal_key
            RETURNING s.terminal_key, s.since, s.source, s.place
        ), told AS (
            INSERT INTO terminal_event (terminal_key, at, kind, source, place, facts)
            SELECT terminal_key, since, 'offline', source, place, %(facts)s::jsonb FROM changed
            ORDER BY terminal_key
        )
        SELECT count(*) FROM changed
        """,
        {"locks": _LOCKS, "broker": BROKER, "at": to_datetime(at_us), "facts": '{"why": "receiver ended"}'},
    ).fetchone()
    assert row is not None
    return int(row[0])


def living_receivers(conn: Connection[Any]) -> frozenset[int]:
    """Numbers of the receiver processes that live."""
    return frozenset(number for (number,) in conn.execute(_LIVING, {"locks": _LOCKS}).fetchall())
