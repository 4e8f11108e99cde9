"""Table `position` and what follows from each row: the vehicle's latest place, the day that is open again.

A position repeats another when vehicle, fix time and all that was sent are equal. Receipt time and the LATE mark are not
what was sent: they differ when a terminal sends a position again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.errors import UniqueViolation

from geo.arrays import BoolArray, Int16Array, Int32Array, Int64Array
from geo.localtime import DAY_US, day_date, day_start_us, local_day
from geo.positions import EARLIEST_FIX_US, SENT_BITS, Positions, Status, canonical, clock_fault
from store.copy import copy_in, copy_out

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
_ROW = {**_KEY, **_SENT, "received_at": "timestamptz"}
_STAGED = {"row_no": "int", "variant": "smallint", **_ROW}
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, _ROW))
# NaN equals NaN in PostgreSQL, so IS NOT DISTINCT FROM is not needed; the mark LATE (128) is left out of status.
_SAME = sql.SQL(" AND ").join(
    sql.SQL("(p.status & ~128) = (s.status & ~128)")
    if name == "status"
    else sql.SQL("p.{0} = s.{0}").format(sql.Identifier(name))
    for name in _SENT
)
# A partition of its own for each day that can be true; what lies outside stands in the default partition.
_FUTURE_DAYS = 2


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
    notes : row index → what the position carried beyond the columns; kept for the rows that are new.

    Notes
    -----
    A row with other content under a known (vehicle, fix time) is kept as the next variant. Marks the vehicle-days open
    and moves `latest` forward. Rows go in by key, so writers that meet on the same rows wait and do not deadlock.
    """
    fresh = np.zeros(len(batch), dtype=np.bool_)
    if not len(batch):
        return Merged(0, 0, fresh)
    vehicle_id = vehicle_ids[batch.vehicle_ix]
    rows, rank = _distinct(batch, vehicle_id)
    _ensure_partitions(conn, batch)
    columns = _columns(batch, vehicle_id, rows)
    variant = rank
    if rank.any() or not _copy_new(conn, columns):
        _stage(conn, columns, rank)
        variant = _insert(conn, rank)
    new = variant >= 0
    fresh[rows[new]] = True
    if notes:
        _keep_notes(conn, batch, vehicle_id, dict(zip(rows[new].tolist(), variant[new].tolist(), strict=True)), notes)
    _open_days(conn, vehicle_id[fresh], batch.fix_time[fresh])
    _move_latest(conn, batch.take(fresh), vehicle_id[fresh])
    accepted = int(new.sum())
    return Merged(accepted, len(batch) - accepted, fresh)


def read_track(conn: Connection[Any], vehicle_id: int, from_us: int, to_us: int) -> Positions:
    """One vehicle's positions with from_us ≤ fix_time < to_us (µs UTC), in canonical order; vehicle_ix is 0."""
    where = sql.SQL("vehicle_id = %(vehicle)s AND fix_time >= %(from)s AND fix_time < %(to)s")
    columns = _select(conn, where, {"vehicle": vehicle_id, "from": _stamp(from_us), "to": _stamp(to_us)})
    return _batch(columns, np.zeros(len(columns["vehicle_id"]), dtype=np.int32))


def read_day(
    conn: Connection[Any], day: int, first_vehicle: int = 0, last_vehicle: int = 2**31 - 1
) -> tuple[Positions, Int32Array]:
    """All positions of a local day of the vehicles with ids [first, last], in canonical order, and their vehicle ids."""
    where = sql.SQL("vehicle_id BETWEEN %(first)s AND %(last)s AND fix_time >= %(from)s AND fix_time < %(to)s")
    span = {"from": _stamp(day_start_us(day)), "to": _stamp(day_start_us(day + 1))}
    columns = _select(conn, where, {"first": first_vehicle, "last": last_vehicle, **span})
    ids, vehicle_ix = np.unique(columns["vehicle_id"], return_inverse=True)
    return _batch(columns, vehicle_ix.astype(np.int32)), ids.astype(np.int32)


def _distinct(batch: Positions, vehicle_id: Int32Array) -> tuple[Int64Array, Int16Array]:
    """Rows without repetitions, sorted by key, and each one's rank among those of the same key."""
    content: dict[str, NDArray[Any]] = {name: getattr(batch, name) for name in _SENT}
    content["status"] = batch.status & np.uint32(SENT_BITS & ~Status.LATE)
    order = np.lexsort((batch.fix_time, vehicle_id))
    tied = (np.diff(vehicle_id[order]) == 0) & (np.diff(batch.fix_time[order]) == 0)
    if not tied.any():
        return order, np.zeros(len(order), dtype=np.int16)
    bits = [column.view(np.int32) if column.dtype == np.float32 else column for column in content.values()]
    order = np.lexsort((batch.received_at, *bits, batch.fix_time, vehicle_id))
    tied = (np.diff(vehicle_id[order]) == 0) & (np.diff(batch.fix_time[order]) == 0)
    same = tied.copy()
    for column in bits:
        same &= column[order][1:] == column[order][:-1]
    keep = np.concatenate(([True], ~same))
    rows = order[keep]
    first = np.concatenate(([True], (np.diff(vehicle_id[rows]) != 0) | (np.diff(batch.fix_time[rows]) != 0)))
    position = np.arange(len(rows))
    rank = position - position[first][np.cumsum(first) - 1]
    return rows, rank.astype(np.int16)


def _columns(batch: Positions, vehicle_id: Int32Array, rows: Int64Array) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {name: getattr(batch, name)[rows] for name in _ROW if name != "vehicle_id"}
    columns["status"] = (batch.status[rows] & np.uint32(SENT_BITS)).astype(np.int32)
    return {**columns, "vehicle_id": vehicle_id[rows]}


def _copy_new(conn: Connection[Any], columns: dict[str, NDArray[Any]]) -> bool:
    """COPY straight into the table, as if no row were there yet, which is the rule; False, and undone, if one is."""
    try:
        with conn.transaction():
            copy_in(conn, "position", _ROW, columns)
    except UniqueViolation:
        return False
    return True


def _stage(conn: Connection[Any], columns: dict[str, NDArray[Any]], rank: Int16Array) -> None:
    conn.execute(
        """
        CREATE TEMP TABLE IF NOT EXISTS staged_position (row_no int, LIKE position INCLUDING DEFAULTS)
        ON COMMIT DELETE ROWS
        """
    )
    conn.execute("TRUNCATE staged_position")
    copy_in(conn, "staged_position", _STAGED, {**columns, "row_no": np.arange(len(rank)), "variant": rank})


def _insert(conn: Connection[Any], rank: Int16Array) -> Int16Array:
    """Insert what is staged; the variant each row got, int16 (n,), −1 where it was there already.

    Finds out which rows are known, gives those with other content the next variant, and looks again if another writer
    came between.
    """
    variant = np.full(len(rank), -1, dtype=np.int16)
    while True:
        known = conn.execute(
            sql.SQL(
                """
                SELECT s.row_no, bool_or({same}), max(p.variant)
                FROM staged_position s JOIN position p USING (vehicle_id, fix_time)
                WHERE p.fix_time BETWEEN (SELECT min(fix_time) FROM staged_position)
                                     AND (SELECT max(fix_time) FROM staged_position)
                GROUP BY s.row_no
                """
            ).format(same=_SAME)
        ).fetchall()
        wanted = rank.copy()
        for row, is_same, highest in known:
            wanted[row] = -1 if is_same else highest + 1 + rank[row]
        missing = np.flatnonzero((wanted >= 0) & (variant < 0))
        if not len(missing):
            return variant
        conn.execute(
            "UPDATE staged_position s SET variant = w.variant FROM unnest(%s::int[], %s::smallint[]) AS w(row_no, variant)"
            " WHERE s.row_no = w.row_no",
            (missing.tolist(), wanted[missing].tolist()),
        )
        entered = conn.execute(
            sql.SQL(
                """
                WITH entered AS (
                    INSERT INTO position ({0}, variant)
                    SELECT {0}, variant FROM staged_position WHERE row_no = ANY(%s) ORDER BY vehicle_id, fix_time, variant
                    ON CONFLICT DO NOTHING RETURNING vehicle_id, fix_time, variant
                ) SELECT s.row_no FROM staged_position s JOIN entered USING (vehicle_id, fix_time, variant)
                WHERE s.row_no = ANY(%s)
                """
            ).format(_COLUMNS),
            (missing.tolist(), missing.tolist()),
        ).fetchall()
        done = np.array([row for (row,) in entered], dtype=np.int64)
        variant[done] = wanted[done]


def _ensure_partitions(conn: Connection[Any], batch: Positions) -> None:
    """Make the day partitions that a batch needs, if it is the first of its day."""
    newest = int(batch.received_at.max()) + _FUTURE_DAYS * DAY_US
    sane = (batch.fix_time >= EARLIEST_FIX_US) & (batch.fix_time < newest)
    for day in np.unique(local_day(batch.fix_time[sane])).tolist():
        name = f"position_{day_date(day):%Y%m%d}"
        if _exists(conn, name):
            continue
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('position partition'))")
        if _exists(conn, name):
            continue
        span = {"from": _stamp(day_start_us(day)), "to": _stamp(day_start_us(day + 1))}
        table = sql.Identifier(name)
        conn.execute(sql.SQL("CREATE TABLE {} (LIKE position INCLUDING ALL)").format(table))
        # A terminal whose clock ran ahead may have left rows of this day in the default partition.
        conn.execute(
            sql.SQL(
                """
                WITH moved AS (DELETE FROM position_other WHERE fix_time >= %(from)s AND fix_time < %(to)s RETURNING *)
                INSERT INTO {} SELECT * FROM moved
                """
            ).format(table),
            span,
        )
        conn.execute(
            sql.SQL("ALTER TABLE position ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                table, sql.Literal(span["from"]), sql.Literal(span["to"])
            )
        )


def _exists(conn: Connection[Any], name: str) -> bool:
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
    return row is not None and bool(row[0])


def _keep_notes(
    conn: Connection[Any],
    batch: Positions,
    vehicle_id: Int32Array,
    variant_of: Mapping[int, int],
    notes: Mapping[int, Mapping[str, Any]],
) -> None:
    kept = [row for row in notes if row in variant_of]
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO position_note (vehicle_id, fix_time, variant, note) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [
                (int(vehicle_id[row]), _stamp(int(batch.fix_time[row])), variant_of[row], json.dumps(notes[row]))
                for row in kept
            ],
        )


def _open_days(conn: Connection[Any], vehicle_id: Int32Array, fix_time: Int64Array) -> None:
    pairs = (
        np.unique(np.column_stack((local_day(fix_time), vehicle_id)), axis=0) if len(vehicle_id) else np.empty((0, 2))
    )
    conn.execute(
        """
        INSERT INTO open_day (day, vehicle_id)
        SELECT date '1970-01-01' + d, v FROM unnest(%s::int[], %s::int[]) AS pair(d, v)
        ON CONFLICT (day, vehicle_id) DO UPDATE SET revision = open_day.revision + 1
        """,
        (pairs[:, 0].tolist(), pairs[:, 1].tolist()),
    )


def _move_latest(conn: Connection[Any], fresh: Positions, vehicle_id: Int32Array) -> None:
    trusted = np.flatnonzero(fresh.has(Status.FIX_VALID) & ~clock_fault(fresh.fix_time, fresh.received_at))
    if not len(trusted):
        return
    order = trusted[np.lexsort((fresh.fix_time[trusted], vehicle_id[trusted]))]
    last = order[np.concatenate((np.diff(vehicle_id[order]) != 0, [True]))]
    columns = {name: getattr(fresh, name)[last].tolist() for name in ("lat_e7", "lon_e7", "speed_mps", "course_deg")}
    conn.execute(
        """
        INSERT INTO latest (vehicle_id, fix_time, lat_e7, lon_e7, speed_mps, course_deg, status, received_at)
        SELECT * FROM unnest(%(vehicle_id)s::int[], %(fix_time)s::timestamptz[], %(lat_e7)s::int[], %(lon_e7)s::int[],
                             %(speed_mps)s::real[], %(course_deg)s::real[], %(status)s::int[],
                             %(received_at)s::timestamptz[])
        ON CONFLICT (vehicle_id) DO UPDATE SET
            fix_time = excluded.fix_time, lat_e7 = excluded.lat_e7, lon_e7 = excluded.lon_e7,
            speed_mps = excluded.speed_mps, course_deg = excluded.course_deg, status = excluded.status,
            received_at = excluded.received_at
        WHERE excluded.fix_time > latest.fix_time
        """,
        {
            **columns,
            "vehicle_id": vehicle_id[last].tolist(),
            "fix_time": [_stamp(when) for when in fresh.fix_time[last].tolist()],
            "status": (fresh.status[last] & np.uint32(SENT_BITS)).astype(np.int64).tolist(),
            "received_at": [_stamp(when) for when in fresh.received_at[last].tolist()],
        },
    )


def _select(conn: Connection[Any], where: sql.Composable, parameters: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    query = sql.SQL("SELECT {} FROM position WHERE {} ORDER BY vehicle_id, fix_time").format(_COLUMNS, where)
    return copy_out(conn, query, _ROW, parameters)


def _batch(columns: dict[str, NDArray[Any]], vehicle_ix: Int32Array) -> Positions:
    given = {name: column for name, column in columns.items() if name != "vehicle_id"}
    return canonical(Positions.from_columns(len(vehicle_ix), vehicle_ix=vehicle_ix, **given))


def _stamp(time_us: int) -> str:
    """A timestamptz literal of any instant a terminal may claim, beyond what datetime holds; exact."""
    seconds, micros = divmod(int(time_us), 1_000_000)
    return f"{np.datetime64(seconds, 's')}.{micros:06}+00"
