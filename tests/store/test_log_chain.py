"""The chain of the log, checked without the database's own functions: what was changed is named, the first broken first."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.localtime import to_datetime
from store import log_chain
from store.database import Database, migrate
from store.log import append
from store.log_chain import MAX_FAULTS, Entry, verify_log
from store.manifest import GENESIS
from store.postgres import EmbeddedPostgres
from tests.store.older import older_database

DOC = Path(__file__).parents[2] / "docs" / "log.md"
REHASH = """
UPDATE log_entry SET sha256 =
log_sha256(entry_id, at, user_id, kind, action, subject, facts, previous_sha256) WHERE entry_id = %s
"""


@pytest.fixture
def log(database: Database) -> Database:
    """A log of twelve entries."""
    with database.connection() as conn:
        for number in range(1, 13):
            append(conn, "access", "trip", f"T-{number}", facts={"plate": "粤A10001", "n": number / 4})
    return database


def tamper(database: Database, *statements: LiteralString, values: tuple[Any, ...] | None = None) -> None:
    """Do what the triggers refuse, as the owner of the database can."""
    with database.connection() as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            conn.execute(statement, values)


def faults(database: Database) -> list[str]:
    with database.connection() as conn:
        return verify_log(conn)


def test_an_empty_log_and_a_whole_one_have_no_faults(database: Database) -> None:
    assert faults(database) == []
    with database.connection() as conn:
        append(conn, "access", "trip", "T-1")
    assert faults(database) == []


def test_a_log_that_comes_in_several_pieces_is_one_chain(log: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_chain, "_ROWS_AT_ONCE", 5)
    assert faults(log) == []
    tamper(log, "UPDATE log_entry SET subject = 'T-x' WHERE entry_id IN (5, 6, 11)")
    assert [line.split(":")[0] for line in faults(log)] == ["log entry 5", "log entry 6", "log entry 11"]


@pytest.mark.parametrize(
    "change",
    [
        "at = at + interval '1 microsecond'",
        "at = 'infinity'",
        "at = '-infinity'",
        "user_id = 1",
        "kind = 'decision'",
        "action = 'vehicle'",
        "subject = 'T-8'",
        "facts = '{}'",
        "facts = facts || '{\"n\": 1.750}'",
        f"previous_sha256 = '{GENESIS}'",
        "sha256 = upper(sha256)",
        "action = 'trip3:T-7', subject = ''",
    ],
)
def test_a_changed_entry_is_named_whatever_was_changed(log: Database, change: LiteralString) -> None:
    tamper(log, "UPDATE log_entry SET " + change + " WHERE entry_id = 7")
    found = faults(log)
    assert len(found) == 1
    assert re.fullmatch(r"log entry 7: expected sha256 [0-9a-fA-F]{64}, got [0-9a-f]{64}: changed", found[0])


def test_an_entry_changed_and_hashed_anew_is_named_by_the_one_after_it(log: Database) -> None:
    tamper(log, "UPDATE log_entry SET subject = 'T-9' WHERE entry_id = 7")
    tamper(log, REHASH, values=(7,))
    found = faults(log)
    assert len(found) == 1
    assert re.match(r"log entry 7: expected sha256 [0-9a-f]{64}, named by entry 8, got ", found[0])


def test_the_last_entry_changed_and_hashed_anew_is_named_by_the_head(log: Database) -> None:
    tamper(log, "UPDATE log_entry SET subject = 'T-9' WHERE entry_id = 12")
    tamper(log, REHASH, values=(12,))
    assert re.match(r"log entry 12: expected sha256 [0-9a-f]{64}, named by the head, got ", faults(log)[0])


def test_a_first_entry_that_names_one_before_it_is_found(log: Database) -> None:
    tamper(log, f"UPDATE log_entry SET previous_sha256 = '{'1' * 64}' WHERE entry_id = 1")
    tamper(log, REHASH, values=(1,))
    found = faults(log)
    assert found[0] == f"log entry 1: names {'1' * 64} before it, where nothing is"
    assert "log entry 1: expected sha256" in found[1], "and the second entry names its old hash"


@pytest.mark.parametrize(
    ("gone", "line"),
    [
        ("entry_id = 1", "log entry 1: missing"),
        ("entry_id = 4", "log entry 4: missing"),
        ("entry_id BETWEEN 4 AND 6", "log entries 4 to 6: missing"),
        ("entry_id = 12", "log entry 12: missing"),
        ("entry_id > 9", "log entries 10 to 12: missing"),
        ("true", "log entries 1 to 12: missing"),
    ],
)
def test_entries_that_are_gone_are_named(log: Database, gone: LiteralString, line: str) -> None:
    tamper(log, "DELETE FROM log_entry WHERE " + gone)
    assert faults(log) == [line]


def test_a_head_that_is_gone_or_behind_is_named(log: Database) -> None:
    tamper(log, "UPDATE log_head SET entry_id = 9")
    assert faults(log) == ["log head: expected entry 12, the last one, got 9"]
    tamper(log, "DELETE FROM log_head")
    assert faults(log) == ["log head: missing"]
    with pytest.raises(psycopg.errors.NoDataFound), log.connection() as conn:
        append(conn, "access", "trip", "T-13")


def test_two_entries_that_changed_places_are_named(log: Database) -> None:
    swap = "UPDATE log_entry SET subject = CASE entry_id WHEN 3 THEN 'T-4' ELSE 'T-3' END WHERE entry_id IN (3, 4)"
    tamper(log, swap)
    tamper(log, REHASH, values=(3,))
    tamper(log, REHASH, values=(4,))
    assert [line.split(":")[0] for line in faults(log)] == ["log entry 3", "log entry 4"]


def test_a_log_broken_all_over_is_told_in_bounded_many_lines(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_chain, "MAX_FAULTS", 3)
    with database.connection() as conn:
        for number in range(9):
            append(conn, "access", "trip", f"T-{number}")
    tamper(database, "UPDATE log_entry SET subject = 'x'")
    found = faults(database)
    assert [line.split(":")[0] for line in found[:3]] == ["log entry 1", "log entry 2", "log entry 3"]
    assert found[3:] == ["log: 6 more faults"]
    assert MAX_FAULTS > 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    action=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    subject=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    facts=st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False),
        max_size=4,
    ),
)
def test_database_and_python_hash_the_same(
    database: Database, action: str, subject: str, facts: dict[str, Any]
) -> None:
    with database.connection() as conn:
        append(conn, "decision", action, subject, facts=facts)
    with database.connection() as conn:
        assert verify_log(conn) == []


def test_no_field_can_pass_for_another() -> None:
    entry = Entry(1, 0, None, "access", "trip", "T-1", "{}", GENESIS, "")
    others = [
        replace(entry, action="tripT", subject="-1"),
        replace(entry, action="", subject="tripT-1"),
        replace(entry, entry_id=10, at_us=None),
        replace(entry, user_id=0, at_us=None),
        replace(entry, action="trip,3:T-1", subject=""),
    ]
    assert len({each.computed for each in [entry, *others]}) == 6


def test_the_worked_example_of_the_document_is_what_database_and_python_compute(database: Database) -> None:
    text, digest = re.findall(r"```\n(.*?)\n```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    fields = _fields(text.encode())
    assert fields[0] == log_chain.VERSION
    _, entry_id, at_us, user_id, kind, action, subject, facts, previous = fields
    entry = Entry(int(entry_id), int(at_us), int(user_id), kind, action, subject, facts, previous, digest)
    assert entry.computed == digest
    assert previous == GENESIS
    with database.connection() as conn:
        row = conn.execute(
            "SELECT log_sha256(%s::bigint, %s, %s, %s, %s, %s, %s, %s)",
            (int(entry_id), to_datetime(int(at_us)), int(user_id), kind, action, subject, facts, previous),
        ).fetchone()
    assert row == (digest,)
    assert json.loads(facts) == {"plate": "粤A10001"}


def _fields(data: bytes) -> list[str]:
    """Netstrings read back."""
    fields = []
    while data:
        length, rest = data.split(b":", 1)
        assert rest[int(length) : int(length) + 1] == b","
        fields.append(rest[: int(length)].decode())
        data = rest[int(length) + 1 :]
    return fields


@pytest.mark.parametrize("step", [-1, 1])
def test_the_chain_goes_by_number_whatever_the_clock_does(postgres: EmbeddedPostgres, step: int) -> None:
    """Looks that were written while the clock was a day ahead, and went back and forth, are followed by one of now."""
    with older_database(postgres, 10) as conninfo, psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('wang', 'admin', '')")
        conn.execute(
            """
            INSERT INTO access_log (at, user_id, action, subject)
            SELECT now() + interval '1 day' + n * %s * interval '1 hour', user_id, 'trip', n::text
            FROM app_user, generate_series(1, 6) n ORDER BY n
            """,
            (step,),
        )
        conn.commit()
        migrate(conn)
        append(conn, "access", "trip", "7")
        assert verify_log(conn) == []
        found = conn.execute(
            "SELECT entry_id, subject, at > clock_timestamp() FROM log_entry ORDER BY entry_id"
        ).fetchall()
        assert [(number, int(subject)) for number, subject, _ in found] == [(n, n) for n in range(1, 8)]
        assert [later for _, _, later in found] == [True] * 6 + [False]
