"""Cards of cases by housekeeping: each once for a deadline, the present one for who comes late, none on days nobody knows."""

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from geo.localtime import DAY_US
from gongche.case_deadlines import give_due_cards
from gongche.home import Gongche
from gongche.settings import load_settings
from store.archive import Archive
from store.case_views import case, case_events
from store.database import Database
from store.depot import Folder
from store.postgres import EmbeddedPostgres
from tests.web.case_city import CaseCity, build, walk
from web.case_api import now_us
from web.case_steps import limits_of

AHEAD = 60


@pytest.fixture(scope="module", name="home")
def fixture_home(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gongche, CaseCity]]:
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE case_cards TEMPLATE template_gongche STRATEGY wal_log")
    folder: Path = tmp_path_factory.mktemp("home")
    with Database.open(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="case_cards"), pool_size=3) as database:
        with database.connection() as conn:
            city = build(conn)
            conn.execute("INSERT INTO duty_calendar (code, name) VALUES ('every', '')")
            conn.execute(
                """
                INSERT INTO duty_day (calendar, day, kind)
                SELECT 'every', day, 'workday'
                FROM generate_series(now()::date - 2, now()::date + %s::int, interval '1 day') day
                """,
                (AHEAD,),
            )
        yield Gongche(folder, load_settings(folder, case_calendar="every"), database, Archive(Folder(folder))), city


def cards(home: Gongche, city: CaseCity, number: int) -> list[str]:
    with home.database.connection() as conn:
        found = case_events(conn, city.people["aud"], number)
    return [each.facts["card"] for each in found if each.action == "card" and each.name == ""]


def test_each_card_is_given_once_and_written_down(home: tuple[Gongche, CaseCity]) -> None:
    gongche, city = home
    with gongche.database.connection() as conn:
        number = walk(conn, city, "ask", limits=limits_of(conn, gongche.settings))
        row = case(conn, city.people["aud"], number)
    assert row is not None
    now = now_us()
    days = (0, 3, 4, 4, 5, 6, 6, 10, 11, 11, 30)
    given = [give_due_cards(gongche, now + each * DAY_US) for each in days]
    assert [each for each, count in zip(days, given, strict=True) if count] == [4, 6, 11]
    assert cards(gongche, city, number) == ["prompt", "yellow", "red"]
    with gongche.database.connection() as conn:
        row = case(conn, city.people["aud"], number)
        logged = conn.execute(
            "SELECT user_id, facts ->> 'plate', facts ->> 'card' FROM log_entry WHERE action = 'case card' ORDER BY entry_id"
        ).fetchall()
    assert row is not None
    assert row.card == "red"
    assert logged == [(None, "粤AV1", card) for card in ("prompt", "yellow", "red")]


def test_who_comes_late_gives_the_card_of_now_and_a_new_clock_starts_clean(home: tuple[Gongche, CaseCity]) -> None:
    gongche, city = home
    with gongche.database.connection() as conn:
        limits = limits_of(conn, gongche.settings)
        late = walk(conn, city, "ask", limits=limits)
        gone_on = walk(conn, city, "ask explain/mia", limits=limits)
        done = walk(conn, city, "dismiss close", limits=limits)
    give_due_cards(gongche, now_us() + 7 * DAY_US)
    assert [cards(gongche, city, number) for number in (late, gone_on, done)] == [["yellow"], [], []]


def test_days_that_nobody_knows_are_told_and_cost_only_their_cases(
    home: tuple[Gongche, CaseCity], caplog: pytest.LogCaptureFixture
) -> None:
    gongche, city = home
    with gongche.database.connection() as conn:
        number = walk(conn, city, "", limits=limits_of(conn, gongche.settings))
    with caplog.at_level(logging.WARNING):
        assert give_due_cards(gongche, now_us() + (AHEAD + 60) * DAY_US) == 0
    assert "fill the year on the page of duty calendar 'every'" in caplog.text
    assert cards(gongche, city, number) == []


def test_a_calendar_that_is_not_there_is_told(home: tuple[Gongche, CaseCity], caplog: pytest.LogCaptureFixture) -> None:
    gongche, _ = home
    elsewhere = Gongche(
        gongche.home, load_settings(gongche.home, case_calendar="nowhere"), gongche.database, gongche.archive
    )
    with caplog.at_level(logging.WARNING):
        assert give_due_cards(elsewhere, now_us()) == 0
    assert "setting case_calendar: expected the code of a duty calendar, got 'nowhere'" in caplog.text
