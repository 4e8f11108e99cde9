"""The review queue, the accuracy of rules and the watch over reviews, as pages and as JSON."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.web.city import EVIL_PLATE, City, build_city
from tests.web.conftest import SignedIn
from tests.web.review_city import TODAY, items_of
from web.app import create_app
from web.settings import WebSettings


@pytest.fixture(scope="module", name="own")
def fixture_own(postgres: EmbeddedPostgres) -> Iterator[City]:
    """A city that these tests alone decide about."""
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE review_city TEMPLATE template_gongche STRATEGY wal_log")
    with Database.open(
        psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="review_city"), pool_size=4
    ) as database:
        yield build_city(database)


@pytest.fixture
def app(settings: WebSettings, own: City) -> FastAPI:
    return create_app(settings, own.database)


def post(client: httpx.Client, path: str, **form: str) -> httpx.Response:
    return client.post(path, data=form, headers={"origin": str(client.base_url)})


def send(client: httpx.Client, path: str, **body: object) -> httpx.Response:
    return client.post(path, json=body, headers={"origin": str(client.base_url)})


def outcomes(city: City) -> dict[int, tuple[str, str]]:
    with city.database.connection() as conn:
        rows = conn.execute("SELECT item_id, outcome, reason FROM review_outcome").fetchall()
    return {item: (outcome, reason) for item, outcome, reason in rows}


def test_the_queue_shows_what_waits_first_and_each_item_its_flags_numbers_and_causes(
    own: City, signed_in: SignedIn
) -> None:
    items = items_of(own)
    client = signed_in("inspector")
    page = client.get("/queue").text
    assert f'href="/queue/{items["open"]}"' in page
    assert "3 of 3 wait" in page
    card = client.get(f"/queue/{items['open']}").text
    for text in ("Evidence of private use 62 points", "≥ 60", "What may explain it", "80.0 %", "by model 1", "+1.80"):
        assert text in card, text
    assert 'action="/cases"' in card
    assert f'name="flag" value="private-use-no-order:{own.trip_ids["V1"]}"' in card
    sample = client.get(f"/queue/{items['sample']}").text
    assert "among the days with flags that were not ranked" in sample
    assert f"/trips/{own.trip_ids['V11']}" in sample
    quiet = client.get(f"/queue/{items['quiet']}").text
    assert EVIL_PLATE not in quiet
    assert "No rule found anything on this day." in quiet
    assert 'action="/cases"' not in quiet


def test_an_auditor_reads_all_and_is_offered_no_decision(own: City, signed_in: SignedIn) -> None:
    items = items_of(own)
    for role in ("auditor", "admin"):
        client = signed_in(role)
        assert client.get("/api/queue").json()["waiting"] == 3
        assert "/outcome" not in client.get(f"/queue/{items['open']}").text
        assert client.get(f"/api/queue/{items['open']}").json()["outcomes"] == []


def test_only_an_inspector_decides_and_only_from_our_pages(own: City, signed_in: SignedIn) -> None:
    number = items_of(own)["open"]
    before = outcomes(own)
    for role in ("manager", "auditor", "admin"):
        client = signed_in(role)
        assert post(client, f"/queue/{number}/outcome", outcome="clean", reason="an order").status_code == 403
        assert send(client, f"/api/queue/{number}/outcome", outcome="clean", reason="an order").status_code == 403
    inspector = signed_in("inspector")
    body = {"outcome": "clean", "reason": "an order"}
    assert inspector.post(f"/queue/{number}/outcome", data=body).status_code == 403
    assert inspector.post(f"/api/queue/{number}/outcome", json=body).status_code == 403
    assert outcomes(own) == before


def test_what_is_wrong_with_a_decision_is_said(own: City, signed_in: SignedIn) -> None:
    items, client = items_of(own), signed_in("inspector")
    path = f"/api/queue/{items['open']}/outcome"

    def fault(**body: object) -> tuple[int, str]:
        answer = send(client, path, **body)
        return answer.status_code, answer.json()["error"]["message"]

    assert fault(outcome="clean") == (400, "reason: expected a text, got none")
    assert fault(outcome="misuse", reason="seen") == (
        400,
        "outcome: expected one of clean, suspicious, case, got 'misuse'",
    )
    assert fault(outcome="case")[1] == f"review item {items['open']}: case: expected the number of the case, got none"
    assert fault(outcome="case", case_id=77) == (409, f"review item {items['open']}: case 77 holds none of its flags")
    assert fault(outcome="clean", reason="x", person="y")[0] == 400
    done = send(client, f"/api/queue/{items['done']}/outcome", outcome="clean", reason="again")
    assert (done.status_code, done.json()["error"]["message"]) == (
        409,
        f"review item {items['done']}: decided already, clean by inspector",
    )


def test_a_script_works_through_the_queue(own: City, signed_in: SignedIn) -> None:
    items, client = items_of(own), signed_in("inspector")
    waiting = [item for item in client.get("/api/queue").json()["items"] if item["outcome"] is None]
    assert [item["item_id"] for item in waiting] == [items["open"], items["sample"], items["quiet"]]
    number: int | None = waiting[0]["item_id"]
    decided = []
    while number is not None:
        found = client.get(f"/api/queue/{number}").json()
        outcome = "misuse" if number == items["quiet"] else "clean"
        assert outcome in found["outcomes"]
        answer = send(client, f"/api/queue/{number}/outcome", outcome=outcome, reason="  seen \n on the map ")
        assert answer.status_code == 200, answer.text
        decided.append(number)
        number = answer.json()["next"]
    assert decided == [items["open"], items["sample"], items["quiet"]]
    assert outcomes(own)[items["open"]] == ("clean", "seen on the map")
    assert client.get("/api/queue").json()["waiting"] == 0
    with own.database.connection() as conn:
        seen = conn.execute("SELECT count(*) FROM review_outcome WHERE seen_at <= decided_at").fetchone()
        logged = conn.execute(
            "SELECT action, count(*) FROM log_entry WHERE action LIKE 'review%' AND user_id IS NOT NULL GROUP BY action"
        ).fetchall()
    assert seen == (3,)
    assert dict(logged)["review decided"] == 4
    assert dict(logged)["review item"] >= 3
    card = client.get(f"/queue/{items['open']}").text
    assert "seen on the map" in card
    assert "/outcome" not in card


def test_the_accuracy_of_rules_is_told_with_what_is_not_known(own: City, signed_in: SignedIn) -> None:
    items_of(own)
    client = signed_in("inspector")
    whole, red, *rules = client.get("/api/accuracy").json()["rules"]
    with own.database.connection() as conn:
        counted = conn.execute(
            "SELECT count(*), count(*) FILTER (WHERE outcome = 'misuse') FROM review_outcome JOIN review_item USING (item_id) "
            "WHERE item_id IN (SELECT item_id FROM review_flag)"
        ).fetchone()
    assert counted is not None
    assert (whole["precision"]["decided"], whole["precision"]["misused"]) == counted
    assert red["recall"] is None
    assert whole["recall"]["share"] is None
    assert whole["recall"]["lack"] == "drawn"
    assert [line["rule"] for line in rules] == ["private-use-no-order"]
    text = client.get("/accuracy").text
    for said in ("not enough data", "Logistic regression 1", "1 × 20", "0.90 ± 0.59"):
        assert said in text, said


def test_the_watch_shows_numbers_of_what_waits_and_what_was_decided(own: City, signed_in: SignedIn) -> None:
    items_of(own)
    with own.database.connection() as conn:
        conn.execute("UPDATE flag SET withdrawn_at = NULL")
    text = signed_in("auditor").get("/watch").text
    assert "Watch over reviews" in text
    assert "<b>inspector</b>" in text
    assert "small numbers" in text
    assert signed_in("inspector").get("/watch").status_code == 403


def test_the_log_links_to_the_review(own: City, signed_in: SignedIn) -> None:
    items = items_of(own)
    signed_in("inspector").get(f"/queue/{items['open']}")
    text = signed_in("auditor").get("/log").text
    assert f'<a href="/queue/{items["open"]}">' in text
    assert "opened a review" in text
    assert str(TODAY) in text
