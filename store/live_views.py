"""The live hour and day of each vehicle and unit: sums that are stored, and what came since straight from positions.

On every level the same views with the same columns. Where the server has continuous aggregates the sums are theirs;
elsewhere they stand in `vehicle_hour_sum`. `store.rollups` keeps both up to date. A local day begins at 16:00 UTC.
"""

from typing import Any

from psycopg import Connection, sql

MOVING_MPS = 1.5
"""From this speed on a vehicle drives."""

SUMS = f"""
    count(*) AS positions,
    count(*) FILTER (WHERE status & 1 <> 0) AS fixes,
    count(*) FILTER (WHERE status & 1 <> 0 AND speed_mps >= {MOVING_MPS} AND speed_mps <> 'NaN') AS moving,
    max(speed_mps) FILTER (WHERE status & 1 <> 0 AND speed_mps <> 'NaN') AS max_speed_mps,
    min(fix_time) AS first_fix,
    max(fix_time) AS last_fix,
    min(odometer_m) FILTER (WHERE odometer_m >= 0) AS odometer_low_m,
    max(odometer_m) FILTER (WHERE odometer_m >= 0) AS odometer_high_m
"""
"""What an hour says of a vehicle's positions: sums, least and greatest only, so that hours add up to days."""

_OF_SUMS = """
    sum(positions)::bigint AS positions, sum(fixes)::bigint AS fixes, sum(moving)::bigint AS moving,
    max(max_speed_mps) AS max_speed_mps, min(first_fix) AS first_fix, max(last_fix) AS last_fix,
    min(odometer_low_m) AS odometer_low_m, max(odometer_high_m) AS odometer_high_m
"""
COLUMNS = (
    "positions", "fixes", "moving", "max_speed_mps", "first_fix", "last_fix", "odometer_low_m", "odometer_high_m",
)  # fmt: skip
_NAMES = ", ".join(COLUMNS)
_ORIGIN = "timestamptz '1999-12-31 16:00+00'"
HOUR = f"date_bin('1 hour', fix_time, {_ORIGIN})"
_DAY = f"date_bin('1 day', hour, {_ORIGIN})"

_PLAIN = f"""
CREATE VIEW live_vehicle_hour AS
SELECT vehicle_id, hour, {_NAMES} FROM vehicle_hour_sum WHERE hour < (SELECT stored_before FROM rollup_state)
UNION ALL
SELECT vehicle_id, {HOUR} AS hour, {SUMS} FROM position
WHERE fix_time >= (SELECT stored_before FROM rollup_state) GROUP BY 1, 2;

CREATE VIEW live_vehicle_day AS
SELECT vehicle_id, {_DAY} AS day_start, {_OF_SUMS} FROM live_vehicle_hour GROUP BY 1, 2;
"""

# Both aggregates need the same origin. The sums of days that only the archive holds stand beside them.
_AGGREGATES = f"""
CREATE MATERIALIZED VIEW vehicle_hour_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT vehicle_id, time_bucket(interval '1 hour', fix_time, origin => {_ORIGIN}) AS hour, {SUMS}
FROM position GROUP BY 1, 2 WITH NO DATA;

CREATE MATERIALIZED VIEW vehicle_day_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT vehicle_id, time_bucket(interval '1 day', hour, origin => {_ORIGIN}) AS day_start, {_OF_SUMS}
FROM vehicle_hour_aggregate GROUP BY 1, 2 WITH NO DATA;

CREATE VIEW live_vehicle_hour AS
SELECT vehicle_id, hour, {_NAMES} FROM vehicle_hour_aggregate
UNION ALL SELECT vehicle_id, hour, {_NAMES} FROM vehicle_hour_sum;

CREATE VIEW live_vehicle_day AS
SELECT vehicle_id, day_start, {_NAMES} FROM vehicle_day_aggregate
UNION ALL SELECT vehicle_id, {_DAY}, {_OF_SUMS} FROM vehicle_hour_sum GROUP BY 1, 2;
"""

_UNITS = "".join(
    f"""
CREATE VIEW live_unit_{name} AS
SELECT v.unit_id, l.{column}, count(*) AS vehicles, count(*) FILTER (WHERE l.moving > 0) AS vehicles_moving,
       sum(l.positions)::bigint AS positions, sum(l.fixes)::bigint AS fixes, sum(l.moving)::bigint AS moving,
       max(l.max_speed_mps) AS max_speed_mps, min(l.first_fix) AS first_fix, max(l.last_fix) AS last_fix
FROM live_vehicle_{name} l JOIN vehicle v USING (vehicle_id) GROUP BY 1, 2;
"""
    for name, column in (("hour", "hour"), ("day", "day_start"))
)

VIEWS = {
    "live_vehicle_hour": "What each vehicle's positions say of an hour, the open one included.",
    "live_vehicle_day": "What each vehicle's positions say of a local day, the open one included.",
    "live_unit_hour": "The hour of a unit's own vehicles, without those of units below it; the open one included.",
    "live_unit_day": "The local day of a unit's own vehicles, without those of units below it; the open one included.",
}
_ON_AGGREGATES = {
    "vehicle_hour_aggregate": "Sums of a vehicle's positions by hour of fix.",
    "vehicle_day_aggregate": "Sums of a vehicle's hours by local day.",
}
_SAYS = {
    "vehicle_id": "The vehicle.",
    "unit_id": "The unit.",
    "hour": "Beginning of the hour.",
    "day_start": "Beginning of the local day.",
    "vehicles": "Vehicles with a position.",
    "vehicles_moving": "Of these with a position at 1.5 m/s or more.",
    "positions": "All positions.",
    "fixes": "Of these with a valid fix.",
    "moving": "Of the valid ones at 1.5 m/s or more.",
    "max_speed_mps": "Highest speed of a valid one; NULL: none was sent.",
    "first_fix": "Earliest fix time.",
    "last_fix": "Latest fix time.",
    "odometer_low_m": "Lowest odometer sent; NULL: none was.",
    "odometer_high_m": "Highest odometer sent; NULL: none was.",
}


def make_views(conn: Connection[Any], level: str) -> None:
    """Make the live views of a level, in the caller's transaction; `plain` for every table without aggregates."""
    full = level == "timescale"
    conn.execute("SET LOCAL client_min_messages = warning")  # an aggregate without data tells so
    for statement in ((_AGGREGATES if full else _PLAIN) + _UNITS).split(";\n"):
        if statement.strip():
            conn.execute(statement)
    for view, text in {**VIEWS, **(_ON_AGGREGATES if full else {})}.items():
        _comment(conn, view, text)


def drop_views(conn: Connection[Any]) -> None:
    """Take the live views away, in the caller's transaction."""
    for view in reversed(VIEWS):
        conn.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(view)))


def _comment(conn: Connection[Any], view: str, text: str) -> None:
    name = sql.Identifier(view)
    conn.execute(sql.SQL("COMMENT ON VIEW {} IS {}").format(name, sql.Literal(text)))
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", (view,)
    ).fetchall()
    for (column,) in rows:
        conn.execute(
            sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(name, sql.Identifier(column), sql.Literal(_SAYS[column]))
        )
