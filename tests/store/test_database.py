"""Opening a database: what it says when it cannot, and a schema that is brought up once and held to."""

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from store.database import MIGRATIONS, Database, migrate, schema_number
from store.errors import SchemaError, StoreError, UnreachableError
from store.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations of our own."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (n int);")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (n int); INSERT INTO second VALUES (1);")
    return tmp_path


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://gongche:hushhush@127.0.0.1:1/fleet",
        "host=127.0.0.1 port=1 user=gongche password=hushhush dbname=fleet",
        "host=/nonexistent user=gongche password=hushhush dbname=fleet",
    ],
)
def test_an_unreachable_database_is_one_line_without_the_password(conninfo: str) -> None:
    with pytest.raises(UnreachableError) as refusal:
        Database.open(conninfo)
    assert "hushhush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "fleet" in str(refusal.value)
    assert "refused" in str(refusal.value) or "No such file" in str(refusal.value), "the reason must be said"


def test_an_address_that_is_none_is_one_line_without_the_password() -> None:
    with pytest.raises(StoreError) as refusal:
        Database.open("postgresql://gongche:hushhush@[broken/fleet")
    assert "hushhush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_role_that_may_not_make_the_schema_is_told_so_in_one_line(empty_conninfo: str) -> None:
    with psycopg.connect(empty_conninfo) as conn:
        conn.execute("CREATE ROLE reader")
    try:
        with pytest.raises(SchemaError, match="permission denied for schema public; the role must own") as refusal:
            Database.open(psycopg.conninfo.make_conninfo(empty_conninfo, options="-c role=reader"))
        assert "\n" not in str(refusal.value)
    finally:
        with psycopg.connect(empty_conninfo) as conn:
            conn.execute("DROP ROLE reader")


def test_a_database_that_is_not_there_is_named(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(UnreachableError, match="nowhere"):
        Database.open(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="nowhere"))


def test_opening_an_empty_database_makes_the_schema(empty_conninfo: str) -> None:
    with Database.open(empty_conninfo) as database, database.connection() as conn:
        assert schema_number(conn) == max(int(path.name[:4]) for path in MIGRATIONS.glob("*.sql"))
        assert conn.execute("SELECT count(*) FROM position").fetchone() == (0,)
        assert database.level == "plain"


def test_a_connection_commits_at_the_end_and_rolls_back_on_an_error(database: Database) -> None:
    insert = "INSERT INTO duty_calendar (code) VALUES (%s)"
    with database.connection() as conn:
        conn.execute(insert, ("kept",))
    with pytest.raises(psycopg.errors.UniqueViolation), database.connection() as conn:
        conn.cursor().executemany(insert, [("lost",), ("kept",)])
    with database.connection() as conn:
        assert conn.execute("SELECT code FROM duty_calendar").fetchall() == [("kept",)]


def test_times_come_in_utc(database: Database) -> None:
    with database.connection() as conn:
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_filter_that_is_not_set_falls_away_however_often_it_was_asked(database: Database) -> None:
    with database.connection() as conn:
        plans = [
            str(
                conn.execute(
                    "EXPLAIN SELECT * FROM unit WHERE %(code)s = '' OR code = %(code)s", {"code": ""}, prepare=True
                ).fetchall()
            )
            for _ in range(12)
        ]
    assert not any("Filter" in plan for plan in plans)


def test_a_second_migration_finds_nothing_to_do(empty_conninfo: str, folder: Path) -> None:
    with psycopg.connect(empty_conninfo) as conn:
        assert migrate(conn, folder) == ["0001_first", "0002_second"]
        assert migrate(conn, folder) == []
        (folder / "0003_third.sql").write_text("CREATE TABLE third (n int);")
        assert migrate(conn, folder) == ["0003_third"]
        assert schema_number(conn) == 3


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_conninfo: str, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE second (n int); SELECT 1 / 0;")
    with psycopg.connect(empty_conninfo) as conn:
        with pytest.raises(SchemaError, match=r"migration 0002_second\.sql: division by zero"):
            migrate(conn, folder)
        assert conn.execute("SELECT to_regclass('first'), to_regclass('second')").fetchone() == ("first", None)
        assert schema_number(conn) == 1
        conn.rollback()
        (folder / "0002_second.sql").write_text("CREATE TABLE second (n int);")
        assert migrate(conn, folder) == ["0002_second"]


def test_a_schema_of_a_newer_release_is_refused(empty_conninfo: str, folder: Path) -> None:
    with psycopg.connect(empty_conninfo) as conn:
        migrate(conn, folder)
        (folder / "0002_second.sql").unlink()
        with pytest.raises(SchemaError, match="the database has schema 0002, this release knows 0001"):
            migrate(conn, folder)


def test_opening_a_database_of_a_newer_release_is_refused(conninfo: str) -> None:
    with psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO schema_migration (number, name, sha256) VALUES (9999, '9999_future', '')")
    with pytest.raises(SchemaError, match="9999"):
        Database.open(conninfo)


def test_a_migration_changed_after_it_was_applied_is_refused(empty_conninfo: str, folder: Path) -> None:
    with psycopg.connect(empty_conninfo) as conn:
        migrate(conn, folder)
        (folder / "0001_first.sql").write_text("CREATE TABLE first (n bigint);")
        with pytest.raises(SchemaError, match=r"0001_first\.sql is not the one"):
            migrate(conn, folder)


def test_two_that_migrate_at_once_apply_each_file_once(empty_conninfo: str, folder: Path) -> None:
    """Both begin while a third holds the lock, so that they meet in any case."""
    applied: list[list[str]] = []

    def run() -> None:
        with psycopg.connect(empty_conninfo) as conn:
            applied.append(migrate(conn, folder))

    with psycopg.connect(empty_conninfo, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (0x676F6E67,))
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while holder.execute(waiting).fetchone() != (2,):
            assert all(thread.is_alive() for thread in threads)
        holder.execute("SELECT pg_advisory_unlock(%s)", (0x676F6E67,))
        for thread in threads:
            thread.join()
        assert sorted(applied) == [[], ["0001_first", "0002_second"]]
        assert holder.execute("SELECT n FROM second").fetchall() == [(1,)]


def test_two_processes_open_an_empty_database_at_once(empty_conninfo: str) -> None:
    script = "import sys; from store.database import Database; Database.open(sys.argv[1], pool_size=1).__exit__()"
    processes = [
        subprocess.Popen([sys.executable, "-c", script, empty_conninfo], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    with psycopg.connect(empty_conninfo) as conn:
        assert conn.execute("SELECT count(*) FROM schema_migration").fetchone() == (
            len(list(MIGRATIONS.glob("*.sql"))),
        )


def test_a_failed_migration_gives_the_lock_back(empty_conninfo: str, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("SELECT 1 / 0;")
    with psycopg.connect(empty_conninfo) as conn, psycopg.connect(empty_conninfo) as other:
        with pytest.raises(SchemaError, match="division by zero"):
            migrate(conn, folder)
        assert other.execute("SELECT pg_try_advisory_lock(%s)", (0x676F6E67,)).fetchone() == (True,)
