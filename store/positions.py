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
from psycopg.errors import DeadlockDetected, UniqueViolation

from geo.arrays import BoolArray, Int16Array, Int32Array, Int64Array
from geo.localtime import day_start_us, local_day
from geo.positions import SENT_BITS, Positions, Status, canonical
from store.arrays import array
from store.arrivals import keep_notes, move_latest, open_days
from store.copy import copy_arrays_out, copy_in, copy_out
from store.dropping import before_drops
from store.marks import mark_hours
from store.partitions import ensure_partitions, time_text

_KEY = {"vehicle_id": "int", "fix_time": "timestamptz"}
_SENT = {
    "lat_e7": "int",
    "lon_e7": "int",
    "speed_mps": "real",
    "course_deg": "real",
    "odometer_m": "bigint",
    "fuel_l": "real",
    "altitude_m": "smallint",
    "satellites": "smallint",
    "status": "int",
}
ROW = {**_KEY, **_SENT, "received_at": "timestamptz"}
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, ROW))
_STAGED_COLUMNS = sql.SQL(", ").join(sql.Identifier("s", name) for name in ROW)
# NaN equals NaN in PostgreSQL; the mark LATE (128) is left out of status.
_SAME = sql.SQL(" AND ").join(
    sql.SQL("(p.status & ~128) = (s.status & ~128)")
    if name == "status"
    else sql.SQL("p.{0} = s.{0}").format(sql.Identifier(name))
    for name in _SENT
)
_EARLIER = sql.SQL("(s.received_at < p.received_at OR (p.status & ~s.status & 128) <> 0)")
# From here on rows that nobody knows go straight into the table, which is several times as fast as by staging; of fewer
# rows the questions before cost as much.
_STRAIGHT_ROWS = 1_000
# Rows go in by these stretches first, by vehicle and time within them: no partition and no chunk, whether its days begin
# at midnight here or in UTC, is left and come back to. COPY fills partitions one after the other; rows that went to two in
# turns would be locked in another order than they stand, and writers that meet on them would wait for each other.
_STRETCH_US = 8 * 3_600_000_000
_DEADLOCKS = 5
# Known rows are looked for day by day, so that each question is planned for one partition; over more days than this
# one question over all partitions is cheaper.
_DAYS_ONE_BY_ONE = 31
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
    variant, new, changed = _put_in(conn, columns, rank)
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
    sent: dict[str, NDArray[Any]] = {name: getattr(batch, name) for name in _SENT}
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


def _put_in(
    conn: Connection[Any], columns: dict[str, NDArray[Any]], rank: Int16Array
) -> tuple[Int16Array, BoolArray, Int64Array]:
    """Put rows in that repeat none of each other: the variant each has, int16 (n,), whether it is new, the changed rows.

    What writers who waited for each other locked is let go of by going back to where it began.
    """
    if len(rank) >= _STRAIGHT_ROWS:
        try:
            with conn.transaction():
                return _copy_unknown(conn, columns, rank)
        except (UniqueViolation, DeadlockDetected):
            pass  # another writer brought some of them meanwhile
    rows = np.arange(len(rank))
    for _ in range(_DEADLOCKS):
        try:
            with conn.transaction():
                return _insert(conn, columns, rows, _known(conn, columns, rows))
        except DeadlockDetected:
            continue
    return _insert(conn, columns, rows, _known(conn, columns, rows))


def _copy_unknown(
    conn: Connection[Any], columns: dict[str, NDArray[Any]], rank: Int16Array
) -> tuple[Int16Array, BoolArray, Int64Array]:
    """As `_insert`, but rows under keys that nobody knows go in by COPY; UniqueViolation where one was known after all."""
    known = _known(conn, columns, np.flatnonzero((rank > 0) | ~_newer(conn, columns)))
    straight = rank == 0
    straight[known["row_no"]] = False
    copy_in(conn, "position", ROW, {name: column[straight] for name, column in columns.items()})
    variant, new, changed = _insert(conn, columns, np.flatnonzero(~straight), known)
    return variant, new | straight, changed


def _newer(conn: Connection[Any], columns: dict[str, NDArray[Any]]) -> BoolArray:
    """Rows newer than all that is stored of their vehicle and day, as most are: of them nobody needs to be asked.

    Over many days all rows are held for such: COPY tells whether it is true.
    """
    vehicle_id, fix_time, day = columns["vehicle_id"], columns["fix_time"], local_day(columns["fix_time"])
    newer = np.ones(len(day), dtype=np.bool_)
    days = np.unique(day).tolist()
    if len(days) > _DAYS_ONE_BY_ONE:
        return newer
    query = sql.SQL(
        """
        SELECT w.vehicle AS vehicle_id, p.fix_time FROM unnest(%(vehicles)s::int[]) AS w(vehicle) CROSS JOIN LATERAL (
            SELECT fix_time FROM position
            WHERE vehicle_id = w.vehicle AND variant = 0 AND fix_time >= %(from)s AND fix_time < %(to)s
            ORDER BY fix_time DESC LIMIT 1
        ) p
        """
    )
    for each in days:
        rows = np.flatnonzero(day == each)
        ids, vehicle_ix = np.unique(vehicle_id[rows], return_inverse=True)
        span = {"from": time_text(day_start_us(each)), "to": time_text(day_start_us(each + 1))}
        found = copy_out(conn, query, _KEY, {"vehicles": array(ids.tolist()), **span})
        newest = np.full(len(ids), np.iinfo(np.int64).min)
        newest[np.searchsorted(ids, found["vehicle_id"])] = found["fix_time"]
        newer[rows] = fix_time[rows] > newest[vehicle_ix]
    return newer


def _insert(
    conn: Connection[Any], columns: dict[str, NDArray[Any]], rows: Int64Array, known: dict[str, NDArray[Any]]
) -> tuple[Int16Array, BoolArray, Int64Array]:
    """Insert these rows, which are staged: variants and marks of the new ones for all columns, and the changed rows.

    In each round every key brings at most one row, which takes the variant after the highest. Two writers with other
    contents for one key therefore meet at the same variant: one waits, loses, and looks again, so that no content is
    stored twice. The second round is for later rows of a key and for lost races, both rare.
    """
    count = len(columns["vehicle_id"])
    variant, entered_rows = np.zeros(count, dtype=np.int16), np.zeros(count, dtype=np.bool_)
    undecided = np.zeros(count, dtype=np.bool_)
    undecided[rows] = True
    changed: list[Int64Array] = [np.empty(0, dtype=np.int64)]
    while undecided.any():
        row = known["row_no"]
        again = (known["twin"] >= 0) & undecided[row]
        repetition = row[again]
        variant[repetition] = known["twin"][again]
        undecided[repetition] = False
        changed.append(_change_receipt(conn, known, repetition))
        following = np.zeros(count, dtype=np.int16)
        following[row] = known["highest"] + 1
        chosen = _first_of_each_key(columns, np.flatnonzero(undecided))
        entered = chosen[_enter(conn, columns, chosen, following[chosen])]
        variant[entered] = following[entered]
        entered_rows[entered] = True
        undecided[entered] = False
        known = _known(conn, columns, np.flatnonzero(undecided))
    return variant, entered_rows, np.concatenate(changed)


def _known(conn: Connection[Any], columns: dict[str, NDArray[Any]], rows: Int64Array) -> dict[str, NDArray[Any]]:
    """Stage rows; those whose key is known, its highest variant, that of the same content or −1, receipt changed by it.

    LATERAL with OFFSET 0 makes it one probe of the key's index for each row, whatever the planner thinks of a table it
    knows nothing about; a scan of the day would cost a busy receiver seconds. Every known key has a variant 0.
    """
    types = {"row_no": "int", "highest": "smallint", "twin": "smallint", "earlier": "int"}
    if not len(rows):
        return {name: np.empty(0, dtype=np.int32) for name in types}
    staged = {name: column[rows] for name, column in columns.items()}
    _stage(conn, rows, staged)
    query = sql.SQL(
        """
        SELECT array_agg(row_no), array_agg(highest), array_agg(twin), array_agg(earlier)
        FROM (
            SELECT s.row_no, coalesce(other.highest, 0::smallint) AS highest,
                   CASE WHEN one.same THEN 0::smallint ELSE coalesce(other.twin, -1::smallint) END AS twin,
                   CASE WHEN one.same THEN one.earlier ELSE coalesce(other.earlier, false) END::int AS earlier
            FROM staged_position s
            CROSS JOIN LATERAL (
                SELECT {same} AS same, {earlier} AS earlier FROM position p
                WHERE vehicle_id = s.vehicle_id AND variant = 0 AND fix_time = s.fix_time
                    AND fix_time >= %(from)s AND fix_time < %(to)s OFFSET 0
            ) one
            CROSS JOIN LATERAL (
                SELECT max(variant) AS highest, max(variant) FILTER (WHERE {same}) AS twin,
                       bool_or({earlier}) FILTER (WHERE {same}) AS earlier
                FROM position p
                WHERE NOT one.same AND vehicle_id = s.vehicle_id AND variant > 0 AND fix_time = s.fix_time
                    AND fix_time >= %(from)s AND fix_time < %(to)s
            ) other
            WHERE s.fix_time >= %(from)s AND s.fix_time < %(to)s
        ) known HAVING count(*) > 0
        """
    ).format(same=_SAME, earlier=_EARLIER)
    days = np.unique(local_day(staged["fix_time"])).tolist()
    spans = [(day, day + 1) for day in days] if len(days) <= _DAYS_ONE_BY_ONE else [(days[0], days[-1] + 1)]
    found = [
        copy_arrays_out(
            conn, query, types, {"from": time_text(day_start_us(start)), "to": time_text(day_start_us(end))}
        )
        for start, end in spans
    ]
    return {name: np.concatenate([each[name] for each in found]) for name in types}


def _stage(conn: Connection[Any], rows: Int64Array, columns: dict[str, NDArray[Any]]) -> None:
    conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged_position (row_no int, LIKE position INCLUDING DEFAULTS) "
        "ON COMMIT DELETE ROWS"
    )
    conn.execute("DELETE FROM staged_position")
    copy_in(conn, "staged_position", {"row_no": "int", **ROW}, {"row_no": rows, **columns})


def _change_receipt(conn: Connection[Any], known: dict[str, NDArray[Any]], repetition: Int32Array) -> Int64Array:
    """Give stored rows the earlier receipt of their repetitions; the staged rows that did so."""
    earlier = (known["earlier"] == 1) & np.isin(known["row_no"], repetition)
    rows, variants = known["row_no"][earlier], known["twin"][earlier]
    if len(rows):
        # An upsert locks its rows one by one in this order. SELECT … FOR UPDATE would too, but not in compressed chunks.
        conn.execute(
            sql.SQL(
                """
                INSERT INTO position AS p ({}, variant)
                SELECT {}, w.variant
                FROM unnest(%s::int[], %s::smallint[]) AS w(row_no, variant) JOIN staged_position s USING (row_no)
                ORDER BY s.row_no
                ON CONFLICT (vehicle_id, fix_time, variant) DO UPDATE SET
                    received_at = least(p.received_at, excluded.received_at),
                    status = p.status & (excluded.status | ~128)
                """
            ).format(_COLUMNS, _STAGED_COLUMNS),
            (rows.tolist(), variants.tolist()),
            prepare=False,
        )
    stirred: Int64Array = rows.astype(np.int64)
    return stirred


def _first_of_each_key(columns: dict[str, NDArray[Any]], rows: Int64Array) -> Int64Array:
    first = np.diff(columns["vehicle_id"][rows], prepend=-1) != 0
    first[1:] |= np.diff(columns["fix_time"][rows]) != 0
    chosen: Int64Array = rows[first]
    return chosen


def _enter(
    conn: Connection[Any], columns: dict[str, NDArray[Any]], rows: Int64Array, variant: Int16Array
) -> NDArray[Any]:
    """Insert these staged rows, a key at most once; index or mask of those that went in."""
    query = sql.SQL(
        """
        INSERT INTO position ({}, variant)
        SELECT {}, w.variant
        FROM unnest(%s::int[], %s::smallint[]) AS w(row_no, variant) JOIN staged_position s USING (row_no)
        ORDER BY s.row_no
        ON CONFLICT DO NOTHING RETURNING vehicle_id, fix_time
        """
    ).format(_COLUMNS, _STAGED_COLUMNS)
    entered = copy_out(conn, query, _KEY, (rows.tolist(), variant.tolist()))
    if len(entered["fix_time"]) == len(rows):
        return np.ones(len(rows), dtype=np.bool_)
    keys = set(zip(entered["vehicle_id"].tolist(), entered["fix_time"].tolist(), strict=True))
    wanted = zip(columns["vehicle_id"][rows].tolist(), columns["fix_time"][rows].tolist(), strict=True)
    return np.array([key in keys for key in wanted], dtype=np.bool_)
