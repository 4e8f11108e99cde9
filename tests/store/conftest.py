"""The contract of the store holds on every level: its tests run on plain PostgreSQL and on TimescaleDB in both forms."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import psycopg
import pytest
from psycopg import sql

from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.databases import Databases
from tests.store.timescale_servers import URLS, server

CONTRACT = {
    "test_archive",
    "test_derived",
    "test_dropped",
    "test_evidence",
    "test_intake",
    "test_positions",
    "test_rollups",
    "test_stale",
    "test_terminal_counts",
}
LEVELS = [
    "plain",
    pytest.param("timescale-apache", marks=pytest.mark.timescale),
    pytest.param("timescale", marks=pytest.mark.timescale),
]
FreshDatabase = Callable[[str], str]
_numbers = count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of the contract's modules on every level."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if "level" in metafunc.fixturenames and module in CONTRACT:
        metafunc.parametrize("level", LEVELS, indirect=True)


@pytest.fixture
def level(request: pytest.FixtureRequest) -> str:
    """What the database of this test can."""
    return str(getattr(request, "param", "plain"))


@pytest.fixture(scope="session")
def timescale() -> Iterator[FreshDatabase]:
    """A function: level → connection string of a fresh laid out database on a server of that level, or a skip."""
    with ExitStack() as stack:
        servers: dict[str, str | None] = {}
        made: list[tuple[str, str]] = []

        def fresh(level: str) -> str:
            if level not in servers:
                servers[level] = stack.enter_context(server(level))
                if servers[level]:
                    _make_template(str(servers[level]), _template())
                    made.append((str(servers[level]), _template()))
            address = servers[level]
            if address is None:
                pytest.skip(f"no PostgreSQL here offers TimescaleDB, and {URLS[level]} names no server that does")
            name = f"{_template()}_{next(_numbers)}"
            with psycopg.connect(address, autocommit=True) as conn:
                conn.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                        sql.Identifier(name), sql.Identifier(_template())
                    )
                )
            made.append((address, name))
            return psycopg.conninfo.make_conninfo(address, dbname=name)

        yield fresh
        for address, name in made:
            with psycopg.connect(address, autocommit=True) as conn:
                conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def conninfo(level: str, databases: Databases, timescale: FreshDatabase) -> Iterator[str]:
    """Connection string of a fresh database of the test's level."""
    if level == "plain":
        yield databases.take()
        databases.give_back()
    else:
        address = timescale(level)
        yield address
        _drop(address)


@pytest.fixture
def empty_conninfo(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Connection string of a database in which nothing is, not even a schema."""
    name = f"empty_{next(_numbers)}"
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield psycopg.conninfo.make_conninfo(postgres.conninfo, dbname=name)
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _template() -> str:
    return f"gongche_test_{os.getpid()}"


def _make_template(address: str, name: str) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    Database.open(psycopg.conninfo.make_conninfo(address, dbname=name), pool_size=1).__exit__()
    with psycopg.connect(address, autocommit=True) as conn:
        # The extension's own workers look into every database that takes connections, and a template takes none.
        conn.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def _drop(address: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
    with psycopg.connect(psycopg.conninfo.make_conninfo(address, dbname="postgres"), autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))
