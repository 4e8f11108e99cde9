"""Where buckets are measured: on this machine, or on the workers of a Dask cluster that see the same archive."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gongche.errors import GongcheError, WrongUseError
from gongche.fleet import Fleet
from gongche.measuring import Job, Measured, measure_job
from store.depot import Depot
from store.errors import reason

if TYPE_CHECKING:
    from distributed import Client, Future

Measure = Callable[[Job], Iterable[Measured]]
CONNECT_S = 5
LOOK_S, LOOKS = 15.0, 2
"""A task is waited for so long before one looks whether there are workers at all, and given up when so many looks in a
row find none."""
PER_WORKER = 2
"""Buckets in flight a worker thread: one is measured while the next waits beside it."""


@contextmanager
def measuring(fleet: Fleet, scheduler: str | None, threads: int, files: Depot) -> Iterator[tuple[Measure, int]]:
    """How a bucket is measured, and how many at a time.

    Parameters
    ----------
    scheduler : address of a Dask scheduler (tcp://host:port), None: this machine.
    files : where the archive lies, the same for every machine; a worker is given the keys to it.

    Raises
    ------
    WrongUseError, GongcheError   Dask is not installed; nobody answers at the address, or has no workers; a worker runs
        another release or none, or does not see the archive; a bucket was the end of every worker that tried it, or no
        worker is left.
    """
    if scheduler is None:
        yield (lambda job: measure_job(fleet, job)), threads
        return
    if "://" not in scheduler:
        raise WrongUseError(f"--scheduler: expected an address as tcp://host:port, got {scheduler!r}")
    if find_spec("distributed") is None:
        raise WrongUseError("--scheduler: Dask is not installed; pip install 'gongche[cluster]'")
    import dask  # noqa: PLC0415 - only where a cluster is asked for
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415
    from distributed.comm.core import CommClosedError  # noqa: PLC0415

    with _client(scheduler) as client:
        worker_threads = _worker_threads(client, scheduler, files)
        # It travels once to a worker, not once a bucket. Scattered, it would be lost with the workers that hold it; as a
        # task it is kept by the scheduler too, and some megabytes of zones are meant.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):
            everywhere = client.submit(_kept, fleet, pure=False)

        def measure(job: Job) -> Iterable[Measured]:
            # A bucket whose worker died is measured again by another: it writes nothing, so that does no harm.
            try:
                return _result(client, scheduler, client.submit(_measure_all, everywhere, job, pure=False))
            except (KilledWorker, CommClosedError, CancelledError) as error:
                bucket = ", ".join(job.paths[:1])
                raise GongcheError(f"--scheduler: lost while measuring {bucket} …: {reason(error)}") from error

        yield measure, PER_WORKER * worker_threads


@contextmanager
def _client(scheduler: str) -> Iterator["Client"]:
    from distributed import Client  # noqa: PLC0415 - only where a cluster is asked for

    try:
        asyncio.run(asyncio.wait_for(_greeted(scheduler), CONNECT_S))
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError, MemoryError) as error:
        raise GongcheError(f"--scheduler: no Dask scheduler answers at {scheduler}: {reason(error)}") from error
    with client:
        yield client


async def _greeted(scheduler: str) -> None:
    """Shake hands as Dask does; its client's own timeout ends before that, and it waits for ever where nothing is said.

    Whoever says something else is taken for a scheduler that announces so many bytes: a MemoryError.
    """
    from distributed.comm.core import connect  # noqa: PLC0415 - only where a cluster is asked for
    from distributed.security import Security  # noqa: PLC0415

    comm = await connect(scheduler, timeout=CONNECT_S, **Security().get_connection_args("client"))
    await comm.close()


def _worker_threads(client: "Client", scheduler: str, files: Depot) -> int:
    """Threads of all workers, each asked whether it can do the work."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise GongcheError(f"--scheduler: {scheduler} has no workers")
    for worker, about in client.run(_about, files, on_error="return").items():
        if isinstance(about, Exception):  # most often there is no gongche to import
            raise GongcheError(f"--scheduler: expected gongche {version('gongche')} at {worker}, got {reason(about)}")
        release, sees = about
        if release != version("gongche"):
            raise GongcheError(f"--scheduler: expected gongche {version('gongche')} at {worker}, got {release}")
        if not sees:
            raise GongcheError(f"--scheduler: {worker} does not see the archive {files}")
    return sum(worker["nthreads"] for worker in workers.values())


def _result(client: "Client", scheduler: str, task: "Future[list[Measured]]") -> list[Measured]:
    """What a task gives. Dask waits for ever where no worker is left; one that died may be away for a moment."""
    looks = 0
    while True:
        try:
            measured = task.result(timeout=LOOK_S)
        except TimeoutError:
            if task.done():
                raise
            looks = 0 if client.scheduler_info(n_workers=-1)["workers"] else looks + 1
            if looks == LOOKS:
                raise GongcheError(f"--scheduler: {scheduler} has no workers any more") from None
        else:
            return measured


def _about(files: Depot) -> tuple[str, bool]:
    """Of a worker: its release, and whether it sees the archive."""
    return version("gongche"), files.is_seen()


def _kept(fleet: Fleet) -> Fleet:
    return fleet


def _measure_all(fleet: Fleet, job: Job) -> list[Measured]:
    return list(measure_job(fleet, job))
