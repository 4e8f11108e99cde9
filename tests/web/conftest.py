"""The pages over a small city, served on a loopback port, and a client for each role."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.web.city import PASSWORD, City, build_city
from web.app import create_app
from web.settings import WebSettings

DISTRICTS = Path(__file__).parents[2] / "fixtures" / "districts.geojson"
SignedIn = Callable[[str], httpx.Client]


@pytest.fixture(scope="session")
def city(postgres: EmbeddedPostgres) -> Iterator[City]:
    """A small city in a database of its own, shared by the tests of the pages: they add to it, they take nothing."""
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE web_city TEMPLATE template_gongche STRATEGY wal_log")
    with Database.open(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="web_city"), pool_size=4) as database:
        yield build_city(database)


@pytest.fixture
def settings() -> WebSettings:
    """Settings of the pages; a test module may say its own."""
    return WebSettings(districts_path=DISTRICTS)


@pytest.fixture
def app(settings: WebSettings, city: City) -> FastAPI:
    """The pages over the city, with no failed sign-in yet."""
    return create_app(settings, city.database)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """Where the pages are served while the test runs, http://127.0.0.1:port."""
    with serve(app) as url:
        yield url


@pytest.fixture
def visitor(address: str) -> Iterator[httpx.Client]:
    """Somebody who has not signed in."""
    with httpx.Client(base_url=address, headers={"accept-language": "en"}) as client:
        yield client


@pytest.fixture
def signed_in(address: str) -> Iterator[SignedIn]:
    """A function: role → client signed in with it."""
    with ExitStack() as stack:

        def enter(role: str) -> httpx.Client:
            client = stack.enter_context(httpx.Client(base_url=address, headers={"accept-language": "en"}))
            answer = client.post("/sign-in", data={"name": role, "password": PASSWORD}, headers={"origin": address})
            assert answer.status_code == 303, answer.text
            return client

        yield enter


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free loopback port from a thread."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
