"""Closed vehicle-days that wait for an audit.

Whoever changes what an audit rests on marks the days it touches, in the same transaction, with a revision of its own.
An audit remembers the marks before it reads anything else and takes these in the transaction that stores the result: a
mark set meanwhile is another one and stays. Nothing is locked while an audit measures, and a crash loses no mark.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from psycopg import Connection, sql

from geo.arrays import Int32Array, Int64Array
from geo.localtime import day_date
from store.copy import copy_out

MARK = "ON CONFLICT (day, vehicle_id) DO UPDATE SET revision = excluded.revision"
"""The end of every INSERT into stale_day of (vehicle_id, day), whose rows come in this order: so do locks."""

_KNOWN_DAY = """
    NOT EXISTS (SELECT FROM vehicle_calendar c WHERE c.vehicle_id = s.vehicle_id AND c.calendar IS NOT NULL
                AND NOT EXISTS (SELECT FROM duty_day d WHERE d.calendar = c.calendar AND d.day = s.day))
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Marks as they were seen, vehicles ascending; `day`: days since 1970, local."""

    vehicle_id: Int32Array
    day: Int32Array
    revision: Int64Array

    def of(self, vehicle_ids: Int32Array) -> Self:
        """Those of these vehicles."""
        return self._at(np.flatnonzero(np.isin(self.vehicle_id, vehicle_ids)))

    def without(self, vehicle_ids: Int32Array) -> Self:
        """Those of all other vehicles."""
        return self._at(np.flatnonzero(~np.isin(self.vehicle_id, vehicle_ids)))

    def on(self, first: int, last: int) -> Self:
        """Those of local days [first, last]."""
        return self._at(np.flatnonzero((self.day >= first) & (self.day <= last)))

    def runs(self) -> list[tuple[int, int]]:
        """First and last day of each run of days that follow each other."""
        days = np.unique(self.day)
        pieces = np.split(days, np.flatnonzero(np.diff(days) > 1) + 1)
        return [(int(piece[0]), int(piece[-1])) for piece in pieces if len(piece)]

    def __len__(self) -> int:
        return len(self.vehicle_id)

    def _at(self, rows: Any) -> Self:
        return type(self)(self.vehicle_id[rows], self.day[rows], self.revision[rows])


def waiting_days(conn: Connection[Any], from_day: int | None = None, to_day: int | None = None) -> Waiting:
    """Marks of local days [from_day, to_day], without days that the vehicle's duty calendar does not know: they wait on.

    Read before everything that the audit rests on, each in a statement of its own.
    """
    query = sql.SQL(
        f"""
        SELECT vehicle_id, day - date '1970-01-01' AS day, revision FROM stale_day s
        WHERE day >= coalesce(%(from)s::date, '-infinity') AND day <= coalesce(%(to)s::date, 'infinity')
          AND {_KNOWN_DAY} ORDER BY vehicle_id, day
        """
    )
    types = {"vehicle_id": "int", "day": "int", "revision": "bigint"}
    span = {"from": from_day, "to": to_day}
    given = {name: None if day is None else day_date(day) for name, day in span.items()}
    return Waiting(**copy_out(conn, query, types, given))


def take_waiting(conn: Connection[Any], seen: Waiting) -> None:
    """Forget these marks, last in the transaction that stores their audit; those set anew since they were seen stay.

    One that is gone was taken by another audit, whose result may be newer than the one stored now: it is set again.
    """
    if not len(seen):
        return
    days = [day_date(day) for day in seen.day.tolist()]
    conn.execute(
        f"""
        WITH seen AS (
            SELECT * FROM unnest(%s::int[], %s::date[], %s::bigint[]) AS seen(vehicle_id, day, revision)
        ), locked AS MATERIALIZED (
            SELECT s.vehicle_id, s.day, s.revision FROM stale_day s JOIN seen USING (vehicle_id, day)
            ORDER BY s.vehicle_id, s.day FOR UPDATE OF s
        ), taken AS (
            DELETE FROM stale_day s USING locked JOIN seen USING (vehicle_id, day, revision)
            WHERE s.vehicle_id = locked.vehicle_id AND s.day = locked.day
        )
        INSERT INTO stale_day (vehicle_id, day)
        SELECT vehicle_id, day FROM seen WHERE (vehicle_id, day) NOT IN (SELECT vehicle_id, day FROM locked)
        ORDER BY vehicle_id, day {MARK}
        """,
        (seen.vehicle_id.tolist(), days, seen.revision.tolist()),
    )
