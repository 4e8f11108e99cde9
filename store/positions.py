"""Table `position`: batches in by one idempotent merge, tracks and days out as columns.

A position repeats another when vehicle, fix time and all that was sent are equal. Receipt time and the LATE mark are not
what was sent: they differ when a terminal sends a position again. A stored row keeps the earliest receipt of all its
repetitions and is LATE only if each of them was, so what is stored depends on the set of rows and not on their order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from geo.arrays import BoolArray, Int16Array, Int32Array, Int64Array
from geo.localtime import day_start_us
from geo.positions import SENT_BITS, Positions, Status, canonical
from store.arrivals import keep_notes, move_latest, open_days
from store.copy import copy_arrays_out
from store.dropping import before_drops
from store.entering import put_in
from store.marks import mark_hours
from store.partitions import ensure_partitions, time_text
from store.position_row import ROW, SENT

# Rows go in by these stretches first, by vehicle and time within them: no partition and no chunk, whether its days begin
# at midnight here or in UTC, is left and come back to. COPY fills partitions one after the other; rows that went to two in
# turns would be locked in another order than they stand, and writers that meet on them would wait for each other.
_STRETCH_US = 8 * 3_600_000_000
# What a timestamptz and a datetime can both hold: years 1 to 9999, a day inside the ends.
_FIRST_US, _LAST_US = -62_135_510_400_000_000, 253_402_214_400_000_000


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a batch: accepted + duplicate = its rows; `fresh` marks the accepted ones, bool (n,)."""

    accepted: int
    duplicate: int
    fresh: BoolArray


def merge_positions(
    conn: Connection[Any],
    batch: Positions,
    vehicle_ids: Int32Array,
    *,
    notes: Mapping[int, Mapping[str, Any]] | None = None,
) -> Merged:
    """Add the positions of a batch that are not there yet, in the caller's transaction.

    Parameters
    ----------
    vehicle_ids : int32 (v,)   vehicle_id of each vehicle_ix of the batch.
    notes : row index → what the position carried beyond the columns; of a repetition it is kept where it says other.

    Raises
    ------
    ValueError   A time outside the years 1 to 9999.

    Notes
    -----
    A row with other content under a known (vehicle, fix time) is kept as the next variant. Marks the vehicle-days open,
    and the hours that are summed already; moves `latest` forward. Rows go in by stretch of time and key, so writers that meet
    on the same rows wait and do not deadlock.
    """
    fresh = np.zeros(len(batch), dtype=np.bool_)
    if not len(batch):
        return Merged(0, 0, fresh)
    _check_times(batch)
    # Minus zero is zero to the database, and not another content.
    zero = np.float32(0)
    batch = replace(
        batch, speed_mps=batch.speed_mps + zero, course_deg=batch.course_deg + zero, fuel_l=batch.fuel_l + zero
    )
    vehicle_id = vehicle_ids[batch.vehicle_ix]
    rows, rank, late, group = _distinct(batch, vehicle_id)
    columns = _columns(batch, vehicle_id, rows, late)
    before_drops(conn, batch.fix_time, batch.received_at)
    ensure_partitions(conn, batch.fix_time, batch.received_at)
    variant, new, changed = put_in(conn, columns, rank)
    fresh[rows[new]] = True
    told: list[tuple[int, int]] = []
    if notes:
        noted = np.fromiter(notes, dtype=np.int64, count=len(notes))
        keys = zip(
            vehicle_id[noted].tolist(), batch.fix_time[noted].tolist(), variant[group[noted]].tolist(), strict=True
        )
        told = keep_notes(conn, ((*key, note) for key, note in zip(keys, notes.values(), strict=True)))
    stirred = np.concatenate((rows[new], rows[changed]))
    # A new note of a known position is sealed too.
    noted_ids, noted_times = np.array(told, dtype=np.int64).reshape(-1, 2).T
    open_days(
        conn,
        np.concatenate((vehicle_id[stirred], noted_ids.astype(np.int32))),
        np.concatenate((batch.fix_time[stirred], noted_times)),
    )
    move_latest(conn, batch.take(fresh), vehicle_id[fresh])
    mark_hours(conn, vehicle_id[stirred], batch.fix_time[stirred])
    accepted = int(new.sum())
    return Merged(accepted, len(batch) - accepted, fresh)


def read_track(conn: Connection[Any], vehicle_id: int, from_us: int, to_us: int) -> Positions:
    """One vehicle's positions with from_us ≤ fix_time < to_us (µs UTC), in canonical order; vehicle_ix is 0."""
    where = sql.SQL("vehicle_id = %(vehicle)s AND fix_time >= %(from)s AND fix_time < %(to)s")
    span = {"from": time_text(from_us), "to": time_text(to_us)}
    return read_where(conn, where, {"vehicle": vehicle_id, **span})[0]


def read_day(
    conn: Connection[Any], day: int, first_vehicle: int = 0, last_vehicle: int = 2**31 - 1
) -> tuple[Positions, Int32Array]:
    """All positions of a local day of the vehicles with ids [first, last], in canonical order, and their vehicle ids."""
    where = sql.SQL("vehicle_id BETWEEN %(first)s AND %(last)s AND fix_time >= %(from)s AND fix_time < %(to)s")
    span = {"from": time_text(day_start_us(day)), "to": time_text(day_start_us(day + 1))}
    return read_where(conn, where, {"first": first_vehicle, "last": last_vehicle, **span})


def read_where(
    conn: Connection[Any],
    where: sql.Composable,
    span: Mapping[str, Any],
    source: sql.Composable = sql.SQL("position"),  # noqa: B008 - it never changes
) -> tuple[Positions, Int32Array]:
    """The rows of `position`, or of another source with its columns, for which a condition holds; and their vehicle ids."""
    # A row of the answer is a vehicle's day, a field all its values of one column: psycopg hands over row by
    # row, which costs more than what is in it. So it is a third faster than a row per position.
    aggregates = sql.SQL(", ").join(sql.SQL("array_agg({})").format(sql.Identifier(name)) for name in ROW)
    query = sql.SQL("SELECT {} FROM {} WHERE {} GROUP BY vehicle_id, date_trunc('day', fix_time, 'UTC')")
    columns = copy_arrays_out(conn, query.format(aggregates, source, where), ROW, span)
    ids, vehicle_ix = np.unique(columns.pop("vehicle_id"), return_inverse=True)
    positions = Positions.from_columns(len(vehicle_ix), vehicle_ix=vehicle_ix, **columns)
    return canonical(positions), ids.astype(np.int32)


def without_repetitions(batch: Positions) -> Positions:
    """The rows that a merge of this batch alone would store, in the order in which it would."""
    rows, _, late, _ = _distinct(batch, batch.vehicle_ix)
    found = batch.take(rows)
    return replace(
        found,
        status=(found.status & np.uint32(~Status.LATE & 0xFFFFFFFF))
        | np.where(late, np.uint32(Status.LATE), np.uint32(0)),
    )


def _check_times(batch: Positions) -> None:
    for name in ("fix_time", "received_at"):
        column = getattr(batch, name)
        for value in (int(column.min()), int(column.max())):
            if not _FIRST_US <= value < _LAST_US:
                raise ValueError(f"{name}: expected a time in the years 1 to 9999, got {value} µs since 1970")


def _distinct(batch: Positions, vehicle_id: Int32Array) -> tuple[Int64Array, Int16Array, BoolArray, Int64Array]:
    """Rows without repetitions, in the order of locking; each one's rank among those of its key; and whether it is LATE.

    Of repetitions the first received stands for all; the last array tells, for each row of the batch, which one that is.
    """
    group = np.empty(len(batch), dtype=np.int64)
    late = batch.has(Status.LATE)
    stretch = batch.fix_time // _STRETCH_US
    order = np.lexsort((batch.fix_time, vehicle_id, stretch))
    tied = (np.diff(vehicle_id[order]) == 0) & (np.diff(batch.fix_time[order]) == 0)
    if not tied.any():
        group[order] = np.arange(len(order))
        return order, np.zeros(len(order), dtype=np.int16), late[order], group
    sent: dict[str, NDArray[Any]] = {name: getattr(batch, name) for name in SENT}
    sent["status"] = batch.status & np.uint32(SENT_BITS & ~Status.LATE)
    bits = [column.view(np.int32) if column.dtype == np.float32 else column for column in sent.values()]
    order = np.lexsort((batch.received_at, *bits, batch.fix_time, vehicle_id, stretch))
    keyed = np.diff(vehicle_id[order], prepend=-1) != 0  # ids are positive
    keyed[1:] |= np.diff(batch.fix_time[order]) != 0
    new = keyed.copy()
    for column in bits:
        new[1:] |= column[order][1:] != column[order][:-1]
    first = np.flatnonzero(new)
    at_key = np.flatnonzero(keyed[first])
    rank = np.arange(len(first)) - np.repeat(at_key, np.diff(at_key, append=len(first)))
    group[order] = np.cumsum(new) - 1
    return order[first], rank.astype(np.int16), np.logical_and.reduceat(late[order], first), group


def _columns(batch: Positions, vehicle_id: Int32Array, rows: Int64Array, late: BoolArray) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {name: getattr(batch, name)[rows] for name in ROW if name != "vehicle_id"}
    sent = (batch.status[rows] & np.uint32(SENT_BITS & ~Status.LATE)).astype(np.int32)
    columns["status"] = sent | np.where(late, np.int32(Status.LATE), np.int32(0))
    return {**columns, "vehicle_id": vehicle_id[rows]}
