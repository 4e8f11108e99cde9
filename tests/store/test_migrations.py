"""A database of an older release is brought up in place with all it holds, or not at all."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from store.database import MIGRATIONS, migrate, schema_number
from store.errors import SchemaError
from store.log_chain import verify_log
from store.postgres import EmbeddedPostgres
from tests.store.older import older_database

SPINE_ROWS = (Path(__file__).parent / "spine.sql").read_bytes()
NUMBERS = sorted(int(path.name[:4]) for path in MIGRATIONS.glob("*.sql"))
NEWEST = NUMBERS[-1]
MOVED = {"access_log": "log_entry"}
"""Tables of the first schema that are no more → where their rows went, none less."""
GONE: Mapping[str, set[str]] = {"terminal": {"vehicle_id"}}
"""Table → columns of the first schema that are no more."""
ANEW = {"terminal": {"datum"}}
"""Table → columns that a migration writes anew: a datum is said only where it is not that of the terminal's type."""
DEADLINE_S = 120.0


def tables(conn: Connection[Any]) -> list[str]:
    """Tables, without their partitions."""
    query = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND NOT relispartition AND relname <> 'schema_migration' ORDER BY relname
    """
    return [name for (name,) in conn.execute(query)]


def rows_of(conn: Connection[Any], table: str) -> list[dict[str, Any]]:
    query = sql.SQL("SELECT to_jsonb(t) FROM {} t").format(sql.Identifier(table))
    return [row for (row,) in conn.execute(query)]


def in_common(rows: list[dict[str, Any]], columns: set[str]) -> Counter[str]:
    return Counter(str({name: row[name] for name in sorted(columns)}) for row in rows)


@pytest.mark.parametrize("stop", [number for number in NUMBERS if number < NEWEST])
def test_a_database_of_the_first_release_is_brought_up_with_all_it_holds(postgres: EmbeddedPostgres, stop: int) -> None:
    """At once, or with a stop at any release between."""
    with older_database(postgres, 1) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute(SPINE_ROWS)
        conn.commit()
        before = {table: rows_of(conn, table) for table in tables(conn)}
        assert [table for table, rows in before.items() if not rows] == [], "every table must have rows"
        conn.rollback()
        migrate(conn, upto=stop)
        assert schema_number(conn) == stop
        conn.rollback()
        migrate(conn)
        assert schema_number(conn) == NEWEST
        there = set(tables(conn))
        assert set(before) - there == set(MOVED)
        for table, rows in before.items():
            found = rows_of(conn, MOVED.get(table, table))
            if table in MOVED:
                assert len(found) >= len(rows), table
                continue
            assert set(rows[0]) - set(found[0]) == GONE.get(table, set()), table
            columns = set(rows[0]) & set(found[0]) - ANEW.get(table, set())
            assert in_common(rows, columns) <= in_common(found, columns), table


def test_looks_that_were_logged_are_the_first_entries_of_the_log(postgres: EmbeddedPostgres) -> None:
    with older_database(postgres, 1) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute(SPINE_ROWS)
        looks = conn.execute(
            "SELECT entry_id, at, user_id, action, subject FROM access_log ORDER BY entry_id"
        ).fetchall()
        conn.commit()
        migrate(conn)
        found = conn.execute(
            "SELECT entry_id, at, user_id, action, subject, kind, facts FROM log_entry ORDER BY entry_id LIMIT %s",
            (len(looks),),
        ).fetchall()
        assert [row[:5] for row in found] == looks
        assert [row[5] for row in found] == [
            "access", "access", "access", "access", "access", "decision", "setting", "setting", "setting",
        ]  # fmt: skip
        assert all(row[6] == {} for row in found)
        assert verify_log(conn) == []


def test_every_partition_gets_the_key_with_the_variant_before_the_time(postgres: EmbeddedPostgres) -> None:
    with older_database(postgres, 1) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute(SPINE_ROWS)
        conn.execute(
            "CREATE TABLE position_20300101 PARTITION OF position"
            " FOR VALUES FROM ('2029-12-31 16:00+00') TO ('2030-01-01 16:00+00')"
        )
        conn.commit()
        migrate(conn)
        found = conn.execute(
            """
            SELECT DISTINCT pg_get_constraintdef(oid) FROM pg_constraint
            WHERE contype = 'p' AND (conrelid = 'position'::regclass
                OR conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'position'::regclass))
            """
        ).fetchall()
    assert found == [("PRIMARY KEY (vehicle_id, variant, fix_time)",)]


def test_no_more_than_asked_for_is_applied(postgres: EmbeddedPostgres) -> None:
    with older_database(postgres, 3) as conninfo, psycopg.connect(conninfo) as conn:
        assert schema_number(conn) == 3
        conn.rollback()
        assert migrate(conn, upto=3) == []
        assert migrate(conn, upto=2) == [], "nothing is taken back"
        assert [int(name[:4]) for name in migrate(conn, upto=5)] == [4, 5]


def test_a_migration_that_fails_on_the_data_leaves_schema_and_rows_as_they_were(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    for path in MIGRATIONS.glob("000[1-3]_*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "0004_bad.sql").write_text(
        "ALTER TABLE trip ADD COLUMN extra int; DELETE FROM flag; ALTER TABLE vehicle ADD CHECK (plate = '粤A10001');"
    )
    with older_database(postgres, 1) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute(SPINE_ROWS)
        conn.commit()
        with pytest.raises(SchemaError, match=r"migration 0004_bad\.sql: .*vehicle_plate_check.*violated"):
            migrate(conn, tmp_path)
        assert schema_number(conn) == 3
        assert "extra" not in rows_of(conn, "trip")[0]
        assert len(rows_of(conn, "flag")) == 2


def test_a_server_killed_in_the_middle_of_a_migration_leaves_nothing_half_done(
    reachable_tmp: Path, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (n int); INSERT INTO first VALUES (1);")
    slow = tmp_path / "0002_slow.sql"
    work = "ALTER TABLE first ADD COLUMN m int; UPDATE first SET m = 2; CREATE TABLE second (n int);"
    slow.write_text(f"{work} SELECT pg_sleep(600);")
    home = reachable_tmp / "home"
    failed: list[BaseException] = []
    with EmbeddedPostgres(home) as server:

        def run() -> None:
            try:
                with psycopg.connect(server.conninfo) as conn:
                    migrate(conn, tmp_path)
            except psycopg.Error as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        with psycopg.connect(server.conninfo, autocommit=True) as watcher:
            asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            until = time.monotonic() + DEADLINE_S
            while watcher.execute(asleep).fetchone() != (1,):
                assert thread.is_alive()
                assert time.monotonic() < until
                time.sleep(0.02)
            os.kill(int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        thread.join(DEADLINE_S)
        assert len(failed) == 1
        slow.write_text(work)
        with EmbeddedPostgres(home) as again, psycopg.connect(again.conninfo) as conn:
            assert schema_number(conn) == 1
            assert rows_of(conn, "first") == [{"n": 1}]
            assert conn.execute("SELECT to_regclass('second')").fetchone() == (None,)
            conn.rollback()
            assert migrate(conn, tmp_path) == ["0002_slow"], "and the lock went with the server"
            assert rows_of(conn, "first") == [{"n": 1, "m": 2}]


def test_a_connection_lost_in_a_migration_is_told_as_such(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "0001_cut.sql").write_text("SELECT pg_terminate_backend(pg_backend_pid());")
    with older_database(postgres, 0) as conninfo, psycopg.connect(conninfo) as conn:
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            migrate(conn, tmp_path)
        assert conn.closed
