"""What the quality indicators rest on: counts of terminals and sums of vehicle-days, by local day and unit."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg import Connection

from geo.localtime import day_date
from store.users import VISIBLE

DRIFT_POSITIONS = 3
"""From so many misplaced positions on a vehicle drifts that day: a single reflection, even one that holds for two
reports, is the street's doing; more of them are the receiver's."""


@dataclass(frozen=True, slots=True)
class QualitySums:
    """Numerators and denominators of a period, summed over days: `vehicles` are vehicle-days."""

    vehicles: int
    """With a terminal bound."""
    online_vehicles: int
    """Of which a position was taken that day."""
    received: int
    """Positions; accepted, repeated and quarantined ones."""
    duplicate: int
    """Of the received: repetitions."""
    passed: int
    """Of the received: neither repeated nor quarantined, and with a clock that can be right."""
    distance_m: float
    """Driven, silences included."""
    complete_m: float
    """Of distance_m: not over silences."""
    drift_vehicles: int
    """Of the online vehicles: with at least DRIFT_POSITIONS misplaced positions."""


# A terminal's number without leading zeros, as table terminal_count has it.
_KEY = "coalesce(nullif(ltrim(terminal_no, '0'), ''), '0')"

_UNIT_DAYS = (
    VISIBLE
    + f"""
    , bound AS MATERIALIZED (
        SELECT DISTINCT vehicle_id, unit_id, {_KEY} AS terminal_key FROM terminal JOIN mine USING (vehicle_id)
    ), owner AS MATERIALIZED (
        SELECT DISTINCT vehicle_id, unit_id FROM bound
    ), unit_day AS (
        SELECT span.day::date AS day, of_day.*
        FROM generate_series(%(from)s::timestamp, %(to)s::timestamp, '1 day') AS span(day)
        CROSS JOIN LATERAL (
            SELECT unit_id, count(*) AS vehicles, count(*) FILTER (WHERE online) AS online_vehicles,
                   coalesce(sum(received), 0)::bigint AS received, coalesce(sum(duplicate), 0)::bigint AS duplicate,
                   coalesce(sum(passed), 0)::bigint AS passed, coalesce(sum(distance_m), 0) AS distance_m,
                   coalesce(sum(greatest(distance_m - gap_m, 0)), 0) AS complete_m,
                   count(*) FILTER (WHERE online AND misplaced >= %(drift)s) AS drift_vehicles
            FROM owner
            LEFT JOIN (
                SELECT vehicle_id, sum(received) > sum(quarantined) AS online, sum(received) AS received,
                       sum(duplicate) AS duplicate, sum(accepted - clock_fault) AS passed
                FROM terminal_count c JOIN bound USING (terminal_key) WHERE c.day = span.day::date GROUP BY vehicle_id
            ) AS counted USING (vehicle_id)
            LEFT JOIN (
                SELECT vehicle_id, distance_m, gap_m, misplaced FROM vehicle_day d WHERE d.day = span.day::date
            ) AS driven USING (vehicle_id)
            GROUP BY unit_id
        ) AS of_day
    )
    """
)
"""Start of a query: `unit_day` has a row for each local day and unit that has vehicles with a terminal of its own.

Day by day: what is joined then stays in memory, for a year as for a day.
"""


def read_quality(conn: Connection[Any], from_day: int, to_day: int, own_unit: int | None = None) -> pd.DataFrame:
    """Sums of local days [from_day, to_day] by day and unit, of each unit's own vehicles only.

    own_unit : unit_id of a unit, and only its subtree is read.

    Returns
    -------
    DataFrame   day (number), unit_id, and the fields of QualitySums; by day and unit. A unit without a vehicle that has
        a terminal has no row; one whose vehicles were silent has.

    Notes
    -----
    Terminals count for the vehicle that they are bound to now, whenever a position came.
    """
    cursor = _query(
        conn,
        """
        SELECT day - date '1970-01-01' AS day, unit_id, vehicles, online_vehicles, received, duplicate, passed,
               distance_m, complete_m, drift_vehicles
        FROM unit_day ORDER BY day, unit_id
        """,
        from_day,
        to_day,
        own_unit,
    )
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def fleet_quality(conn: Connection[Any], own_unit: int | None, from_day: int, to_day: int) -> QualitySums:
    """Sums of local days [from_day, to_day] over all vehicles; own_unit: unit_id of a unit, and only its subtree's."""
    row = _query(
        conn,
        """
        SELECT coalesce(sum(vehicles), 0)::bigint, coalesce(sum(online_vehicles), 0)::bigint,
               coalesce(sum(received), 0)::bigint, coalesce(sum(duplicate), 0)::bigint,
               coalesce(sum(passed), 0)::bigint, coalesce(sum(distance_m), 0), coalesce(sum(complete_m), 0),
               coalesce(sum(drift_vehicles), 0)::bigint
        FROM unit_day
        """,
        from_day,
        to_day,
        own_unit,
    ).fetchone()
    assert row is not None
    return QualitySums(*row)


def _query(conn: Connection[Any], query: str, from_day: int, to_day: int, own_unit: int | None) -> Any:
    parameters = {"from": day_date(from_day), "to": day_date(to_day), "own_unit": own_unit, "drift": DRIFT_POSITIONS}
    return conn.execute(_UNIT_DAYS + query, parameters)
