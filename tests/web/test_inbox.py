"""The inbox: the own notices and nobody else's."""

from collections.abc import Iterator

import pytest

from tests.web.city import City
from tests.web.conftest import SignedIn


@pytest.fixture(autouse=True)
def _notices(city: City) -> Iterator[None]:
    """Two notices for the manager, one of them for the inspector too; with an attempt to mail one."""
    with city.database.connection() as conn:
        for number in (1, 2):
            conn.execute(
                "INSERT INTO notice (source, source_id, kind, number, vehicle_id, happened_at)"
                " VALUES ('case', %s, 'case ask', %s, %s, now())",
                (number, f"<b>{number}</b>", city.vehicle_ids["V1"]),
            )
        conn.execute("INSERT INTO notice_to SELECT notice_id, user_id FROM notice, app_user WHERE name = 'manager'")
        conn.execute(
            "INSERT INTO notice_to SELECT notice_id, user_id FROM notice, app_user WHERE name = 'inspector' AND source_id = 1"
        )
        conn.execute(
            """
            WITH made AS (
                INSERT INTO notice_delivery (notice_id, channel, user_id, state, attempts)
                SELECT notice_id, 'mail', user_id, 'given up', 1 FROM notice_to LIMIT 1 RETURNING delivery_id
            ) INSERT INTO notice_attempt (delivery_id, attempt, ok, answer) SELECT delivery_id, 1, false, '<i>451</i>' FROM made
            """
        )
    yield
    with city.database.connection() as conn:
        conn.execute("ALTER TABLE notice_attempt DISABLE TRIGGER USER")
        conn.execute("TRUNCATE notice CASCADE")
        conn.execute("ALTER TABLE notice_attempt ENABLE TRIGGER USER")


def test_everybody_reads_and_marks_the_own_notices_only(signed_in: SignedIn) -> None:
    manager, inspector, auditor = (signed_in(role) for role in ("manager", "inspector", "auditor"))
    origin = {"origin": str(manager.base_url).rstrip("/")}
    assert [client.get("/api/inbox").json()["unread"] for client in (manager, inspector, auditor)] == [2, 1, 0]
    text = manager.get("/inbox").text
    assert "Your unit is asked to explain a case" in text
    assert "<b>1</b>" not in text.replace("<b>Your", "")
    assert 'href="/cases/%3Cb%3E1%3C%2Fb%3E"' in text
    assert '<span class="chip count">2</span>' in manager.get("/").text

    others = [row["notice_id"] for row in manager.get("/api/inbox").json()["notices"]]
    shared = [row["notice_id"] for row in inspector.get("/api/inbox").json()["notices"]]
    (foreign,) = set(others) - set(shared)
    inspector.post("/inbox/read", data={"notice": str(foreign)}, headers=origin)
    assert manager.get("/api/inbox").json()["unread"] == 2
    manager.post("/inbox/read", data={"notice": str(foreign)}, headers=origin)
    assert [row["read"] for row in manager.get("/api/inbox").json()["notices"]] == [False, True]
    manager.post("/inbox/read", headers=origin)
    assert [client.get("/api/inbox").json()["unread"] for client in (manager, inspector)] == [0, 1]


def test_a_form_from_elsewhere_marks_nothing(signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    answer = manager.post("/inbox/read", headers={"origin": "https://evil.example"})
    assert (answer.status_code, manager.get("/api/inbox").json()["unread"]) == (403, 2)


def test_the_administrator_sees_what_left_the_house_and_what_did_not(signed_in: SignedIn) -> None:
    text = signed_in("admin").get("/inbox/deliveries").text
    assert "given up" in text
    assert "&lt;i&gt;451&lt;/i&gt;" in text
