"""The texts of rules: one a version, kept for ever."""

import hashlib

import psycopg
import pytest

from store.database import Database
from store.derived import raise_flags
from store.rule_versions import RuleChangedError, RuleText, remember_rules, used_versions
from tests.store.rows import DAY
from tests.store.test_derived import fill, flags, register

FIRST = RuleText("off-hours", 1, "id = 'off-hours'\n# 规则\n")


def test_a_text_is_kept_with_its_hash_and_the_first_use(database: Database) -> None:
    with database.connection() as conn:
        remember_rules(conn, [FIRST, RuleText("off-hours", 2, "other"), RuleText("night", 1, FIRST.text)])
    with database.connection() as conn:
        remember_rules(conn, [FIRST])
        first, second = used_versions(conn, ["off-hours"])
        assert (first.version, first.text) == (1, FIRST.text)
        assert first.sha256 == hashlib.sha256(FIRST.text.encode()).hexdigest()
        assert (second.version, second.text, second.first_used_at) == (2, "other", first.first_used_at)
        assert [each.rule for each in used_versions(conn, ["night", "nothing"])] == ["night"]


def test_a_text_that_changed_under_its_version_is_named(database: Database) -> None:
    named = r"^rule off-hours version 1: its text is not the one used before; raise the version$"
    with database.connection() as conn:
        remember_rules(conn, [FIRST])
    with pytest.raises(RuleChangedError, match=named), database.connection() as conn:
        remember_rules(conn, [RuleText("night", 1, ""), RuleText("off-hours", 1, "other")])
    with database.connection() as conn:
        assert [each.text for each in used_versions(conn, ["off-hours", "night"])] == [FIRST.text]
        remember_rules(conn, [RuleText("off-hours", 2, "other")])


def test_a_flag_needs_a_rule_whose_text_is_known(database: Database) -> None:
    with database.connection() as conn:
        ids = register(conn)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.connection() as conn:
        raise_flags(conn, ids, DAY, DAY, flags(ids))


def test_a_version_that_flags_were_raised_by_before_texts_were_kept_takes_the_next_text_once(
    database: Database,
) -> None:
    with database.connection() as conn:
        conn.execute(
            "INSERT INTO rule_version (rule, version, first_used_at, text_kept_at) VALUES ('off-hours', 1, '2025-01-01', NULL)"
        )
        (before,) = used_versions(conn, ["off-hours"])
        assert (before.sha256, before.text) == (None, None)
        remember_rules(conn, [FIRST])
        (after,) = used_versions(conn, ["off-hours"])
        assert (after.sha256, after.first_used_at) == (FIRST.sha256, before.first_used_at)
        assert conn.execute("SELECT text_kept_at = now() FROM rule_version").fetchone() == (True,)
    with pytest.raises(RuleChangedError), database.connection() as conn:
        remember_rules(conn, [RuleText("off-hours", 1, "other")])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rule_version SET text = 'other'",
        "UPDATE rule_version SET first_used_at = now() - interval '1 day' WHERE text IS NULL",
        "DELETE FROM rule_version",
        "TRUNCATE rule_version CASCADE",
    ],
)
def test_what_is_kept_is_never_changed(database: Database, change: str) -> None:
    with database.connection() as conn:
        fill(conn)
        conn.execute("INSERT INTO rule_version (rule, version, text_kept_at) VALUES ('old', 1, NULL)")
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute(change)


@pytest.mark.parametrize(
    "values",
    [
        "'r', 1, NULL, 'text', now()",
        "'r', 1, repeat('0', 64), NULL, now()",
        "'r', 1, repeat('0', 64), 'text', NULL",
        "'r', 1, 'abc', 'text', now()",
        "'', 1, repeat('0', 64), 'text', now()",
    ],
)
def test_a_text_without_its_hash_is_refused(database: Database, values: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation), database.connection() as conn:
        conn.execute(f"INSERT INTO rule_version (rule, version, sha256, text, text_kept_at) VALUES ({values})")
