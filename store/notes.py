"""Table `position_note` read: what positions carried beyond the columns."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import day_start_us
from store.partitions import time_text


@dataclass(frozen=True, slots=True)
class Note:
    """What one position carried beyond the columns; of one position there may be several."""

    vehicle_id: int
    fix_time: int  # µs UTC
    variant: int
    note: str  # JSON


def read_notes(
    conn: Connection[Any], day: int, first_vehicle: int, last_vehicle: int
) -> list[tuple[int, int, int, str]]:
    """Notes of a local day of the vehicles with ids [first, last], as rows of `store.row_parts.NOTES`."""
    return conn.execute(
        """
        SELECT vehicle_id, (extract(epoch FROM fix_time) * 1000000)::bigint, variant, note::text FROM position_note
        WHERE vehicle_id BETWEEN %s AND %s AND fix_time >= %s AND fix_time < %s
        """,
        (first_vehicle, last_vehicle, time_text(day_start_us(day)), time_text(day_start_us(day + 1))),
    ).fetchall()
