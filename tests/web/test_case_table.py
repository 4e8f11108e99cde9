"""Every action of every kind of person on a case in every situation: what the table does not say is refused, changing nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import HTTPException
from psycopg import Connection

from rules.cases import ACTIONS, STATES
from store.database import Database
from store.postgres import EmbeddedPostgres
from store.users import User
from tests.web.case_city import LIMITS, MONTH_US, SAID, CaseCity, build, flag, walk
from web.case_api import now_us, refusals
from web.case_steps import attach, open_case, take_step

SITUATIONS: dict[str, tuple[str, int, str]] = {
    "flagged": ("open/adm", 0, ""),
    "assigned": ("", 0, "ann"),
    "asked": ("ask", 0, "ann"),
    "asked, overdue": ("ask", 1, "ann"),
    "explained": ("ask explain/mia", 0, "ann"),
    "confirmed": ("ask explain/mia confirm", 0, "ann"),
    "confirmed, late": ("ask explain/mia confirm", 1, "ann"),
    "dismissed": ("dismiss", 0, "ann"),
    "dealt with": ("ask explain/mia confirm deal", 0, "ann"),
    "dealt with after an appeal": ("ask explain/mia confirm appeal/mia uphold/bob deal", 0, "ann"),
    "rectified": ("ask explain/mia confirm deal rectify/mia", 0, "ann"),
    "closed, dismissed": ("dismiss close", 0, "ann"),
    "closed, found": ("ask explain/mia confirm deal rectify close", 0, "ann"),
    "closed, found, late": ("ask explain/mia confirm deal rectify close", 1, "ann"),
    "appealed": ("ask explain/mia confirm appeal/mia", 0, "ann"),
    "upheld": ("ask explain/mia confirm appeal/mia uphold/bob", 0, "ann"),
    "upheld, dealt with": ("ask explain/mia confirm deal appeal/mia uphold/bob", 0, "ann"),
    "upheld, rectified": ("ask explain/mia confirm deal rectify close appeal/mia uphold/bob", 0, "ann"),
    "reopened, heard": ("ask explain/mia confirm appeal/mia reopen/bob", 0, "bob"),
    "reopened, not heard": ("dismiss close reopen/bob", 0, "bob"),
    "reopened, given back to the one who decided": ("dismiss close reopen/bob hand_over/bob>ann", 0, "ann"),
}
"""Situation → the steps that lead there, months that have passed, and whose the case is then."""

COMMON = {"comment", "attach"}
LEGAL: dict[str, dict[str, set[str]]] = {
    "flagged": {"ann": {"assign"}, "bob": {"assign"}, "adm": {"assign", "merge"}},
    "assigned": {"ann": {"hand_over", "ask", "dismiss", "merge"}, "adm": {"hand_over", "merge"}},
    "asked": {"ann": {"hand_over", "dismiss", "merge"}, "mia": {"explain", "attach"}, "adm": {"hand_over", "merge"}},
    "asked, overdue": {
        "ann": {"hand_over", "dismiss", "confirm", "merge"}, "mia": {"explain", "attach"}, "adm": {"hand_over", "merge"},
    },
    "explained": {
        "ann": {"hand_over", "ask", "dismiss", "confirm", "merge"}, "mia": {"attach"}, "adm": {"hand_over", "merge"},
    },
    "confirmed": {"ann": {"hand_over", "deal"}, "mia": {"appeal"}, "adm": {"hand_over"}},
    "confirmed, late": {"ann": {"hand_over", "deal"}, "adm": {"hand_over"}},
    "dismissed": {"ann": {"hand_over", "close"}, "adm": {"hand_over"}},
    "dealt with": {"ann": {"hand_over", "rectify"}, "mia": {"rectify", "appeal", "attach"}, "adm": {"hand_over"}},
    "dealt with after an appeal": {"ann": {"hand_over", "rectify"}, "mia": {"rectify", "attach"}, "adm": {"hand_over"}},
    "rectified": {"ann": {"hand_over", "close"}, "adm": {"hand_over"}},
    "closed, dismissed": {"bob": {"reopen"}},
    "closed, found": {"bob": {"reopen"}, "mia": {"appeal"}},
    "closed, found, late": {"bob": {"reopen"}},
    "appealed": {"ann": {"hand_over"}, "bob": {"uphold", "reopen"}, "mia": {"attach"}, "adm": {"hand_over"}},
    "upheld": {"ann": {"hand_over", "deal"}, "adm": {"hand_over"}},
    "upheld, dealt with": {"ann": {"hand_over", "rectify"}, "mia": {"rectify"}, "adm": {"hand_over"}},
    "upheld, rectified": {"ann": {"hand_over", "close"}, "adm": {"hand_over"}},
    "reopened, heard": {"bob": {"hand_over", "ask", "dismiss", "confirm", "merge"}, "adm": {"hand_over", "merge"}},
    "reopened, not heard": {"bob": {"hand_over", "ask", "dismiss", "merge"}, "adm": {"hand_over", "merge"}},
    "reopened, given back to the one who decided": {"ann": {"hand_over", "ask", "merge"}, "adm": {"hand_over", "merge"}},
}  # fmt: skip
"""Situation → person → actions that are legal beside COMMON, which are those of any inspector who sees the case."""

UNSEEN = {"own", "max"}  # an inspector of own cases, and the manager of another unit: there is no such case for them


@pytest.fixture(scope="module", name="opened")
def fixture_opened(postgres: EmbeddedPostgres) -> Iterator[tuple[Database, CaseCity, dict[str, int]]]:
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE case_table TEMPLATE template_gongche STRATEGY wal_log")
    with Database.open(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="case_table"), pool_size=2) as database:
        with database.connection() as conn:
            city = build(conn)
            numbers = {name: walk(conn, city, steps) for name, (steps, _, _) in SITUATIONS.items()}
        yield database, city, numbers


def counts(conn: Connection[Any]) -> tuple[Any, ...] | None:
    """All that a step may change, in short."""
    return conn.execute(
        """
        SELECT (SELECT sum(hashtext(c::text)) FROM case_file c), (SELECT count(*) FROM case_flag),
               (SELECT count(*) FROM case_event), (SELECT count(*) FROM evidence), (SELECT entry_id FROM log_head)
        """
    ).fetchone()


@dataclass(frozen=True, slots=True)
class Attempts:
    """Steps tried on one case by one person, at an instant to come perhaps; spare: a flag in no case."""

    conn: Connection[Any]
    user: User
    number: int
    inspector: str  # whose it is
    now: int
    spare: str
    folder: Path

    def status(self, action: str) -> int:
        """The status that a step ends with."""
        heir = next(name for name in ("bob", "ann") if name != self.inspector)
        inspector = heir if action == "hand_over" or self.user.role == "admin" else ""
        said = {**SAID, "inspector": inspector, "flags": [self.spare]}
        try:
            with refusals():
                if action == "attach":
                    text = BytesIO(b"seen")
                    attach(self.conn, self.user, self.number, "note.txt", text, self.folder, 1000, LIMITS, self.now)
                else:
                    take_step(self.conn, self.user, self.number, action, said, LIMITS, self.now)
        except HTTPException as refused:
            return refused.status_code
        return 200


def test_the_situations_are_in_every_state(opened: tuple[Database, CaseCity, dict[str, int]]) -> None:
    database, _, numbers = opened
    with database.connection() as conn:
        found = dict(conn.execute("SELECT case_id, state FROM case_file").fetchall())
    assert {found[number] for number in numbers.values()} == set(STATES)
    assert set(LEGAL) == set(SITUATIONS)


def test_what_is_not_legal_is_refused_and_changes_nothing(
    opened: tuple[Database, CaseCity, dict[str, int]], tmp_path: Path
) -> None:
    database, city, numbers = opened
    wrong: list[tuple[Any, ...]] = []
    with database.connection() as conn:
        spare = flag(conn, city)
        for situation, (_, months, inspector) in SITUATIONS.items():
            before = counts(conn)
            for name, user in city.people.items():
                now = now_us() + months * MONTH_US
                tries = Attempts(conn, user, numbers[situation], inspector, now, spare, tmp_path)
                legal = legal_for(situation, user)
                wrong += [
                    (situation, name, action, "is not refused as it should be")
                    for action in ACTIONS
                    if action not in legal and tries.status(action) not in refusal_for(name, action)
                ]
                if counts(conn) != before:
                    wrong.append((situation, name, "what was refused changed something"))
                for action in sorted(legal):
                    with conn.transaction(force_rollback=True):
                        if tries.status(action) != 200 or counts(conn) == before:
                            wrong.append((situation, name, action, "is refused"))
    assert wrong == []


def legal_for(situation: str, user: User) -> set[str]:
    """What the table says, with what any inspector who sees the case may do."""
    common = set() if user.role != "inspector" or user.name in UNSEEN else COMMON
    return LEGAL[situation].get(user.name, set()) | (common - {"attach"} if situation.startswith("closed") else common)


def refusal_for(name: str, action: str) -> set[int]:
    """The statuses a refusal may have."""
    if name in UNSEEN:
        return {404}
    return {403} if name == "aud" else {403, 409, 400} if action == "give_up" else {403, 409}


def test_only_inspector_and_administrator_open_a_case(opened: tuple[Database, CaseCity, dict[str, int]]) -> None:
    database, city, _ = opened
    found = {}
    with database.connection() as conn:
        for name, user in city.people.items():
            with conn.transaction(force_rollback=True):
                before = counts(conn)
                one = flag(conn, city)
                try:
                    with refusals():
                        open_case(conn, user, [one], LIMITS, now_us())
                    found[name] = 200
                except HTTPException as refused:
                    found[name] = refused.status_code
                assert (counts(conn) != before) == (found[name] == 200)
    assert found == {"ann": 200, "bob": 200, "own": 200, "mia": 403, "max": 403, "aud": 403, "adm": 200}
