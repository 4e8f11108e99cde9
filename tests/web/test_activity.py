"""Vehicles by hour: the numbers of the positions, to whom they may be shown."""

from datetime import timedelta

import httpx
import pytest

from tests.web.city import DAY, City
from tests.web.conftest import SignedIn

EVENING = f"from={DAY}T17:00:00&to={DAY}T21:00:00"


def test_each_hour_counts_the_vehicles_and_the_empty_ones_are_there(signed_in: SignedIn, city: City) -> None:
    answer = signed_in("inspector").get(f"/api/activity?{EVENING}").json()
    assert [each["start"][11:16] for each in answer["activity"]] == ["17:00", "18:00", "19:00", "20:00"]
    assert [each["vehicles"] for each in answer["activity"]] == [3, 3, 0, 1]
    with city.database.connection() as conn:
        ((stored,),) = conn.execute(
            "SELECT count(*) FROM position WHERE fix_time < now() - interval '3 hours'"
        ).fetchall()
    day = signed_in("inspector").get(f"/api/activity?by=day&from={DAY}&to={DAY + timedelta(days=1)}").json()
    assert [each["positions"] for each in day["activity"]] == [stored]
    assert day["activity"][0]["start"].endswith("T00:00:00+08:00")


def test_the_open_hour_is_the_last(signed_in: SignedIn) -> None:
    hours = signed_in("auditor").get("/api/activity").json()["activity"]
    assert len(hours) == 24
    assert all(each["vehicles"] >= each["vehicles_moving"] for each in hours)


def test_a_manager_sees_the_own_subtree_only(signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    assert [each["vehicles"] for each in manager.get(f"/api/activity?{EVENING}").json()["activity"]] == [2, 2, 0, 1]
    own = manager.get(f"/api/activity?{EVENING}&unit=U11").json()
    assert [each["vehicles"] for each in own["activity"]] == [1, 1, 0, 0]
    other = manager.get(f"/api/activity?{EVENING}&unit=U2")
    assert (other.status_code, other.json()) == (404, {"error": {"code": 404, "message": "no such unit"}})


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("by=week", "by: "),
        ("from=soon", "from: "),
        ("from=2020-01-01&to=2026-01-01", "expected 1 to 2000 of hour"),
        ("from=2026-01-02&to=2026-01-01", "expected 1 to 2000 of hour, got -24"),
        ("to=0001-01-01", "expected times in the years"),
    ],
)
def test_a_wrong_question_is_named(signed_in: SignedIn, query: str, reason: str) -> None:
    answer = signed_in("admin").get(f"/api/activity?{query}")
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_nobody_is_told_without_signing_in(address: str) -> None:
    answer = httpx.get(f"{address}/api/activity?unit=U2")
    assert answer.status_code == 401
