"""Records beside the positions: marks of what changed, rows that rules judged, and the derived rows they are held against.

Tables come and go as pandas DataFrames; times are int64 µs UTC and `day` is the local day number, both ways.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from psycopg import Connection, sql

from geo.localtime import day_date, day_number, day_start_us, to_datetime
from store.derived import copy_rows, json_records
from store.users import VISIBLE, User

_KEYS = ("vehicle_id", "day", "start_time", "end_time")
ROWS_AT_ONCE = 10_000
_US = "(extract(epoch FROM {}) * 1000000)::bigint"
_DRIVES = {
    "trip": ("start_time", "end_time", "start_lat", "start_lon", "end_lat", "end_lon", "distance_m"),
    "stop": ("start_time", "end_time", "lat", "lon", "kind"),
}


def named_vehicles(conn: Connection[Any], user: User) -> dict[str, int]:
    """Code and plate → vehicle_id of the vehicles that this person may see."""
    rows = conn.execute(
        VISIBLE + "SELECT vehicle_id, code, plate FROM mine ORDER BY code LIMIT 100000", {"own_unit": user.sees_unit}
    ).fetchall()
    return {name: vehicle_id for vehicle_id, code, plate in rows for name in (plate, code)}


def mark_changed(conn: Connection[Any], days: Iterable[tuple[int, int]]) -> None:
    """Note that records of these vehicles and local days came or changed: rules judge them in the next round."""
    rows = sorted(set(days))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        piece = rows[start : start + ROWS_AT_ONCE]
        conn.execute(
            "INSERT INTO record_change (vehicle_id, day) SELECT * FROM unnest(%s::int[], %s::date[])",
            ([vehicle for vehicle, _ in piece], [day_date(day) for _, day in piece]),
        )


def has_records(conn: Connection[Any], from_day: int, to_day: int) -> bool:
    """Whether there is anything that records of these local days are judged by: a receipt, a card, a seal, rows or marks."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM refuel WHERE refuelled_at >= lower(span) AND refuelled_at < upper(span))
            OR EXISTS (SELECT FROM driver_swipe WHERE swiped_at >= lower(span) AND swiped_at < upper(span))
            OR EXISTS (SELECT FROM vehicle_seal WHERE tstzrange(sealed_at, unsealed_at, '[]') && span)
            OR EXISTS (SELECT FROM record_change WHERE day BETWEEN %(from)s AND %(to)s)
            OR EXISTS (SELECT FROM judged_record WHERE subject <> 'month' AND day BETWEEN %(from)s AND %(to)s)
        FROM (SELECT tstzrange(%(start)s, %(end)s) AS span) AS asked
        """,
        {
            "from": day_date(from_day),
            "to": day_date(to_day),
            "start": to_datetime(day_start_us(from_day)),
            "end": to_datetime(day_start_us(to_day + 1)),
        },
    ).fetchone()
    assert row is not None
    return bool(row[0])


def has_month(conn: Connection[Any], from_day: int, to_day: int) -> bool:
    """Whether a month of these local days has a vehicle-day, or rows judged before."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM vehicle_day WHERE day BETWEEN %(from)s AND %(to)s)
            OR EXISTS (SELECT FROM judged_record WHERE subject = 'month' AND day BETWEEN %(from)s AND %(to)s)
        """,
        {"from": day_date(from_day), "to": day_date(to_day)},
    ).fetchone()
    assert row is not None
    return bool(row[0])


def changed_days(
    conn: Connection[Any], from_day: int | None = None, to_day: int | None = None
) -> tuple[int, list[int]]:
    """The newest mark, and the local days of [from_day, to_day] that are marked, ascending; to be asked before all else."""
    row = conn.execute("SELECT coalesce(max(change_id), 0) FROM record_change").fetchone()
    assert row is not None
    days = conn.execute(
        """
        SELECT DISTINCT day FROM record_change
        WHERE change_id <= %(newest)s AND day BETWEEN coalesce(%(from)s::date, '-infinity')
              AND coalesce(%(to)s::date, 'infinity')
        ORDER BY day LIMIT 100000
        """,
        {"newest": row[0], "from": _date(from_day), "to": _date(to_day)},
    ).fetchall()
    return row[0], [day_number(day) for (day,) in days]


def take_changes(conn: Connection[Any], newest: int, from_day: int, to_day: int) -> None:
    """Forget the marks of these local days that are no newer than one; in the transaction that stores what was judged."""
    conn.execute(
        "DELETE FROM record_change WHERE change_id <= %s AND day BETWEEN %s AND %s",
        (newest, day_date(from_day), day_date(to_day)),
    )


def replace_judged(conn: Connection[Any], subject: str, from_day: int, to_day: int, table: pd.DataFrame) -> None:
    """Put these rows of a subject in place of all that stand for local days [from_day, to_day].

    table : `<subject>_id`, vehicle_id, day, start_time, end_time; every other column is a feature.
    """
    conn.execute(
        "DELETE FROM judged_record WHERE subject = %s AND (day BETWEEN %s AND %s OR subject_id = ANY(%s))",
        (subject, day_date(from_day), day_date(to_day), table[f"{subject}_id"].tolist()),
    )
    names = [name for name in table.columns if name not in {*_KEYS, f"{subject}_id", "vehicle_ix"}]
    rows = table.assign(
        subject=subject,
        subject_id=table[f"{subject}_id"],
        features=[json.dumps(row, allow_nan=False) for row in json_records(table, names)],
    )
    copy_rows(conn, "judged_record", ("subject", "subject_id", *_KEYS, "features"), rows)


def read_judged(
    conn: Connection[Any], subject: str, from_day: int, to_day: int, features: Sequence[str]
) -> pd.DataFrame:
    """Rows of a subject of local days [from_day, to_day] as they were judged, with these features (NaN: missing)."""
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(
            f"""
            SELECT subject_id, vehicle_id, day - DATE '1970-01-01', {_US.format("start_time")}, {_US.format("end_time")},
                   features
            FROM judged_record WHERE subject = %s AND day BETWEEN %s AND %s ORDER BY vehicle_id, start_time, subject_id
            """,
            (subject, day_date(from_day), day_date(to_day)),
        ).fetchall()
    frame = pd.DataFrame(rows, columns=[f"{subject}_id", *_KEYS, "features"])
    held = frame.pop("features").tolist()
    return frame.assign(
        **{name: pd.Series([each.get(name) for each in held], dtype=object) for name in features}
    ).astype(
        {name: "float64" for name in features if name != "vehicle_class"} | {"start_time": "int64", "end_time": "int64"}
    )


def read_drives(conn: Connection[Any], table: str, spans: pd.DataFrame) -> pd.DataFrame:
    """Trips or stops (`trip`, `stop`) of vehicles, each of its local days [first, last], by vehicle and beginning.

    spans : vehicle_id, first, last; a vehicle stands in it once.
    """
    names = _DRIVES[table]
    chosen = ", ".join(_US.format(f"t.{name}") if name.endswith("_time") else f"t.{name}" for name in names)
    query = sql.SQL(
        f"""
        SELECT t.vehicle_id, {chosen}
        FROM unnest(%s::int[], %s::date[], %s::date[]) AS s (vehicle_id, first, last)
        JOIN {{}} t ON t.vehicle_id = s.vehicle_id AND t.day BETWEEN s.first AND s.last ORDER BY t.vehicle_id, t.start_time
        """
    ).format(sql.Identifier(table))
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(query, _span_arrays(spans)).fetchall()
    return _frame(rows, ("vehicle_id", *names))


def read_observed(conn: Connection[Any], spans: pd.DataFrame) -> pd.DataFrame:
    """vehicle_id and day of the vehicle-days with a usable position; spans as in `read_drives`."""
    rows = conn.execute(
        """
        SELECT d.vehicle_id, d.day - DATE '1970-01-01'
        FROM unnest(%s::int[], %s::date[], %s::date[]) AS s (vehicle_id, first, last)
        JOIN vehicle_day d ON d.vehicle_id = s.vehicle_id AND d.day BETWEEN s.first AND s.last
        WHERE d.positions > d.doubtful
        """,
        _span_arrays(spans),
    ).fetchall()
    return pd.DataFrame(rows, columns=["vehicle_id", "day"]).astype("int64")


def read_gauge(conn: Connection[Any], readings: pd.DataFrame, margin_us: int, most: int = 5000) -> pd.DataFrame:
    """Readings of the fuel gauge within a margin of instants, as the database holds them; `most` of each.

    readings : vehicle_id, at (µs UTC). Returns row (of readings, from 0), time, fuel_l.
    """
    rows = conn.execute(
        f"""
        SELECT a.row - 1, {_US.format("p.fix_time")}, p.fuel_l
        FROM unnest(%(vehicle)s::int[], %(at)s::bigint[]) WITH ORDINALITY AS a (vehicle_id, at, row)
        CROSS JOIN LATERAL (
            SELECT fix_time, fuel_l FROM position p
            WHERE p.vehicle_id = a.vehicle_id AND p.fuel_l <> 'NaN'
              AND p.fix_time BETWEEN to_timestamp((a.at - %(margin)s) / 1000000.0) AND to_timestamp((a.at + %(margin)s) / 1000000.0)
            ORDER BY fix_time LIMIT %(most)s
        ) p
        """,
        {
            "vehicle": readings["vehicle_id"].tolist(),
            "at": readings["at"].tolist(),
            "margin": margin_us,
            "most": most,
        },
    ).fetchall()
    return pd.DataFrame(rows, columns=["row", "time", "fuel_l"]).astype(
        {"row": "int64", "time": "int64", "fuel_l": "float64"}
    )


def read_months(conn: Connection[Any], from_day: int, to_day: int) -> pd.DataFrame:
    """Sums of the observed vehicle-days of [from_day, to_day] by vehicle and month, with unit, class and consumption."""
    rows = conn.execute(
        """
        SELECT m.vehicle_id, m.month, v.unit_id, v.class, m.distance_m, v.consumption_l_100km::numeric::float8
        FROM (SELECT vehicle_id, ((extract(year FROM day) - 1970) * 12 + extract(month FROM day) - 1)::int AS month,
                     sum(distance_m) AS distance_m
              FROM vehicle_day WHERE day BETWEEN %s AND %s AND positions > doubtful GROUP BY 1, 2) m
        JOIN vehicle v USING (vehicle_id) ORDER BY m.month, m.vehicle_id
        """,
        (day_date(from_day), day_date(to_day)),
    ).fetchall()
    names = ["vehicle_id", "month", "unit_id", "vehicle_class", "distance_m", "consumption_l_100km"]
    return pd.DataFrame(rows, columns=names).astype({"distance_m": "float64", "consumption_l_100km": "float64"})


def vehicle_classes(conn: Connection[Any]) -> Mapping[int, str]:
    """vehicle_id → class of every vehicle."""
    return dict(conn.execute("SELECT vehicle_id, class FROM vehicle").fetchall())


def _frame(rows: Sequence[Any], names: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(names))
    return frame.astype(
        {name: "int64" if name.endswith(("_time", "_id")) else "float64" for name in names if name != "kind"}
    )


def _span_arrays(spans: pd.DataFrame) -> tuple[Any, ...]:
    days = ([day_date(day) for day in spans[name].tolist()] for name in ("first", "last"))
    return (spans["vehicle_id"].tolist(), *days)


def _date(day: int | None) -> Any:
    return None if day is None else day_date(day)
