"""The live hours and days equal a recount of the positions, however these came; the open hour is always among them."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from geo.localtime import DAY_US, SECOND_US, to_us
from geo.positions import Positions
from store import rollups
from store.database import Database
from store.live_views import COLUMNS, HOUR, SUMS
from store.positions import merge_positions
from store.rollups import refresh
from store.upkeep import compress
from tests.store.rows import DAY, START, at, batch_of, count, positions, reports, some_positions, vehicles

HOUR_S = 3_600
NOON = START + 12 * HOUR_S * SECOND_US


def merge(database: Database, batch: Positions) -> None:
    with database.connection() as conn:
        merge_positions(conn, batch, vehicles(conn))


def live(conn: Connection[Any], view: str) -> list[tuple[Any, ...]]:
    start = "day_start" if view == "live_vehicle_day" else "hour"
    query = f"SELECT vehicle_id, {start}, {', '.join(COLUMNS)} FROM {view} ORDER BY 1, 2"
    return conn.execute(query.encode()).fetchall()


def recount(conn: Connection[Any], bucket: str) -> list[tuple[Any, ...]]:
    query = f"SELECT vehicle_id, {bucket}, {SUMS} FROM position GROUP BY 1, 2 ORDER BY 1, 2"
    return conn.execute(query.encode()).fetchall()


def assert_live_equals_recount(database: Database) -> None:
    with database.connection() as conn:
        assert live(conn, "live_vehicle_hour") == recount(conn, HOUR)
        assert live(conn, "live_vehicle_day") == recount(conn, HOUR.replace("1 hour", "1 day"))


def test_the_open_hour_is_there_before_any_refresh_and_after(database: Database) -> None:
    merge(database, some_positions(500))
    assert_live_equals_recount(database)
    refresh(database, NOON + 5)
    assert_live_equals_recount(database)
    merge(database, at(12 * HOUR_S + 7, 20 * HOUR_S + 3))
    assert_live_equals_recount(database)


def test_a_late_position_counts_after_the_next_refresh(database: Database) -> None:
    merge(database, at(9 * HOUR_S, 10 * HOUR_S))
    assert refresh(database, NOON).marks == 0
    merge(database, at(9 * HOUR_S + 1, vehicle_ix=2))
    with database.connection() as conn:
        assert len(live(conn, "live_vehicle_hour")) == 2
    assert refresh(database, NOON).marks == 1
    assert_live_equals_recount(database)
    assert refresh(database, NOON).marks == 0


def test_sums_say_what_was_sent(database: Database) -> None:
    batch = at(0, 10, 20, 30, speed_mps=[1.5, 1.4, float("nan"), 40.0], odometer_m=[-1, 7, 9, -1], status=[1, 1, 1, 0])
    merge(database, batch)
    for _ in range(2):
        with database.connection() as conn:
            ((_, _, positions_, fixes, moving, fastest, first, last, low, high),) = live(conn, "live_vehicle_hour")
        assert (positions_, fixes, moving, fastest, low, high) == (4, 3, 1, 1.5, 7, 9)
        assert (to_us(first), to_us(last)) == (START, START + 30 * SECOND_US)
        refresh(database, NOON)


def test_wild_clocks_are_summed_like_all_others(database: Database) -> None:
    wild = [to_us(datetime(year, 1, 6, tzinfo=UTC)) for year in (2, 1980, 2099, 9998)]
    merge(database, positions([*wild, START], received_at=START))
    refresh(database, NOON)
    merge(database, positions([when + SECOND_US for when in wild], received_at=START))
    refresh(database, NOON)
    assert_live_equals_recount(database)


def test_hours_are_not_summed_while_a_writer_may_not_know_that_they_are(database: Database) -> None:
    """Its mark would be missing: it read the limit before it moved."""
    merge(database, at(9 * HOUR_S))
    with database.connection() as conn:
        merge_positions(conn, at(9 * HOUR_S + 30), vehicles(conn))
        before = refresh(database, NOON)
        assert before.stored_before_us < START
    assert_live_equals_recount(database)
    assert refresh(database, NOON).stored_before_us == NOON
    assert_live_equals_recount(database)


def test_a_mark_set_while_its_hour_is_summed_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(database, at(9 * HOUR_S))
    refresh(database, NOON)
    merge(database, at(9 * HOUR_S + 1))
    taken = rollups._Refresh._take_marks
    ready = threading.Event()

    def slowly(self: Any, stored: int) -> int:
        if not ready.is_set():
            ready.set()
            execute = self._conn.execute

            def late(query: Any, *rest: Any) -> Any:
                if "DELETE FROM stale_hour" in str(query):
                    self._conn.execute = execute
                    merge(database, at(9 * HOUR_S + 2))
                return execute(query, *rest)

            self._conn.execute = late
        return taken(self, stored)

    monkeypatch.setattr(rollups._Refresh, "_take_marks", slowly)
    refresh(database, NOON)
    assert ready.is_set()
    refresh(database, NOON)
    assert_live_equals_recount(database)
    with database.connection() as conn:
        assert count(conn, "stale_hour") == 0


def test_sums_hold_over_compression_and_late_rows_into_it(database: Database) -> None:
    merge(database, some_positions(2_000))
    refresh(database, START + DAY_US)
    compress(database, DAY + 30, 7)
    merge(database, some_positions(300, seed=5))
    refresh(database, START + DAY_US)
    assert_live_equals_recount(database)
    compress(database, DAY + 30, 7)
    assert_live_equals_recount(database)


@given(pieces=st.lists(st.tuples(reports, st.integers(-2, 30), st.booleans()), min_size=1, max_size=4))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_coming_and_refreshing_ends_in_a_recount(
    database: Database, pieces: list[tuple[list[dict[str, float]], int, bool]]
) -> None:
    now = START
    for rows, hours, refreshes in pieces:
        merge(database, batch_of(rows))
        now = max(now, START + hours * HOUR_S * SECOND_US)
        if refreshes:
            refresh(database, now)
    refresh(database, now)
    assert_live_equals_recount(database)


def test_units_add_up_their_own_vehicles(database: Database) -> None:
    merge(database, at(0, 10, 20, vehicle_ix=[0, 0, 1], speed_mps=[10.0, 10.0, 0.0]))
    with database.connection() as conn:
        for view in ("live_unit_hour", "live_unit_day"):
            query = f"SELECT vehicles, vehicles_moving, positions, moving FROM {view}"
            assert conn.execute(query.encode()).fetchall() == [(2, 1, 3, 2)]


def test_every_view_and_column_of_it_says_what_it_is(database: Database) -> None:
    with database.connection() as conn:
        rows = conn.execute(
            """
            SELECT c.relname, a.attname FROM pg_class c LEFT JOIN pg_attribute a
                ON a.attrelid = c.oid AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL
            WHERE c.relname LIKE 'live\\_%' AND c.relkind = 'v'
              AND (a.attname IS NOT NULL OR obj_description(c.oid, 'pg_class') IS NULL)
            """
        ).fetchall()
        known = conn.execute("SELECT count(*) FROM pg_views WHERE viewname LIKE 'live\\_%'").fetchone()
    assert rows == []
    assert known == (4,)
