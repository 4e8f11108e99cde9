"""Refuelling on the pages: entered by managers of the own units and the administrator, shown with what does not fit."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest

from geo.localtime import day_number, to_us
from store.derived import FLAG_COLUMNS, raise_flags
from store.records import changed_days, replace_judged
from store.refuels import Refuel, add_refuels
from store.rule_versions import RuleText, remember_rules
from tests.web.city import DAY, EVIL_PLATE, City
from tests.web.conftest import SignedIn

FORM = {"receipt_no": "W1", "vehicle": "V1", "refuelled_at": f"{DAY}T12:30", "litres": "41.5", "odometer_km": "81000.5"}
API = "/api/refuels"


def send(client: httpx.Client, form: dict[str, str], **more: str) -> httpx.Response:
    return client.post("/fuel", data={**form, **more}, headers={"origin": str(client.base_url).rstrip("/")})


def send_json(client: httpx.Client, content: Any) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"origin": str(client.base_url).rstrip("/"), "content-type": "application/json"}
    return client.post(API, content=body, headers=headers)


def rows_of(city: City, receipt: str) -> list[tuple[Any, ...]]:
    with city.database.connection() as conn:
        return conn.execute(
            "SELECT vehicle_id, litres, odometer_m, source, name FROM refuel r LEFT JOIN app_user u ON u.user_id = r.entered_by"
            " WHERE receipt_no = %s ORDER BY refuel_id",
            (receipt,),
        ).fetchall()


def logged(city: City, subject: str) -> int:
    with city.database.connection() as conn:
        rows = conn.execute(
            "SELECT count(*) FROM log_entry WHERE action = 'refuelling entered' AND subject = %s", (subject,)
        ).fetchall()
    return int(rows[0][0])


def test_only_who_keeps_records_may_enter_and_only_from_our_own_pages(city: City, signed_in: SignedIn) -> None:
    for role, status in (("inspector", 403), ("auditor", 403)):
        client = signed_in(role)
        assert send(client, FORM, receipt_no="W0").status_code == status
        assert send_json(client, {"refuels": [{**FORM, "receipt_no": "W0"}]}).status_code == status
        assert 'action="/fuel"' not in client.get("/fuel").text
    for role in ("manager", "admin"):
        assert 'action="/fuel"' in signed_in(role).get("/fuel").text
        foreign = signed_in(role).post(
            "/fuel", data={**FORM, "receipt_no": "W0"}, headers={"origin": "http://evil.test"}
        )
        assert foreign.status_code == 403
    assert rows_of(city, "W0") == []


def test_a_manager_enters_and_corrects_receipts_of_the_own_units_alone(city: City, signed_in: SignedIn) -> None:
    manager, v1, v11 = signed_in("manager"), city.vehicle_ids["V1"], city.vehicle_ids["V11"]
    answer = send(manager, FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/fuel?receipt=W1")
    assert rows_of(city, "W1") == [(v1, 41.5, 81_000_500, "page", "manager")]
    assert logged(city, "W1") == 1
    assert send(manager, FORM).status_code == 303
    assert (len(rows_of(city, "W1")), logged(city, "W1")) == (1, 1)  # nothing new, nothing to be told
    assert send(manager, FORM, vehicle="粤A10011", litres="44").status_code == 303
    assert [row[:2] for row in rows_of(city, "W1")] == [(v1, 41.5), (v11, 44.0)]
    assert "corrected" in manager.get("/fuel?receipt=W1").text
    with city.database.connection() as conn:
        assert day_number(DAY) in changed_days(conn)[1]
    refused = send(manager, FORM, receipt_no="W2", vehicle="V2")
    assert (refused.status_code, "one of your vehicles" in refused.text) == (400, True)
    assert send(signed_in("admin"), FORM, receipt_no="W2", vehicle="V2").status_code == 303
    taken_over = send(manager, FORM, receipt_no="W2")
    assert (taken_over.status_code, "expected one of your vehicles, got another" in taken_over.text) == (400, True)
    assert [row[0] for row in rows_of(city, "W2")] == [city.vehicle_ids["V2"]]


def test_a_manager_sees_only_receipts_of_the_own_units(signed_in: SignedIn) -> None:
    send(signed_in("admin"), FORM, receipt_no="W3", vehicle="V2")
    for path in ("/fuel", "/fuel?receipt=W3", "/fuel?unit=U2"):
        assert ">W3" not in signed_in("manager").get(path).text
    text = signed_in("inspector").get("/fuel?receipt=W3").text
    assert ">W3" in text
    assert EVIL_PLATE not in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"receipt_no": "W 9"}, "receipt_no"),
        ({"litres": "0"}, "litres"),
        ({"litres": "nan"}, "litres"),
        ({"refuelled_at": "soon"}, "refuelled_at"),
        ({"refuelled_at": "2199-01-01T00:00"}, "expected a time that has passed"),
        ({"lat": "23.1"}, "expected lat and lon, or neither"),
        ({"odometer_km": "-1"}, "odometer_km"),
        ({"vehicle": "V99"}, "vehicle: expected the code or plate of one of your vehicles"),
    ],
)
def test_a_field_that_cannot_be_is_named(signed_in: SignedIn, change: dict[str, str], named: str) -> None:
    form = {**FORM, "receipt_no": "W9"} | change
    client = signed_in("admin")
    by_form = send(client, form)
    by_json = send_json(client, {"refuels": [form]})
    for answer in (by_form, by_json):
        assert (answer.status_code, named in answer.text) == (400, True), answer.text


def test_receipts_come_by_json_all_or_none(city: City, signed_in: SignedIn) -> None:
    client = signed_in("manager")
    one, two = ({**FORM, "receipt_no": number, "litres": 40} for number in ("J1", "J2"))
    assert send_json(client, {"refuels": [one, two]}).json() == {"given": 2, "new": 2}
    assert send_json(client, {"refuels": [one, {**two, "litres": 41}]}).json() == {"given": 2, "new": 1}
    assert logged(city, "J1 …") == 2
    assert [row[1] for row in rows_of(city, "J2")] == [40.0, 41.0]
    third = {**FORM, "receipt_no": "J3"}
    for wrong in ([third, {**two, "litres": -1}], [third, {**two, "vehicle": "V2"}], [{**third, "colour": "red"}], []):
        answer = send_json(client, {"refuels": wrong})
        assert (answer.status_code, set(answer.json()["error"])) == (400, {"code", "message"})
    assert rows_of(city, "J3") == []
    assert send_json(client, b"{").status_code == 400
    assert send_json(client, b" " * 1_000_001).status_code == 413


@pytest.fixture
def judged(city: City) -> Iterator[str]:
    """A receipt that was judged, with a flag on it that is withdrawn afterwards."""
    vehicle, number = city.vehicle_ids["V1"], day_number(DAY)
    at = to_us(pd.Timestamp(f"{DAY}T12:30", tz="Asia/Shanghai").to_pydatetime())
    subject_id = f"F1-{vehicle}"
    burnt = {"l_100km": 16.5, "consumption_ratio": 2.0}
    features = {**burnt, "refuel_l": 66.0, "over_tank_l": 6.0, "unseen_l": 9.0, "apart_m": 7000.0, "since_m": 400_000.0}
    month = {**burnt, "distance_m": 900_000.0, "unit_median_m": 600_000.0, "unit_z": 4.5, "consumption_z": 3.0}
    row = {"vehicle_id": vehicle, "day": number, "start_time": at, "end_time": at}
    with city.database.connection() as conn:
        add_refuels(conn, [Refuel("F1", vehicle, at, 66.0, station="<b>站</b>")], "page")
        replace_judged(conn, "refuel", number, number, pd.DataFrame([{**row, "refuel_id": subject_id, **features}]))
        replace_judged(conn, "month", number, number, pd.DataFrame([{**row, "month_id": "m", **month}]))
        remember_rules(conn, [RuleText("refuel-over-tank", 1, "")])
        flag: tuple[Any, ...] = (
            f"refuel-over-tank:{subject_id}", "refuel-over-tank", 1, "red", "refuel", subject_id, "", vehicle, number, at, at,
            50.0, "原因", "over the tank", [], None,
        )  # fmt: skip
        raise_flags(
            conn, city_vehicles(city), number, number, pd.DataFrame([flag], columns=list(FLAG_COLUMNS)), ("refuel",)
        )
    yield subject_id
    with city.database.connection() as conn:
        none = pd.DataFrame([], columns=list(FLAG_COLUMNS))
        raise_flags(conn, city_vehicles(city), number, number, none, ("refuel",))


def city_vehicles(city: City) -> Any:
    return pd.Series(list(city.vehicle_ids.values()), dtype="int32").to_numpy()


def test_what_does_not_fit_is_shown_where_its_flag_leads(judged: str, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    link = f"/fuel?receipt={judged}#{judged}"
    assert f'href="{link}"' in client.get("/flags").text
    text = client.get(link).text
    assert f'id="{judged}"' in text
    for shown in (
        "refuel-over-tank",
        "vehicle 7.0 km from the station",
        "6.0 L more than the tank took",
        "400.0 km",
        "200.0 %",
    ):
        assert shown in text, shown
    assert "<b>站</b>" not in text
    assert "4.5" in client.get(f"/fuel?month={DAY:%Y-%m}").text
    assert judged in client.get("/fuel?flagged=true").text
    assert ">W1" not in client.get("/fuel?flagged=true").text


def test_an_unusual_day_or_month_is_shown_or_named(signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    for path in (
        "/fuel?to_day=0001-01-01",
        "/seals?to_day=0001-01-01",
        "/fuel?to_day=9999-12-31",
        "/seals?to_day=9999-12-31",
    ):
        assert client.get(path).status_code == 200, path
    for month in ("NaT", "2026-13", "x"):
        assert client.get(f"/fuel?month={month}").status_code == 400
