"""Dispatch orders through pages and API: who may take which step of which order, races, tokens, faults one by one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count, product
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from geo.localtime import FLEET_ZONE
from rules.orders import ACTIONS, STATES
from store.tokens import add_token, revoke_token
from store.users import add_user
from tests.web.city import DAY, PASSWORD, City
from tests.web.conftest import DISTRICTS, SignedIn, serve
from web.app import create_app
from web.settings import WebSettings

EPOCH = datetime(2031, 1, 1, tzinfo=FLEET_ZONE)
_hours = count()
NEEDED: dict[str, dict[str, Any]] = {
    "refuse": {"reason": "不必"},
    "cancel": {"reason": "不必"},
    "dispatch": {"odometer_out_km": 1000, "driver": "王"},
    "return": {"odometer_in_km": 1010},
}
LEADS = {
    ("applied", "approve"): "approved", ("applied", "refuse"): "refused", ("applied", "cancel"): "cancelled",
    ("approved", "cancel"): "cancelled", ("approved", "dispatch"): "dispatched", ("dispatched", "return"): "returned",
    ("returned", "close"): "closed",
}  # fmt: skip


@pytest.fixture(scope="module")
def bearers(city: City) -> dict[str, str]:
    """Person → token; of each role one, and of the office below the manager's unit and of the other bureau one more."""
    with city.database.connection() as conn:
        units = dict(conn.execute("SELECT code, unit_id FROM unit").fetchall())
        for name, unit in (("office", "U11"), ("other", "U2")):
            add_user(conn, name, "manager", PASSWORD, units[unit])
        people = ("manager", "office", "other", "inspector", "auditor", "admin")
        return {name: add_token(conn, name, 1)[1] for name in people}


@pytest.fixture(scope="module")
def site(city: City) -> Iterator[str]:
    """Where the pages are served while this module is tested."""
    settings = WebSettings(districts_path=DISTRICTS)
    with serve(create_app(settings, city.database)) as url:
        yield url


@pytest.fixture
def api(site: str, bearers: dict[str, str]) -> Iterator[Any]:
    """A function: person, address, JSON → answer to a POST with the person's token."""
    with httpx.Client(base_url=site) as client:
        yield lambda who, path, sent: client.post(path, json=sent, headers={"authorization": f"Bearer {bearers[who]}"})


def span(hours: float = 1) -> tuple[datetime, datetime]:
    """A time that no other order of these tests has."""
    start = EPOCH + timedelta(hours=4 * next(_hours))
    return start, start + timedelta(hours=hours)


def form(vehicle: str = "V11", **changed: Any) -> dict[str, Any]:
    starts, ends = span()
    return {
        "vehicle": vehicle, "starts": starts.isoformat(), "ends": ends.isoformat(), "purpose": "会议",
        "purpose_class": "duty", "destination": "市政府", "driver": "王", **changed,
    }  # fmt: skip


def stand(city: City, state: str, vehicle: str, applicant: str = "") -> str:
    """An order that stands so, past the desk."""
    return stand_all(city, [(state, vehicle, applicant)])[0]


def stand_all(city: City, wanted: Sequence[tuple[str, str, str]]) -> list[str]:
    """Orders by state, vehicle and applicant."""
    rows = [
        (
            f"T-{next(_hours)}",
            city.vehicle_ids[vehicle],
            *span(),
            state,
            1000 if state == "dispatched" else None,
            applicant,
        )
        for state, vehicle, applicant in wanted
    ]
    with city.database.connection() as conn, conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, state, odometer_out_km, applied_by)
            VALUES (%s, %s, %s, %s, %s, %s, (SELECT user_id FROM app_user WHERE name = %s))
            """,
            rows,
        )
    return [str(row[0]) for row in rows]


def state_of(city: City, number: str) -> str:
    with city.database.connection() as conn:
        row = conn.execute("SELECT state FROM dispatch_order WHERE order_no = %s", (number,)).fetchone()
    assert row is not None
    return str(row[0])


def test_who_may_take_which_step_of_which_order(city: City, api: Any) -> None:
    """Every state × step × person on what somebody else applied for, and of what was applied for on the own."""
    people = {"manager": True, "office": True, "other": False, "inspector": False, "auditor": False, "admin": True}
    others = [(state, action, who, False) for state, action, who in product(STATES, ACTIONS, people)]
    cells = others + [("applied", action, who, True) for action, who in product(ACTIONS, people) if people[who]]
    numbers = stand_all(city, [(state, "V11", who if own else "") for state, _, who, own in cells])
    expected = {}
    for number, (state, action, who, own) in zip(numbers, cells, strict=True):
        answer = api(who, f"/api/orders/{number}/{action}", NEEDED.get(action, {}))
        after = state
        if who == "other":
            status = 404
        elif not people[who] or (own and action in {"approve", "refuse"}):
            status = 403
        elif (state, action) in LEADS:
            status, after = 200, LEADS[state, action]
        else:
            status = 409
        expected[number] = after
        assert answer.status_code == status, (state, action, who, own, answer.text)
        said = answer.json()
        assert said == {"order_no": number, "state": after} if status == 200 else said["error"]["code"] == status
    with city.database.connection() as conn:
        stands = conn.execute(
            "SELECT order_no, state FROM dispatch_order WHERE order_no = ANY(%s)", (numbers,)
        ).fetchall()
    assert dict(stands) == expected


def test_a_step_is_written_down_with_who_and_what_was_said(city: City, api: Any) -> None:
    number = stand(city, "dispatched", "V11")
    assert api("office", f"/api/orders/{number}/return", {"odometer_in_km": 999}).json()["error"] == {
        "code": 400, "message": "odometer_in_km: expected not less than 1000, as it was issued, got 999.0",
        "field": "odometer_in_km", "expected": "not less than 1000, as it was issued", "got": 999.0,
    }  # fmt: skip
    assert api("office", f"/api/orders/{number}/return", {"odometer_in_km": 1000}).status_code == 200
    with city.database.connection() as conn:
        (facts, name) = conn.execute(
            "SELECT facts, name FROM order_event JOIN app_user USING (user_id) WHERE order_no = %s", (number,)
        ).fetchall()[0]
        logged = conn.execute("SELECT kind, action, facts FROM log_entry WHERE subject = %s", (number,)).fetchall()
    assert name == "office"
    assert facts["odometer_in_km"] == 1000
    token = {"token": facts["token"]}
    assert logged == [("decision", "order return", {"vehicle": "V11", "old": "dispatched", "new": "returned", **token})]


def test_of_two_approvals_at_once_one_is_too_late(city: City, api: Any) -> None:
    number = stand(city, "applied", "V11")
    with city.database.connection() as conn, ThreadPoolExecutor(4) as pool:
        conn.execute("SELECT FROM dispatch_order WHERE order_no = %s FOR UPDATE", (number,))
        asked = [pool.submit(api, who, f"/api/orders/{number}/approve", {}) for who in ("manager", "office", "admin")]
        conn.rollback()
        statuses = sorted(each.result().status_code for each in asked)
    assert statuses == [200, 409, 409]
    with city.database.connection() as conn:
        assert conn.execute("SELECT count(*) FROM order_event WHERE order_no = %s", (number,)).fetchone() == (1,)


def test_many_are_applied_for_at_once_and_each_is_answered_by_itself(city: City, api: Any) -> None:
    good = form(order_no="API-1")
    answer = api(
        "manager",
        "/api/orders",
        [
            good,
            {**good, "order_no": "API-2"},
            form(order_no="API-1"),
            form("V2"),
            form(purpose_class="law_enforcement"),
            form(starts="2020-01-01T08:00", ends="2020-01-01T09:00"),
            7,
            form("粤A10001"),
            form(emergency="yes"),
        ],
    ).json()
    assert (answer["taken"], answer["refused"]) == (2, 7)
    assert answer["orders"][0] == {"index": 0, "order_no": "API-1", "state": "applied"}
    errors = [each.get("error", {}) for each in answer["orders"]]
    assert [each.get("code") for each in errors] == [None, 409, 409, 400, 400, 400, 400, None, 400]
    assert [each.get("field") for each in errors[3:]] == [
        "vehicle", "purpose_class", "starts", "body", None, "emergency",
    ]  # fmt: skip
    assert errors[1]["message"].startswith("starts: expected a time at which V11 is free, got order API-1 from 203")
    assert errors[2]["message"] == "order_no: expected a number that no order has, got 'API-1'"
    assert errors[4]["expected"] == "for the class ordinary one of duty, emergency, private_approved, other"
    assert state_of(city, "API-1") == "applied"
    assert api("manager", "/api/orders", [form()] * 1001).status_code == 413
    assert api("manager", "/api/orders", form(vehicle="V2")).status_code == 400
    for who in ("inspector", "auditor"):
        assert api(who, "/api/orders", form()).status_code == 403


def test_an_emergency_use_is_entered_within_the_limit_and_approved_is_over(api: Any) -> None:
    now = datetime.now(FLEET_ZONE)

    def entered(ended_h: float) -> httpx.Response:
        ends = now - timedelta(hours=ended_h)
        said: dict[str, Any] = {
            "starts": (ends - timedelta(minutes=20)).isoformat(), "ends": ends.isoformat(), "purpose_class": "emergency",
            "odometer_out_km": 10, "odometer_in_km": 20, "reason": "抢险", "emergency": True,
        }  # fmt: skip
        answer: httpx.Response = api("office", "/api/orders", form(**said))
        return answer

    late = entered(24.1)
    assert late.json()["error"]["field"] == "ends"
    assert late.json()["error"]["expected"] == "a use that ended not more than 24 hours ago"
    assert late.status_code == 400
    assert entered(-0.1).json()["error"]["expected"] == "a use that is over; one to come is applied for"
    number = entered(23.9).json()["order_no"]
    assert api("office", f"/api/orders/{number}/approve", {}).status_code == 403
    assert api("manager", f"/api/orders/{number}/approve", {}).json()["state"] == "returned"
    assert api("office", f"/api/orders/{number}/close", {}).json()["state"] == "closed"


def test_a_list_is_of_the_own_units_and_of_what_is_asked(city: City, site: str, bearers: dict[str, str]) -> None:
    mine, above, others = (stand(city, "closed", vehicle) for vehicle in ("V11", "V1", "V2"))
    asked = {"from": "2031-01-01", "to": "2041-01-01"}

    def listed(who: str, **more: str) -> set[str]:
        head = {"authorization": f"bearer {bearers[who]}"}
        answer = httpx.get(f"{site}/api/orders", params={**asked, **more}, headers=head)
        assert answer.status_code == 200, answer.text
        return {each["order_no"] for each in answer.json()["orders"]}

    three = {mine, above, others}
    assert listed("office", state="closed") & three == {mine}
    assert listed("manager", state="closed") & three == {mine, above}
    assert listed("other", state="closed") & three == {others}
    assert listed("auditor", state="closed") & three == three
    assert listed("auditor", vehicle="V2") & three == {others}
    assert listed("auditor", unit="U1") & three == {above}
    assert listed("auditor", number=mine) == {mine}
    assert listed("auditor", state="applied") & three == set()


def test_a_token_is_good_for_the_api_alone_and_until_it_is_revoked(city: City, site: str) -> None:
    with city.database.connection() as conn:
        number, text = add_token(conn, "auditor", 1)

    def status(path: str, text: str = text) -> int:
        return httpx.get(site + path, headers={"authorization": f"Bearer {text}"}).status_code

    assert status("/api/orders") == 200
    assert status("/api/flags") == 200
    assert status("/orders") == 303, "pages want a person"
    assert status("/api/orders", "gongche_unknown") == 401
    with city.database.connection() as conn:
        assert conn.execute("SELECT last_used_at FROM api_token WHERE token_id = %s", (number,)).fetchone() != (None,)
        revoke_token(conn, number)
    assert status("/api/orders") == 401


def test_a_wrong_token_is_not_helped_by_a_signed_in_session(signed_in: SignedIn) -> None:
    client = signed_in("admin")
    assert client.get("/api/orders").status_code == 200
    assert client.get("/api/orders", headers={"authorization": "Bearer x"}).status_code == 401


def test_without_a_token_the_api_takes_only_what_our_own_pages_send(
    city: City, signed_in: SignedIn, address: str
) -> None:
    client, number = signed_in("admin"), stand(city, "applied", "V11")
    for path, sent in (("/api/orders", form()), (f"/api/orders/{number}/approve", {})):
        for headers in (
            {},
            {"origin": "http://elsewhere.example"},
            {"authorization": "Basic eA==", "origin": "http://e"},
        ):
            assert client.post(path, json=sent, headers=headers).status_code == 403
    assert state_of(city, number) == "applied"
    assert client.post(f"/api/orders/{number}/approve", json={}, headers={"origin": address}).status_code == 200


def test_what_is_no_json_or_too_much_is_refused(api: Any, site: str, bearers: dict[str, str]) -> None:
    head = {"authorization": f"Bearer {bearers['admin']}"}
    for body, status in (
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b" " * 4_000_001, 413),
        (b'{"vehicle": NaN}', 400),
    ):
        assert httpx.post(f"{site}/api/orders", content=body, headers=head).status_code == status
    assert api("admin", "/api/orders/no-such/approve", {}).status_code == 404
    assert api("admin", "/api/orders/%00/approve", {}).status_code == 404
    assert api("admin", "/api/orders/x/burn", {}).status_code == 404


def test_a_manager_applies_and_another_approves_on_the_pages(signed_in: SignedIn, address: str) -> None:
    manager, admin = signed_in("manager"), signed_in("admin")
    origin = {"origin": address}
    assert manager.post("/orders/new", data=form() | {"action": "apply"}).status_code == 403, "not from our own page"
    wrong = manager.post("/orders/new", data=form(vehicle="V2", purpose="看<病>") | {"action": "apply"}, headers=origin)
    assert wrong.status_code == 400
    assert "vehicle: expected code or plate of a vehicle of the own units, got &#39;V2&#39;" in wrong.text
    manager.headers["accept-language"] = "zh"
    said = manager.post("/orders/new", data=form(vehicle="V2") | {"action": "apply"}, headers=origin).text
    assert "车辆:应为本单位车辆的代码或车牌,实为 &#39;V2&#39;" in said
    del manager.headers["accept-language"]
    assert 'value="看&lt;病&gt;"' in wrong.text, "what was given stays in the form"
    taken = manager.post("/orders/new", data=form() | {"action": "apply"}, headers=origin)
    assert taken.status_code == 303
    page = taken.headers["location"]
    assert "Another person than the applicant approves it." not in manager.get(page).text, "it may still be cancelled"
    assert f'action="{page}/approve"' not in manager.get(page).text
    assert f'action="{page}/cancel"' in manager.get(page).text
    assert manager.post(f"{page}/approve", headers=origin).status_code == 403
    assert f'action="{page}/approve"' in admin.get(page).text
    assert "wait for your approval" in admin.get("/orders").text
    assert admin.post(f"{page}/approve").status_code == 403, "not from our own page"
    assert admin.post(f"{page}/approve", headers=origin).status_code == 303
    assert admin.post(f"{page}/approve", headers=origin).status_code == 409
    assert manager.post(f"{page}/dispatch", data={"odometer_out_km": "x"}, headers=origin).status_code == 400
    assert manager.post(f"{page}/dispatch", data={"odometer_out_km": "88"}, headers=origin).status_code == 303
    text = signed_in("auditor").get(page).text
    assert "issued the vehicle" in text
    assert "/dispatch" not in text


def test_no_other_role_may_send_a_form_of_orders(city: City, signed_in: SignedIn, address: str) -> None:
    number, origin = stand(city, "applied", "V11"), {"origin": address}
    for role in ("inspector", "auditor"):
        client = signed_in(role)
        assert client.post("/orders/new", data=form() | {"action": "apply"}, headers=origin).status_code == 403
        assert client.post(f"/orders/{number}/approve", headers=origin).status_code == 403
    assert state_of(city, number) == "applied"


def test_the_odometer_of_an_order_is_held_against_its_trips(city: City, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    assert "/orders/D-7" in client.get(f"/trips/{city.later_trip_id}").text
    with city.database.connection() as conn:
        conn.execute("UPDATE dispatch_order SET odometer_out_km = 100, odometer_in_km = 112 WHERE order_no = 'D-7'")
    fits = client.get("/orders/D-7").text
    assert f"/trips/{city.later_trip_id}" in fits
    assert "12.3 km" in fits
    assert "kilometres without a track" not in fits
    with city.database.connection() as conn:
        conn.execute("UPDATE dispatch_order SET odometer_in_km = 140 WHERE order_no = 'D-7'")
    assert "kilometres without a track" in client.get("/orders/D-7").text


def test_a_number_may_hold_any_sign(city: City, signed_in: SignedIn, address: str) -> None:
    starts, ends = span()
    number = "粤 A/派<1>?#%"
    with city.database.connection() as conn:
        conn.execute(
            "INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends) VALUES (%s, %s, %s, %s)",
            (number, city.vehicle_ids["V11"], starts, ends),
        )
    client = signed_in("admin")
    text = client.get("/orders", params={"number": number, "from_day": "2031-01-01", "to_day": "2041-01-01"}).text
    assert f"/orders/{quote(number)}" in text
    page = f"/orders/{quote(number, safe='')}"
    assert "粤 A/派&lt;1&gt;?#%" in client.get(page).text
    assert f'action="{page}/cancel"' in client.get(page).text
    answer = client.post(f"{page}/cancel", data={"reason": "x"}, headers={"origin": address})
    assert answer.status_code == 303
    assert client.get(answer.headers["location"]).status_code == 200
    assert state_of(city, number) == "cancelled"


FORM = {"vehicle": "V11", "reason": "抢险", "approved_by": "市长", "rule": "no-card", "from_day": str(DAY)}


def test_only_the_administrator_exempts_and_ends_and_from_our_own_pages(
    city: City, signed_in: SignedIn, address: str
) -> None:
    origin = {"origin": address}
    for role in ("manager", "inspector", "auditor"):
        client = signed_in(role)
        assert client.post("/exemptions", data=FORM, headers=origin).status_code == 403
        assert (
            client.post("/exemptions/end", data={"exemption_id": 1, "reason": "x"}, headers=origin).status_code == 403
        )
    admin = signed_in("admin")
    assert admin.post("/exemptions", data=FORM).status_code == 403
    assert admin.post("/exemptions/end", data={"exemption_id": 1, "reason": "x"}).status_code == 403
    for wrong, named in (
        ({"vehicle": "V99"}, "no vehicle has the code or plate"),
        ({"unit": "U1"}, "expected a vehicle or a unit, got both"),
        ({"rule": "no-such"}, "rule: expected one of the catalogue"),
        ({"reason": " "}, "reason: expected a text"),
        ({"to_day": str(DAY - timedelta(days=1))}, "valid_to: expected a time after"),
        ({"to_day": "9999-12-31"}, "day: expected one before"),
    ):
        answer = admin.post("/exemptions", data={**FORM, **wrong}, headers=origin)
        assert (answer.status_code, named in answer.text) == (400, True), answer.text
    added = admin.post("/exemptions", data=FORM, headers=origin)
    number = added.headers["location"].partition("#e")[2]
    with city.database.connection() as conn:
        conn.execute("UPDATE flag SET exemption_id = %s WHERE vehicle_id = %s", (number, city.vehicle_ids["V11"]))
    row = signed_in("inspector").get("/exemptions").text.partition(f'id="e{number}"')[2].partition("</tr>")[0]
    with city.database.connection() as conn:
        conn.execute("UPDATE flag SET exemption_id = NULL WHERE exemption_id = %s", (number,))
    assert "in force" in row
    assert 'data-label="Flags lifted">1<' in row
    assert "End it" not in row
    ended = {"exemption_id": number, "reason": "结束"}
    assert admin.post("/exemptions/end", data=ended, headers=origin).status_code == 303
    assert admin.post("/exemptions/end", data=ended, headers=origin).status_code == 409
    assert "ended early" in admin.get("/exemptions").text
    with city.database.connection() as conn:
        logged = conn.execute(
            "SELECT action, facts ->> 'reason' FROM log_entry WHERE subject = %s AND action LIKE 'exemption%%' ORDER BY entry_id",
            (number,),
        ).fetchall()
    assert logged == [("exemption added", "抢险"), ("exemption ended", "结束")]
