"""Positions for the tests of the store: made by hand or by hypothesis, and compared as sets of rows."""

from datetime import date
from typing import Any

import numpy as np
import psycopg
from hypothesis import strategies as st
from psycopg import Connection

from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_number, day_start_us
from geo.positions import DTYPES, Positions, Status
from store.fleet import ensure_vehicle

DAY = day_number(date(2026, 3, 2))
START = day_start_us(DAY)
GOOD = int(Status.FIX_VALID | Status.GPS)


def positions(fix_time: Any, **columns: Any) -> Positions:
    """A batch with these fix times (µs UTC) and, where they are not given, one vehicle in one place, received at once."""
    when = np.atleast_1d(np.asarray(fix_time, dtype=np.int64))
    given = {
        "vehicle_ix": 0,
        "lat_e7": 231_291_000,
        "lon_e7": 1_132_644_000,
        "speed_mps": 10.0,
        "course_deg": 90.0,
        "odometer_m": 1000,
        "fuel_l": 40.0,
        "altitude_m": 20,
        "satellites": 11,
        "status": GOOD,
        "received_at": when + SECOND_US,
        **columns,
    }
    full = {name: np.broadcast_to(np.asarray(value), when.shape) for name, value in given.items()}
    return Positions.from_columns(len(when), fix_time=when, **full)


def at(*seconds: float, **columns: Any) -> Positions:
    """Positions so many seconds after the beginning of DAY."""
    return positions([START + round(second * SECOND_US) for second in seconds], **columns)


def some_positions(rows: int, vehicles: int = 3, seed: int = 1, day: int = DAY) -> Positions:
    """Positions over one local day, no two of a vehicle at the same time, not everything sent."""
    rng = np.random.default_rng(seed)
    when = day_start_us(day) + rng.choice(86_400, rows, replace=False) * SECOND_US
    return positions(
        when,
        vehicle_ix=rng.integers(0, vehicles, rows),
        lat_e7=231_291_000 + rng.integers(-10_000, 10_000, rows),
        lon_e7=1_132_644_000 + rng.integers(-10_000, 10_000, rows),
        speed_mps=np.where(rng.random(rows) < 0.2, np.nan, rng.random(rows) * 30),
        odometer_m=rng.integers(0, 10_000, rows),
        status=np.where(rng.random(rows) < 0.1, 0, GOOD),
    )


def vehicles(conn: Connection[Any], count: int = 3) -> Int32Array:
    """vehicle_id of so many vehicles, made where they are not there."""
    return np.array([ensure_vehicle(conn, f"粤A{number:05}") for number in range(count)], dtype=np.int32)


def person(conn: Connection[Any], name: str = "inspector") -> int:
    """user_id of an inspector who is made for it."""
    row = conn.execute(
        "INSERT INTO app_user (name, role, password_hash) VALUES (%s, 'inspector', '-') RETURNING user_id", (name,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def as_set(batch: Positions, vehicle_ids: Int32Array) -> set[tuple[Any, ...]]:
    """Rows as tuples, NaN equal to NaN; asserts that no row stands twice."""
    columns = [vehicle_ids[batch.vehicle_ix].tolist()]
    for name in DTYPES:
        if name != "vehicle_ix":
            column = getattr(batch, name)
            columns.append((column.view(np.int32) if column.dtype == np.float32 else column).tolist())
    rows = list(zip(*columns, strict=True))
    found = set(rows)
    assert len(found) == len(rows), "a row stands twice"
    return found


def stored(conn: Connection[Any]) -> list[tuple[Any, ...]]:
    """Everything in the table, in order of key, with each row's own version; NaN as text, so that it equals itself."""
    rows = conn.execute("SELECT *, xmin FROM position ORDER BY vehicle_id, fix_time, variant").fetchall()
    return [tuple(str(value) if isinstance(value, float) else value for value in row) for row in rows]


def count(conn: Connection[Any], table: str) -> int:
    """Rows of a table."""
    row = conn.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


# Few vehicles, times and contents, so that repetitions and meetings at one key are the rule.
reports = st.lists(
    st.fixed_dictionaries(
        {
            "vehicle_ix": st.integers(0, 1),
            "fix_time": st.sampled_from([START - SECOND_US, START, START + SECOND_US, START + 90_000 * SECOND_US, 0]),
            "speed_mps": st.sampled_from([0.0, -0.0, 12.5, float("nan")]),
            "odometer_m": st.sampled_from([-1, 7]),
            "status": st.sampled_from([0, GOOD, GOOD | int(Status.LATE), GOOD | int(Status.TELEPORT)]),
            "received_at": st.sampled_from([START + n * SECOND_US for n in (1, 2, 90_001)]),
        }
    ),
    min_size=1,
    max_size=14,
)


def batch_of(rows: list[dict[str, Any]]) -> Positions:
    """The batch of what `reports` draws."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return positions(columns.pop("fix_time"), **columns)
