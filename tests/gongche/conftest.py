"""A small simulated city, imported, sealed and audited once, and the command to ask it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.simulate import simulate
from store.postgres import EmbeddedPostgres

COMMAND = str(Path(sys.executable).parent / "gongche")
VEHICLES, DAYS, SEED = 60, 7, 11
FIRST, LAST = "2026-03-02", "2026-03-08"

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GONGCHE_")}
    return {**kept, "GONGCHE_HOME": str(home)}


def run_in(home: Path, *arguments: str, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command with a home folder, as a person would."""
    return subprocess.run(
        [COMMAND, *arguments],
        env=clean_environment(home),
        input=text_in,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def result(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a successful command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def city() -> Iterator[Path]:
    """Files of a small degraded simulation."""
    folder = Path(tempfile.mkdtemp(prefix="gongche-test-city-"))
    simulate(folder, vehicles=VEHICLES, days=DAYS, seed=SEED, degraded=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def audited_home(city: Path) -> Iterator[Path]:
    """A home that has taken in the city, sealed and audited it."""
    home = Path(tempfile.mkdtemp(prefix="gongche-test-home-"))
    home.chmod(0o755)
    for arguments in (
        ("import", str(city), "--json"),
        ("store", "seal", "--json"),
        ("audit", "--from", FIRST, "--to", LAST, "--json"),
    ):
        done = run_in(home, *arguments)
        (home / f"{arguments[0]}.json").write_text(done.stdout)
        assert done.returncode == 0, done.stderr
    with EmbeddedPostgres(home):  # kept running for the commands that follow: each would start and stop it
        yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def gongche(reachable_tmp: Path) -> Run:
    """The command with an empty home of its own."""

    def run(*arguments: str, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
        return run_in(reachable_tmp / "home", *arguments, text_in=text_in)

    return run


@pytest.fixture
def in_city(audited_home: Path) -> Run:
    """The command with the audited city's home."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_in(audited_home, *arguments)

    return run
