"""Terminals in vehicles over time: no two at once, nothing changed that was said already, and old databases go on."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.errors import CheckViolation, ExclusionViolation

from geo.localtime import SECOND_US, to_datetime
from store.bindings import (
    Binding,
    BindingError,
    Bound,
    _with,
    bind,
    bind_all,
    binding_revision,
    bindings_of,
    end,
    load_bindings,
)
from store.database import MIGRATIONS, Database, migrate
from store.fleet import (
    Terminal,
    Unit,
    Vehicle,
    load_terminals,
    load_vehicles,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
)
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres
from store.terminals import authenticate_terminal, register_terminal
from tests.store.rows import START as MONDAY
from tests.store.rows import at as positions_at

NO, KEY = "013900000001", "13900000001"
HOUR_US = 3600 * SECOND_US


def fleet(conn: Connection[Any], *terminals: Terminal) -> dict[str, int]:
    upsert_units(conn, [Unit("U", "局")])
    upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(4)])
    upsert_terminals(conn, terminals or [Terminal(NO, "V0", "jt808")])
    return {car.code: car.vehicle_id for car in load_vehicles(conn)}


def history(conn: Connection[Any], number: str = NO) -> list[tuple[str, int | None, int | None]]:
    return [(each.vehicle, each.since, each.until) for each in load_bindings(conn, [number])]


def test_the_first_binding_has_no_beginning_unless_one_is_said(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, Terminal(NO, "V0", "jt808"), Terminal("N1", "V1", "nmea", since=MONDAY))
        assert history(conn) == [("V0", None, None)]
        assert history(conn, "N1") == [("V1", MONDAY, None)]


def test_binding_to_another_vehicle_ends_one_binding_where_the_next_begins(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn)
        assert bind(conn, NO, "V1", MONDAY) == Bound(changed=True, since=MONDAY)
        assert bind(conn, "000" + KEY, "V2", MONDAY + HOUR_US).changed
        assert history(conn) == [
            ("V0", None, MONDAY),
            ("V1", MONDAY, MONDAY + HOUR_US),
            ("V2", MONDAY + HOUR_US, None),
        ]
        assert [(each.terminal_no, each.vehicle) for each in load_terminals(conn)] == [(NO, "V2")]


def test_what_holds_already_changes_nothing(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn)
        bind(conn, NO, "V1", MONDAY)
        before, revision = history(conn), binding_revision(conn)
        again = [bind(conn, NO, "V1"), bind(conn, NO, "V1", MONDAY), bind(conn, NO, "V1", MONDAY + 5)]
        assert again == [Bound(changed=False, since=MONDAY)] * 3
        assert not bind(conn, NO, "V0", MONDAY - 1).changed, "it was in that one then"
        upsert_terminals(conn, [Terminal(NO, "V1", "jt808"), Terminal(NO, "V0", "jt808", since=MONDAY - 1)])
        assert (history(conn), binding_revision(conn)) == (before, revision)


@pytest.mark.parametrize(("vehicle", "since"), [("V2", MONDAY), ("V2", MONDAY - 1), ("V1", MONDAY - 1), ("V2", 0)])
def test_a_start_that_would_overlap_an_earlier_binding_is_refused_by_name(
    database: Database, vehicle: str, since: int
) -> None:
    with database.connection() as conn:
        fleet(conn)
        bind(conn, NO, "V1", MONDAY)
        before = history(conn)
        with pytest.raises(BindingError, match=rf"terminal {NO}: expected a start after 2026-.*bound to V1, got"):
            bind(conn, NO, vehicle, since)
        assert history(conn) == before


def test_a_start_is_corrected_back_into_time_without_a_vehicle(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn)
        assert end(conn, NO, MONDAY)
        bind(conn, NO, "V1", MONDAY + 9 * HOUR_US)
        assert bind(conn, NO, "V1", MONDAY + 8 * HOUR_US) == Bound(changed=True, since=MONDAY + 8 * HOUR_US)
        assert bind(conn, NO, "V1", MONDAY).changed
        with pytest.raises(BindingError, match="expected a start after"):
            bind(conn, NO, "V1", MONDAY - 1)
        assert history(conn) == [("V0", None, MONDAY), ("V1", MONDAY, None)]


def test_a_binding_ends_once_and_after_it_began(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, Terminal(NO, "V0", "jt808", since=MONDAY))
        with pytest.raises(BindingError, match=r"expected an end after 2026-.*V0"):
            end(conn, NO, MONDAY)
        assert end(conn, KEY, MONDAY + 1)
        assert not end(conn, NO, MONDAY + 1)
        assert not end(conn, NO)
        assert history(conn) == [("V0", MONDAY, MONDAY + 1)]
        assert [(each.vehicle, each.vehicle_id) for each in load_terminals(conn)] == [("", 0)]


def test_who_is_not_there_is_named(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn)
        for number, vehicle, said in ((NO, "V9", "no vehicle has the code 'V9'"), ("404", "V1", "'404'")):
            with pytest.raises(BindingError, match=said):
                bind(conn, number, vehicle)
        with pytest.raises(BindingError, match="no terminal is registered with the number '404'"):
            end(conn, "404")


def test_a_terminal_in_no_vehicle_is_answered_as_a_stranger(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn)
        code = register_terminal(conn, NO)
        assert code
        assert authenticate_terminal(conn, NO, code)
        end(conn, NO)
        assert (register_terminal(conn, NO), authenticate_terminal(conn, NO, code)) == (None, None)
        bind(conn, NO, "V1")
        assert register_terminal(conn, NO) == code


def test_two_terminals_may_be_in_one_vehicle(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, Terminal(NO, "V0", "jt808"), Terminal("N1", "V0", "nmea"))
        assert {each.vehicle for each in load_terminals(conn)} == {"V0"}


def test_the_database_itself_refuses_a_terminal_in_two_vehicles_at_once(database: Database) -> None:
    insert = "INSERT INTO terminal_binding (terminal_no, vehicle_id, valid) VALUES (%s, %s, %s::tstzrange)"
    with database.connection() as conn:
        ids = fleet(conn)
        bind(conn, NO, "V1", MONDAY)
        end(conn, NO, MONDAY + HOUR_US)
        at = [to_datetime(MONDAY + hours * HOUR_US).isoformat() for hours in range(3)]
        for span in (f"[{at[0]},{at[1]})", "[,)", f"[{at[0]},)", f"[,{at[1]})"):
            with pytest.raises(ExclusionViolation), conn.transaction():
                conn.execute(insert, (NO, ids["V2"], span))
        for span in ("empty", f"[{at[1]},{at[2]}]", f"({at[1]},{at[2]})"):
            with pytest.raises(CheckViolation), conn.transaction():
                conn.execute(insert, (NO, ids["V2"], span))
        conn.execute(insert, (NO, ids["V2"], f"[{at[1]},{at[2]})"))


def test_whoever_binds_in_the_past_is_told_what_stays_with_the_vehicle_before(database: Database) -> None:
    with database.connection() as conn:
        ids = fleet(conn)
        merge_positions(conn, positions_at(*range(10)), np.array([ids["V0"]], dtype=np.int32))
        merge_positions(conn, positions_at(*range(10)), np.array([ids["V3"]], dtype=np.int32))
        third = MONDAY + 3 * SECOND_US
        assert bind(conn, NO, "V1", third) == Bound(changed=True, since=third, filed_elsewhere=7)
        assert bind(conn, NO, "V1", third).filed_elsewhere == 0
        end(conn, NO, third + 4 * SECOND_US)
        assert bind(conn, NO, "V3", third + 5 * SECOND_US).filed_elsewhere == 0, "it was in no vehicle then"
        kept = conn.execute("SELECT vehicle_id, count(*) FROM position GROUP BY 1 ORDER BY 1").fetchall()
        assert kept == [(ids["V0"], 10), (ids["V3"], 10)]


def test_a_history_may_be_said_in_one_go(database: Database) -> None:
    with database.connection() as conn:
        ids = fleet(conn, Terminal(NO, "", "jt808"))
        assert bindings_of(conn, KEY) == []
        steps = [(NO, ids["V0"], MONDAY), (NO, ids["V1"], MONDAY + 5), (NO, ids["V0"], MONDAY + 9)]
        assert [each.changed for each in bind_all(conn, steps)] == [True] * 3
        assert [each.changed for each in bind_all(conn, steps)] == [False] * 3
        assert history(conn) == [("V0", MONDAY, MONDAY + 5), ("V1", MONDAY + 5, MONDAY + 9), ("V0", MONDAY + 9, None)]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.one_of(st.none(), st.integers(0, 20)), st.booleans()), min_size=1, max_size=8
    )
)
def test_bindings_stay_apart_and_each_that_is_taken_holds(steps: Sequence[tuple[int, int | None, bool]]) -> None:
    bound: list[Binding] = []
    for vehicle, at, ends in steps:
        if bound and at is None:
            continue
        try:
            changed = _with(bound, NO, vehicle, at)
        except BindingError:
            continue
        probe = 0 if at is None else at
        assert [each.vehicle_id for each in changed if each.holds_at(probe)] == [vehicle]
        for instant in range(-1, 23):
            holding = [each.vehicle_id for each in changed if each.holds_at(instant)]
            assert len(holding) <= 1
            if instant < probe and any(each.holds_at(instant) for each in bound):
                assert holding == [each.vehicle_id for each in bound if each.holds_at(instant)], "the past stays"
        bound = changed
        if ends and bound[-1].until is None and (bound[-1].since or 0) < 20:
            last = bound[-1]
            bound = [*bound[:-1], Binding(NO, last.vehicle_id, last.since, (last.since or 0) + 1)]


def test_a_database_from_before_goes_on_with_its_terminals_bound_as_they_were(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    for path in MIGRATIONS.glob("000[1-8]_*.sql"):
        shutil.copy(path, tmp_path)
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE before_bindings")
    try:
        with psycopg.connect(postgres.conninfo, dbname="before_bindings") as conn:
            migrate(conn, tmp_path)
            conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U', '局')")
            conn.execute(
                """
                INSERT INTO vehicle (code, plate, unit_id)
                SELECT v.code, v.code, unit_id FROM unit, (VALUES ('V0'), ('V1')) AS v(code)
                """
            )
            conn.execute(
                """
                INSERT INTO terminal (terminal_no, vehicle_id, protocol, datum, auth_code)
                SELECT no, vehicle_id, 'jt808', 'gcj02', 'secret' FROM vehicle
                JOIN (VALUES ('01', 'V0'), ('02', 'V1'), ('03', 'V1')) AS t(no, code) USING (code)
                """
            )
            conn.commit()
            assert migrate(conn)[0] == "0009_bindings"
            found = [(box.terminal_no, box.vehicle, box.datum) for box in load_terminals(conn)]
            assert found == [("01", "V0", "gcj02"), ("02", "V1", "gcj02"), ("03", "V1", "gcj02")]
            assert [(each.since, each.until) for each in load_bindings(conn)] == [(None, None)] * 3
            assert authenticate_terminal(conn, "1", "secret")
            bind(conn, "1", "V1", MONDAY)
            assert history(conn, "01") == [("V0", None, MONDAY), ("V1", MONDAY, None)]
            conn.rollback()
    finally:
        with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
            conn.execute("DROP DATABASE before_bindings WITH (FORCE)")


@pytest.mark.parametrize("table", ["terminal", "terminal_binding", "bound_terminal"])
def test_every_column_says_what_it_holds(database: Database, table: str) -> None:
    with database.connection() as conn:
        silent = conn.execute(
            """
            SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
                AND col_description(attrelid, attnum) IS NULL
            """,
            (table,),
        ).fetchall()
        described = conn.execute("SELECT obj_description(%s::regclass)", (table,)).fetchone()
    assert silent == []
    assert described != (None,)
