"""What goes wrong around the store: connections that are all taken, a server that is killed while rows are on their way."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from store import database as database_module
from store.database import Database
from store.errors import UnreachableError
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres
from tests.store.rows import DAY, some_positions, vehicles

DEADLINE_S = 60.0


def test_when_all_connections_are_taken_the_next_is_told_so_and_comes_through_later(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_CONNECT_TIMEOUT_S", 1.0)
    with Database.open(conninfo, pool_size=1) as database:
        with (
            database.connection(),
            pytest.raises(UnreachableError, match=r"database .+: no connection came free in 1 s"),
            database.connection(),
        ):
            pass
        with database.connection() as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_server_killed_in_the_middle_of_a_copy_keeps_what_was_committed_and_nothing_else(reachable_tmp: Path) -> None:
    kept, lost = some_positions(500), some_positions(80_000, day=DAY + 1)
    with EmbeddedPostgres(reachable_tmp) as server, Database.open(server.conninfo, pool_size=2) as database:
        with database.connection() as conn:
            ids = vehicles(conn)
            merge_positions(conn, kept, ids)
        failures: list[UnreachableError] = []

        def write() -> None:
            try:
                with database.connection() as conn:
                    merge_positions(conn, lost, ids)
            except UnreachableError as error:
                failures.append(error)

        writer = threading.Thread(target=write)
        with database.alone() as watch:
            writer.start()
            os.kill(_copying(watch, writer), signal.SIGKILL)
        writer.join(DEADLINE_S)
        assert len(failures) == 1
        assert _count_when_back(database) == len(kept)
        with database.connection() as conn:
            again = merge_positions(conn, lost, ids)
        assert (again.accepted, again.duplicate) == (len(lost), 0)
        assert _count_when_back(database) == len(kept) + len(lost)


def _copying(watch: Connection[Any], writer: threading.Thread) -> int:
    """Process that serves a COPY which is under way."""
    while writer.is_alive():
        row = watch.execute("SELECT pid FROM pg_stat_progress_copy WHERE tuples_processed > 0").fetchone()
        if row is not None:
            return int(row[0])
    raise AssertionError("the COPY was over before it was seen")


def _count_when_back(database: Database) -> int:
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            with database.connection() as conn:
                row = conn.execute("SELECT count(*) FROM position").fetchone()
        except UnreachableError:
            assert time.monotonic() < until, "the server did not come back"
            time.sleep(0.1)
        else:
            assert row is not None
            return int(row[0])
