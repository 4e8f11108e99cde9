"""A bucket of vehicles measured: from sealed parts to tables, without the database, here or on another machine."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from analytics.audit import Tables, tables_of
from analytics.duty import LeftOut, merge_left_out, on_known_days
from analytics.measure import Measured as MeasuredColumns
from analytics.measure import measure, together
from geo.arrays import Int32Array
from geo.positions import only
from gongche.fleet import Fleet
from store.archive import VEHICLES_PER_BUCKET
from store.depot import Depot
from store.reading import read_batches


@dataclass(frozen=True, slots=True)
class Job:
    """Parts of one bucket in `files`, days ascending; `wanted`: vehicle_ids, None for all that are there."""

    files: Depot
    paths: tuple[str, ...]
    wanted: Int32Array | None
    from_day: int
    to_day: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of some whole vehicles; `kernel_s` is the time in the kernels, without reading."""

    vehicle_ids: Int32Array
    positions: int
    tables: Tables
    left_out: tuple[LeftOut, ...]
    kernel_s: float


def divided(vehicles: Int32Array, buckets: Sequence[int], workers: int) -> list[Int32Array]:
    """Those of these vehicles that are in some buckets, divided into jobs so that all workers end at about one time.

    A job is a bucket. Buckets that would leave some workers idle in the end come last, each in a part for every worker.
    """
    mine = np.sort(vehicles[np.isin(vehicles // VEHICLES_PER_BUCKET, buckets)])
    of_bucket = np.split(mine, np.flatnonzero(np.diff(mine // VEHICLES_PER_BUCKET)) + 1)
    whole = len(of_bucket) // workers * workers
    parts = [part for each in of_bucket[whole:] for part in np.array_split(each, workers)]
    return [each for each in (*of_bucket[:whole], *parts) if len(each)]


@contextmanager
def set_aside() -> Iterator[None]:
    """What is held now is spared by the collector meanwhile.

    Going through a city's fleet takes a tenth of a second, once a bucket and in each process.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def measure_job(fleet: Fleet, job: Job) -> Iterator[Measured]:
    """Measure a bucket; nothing where it has no position that is wanted.

    Memory holds one batch of positions, however long the period. Tables are made of all batches at once: their cost is
    by the column more than by the row. Days that a vehicle's calendar does not know are left out, and told.
    """
    parts, ids, left_out = list[MeasuredColumns](), list[Int32Array](), list[LeftOut]()
    count, kernel_s = 0, 0.0
    wanted = job.wanted
    within = None if wanted is None or not len(wanted) else (int(wanted.min()), int(wanted.max()))
    for batch in read_batches(job.files, job.paths, within=within):
        positions, vehicle_ids = batch
        if wanted is not None and not np.isin(vehicle_ids, wanted).all():
            positions, vehicle_ids = only(positions, vehicle_ids, wanted)
        if not len(positions):
            continue
        context = fleet.context(vehicle_ids)
        count += len(positions)
        known, waits = on_known_days(
            context.calendars, context.calendar_ix, positions.vehicle_ix, positions.fix_time, job.from_day, job.to_day
        )
        left_out += waits
        if known is not None:
            positions = positions.take(known)
        begun = perf_counter()
        parts.append(measure(positions, context, job.from_day, job.to_day))
        kernel_s += perf_counter() - begun
        ids.append(vehicle_ids)
        del batch, positions, known  # the next batch is read where this one was
    if not parts:
        return
    context = fleet.context(np.concatenate(ids))
    begun = perf_counter()
    tables = tables_of(together(parts, [len(each) for each in ids]), context, job.from_day, job.to_day)
    kernel_s += perf_counter() - begun
    yield Measured(context.vehicle_ids, count, tables, merge_left_out(left_out), kernel_s)
