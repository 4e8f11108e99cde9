"""A bucket of vehicles measured: from sealed parts to tables, without the database, here or on another machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from analytics.audit import Tables, audit_ordered
from analytics.duty import LeftOut, on_known_days
from geo.arrays import Int32Array
from geo.positions import Positions, only
from gongche.fleet import Fleet
from store.reading import read_batches


@dataclass(frozen=True, slots=True)
class Job:
    """Parts of one bucket below `root`, days ascending; `wanted`: vehicle_ids, None for all that are there."""

    root: Path
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


def measure_job(fleet: Fleet, job: Job) -> Iterator[Measured]:
    """Measure a bucket, a batch of whole vehicles after the other: memory holds one batch, however long the period."""
    for positions, vehicle_ids in read_batches(job.root, job.paths):
        batch = (positions, vehicle_ids) if job.wanted is None else only(positions, vehicle_ids, job.wanted)
        if len(batch[0]):
            yield measure_batch(fleet, *batch, job.from_day, job.to_day)


def measure_batch(fleet: Fleet, positions: Positions, vehicle_ids: Int32Array, from_day: int, to_day: int) -> Measured:
    """Measure positions in canonical order; days that a vehicle's calendar does not know are left out, and told."""
    context = fleet.context(vehicle_ids)
    count = len(positions)
    known, left_out = on_known_days(
        context.calendars, context.calendar_ix, positions.vehicle_ix, positions.fix_time, from_day, to_day
    )
    if known is not None:
        positions = positions.take(known)
    begun = perf_counter()
    tables = audit_ordered(positions, context, from_day, to_day)
    return Measured(vehicle_ids, count, tables, tuple(left_out), perf_counter() - begun)
