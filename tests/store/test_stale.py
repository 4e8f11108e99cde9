"""Marks of vehicle-days that wait for an audit: taken as they were seen, and no newer ones."""

from typing import Any

import numpy as np
from psycopg import Connection

from geo.localtime import day_date
from store.database import Database
from store.stale import MARK, take_waiting, waiting_days
from tests.store.rows import DAY, count, vehicles


def mark(conn: Connection[Any], vehicle: int, day: int) -> None:
    conn.execute(f"INSERT INTO stale_day (vehicle_id, day) VALUES (%s, %s) {MARK}", (vehicle, day_date(day)))


def test_days_wait_for_an_audit_until_it_is_stored(database: Database) -> None:
    with database.connection() as conn:
        ids = vehicles(conn)
        assert waiting_days(conn).runs() == []
        assert len(waiting_days(conn, DAY, DAY)) == 0
        for day in (DAY, DAY + 3):
            for vehicle in ids.tolist():
                mark(conn, vehicle, day)
        assert waiting_days(conn).runs() == [(DAY, DAY), (DAY + 3, DAY + 3)]
        take_waiting(conn, waiting_days(conn, DAY, DAY + 2))
        assert waiting_days(conn).runs() == [(DAY + 3, DAY + 3)]
        take_waiting(conn, waiting_days(conn, DAY, DAY + 3).of(ids[:2]))
        assert count(conn, "stale_day") == 1


def test_marks_are_chosen_by_vehicle(database: Database) -> None:
    with database.connection() as conn:
        ids = vehicles(conn)
        for vehicle in ids.tolist():
            mark(conn, vehicle, DAY)
        waiting = waiting_days(conn, DAY, DAY)
        assert waiting.day.tolist() == [DAY] * 3
        assert waiting.of(ids[1:]).vehicle_id.tolist() == ids[1:].tolist()
        assert waiting.of(ids[1:2]).vehicle_id.tolist() == [ids[1]]
        assert waiting.without(ids[1:2]).revision.tolist() == waiting.revision[[0, 2]].tolist()
        assert len(waiting.of(np.empty(0, dtype=np.int32))) == 0


def test_marks_are_chosen_by_runs_of_days(database: Database) -> None:
    with database.connection() as conn:
        ids = vehicles(conn)
        for vehicle, day in zip(ids.tolist(), (DAY, DAY + 1, DAY + 9), strict=True):
            mark(conn, vehicle, day)
        waiting = waiting_days(conn)
    assert waiting.runs() == [(DAY, DAY + 1), (DAY + 9, DAY + 9)]
    assert [waiting.on(*run).vehicle_id.tolist() for run in waiting.runs()] == [ids[:2].tolist(), ids[2:].tolist()]


def test_a_mark_set_again_since_it_was_seen_stays(database: Database) -> None:
    with database.connection() as conn:
        ids = vehicles(conn)
        for vehicle in ids.tolist():
            mark(conn, vehicle, DAY)
        seen = waiting_days(conn, DAY, DAY)
        mark(conn, int(ids[1]), DAY)
        mark(conn, int(ids[0]), DAY + 1)
        take_waiting(conn, seen)
        left = waiting_days(conn, DAY, DAY + 1)
    assert list(zip(left.vehicle_id, left.day, strict=True)) == [(ids[0], DAY + 1), (ids[1], DAY)]


def test_a_mark_that_another_audit_took_is_set_again(database: Database) -> None:
    with database.connection() as conn:
        mark(conn, int(vehicles(conn)[0]), DAY)
        seen = waiting_days(conn, DAY, DAY)
        take_waiting(conn, seen)
        assert waiting_days(conn).runs() == []
        take_waiting(conn, seen)
        again = waiting_days(conn, DAY, DAY)
    assert np.array_equal(again.vehicle_id, seen.vehicle_id)
    assert again.revision > seen.revision
