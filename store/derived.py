"""Derived rows: trips, stops, vehicle-days and flags. All can be rebuilt from the sealed archive.

Tables come and go as pandas DataFrames whose columns are those of the database table; times are int64 µs UTC and `day`
is the local day number on the way in, aware times and dates on the way out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection, sql

from geo.arrays import Int32Array
from geo.localtime import day_date, to_datetime, to_us
from store.feature_changes import note_changes

TRIP_COLUMNS = (
    "trip_id", "vehicle_id", "day", "start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon",
    "distance_m", "distance_low_m", "distance_high_m", "gps_m", "odometer_m", "duration_s", "moving_s", "max_speed_mps",
    "off_hours_s", "off_hours_m", "out_of_area_s", "out_of_area_m", "dispatch_order", "origin_place",
    "destination_place", "private_score",
)  # fmt: skip
STOP_COLUMNS = ("vehicle_id", "day", "start_time", "end_time", "lat", "lon", "kind", "place")
VEHICLE_DAY_COLUMNS = (
    "vehicle_id", "day", "positions", "doubtful", "misplaced", "trips", "distance_m", "distance_low_m",
    "distance_high_m", "gps_m", "gap_m", "odometer_m", "odometer_mark", "moving_s", "off_hours_m", "out_of_area_m",
)  # fmt: skip
FLAG_COLUMNS = (
    "flag_id", "rule", "rule_version", "level", "subject", "subject_id", "trip_id", "vehicle_id", "day", "start_time",
    "end_time", "points", "reason_zh", "reason_en", "numbers", "exemption_id",
)  # fmt: skip
AUDITED = ("trip", "dark", "night")
"""What an audit of positions finds flags on; flags on other subjects come and go with what they rest on."""
_TIMES = {"start_time", "end_time", "raised_at"}
_INTEGERS = {
    "vehicle_id", "positions", "doubtful", "misplaced", "trips", "rule_version", "fixless", "nights_here",
    "learned_nights", "neighbours_silent", "neighbours_seen",
}  # fmt: skip


def replace_derived(
    conn: Connection[Any],
    vehicle_ids: Int32Array,
    from_day: int,
    to_day: int,
    *,
    trips: pd.DataFrame,
    stops: pd.DataFrame,
    vehicle_days: pd.DataFrame,
) -> None:
    """Put the rows of these vehicles and local days [from_day, to_day] in place of those that stand there.

    `trips` may carry columns beyond TRIP_COLUMNS; they go into `features`. The caller's transaction makes it atomic.
    """
    extra = [name for name in trips.columns if name not in {*TRIP_COLUMNS, "vehicle_ix"}]
    with_features = trips.assign(features=[json.dumps(row, allow_nan=False) for row in json_records(trips, extra)])
    for table, columns, frame in (
        ("trip", (*TRIP_COLUMNS, "features"), with_features),
        ("stop", STOP_COLUMNS, stops),
        ("vehicle_day", VEHICLE_DAY_COLUMNS, vehicle_days),
    ):
        conn.execute(
            sql.SQL("DELETE FROM {} WHERE vehicle_id = ANY(%s) AND day BETWEEN %s AND %s").format(
                sql.Identifier(table)
            ),
            (vehicle_ids.tolist(), day_date(from_day), day_date(to_day)),
        )
        copy_rows(conn, table, columns, frame)
    note_changes(conn, "trip", map(day_date, range(from_day, to_day + 1)))


def raise_flags(
    conn: Connection[Any],
    vehicle_ids: Int32Array,
    from_day: int,
    to_day: int,
    flags: pd.DataFrame,
    subjects: Sequence[str] = AUDITED,
) -> int:
    """Store what the rules found on these subjects for these vehicles and days; returns how many flags are new.

    A flag found again keeps its first `raised_at`; one no longer found is withdrawn, never deleted. Flags without a
    column `exemption_id` are lifted by no exemption.
    """
    conn.execute("CREATE TEMP TABLE IF NOT EXISTS found_flag (LIKE flag INCLUDING DEFAULTS) ON COMMIT DELETE ROWS")
    conn.execute("TRUNCATE found_flag")
    numbers = [json.dumps(value, allow_nan=False) for value in flags["numbers"]]
    found = flags.assign(numbers=numbers, exemption_id=flags.get("exemption_id"))
    copy_rows(conn, "found_flag", FLAG_COLUMNS, found)
    conn.execute(
        """
        UPDATE flag SET withdrawn_at = now()
        WHERE vehicle_id = ANY(%s) AND day BETWEEN %s AND %s AND subject = ANY(%s) AND withdrawn_at IS NULL
          AND NOT EXISTS (SELECT FROM found_flag f WHERE f.flag_id = flag.flag_id)
        """,
        (vehicle_ids.tolist(), day_date(from_day), day_date(to_day), list(subjects)),
    )
    row = conn.execute(
        """
        WITH merged AS (
            INSERT INTO flag SELECT * FROM found_flag
            ON CONFLICT (flag_id) DO UPDATE SET
                rule_version = excluded.rule_version, level = excluded.level, day = excluded.day,
                start_time = excluded.start_time, end_time = excluded.end_time,
                points = excluded.points, reason_zh = excluded.reason_zh, reason_en = excluded.reason_en,
                numbers = excluded.numbers, exemption_id = excluded.exemption_id, withdrawn_at = NULL
            RETURNING (xmax = 0) AS fresh
        ) SELECT count(*) FILTER (WHERE fresh) FROM merged
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def read_derived(conn: Connection[Any], what: str, from_day: int, to_day: int, unit: str | None = None) -> pd.DataFrame:
    """Rows for export, of local days [from_day, to_day], with vehicle, plate and unit code first.

    Parameters
    ----------
    what : `trips`, `stops`, `vehicle-days` or `flags`.
    unit : code of a unit; its subtree is meant.

    Returns
    -------
    DataFrame   Times as aware datetimes of the fleet's zone.
    """
    cursor = conn.execute(_EXPORTS[what], {"from": day_date(from_day), "to": day_date(to_day), "unit": unit})
    names = [column.name for column in cursor.description or ()]
    frame = pd.DataFrame(cursor.fetchall(), columns=names)
    for name in _TIMES & set(names):
        frame[name] = [None if when is None else to_datetime(to_us(when)) for when in frame[name]]
    return frame


def summary(conn: Connection[Any]) -> Mapping[str, Any]:
    """What the whole database holds: vehicles, trips, kilometres, open flags by rule."""
    row = conn.execute(
        """
        SELECT (SELECT count(*) FROM vehicle), (SELECT count(*) FROM trip),
               (SELECT coalesce(sum(distance_m), 0) / 1000 FROM vehicle_day),
               (SELECT coalesce(sum(accepted), 0)::bigint FROM intake_count)
        """
    ).fetchone()
    assert row is not None
    rules = conn.execute(
        """
        SELECT rule, count(*) FROM flag WHERE withdrawn_at IS NULL AND exemption_id IS NULL GROUP BY rule ORDER BY rule
        """
    ).fetchall()
    return {
        "vehicles": row[0],
        "positions": row[3],
        "trips": row[1],
        "kilometres": round(row[2], 1),
        "flags": dict(rules),
    }


def copy_rows(conn: Connection[Any], table: str, columns: Iterable[str], frame: pd.DataFrame) -> None:
    """Add a frame's rows to a table through COPY; times as µs UTC, days as numbers."""
    names = list(columns)
    values = [_column(frame[name], name) for name in names]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for row in zip(*values, strict=True):
            copy.write_row(row)


def _column(column: "pd.Series[Any]", name: str) -> list[Any]:
    if name in _TIMES:
        return [to_datetime(value) for value in column.tolist()]
    if name == "day":
        return [day_date(value) for value in column.tolist()]
    if name in _INTEGERS:
        return [int(value) for value in column.tolist()]
    return [None if value is None or value is pd.NA or value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN is what differs from itself


def json_records(frame: pd.DataFrame, names: list[str]) -> list[dict[str, Any]]:
    """These columns of each row as a dict that JSON can hold: what is not a number is None."""
    columns = {name: frame[name].tolist() for name in names}
    return [
        {name: None if _missing(columns[name][row]) else columns[name][row] for name in names}
        for row in range(len(frame))
    ]


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value))


_SUBTREE = """
WITH RECURSIVE subtree AS (
    SELECT unit_id FROM unit WHERE code = %(unit)s
    UNION SELECT u.unit_id FROM unit u JOIN subtree s ON u.parent_id = s.unit_id
), car AS (
    SELECT v.vehicle_id, v.code AS vehicle, v.plate, u.code AS unit
    FROM vehicle v JOIN unit u USING (unit_id)
    WHERE %(unit)s::text IS NULL OR v.unit_id IN (SELECT unit_id FROM subtree)
)
"""

_EXPORTS = {
    "trips": _SUBTREE
    + """
        SELECT trip_id, vehicle, plate, unit, start_time, end_time, start_lat, start_lon, end_lat, end_lon,
               distance_m, distance_low_m, distance_high_m, odometer_m, duration_s, moving_s, max_speed_mps,
               off_hours_s, off_hours_m, out_of_area_s, out_of_area_m, dispatch_order, origin_place,
               destination_place, private_score
        FROM trip JOIN car USING (vehicle_id)
        WHERE day BETWEEN %(from)s AND %(to)s ORDER BY vehicle, start_time
        """,
    "stops": _SUBTREE
    + """
        SELECT vehicle, plate, unit, start_time, end_time, lat, lon, kind, place
        FROM stop JOIN car USING (vehicle_id)
        WHERE day BETWEEN %(from)s AND %(to)s ORDER BY vehicle, start_time
        """,
    "vehicle-days": _SUBTREE
    + """
        SELECT vehicle, plate, unit, day, positions, doubtful, misplaced, trips, distance_m, distance_low_m,
               distance_high_m, gps_m, gap_m, odometer_m, odometer_mark, moving_s, off_hours_m, out_of_area_m
        FROM vehicle_day JOIN car USING (vehicle_id)
        WHERE day BETWEEN %(from)s AND %(to)s ORDER BY vehicle, day
        """,
    "flags": _SUBTREE
    + """
        SELECT flag_id, trip_id, vehicle, plate, unit, rule, rule_version, level, start_time, end_time,
               reason_zh AS reason, reason_en, numbers, points, raised_at, coalesce(exemption_id::text, '') AS exemption
        FROM flag JOIN car USING (vehicle_id)
        WHERE day BETWEEN %(from)s AND %(to)s AND withdrawn_at IS NULL ORDER BY start_time, flag_id
        """,
}
