"""The append-only log: numbered and chained by the database, whoever appends, and never changed."""

import threading
from datetime import UTC, datetime
from typing import LiteralString

import psycopg
import pytest

from store.database import Database
from store.log import append, append_changes
from store.log_chain import verify_log
from store.users import add_user


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.connection() as conn:
        return conn.execute(
            "SELECT entry_id, kind, action, subject, facts, user_id FROM log_entry ORDER BY entry_id"
        ).fetchall()


def test_entries_are_numbered_without_a_gap_and_say_who_and_what(database: Database) -> None:
    with database.connection() as conn:
        user_id = add_user(conn, "wang", "auditor", "correct horse")
        assert append(conn, "access", "trip", "T-1", user_id=user_id, facts={"plate": "粤A10001"}) == 1
        assert append(conn, "setting", "in force", "web_port") == 2
    assert rows(database) == [
        (1, "access", "trip", "T-1", {"plate": "粤A10001"}, user_id),
        (2, "setting", "in force", "web_port", {}, None),
    ]


def test_what_is_rolled_back_leaves_no_gap(database: Database) -> None:
    with database.connection() as conn:
        append(conn, "access", "trip", "T-1")
    with database.connection() as conn:
        append(conn, "access", "trip", "T-2")
        conn.rollback()
    with database.connection() as conn:
        with pytest.raises(psycopg.errors.CheckViolation), conn.transaction():
            append(conn, "gossip", "trip", "T-3")  # type: ignore[arg-type]
        assert append(conn, "access", "trip", "T-4") == 2
    with database.connection() as conn:
        assert verify_log(conn) == []


def test_number_time_and_hashes_are_the_databases_whatever_is_given(database: Database) -> None:
    began = datetime.now(UTC)
    with database.connection() as conn:
        conn.execute(
            """
            INSERT INTO log_entry (entry_id, at, kind, action, subject, previous_sha256, sha256)
            VALUES (77, '2001-01-01', 'access', 'trip', 'T-1', 'forged', 'forged'),
                   (77, '2001-01-01', 'access', 'trip', 'T-2', 'forged', 'forged')
            """
        )
        found = conn.execute("SELECT entry_id, at FROM log_entry ORDER BY entry_id").fetchall()
        assert [number for number, _ in found] == [1, 2]
        assert all(began <= at <= datetime.now(UTC) for _, at in found)
    with database.connection() as conn:
        assert verify_log(conn) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entry SET subject = 'T-9'",
        "UPDATE log_entry SET sha256 = sha256 WHERE false",
        "DELETE FROM log_entry",
        "TRUNCATE log_entry",
        "UPDATE log_head SET entry_id = 0",
        "INSERT INTO log_head (only_one, entry_id, sha256) VALUES (true, 5, '')",
        "DELETE FROM log_head",
        "TRUNCATE log_head",
        "UPDATE log_export SET entry_id = 1",
        "DELETE FROM log_export",
        "TRUNCATE log_export",
    ],
)
def test_nothing_of_it_can_be_changed_or_taken_away(database: Database, statement: LiteralString) -> None:
    with database.connection() as conn:
        append(conn, "access", "trip", "T-1")
    with pytest.raises(psycopg.errors.RaiseException, match="is append-only"), database.connection() as conn:
        conn.execute(statement)
    with database.connection() as conn:
        assert verify_log(conn) == []
        assert append(conn, "access", "trip", "T-2") == 2


def test_many_that_append_at_once_make_one_chain(database: Database, conninfo: str) -> None:
    """Threads of connections of their own, some of whose transactions are rolled back, wait for each other."""
    faults: list[BaseException] = []
    start = threading.Barrier(6)

    def run(name: int) -> None:
        try:
            with psycopg.connect(conninfo) as conn:
                start.wait()
                for number in range(20):
                    append(conn, "access", "trip", f"{name}-{number}", facts={"数": number})
                    if number % 5 == 4:
                        conn.rollback()
                    else:
                        conn.commit()
        except BaseException as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    found = rows(database)
    assert [row[0] for row in found] == list(range(1, 6 * 16 + 1))
    for name in range(6):
        mine = [row[3] for row in found if str(row[3]).startswith(f"{name}-")]
        assert mine == [f"{name}-{number}" for number in range(20) if number % 5 != 4]
    with database.connection() as conn:
        assert verify_log(conn) == []


def test_an_append_waits_for_one_that_is_not_committed(conninfo: str) -> None:
    with psycopg.connect(conninfo) as first, psycopg.connect(conninfo) as second:
        append(first, "access", "trip", "T-1")
        second.execute("SET lock_timeout = '50ms'")
        second.commit()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            append(second, "access", "trip", "T-2")
        second.rollback()
        first.rollback()
        assert append(second, "access", "trip", "T-2") == 1, "the number of what was rolled back is free"


def test_a_snapshot_that_is_too_old_is_refused_and_does_not_fork_the_chain(conninfo: str, database: Database) -> None:
    with psycopg.connect(conninfo) as old, psycopg.connect(conninfo) as other:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert old.execute("SELECT count(*) FROM log_entry").fetchone() == (0,)
        append(other, "access", "trip", "T-1")
        other.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            append(old, "access", "trip", "T-2")
    assert [row[3] for row in rows(database)] == ["T-1"]


def test_only_what_changed_is_written_with_old_and_new(database: Database) -> None:
    facts = {"who": "root"}
    with database.connection() as conn:
        first = {"web_port": 8000, "tile_url": "", "look_every_s": 10.0, "nmea_terminals": {}, "archive_dir": None}
        assert append_changes(conn, "setting", "in force", first, facts) == sorted(first)
        assert append_changes(conn, "setting", "in force", first, facts) == []
        append(conn, "setting", "price edited", "web_port", facts={"new": 7})  # another action of the same subject
        assert append_changes(conn, "rule", "in force", first, facts) == sorted(first), "kinds are apart"
        second = {**first, "web_port": 8080, "nmea_terminals": {"N1": "10.0.0.1"}, "look_every_s": 10}
        assert append_changes(conn, "setting", "in force", second, facts) == ["nmea_terminals", "web_port"]
        last = {name: value for name, value in second.items() if name != "tile_url"}
        assert append_changes(conn, "setting", "in force", last, facts) == ["tile_url"]
        assert append_changes(conn, "setting", "in force", last, facts) == []
    found = [(row[3], row[4]) for row in rows(database) if row[1] == "setting"][-3:]
    assert found == [
        ("nmea_terminals", {"who": "root", "old": {}, "new": {"N1": "10.0.0.1"}}),
        ("web_port", {"who": "root", "old": 8000, "new": 8080}),
        ("tile_url", {"who": "root", "old": "", "new": None}),
    ]
