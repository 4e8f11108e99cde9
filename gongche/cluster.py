"""Where buckets are measured: on this machine, or on the workers of a Dask cluster that see the same archive."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gongche.errors import GongcheError, WrongUseError
from gongche.fleet import Fleet
from gongche.measuring import Job, Measured, measure_job

if TYPE_CHECKING:
    from distributed import Client

Measure = Callable[[Job], Iterable[Measured]]
CONNECT_S = 5
PER_WORKER = 2
"""Buckets in flight a worker thread: one is measured while the next waits beside it."""


@contextmanager
def measuring(fleet: Fleet, scheduler: str | None, threads: int) -> Iterator[tuple[Measure, int]]:
    """How a bucket is measured, and how many at a time.

    Parameters
    ----------
    scheduler : address of a Dask scheduler (tcp://host:port), None: this machine.

    Raises
    ------
    WrongUseError, GongcheError   Dask is not installed; nobody answers at the address, or has no workers.
    """
    if scheduler is None:
        yield (lambda job: measure_job(fleet, job)), threads
        return
    if "://" not in scheduler:
        raise WrongUseError(f"--scheduler: expected an address as tcp://host:port, got {scheduler!r}")
    if find_spec("distributed") is None:
        raise WrongUseError("--scheduler: Dask is not installed; pip install 'gongche[cluster]'")
    with _client(scheduler) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise GongcheError(f"--scheduler: {scheduler} has no workers")
        everywhere = client.scatter(fleet, broadcast=True)  # once a worker, not once a bucket

        def measure(job: Job) -> Iterable[Measured]:
            # A bucket whose worker died is measured again by another: it writes nothing, so that does no harm.
            measured: list[Measured] = client.submit(_measure_all, everywhere, job, pure=False).result()
            return measured

        yield measure, PER_WORKER * sum(worker["nthreads"] for worker in workers.values())


@contextmanager
def _client(scheduler: str) -> Iterator["Client"]:
    from distributed import Client  # noqa: PLC0415 - only where a cluster is asked for

    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise GongcheError(f"--scheduler: no Dask scheduler answers at {scheduler}") from error
    with client:
        yield client


def _measure_all(fleet: Fleet, job: Job) -> list[Measured]:
    return list(measure_job(fleet, job))
