"""A page shows what its dataclass says, no more and no less; and each fault has its answer."""

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jinja2 import meta, nodes

import web
from store import views
from store.errors import UnreachableError
from tests.web.city import City
from tests.web.conftest import SignedIn
from web.render import COMMON, Page, Renderer
from web.settings import WebSettings

MODULES = [pkgutil.resolve_name(f"web.{found.name}") for found in pkgutil.iter_modules(web.__path__)]
# By name: a dataclass with slots is a second class, and the first one lingers among the subclasses.
ALL_PAGES = sorted(
    {
        name: page
        for module in MODULES
        for name, page in vars(module).items()
        if isinstance(page, type) and issubclass(page, Page) and page is not Page
    }.values(),
    key=lambda page: page.__name__,
)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.__name__)
def test_a_template_uses_exactly_what_its_page_declares(page: type[Page], settings: WebSettings) -> None:
    environment = Renderer(settings).environments["en"]
    assert environment.loader is not None
    source = environment.loader.get_source(environment, page.template)[0]
    tree = environment.parse(source)
    used = meta.find_undeclared_variables(tree) - set(environment.globals)
    used -= {macros.target for macros in tree.find_all(nodes.Import)} | {
        each.name for each in tree.find_all(nodes.Macro)
    }
    assert used - set(COMMON) == {field.name for field in fields(page)}


def test_there_is_a_page_for_every_template(settings: WebSettings) -> None:
    environment = Renderer(settings).environments["en"]
    beside = {name for name in environment.list_templates() if name == "base.html" or name.endswith("macros.html")}
    assert {page.template for page in ALL_PAGES} == set(environment.list_templates()) - beside


def test_the_overview_shows_the_ledger_that_adds_up(signed_in: SignedIn) -> None:
    text = signed_in("admin").get("/").text
    assert "JT/T 808" in text
    assert "Received = accepted + duplicate + quarantined" in text
    assert "<td>Import</td>" not in text  # nine days ago


def test_the_vehicle_page_shows_rollup_and_registration(city: City, signed_in: SignedIn) -> None:
    text = signed_in("manager").get(f"/vehicles/{city.vehicle_ids['V1']}").text
    for shown in ("12.3 km", "12.0 – 12.7", "Trumpchi GA6", "Government yard", "Liwan", "Office", "D-7"):
        assert shown in text, shown


def test_the_vehicle_page_shows_where_it_sleeps_and_what_it_drove_in_the_dark(city: City, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    text = client.get(f"/vehicles/{city.vehicle_ids['V1']}").text
    for shown in (
        "5, of them 5 away from the base",
        "碧桂园",
        "9.3 km from the base",
        "5 nights of four weeks",
        "8.8 km",
    ):
        assert shown in text, shown
    for shown in ("terminal without power", "1 silent, 4 reported"):
        assert shown in text, shown
    none = client.get(f"/vehicles/{city.vehicle_ids['V2']}").text
    assert "No silence with metres in it" in none


def test_a_flag_without_a_trip_leads_to_the_ledger_of_its_vehicle(city: City, signed_in: SignedIn) -> None:
    client, vehicle = signed_in("inspector"), city.vehicle_ids["V1"]
    with city.database.connection() as conn:
        conn.execute(
            """
            INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                              end_time, points, reason_zh, reason_en, numbers)
            VALUES ('dark:1', 'dark-kilometres-no-order', 1, 'prompt', 'dark', '1', '', %s, '2019-06-03', '2019-06-03T21:00+08',
                    '2019-06-04T01:00+08', 40, '九十分钟', 'ninety minutes', '[]')
            """,
            (vehicle,),
        )
    try:
        text = client.get("/flags?from_day=2019-06-03&to_day=2019-06-03").text
    finally:
        with city.database.connection() as conn:
            conn.execute("DELETE FROM flag WHERE flag_id = 'dark:1'")
    assert f'href="/vehicles/{vehicle}?from_day=2019-06-03&amp;to_day=2019-06-04#dark"' in text
    assert 'href="/trips/"' not in text


def test_the_trip_page_shows_which_innocent_causes_were_tested_and_hold(city: City, signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    text = client.get(f"/trips/{city.trip_ids['V1']}").text
    assert 'class="holds" title="holds">✓ card reader silent on three days of use' in text
    assert 'title="does not hold">✗ lunch near the place of work' in text
    assert "metres and stops that its dispatch order does not explain" in text
    ordered = client.get(f"/trips/{city.later_trip_id}").text
    assert ordered.count('class="holds"') == 2


def test_the_trip_page_shows_numbers_order_and_what_scored(city: City, signed_in: SignedIn) -> None:
    client = signed_in("manager")
    flagged = client.get(f"/trips/{city.trip_ids['V1']}").text
    for shown in (
        "12.34 km (12.00 – 12.70 km)",
        "30 min; 6.1 km",
        "62.5",
        "≥ 60",
        "The order was entered late",
        "12.5",
    ):
        assert shown in flagged, shown
    later = client.get(f"/trips/{city.later_trip_id}").text
    for shown in ("D-7", "送文件", "越秀区政府", "C9", "No rule found anything in this trip."):
        assert shown in later, shown
    assert f'rel="prev" href="/trips/{city.trip_ids["V1"]}"' in later


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3), ("level=red", 3), ("level=yellow", 0), ("rule=private-use-no-order", 3), ("rule=other", 0),
        ("unit=U11", 1), ("from_day=2001-01-01&to_day=2001-01-31", 0), ("from_day=&to_day=", 3),
    ],
)  # fmt: skip
def test_flagged_trips_are_filtered(signed_in: SignedIn, query: str, count: int) -> None:
    text = signed_in("inspector").get(f"/flags?{query}").text
    assert text.count('<span class="chip red">') == count


def test_a_wrong_day_is_named(signed_in: SignedIn) -> None:
    client = signed_in("inspector")
    answer = client.get("/flags?from_day=yesterday")
    assert (answer.status_code, "from_day" in answer.text) == (400, True)
    assert client.get("/api/flags?from_day=yesterday").json()["error"]["code"] == 400


def test_after_signing_in_one_comes_where_one_wanted(visitor: httpx.Client) -> None:
    answer = visitor.get("/flags?level=red&unit=U1")
    assert answer.headers["location"] == "/sign-in?next=/flags%3Flevel%3Dred%26unit%3DU1"
    assert 'value="/flags?level=red&amp;unit=U1"' in visitor.get(answer.headers["location"]).text


def test_a_fault_of_ours_shows_nothing_of_itself(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("secret detail")

    client = signed_in("admin")
    monkeypatch.setattr(views, "overview", broken)
    monkeypatch.setattr(views, "flags", broken)
    # The server closes the connection after a fault; a client that does not know may write into it.
    page, api = (client.get(path, headers={"connection": "close"}) for path in ("/", "/api/flags"))
    assert (page.status_code, api.status_code) == (500, 500)
    assert api.json() == {"error": {"code": 500, "message": "internal error"}}
    assert "secret detail" not in page.text + api.text
    assert "That did not work." in page.text


def test_an_unreachable_database_is_said(app: FastAPI, visitor: httpx.Client) -> None:
    class Gone:
        @contextmanager
        def connection(self) -> Iterator[Any]:
            raise UnreachableError("database: secret address")
            yield

    app.state.database = Gone()
    health = visitor.get("/health")
    assert (health.status_code, set(health.json()["error"])) == (503, {"code", "message"})
    visitor.cookies.set("session", "x")
    page = visitor.get("/")
    assert (page.status_code, "secret" in page.text) == (503, False)
    assert "The database does not answer." in page.text


def test_scripts_of_packages_are_compressed_and_kept(visitor: httpx.Client, settings: WebSettings) -> None:
    environment = Renderer(settings).environments["en"]
    for address in (environment.globals["plotly"], f"{environment.globals['leaflet']}/leaflet.js"):
        answer = visitor.get(str(address))
        assert answer.status_code == 200
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        assert len(answer.text) > 100_000
    plain = visitor.get(f"{environment.globals['leaflet']}/leaflet.css", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert ".leaflet-container" in plain.text
    for path in ("/static/vendor/plotly-0/plotly.min.js", "/static/vendor/x/../../app.py", "/static/../app.py"):
        assert visitor.get(path).status_code == 404
