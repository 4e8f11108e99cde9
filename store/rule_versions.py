"""The texts of rules as audits used them: one text a version, kept for ever."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from store.errors import StoreError


class RuleChangedError(StoreError):
    """A rule whose text changed while its version did not."""


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule file as it stands, with the id and version it gives."""

    rule: str
    version: int
    text: str

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """A version that was used; without hash and text where flags were raised by it before texts were kept."""

    rule: str
    version: int
    sha256: str | None
    text: str | None
    first_used_at: datetime


def remember_rules(conn: Connection[Any], rules: Iterable[RuleText]) -> None:
    """Keep the texts of rules that are about to be used, each once.

    RuleChangedError names the first whose text is not the one that was used under its version before.
    """
    wanted = sorted(rules, key=lambda each: (each.rule, each.version))
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rule_version (rule, version, sha256, text) VALUES (%s, %s, %s, %s)
            ON CONFLICT (rule, version) DO UPDATE SET
                sha256 = excluded.sha256, text = excluded.text, text_kept_at = excluded.text_kept_at
            WHERE rule_version.text IS NULL
            """,
            [(each.rule, each.version, each.sha256, each.text) for each in wanted],
        )
    known = {(each.rule, each.version): each.sha256 for each in used_versions(conn, [each.rule for each in wanted])}
    for each in wanted:
        if known[each.rule, each.version] != each.sha256:
            raise RuleChangedError(
                f"rule {each.rule} version {each.version}: its text is not the one used before; raise the version"
            )


def used_versions(conn: Connection[Any], rules: Sequence[str]) -> list[UsedVersion]:
    """Every version of these rules that was used, by rule and version."""
    rows = conn.execute(
        """
        SELECT rule, version, sha256, text, first_used_at FROM rule_version WHERE rule = ANY(%s) ORDER BY rule, version
        """,
        (list(rules),),
    ).fetchall()
    return [UsedVersion(*row) for row in rows]
