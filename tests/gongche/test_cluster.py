"""The same audit on the workers of a Dask cluster, and what goes wrong with one."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import LocalCluster

from geo.localtime import day_number
from gongche import cluster
from gongche.auditing import audit_days
from gongche.cluster import measuring
from gongche.errors import GongcheError, WrongUseError
from gongche.fleet import Fleet, fleet_of
from gongche.home import Gongche, open_home
from gongche.measuring import Job
from store.depot import Depot, Folder
from tests.analytics.tracks import MONDAY
from tests.gongche.conftest import FIRST, LAST, run_in

NO_FLEET: dict[str, Any] = {
    "units": [], "vehicles": [], "zones": [], "duty_days": {}, "calendar_of": {}, "orders": [], "swipes": [],
    "border_tolerance_m": 50.0,
}  # fmt: skip
PERIOD = ("--from", FIRST, "--to", LAST)


ALONE: dict[str, Any] = {
    "host": "127.0.0.1",
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",  # its scheduler serves pages in any case: not where another's may
    "scheduler_kwargs": {"dashboard": False},
}


@contextmanager
def two_workers() -> Iterator[str]:
    """Address of a scheduler with two workers, each a process of its own; a bucket is tried twice, not four times."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, **ALONE) as local,
    ):
        yield local.scheduler_address


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """One for all whose workers live on."""
    with two_workers() as address:
        yield address


@pytest.fixture
def doomed() -> Iterator[str]:
    """One whose workers may die."""
    with two_workers() as address:
        yield address


def standing(gongche: Gongche) -> dict[str, list[Any]]:
    """All derived rows; of flags not when they were first raised."""
    columns = {"flag": "flag_id, level, numbers, reason_en, withdrawn_at"}
    with gongche.database.connection() as conn:
        return {
            table: conn.execute(f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY {keys}").fetchall()
            for table, keys in (
                ("trip", "trip_id"), ("stop", "vehicle_id, start_time"), ("vehicle_day", "vehicle_id, day"),
                ("dark_entry", "dark_id"), ("vehicle_night", "vehicle_id, day"), ("flag", "flag_id"),
            )
        }  # fmt: skip


def test_two_workers_find_what_this_machine_finds(audited_home: Path, scheduler: str) -> None:
    first, last = (day_number(date.fromisoformat(day)) for day in (FIRST, LAST))
    with open_home(audited_home) as gongche:
        here = audit_days(gongche, first, last)
        before = standing(gongche)
        there = audit_days(gongche, first, last, scheduler=scheduler)
        assert standing(gongche) == before
    assert before["trip"]
    assert before["flag"]
    assert replace(there, kernel_s=0.0) == replace(here, kernel_s=0.0)


def test_a_bucket_whose_worker_dies_is_measured_by_another(doomed: str, tmp_path: Path) -> None:
    job, nothing = Job(Folder(tmp_path), (), None, MONDAY, MONDAY), fleet_of(**NO_FLEET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_measure_all", dies_once)
        with measuring(nothing, doomed, 1, Folder(tmp_path)) as (measure, in_flight):
            assert in_flight == 4
            assert [str(each) for each in measure(job)] == [str(tmp_path)]
    assert (tmp_path / "died").exists()


def dies_once(_fleet: Fleet, job: Job) -> list[str]:
    """Ends its whole process the first time, as the machine under it would."""
    died = Path(str(job.files), "died")
    if not died.exists():
        died.touch()
        os._exit(1)
    return [str(job.files)]


def test_a_bucket_that_is_the_end_of_every_worker_is_named(doomed: str, tmp_path: Path) -> None:
    job = Job(Folder(tmp_path), ("positions/day=2026-03-02/part-00000-v1.parquet",), None, MONDAY, MONDAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_measure_all", dies)
        with (
            measuring(fleet_of(**NO_FLEET), doomed, 1, Folder(tmp_path)) as (measure, _),
            pytest.raises(GongcheError, match=r"part-00000-v1\.parquet"),
        ):
            list(measure(job))


def dies(_fleet: Fleet, _job: Job) -> None:
    os._exit(1)


def test_a_worker_that_does_not_see_the_archive_is_named(scheduler: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "not-mounted"
    with (
        pytest.raises(GongcheError, match=r"does not see the archive .*not-mounted"),
        measuring(fleet_of(**NO_FLEET), scheduler, 1, Folder(elsewhere)),
    ):
        raise AssertionError


def test_a_worker_without_this_project_is_named(scheduler: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_about", cannot_import)
        with (
            pytest.raises(GongcheError, match=r"expected gongche .* at tcp://.*, got .*No module named 'gongche'"),
            measuring(fleet_of(**NO_FLEET), scheduler, 1, Folder(tmp_path)),
        ):
            raise AssertionError


def cannot_import(_files: Depot) -> None:
    raise ModuleNotFoundError("No module named 'gongche'")


def test_a_cluster_whose_last_worker_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    job = Job(Folder(tmp_path), (), None, MONDAY, MONDAY)
    with (
        pytest.MonkeyPatch.context() as patch,
        LocalCluster(n_workers=1, **ALONE) as local,
    ):
        patch.setattr(cluster, "LOOK_S", 0.2)
        with measuring(fleet_of(**NO_FLEET), local.scheduler_address, 1, Folder(tmp_path)) as (measure, _):
            local.scale(0)
            with pytest.raises(GongcheError, match="has no workers any more"):
                list(measure(job))


@pytest.mark.parametrize("says", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n"])
def test_who_is_no_scheduler_is_told_in_time(says: bytes, tmp_path: Path) -> None:
    """Dask's own client waits for ever for the first, and asks for 3 EiB of memory for the second."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "CONNECT_S", 1)
        host, port = server.getsockname()

        def answer() -> None:
            with server.accept()[0] as peer:
                peer.sendall(says)
                while peer.recv(4096):
                    pass

        talking = threading.Thread(target=answer)
        talking.start()
        with (
            pytest.raises(GongcheError, match=f"no Dask scheduler answers at tcp://{host}:{port}"),
            measuring(fleet_of(**NO_FLEET), f"tcp://{host}:{port}", 1, Folder(tmp_path)),
        ):
            raise AssertionError
        talking.join()


def test_tls_without_certificates_is_told_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(GongcheError, match=r"tls://127\.0\.0\.1:9: TLS expects"),
        measuring(fleet_of(**NO_FLEET), "tls://127.0.0.1:9", 1, Folder(tmp_path)),
    ):
        raise AssertionError


def test_without_dask_one_line_says_what_to_install(audited_home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "find_spec", lambda _: None)
        with (
            pytest.raises(WrongUseError, match=r"pip install 'gongche\[cluster\]'"),
            measuring(fleet_of(**NO_FLEET), "tcp://127.0.0.1:9", 1, Folder(audited_home)),
        ):
            raise AssertionError


def test_nobody_at_the_address_is_told_in_one_line(audited_home: Path) -> None:
    done = run_in(audited_home, "audit", *PERIOD, "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert "--scheduler: no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_is_told_from_something_else(audited_home: Path) -> None:
    done = run_in(audited_home, "audit", *PERIOD, "--scheduler", "nonsense")
    assert done.returncode == 2
    assert "--scheduler: expected an address as tcp://host:port, got 'nonsense'" in done.stderr
