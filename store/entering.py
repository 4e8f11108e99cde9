"""Rows put into table `position` that repeat none of each other: straight by COPY, or staged and entered key by key.

Most rows are newer than all that is stored of their vehicle and day; they go straight in. Others are asked for: those that
are known change at most the stored receipt, other contents of a known key take the next variant. Writers that meet on the
same rows wait for each other, and whoever loses begins again.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.errors import DeadlockDetected, UniqueViolation

from geo.arrays import BoolArray, Int16Array, Int32Array, Int64Array
from geo.localtime import day_start_us, local_day
from store.arrays import array
from store.copy import copy_arrays_out, copy_in, copy_out
from store.partitions import time_text
from store.position_row import KEY, ROW, SENT

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, ROW))
_STAGED_COLUMNS = sql.SQL(", ").join(sql.Identifier("s", name) for name in ROW)
# NaN equals NaN in PostgreSQL; the mark LATE (128) is left out of status.
_SAME = sql.SQL(" AND ").join(
    sql.SQL("(p.status & ~128) = (s.status & ~128)")
    if name == "status"
    else sql.SQL("p.{0} = s.{0}").format(sql.Identifier(name))
    for name in SENT
)
_EARLIER = sql.SQL("(s.received_at < p.received_at OR (p.status & ~s.status & 128) <> 0)")
# From here on rows that nobody knows go straight into the table, which is several times as fast as by staging; of fewer
# rows the questions before cost as much.
_STRAIGHT_ROWS = 1_000
_DEADLOCKS = 5
# Known rows are looked for day by day, so that each question is planned for one partition; over more days than this
# one question over all partitions is cheaper.
_DAYS_ONE_BY_ONE = 31


def put_in(
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
        found = copy_out(conn, query, KEY, {"vehicles": array(ids.tolist()), **span})
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
    entered = copy_out(conn, query, KEY, (rows.tolist(), variant.tolist()))
    if len(entered["fix_time"]) == len(rows):
        return np.ones(len(rows), dtype=np.bool_)
    keys = set(zip(entered["vehicle_id"].tolist(), entered["fix_time"].tolist(), strict=True))
    wanted = zip(columns["vehicle_id"][rows].tolist(), columns["fix_time"][rows].tolist(), strict=True)
    return np.array([key in keys for key in wanted], dtype=np.bool_)
