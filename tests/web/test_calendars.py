"""Duty calendars on the pages: read and edited by the administrator alone, from our own pages alone."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from geo.localtime import day_date, day_number
from geo.shifts import shifts_text
from store.duty import class_calendars, load_duty_days
from tests.web.city import DAY, City
from tests.web.conftest import SignedIn

NUMBER = day_number(DAY)
DAY_FORM = {"code": "office", "day": str(DAY), "kind": "workday", "name": "", "shifts": "08:30-18:00"}
FORMS = {
    "/calendar/days": DAY_FORM,
    "/calendar/year": {"code": "office", "year": "2025"},
    "/calendars/classes": {"unit": "U1", "vehicle_class": "emergency", "calendar": "-"},
    "/savings/prices": {"valid_from": "2026-01-01", "yuan_per_l": "7.8", "source": "NDRC"},
    "/savings/prices/remove": {"valid_from": "2026-01-01"},
}


@pytest.fixture(autouse=True)
def as_it_was(city: City) -> Iterator[None]:
    yield
    with city.database.connection() as conn:
        conn.execute("DELETE FROM duty_day WHERE day <> %s", (DAY,))
        conn.execute("DELETE FROM class_calendar")
        conn.execute("DELETE FROM stale_day")
        conn.execute("DELETE FROM sealed_part")


def _send(client: httpx.Client, path: str, form: dict[str, str], **changed: str) -> httpx.Response:
    return client.post(path, data={**form, **changed}, headers={"origin": str(client.base_url).rstrip("/")})


def _day(city: City, number: int = NUMBER) -> tuple[Any, ...] | None:
    with city.database.connection() as conn:
        found = load_duty_days(conn, number, number)["office"]
    return (found[0].kind, found[0].name, shifts_text(found[0].shifts, number)) if found else None


@pytest.mark.parametrize("role", ["manager", "inspector", "auditor"])
def test_nobody_but_the_administrator_edits(city: City, signed_in: SignedIn, role: str) -> None:
    client = signed_in(role)
    for path, form in FORMS.items():
        assert _send(client, path, form).status_code == 403, path
    assert _day(city) == ("workday", "", "08:30-18:00")


def test_a_form_from_another_site_changes_nothing(city: City, signed_in: SignedIn) -> None:
    client = signed_in("admin")
    for path, form in FORMS.items():
        assert client.post(path, data=form, headers={"origin": "https://evil.example"}).status_code == 403, path
        assert client.post(path, data=form).status_code == 403, path
    assert _day(city, day_number(date(2025, 6, 2))) is None


def test_without_signing_in_a_form_leads_to_the_form(visitor: httpx.Client) -> None:
    for path, form in FORMS.items():
        answer = _send(visitor, path, form)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


def test_a_day_is_edited_and_its_closed_days_are_audited_again(city: City, signed_in: SignedIn) -> None:
    client = signed_in("admin")
    with city.database.connection() as conn:
        conn.execute("INSERT INTO sealed_part VALUES (%s, 0, 1, 1, 1, '')", (DAY,))
    assert 'value="08:30-18:00"' in client.get(f"/calendar?code=office&month={DAY:%Y-%m}").text
    answer = _send(client, "/calendar/days", DAY_FORM, kind="holiday", name="<i>节</i>", shifts="20:00-08:00")
    assert answer.headers["location"] == f"/calendar?code=office&month={DAY:%Y-%m}#d{DAY}"
    assert _day(city) == ("holiday", "<i>节</i>", "20:00-08:00")
    text = client.get(f"/calendar?code=office&month={DAY:%Y-%m}").text
    assert "3 closed vehicle-days are to be audited again" in text
    assert "&lt;i&gt;节&lt;/i&gt;" in text
    assert "<i>节" not in text
    assert "announced: " in text
    with city.database.connection() as conn:
        logged = conn.execute(
            "SELECT kind, action, subject, facts FROM log_entry ORDER BY entry_id DESC LIMIT 1"
        ).fetchone()
    facts = {
        "day": str(DAY),
        "old": {"kind": "workday", "name": "", "shifts": "08:30-18:00"},
        "new": {"kind": "holiday", "name": "<i>节</i>", "shifts": "20:00-08:00"},
    }
    assert logged == ("setting", "calendar edited", "office", facts)
    _send(client, "/calendar/days", DAY_FORM)
    assert _day(city) == ("workday", "", "08:30-18:00")


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"kind": "birthday"}, 400, "kind: expected one of workday, adjusted_workday, weekend, holiday"),
        ({"shifts": "late"}, 400, "shifts: expected hh:mm-hh:mm"),
        ({"day": "soon"}, 400, "day: "),
        ({"code": "nowhere"}, 404, "nothing here"),
    ],
)
def test_what_is_wrong_is_named(signed_in: SignedIn, changed: dict[str, str], status: int, reason: str) -> None:
    answer = _send(signed_in("admin"), "/calendar/days", DAY_FORM, **changed)
    assert answer.status_code == status
    assert reason in answer.text


def test_a_year_is_filled_around_the_days_that_stand(city: City, signed_in: SignedIn) -> None:
    client = signed_in("admin")
    own = {"day": "2025-06-03", "kind": "holiday", "shifts": "", "name": "own"}
    _send(client, "/calendar/days", DAY_FORM, **own)
    answer = _send(client, "/calendar/year", FORMS["/calendar/year"])
    assert answer.headers["location"] == "/calendar?code=office&month=2025-01"
    with city.database.connection() as conn:
        first, last = day_number(date(2025, 1, 1)), day_number(date(2025, 12, 31))
        days = {each.day: each for each in load_duty_days(conn, first, last)["office"]}
    assert len(days) == 365
    assert days[day_number(date(2025, 6, 3))].name == "own", "what stands stays"
    assert (days[first].kind, days[first].shifts) == ("holiday", ())
    assert "2025-01-01" in client.get("/calendars").text
    unknown = _send(client, "/calendar/year", FORMS["/calendar/year"], year="2199")
    assert unknown.status_code == 400
    assert "does not know the public holidays of 2199" in unknown.text
    assert _send(client, "/calendar/year", FORMS["/calendar/year"], year="1066").status_code == 400


def test_an_unknown_day_with_positions_is_seen_before_anybody_asks(city: City, signed_in: SignedIn) -> None:
    client, later = signed_in("admin"), day_date(NUMBER + 400)
    with city.database.connection() as conn:  # today's terminals have reported already, on a day the calendar lacks
        conn.execute("DELETE FROM open_day WHERE day > %s", (DAY,))
    assert "are not audited" not in client.get("/calendars").text
    with city.database.connection() as conn:
        conn.execute("INSERT INTO stale_day VALUES (%s, %s)", (city.vehicle_ids["V2"], later))
    for path in ("/calendars", "/calendar?code=office", "/"):
        assert f"1 vehicle-days from {later} to {later} are not audited" in client.get(path).text, path
    assert f'href="/calendar?code=office&amp;month={later:%Y-%m}"' in client.get("/").text.replace(
        "&month", "&amp;month"
    )
    assert "are not audited" not in signed_in("inspector").get("/").text


def test_a_class_gets_a_calendar_of_its_own_and_loses_it(city: City, signed_in: SignedIn) -> None:
    client, form = signed_in("admin"), FORMS["/calendars/classes"]

    def stored() -> list[tuple[str, str, str | None]]:
        with city.database.connection() as conn:
            return class_calendars(conn)

    assert _send(client, "/calendars/classes", form).status_code == 303
    assert stored() == [("U1", "emergency", None)]
    assert "none: nothing is off-hours" in client.get("/calendars").text
    _send(client, "/calendars/classes", form, calendar="office")
    assert stored() == [("U1", "emergency", "office")]
    _send(client, "/calendars/classes", form, calendar="")
    assert stored() == []
    assert _send(client, "/calendars/classes", form, calendar="moon").status_code == 400
    assert _send(client, "/calendars/classes", form, vehicle_class="bus").status_code == 400


def test_months_lead_on_over_the_year(signed_in: SignedIn) -> None:
    text = signed_in("admin").get("/calendar?code=office&month=2026-12").text
    assert "month=2026-11" in text
    assert "month=2027-01" in text
    assert text.count('name="shifts"') == 31
    assert signed_in("admin").get("/calendar?code=office&month=soon").status_code == 400
