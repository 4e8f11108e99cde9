"""Vehicles sealed on the pages: many at once, by managers of the own units and the administrator, with odometers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest

from geo.localtime import day_number
from store.records import replace_judged
from tests.web.city import DAY, City
from tests.web.conftest import SignedIn

SEAL = {"sealed_at": f"{DAY}T18:00", "reason": "National Day", "bay": "B1", "key_custodian": "Wang"}
LATER = f"{DAY}T23:00"


@pytest.fixture(autouse=True)
def as_it_was(city: City) -> Iterator[None]:
    """End what a test sealed and left."""
    yield
    with city.database.connection() as conn:
        conn.execute(
            "UPDATE vehicle_seal SET unsealed_at = sealed_at, unseal_entered_at = now() WHERE unsealed_at IS NULL"
        )


def post(client: httpx.Client, path: str, data: dict[str, Any], origin: str = "") -> httpx.Response:
    return client.post(path, data=data, headers={"origin": origin or str(client.base_url).rstrip("/")})


def open_seals(city: City) -> dict[int, int]:
    """vehicle_id → seal_id of what is sealed."""
    with city.database.connection() as conn:
        return dict(conn.execute("SELECT vehicle_id, seal_id FROM vehicle_seal WHERE unsealed_at IS NULL").fetchall())


def logged(city: City, action: str) -> int:
    with city.database.connection() as conn:
        rows = conn.execute("SELECT count(*) FROM log_entry WHERE action = %s", (action,)).fetchall()
    return int(rows[0][0])


def test_only_who_keeps_records_may_seal_and_only_from_our_own_pages(city: City, signed_in: SignedIn) -> None:
    vehicle = str(city.vehicle_ids["V1"])
    for role in ("inspector", "auditor"):
        client = signed_in(role)
        for path, field in (("/seals", "vehicle"), ("/seals/unseal", "seal")):
            assert post(client, path, {**SEAL, field: vehicle}).status_code == 403
        assert 'action="/seals"' not in client.get("/seals").text
    manager = signed_in("manager")
    assert 'action="/seals"' in manager.get("/seals").text
    assert post(manager, "/seals", {**SEAL, "vehicle": vehicle}, "http://evil.test").status_code == 403
    assert open_seals(city) == {}


def test_a_manager_seals_the_own_vehicles_at_once_and_ends_the_seals(city: City, signed_in: SignedIn) -> None:
    manager, v1, v11 = signed_in("manager"), city.vehicle_ids["V1"], city.vehicle_ids["V11"]
    sealed, ended = logged(city, "vehicle sealed"), logged(city, "vehicle unsealed")
    form = {**SEAL, "vehicle": [str(v1), str(v11)], f"km_{v1}": "5000.5"}
    assert post(manager, "/seals", form).status_code == 303
    seals = open_seals(city)
    assert set(seals) == {v1, v11}
    assert logged(city, "vehicle sealed") == sealed + 2
    text = manager.get("/seals").text
    for shown in ("Government yard", "keys: Wang", "National Day", "5,000.5 km", "0 not sealed"):
        assert shown in text, shown
    assert post(manager, "/seals", {**form, "vehicle": str(v1)}).status_code == 400
    back = {"unsealed_at": LATER, "seal": [str(seals[v1]), str(seals[v11])], f"km_{seals[v1]}": "5000.4"}
    assert "at least 5000.5 km" in post(manager, "/seals/unseal", back).text
    assert set(open_seals(city)) == {v1, v11}  # none of several is ended alone
    assert post(manager, "/seals/unseal", {**back, f"km_{seals[v1]}": "5040"}).status_code == 303
    assert open_seals(city) == {}
    assert logged(city, "vehicle unsealed") == ended + 2


def test_a_manager_neither_seals_nor_sees_what_is_of_another_unit(city: City, signed_in: SignedIn) -> None:
    manager, v2 = signed_in("manager"), city.vehicle_ids["V2"]
    assert post(manager, "/seals", {**SEAL, "vehicle": [str(city.vehicle_ids["V1"]), str(v2)]}).status_code == 404
    assert open_seals(city) == {}
    assert post(signed_in("admin"), "/seals", {**SEAL, "reason": "of U2", "vehicle": str(v2)}).status_code == 303
    seal_id = open_seals(city)[v2]
    assert post(manager, "/seals/unseal", {"unsealed_at": LATER, "seal": str(seal_id)}).status_code == 404
    assert v2 in open_seals(city)
    for path in ("/seals", f"/seals?seal={seal_id}", "/seals?unit=U2"):
        assert "of U2" not in manager.get(path).text
    assert "of U2" in signed_in("auditor").get(f"/seals?seal={seal_id}").text


def test_a_field_that_cannot_be_is_named(city: City, signed_in: SignedIn) -> None:
    client, vehicle = signed_in("admin"), str(city.vehicle_ids["V1"])
    good = {**SEAL, "vehicle": vehicle}
    for change, named in (
        ({"sealed_at": "soon"}, "sealed_at: expected a time"),
        ({"reason": " "}, "reason: expected a text"),
        ({"reason": "x" * 201}, "reason: expected a text of at most 200"),
        ({"vehicle": "x"}, "vehicle: expected numbers"),
        ({"vehicle": "99999999999"}, "vehicle: expected numbers"),
        ({"vehicle": []}, "vehicle: expected at least one"),
        ({f"km_{vehicle}": "nan"}, "odometer: expected kilometres"),
        ({f"km_{vehicle}": "-1"}, "odometer: expected kilometres"),
    ):
        answer = post(client, "/seals", {**good, **change})
        assert (answer.status_code, named in answer.text) == (400, True), (change, answer.text)
    assert open_seals(city) == {}


def test_what_was_found_is_shown_beside_the_seal(city: City, signed_in: SignedIn) -> None:
    client, v1, number = signed_in("admin"), city.vehicle_ids["V1"], day_number(DAY)
    post(client, "/seals", {**SEAL, "sealed_at": LATER, "vehicle": str(v1)})
    seal_id = open_seals(city)[v1]
    assert "not judged yet" in client.get("/seals").text
    row = {
        "seal_id": str(seal_id), "vehicle_id": v1, "day": number, "start_time": 0, "end_time": 0,
        "odometer_growth_m": 81_000.0, "moved_m": 12_345.0, "odometer_gap_m": 68_655.0,
    }  # fmt: skip
    with city.database.connection() as conn:
        replace_judged(conn, "seal", number, number, pd.DataFrame([row]))
    text = client.get(f"/seals?seal={seal_id}").text
    assert f'id="{seal_id}"' in text
    for shown in ("81.0 km", "12.3 km", "odometer 68.7 km more"):
        assert shown in text, shown
