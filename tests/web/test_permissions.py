"""Every address for every role: what each may see, by a table."""

import httpx
import pytest

from tests.web.city import EVIL_PLATE, City
from tests.web.conftest import SignedIn
from tests.web.permissions import EVERYBODY, NOBODY, Statuses, modules
from web.app import create_app
from web.settings import WebSettings

TABLE: dict[str, Statuses] = {path: statuses for part in modules() for path, statuses in part.TABLE.items()}
OPEN = {"/sign-in", "/sign-out", "/language/{language}", "/health"}
STREAMS = {"/api/live"}
POSTS: set[str] = {path for part in modules() for path in part.POSTS}


def _path(template: str, city: City) -> str:
    for code, number in city.vehicle_ids.items():
        template = template.replace(f"{{trip {code}}}", city.trip_ids[code]).replace(f"{{{code}}}", str(number))
    for part in modules():
        for name, value in (part.names(city) if hasattr(part, "names") else {}).items():
            template = template.replace(f"{{{name}}}", value)
    return template


@pytest.mark.parametrize("role", list(EVERYBODY))
def test_each_role_sees_what_the_table_says(city: City, signed_in: SignedIn, role: str) -> None:
    client = signed_in(role)
    found = {template: client.get(_path(template, city)).status_code for template in TABLE}
    assert found == {template: expected[role] for template, expected in TABLE.items()}


def test_without_signing_in_pages_lead_to_the_form_and_the_api_refuses(city: City, visitor: httpx.Client) -> None:
    for template, expected in TABLE.items():
        path = _path(template, city)
        answer = visitor.get(path)
        if expected is NOBODY and not path.startswith(("/vehicles", "/trips", "/terminals")):
            assert answer.status_code == 404
        elif path.startswith("/api/"):
            assert answer.status_code == 401, path
            assert set(answer.json()["error"]) == {"code", "message"}
        else:
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in"), path
    assert visitor.get("/api/live").status_code == 401


def test_the_table_names_every_address(settings: WebSettings, city: City) -> None:
    def shape(path: str) -> tuple[str, ...]:
        return tuple("*" if part[:1] == "{" or part.isdecimal() else part for part in path.split("/"))

    def routes(items: object) -> set[str]:
        found: set[str] = set()
        for route in items:  # type: ignore[attr-defined]
            if type(route).__name__ == "Mount":
                continue
            inner = getattr(getattr(route, "original_router", None), "routes", None)
            found |= routes(inner) if inner is not None else {route.path}
        return found

    served = routes(create_app(settings, city.database).routes)
    named = {shape(path.split("?")[0]) for path in TABLE}
    assert {path for path in served - OPEN - STREAMS - POSTS if shape(path) not in named} == set()
    assert len(served) > 10


def test_a_manager_counts_only_the_own_subtree(signed_in: SignedIn) -> None:
    manager, inspector = signed_in("manager"), signed_in("inspector")
    assert "of 2;" in manager.get("/").text
    assert "of 3;" in inspector.get("/").text
    assert manager.get("/api/flags").json()["count"] == 2
    assert inspector.get("/api/flags").json()["count"] == 3


def test_a_manager_finds_no_other_unit_by_searching_or_filtering(signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    for path in ("/vehicles?search=script", "/vehicles?unit=U2", "/flags?unit=U2", "/vehicles", "/flags"):
        text = manager.get(path).text
        assert "Second Bureau" not in text, path
        assert "&lt;script&gt;alert" not in text.replace('value="&lt;', ""), path


def test_what_the_table_of_units_holds_is_shown_to_an_inspector(signed_in: SignedIn) -> None:
    assert "Second Bureau" in signed_in("inspector").get("/vehicles").text


def test_a_plate_is_text_wherever_it_is_shown(city: City, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    for template in ("/", "/vehicles", "/flags", "/vehicles/{V2}", "/trips/{trip V2}", "/trips/{trip V2}/map"):
        text = client.get(_path(template, city)).text
        assert EVIL_PLATE not in text, template
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/vehicles").text


def test_what_was_refused_is_text(signed_in: SignedIn) -> None:
    text = signed_in("auditor").get("/quarantine").text
    assert "<b>checksum</b>" not in text
    assert "&lt;b&gt;checksum&lt;/b&gt;" in text


def test_a_search_is_text(signed_in: SignedIn) -> None:
    text = signed_in("inspector").get("/vehicles", params={"search": '"><script>x</script>'}).text
    assert "<script>x</script>" not in text


@pytest.mark.parametrize(
    ("template", "action", "subject"),
    [
        ("/vehicles/{V1}", "vehicle", "{V1}"),
        ("/terminals/00013900000001", "terminal", "13900000001"),
        ("/trips/{trip V1}", "trip", "{trip V1}"),
        ("/trips/{trip V1}/map", "trip", "{trip V1}"),
        ("/api/trips/{trip V1}/track", "trip", "{trip V1}"),
    ],
)
def test_each_look_at_a_track_is_written_down(
    city: City, signed_in: SignedIn, template: str, action: str, subject: str
) -> None:
    client = signed_in("auditor")
    before = _looks(city, "auditor")
    assert client.get(_path(template, city)).status_code == 200
    assert _looks(city, "auditor")[len(before) :] == [(action, _path(subject, city))]


def test_a_look_that_is_refused_is_no_look(city: City, signed_in: SignedIn) -> None:
    client = signed_in("manager")
    before = _looks(city, "manager")
    assert client.get(_path("/trips/{trip V2}", city)).status_code == 404
    assert _looks(city, "manager") == before


def _looks(city: City, name: str) -> list[tuple[str, str]]:
    with city.database.connection() as conn:
        return conn.execute(
            "SELECT action, subject FROM log_entry JOIN app_user USING (user_id) WHERE name = %s ORDER BY entry_id",
            (name,),
        ).fetchall()
