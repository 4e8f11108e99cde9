"""Steps of cases against the database: who comes second, what is cut off, when an appeal ends, whose comments are hidden."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from geo.localtime import to_us
from rules.cases import APPEAL_WITHIN_DAYS, IllegalStepError
from rules.clocks import deadline_us
from store import case_views
from store.cases import CaseConflictError, lock_case
from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.web.case_city import LIMITS, SAID, CaseCity, build, flag, walk
from web import case_steps
from web.case_api import now_us
from web.case_steps import attach, open_case, take_step

PATIENCE_S = 30.0


@pytest.fixture(scope="module", name="opened")
def fixture_opened(postgres: EmbeddedPostgres) -> Iterator[tuple[Database, CaseCity]]:
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE case_steps TEMPLATE template_gongche STRATEGY wal_log")
    with Database.open(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="case_steps"), pool_size=4) as database:
        with database.connection() as conn:
            city = build(conn)
        yield database, city


def beside(database: Database, work: Callable[[Any], Any]) -> "Future[Any]":
    """Work in another connection and thread; what it gives or raises."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            with database.connection() as conn:
                done.set_result(work(conn))
        except Exception as error:  # noqa: BLE001 - it is told to who asks
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def wait_for_a_lock(database: Database) -> None:
    """Until another connection waits for a lock."""
    with database.connection() as conn:
        for _ in range(3000):
            waiting = conn.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if waiting != (0,):
                return
            conn.execute("SELECT pg_sleep(0.01)")
    pytest.fail("nobody waits")


def test_of_two_who_open_a_case_over_one_flag_the_second_is_told(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        one = flag(conn, city)
    with database.connection() as conn:
        number = open_case(conn, city.people["ann"], [one], LIMITS, now_us())
        second = beside(database, lambda other: open_case(other, city.people["bob"], [one], LIMITS, now_us()))
        wait_for_a_lock(database)
    with pytest.raises(CaseConflictError, match="somebody took one of them"):
        second.result(PATIENCE_S)
    with database.connection() as conn:
        assert conn.execute("SELECT case_id FROM case_flag WHERE flag_id = %s", (one,)).fetchall() == [(number,)]


def test_of_two_who_decide_at_once_the_second_sees_what_the_first_did(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "ask explain/mia")
    with database.connection() as conn:
        take_step(conn, city.people["ann"], number, "confirm", SAID, LIMITS, now_us(), expected="explained")
        again = beside(
            database,
            lambda other: take_step(
                other, city.people["ann"], number, "dismiss", SAID, LIMITS, now_us(), expected="explained"
            ),
        )
        wait_for_a_lock(database)
    with pytest.raises(CaseConflictError, match="expected one that is explained, got one that somebody made confirmed"):
        again.result(PATIENCE_S)
    with database.connection() as conn:
        verdicts = conn.execute("SELECT to_state FROM case_event WHERE case_id = %s AND action = 'dismiss'", (number,))
        assert verdicts.fetchall() == []


def test_two_cases_that_take_each_others_flags_do_not_wait_for_each_other(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        one, other = walk(conn, city, ""), walk(conn, city, "")
        held = dict(
            conn.execute("SELECT case_id, flag_id FROM case_flag WHERE case_id = ANY(%s)", ([one, other],)).fetchall()
        )

    def merge(conn: Any, into: int, taken: str) -> str:
        return take_step(conn, city.people["ann"], into, "merge", {"flags": [taken]}, LIMITS, now_us())

    with database.connection() as conn:
        merge(conn, other, held[one])
        second = beside(database, lambda beside_it: merge(beside_it, one, held[other]))
        wait_for_a_lock(database)
    with pytest.raises(IllegalStepError, match="got one that is closed"):
        second.result(PATIENCE_S)
    with database.connection() as conn:
        row = conn.execute("SELECT array_agg(flag_id ORDER BY flag_id) FROM case_flag WHERE case_id = %s", (other,))
        assert row.fetchone() == (sorted(held.values()),)


def test_what_is_cut_off_between_file_and_commit_leaves_no_row_and_can_be_done_again(
    opened: tuple[Database, CaseCity], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "ask")

    def keep(conn: Any) -> int:
        text = BytesIO(b"seen")
        return attach(conn, city.people["mia"], number, "letter.txt", text, tmp_path, 100, LIMITS, now_us())

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(case_steps, "record_step", cut_off)
        with pytest.raises(KeyboardInterrupt), database.connection() as conn:
            keep(conn)
    with database.connection() as conn:
        assert case_views.case_files(conn, city.people["aud"], number) == []
        assert len(case_views.case_events(conn, city.people["aud"], number)) == 3
    assert len(list((tmp_path / str(number)).iterdir())) == 1, "a file that nothing names"
    with database.connection() as conn:
        evidence = keep(conn)
        (row,) = case_views.case_files(conn, city.people["aud"], number)
    assert (row.evidence_id, (tmp_path / row.path).read_bytes()) == (evidence, b"seen")
    assert len(list((tmp_path / str(number)).iterdir())) == 1


def test_a_row_is_never_written_before_its_file(opened: tuple[Database, CaseCity], tmp_path: Path) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "")
    (tmp_path / str(number)).write_text("a file where the folder should be")
    with pytest.raises(OSError, match=str(number)), database.connection() as conn:
        attach(conn, city.people["ann"], number, "note.txt", BytesIO(b"x"), tmp_path, 100, LIMITS, now_us())
    with database.connection() as conn:
        assert case_views.case_files(conn, city.people["aud"], number) == []


def test_an_appeal_is_in_time_to_the_last_instant_of_its_limit(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "ask explain/mia confirm")
    with database.connection() as conn:
        entered = to_us(lock_case(conn, city.people["mia"], number).entered_at)
        over = deadline_us(entered, APPEAL_WITHIN_DAYS, LIMITS.works)
        with pytest.raises(IllegalStepError, match="within 10 working days, got one after them"):
            take_step(conn, city.people["mia"], number, "appeal", SAID, LIMITS, over)
        assert take_step(conn, city.people["mia"], number, "appeal", SAID, LIMITS, over - 1) == "appealed"


def test_a_unit_may_explain_late_and_the_clock_of_the_inspector_begins_then(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "ask explain/mia@2")
        row = case_views.case(conn, city.people["mia"], number)
    assert row is not None
    assert (row.state, row.clock, row.overdue) == ("explained", "decide", False)


def test_a_deadline_stands_in_the_case_and_in_its_steps(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        number = walk(conn, city, "ask comment hand_over/adm>bob")
        events = case_views.case_events(conn, city.people["aud"], number)
        row = case_views.case(conn, city.people["aud"], number)
    assert row is not None
    assert row.deadline is not None
    assert [each.deadline == row.deadline for each in events] == [False, False, True, True, True]
    assert to_us(row.deadline) == deadline_us(now_us(), 5, LIMITS.works)


def test_the_list_is_narrowed_and_what_is_due_first_stands_first(opened: tuple[Database, CaseCity]) -> None:
    database, city = opened
    with database.connection() as conn:
        late = open_case(conn, city.people["ann"], [flag(conn, city, "V2")], LIMITS, now_us() - 10**13)
        later = open_case(conn, city.people["bob"], [flag(conn, city, "V2")], LIMITS, now_us())
        auditor = city.people["aud"]

        def numbers(**chosen: Any) -> list[int]:
            return [each.case_id for each in case_views.cases(conn, auditor, **chosen)[0]]

        assert numbers(unit="U2") == [late, later]
        assert numbers(unit="U2", overdue=True) == [late]
        assert numbers(unit="U2", inspector="bob") == [later]
        assert numbers(unit="U2", state="closed") == []
        assert numbers(unit="U2", rows=1, page=2) == [later]
        day = case_views.cases(conn, auditor, unit="U2")[0][0].opened_at.date()
        assert numbers(unit="U2", to_day=day.replace(year=day.year - 1)) == []
        assert [each.case_id for each in case_views.cases(conn, city.people["max"])[0]] == [late, later]
        assert conn.execute("SELECT FROM case_flag WHERE flag_id = 'night-use:x'").fetchall() == []
