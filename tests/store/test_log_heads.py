"""The log's heads as files: one for each local day that is over, and a log written anew no longer fits them."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import day_number
from store.database import migrate
from store.log import append
from store.log_chain import verify_log
from store.log_heads import export_heads, head_path, read_head, verify_heads
from store.postgres import EmbeddedPostgres
from tests.store.older import older_database

FIRST = day_number(date(2026, 3, 2))
LOOKS = [
    ("2026-03-02 15:59:59.999999+00", "a"),  # the last microsecond of 2 March in Guangzhou
    ("2026-03-02 16:00:00+00", "b"),
    ("2026-03-03 09:00:00+08", "c"),
    ("2026-03-03 23:59:59+08", "d"),
    ("2026-03-05 00:00:00+08", "e"),  # nothing on the 4th
]
DAYS = ["2026-03-02", "2026-03-03", "2026-03-05"]


class Folder(dict[str, bytes]):
    """Files in memory, by path; a file that is written again is a fault."""

    def write(self, path: str, data: bytes) -> None:
        assert path not in self
        self[path] = data


@pytest.fixture
def log(postgres: EmbeddedPostgres) -> Iterator[Connection[Any]]:
    """A log with entries of three days in March, written by an older release."""
    with older_database(postgres, 10) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('wang', 'admin', '')")
        add_looks(conn, LOOKS)
        conn.commit()
        migrate(conn)
        yield conn


def add_looks(conn: Connection[Any], looks: list[tuple[str, str]]) -> None:
    conn.cursor().executemany(
        "INSERT INTO access_log (at, user_id, action, subject) SELECT %s, user_id, 'trip', %s FROM app_user", looks
    )


def tamper(conn: Connection[Any], statement: LiteralString) -> None:
    conn.execute("SET LOCAL session_replication_role = replica")
    conn.execute(statement)
    conn.commit()


def rehash_all(conn: Connection[Any]) -> None:
    """Write every hash anew, and the head, as the owner of the database can: the chain is whole again."""
    tamper(
        conn,
        """
        DO $$
        DECLARE each record; previous text := repeat('0', 64);
        BEGIN
            FOR each IN SELECT * FROM log_entry ORDER BY entry_id LOOP
                UPDATE log_entry SET previous_sha256 = previous, sha256 = log_sha256(
                    each.entry_id, each.at, each.user_id, each.kind, each.action, each.subject, each.facts, previous
                ) WHERE entry_id = each.entry_id RETURNING sha256 INTO previous;
            END LOOP;
            UPDATE log_head SET entry_id = (SELECT max(entry_id) FROM log_entry), sha256 = previous;
        END $$
        """,
    )


def test_each_day_that_is_over_and_has_entries_gets_its_last_one(log: Connection[Any]) -> None:
    files = Folder()
    assert export_heads(log, files.write, FIRST) == []
    assert export_heads(log, files.write, FIRST + 2) == DAYS[:2]
    assert export_heads(log, files.write, FIRST + 3) == [], "a day without entries has none"
    assert export_heads(log, files.write, FIRST + 4) == DAYS[2:]
    heads = [read_head(files[head_path(day)]) for day in DAYS]
    assert [(head.day, head.entry_id, head.count) for head in heads] == [
        ("2026-03-02", 1, 1),
        ("2026-03-03", 4, 3),
        ("2026-03-05", 5, 1),
    ]
    row = log.execute("SELECT sha256 FROM log_entry WHERE entry_id = 4").fetchone()
    assert row == (heads[1].sha256,)
    assert heads[0].at == "2026-03-02T15:59:59.999999+00:00"
    assert verify_heads(log, files) == []


def test_what_is_exported_stays_exported(log: Connection[Any]) -> None:
    files = Folder()
    export_heads(log, files.write, FIRST + 9)
    assert export_heads(log, files.write, FIRST + 9) == []
    assert len(files) == 3


def test_a_disk_that_is_full_costs_no_head(log: Connection[Any]) -> None:
    files = Folder()

    def write(path: str, data: bytes) -> None:
        if path == head_path(DAYS[1]):
            raise OSError("No space left on device")
        files.write(path, data)

    with pytest.raises(OSError, match="No space left"):
        export_heads(log, write, FIRST + 9)
    log.rollback()
    before = dict(files)
    files.clear()
    assert export_heads(log, files.write, FIRST + 9) == DAYS
    assert files[head_path(DAYS[0])] == before[head_path(DAYS[0])], "written again as it was"
    assert verify_heads(log, files) == []


def test_two_that_export_at_once_write_each_head_once(log: Connection[Any]) -> None:
    files = Folder()
    done: list[list[str]] = []

    def run() -> None:
        with psycopg.connect(log.info.dsn) as conn:
            done.append(export_heads(conn, files.write, FIRST + 9))

    with psycopg.connect(log.info.dsn) as holder:
        holder.execute("LOCK TABLE log_export IN SHARE ROW EXCLUSIVE MODE")
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'log_export'::regclass AND NOT granted"
        while holder.execute(waiting).fetchone() != (2,):
            assert all(thread.is_alive() for thread in threads)
        append(holder, "access", "trip", "appends go on")
    for thread in threads:
        thread.join()
    assert sorted(done) == [[], DAYS]
    assert len(files) == 3


def test_a_clock_set_back_adds_to_no_file_and_is_under_a_later_head(postgres: EmbeddedPostgres) -> None:
    """Entries of the 2nd come again after one of the 3rd, and more of them after the 2nd was exported."""
    looks = [("2026-03-02 12:00+08", "a"), ("2026-03-03 12:00+08", "b"), ("2026-03-02 11:00+08", "c")]
    with older_database(postgres, 10) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('wang', 'admin', '')")
        add_looks(conn, looks)
        conn.commit()
        migrate(conn)
        files = Folder()
        assert export_heads(conn, files.write, FIRST + 1) == ["2026-03-02"]
        assert read_head(files[head_path("2026-03-02")]).entry_id == 3
        assert export_heads(conn, files.write, FIRST + 2) == [], "its entry is before the head of the 2nd already"
        append(conn, "access", "trip", "d")
        tamper(conn, "UPDATE log_entry SET at = '2026-03-02 13:00+08' WHERE entry_id = 4")
        rehash_all(conn)
        append(conn, "access", "trip", "e")
        tamper(conn, "UPDATE log_entry SET at = '2026-03-04 13:00+08' WHERE entry_id = 5")
        rehash_all(conn)
        assert export_heads(conn, files.write, FIRST + 3) == ["2026-03-04"]
        assert sorted(files) == [head_path("2026-03-02"), head_path("2026-03-04")]
        assert (verify_log(conn), verify_heads(conn, files)) == ([], [])


def test_a_log_written_anew_as_a_whole_is_found_by_the_files(log: Connection[Any]) -> None:
    files = Folder()
    export_heads(log, files.write, FIRST + 9)
    log.commit()
    tamper(log, "UPDATE log_entry SET subject = 'nothing' WHERE entry_id = 3")
    rehash_all(log)
    assert verify_log(log) == [], "every hash is right"
    found = verify_heads(log, files)
    assert [line.split(":")[0] for line in found] == [head_path(day) for day in DAYS[1:]]
    assert f"names sha256 {read_head(files[head_path(DAYS[1])]).sha256} for entry 4, the log has " in found[0]


def test_a_log_cut_off_with_its_head_is_found_by_the_files(log: Connection[Any]) -> None:
    files = Folder()
    export_heads(log, files.write, FIRST + 9)
    log.commit()
    tamper(log, "DELETE FROM log_entry WHERE entry_id > 4")
    rehash_all(log)
    assert verify_log(log) == []
    assert verify_heads(log, files) == [
        f"{head_path(DAYS[2])}: names entry 5 of 2026-03-05, which the log does not have"
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (None, "missing"),
        (b"{}", "not a head of the log"),
        (b"\xff", "not a head of the log"),
        (b"[1]", "not a head of the log"),
        ({"day": "2026-03-02"}, "says it is the head of 2026-03-02"),
        ({"day": "9999-12-31"}, "not a head of the log"),
        ({"day": 5}, "not a head of the log"),
        ({"entry_id": 10**30}, f"names entry {10**30} of 2026-03-03, which the log does not have"),
        ({"entry_id": 5}, "names entry 5 of 2026-03-03, which the log does not have"),
        ({"count": 2}, "names count 2 for entry 4, the log has 3"),
        ({"count": True}, "not a head of the log"),
        ({"more": 1}, "not a head of the log"),
    ],
)
def test_a_file_that_is_gone_or_changed_is_named(
    log: Connection[Any], change: bytes | dict[str, Any] | None, line: str
) -> None:
    files, path = Folder(), head_path(DAYS[1])
    export_heads(log, files.write, FIRST + 9)
    if change is None:
        del files[path]
    elif isinstance(change, bytes):
        files[path] = change
    else:
        files[path] = json.dumps(json.loads(files[path]) | change).encode()
    assert verify_heads(log, files) == [f"{path}: {line}"]
