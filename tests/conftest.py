"""What every test may ask for: a PostgreSQL of its own, and a fresh database on it."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from store.database import Database, migrate
from store.postgres import EmbeddedPostgres

_numbers = count(1)


@pytest.fixture
def reachable_tmp() -> Iterator[Path]:
    """A folder that the embedded server's own user can reach, as pytest's tmp_path is not when we are root."""
    path = Path(tempfile.mkdtemp(prefix="gongche-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running embedded server with a migrated template database."""
    home = Path(tempfile.mkdtemp(prefix="gongche-test-"))
    home.chmod(0o755)
    try:
        with EmbeddedPostgres(home) as server:
            with psycopg.connect(server.conninfo, autocommit=True) as conn:
                conn.execute("CREATE DATABASE template_gongche")
            with psycopg.connect(_conninfo(server, "template_gongche")) as conn:
                migrate(conn)
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def conninfo(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Connection string of a fresh migrated database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template_gongche STRATEGY wal_log").format(sql.Identifier(name))
        )
    yield _conninfo(postgres, name)
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    """A fresh migrated database, opened."""
    with Database.open(conninfo, pool_size=4) as opened:
        yield opened


def _conninfo(server: EmbeddedPostgres, name: str) -> str:
    return psycopg.conninfo.make_conninfo(server.conninfo, dbname=name)
