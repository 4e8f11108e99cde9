"""Pages of rules and of a flag: what they explain, to whom, and rules tried from the form within bounds."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gongche.whatif import Trials
from rules.condition import Test
from rules.load import Rule
from rules.whatif import WhatIf
from store.feature_files import FeatureFiles
from tests.web.city import DAY, City
from tests.web.conftest import SignedIn
from tests.web.explained import RULE, add_explained, the_rule
from web.app import create_app
from web.settings import WebSettings

PERIOD = f"from_day={DAY}&to_day={DAY}"


class Held:
    """Trials that remember what was asked of them, and wait while they are held."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.asked: list[tuple[Rule, int]] = []
        self.go = threading.Event()
        self.begun = threading.Event()
        self.go.set()

    def try_rule(self, rule: Rule, from_day: int, to_day: int, unit: str = "") -> WhatIf:
        self.asked.append((rule, to_day - from_day + 1))
        self.begun.set()
        assert self.go.wait(20)
        return self._trials.try_rule(rule, from_day, to_day, unit)


@pytest.fixture
def held(city: City, tmp_path: Path) -> Held:
    return Held(Trials(city.database, FeatureFiles(tmp_path)))


@pytest.fixture
def app(settings: WebSettings, city: City, held: Held) -> FastAPI:
    return create_app(settings, city.database, trials=held)


@pytest.fixture(scope="module")
def flag_id(city: City) -> Iterator[str]:
    yield add_explained(city)
    with city.database.connection() as conn:
        conn.execute("DELETE FROM sealed_part")


def _text(client: httpx.Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def test_a_flag_shows_each_number_and_what_was_consulted(signed_in: SignedIn, flag_id: str, city: City) -> None:
    text = _text(signed_in("inspector"), f"/flags/{flag_id}")
    for shown in (
        "Used outside duty hours without a dispatch order",
        "≥ 15 min",
        "14 min less: Off-hours time below 15 min",
        f"An approved dispatch order for {DAY} 17:30 – 18:29",
        "The order was entered late",
        "only the unit can tell",
        "D-7",
        "begins after 1 hr 20 min",
        "lifts the flag",
        "does not hold for the whole of that time",
        "&lt;b&gt;送修&lt;/b&gt;",
        "08:30 – 18:00",
        f"positions/day={DAY}/part-00000-v1.parquet",
        f"positions/day={DAY}/manifest-v1.json",
        ">120<",
        f'href="/trips/{city.trip_ids["V1"]}"',
        "Withdrawn",
        "[on.trip]",
    ):
        assert shown in text, shown
    assert "<b>送修</b>" not in text


def test_the_same_is_there_as_json_and_a_flag_without_a_readable_text_is_explained_by_its_numbers(
    signed_in: SignedIn, flag_id: str, city: City
) -> None:
    client = signed_in("manager")
    found = client.get(f"/api/flags/{flag_id}").json()
    assert found["smallest_change"]["feature"] == "off_hours_s"
    assert found["smallest_change"]["amount"] == 870.0
    assert [each["holds"] for each in found["comparisons"]] == [True, True, True]
    assert [each["outcome"] for each in found["causes"]] == [
        "unknown" if cause.get("tested") else "unit" for cause in the_rule().innocent_causes
    ]
    assert [(each["order_no"], each["relation"]) for each in found["orders"]] == [("D-7", "after")]
    assert [each["effect"] for each in found["exemptions"]] == ["lifts", "time"]
    assert (found["positions"], found["sealed"][0]["bucket"], found["cases"]) == (120, 0, [])
    assert found["start_time"].endswith("+08:00")
    other = client.get(f"/api/flags/private-use-no-order:{city.trip_ids['V11']}").json()
    assert (other["rule_text_read"], other["causes"]) == (False, None)
    assert other["smallest_change"]["feature"] == "private_score"
    assert "not kept" in _text(client, f"/flags/private-use-no-order:{city.trip_ids['V11']}")


def test_a_case_of_the_flag_is_linked(signed_in: SignedIn, flag_id: str, city: City) -> None:
    with city.database.connection() as conn:
        row = conn.execute(
            "INSERT INTO case_file (vehicle_id) VALUES (%s) RETURNING case_id", (city.vehicle_ids["V1"],)
        ).fetchone()
        assert row is not None
        conn.execute("INSERT INTO case_flag (case_id, flag_id) VALUES (%s, %s)", (row[0], flag_id))
    text = _text(signed_in("auditor"), f"/flags/{flag_id}")
    with city.database.connection() as conn:
        conn.execute("DELETE FROM case_flag WHERE case_id = %s", (row[0],))
        conn.execute("DELETE FROM case_file WHERE case_id = %s", (row[0],))
    assert f'href="/cases/{row[0]}"' in text


def test_the_lists_of_flags_lead_to_them(signed_in: SignedIn, city: City) -> None:
    client = signed_in("inspector")
    href = f'href="/flags/private-use-no-order:{city.trip_ids["V1"]}"'
    for path in ("/flags", "/", f"/trips/{city.trip_ids['V1']}"):
        assert href in _text(client, path), path


def test_a_manager_counts_only_flags_of_the_own_units(signed_in: SignedIn) -> None:
    row = 'href="/flags?rule=private-use-no-order">{}</a>'
    assert row.format(2) in _text(signed_in("manager"), "/rules")
    assert row.format(3) in _text(signed_in("inspector"), "/rules")


@pytest.mark.usefixtures("flag_id")
def test_a_rule_is_shown_in_words_with_its_versions_and_how_they_differ(signed_in: SignedIn) -> None:
    client = signed_in("manager")
    text = _text(client, f"/rules/{RULE}")
    version = the_rule().version
    for shown in (
        "Off-hours time ≥ 15 min",
        "Off-hours distance ≥ 1.00 km",
        "Dispatch order missing",
        "law enforcement",
        f"-version = {version}",
        f"+version = {version + 1}",
        "SHA-256",
    ):
        assert shown in text, shown
    assert "What if" not in text
    assert "No difference" in _text(client, f"/rules/{RULE}?older={version}&newer={version}")
    assert f"+version = {version}" in _text(client, f"/rules/{RULE}?older={version + 1}&newer={version}")
    _text(client, f"/rules/{RULE}?newer=77", 404)


def test_a_rule_is_tried_with_other_thresholds(signed_in: SignedIn, held: Held, city: City) -> None:
    client = signed_in("auditor")
    assert 'name="t0" value="15"' in _text(client, f"/rules/{RULE}")
    text = _text(client, f"/rules/{RULE}/whatif?t0=29.5&t1=1&{PERIOD}")
    assert held.asked[-1][0].tests[:2] == (Test("off_hours_s", "ge", 1770.0), the_rule().tests[1])
    assert f'href="/trips/{city.trip_ids["V2"]}"' in text
    assert "Second Bureau" in text
    assert 'name="t0" value="29.5"' in text
    assert "No flag appears" in _text(client, f"/rules/{RULE}/whatif?t0=30&{PERIOD}")
    one = _text(client, f"/rules/{RULE}/whatif?{PERIOD}&unit=U2").partition('id="found"')[2]
    assert f'href="/trips/{city.trip_ids["V2"]}"' in one
    assert city.trip_ids["V1"] not in one


def test_only_who_sees_all_units_tries_rules_and_everything_asked_is_checked(signed_in: SignedIn, held: Held) -> None:
    _text(signed_in("manager"), f"/rules/{RULE}/whatif", 403)
    client = signed_in("admin")
    for query, status, said in (
        ("t0=late", 400, "off_hours_s: expected a number, got &#39;late&#39;"),
        ("t0=nan", 400, "expected a number"),
        ("t0=1e300", 400, "expected a number"),
        (f"from_day={DAY - timedelta(days=31)}&to_day={DAY}", 400, "expected 1 to 31 days, got 32"),
        (f"from_day={DAY + timedelta(days=1)}&to_day={DAY}", 400, "expected 1 to 31 days, got 0"),
        ("from_day=0001-01-01&to_day=9999-12-31", 400, "expected a day from 2000 to 2199"),
        ("from_day=spring", 400, "from_day"),
        ("unit=nowhere", 404, "There is nothing here"),
    ):
        assert said in _text(client, f"/rules/{RULE}/whatif?{query}", status), query
    _text(client, "/rules/no-such-rule/whatif", 404)
    assert held.asked == []
    _text(client, f"/rules/{RULE}/whatif?from_day={DAY - timedelta(days=30)}&to_day={DAY}&t0=&t9=4")
    assert [(rule.tests, days) for rule, days in held.asked] == [(the_rule().tests, 31)]


def test_one_person_tries_one_rule_at_a_time(signed_in: SignedIn, held: Held) -> None:
    client, other = signed_in("inspector"), signed_in("auditor")
    held.go.clear()
    first = threading.Thread(target=client.get, args=(f"/rules/{RULE}/whatif?{PERIOD}",), kwargs={"timeout": 60})
    first.start()
    assert held.begun.wait(20)
    assert "another trial of yours runs" in _text(signed_in("inspector"), f"/rules/{RULE}/whatif?{PERIOD}", 429)
    held.go.set()
    first.join(60)
    assert other.get(f"/rules/{RULE}/whatif?{PERIOD}", timeout=60).status_code == 200
    assert client.get(f"/rules/{RULE}/whatif?{PERIOD}", timeout=60).status_code == 200
    assert len(held.asked) == 3
