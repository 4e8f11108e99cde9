"""What the quality indicators rest on: counts of terminals and sums of vehicle-days, by local day and unit."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg import Connection

from geo.localtime import day_date
from store.users import SEEN, VISIBLE, seen

DRIFT_POSITIONS = 3
"""From so many misplaced positions on a vehicle drifts that day: a single reflection, even one that holds for two
reports, is the street's doing; more of them are the receiver's."""


@dataclass(frozen=True, slots=True)
class QualitySums:
    """Numerators and denominators of a period, summed over days: `vehicles` are vehicle-days."""

    vehicles: int
    """With a terminal bound that day."""
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


_UNIT_DAYS = (
    VISIBLE
    + """
    , binding AS (
        SELECT terminal_no, vehicle_id,
               coalesce((lower(valid) AT TIME ZONE 'Asia/Shanghai')::date, '-infinity') AS first_day,
               coalesce(((upper(valid) - interval '1 microsecond') AT TIME ZONE 'Asia/Shanghai')::date, 'infinity')
                   AS last_day,
               lead((lower(valid) AT TIME ZONE 'Asia/Shanghai')::date) OVER one_after_the_other AS next_day
        FROM terminal_binding
        WINDOW one_after_the_other AS (PARTITION BY terminal_no ORDER BY lower(valid) NULLS FIRST)
    ), bound AS MATERIALIZED (
        SELECT DISTINCT vehicle_id, unit_id, terminal_key, first_day, least(last_day, next_day - 1) AS last_day
        FROM binding JOIN terminal USING (terminal_no) JOIN mine USING (vehicle_id)
    ), unit_day AS (
        SELECT span.day::date AS day, of_day.*
        FROM generate_series(%(from)s::timestamp, %(to)s::timestamp, '1 day') AS span(day)
        CROSS JOIN LATERAL (
            WITH used AS MATERIALIZED (
                SELECT vehicle_id, unit_id, terminal_key FROM bound WHERE span.day::date BETWEEN first_day AND last_day
            )
            SELECT unit_id, count(*) AS vehicles, count(*) FILTER (WHERE online) AS online_vehicles,
                   coalesce(sum(received), 0)::bigint AS received, coalesce(sum(duplicate), 0)::bigint AS duplicate,
                   coalesce(sum(passed), 0)::bigint AS passed, coalesce(sum(distance_m), 0) AS distance_m,
                   coalesce(sum(greatest(distance_m - gap_m, 0)), 0) AS complete_m,
                   count(*) FILTER (WHERE online AND misplaced >= %(drift)s) AS drift_vehicles
            FROM (SELECT DISTINCT vehicle_id, unit_id FROM used) AS owner
            LEFT JOIN (
                SELECT vehicle_id, sum(received) > sum(quarantined) AS online, sum(received) AS received,
                       sum(duplicate) AS duplicate, sum(accepted - clock_fault) AS passed
                FROM terminal_count c JOIN used USING (terminal_key) WHERE c.day = span.day::date GROUP BY vehicle_id
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
    What came of a terminal on a day counts for the vehicle it was in that day, the last one where it was in several.
    """
    if own_unit is None:
        conn.execute("SET LOCAL enable_nestloop = off")  # a day of the whole fleet is read once, not vehicle by vehicle
    cursor = conn.execute(
        _UNIT_DAYS
        + """
        SELECT day - date '1970-01-01' AS day, unit_id, vehicles, online_vehicles, received, duplicate, passed,
               distance_m, complete_m, drift_vehicles
        FROM unit_day ORDER BY day, unit_id
        """,
        {"from": day_date(from_day), "to": day_date(to_day), "own_unit": own_unit, "drift": DRIFT_POSITIONS},
    )
    if own_unit is None:
        conn.execute("SET LOCAL enable_nestloop TO DEFAULT")
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


_FLEET = f"""
    WITH binding AS (
        SELECT terminal_no, vehicle_id, lower(valid) AS starts, upper(valid) - interval '1 microsecond' AS ends,
               lead(lower(valid)) OVER (PARTITION BY terminal_no ORDER BY lower(valid) NULLS FIRST) AS next
        FROM terminal_binding
    ), bound AS (
        SELECT DISTINCT vehicle_id, terminal_key,
               greatest((starts AT TIME ZONE 'Asia/Shanghai')::date, %(from)s) AS first_day,
               least((ends AT TIME ZONE 'Asia/Shanghai')::date, (next AT TIME ZONE 'Asia/Shanghai')::date - 1, %(to)s)
                   AS last_day
        FROM binding JOIN terminal USING (terminal_no) WHERE {SEEN}
    ), used AS MATERIALIZED (
        SELECT *, count(*) OVER (PARTITION BY vehicle_id) = 1 AS alone FROM bound WHERE first_day <= last_day
    ), shared AS MATERIALIZED (
        SELECT DISTINCT vehicle_id, day::date
        FROM used CROSS JOIN generate_series(first_day::timestamp, last_day::timestamp, '1 day') AS span(day) WHERE NOT alone
    ), misplacing AS MATERIALIZED (
        SELECT vehicle_id, day FROM vehicle_day WHERE day = ANY(%(days)s) AND misplaced >= %(drift)s
    )
    SELECT (SELECT coalesce(sum(last_day - first_day + 1), 0) FROM used WHERE alone) + (SELECT count(*) FROM shared),
           online + (SELECT count(DISTINCT (vehicle_id, day)) FROM used JOIN terminal_count USING (terminal_key)
                     WHERE NOT alone AND day = ANY(%(days)s) AND day BETWEEN first_day AND last_day
                       AND received > quarantined),
           received, duplicate, passed, metres.*,
           (SELECT count(DISTINCT (vehicle_id, day)) FROM misplacing JOIN used USING (vehicle_id)
                   JOIN terminal_count USING (terminal_key, day)
            WHERE day = ANY(%(days)s) AND day BETWEEN first_day AND last_day AND received > quarantined)
    FROM (
        SELECT count(*) FILTER (WHERE alone AND received > quarantined) AS online,
               coalesce(sum(received), 0)::bigint AS received, coalesce(sum(duplicate), 0)::bigint AS duplicate,
               coalesce(sum(accepted - clock_fault), 0)::bigint AS passed
        FROM used JOIN terminal_count USING (terminal_key) WHERE day = ANY(%(days)s) AND day BETWEEN first_day AND last_day
    ) counts CROSS JOIN (
        SELECT coalesce(sum(distance_m), 0), coalesce(sum(greatest(distance_m - gap_m, 0)), 0)
        FROM (
            SELECT distance_m, gap_m FROM used JOIN vehicle_day USING (vehicle_id)
            WHERE alone AND day = ANY(%(days)s) AND day BETWEEN first_day AND last_day
            UNION ALL
            SELECT distance_m, gap_m FROM shared JOIN vehicle_day USING (vehicle_id, day) WHERE day = ANY(%(days)s)
        ) driven
    ) metres
"""
"""What the sums over all days and units come to, without a row for each vehicle and day.

Most vehicles have one terminal all the time (`alone`): their days are counted by subtraction. Days of the others
(`shared`) are made one by one. A day on which a position was taken is one on which more was received than quarantined.
"""


def fleet_quality(conn: Connection[Any], own_unit: int | None, from_day: int, to_day: int) -> QualitySums:
    """Sums of local days [from_day, to_day] over all vehicles; own_unit: unit_id of a unit, and only its subtree's."""
    row = conn.execute(
        _FLEET,
        {
            "from": day_date(from_day),
            "to": day_date(to_day),
            "days": [day_date(day) for day in range(from_day, to_day + 1)],
            "seen": seen(conn, own_unit),
            "drift": DRIFT_POSITIONS,
        },
    ).fetchone()
    assert row is not None
    return QualitySums(*row)
