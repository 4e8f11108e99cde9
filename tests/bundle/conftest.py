"""A case and its bundle, made once for the tests of bundles."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gongche.bundle.making import Made
from store.database import Database
from store.postgres import EmbeddedPostgres
from tests.bundle.cases import Given, open_case


@pytest.fixture(scope="session")
def given(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    """A city with a case, in a database of its own; tests change nothing in it that others read."""
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE bundle_city TEMPLATE template_gongche STRATEGY wal_log")
    with Database.open(
        psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="bundle_city"), pool_size=4
    ) as database:
        yield open_case(database, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def made(given: Given, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """The bundle of the case in both languages."""
    path = tmp_path_factory.mktemp("made") / "case.zip"
    return path, given.make(path)


@pytest.fixture(scope="session")
def unpacked(made: tuple[Path, Made], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same unpacked; to be copied before it is changed."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(made[0]) as bundle:
        bundle.extractall(folder)
    return folder


@pytest.fixture
def folder(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the unpacked bundle that a test may change."""
    return Path(shutil.copytree(unpacked, tmp_path / "bundle"))
