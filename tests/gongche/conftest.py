"""A small simulated city, imported, sealed and audited once, and the command to ask it."""

import io
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
from gongche.__main__ import main
from store.postgres import EmbeddedPostgres

COMMAND = str(Path(sys.executable).parent / "gongche")
VEHICLES, DAYS, SEED = 60, 7, 11
FIRST, LAST = "2026-03-02", "2026-03-08"

Run = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GONGCHE_")}
    return {**kept, "GONGCHE_HOME": str(home)}


def run_in(home: Path, *arguments: str, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
    """What the command does with a home folder, in this process: to start one of its own takes seconds.

    As a person would, the tests of the README run it, of the demo, and of the service.
    """
    given, out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(3))
    given.buffer.write((text_in or "").encode())
    given.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("GONGCHE_"):
                patch.delenv(name)
        patch.setenv("GONGCHE_HOME", str(home))
        patch.setattr(sys, "argv", [COMMAND, *arguments])
        for name, stream in (("stdin", given), ("stdout", out), ("stderr", err)):
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as left:
            main()
    said, told = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(arguments, int(left.value.code or 0), said, told)


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
    with EmbeddedPostgres(home):  # kept running: each command would start and stop it
        for arguments in (
            ("import", str(city), "--json"),
            ("store", "seal", "--json"),
            ("audit", "--from", FIRST, "--to", LAST, "--json"),
        ):
            done = run_in(home, *arguments)
            (home / f"{arguments[0]}.json").write_text(done.stdout)
            assert done.returncode == 0, done.stderr
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

    def run(*arguments: str, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
        return run_in(audited_home, *arguments, text_in=text_in)

    return run
