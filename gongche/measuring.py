"""A bucket of vehicles measured: from sealed parts to tables, without the database, here or on another machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from analytics.audit import Tables, tables_of
from analytics.duty import LeftOut, merge_left_out, on_known_days
from analytics.measure import Measured as MeasuredColumns
from analytics.measure import measure, together
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
    """Measure a bucket; nothing where it has no position that is wanted.

    Memory holds one batch of positions, however long the period. Tables are made of all batches at once: their cost is
    by the column more than by the row.
    """
    batches = read_batches(job.root, job.paths)
    if job.wanted is not None:
        batches = (only(positions, vehicle_ids, job.wanted) for positions, vehicle_ids in batches)
    measured = _measured(fleet, batches, job.from_day, job.to_day)
    if len(measured.vehicle_ids):
        yield measured


def measure_batch(fleet: Fleet, positions: Positions, vehicle_ids: Int32Array, from_day: int, to_day: int) -> Measured:
    """Measure positions in canonical order; days that a vehicle's calendar does not know are left out, and told."""
    return _measured(fleet, [(positions, vehicle_ids)], from_day, to_day)


def _measured(fleet: Fleet, batches: Iterable[tuple[Positions, Int32Array]], from_day: int, to_day: int) -> Measured:
    parts, ids, left_out = list[MeasuredColumns](), list[Int32Array](), list[LeftOut]()
    count, kernel_s = 0, 0.0
    for positions, vehicle_ids in batches:
        context = fleet.context(vehicle_ids)
        count += len(positions)
        known, waits = on_known_days(
            context.calendars, context.calendar_ix, positions.vehicle_ix, positions.fix_time, from_day, to_day
        )
        left_out += waits
        begun = perf_counter()
        parts.append(measure(positions if known is None else positions.take(known), context, from_day, to_day))
        kernel_s += perf_counter() - begun
        ids.append(vehicle_ids)
    context = fleet.context(np.concatenate([np.empty(0, dtype=np.int32), *ids]))
    begun = perf_counter()
    found = (
        together(parts, [len(each) for each in ids]) if parts else measure(Positions.empty(), context, from_day, to_day)
    )
    tables = tables_of(found, context, from_day, to_day)
    kernel_s += perf_counter() - begun
    return Measured(context.vehicle_ids, count, tables, merge_left_out(tuple(left_out)), kernel_s)
