"""The pages over a small city, and a browser-like client for each role."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from store.database import Database
from tests.web.city import PASSWORD, City, build_city
from web.app import create_app
from web.settings import WebSettings

ORIGIN = "http://testserver"
DISTRICTS = Path(__file__).parents[2] / "fixtures" / "districts.geojson"


@pytest.fixture
def city(database: Database) -> City:
    """A small city in a fresh database."""
    return build_city(database)


@pytest.fixture
def settings() -> WebSettings:
    """Settings of the pages as a test wants them."""
    return WebSettings(districts_path=DISTRICTS)


@pytest.fixture
def app(settings: WebSettings, city: City) -> FastAPI:
    """The pages over the city."""
    return create_app(settings, city.database)


@pytest.fixture
def visitor(app: FastAPI) -> Iterator[TestClient]:
    """Somebody who has not signed in."""
    with TestClient(app, follow_redirects=False, headers={"accept-language": "en"}) as client:
        yield client


@pytest.fixture
def signed_in(app: FastAPI) -> Iterator[Callable[[str], TestClient]]:
    """A function: role → client signed in with it."""
    with ExitStack() as stack:

        def enter(role: str) -> TestClient:
            client = TestClient(app, follow_redirects=False, headers={"accept-language": "en"})
            stack.enter_context(client)
            answer = client.post("/sign-in", data={"name": role, "password": PASSWORD}, headers={"origin": ORIGIN})
            assert answer.status_code == 303, answer.text
            return client

        yield enter
