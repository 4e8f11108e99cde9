"""What the pages of duty calendars read: who follows which calendar, what each knows, what waits for it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A calendar: the days it knows, how many vehicles follow it, and what of them waits.

    `waiting` are vehicle-days with positions that it does not know, `first_unknown` and `last_unknown` the ends of
    these; `stale` are closed vehicle-days that it knows and that are still to be audited again.
    """

    code: str
    name: str
    first_day: date | None
    last_day: date | None
    vehicles: int
    waiting: int
    first_unknown: date | None
    last_unknown: date | None
    stale: int


def calendars(conn: Connection[Any]) -> list[CalendarRow]:
    """All duty calendars, by code."""
    with conn.cursor(row_factory=class_row(CalendarRow)) as cursor:
        return cursor.execute(
            """
            WITH due AS (
                SELECT vehicle_id, day, true AS closed FROM stale_day
                UNION ALL SELECT vehicle_id, day, false FROM open_day
            ), state AS (
                SELECT c.calendar, due.day, due.closed,
                       EXISTS (SELECT FROM duty_day d WHERE d.calendar = c.calendar AND d.day = due.day) AS known
                FROM due JOIN vehicle_calendar c USING (vehicle_id) WHERE c.calendar IS NOT NULL
            ), waits AS (
                SELECT calendar, count(*) FILTER (WHERE NOT known) AS waiting,
                       min(day) FILTER (WHERE NOT known) AS first_unknown,
                       max(day) FILTER (WHERE NOT known) AS last_unknown,
                       count(*) FILTER (WHERE known AND closed) AS stale
                FROM state GROUP BY calendar
            ), follow AS (
                SELECT calendar, count(*) AS vehicles FROM vehicle_calendar GROUP BY calendar
            ), span AS (
                SELECT calendar, min(day) AS first_day, max(day) AS last_day FROM duty_day GROUP BY calendar
            )
            SELECT c.code, c.name, s.first_day, s.last_day, coalesce(f.vehicles, 0) AS vehicles,
                   coalesce(w.waiting, 0) AS waiting, w.first_unknown, w.last_unknown, coalesce(w.stale, 0) AS stale
            FROM duty_calendar c LEFT JOIN span s ON s.calendar = c.code LEFT JOIN follow f ON f.calendar = c.code
            LEFT JOIN waits w ON w.calendar = c.code ORDER BY c.code LIMIT 1000
            """
        ).fetchall()
