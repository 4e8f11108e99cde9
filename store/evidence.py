"""Rows that trips are weighed by, and what weighing them finds: the weeks before, nights, the dark-kilometre ledger.

Tables come and go as pandas DataFrames whose columns are those of the database table; times are int64 µs UTC and `day`
is the local day number, both ways.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from geo.arrays import Int32Array
from geo.localtime import day_date, to_datetime
from store.derived import STOP_COLUMNS, TRIP_COLUMNS, copy_rows, json_records
from store.feature_changes import note_changes

NIGHT_COLUMNS = (
    "vehicle_id", "day", "lat", "lon", "place", "night_s", "base_m", "nights_here", "learned_lat", "learned_lon",
    "learned_nights", "learned_base_m", "night_kind", "dispatch_order",
)  # fmt: skip
DARK_COLUMNS = (
    "dark_id", "vehicle_id", "day", "start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon", "jump_m",
    "odometer_m", "dark_m", "fixless", "power_cut", "antenna_fault", "dark_s", "off_hours_s", "off_hours_share",
    "dispatch_order", "order_cover", "neighbours_silent", "neighbours_seen", "dark_cause",
)  # fmt: skip
_COLUMNS = {
    "trip": (*TRIP_COLUMNS, "features"),
    "stop": STOP_COLUMNS,
    "dark_entry": DARK_COLUMNS,
}
_FEATURES = ("driver_card", "origin_kind", "destination_kind")
_PAST = (
    "trip_id", "vehicle_id", "day", "start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon",
    "distance_m", "moving_s", "dispatch_order",
)  # fmt: skip
BOX_LAT_DEG, BOX_LON_DEG = 0.02, 0.04
"""Sightings are read from such a box about either end of a silence: more than 2 km as far north as China goes."""


def read_rows(
    conn: Connection[Any], table: str, vehicle_ids: Int32Array | None, from_day: int, to_day: int
) -> pd.DataFrame:
    """Rows of `trip`, `stop` or `dark_entry`, of these vehicles or all, and local days [from_day, to_day]."""
    return _read(conn, table, {name: _plain(name) for name in _COLUMNS[table]}, vehicle_ids, from_day, to_day)


def read_past_trips(conn: Connection[Any], vehicle_ids: Int32Array, from_day: int, to_day: int) -> pd.DataFrame:
    """Of trips of these vehicles and days what later ones are weighed by: a third of the columns in a tenth of the time."""
    chosen = {name: _plain(name) for name in _PAST}
    chosen |= {name: sql.SQL("features ->> {}").format(name) for name in _FEATURES}
    return _read(conn, "trip", chosen, vehicle_ids, from_day, to_day)


def _plain(name: str) -> sql.Composable:
    """A column as numbers where it is a time or a day: as objects they would take longer than all the rest."""
    if name in {"start_time", "end_time"}:
        return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(sql.Identifier(name))
    return sql.SQL("day - DATE '1970-01-01'") if name == "day" else sql.Identifier(name)


def _read(
    conn: Connection[Any],
    table: str,
    chosen: Mapping[str, sql.Composable],
    vehicle_ids: Int32Array | None,
    from_day: int,
    to_day: int,
) -> pd.DataFrame:
    query = sql.SQL(
        "SELECT {} FROM {} t WHERE t.day BETWEEN %s AND %s AND (%s::int[] IS NULL OR vehicle_id = ANY(%s))"
        " ORDER BY vehicle_id, t.start_time"
    ).format(sql.SQL(", ").join(chosen.values()), sql.Identifier(table))
    ids = None if vehicle_ids is None else vehicle_ids.tolist()
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(query, (day_date(from_day), day_date(to_day), ids, ids)).fetchall()
    frame = pd.DataFrame(rows, columns=list(chosen))
    return frame.astype({"day": "int32", "start_time": "int64", "end_time": "int64"})


def read_sightings(conn: Connection[Any], silences: pd.DataFrame) -> pd.DataFrame:
    """Stops and gaps of any vehicle that share time with a silence and lie about one of its ends.

    LATERAL with OFFSET 0 makes it probes of `stop_cell`, two or three for each end and day, whatever the planner knows of
    rows that were just written; joined freely it walks all stops of a day for each end. The cells are those of the index.
    """
    columns = ("vehicle_id", "start_time", "end_time", "lat", "lon", "kind")
    names = ("start_lat", "start_lon", "end_lat", "end_lon")
    rows = conn.execute(
        """
        SELECT DISTINCT s.vehicle_id, (extract(epoch FROM s.start_time) * 1000000)::bigint AS begun,
               (extract(epoch FROM s.end_time) * 1000000)::bigint, s.lat, s.lon, s.kind
        FROM unnest(%(start)s::timestamptz[], %(end)s::timestamptz[], %(first)s::date[], %(last)s::date[],
                    %(start_lat)s::float8[], %(start_lon)s::float8[], %(end_lat)s::float8[], %(end_lon)s::float8[])
             AS d (start_time, end_time, first, last, lat1, lon1, lat2, lon2)
        CROSS JOIN LATERAL (
            VALUES (lat1 - %(lat)s, lat1 + %(lat)s, lon1 - %(lon)s, lon1 + %(lon)s),
                   (lat2 - %(lat)s, lat2 + %(lat)s, lon2 - %(lon)s, lon2 + %(lon)s)
        ) AS e (south, north, west, east)
        CROSS JOIN LATERAL generate_series(0, d.last - d.first) AS later
        CROSS JOIN LATERAL generate_series(0, 3) AS step
        CROSS JOIN LATERAL (
            SELECT * FROM stop
            WHERE day = d.first + later AND floor(lat * 50) = floor(e.south * 50) + step
              AND floor(e.south * 50) + step <= floor(e.north * 50)
              AND floor(lon * 25) BETWEEN floor(e.west * 25) AND floor(e.east * 25)
              AND start_time < d.end_time AND end_time > d.start_time OFFSET 0
        ) AS s
        WHERE s.lat BETWEEN e.south AND e.north AND s.lon BETWEEN e.west AND e.east
        ORDER BY s.vehicle_id, begun
        """,
        {
            "start": [to_datetime(when) for when in silences["start_time"]],
            "end": [to_datetime(when) for when in silences["end_time"]],
            "first": [to_datetime(when).date() for when in silences["start_time"]],
            "last": [to_datetime(when).date() for when in silences["end_time"]],
            **{name: silences[name].tolist() for name in names},
            "lat": BOX_LAT_DEG,
            "lon": BOX_LON_DEG,
        },
    ).fetchall()
    return pd.DataFrame(rows, columns=list(columns)).astype({"start_time": "int64", "end_time": "int64"})


def replace_evidence(
    conn: Connection[Any],
    vehicle_ids: Int32Array,
    from_day: int,
    to_day: int,
    *,
    nights: pd.DataFrame,
    dark: pd.DataFrame,
) -> None:
    """Put these nights and entries in place of those that stand for these vehicles and local days [from_day, to_day]."""
    for subject, table, columns, frame in (
        ("night", "vehicle_night", NIGHT_COLUMNS, nights),
        ("dark", "dark_entry", DARK_COLUMNS, dark),
    ):
        gone = conn.execute(
            sql.SQL(
                "WITH gone AS (DELETE FROM {} WHERE vehicle_id = ANY(%s) AND day BETWEEN %s AND %s RETURNING day)"
                " SELECT DISTINCT day FROM gone"
            ).format(sql.Identifier(table)),
            (vehicle_ids.tolist(), day_date(from_day), day_date(to_day)),
        ).fetchall()
        copy_rows(conn, table, columns, frame)
        note_changes(
            conn, subject, {day for (day,) in gone} | {day_date(day) for day in frame["day"].unique().tolist()}
        )


def update_scores(conn: Connection[Any], trips: pd.DataFrame) -> int:
    """Write what a new weighing changed of trips that stand; returns how many differ from what stood."""
    extra = [name for name in trips.columns if name not in {*TRIP_COLUMNS, "vehicle_ix", "features"}]
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE trip SET private_score = %s, features = %s
            WHERE trip_id = %s AND (private_score, features) IS DISTINCT FROM (%s, %s) RETURNING day
            """,
            [
                (score, features, name, score, features)
                for score, name, features in zip(
                    trips["private_score"].tolist(),
                    trips["trip_id"].tolist(),
                    map(Jsonb, json_records(trips, extra)),
                    strict=True,
                )
            ],
            returning=True,
        )
        changed = [day for result in cursor.results() for (day,) in result.fetchall()] if len(trips) else []
    note_changes(conn, "trip", changed)
    return len(changed)
