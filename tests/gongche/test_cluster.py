"""The same audit on the workers of a Dask cluster, and what goes wrong with one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from tests.gongche.conftest import FIRST, LAST, result, run_in

PERIOD = ("--from", FIRST, "--to", LAST)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two workers, each a process of its own."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        yield cluster.scheduler_address


def exported(home: Path) -> dict[str, Any]:
    rows = {
        table: result(run_in(home, "export", table, *PERIOD, "--format", "json"))
        for table in ("trips", "stops", "vehicle-days", "flags")
    }
    for flag in rows["flags"]:
        flag.pop("raised_at")
    return rows


def test_two_workers_find_what_this_machine_finds(audited_home: Path, scheduler: str) -> None:
    here = result(run_in(audited_home, "audit", *PERIOD, "--json"))
    before = exported(audited_home)
    assert before["trips"]
    assert before["flags"]
    there = result(run_in(audited_home, "audit", *PERIOD, "--scheduler", scheduler, "--json"))
    for counts in (here, there):
        counts.pop("positions_per_s")
    assert there == here
    assert exported(audited_home) == before


def test_nobody_at_the_address_is_told_in_one_line(audited_home: Path) -> None:
    done = run_in(audited_home, "audit", *PERIOD, "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert "--scheduler: no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_is_told_from_something_else(audited_home: Path) -> None:
    done = run_in(audited_home, "audit", *PERIOD, "--scheduler", "nonsense")
    assert done.returncode == 2
    assert "--scheduler: expected an address as tcp://host:port, got 'nonsense'" in done.stderr
