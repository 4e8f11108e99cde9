"""Derived rows: replaced as a whole, flags that are withdrawn and come back, exports of a unit and all below it."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg import Connection

from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_date
from store.database import Database
from store.derived import (
    FLAG_COLUMNS,
    raise_flags,
    read_derived,
    replace_derived,
    summary,
)
from store.exemptions import Exemption, add_exemption
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.rule_versions import RuleText, remember_rules
from tests.store.rows import DAY, START

WHAT = ("trips", "stops", "vehicle-days", "flags")
HOUR_US = 3_600 * SECOND_US


def register(conn: Connection[Any]) -> Int32Array:
    """Three vehicles: of a bureau, of an office below it, and of another bureau."""
    upsert_units(
        conn,
        [
            Unit("bureau", "局"),
            Unit("office", "处", parent="bureau"),
            Unit("desk", "科", parent="office"),
            Unit("other", "他"),
        ],
    )
    units = ["bureau", "desk", "other"]
    upsert_vehicles(conn, [Vehicle(f"V{n}", f"粤A0000{n}", unit) for n, unit in enumerate(units)])
    return np.array([car.vehicle_id for car in load_vehicles(conn)], dtype=np.int32)


def tables(ids: Int32Array, day: int = DAY, metres: float = 1000.0) -> dict[str, pd.DataFrame]:
    """A trip, a stop and a vehicle-day of each vehicle."""
    start = START + (day - DAY) * 24 * HOUR_US
    many = len(ids)
    common = {"vehicle_id": ids, "day": np.full(many, day, dtype=np.int32)}
    span = {"start_time": np.full(many, start + HOUR_US), "end_time": np.full(many, start + 2 * HOUR_US)}
    lengths = {
        "distance_m": metres,
        "distance_low_m": metres - 10,
        "distance_high_m": metres + 10,
        "odometer_m": np.nan,
    }
    return {
        "trips": pd.DataFrame(
            {
                **common, **span, **lengths,
                "trip_id": [f"{vehicle}-{day}" for vehicle in ids], "start_lat": 23.1, "start_lon": 113.3,
                "end_lat": 23.2, "end_lon": 113.4, "duration_s": 3600.0, "moving_s": 3000.0, "max_speed_mps": np.nan,
                "off_hours_s": 60.0, "off_hours_m": 100.0, "gps_m": 1000.0, "out_of_area_s": 0.0, "out_of_area_m": 0.0,
                "dispatch_order": None, "origin_place": "天河", "destination_place": "", "private_score": 0.5,
                "night_share": [0.25, np.nan, np.inf][:many], "touches": "golf_course",
            }
        ),
        "stops": pd.DataFrame({**common, **span, "lat": 23.1, "lon": 113.3, "kind": "stop", "place": "base"}),
        "vehicle_days": pd.DataFrame(
            {
                **common, **lengths, "positions": 10, "doubtful": 1, "misplaced": 0, "trips": 1, "moving_s": 3000.0,
                "off_hours_m": 100.0, "out_of_area_m": 0.0, "gps_m": 1000.0, "gap_m": 0.0, "odometer_mark": "",
            }
        ),
    }  # fmt: skip


def flags(ids: Int32Array, day: int = DAY, level: str = "yellow") -> pd.DataFrame:
    rows = [
        (
            f"off-hours:{vehicle}-{day}", "off-hours", 1, level, "trip", f"{vehicle}-{day}", f"{vehicle}-{day}", vehicle, day,
            START + HOUR_US, START + 2 * HOUR_US, 20.0, "公务时间外使用", "used off hours",
            [{"name": "off_hours_s", "value": 60.0}], None,
        )
        for vehicle in ids.tolist()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FLAG_COLUMNS))


def fill(conn: Connection[Any]) -> Int32Array:
    ids = register(conn)
    replace_derived(conn, ids, DAY, DAY, **tables(ids))
    remember_rules(conn, [RuleText("off-hours", 1, "")])
    raise_flags(conn, ids, DAY, DAY, flags(ids))
    return ids


def flag_rows(conn: Connection[Any]) -> dict[int, tuple[Any, ...]]:
    rows = conn.execute("SELECT vehicle_id, raised_at, withdrawn_at, level FROM flag").fetchall()
    return {row[0]: row[1:] for row in rows}


def test_the_same_result_again_changes_nothing(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        before = [read_derived(conn, what, DAY, DAY) for what in WHAT]
        replace_derived(conn, ids, DAY, DAY, **tables(ids))
        assert raise_flags(conn, ids, DAY, DAY, flags(ids)) == 0
        for old, what in zip(before, WHAT, strict=True):
            assert len(old) == 3
            pd.testing.assert_frame_equal(read_derived(conn, what, DAY, DAY), old)


def test_only_the_vehicles_and_days_that_were_audited_are_replaced(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        replace_derived(conn, ids, DAY + 1, DAY + 1, **tables(ids, DAY + 1))
        nothing = {what: frame.iloc[:0] for what, frame in tables(ids).items()}
        replace_derived(conn, ids[:1], DAY, DAY, **nothing)
        for table in ("trip", "stop", "vehicle_day"):
            rows = conn.execute(f"SELECT vehicle_id, day FROM {table} ORDER BY day, vehicle_id").fetchall()
            first, second = day_date(DAY), day_date(DAY + 1)
            assert rows == [(vehicle, first) for vehicle in ids[1:]] + [(vehicle, second) for vehicle in ids]


def test_what_is_not_a_number_is_stored_as_absent(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        rows = conn.execute("SELECT odometer_m, max_speed_mps, features FROM trip ORDER BY vehicle_id").fetchall()
    assert [row[:2] for row in rows] == [(None, None)] * 3
    assert [row[2] for row in rows] == [
        {"night_share": share, "touches": "golf_course"} for share in (0.25, None, None)
    ]


def test_a_flag_found_again_keeps_when_it_was_raised(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        before = flag_rows(conn)
    with database.connection() as conn:
        assert raise_flags(conn, ids, DAY, DAY, flags(ids, level="red")) == 0
        after = flag_rows(conn)
    assert {vehicle: row[0] for vehicle, row in after.items()} == {vehicle: row[0] for vehicle, row in before.items()}
    assert {row[2] for row in after.values()} == {"red"}


def test_the_exemption_that_lifts_a_flag_comes_and_goes(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        number = add_exemption(conn, Exemption("市长", "抢险", vehicle="V0"))
        for lifted_by in (number, None):
            raise_flags(conn, ids, DAY, DAY, flags(ids).assign(exemption_id=pd.array([lifted_by, None, None], "Int64")))
            rows = conn.execute("SELECT exemption_id FROM flag ORDER BY vehicle_id").fetchall()
            assert rows == [(lifted_by,), (None,), (None,)]
            assert summary(conn)["flags"] == {"off-hours": 3 - (lifted_by is not None)}
            exported = read_derived(conn, "flags", DAY, DAY)["exemption"].tolist()
            assert exported == ["" if lifted_by is None else str(lifted_by), "", ""]
        assert raise_flags(conn, ids, DAY, DAY, flags(ids).drop(columns="exemption_id")) == 0


def test_a_flag_without_ground_is_withdrawn_and_comes_back(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        raised = flag_rows(conn)[ids[0]][0]
    with database.connection() as conn:
        assert raise_flags(conn, ids, DAY, DAY, flags(ids[1:])) == 0
        assert [flag_rows(conn)[vehicle][1] is None for vehicle in ids] == [False, True, True]
        assert read_derived(conn, "flags", DAY, DAY)["vehicle"].tolist() == ["V1", "V2"]
        assert summary(conn)["flags"] == {"off-hours": 2}
        withdrawn = flag_rows(conn)[ids[0]][1]
    with database.connection() as conn:
        raise_flags(conn, ids, DAY, DAY, flags(ids[1:]))
        assert flag_rows(conn)[ids[0]][1] == withdrawn, "withdrawn once, not each time"
        assert raise_flags(conn, ids, DAY, DAY, flags(ids)) == 0
        assert flag_rows(conn)[ids[0]] == (raised, None, "yellow")


def test_flags_of_other_vehicles_and_days_are_left_alone(database: Database) -> None:
    with database.connection() as conn:
        ids = fill(conn)
        assert raise_flags(conn, ids, DAY + 1, DAY + 1, flags(ids, DAY + 1)) == 3
        raise_flags(conn, ids[:1], DAY, DAY, flags(ids[:0]))
        withdrawn = conn.execute("SELECT flag_id FROM flag WHERE withdrawn_at IS NOT NULL").fetchall()
    assert withdrawn == [(f"off-hours:{ids[0]}-{DAY}",)]


@pytest.mark.parametrize(
    ("unit", "seen"),
    [
        (None, ["V0", "V1", "V2"]),
        ("bureau", ["V0", "V1"]),
        ("office", ["V1"]),
        ("desk", ["V1"]),
        ("other", ["V2"]),
        ("nowhere", []),
    ],
)
def test_an_export_holds_a_unit_and_all_below_it(database: Database, unit: str | None, seen: list[str]) -> None:
    with database.connection() as conn:
        fill(conn)
        for what in ("trips", "stops", "vehicle-days", "flags"):
            assert sorted(read_derived(conn, what, DAY, DAY, unit)["vehicle"]) == seen
        assert sorted(read_derived(conn, what, DAY + 1, DAY + 9, unit).shape[0] for what in WHAT) == [0] * len(WHAT)


def test_exported_times_are_local_and_aware(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        start = read_derived(conn, "trips", DAY, DAY)["start_time"].iloc[0]
    assert start.utcoffset() == timedelta(hours=8)
    assert (start.hour, start.date()) == (1, day_date(DAY))
