"""The queue of a day: within its budget, one for one state of the database, never changed."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import day_number, day_start_us
from gongche.home import Gongche
from gongche.housekeeping import House
from gongche.queueing import is_review_day, make_queue, model_of
from gongche.settings import Settings
from rules.ranking import LEVEL_WEIGHT
from store import reviews
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.users import User
from tests.store.review_rows import OTHER, RULE, case, driven, flag, person, rules, vehicles

DAY = date(2026, 3, 10)
TODAY = day_number(DAY)
YESTERDAY = DAY - timedelta(days=1)


def home(database: Database, each: int = 4, **settings: Any) -> Gongche:
    nowhere = Path("/nowhere")
    return Gongche(nowhere, Settings(reviews_per_inspector_day=each, **settings), database, Archive(Folder(nowhere)))


def items(conn: Connection[Any], day: date = DAY) -> list[tuple[Any, ...]]:
    return conn.execute(
        """
        SELECT place, why, vehicle_id, assigned_to, episode, probability, value, vehicle_day, stratum, inclusion
        FROM review_item WHERE day = %s ORDER BY place
        """,
        (day,),
    ).fetchall()


@pytest.fixture
def people(database: Database) -> list[User]:
    """Two inspectors, forty vehicles that drove yesterday, ten of them flagged, two of these twice."""
    with database.connection() as conn:
        rules(conn)
        cars = vehicles(conn, 40)
        driven(conn, cars, YESTERDAY)
        for number, car in enumerate(cars[:10]):
            flag(conn, car, YESTERDAY, points=10.0 + 5 * number)
        flag(conn, cars[0], YESTERDAY, rule=OTHER, level="red", points=80.0)
        flag(conn, cars[1], YESTERDAY, hour=22, points=10.0)
        return [person(conn, "ann"), person(conn, "bob")]


def test_a_queue_keeps_to_its_budget_and_is_made_once(database: Database, people: list[User]) -> None:
    gongche = home(database)
    queue = make_queue(gongche, TODAY)
    assert queue is not None
    assert (queue.candidates, queue.inspectors, queue.model_id) == (10, 2, None)
    assert (queue.ranked_days, queue.flagged_days, queue.unflagged_days) == (7, 3, 30)
    with database.connection() as conn:
        found = items(conn)
        flags = conn.execute("SELECT count(*) FROM review_flag").fetchone()
    assert [row[0] for row in found] == list(range(1, 9))
    assert [row[1] for row in found] == ["ranked"] * 7 + ["sample"]
    assert Counter(row[3] for row in found) == {each.user_id: 4 for each in people}
    values = [row[6] for row in found[:7]]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx((1 - 0.9 * 0.2) * LEVEL_WEIGHT["red"])
    assert found[7][9] == pytest.approx(1 / {"flagged": 3, "unflagged": 30}[found[7][8]])
    assert flags == (8,)  # seven episodes, one of them of two rules
    assert make_queue(gongche, TODAY) is None
    assert make_queue(gongche, TODAY - 1) is None, "a day before the last queue"


class _UndoneError(Exception):
    """Ends a transaction, so that nothing of it stays."""


def test_the_same_flags_make_the_same_queue_in_whatever_order_they_stand(
    database: Database, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people
    keep, made = reviews.keep_queue, []

    def look(conn: Connection[Any], *given: Any) -> None:
        keep(conn, *given)
        made.append(items(conn))
        raise _UndoneError

    monkeypatch.setattr(reviews, "keep_queue", look)
    for _ in range(2):
        with pytest.raises(_UndoneError):
            make_queue(home(database), TODAY)
        with database.connection() as conn:  # other places of rows in the table
            conn.execute("UPDATE flag SET points = points WHERE level = 'yellow'")
    assert len(made[0]) == 8
    assert made[0] == made[1]


def test_what_is_exempted_withdrawn_in_a_case_or_decided_is_not_queued(database: Database, people: list[User]) -> None:
    with database.connection() as conn:
        cars = [car for (car,) in conn.execute("SELECT vehicle_id FROM vehicle ORDER BY vehicle_id LIMIT 10")]
        conn.execute(
            """
            INSERT INTO exemption (vehicle_id, approved_by, reason, valid) VALUES (%s, 'x', 'x', tstzrange(NULL, NULL))
            """,
            (cars[2],),
        )
        conn.execute("UPDATE flag SET exemption_id = 1 WHERE vehicle_id = %s", (cars[2],))
        conn.execute("UPDATE flag SET withdrawn_at = now() WHERE vehicle_id = %s", (cars[3],))
        (flag_id,) = conn.execute("SELECT flag_id FROM flag WHERE vehicle_id = %s", (cars[4],)).fetchone() or ("",)
        case(conn, [flag_id], people[0])
    queue = make_queue(home(database), TODAY)
    assert queue is not None
    assert queue.candidates == 7
    with database.connection() as conn:
        shown = {row[2] for row in items(conn) if row[1] == "ranked"}
    assert not shown & set(cars[2:5])


def test_a_later_flag_joins_its_open_item_and_after_a_decision_makes_a_new_one(
    database: Database, people: list[User]
) -> None:
    gongche = home(database)
    make_queue(gongche, TODAY)
    with database.connection() as conn:
        rows = conn.execute(
            "SELECT item_id, vehicle_id, episode FROM review_item WHERE place <= 2 ORDER BY place"
        ).fetchall()
        (open_item, open_car, _), (done_item, done_car, done_name) = rows
        reviews.record(conn, done_item, "clean", "the roster says so", people[0])
        late = [flag(conn, car, YESTERDAY, hour=21, raised_after_s=9000) for car in (open_car, done_car)]
        driven(conn, [open_car], DAY)
    queue = make_queue(gongche, TODAY + 1)
    assert queue is not None
    assert (queue.from_day, queue.through_day) == (DAY, DAY)
    with database.connection() as conn:
        found = dict(
            conn.execute("SELECT flag_id, item_id FROM review_flag WHERE flag_id = ANY(%s)", (late,)).fetchall()
        )
        named = conn.execute("SELECT episode FROM review_item WHERE item_id = %s", (found[late[1]],)).fetchone()
    assert found[late[0]] == open_item
    assert found[late[1]] != done_item
    assert named == (late[1],) != (done_name,)


def test_with_enough_verdicts_a_model_ranks_and_what_it_says_can_be_computed_again(
    database: Database, people: list[User]
) -> None:
    gongche = home(database, review_sample_share=0.0)
    with database.connection() as conn:
        more = vehicles(conn, 160)[40:]
        for number, car in enumerate(more):
            flag(conn, car, YESTERDAY, rule=(RULE, OTHER)[number % 2], trip=number % 3 == 0)
    make_queue(home(database, each=40, review_sample_share=0.0), TODAY)
    with database.connection() as conn:
        shown = conn.execute(
            "SELECT item_id, features ? %s FROM review_item ORDER BY item_id", (f"rule {OTHER}",)
        ).fetchall()
        for number, (item, private) in enumerate(shown):
            flags = [each for (each,) in conn.execute("SELECT flag_id FROM review_flag WHERE item_id = %s", (item,))]
            if private != (number % 10 == 0):
                reviews.record(conn, item, "case", "", people[0], case(conn, flags, people[0], "confirmed"))
            else:
                reviews.record(conn, item, "clean", "an order", people[1])
    queue = make_queue(gongche, TODAY + 1)
    assert queue is not None
    with database.connection() as conn:
        kept = reviews.model(conn, model_id=queue.model_id)
        assert kept is not None
        rows = conn.execute(
            "SELECT features, probability FROM review_item WHERE day = %s", (DAY + timedelta(days=1),)
        ).fetchall()
    assert kept.verdicts == 80
    model = model_of(kept)
    terms = {term.name: term.coefficient for term in model.terms}
    assert terms[f"rule {OTHER}"] > 0 > terms[f"rule {RULE}"]
    assert len(rows) == 8
    for features, probability in rows:
        assert round(model.probability_of(features), 6) == pytest.approx(probability, abs=1.1e-6)


def test_nothing_that_was_made_can_be_changed(database: Database, people: list[User]) -> None:
    make_queue(home(database), TODAY)
    with database.connection() as conn:
        reviews.record(conn, 1, "clean", "an order", people[0])
    for statement in (
        "UPDATE review_item SET place = place + 100",
        "DELETE FROM review_queue",
        "UPDATE review_outcome SET outcome = 'suspicious'",
        "TRUNCATE review_flag",
        "DELETE FROM review_look",
    ):
        with pytest.raises(psycopg.errors.RaiseException), database.connection() as conn:
            conn.execute(statement)


def test_without_an_inspector_there_is_one_day_of_reviews_for_nobody(database: Database) -> None:
    with database.connection() as conn:
        rules(conn)
        flag(conn, vehicles(conn, 1)[0], YESTERDAY)
    queue = make_queue(home(database), TODAY)
    assert queue is not None
    with database.connection() as conn:
        assert [row[:4] for row in items(conn)] == [(1, "ranked", 1, None)]


def test_people_review_on_working_days_and_on_days_nobody_knows(database: Database) -> None:
    saturday, monday = day_number(date(2026, 3, 7)), day_number(date(2026, 3, 9))
    with database.connection() as conn:
        conn.execute("INSERT INTO duty_calendar (code, name) VALUES ('weekends too', '')")
        conn.execute(
            "INSERT INTO duty_day (calendar, day, kind) VALUES ('weekends too', '2026-03-07', 'adjusted_workday'),"
            " ('weekends too', '2026-03-09', 'holiday')"
        )
    announced, own = home(database), home(database, case_calendar="weekends too")
    assert (is_review_day(announced, saturday), is_review_day(announced, monday)) == (False, True)
    assert (is_review_day(own, saturday), is_review_day(own, monday)) == (True, False)
    assert is_review_day(own, monday + 1), "its calendar does not know the day"
    assert is_review_day(announced, day_number(date(2150, 3, 7))), "not announced"
    assert is_review_day(home(database, case_calendar="none"), saturday), "no such calendar"


def test_the_first_queue_after_a_rest_takes_in_the_days_of_the_rest(database: Database, people: list[User]) -> None:
    assert people
    gongche = home(database)
    before = make_queue(gongche, TODAY - 4)
    after = make_queue(gongche, TODAY)
    assert before is not None
    assert after is not None
    assert (after.from_day, after.through_day) == (DAY - timedelta(days=4), YESTERDAY)
    assert (after.ranked_days, after.flagged_days, after.unflagged_days) == (7, 3, 30)


def test_housekeeping_makes_queues_on_working_days_alone(
    database: Database, people: list[User], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert people
    gongche = replace(home(database), home=tmp_path, archive=Archive(Folder(tmp_path)))
    saturday, monday = day_number(date(2026, 3, 14)), day_number(date(2026, 3, 16))
    for day in (saturday, saturday + 1, monday):
        monkeypatch.setattr("gongche.housekeeping.today", lambda day=day: day)
        monkeypatch.setattr("gongche.housekeeping.now_us", lambda day=day: day_start_us(day + 1) - 1)
        House(gongche).round()
    with database.connection() as conn:
        made = conn.execute("SELECT day FROM review_queue").fetchall()
    assert made == [(date(2026, 3, 16),)]
