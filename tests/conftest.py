"""What every test may ask for: a PostgreSQL of its own, and a fresh database on it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from store import users
from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.databases import TEMPLATE, Databases

SLOWEST = (
    "gongche/test_commands.py",
    "web/test_browser.py",
    "gongche/test_readme.py",
    "gongche/test_cluster.py",
    "gongche/test_demo.py",
    "gongche/test_backup_command.py",
    "gongche/test_real_tracks.py",
    "analytics/test_stream.py",
    "gongche/test_open_day.py",
    "store/test_postgres.py",
    "ingest/test_crashes.py",
    "ingest/test_lost_and_twice.py",
    "analytics/test_stream_faults.py",
    "analytics/test_invariance.py",
    "benchmarks/test_real_tracks.py",
    "bundle/test_making.py",
)
"""Files that take longest: a process that began one of them last would leave the others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first; `--no-loadscope-reorder` keeps them there, else the order is by number of tests."""
    folder = Path(__file__).parent
    slowest = {folder / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: slowest.get(item.path, len(slowest)))


@pytest.fixture(scope="session", autouse=True)
def slow_hasher() -> Iterator[PasswordHasher]:
    """What hashes passwords, which takes a quarter of a second each time: hundreds of tests sign in by a quick one."""
    with pytest.MonkeyPatch.context() as patch:
        slow = users._hasher
        patch.setattr(users, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield slow


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
                # Nothing here outlives the machine's power: a killed server finds what it wrote all the same.
                conn.execute("ALTER SYSTEM SET fsync = off")
                conn.execute("SELECT pg_reload_conf()")
                conn.execute(f"CREATE DATABASE {TEMPLATE}")
            with Database.open(psycopg.conninfo.make_conninfo(server.conninfo, dbname=TEMPLATE), pool_size=1):
                pass  # migrated and laid out
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """Where fresh databases come from."""
    return Databases(postgres.conninfo)


@pytest.fixture
def conninfo(databases: Databases) -> Iterator[str]:
    """Connection string of a fresh migrated database."""
    yield databases.take()
    databases.give_back()


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    """A fresh migrated database, opened."""
    with Database.open(conninfo, pool_size=4) as opened:
        yield opened
