"""What stands before a track: a purpose, two persons for exempted vehicles, and private use that shows mileage only."""

from collections.abc import Iterator
from datetime import datetime

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from geo.localtime import FLEET_ZONE, to_us
from store.database import Database
from store.exemptions import Exemption, add_exemption
from store.tokens import add_token
from store.users import User
from store.views import live_since
from tests.web.city import PASSWORD, City, build_city
from tests.web.conftest import SignedIn
from web.app import create_app
from web.settings import WebSettings

PARTS = ("", "/map")
TRACK = "/api/trips/{trip}/track"


@pytest.fixture(scope="module")
def city(databases: object) -> Iterator[City]:
    """A city of this module's own, in which nobody has stated a purpose."""
    with Database.open(databases.take(), pool_size=4) as database:  # type: ignore[attr-defined]
        built = build_city(database)
        with database.connection() as conn:
            conn.execute("ALTER TABLE track_purpose DISABLE TRIGGER USER")
            conn.execute("TRUNCATE track_purpose")
            conn.execute("ALTER TABLE track_purpose ENABLE TRIGGER USER")
        yield built
    databases.give_back()  # type: ignore[attr-defined]


@pytest.fixture
def app(settings: WebSettings, city: City) -> FastAPI:
    """The pages over that city."""
    return create_app(settings, city.database)


def forget_purposes(city: City) -> None:
    with city.database.connection() as conn:
        conn.execute("ALTER TABLE track_purpose DISABLE TRIGGER USER")
        conn.execute("TRUNCATE track_purpose")
        conn.execute("ALTER TABLE track_purpose ENABLE TRIGGER USER")


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data=fields, headers={"origin": str(client.base_url).rstrip("/")})


def logged(city: City, name: str) -> list[tuple[str, str, dict[str, object]]]:
    with city.database.connection() as conn:
        return conn.execute(
            "SELECT action, subject, facts FROM log_entry JOIN app_user USING (user_id) WHERE name = %s ORDER BY entry_id",
            (name,),
        ).fetchall()


def user(city: City, name: str) -> User:
    with city.database.connection() as conn:
        row = conn.execute("SELECT user_id, name, role, unit_id FROM app_user WHERE name = %s", (name,)).fetchone()
    assert row is not None
    return User(*row)


def state_of_track(client: httpx.Client, trip: str) -> list[int]:
    """Statuses of map and track as JSON, and whether the page shows them."""
    shows = 'id="trip-map"' in client.get(f"/trips/{trip}").text
    return [
        client.get(f"/trips/{trip}/map").status_code,
        client.get(TRACK.format(trip=trip)).status_code,
        200 if shows else 403,
    ]


def test_a_track_opens_once_its_purpose_is_stated_and_the_look_carries_it(city: City, signed_in: SignedIn) -> None:
    forget_purposes(city)
    client, trip, vehicle = signed_in("inspector"), city.trip_ids["V1"], city.vehicle_ids["V1"]
    page = client.get(f"/trips/{trip}")
    assert (page.status_code, f'action="/vehicles/{vehicle}/purpose"' in page.text) == (200, True)
    assert "Golf course" not in page.text
    assert state_of_track(client, trip) == [403, 403, 403]
    assert client.get(TRACK.format(trip=trip)).json()["error"]["message"] == "state a purpose or a case first"
    assert [row for row in logged(city, "inspector") if row[0] == "trip"] == []

    answer = send(client, f"/vehicles/{vehicle}/purpose", kind="review", next=f"/trips/{trip}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/trips/{trip}")
    assert state_of_track(client, trip) == [200, 200, 200]
    assert logged(city, "inspector")[-1][2]["purpose"] == "review"
    seen = signed_in("manager")
    send(seen, f"/vehicles/{vehicle}/purpose", kind="management", next=f"/trips/{trip}")
    assert "Review of a flag" in seen.get(f"/trips/{trip}").text


def test_a_purpose_is_of_one_person_one_vehicle_and_some_hours(city: City, signed_in: SignedIn) -> None:
    forget_purposes(city)
    inspector, auditor = signed_in("inspector"), signed_in("auditor")
    send(inspector, f"/vehicles/{city.vehicle_ids['V1']}/purpose", kind="review", next="/")
    assert state_of_track(inspector, city.trip_ids["V11"]) == [403, 403, 403]
    assert state_of_track(auditor, city.trip_ids["V1"]) == [403, 403, 403]
    with city.database.connection() as conn:
        conn.execute("ALTER TABLE track_purpose DISABLE TRIGGER USER")
        conn.execute(
            "UPDATE track_purpose SET stated_at = now() - interval '9 hours', expires_at = now() - interval '1 s'"
        )
        conn.execute("ALTER TABLE track_purpose ENABLE TRIGGER USER")
    assert state_of_track(inspector, city.trip_ids["V1"]) == [403, 403, 403]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"kind": "curiosity"}, 400, "expected one of review, case"),
        ({"kind": "other"}, 400, "purpose other: expected a text"),
        ({"kind": "complaint", "said": "  "}, 400, "purpose complaint: expected a text"),
        ({"kind": "case", "case": "999999"}, 400, "expected a case of this vehicle"),
        ({"kind": "case"}, 400, "expected a case of this vehicle"),
        ({"kind": "case", "case": "x"}, 400, "expected a number"),
        ({"kind": "review", "said": "x" * 501}, 400, "said"),
    ],
)
def test_a_purpose_that_says_too_little_opens_nothing(
    city: City, signed_in: SignedIn, fields: dict[str, str], status: int, message: str
) -> None:
    forget_purposes(city)
    client = signed_in("inspector")
    answer = send(client, f"/vehicles/{city.vehicle_ids['V1']}/purpose", next="/", **fields)
    assert (answer.status_code, message in answer.text) == (status, True), answer.text
    assert client.get(f"/trips/{city.trip_ids['V1']}/map").status_code == 403


def test_nobody_states_a_purpose_for_a_vehicle_of_another_unit_or_from_another_site(
    city: City, signed_in: SignedIn
) -> None:
    manager, vehicle = signed_in("manager"), city.vehicle_ids["V2"]
    assert send(manager, f"/vehicles/{vehicle}/purpose", kind="review", next="/").status_code == 404
    assert send(manager, f"/vehicles/{vehicle}/unlock", reason="x", next="/").status_code == 404
    answer = manager.post(f"/api/vehicles/{vehicle}/purpose", json={"kind": "review"})
    assert answer.status_code == 403
    origin = {"origin": str(manager.base_url).rstrip("/")}
    assert manager.post(f"/api/vehicles/{vehicle}/purpose", json={"kind": "review"}, headers=origin).status_code == 404
    own = manager.post(f"/api/vehicles/{city.vehicle_ids['V1']}/purpose", json={"kind": "audit"}, headers=origin)
    assert datetime.fromisoformat(own.json()["until"]) > datetime.now(FLEET_ZONE)


def test_a_machine_states_the_purpose_of_its_person_by_a_token(city: City, visitor: httpx.Client) -> None:
    forget_purposes(city)
    with city.database.connection() as conn:
        _, token = add_token(conn, "manager", 1, "")
    bearer = {"authorization": f"Bearer {token}"}
    own, foreign = (f"/api/vehicles/{city.vehicle_ids[code]}/purpose" for code in ("V1", "V2"))
    track = TRACK.format(trip=city.trip_ids["V1"])
    assert visitor.get(track, headers=bearer).status_code == 403
    assert visitor.post(own, json={"kind": "audit"}, headers=bearer).status_code == 200
    assert visitor.post(foreign, json={"kind": "audit"}, headers=bearer).status_code == 404
    assert visitor.get(track, headers=bearer).status_code == 200
    for path in ("/api/queue/1/outcome", "/api/cases", "/api/refuels"):
        assert "another site" not in visitor.post(path, json={}, headers=bearer).text, path


def test_a_form_leads_back_to_a_trip_and_nowhere_else(city: City, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    for path in ("//evil.example", "https://evil.example", "/sign-out", "/trips/\\evil"):
        answer = send(client, f"/vehicles/{city.vehicle_ids['V1']}/purpose", kind="review", next=path)
        assert answer.headers["location"] == "/vehicles"


def test_a_case_in_the_address_is_the_purpose(city: City, signed_in: SignedIn) -> None:
    forget_purposes(city)
    with city.database.connection() as conn:
        row = conn.execute(
            "INSERT INTO case_file (vehicle_id) VALUES (%s) RETURNING case_id", (city.vehicle_ids["V1"],)
        ).fetchone()
    assert row is not None
    client, trip = signed_in("inspector"), city.trip_ids["V1"]
    assert client.get(f"/trips/{city.trip_ids['V2']}?case={row[0]}").status_code == 400
    assert 'id="trip-map"' in client.get(f"/trips/{trip}?case={row[0]}").text
    assert logged(city, "inspector")[-1][2] == {"plate": "粤A10001", "purpose": "case", "case": row[0]}
    assert state_of_track(client, trip) == [200, 200, 200]
    forget_purposes(city)
    assert f'<option value="{row[0]}">' in client.get(f"/trips/{trip}").text
    assert send(
        client, f"/vehicles/{city.vehicle_ids['V1']}/purpose", kind="case", case=str(row[0]), next=f"/trips/{trip}"
    ).status_code == 303  # fmt: skip


def test_approved_private_use_shows_its_mileage_and_no_place(city: City, signed_in: SignedIn) -> None:
    client, vehicle = signed_in("inspector"), city.vehicle_ids["V1"]
    send(client, f"/vehicles/{vehicle}/purpose", kind="review", next="/")
    with city.database.connection() as conn:
        conn.execute("UPDATE dispatch_order SET private_use = true, destination = '局长家' WHERE order_no = 'D-7'")
        flag = "speeding:private"
        conn.execute(
            """
            INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                              end_time, points, reason_zh, reason_en, numbers)
            SELECT %s, rule, rule_version, level, 'trip', t.trip_id, t.trip_id, t.vehicle_id, t.day, t.start_time, t.end_time,
                   5, '前往秘密地点', 'to 秘密地点', '[]' FROM flag CROSS JOIN trip t WHERE t.trip_id = %s LIMIT 1
            """,
            (flag, city.later_trip_id),
        )
        conn.execute(
            "UPDATE trip SET dispatch_order = 'D-7', destination_place = '秘密地点' WHERE trip_id = %s",
            (city.later_trip_id,),
        )
    try:
        page = client.get(f"/trips/{city.later_trip_id}").text
        assert "Approved private use: its mileage is shown" in page
        assert "D-7" in page
        assert "秘密地点" not in page + client.get(f"/vehicles/{vehicle}").text
        shown = [client.get(path).text for path in ("/flags", "/api/flags", f"/flags/{flag}", f"/api/flags/{flag}")]
        assert not [text for text in shown if "秘密地点" in text]
        assert ["Its places are not shown" in text for text in shown] == [True, False, True, False]
        assert ["局长家" in client.get("/orders/D-7").text, "局长家" in signed_in("manager").get("/orders/D-7").text] == [
            False, True,
        ]  # fmt: skip
        assert state_of_track(client, city.later_trip_id) == [403, 403, 403]
        assert logged(city, "inspector")[-1][0] == "mileage of a trip"
        assert state_of_track(client, city.trip_ids["V1"]) == [200, 200, 200]
    finally:
        with city.database.connection() as conn:
            conn.execute("UPDATE dispatch_order SET private_use = false, destination = '' WHERE order_no = 'D-7'")
            conn.execute("DELETE FROM flag WHERE flag_id = %s", (flag,))


def test_the_live_map_shows_nobody_in_private_use_and_no_exempted_vehicle(city: City) -> None:
    def shown() -> set[int]:
        with city.database.connection() as conn:
            return {row[0] for row in live_since(conn, None)}

    everybody = shown()
    one, other = city.vehicle_ids["V1"], city.vehicle_ids["V2"]
    assert {one, other} <= everybody
    with city.database.connection() as conn:
        conn.execute(
            """
            INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, private_use)
            VALUES ('P-1', %s, now() - interval '1 hour', now() + interval '1 hour', true)
            """,
            (one,),
        )
    assert shown() == everybody - {one}
    with city.database.connection() as conn:
        conn.execute("UPDATE dispatch_order SET state = 'applied' WHERE order_no = 'P-1'")
    assert shown() == everybody
    with city.database.connection() as conn:
        conn.execute("DELETE FROM dispatch_order WHERE order_no = 'P-1'")
        add_exemption(conn, Exemption("局长", "一条规则", vehicle="V2", rule="off-hours-no-order"))
    assert shown() == everybody


def test_two_persons_open_the_track_of_an_exempted_vehicle(city: City, signed_in: SignedIn) -> None:
    forget_purposes(city)
    with city.database.connection() as conn:
        begun = to_us(datetime.now(FLEET_ZONE)) - 10 * 86_400_000_000
        add_exemption(conn, Exemption("市委办", "专用车辆", vehicle="V11", valid_from=begun))
    trip, vehicle = city.trip_ids["V11"], city.vehicle_ids["V11"]
    inspector, admin, auditor = signed_in("inspector"), signed_in("admin"), signed_in("auditor")
    for client in (inspector, admin):
        send(client, f"/vehicles/{vehicle}/purpose", kind="complaint", said="12345 热线", next="/")
    assert state_of_track(inspector, trip) == [403, 403, 403]
    assert f'action="/vehicles/{vehicle}/unlock"' in inspector.get(f"/trips/{trip}").text
    assert ">locked<" in inspector.get(f"/vehicles/{vehicle}").text

    assert send(inspector, f"/vehicles/{vehicle}/unlock", reason=" ", next="/").status_code == 400
    assert send(inspector, f"/vehicles/{vehicle}/unlock", reason="群众举报", next=f"/trips/{trip}").status_code == 303
    send(inspector, f"/vehicles/{vehicle}/unlock", reason="再问一次", next=f"/trips/{trip}")
    assert "Nobody has answered yet" in inspector.get(f"/trips/{trip}").text
    with city.database.connection() as conn:
        (number,) = [row[0] for row in conn.execute("SELECT unlock_id FROM track_unlock").fetchall()]
    assert send(inspector, f"/unlocks/{number}", granted="true").status_code == 409
    assert send(auditor, f"/unlocks/{number}", granted="true").status_code == 403
    assert send(signed_in("manager"), f"/unlocks/{number}", granted="true").status_code == 403
    assert state_of_track(inspector, trip) == [403, 403, 403]

    assert "群众举报" in admin.get("/unlocks").text
    assert send(admin, f"/unlocks/{number}", granted="true").status_code == 303
    assert state_of_track(inspector, trip) == state_of_track(admin, trip) == [200, 200, 200]
    assert state_of_track(auditor, trip) == [403, 403, 403]
    assert send(admin, f"/unlocks/{number}", granted="false").status_code == 409
    assert send(admin, "/unlocks/999999", granted="true").status_code == 409
    assert [row[0] for row in logged(city, "inspector") if "unlock" in row[0]] == ["unlock asked"]
    assert [row[0] for row in logged(city, "admin") if "unlock" in row[0]] == ["unlock allowed"]
    assert PASSWORD not in str(logged(city, "admin"))


def test_the_database_itself_lets_nobody_answer_the_own_request_or_change_what_was_stated(city: City) -> None:
    inspector = user(city, "inspector")
    with city.database.connection() as conn:
        row = conn.execute(
            "INSERT INTO track_unlock (vehicle_id, asked_by, reason) VALUES (%s, %s, 'x') RETURNING unlock_id",
            (city.vehicle_ids["V11"], inspector.user_id),
        ).fetchone()
    assert row is not None
    with pytest.raises(psycopg.errors.CheckViolation), city.database.connection() as conn:
        conn.execute(
            "INSERT INTO track_unlock_answer VALUES (%s, %s, %s, true, now(), now() + interval '1 h')",
            (row[0], inspector.user_id, inspector.user_id),
        )
    for table in ("track_purpose", "track_unlock", "track_unlock_answer"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"), city.database.connection() as conn:
            conn.execute(f"DELETE FROM {table}")
