"""The page of the log, and who looked at a vehicle or a trip."""

import re
from datetime import datetime, timedelta
from html import unescape

import pytest

from geo.localtime import FLEET_ZONE
from store.log import append
from tests.web.city import City
from tests.web.conftest import SignedIn

TODAY = datetime.now(FLEET_ZONE).date()


def entries(text: str) -> list[list[str]]:
    """Texts of the cells of each entry of the page."""
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in body.split("<tr>")[1:]]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in rows]


def test_the_newest_entry_comes_first_and_says_who_and_what(city: City, signed_in: SignedIn) -> None:
    vehicle = city.vehicle_ids["V1"]
    signed_in("inspector").get(f"/vehicles/{vehicle}")
    text = signed_in("auditor").get("/log").text
    first = entries(text)[0]
    assert first[2:6] == ["inspector", "Look", "looked at a vehicle", "粤A10001"]
    assert f'<a href="/vehicles/{vehicle}">粤A10001</a>' in text


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ({"subject": "S-1"}, {"S-1"}),
        ({"subject": " S-1 "}, {"S-1"}),
        ({"subject": "粤B7"}, {"粤B7"}),
        ({"person": "service-7"}, {"S-1", "粤B7", "S-3"}),
        ({"person": "service-7", "kind": "setting"}, {"S-1"}),
        ({"person": "service-7", "kind": "rule"}, {"S-3"}),
        ({"person": "service-7", "to_day": str(TODAY - timedelta(days=1))}, set()),
        ({"person": "service-7", "from_day": str(TODAY + timedelta(days=1)), "to_day": "2199-12-31"}, set()),
        ({"person": "nobody"}, set()),
    ],
)
def test_entries_are_found_by_kind_person_subject_and_day(
    city: City, signed_in: SignedIn, query: dict[str, str], subjects: set[str]
) -> None:
    facts = {"who": "service-7"}
    with city.database.connection() as conn:
        append(conn, "setting", "in force", "S-1", facts=facts)
        append(conn, "access", "vehicle", "7", facts={**facts, "plate": "粤B7"})
        append(conn, "rule", "in force", "S-3", facts={**facts, "new": {"version": 2}, "old": {"version": 1}})
    found = entries(signed_in("auditor").get("/log", params=query).text)
    assert {row[5] for row in found if len(row) == 7} == subjects
    assert all(row[6] == "old version: 1; new version: 2" for row in found if row[5:6] == ["S-3"])


def test_a_long_log_comes_in_pages_that_keep_what_was_asked(city: City, signed_in: SignedIn) -> None:
    with city.database.connection() as conn:
        for number in range(51):
            append(conn, "decision", "terminal text", f"P-{number}", facts={"who": "pager & co"})
    client = signed_in("admin")
    first, second = (client.get("/log", params={"person": "pager & co", "page": page}).text for page in (1, 2))
    assert [row[5] for row in entries(first)] == [f"P-{number}" for number in range(50, 0, -1)]
    assert [row[5] for row in entries(second)] == ["P-0"]
    assert "?page=2&kind=&person=pager%20%26%20co&" in unescape(first)


def test_what_entries_hold_is_text(city: City, signed_in: SignedIn) -> None:
    evil = "<script>alert(3)</script>"
    with city.database.connection() as conn:
        append(conn, "decision", evil, evil, facts={"who": evil, evil: evil, "password": "hush-hush"})
    text = signed_in("auditor").get("/log").text
    assert evil not in text
    assert entries(text)[0][2:6] == [evil, "Decision", evil, evil]
    assert "hush-hush" not in text


def test_the_unit_sees_who_looked_at_its_vehicle_and_its_trips(city: City, signed_in: SignedIn) -> None:
    trip = city.trip_ids["V11"]
    vehicle = f"/vehicles/{city.vehicle_ids['V11']}"
    inspector, manager = signed_in("inspector"), signed_in("manager")
    before = looked(manager.get(vehicle).text, "inspector"), looked(manager.get(f"/trips/{trip}").text, "inspector")
    inspector.get(f"/trips/{trip}")
    inspector.get(vehicle)
    after = looked(manager.get(vehicle).text, "inspector"), looked(manager.get(f"/trips/{trip}").text, "inspector")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    assert "Who looked" in signed_in("auditor").get(vehicle).text
    for path in (vehicle, f"/trips/{trip}"):
        assert "Who looked" not in inspector.get(path).text, "an inspector is not told"


def looked(text: str, name: str) -> int:
    """How often a person looked, by the list on a page."""
    found = re.search(rf"<td>{name}</td><td[^>]*>[^<]*</td><td[^>]*>(\d+)</td>", text)
    return int(found[1]) if found else 0
