"""Reviews in the store: decided once, by whom, after how long a look; what precision, recall and the watch are read of."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection

from geo.localtime import FLEET_ZONE, day_number
from store import review_views, reviews, watch_views
from store.database import Database
from store.log import append
from store.reviews import QueueRow, RankedItem, ReviewError, SampleItem
from store.users import User
from tests.store.review_rows import OTHER, RULE, case, driven, flag, person, rules, vehicles

DAY = datetime.now(FLEET_ZONE).date() - timedelta(days=1)
LONG_AGO = date(2000, 1, 1)
AGES = (1, 3, 7, 30)


def ranked(place: int, vehicle: int, flags: list[str], user: User) -> RankedItem:
    return RankedItem(place, vehicle, user.user_id, flags[0], "yellow", 40.0, 0.4, 0.8, {"points": 0.4}, flags)


def build(conn: Connection[Any]) -> tuple[User, User, list[int], list[str]]:
    """Two inspectors and six vehicles: three in a queue's ranked part, two drawn (one of them flagged), one left."""
    rules(conn)
    ann, bob = person(conn, "ann"), person(conn, "bob")
    cars = vehicles(conn, 6)
    driven(conn, cars, DAY)
    flags = [flag(conn, car, DAY) for car in cars[:4]]
    flags.append(flag(conn, cars[0], DAY, rule=OTHER))
    queue = QueueRow(DAY + timedelta(days=1), DAY, DAY, 2, 4, 0.5, "seed", None, 4, 3, 1, 2)
    items = [
        ranked(1, cars[0], [flags[0], flags[4]], ann),
        ranked(2, cars[1], [flags[1]], bob),
        ranked(3, cars[2], [flags[2]], ann),
    ]
    sample = [
        SampleItem(4, cars[3], ann.user_id, day_number(DAY), "flagged", 1.0),
        SampleItem(5, cars[4], bob.user_id, day_number(DAY), "unflagged", 0.5),
    ]
    reviews.keep_queue(conn, queue, items, sample)
    return ann, bob, cars, flags


def numbers(conn: Connection[Any]) -> dict[int, int]:
    return dict(conn.execute("SELECT place, item_id FROM review_item").fetchall())


def test_an_item_is_decided_once_and_a_case_over_its_flags_decides_it_too(database: Database) -> None:
    with database.connection() as conn:
        ann, bob, _, flags = build(conn)
        item = numbers(conn)
        reviews.look(conn, item[1], "plate", ann)
        reviews.record(conn, item[1], "clean", "an order", ann)
        for wanted, given in {
            "decided already, clean by ann": (item[1], "clean", "again", bob),
            "there is none": (999, "clean", "x", bob),
            "expected a text, got none": (item[2], "clean", "", bob),
            "expected the number of the case": (item[2], "case", "", bob),
        }.items():
            with pytest.raises(ReviewError, match=wanted), conn.transaction():
                reviews.record(conn, *given)
        number = case(conn, [flags[1]], bob)
        with pytest.raises(ReviewError, match="decided already, case by bob"), conn.transaction():
            reviews.record(conn, item[2], "clean", "x", ann)
        with pytest.raises(ReviewError, match="holds none of its flags"), conn.transaction():
            reviews.record(conn, item[3], "case", "", ann, number)
        found, count, waiting = review_views.queue_items(conn, DAY + timedelta(days=1), None)
        mine = review_views.queue_items(conn, DAY + timedelta(days=1), bob.user_id)
    states = {each.place: (each.outcome, each.decided_by, each.case_id, each.flags) for each in found}
    assert states == {
        1: ("clean", "ann", None, 2),
        2: ("case", "bob", number, 1),
        3: (None, "", None, 1),
        4: (None, "", None, 1),
        5: (None, "", None, 0),
    }
    assert [each.place for each in found] == [3, 4, 5, 1, 2]
    assert (count, waiting) == (5, 3)
    assert [each.place for each in mine[0]] == [5, 2]


def test_strata_tell_what_was_ranked_what_has_other_flags_and_what_has_none(database: Database) -> None:
    with database.connection() as conn:
        _, _, cars, _ = build(conn)
        one = flag(conn, cars[5], DAY)
        strata = [stratum for _, _, stratum in reviews.vehicle_days(conn, day_number(DAY), day_number(DAY), [])]
        with_one = reviews.vehicle_days(conn, day_number(DAY), day_number(DAY), [one])
    assert strata == ["ranked", "ranked", "ranked", "flagged", "unflagged", "flagged"]
    assert with_one[5] == (cars[5], day_number(DAY), "ranked")


def test_what_precision_and_recall_rest_on_is_what_cases_and_reviews_decided(database: Database) -> None:
    with database.connection() as conn:
        ann, bob, _, flags = build(conn)
        item = numbers(conn)
        reviews.record(conn, item[1], "clean", "an order", ann)
        reviews.record(conn, item[2], "case", "", bob, case(conn, [flags[1]], bob, "confirmed"))
        reviews.record(conn, item[4], "misuse", "seen", ann)
        decided, units = review_views.decided(conn, LONG_AGO)
        episodes = reviews.decided_episodes(conn, LONG_AGO)
    assert {(each.rule, tuple(each.groups), each.verdict, each.outcome) for each in decided} == {
        (RULE, (item[1],), None, "clean"),
        (OTHER, (item[1],), None, "clean"),
        (RULE, (item[2],), "confirmed", "case"),
        (RULE, (item[4],), None, "misuse"),
    }
    assert {(each.stratum, each.weight, tuple(each.rules), tuple(each.decided), each.count) for each in units} == {
        ("flagged", 1.0, (RULE,), ((None, "misuse"),), 1),
        ("unflagged", 2.0, (), ((None, None),), 1),
        ("ranked", 1.0, (RULE, OTHER), ((None, "clean"),), 1),
        ("ranked", 1.0, (RULE,), (("confirmed", "case"),), 1),
        ("ranked", 1.0, (RULE,), ((None, None),), 1),
    }
    assert {(each.episode, each.outcome, tuple(each.verdicts)) for each in episodes} == {
        (flags[0], "clean", ()),
        (flags[1], "case", ("confirmed",)),
    }


def test_of_a_flag_in_several_cases_the_last_decision_counts_as_the_view_has_it(database: Database) -> None:
    with database.connection() as conn:
        ann, bob, cars, flags = build(conn)
        reviews.record(conn, numbers(conn)[1], "suspicious", "who knows", ann)
        first = case(conn, flags[:2], bob, "confirmed")
        conn.execute("UPDATE case_file SET state = 'closed' WHERE case_id = %s", (first,))
        last = case(conn, flags[1:3], ann, "dismissed")
        lone = flag(conn, cars[5], DAY, level="red")
        case(conn, [lone], ann)  # taken into a case, not decided
        conn.execute("UPDATE flag SET withdrawn_at = now() WHERE flag_id = %s", (flags[0],))
        decided, units = review_views.decided(conn, LONG_AGO)
        none = review_views.decided(conn, DAY + timedelta(days=2))
        plain = conn.execute(
            """
            SELECT f.rule, f.level, v.verdict, o.outcome, coalesce(o.item_id, -v.case_id)
            FROM flag f LEFT JOIN flag_verdict v USING (flag_id)
            LEFT JOIN (review_flag JOIN review_outcome o USING (item_id)) USING (flag_id)
            WHERE v.verdict IS NOT NULL OR o.outcome IS NOT NULL
            """
        ).fetchall()
    told = [(each.rule, each.level, each.verdict, each.outcome, group) for each in decided for group in each.groups]
    assert sorted(map(str, told)) == sorted(map(str, plain))
    assert {(verdict, group) for _, _, verdict, _, group in told if verdict == "dismissed"} == {("dismissed", -last)}
    ranked = sorted(((each.rules, each.decided, each.count) for each in units if each.stratum == "ranked"), key=str)
    assert ranked == [
        ([RULE], [("dismissed", None)], 2),
        ([RULE], [(None, None)], 1),
        ([OTHER], [(None, "suspicious")], 1),  # its other flag is withdrawn
    ]
    assert none == ([], [])


def test_the_watch_reads_what_waits_how_fast_and_with_what_words_it_was_decided(database: Database) -> None:
    with database.connection() as conn:
        ann, bob, cars, flags = build(conn)
        item = numbers(conn)
        reviews.look(conn, item[1], "plate", ann)
        reviews.record(conn, item[1], "clean", "an order", ann)
        left = flag(conn, cars[5], DAY, level="red")
        opened = case(conn, [flags[1]], bob)
        append(conn, "access", "vehicle", str(cars[1]), user_id=bob.user_id)
    with database.connection() as conn:
        conn.execute("UPDATE case_file SET state = 'dismissed' WHERE case_id = %s", (opened,))
        for before, after, text in (("assigned", "explained", "late"), ("explained", "dismissed", "it was late")):
            conn.execute(
                "INSERT INTO case_event (case_id, user_id, from_state, to_state, reason, at) "
                "VALUES (%s, %s, %s, %s, %s, now() + interval '90 seconds')",
                (opened, bob.user_id, before, after, text),
            )
    now = datetime.now(FLEET_ZONE)
    since = now - timedelta(days=60)
    with database.connection() as conn:
        items = watch_views.waiting_items(conn, now + timedelta(days=5), AGES)
        waiting = watch_views.waiting_flags(conn, now, since, AGES)
        decisions = watch_views.decisions(conn, since)
        texts = watch_views.texts(conn, since)
        people = watch_views.by_inspector(conn, since)
        units = watch_views.by_unit(conn, since)
    assert {each.name: (each.ages, each.unseen) for each in items} == {
        "ann": ([0, 0, 2, 0, 0], 2),
        "bob": ([0, 0, 1, 0, 0], 1),
    }
    assert {each.name: each.count for each in waiting} == {"red": 1, "yellow": 1}, left
    seconds = {each.person: each.seconds for each in decisions}
    assert seconds == {"bob": [pytest.approx(90, abs=5)], "ann": [pytest.approx(2.5, abs=2.5)]}
    assert {(each.person, each.what, each.text, *each.links) for each in texts} == {
        ("ann", "dismissal", "an order", f"/queue/{item[1]}"),
        ("bob", "explanation", "late", f"/cases/{opened}"),
        ("bob", "dismissal", "it was late", f"/cases/{opened}"),
    }
    places = {each.person: [other.places for other in texts if other.person == each.person] for each in texts}
    assert (places["ann"], sorted(places["bob"])) == ([[3]], [[1], [2]])  # both of bob's at the same time
    assert {(each.name_en, each.decided, each.dismissed) for each in people} == {("ann", 1, 1), ("bob", 1, 1)}
    assert [(each.decided, each.dismissed) for each in units] == [(2, 2)]
