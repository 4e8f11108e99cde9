"""The live hours kept up to date: what is summed, what has to be summed again, and how far it goes.

Writers mark hours of positions that come after the hour was summed, in the transaction that brings them. Two limits make
sure that none is missed without a lock on anybody: `marked_before`, from which on writers need not mark, moves first;
once every transaction is over that may not have seen it, the hours before it are summed and `stored_before` follows.
Readers take hours before `stored_before` from sums, the others from positions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import Connection

from geo.localtime import DAY_US, day_number, day_start_us, local_day, to_us
from store.database import Database
from store.live_views import COLUMNS, HOUR, SUMS
from store.marks import HOUR_US
from store.partitions import time_text
from store.sole import sole

ROLLUPS = 2
"""The number of this work among those that one process at a time does (`store.sole`)."""

_MARKS_AT_ONCE = 20_000
_SETTLE_S = 2.0
_STATE = """
    SELECT greatest(stored_before, '0001-01-01 00:00+00'), greatest(marked_before, '0001-01-01 00:00+00'), settled_at
    FROM rollup_state
"""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one refresh did: hours before `stored_before_us` (µs UTC) are summed; so many marks were taken."""

    stored_before_us: int
    marks: int


def refresh(database: Database, now_us: int, progress: Callable[[int, int], None] | None = None) -> Refreshed:
    """Sum the hours that are over and those that got positions since; waits while another process does so.

    Each day and each group of marks is a transaction; what a crash leaves over is done by the next refresh.
    """
    with sole(database, ROLLUPS):
        conn = database.alone()
        try:
            return _Refresh(conn, database.layout() == "chunks" and database.level == "timescale").run(now_us, progress)
        finally:
            conn.close()


def forget_sums(conn: Connection[Any]) -> None:
    """Let the next refresh sum every day that has positions anew, as after they were put back from a backup.

    Sums of days that the archive alone holds stay: nothing here could make them again.
    """
    conn.execute(
        """
        DELETE FROM vehicle_hour_sum
        WHERE ((hour AT TIME ZONE 'UTC') + interval '8 hours')::date NOT IN (SELECT day FROM dropped_day)
        """
    )
    conn.execute("DELETE FROM stale_hour")
    conn.execute("UPDATE rollup_state SET stored_before = '-infinity', marked_before = '-infinity', settled_at = NULL")


Mark = tuple[datetime, int, int]
"""Hour, vehicle_id, revision."""


class _Refresh:
    """One refresh over a connection that commits each statement."""

    def __init__(self, conn: Connection[Any], aggregates: bool) -> None:
        self._conn = conn
        self._aggregates = aggregates

    def run(self, now_us: int, progress: Callable[[int, int], None] | None) -> Refreshed:
        stored, marked = self._advance(now_us)
        if stored < marked and self._is_settled():
            spans = list(self._spans(stored, marked))
            for done, (start, end) in enumerate(spans, start=1):
                self._store(start, end)
                if progress:
                    progress(done, len(spans))
            # After all hours: an aggregate of days reads hours that are not stored yet from positions, again and again.
            for start, end in _joined(spans) if self._aggregates else []:
                self._call_days(start, end, marked)
            self._conn.execute("UPDATE rollup_state SET stored_before = marked_before")
            stored = marked
        marks = 0
        while taken := self._take_marks(stored):
            marks += taken
        return Refreshed(stored, marks)

    def _advance(self, now_us: int) -> tuple[int, int]:
        """Move `marked_before` to the beginning of the running hour; how far sums go and how far marks go now."""
        hour = time_text(now_us - now_us % HOUR_US)
        self._conn.execute(
            "UPDATE rollup_state SET marked_before = %s, settled_at = NULL WHERE marked_before < %s", (hour, hour)
        )
        # A statement of its own, after the commit: whoever begins to write from here on reads the new limit.
        self._conn.execute(
            "UPDATE rollup_state SET settled_at = pg_snapshot_xmax(pg_current_snapshot())::text WHERE settled_at IS NULL"
        )
        row = self._conn.execute(_STATE).fetchone()
        assert row is not None
        return to_us(row[0]), to_us(row[1])

    def _is_settled(self) -> bool:
        """Whether all writers that may not have seen the limit are over; a little is waited for them."""
        query = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= settled_at::xid8 FROM rollup_state"
        until = time.monotonic() + _SETTLE_S
        while self._conn.execute(query).fetchone() != (True,):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def _spans(self, start: int, end: int) -> list[tuple[int, int]]:
        """The part of [start, end) of each local day that has positions in the database."""
        rows = self._conn.execute(
            """
            SELECT day FROM (SELECT day FROM open_day UNION SELECT day FROM sealed_part) AS known
            WHERE day NOT IN (SELECT day FROM dropped_day) ORDER BY day
            """
        ).fetchall()
        days = [day_start_us(day_number(day)) for (day,) in rows]
        return [(max(day, start), min(day + DAY_US, end)) for day in days if day < end and day + DAY_US > start]

    def _store(self, start: int, end: int) -> None:
        """Sum the hours of a stretch for all vehicles."""
        if self._aggregates:
            self._call("vehicle_hour_aggregate", start, end)
            return
        span = {"from": time_text(start), "to": time_text(end)}
        with self._conn.transaction():
            self._conn.execute("DELETE FROM vehicle_hour_sum WHERE hour >= %(from)s AND hour < %(to)s", span)
            self._conn.execute(
                f"""
                INSERT INTO vehicle_hour_sum (vehicle_id, hour, {", ".join(COLUMNS)})
                SELECT vehicle_id, {HOUR}, {SUMS} FROM position
                WHERE fix_time >= %(from)s AND fix_time < %(to)s GROUP BY 1, 2
                """,
                span,
            )

    def _take_marks(self, stored: int) -> int:
        """Sum the hours again that are marked, the earliest first; how many marks were taken."""
        marks = self._conn.execute(
            """
            SELECT hour, vehicle_id, revision FROM stale_hour
            WHERE hour < %s AND ((hour AT TIME ZONE 'UTC') + interval '8 hours')::date NOT IN (SELECT day FROM dropped_day)
            ORDER BY hour, vehicle_id LIMIT %s
            """,
            (time_text(stored), _MARKS_AT_ONCE),
        ).fetchall()
        if not marks:
            return 0
        if self._aggregates:
            for start, end in _runs(marks):
                self._call("vehicle_hour_aggregate", start, end)
                self._call_days(start, end, stored)
        with self._conn.transaction():
            if not self._aggregates:
                self._sum_again(marks)
            self._conn.execute(
                """
                WITH locked AS MATERIALIZED (
                    SELECT s.hour, s.vehicle_id
                    FROM unnest(%s::timestamptz[], %s::int[], %s::bigint[]) AS seen(hour, vehicle_id, revision)
                    JOIN stale_hour s USING (hour, vehicle_id, revision) ORDER BY 1, 2 FOR UPDATE OF s
                )
                DELETE FROM stale_hour s USING locked WHERE (s.hour, s.vehicle_id) = (locked.hour, locked.vehicle_id)
                """,
                [list(column) for column in zip(*marks, strict=True)],
            )
        return len(marks)

    def _sum_again(self, marks: list[Mark]) -> None:
        keys = [[hour for hour, _, _ in marks], [vehicle for _, vehicle, _ in marks]]
        self._conn.execute(
            """
            DELETE FROM vehicle_hour_sum s USING unnest(%s::timestamptz[], %s::int[]) AS stale(hour, vehicle_id)
            WHERE (s.hour, s.vehicle_id) = (stale.hour, stale.vehicle_id)
            """,
            keys,
        )
        # OFFSET 0 makes it one probe of the key's index for each hour.
        self._conn.execute(
            f"""
            INSERT INTO vehicle_hour_sum (vehicle_id, hour, {", ".join(COLUMNS)})
            SELECT stale.vehicle_id, stale.hour, sums.*
            FROM unnest(%s::timestamptz[], %s::int[]) AS stale(hour, vehicle_id)
            CROSS JOIN LATERAL (
                SELECT {SUMS} FROM (
                    SELECT * FROM position p WHERE p.vehicle_id = stale.vehicle_id AND p.fix_time >= stale.hour
                        AND p.fix_time < stale.hour + interval '1 hour' OFFSET 0
                ) AS of_hour HAVING count(*) > 0
            ) AS sums
            """,
            keys,
        )

    def _call_days(self, start: int, end: int, stored: int) -> None:
        # A day that is not over is left to its hours: it would stand as it was until the next refresh.
        first = day_start_us(int(local_day(np.array([start]))[0]))
        over = day_start_us(int(local_day(np.array([stored]))[0]))
        last = min(over, day_start_us(int(local_day(np.array([end - 1]))[0])) + DAY_US)
        if first < last:
            # The days beside it, too: 2.24 looks for a day of UTC in the window, and a single local day holds none.
            self._call("vehicle_day_aggregate", first - DAY_US, min(over, last + DAY_US))

    def _call(self, aggregate: str, start: int, end: int) -> None:
        self._conn.execute(
            "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)",
            (aggregate, time_text(start), time_text(end)),
        )


def _runs(marks: list[Mark]) -> list[tuple[int, int]]:
    """Beginning and end of each run of marked hours that follow each other; marks come in order of time."""
    hours = np.unique([to_us(hour) for hour, _, _ in marks])
    pieces = np.split(hours, np.flatnonzero(np.diff(hours) > HOUR_US) + 1)
    return [(int(piece[0]), int(piece[-1]) + HOUR_US) for piece in pieces]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that follow each other without a gap as one; they come in order of time."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        first = joined.pop()[0] if joined and joined[-1][1] == start else start
        joined.append((first, end))
    return joined
