"""Seals of vehicles: one at a time, ended once, and the closed days they touch are audited again."""

from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import DAY_US, day_date, to_datetime
from store.database import Database
from store.records import changed_days
from store.seals import (
    Seal,
    SealError,
    SealTime,
    first_sealed_day,
    load_seals,
    read_seals,
    seal_vehicles,
    unseal_vehicles,
)
from tests.store.rows import DAY, START, count, person, vehicles

HOLIDAY = Seal(START, "国庆", "车位 3", "老王")
WEEK = START + 7 * DAY_US


def closed_days(conn: Connection[Any], vehicle_id: int, *days: int) -> None:
    """Vehicle-days that stand and were sealed in the archive."""
    for day in days:
        conn.execute(
            "INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, misplaced, trips, distance_m, distance_low_m,"
            " distance_high_m, gps_m, gap_m, odometer_mark, moving_s, off_hours_m, out_of_area_m)"
            " VALUES (%s, %s, 9, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0)",
            (vehicle_id, day_date(day)),
        )
        conn.execute(
            "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, 1, %s, 9, 'p')"
            " ON CONFLICT DO NOTHING",
            (day_date(day), vehicle_id // 512, day),
        )


def stale(conn: Connection[Any]) -> list[tuple[int, int]]:
    rows = conn.execute("DELETE FROM stale_day RETURNING vehicle_id, day - %s::date", (day_date(DAY),)).fetchall()
    return sorted(rows)


def test_a_seal_holds_from_its_beginning_and_until_it_is_ended(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        first, second = seal_vehicles(conn, HOLIDAY, {one: 50_000, other: None}, person(conn))
        assert list(load_seals(conn, START + DAY_US, WEEK)) == [
            SealTime(one, START, None),
            SealTime(other, START, None),
        ]
        assert unseal_vehicles(conn, WEEK, {first: 50_400}) == [one]
        assert list(load_seals(conn, WEEK, WEEK + 1)) == [SealTime(other, START, None)]
        rows = read_seals(conn, DAY, DAY)
        assert rows["seal_id"].tolist() == [first, second]
        assert rows["unsealed_at"].tolist() == [WEEK, 2**63 - 1]
        assert rows["unsealed_odometer_m"].tolist()[0] == 50_400
        assert first_sealed_day(conn, DAY + 5, DAY + 6) == DAY
        assert first_sealed_day(conn, DAY - 5, DAY - 1) == DAY - 5


def test_a_vehicle_has_one_seal_at_a_time_and_none_of_several_is_taken_alone(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        (first,) = seal_vehicles(conn, HOLIDAY, {one: None})
        with pytest.raises(SealError, match="粤A00000: expected no other seal"), conn.transaction():
            seal_vehicles(conn, Seal(START + DAY_US, "again"), {other: None, one: None})
        assert count(conn, "vehicle_seal") == 1
        unseal_vehicles(conn, WEEK, {first: None})
        assert len(seal_vehicles(conn, Seal(WEEK, "next"), {one: None})) == 1


def test_a_seal_entered_by_mistake_is_ended_as_it_began_and_holds_no_time(database: Database) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        (wrong,) = seal_vehicles(conn, HOLIDAY, {one: None})
        unseal_vehicles(conn, START, {wrong: None})
        (right,) = seal_vehicles(conn, HOLIDAY, {one: None})
        assert list(load_seals(conn, START, WEEK)) == [SealTime(one, START, None)]
        assert read_seals(conn, DAY, DAY)["seal_id"].tolist() == [right]


def test_what_cannot_be_an_end_is_named(database: Database) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        with pytest.raises(SealError, match="reason: expected a text"):
            seal_vehicles(conn, Seal(START, " "), {one: None})
        (seal_id,) = seal_vehicles(conn, HOLIDAY, {one: 50_000})
        for at, odometers, named in (
            (START - 1, {seal_id: None}, "expected a time from 2026-03-02T00:00:00"),
            (WEEK, {seal_id: 49_999}, "expected at least 50 km as at the sealing, got 49.999 km"),
            (WEEK, {seal_id + 1: None}, "expected one that holds, got none"),
        ):
            with pytest.raises(SealError, match=named):
                unseal_vehicles(conn, at, odometers)
        unseal_vehicles(conn, WEEK, {seal_id: None})
        with pytest.raises(SealError, match="got one that ended"):
            unseal_vehicles(conn, WEEK, {seal_id: None})


def test_closed_days_are_audited_again_from_the_sealing_and_from_its_end_on(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        closed_days(conn, one, DAY - 1, DAY, DAY + 1, DAY + 8)
        closed_days(conn, other, DAY)
        (seal_id,) = seal_vehicles(conn, HOLIDAY, {one: None})
        assert stale(conn) == [(one, 0), (one, 1), (one, 8)]
        unseal_vehicles(conn, WEEK, {seal_id: None})
        assert stale(conn) == [(one, 8)]
        assert changed_days(conn)[1] == [DAY]


def test_the_bay_is_a_zone_where_its_code_is_one(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        conn.execute(
            "INSERT INTO zone (code, kind, name_zh, name_en, geometry) VALUES ('B1', 'base', '院', 'Yard', '{}')"
        )
        seal_vehicles(conn, Seal(START, "r", "B1"), {one: None})
        seal_vehicles(conn, Seal(START, "r", "B2"), {other: None})
        rows = conn.execute("SELECT bay_zone_id IS NULL, bay FROM vehicle_seal ORDER BY seal_id").fetchall()
        assert rows == [(False, ""), (True, "B2")]


@pytest.mark.parametrize(
    "change",
    ["UPDATE vehicle_seal SET reason = 'x'", "UPDATE vehicle_seal SET unsealed_at = now()", "DELETE FROM vehicle_seal"],
)
def test_a_seal_is_not_changed_but_ended_once(database: Database, change: str) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        (seal_id,) = seal_vehicles(conn, HOLIDAY, {one: None})
        unseal_vehicles(conn, WEEK, {seal_id: None})
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute(change.encode())
    with database.connection() as conn:
        assert conn.execute("SELECT unsealed_at FROM vehicle_seal").fetchone() == (to_datetime(WEEK),)
