"""The page of a case's bundles: who may make and take one, what is logged, what is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gongche.bundle.verifier import check
from gongche.bundle_desk import Bundles
from store.exemptions import Exemption, add_exemption
from tests.bundle.cases import DISTRICTS, Given
from tests.web.city import PASSWORD, ROLES
from tests.web.conftest import serve
from web.app import create_app
from web.settings import WebSettings

Clients = dict[str, httpx.Client]


@pytest.fixture(scope="module")
def desk(given: Given) -> Bundles:
    return Bundles(given.database, given.sources)


@pytest.fixture(scope="module")
def clients(given: Given, desk: Bundles) -> Iterator[Clients]:
    """A client signed in with each role, and one that is not."""
    app = create_app(WebSettings(districts_path=DISTRICTS), given.database, archive=given.sources.archive, bundles=desk)
    with serve(app) as address, ExitStack() as stack:
        found = {}
        for role in (*ROLES, ""):
            client = stack.enter_context(httpx.Client(base_url=address, headers={"accept-language": "en"}, timeout=60))
            client.headers["origin"] = address
            if role:
                client.post("/sign-in", data={"name": role, "password": PASSWORD})
            found[role] = client
        yield found


def test_inspector_auditor_and_administrator_see_the_page_and_a_manager_does_not(
    clients: Clients, given: Given
) -> None:
    path = f"/cases/{given.case_id}/bundle"
    assert {role: clients[role].get(path).status_code for role in clients} == {
        "manager": 403, "inspector": 200, "auditor": 200, "admin": 200, "": 303,
    }  # fmt: skip
    for number in ("999999", "0", "99999999999999999999"):
        assert clients["inspector"].get(f"/cases/{number}/bundle").status_code == 404
        assert clients["inspector"].post(f"/cases/{number}/bundle", data={"language": "zh"}).status_code == 404


def test_who_may_not_take_one_and_a_form_of_another_site_are_refused(clients: Clients, given: Given) -> None:
    path = f"/cases/{given.case_id}/bundle"
    assert clients["manager"].post(path, data={"language": "en"}).status_code == 403
    assert clients[""].post(path, data={"language": "en"}).status_code == 303
    stranger = {"origin": "http://elsewhere.example"}
    assert clients["inspector"].post(path, data={"language": "en"}, headers=stranger).status_code == 403
    assert clients["inspector"].post(path, data={"language": "fr"}).status_code == 400


def test_a_bundle_is_made_sent_and_then_stands_on_the_page(clients: Clients, given: Given, tmp_path: Path) -> None:
    path = f"/cases/{given.empty_case}/bundle"
    answer = clients["auditor"].post(path, data={"language": "en"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="case-{given.empty_case}-')
    (tmp_path / "got.zip").write_bytes(answer.content)
    found = check(tmp_path / "got.zip")
    assert (found.faults, found.manifest_sha256) == ([], answer.headers["x-manifest-sha256"])
    assert found.manifest["made_by"] == "auditor"
    text = clients["auditor"].get(path).text
    assert answer.headers["x-content-sha256"] in text
    assert "auditor" in text
    with given.database.connection() as conn:
        logged = conn.execute(
            "SELECT action FROM log_entry JOIN app_user USING (user_id) WHERE name = 'auditor' AND subject = %s"
            " AND action LIKE 'case bundle%%' ORDER BY entry_id",
            (str(given.empty_case),),
        ).fetchall()
    assert logged == [("case bundle asked for",), ("case bundle given out",)]


def test_a_bundle_of_an_exempted_vehicle_takes_two_persons(clients: Clients, given: Given) -> None:
    path = f"/cases/{given.empty_case}/bundle"
    vehicle = given.city.vehicle_ids["V2"]
    with given.database.connection() as conn:
        number = add_exemption(conn, Exemption("市纪委 王", "执法任务", vehicle="V2"))
    try:
        assert "Two persons open its tracks" in clients["auditor"].get(path).text
        refused = clients["auditor"].post(path, data={"language": "en"})
        assert (refused.status_code, "two persons open the tracks" in refused.text) == (403, True)
        asked = clients["auditor"].post(f"/vehicles/{vehicle}/unlock", data={"reason": "an audit", "next": path})
        assert (asked.status_code, asked.headers["location"]) == (303, path)
        with given.database.connection() as conn:
            (unlock,) = conn.execute("SELECT max(unlock_id) FROM track_unlock").fetchone() or (0,)
        assert clients["admin"].post(f"/unlocks/{unlock}", data={"granted": "true"}).status_code == 303
        assert clients["auditor"].post(path, data={"language": "en"}).status_code == 200
        assert clients["inspector"].post(path, data={"language": "en"}).status_code == 403
    finally:
        with given.database.connection() as conn:
            conn.execute("ALTER TABLE exemption DISABLE TRIGGER USER")
            conn.execute("DELETE FROM exemption WHERE exemption_id = %s", (number,))
            conn.execute("ALTER TABLE exemption ENABLE TRIGGER USER")


def test_while_one_is_made_another_has_to_wait(clients: Clients, given: Given, desk: Bundles) -> None:
    with desk._making:
        answer = clients["admin"].post(f"/cases/{given.case_id}/bundle", data={"language": "en"})
    assert answer.status_code == 429
