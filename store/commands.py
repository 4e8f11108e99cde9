"""What is asked of terminals: put down by a page or the command line, sent by the receiver that has the connection.

A command waits until its terminal is there, is sent once, and is done or failed as the terminal answers, or expired.
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from geo.terminal_key import terminal_key
from store.database import Database
from store.errors import StoreError, UnreachableError
from store.receivers import hold_receiver, next_receiver
from store.terminal_events import storable

KINDS = ("locate", "track", "set_parameters", "query_parameters", "query_properties", "text", "resend")
OPEN = frozenset({"waiting", "sent"})
"""States of a command that may still be answered in time."""
ASKED, ANSWERED = "terminal_command", "terminal_answer"
"""Channels: a command was put down; one was answered or has expired."""
# An answer is heard of at once; this often it is looked for all the same, as a notice is lost with its connection.
_LOOK_AGAIN_S = 1.0


class UnknownCommandError(StoreError):
    """A command that is not there."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a receiver has to send."""

    command_id: int
    terminal_key: str
    kind: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """What was asked, by whom, and what became of it; asked_by is empty where the command line asked."""

    command_id: int
    terminal_key: str
    kind: str
    arguments: dict[str, Any]
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    state: str  # waiting, sent, done, failed, expired
    answered_at: datetime | None
    answer: dict[str, Any] | None


# A command whose time is over is expired, whether or not a receiver runs that says so.
_ROW = """
    SELECT command_id, terminal_key, kind, arguments, coalesce(u.name, '') AS asked_by, asked_at, expires_at, sent_at,
           CASE WHEN state IN ('waiting', 'sent') AND expires_at <= now() THEN 'expired' ELSE state END AS state,
           answered_at, answer
    FROM terminal_command LEFT JOIN app_user u ON u.user_id = asked_by
"""


def ask(
    conn: Connection[Any],
    terminal_no: str,
    kind: str,
    arguments: Mapping[str, Any],
    *,
    asked_by: int | None,
    wait_s: float,
) -> int:
    """Put down a command that may be answered within so many seconds; its command_id. It is sent once this commits."""
    key = terminal_key(terminal_no)
    row = conn.execute(
        """
        INSERT INTO terminal_command (terminal_key, kind, arguments, asked_by, asked_at, expires_at)
        VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s)) RETURNING command_id
        """,
        (key, kind, json.dumps(storable(arguments)), asked_by, wait_s),
    ).fetchone()
    assert row is not None
    conn.execute("SELECT pg_notify(%s, %s)", (ASKED, key))
    return int(row[0])


def read_command(conn: Connection[Any], command_id: int) -> CommandRow | None:
    """One command as it stands; None when it is not there."""
    with conn.cursor(row_factory=class_row(CommandRow)) as cursor:
        return cursor.execute(_ROW + "WHERE command_id = %s", (command_id,)).fetchone()


def commands_of(conn: Connection[Any], key: str, limit: int) -> list[CommandRow]:
    """The newest commands to a terminal, by its number without leading zeros."""
    with conn.cursor(row_factory=class_row(CommandRow)) as cursor:
        return cursor.execute(
            _ROW + "WHERE terminal_key = %s ORDER BY asked_at DESC, command_id DESC LIMIT %s", (key, limit)
        ).fetchall()


def await_answer(database: Database, command_id: int, timeout_s: float) -> CommandRow:
    """The command once it is done, failed or expired, else as it stands after so many seconds.

    UnknownCommandError when there is no such command; UnreachableError when the database goes away meanwhile.
    """
    until = time.monotonic() + timeout_s
    with database.listener(ANSWERED) as conn:
        while True:
            try:
                row = read_command(conn, command_id)
                if row is None:
                    raise UnknownCommandError(f"command {command_id}: there is none of this number")
                left_s = until - time.monotonic()
                if row.state not in OPEN or left_s <= 0:
                    return row
                for _ in conn.notifies(timeout=min(left_s, _LOOK_AGAIN_S), stop_after=1):
                    pass
            except psycopg.OperationalError as error:
                raise UnreachableError(f"command {command_id}: the database went away: {error}") from error


class CommandQueue:
    """The receivers' side; its methods block, so they go to a thread. A context manager.

    Every receiver process opens one when it starts: `receiver` is the number it takes, held by the connection that
    listens. One thread waits, any may claim and finish.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.connection() as conn:
            self.receiver = next_receiver(conn)
        self._listener: Connection[Any] | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def claim(self, keys: Collection[str]) -> list[Command]:
        """The commands that wait for these terminals, in the order they were asked; they count as sent from now on.

        No two processes get the same one. One whose process ends before it is sent is not sent again, but expires.
        """
        if not keys:
            return []
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Command)) as cursor:
            return cursor.execute(
                """
                WITH mine AS (
                    SELECT command_id FROM terminal_command
                    WHERE state = 'waiting' AND expires_at > now() AND terminal_key = ANY(%s)
                    ORDER BY command_id FOR UPDATE SKIP LOCKED
                ), claimed AS (
                    UPDATE terminal_command c SET state = 'sent', sent_at = now() FROM mine
                    WHERE c.command_id = mine.command_id
                    RETURNING c.command_id, c.terminal_key, c.kind, c.arguments
                )
                SELECT * FROM claimed ORDER BY command_id
                """,
                (list(keys),),
            ).fetchall()

    def finish(self, command_id: int, *, done: bool, answer: Mapping[str, Any]) -> None:
        """Write down the answer to a command that was sent; one that came too late counts all the same."""
        with self._database.connection() as conn:
            conn.execute(
                """
                UPDATE terminal_command SET state = %s, answered_at = now(), answer = %s
                WHERE command_id = %s AND state IN ('sent', 'expired')
                """,
                ("done" if done else "failed", json.dumps(storable(answer)), command_id),
            )
            conn.execute("SELECT pg_notify(%s, %s)", (ANSWERED, str(command_id)))

    def expire(self) -> int:
        """Mark the commands whose time is over; how many."""
        with self._database.connection() as conn:
            row = conn.execute(
                """
                WITH over AS (
                    SELECT command_id FROM terminal_command WHERE state IN ('waiting', 'sent') AND expires_at <= now()
                    ORDER BY command_id FOR UPDATE SKIP LOCKED
                ), changed AS (
                    UPDATE terminal_command c SET state = 'expired' FROM over WHERE c.command_id = over.command_id
                    RETURNING c.command_id
                )
                SELECT count(*), count(pg_notify(%s, command_id::text)) FROM changed
                """,
                (ANSWERED,),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def wait(self, timeout_s: float) -> bool:
        """Whether a command was put down within so many seconds; it may be for a terminal of another process.

        UnreachableError when the database went away; the next call connects anew, and hears nothing of what was put
        down meanwhile: claim then.
        """
        conn = self._listen()
        try:
            return any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
        except psycopg.Error as error:
            self.close()
            raise UnreachableError(f"the database went away: {str(error).strip().partition(chr(10))[0]}") from error

    def close(self) -> None:
        """Let go of the connection that listens; the process counts as gone."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _listen(self) -> Connection[Any]:
        if self._listener is None:
            conn = self._database.listener(ASKED)
            hold_receiver(conn, self.receiver)
            self._listener = conn
        return self._listener
