"""The pages in a real headless Chromium: they load, draw, move, and ask no other host for anything."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)
from playwright.sync_api import Response as PageResponse

from tests.web.city import PASSWORD, City, move

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
PATIENCE_MS = 20_000
PAGES = (
    "/",
    "/map",
    "/vehicles",
    "/vehicles/{vehicle}",
    "/trips/{trip}",
    "/flags",
    "/savings",
    "/calendars",
    "/calendar?code=office",
    "/terminals",
    "/terminals/13900000001",
    "/terminals/13900000099",
    "/quarantine",
    "/log",
)


@dataclass
class Watched:
    """What went wrong in a browser window, and which hosts it asked."""

    hosts: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Listen to every window of a context."""
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("console", self._console)
        context.on("weberror", self._script)
        context.on("response", self._answer)

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"}:
            self.hosts.add(address.netloc)

    def _failed(self, request: Request) -> None:
        # Aborted is what the stream of the live map is when its page is left; a refusal by policy has another name.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.url}")

    def _answer(self, answer: PageResponse) -> None:
        if answer.status >= 400:
            self.faults.append(f"{answer.status}: {answer.url}")

    def _script(self, error: WebError) -> None:
        self.faults.append(f"script: {error.error}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium, and CI must have one")
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


Opened = Callable[..., tuple[Page, Watched]]


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Opened]:
    """A function: language, width → a window that is signed in as admin, and what is seen to go wrong in it."""
    contexts: list[BrowserContext] = []

    def enter(language: str = "en", width: int = 1440, height: int = 900) -> tuple[Page, Watched]:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale={"zh": "zh-CN", "en": "en-GB"}[language]
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watched = Watched()
        watched.watch(context)
        page = context.new_page()
        page.goto(f"{address}/sign-in")
        page.locator("input[name=name]").fill("admin")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main button").click()
        page.wait_for_url(f"{address}/")
        return page, watched

    yield enter
    for context in contexts:
        context.close()


def _named(path: str, city: City) -> str:
    return path.replace("{vehicle}", str(city.vehicle_ids["V2"])).replace("{trip}", city.trip_ids["V2"])


def _visit(page: Page, address: str, path: str) -> None:
    """Open a page and wait until all it asks for is there; the live map's stream never ends, its first event will do."""
    page.goto(address + path)
    if path == "/map":
        expect(page.locator("#state")).to_contain_text("3", timeout=PATIENCE_MS)
    else:
        page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_loads_from_this_host_alone_and_without_a_fault(
    opened: Opened, address: str, city: City, language: str
) -> None:
    page, watched = opened(language)
    for path in PAGES:
        _visit(page, address, _named(path, city))
        assert page.locator("html").get_attribute("lang") == {"zh": "zh-CN", "en": "en"}[language]
        assert page.locator("main h1").count() == 1, path
    assert watched.faults == []
    assert watched.hosts == {urlsplit(address).netloc}


def test_the_language_is_remembered(opened: Opened, address: str) -> None:
    page, _ = opened("en")
    page.goto(f"{address}/flags?level=red")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_contain_text("疑点行程")
    assert page.url.endswith("/flags?level=red")
    page.goto(f"{address}/vehicles")
    expect(page.locator("h1")).to_contain_text("车辆")


def test_the_trip_map_draws_and_the_chart_points_at_it(opened: Opened, address: str, city: City) -> None:
    page, watched = opened()
    _visit(page, address, f"/trips/{city.trip_ids['V1']}")
    drawn = page.frame_locator("#trip-map")
    for colour in ("#1d5fa8", "#d1480a"):  # on duty, and after half past six in the evening
        expect(drawn.locator(f"path.leaflet-interactive[stroke='{colour}']")).to_have_count(1)
    expect(drawn.locator("path[stroke='#2f7d4f']")).to_have_count(1)  # the permitted area
    assert drawn.locator("path[stroke='#8a5a00']").count() == 2  # the yard and the golf course
    expect(drawn.locator("html[data-ground=drawn]")).to_have_count(1)
    expect(page.locator("#chart .scatterlayer path.js-line").first).to_be_visible()
    box = page.locator("#chart .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    expect(drawn.locator("path.pointed-at")).to_have_count(1)
    assert watched.faults == []


def test_a_vehicle_that_reports_moves_on_the_live_map(opened: Opened, address: str, city: City) -> None:
    page, watched = opened()
    _visit(page, address, "/map")
    place = "(id) => { const at = window.gongcheVehicles.get(id).marker.getLatLng(); return [at.lat, at.lng]; }"
    vehicle = city.vehicle_ids["V11"]
    before = page.evaluate(place, vehicle)
    move(city.database, vehicle, 23.3, 113.5)
    page.wait_for_function(
        "([id, lat]) => Math.abs(window.gongcheVehicles.get(id).marker.getLatLng().lat - lat) < 1e-5",
        arg=[vehicle, 23.3],
    )
    assert before != page.evaluate(place, vehicle) == [23.3, 113.5]
    page.locator("#search").fill("A10011")
    page.locator("#search").press("Enter")
    page.locator(".leaflet-popup-content a").click()
    page.wait_for_url(f"{address}/vehicles/{vehicle}")
    assert watched.faults == []


def test_on_a_phone_no_page_is_wider_than_the_screen(opened: Opened, address: str, city: City) -> None:
    page, _ = opened("zh", 390, 844)
    widths = {}
    for path in PAGES:
        if path != "/map":
            _visit(page, address, _named(path, city))
            widths[path] = page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in widths.items() if width > 390} == {}


def test_a_plate_with_markup_is_text_on_the_live_map(opened: Opened, address: str, city: City) -> None:
    page, watched = opened()
    _visit(page, address, "/map")
    page.evaluate("(id) => window.gongcheVehicles.get(id).marker.openPopup()", city.vehicle_ids["V2"])
    expect(page.locator(".leaflet-popup-content b")).to_have_text(re.compile("^<script>alert"))
    assert watched.faults == []
