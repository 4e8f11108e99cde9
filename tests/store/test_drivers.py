"""Drivers and their cards: brought up to date, a card with one driver at a time."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import SECOND_US
from store.database import Database
from store.drivers import Driver, DriverCard, load_cards, load_drivers, put_cards, upsert_drivers
from store.fleet import Unit, UnknownReferenceError, upsert_units
from tests.store.rows import START

DAY_US = 86_400 * SECOND_US
LI, WANG = Driver("D1", "李", "office"), Driver("D2", "王", "office")
FIRST, THEN = DriverCard("C1", "D1", None, START), DriverCard("C1", "D2", START, None)


def register(conn: Connection[Any]) -> None:
    upsert_units(conn, [Unit("office", "处"), Unit("desk", "科")])
    assert upsert_drivers(conn, [LI, WANG]) == 2


def test_drivers_come_out_as_they_went_in_and_are_brought_up_to_date(database: Database) -> None:
    with database.connection() as conn:
        register(conn)
        before = load_drivers(conn)
        assert [replace(each, driver_id=0) for each in before] == [LI, WANG]
        upsert_drivers(conn, [replace(LI, name="李四", unit="desk")])
        assert load_drivers(conn) == [replace(before[0], name="李四", unit="desk"), before[1]]


def test_a_unit_or_driver_that_is_not_there_is_named(database: Database) -> None:
    with database.connection() as conn:
        register(conn)
    with pytest.raises(UnknownReferenceError, match="no unit has the code 'nowhere'"), database.connection() as conn:
        upsert_drivers(conn, [replace(LI, unit="nowhere")])
    with pytest.raises(UnknownReferenceError, match="no driver has the code 'D9'"), database.connection() as conn:
        put_cards(conn, [replace(FIRST, driver="D9")])


def test_a_card_changes_hands_without_a_gap(database: Database) -> None:
    with database.connection() as conn:
        register(conn)
        assert put_cards(conn, [replace(FIRST, valid_to=None)]) == []
        assert put_cards(conn, [THEN, FIRST]) == [], "in order of their beginnings, not of the rows"
        assert put_cards(conn, [FIRST, THEN]) == [], "again"
        assert load_cards(conn) == [FIRST, THEN]
        assert put_cards(conn, [replace(THEN, driver="D1", valid_to=START + DAY_US)]) == []
        assert load_cards(conn) == [FIRST, replace(THEN, driver="D1", valid_to=START + DAY_US)]


def test_a_card_that_has_a_driver_already_is_refused_and_the_rest_is_taken(database: Database) -> None:
    other, late = DriverCard("C2", "D2"), DriverCard("C1", "D2", START + DAY_US)
    with database.connection() as conn:
        register(conn)
        put_cards(conn, [FIRST, THEN])
        refused = put_cards(conn, [late, other])
        assert [(each.row, each.card, each.meets) for each in refused] == [(0, late, THEN)]
        assert load_cards(conn) == [FIRST, THEN, other]
    assert str(refused[0]) == (
        "card C1: expected one that no other period holds from 2026-03-03T00:00:00+08:00 until further notice, "
        "got one of driver D2 from 2026-03-02T00:00:00+08:00 until further notice"
    )


@pytest.mark.parametrize(
    ("valid", "error"),
    [
        ("[2026-03-02,2026-03-04)", None),
        ("[2026-03-03,2026-03-04)", psycopg.errors.ExclusionViolation),
        ("empty", psycopg.errors.CheckViolation),
        ("[2026-04-03,2026-04-04]", psycopg.errors.CheckViolation),
        ("(2026-04-03,2026-04-04)", psycopg.errors.CheckViolation),
    ],
)
def test_the_database_itself_keeps_periods_apart_and_half_open(
    database: Database, valid: str, error: type[Exception] | None
) -> None:
    insert = "INSERT INTO driver_card SELECT 'C1', driver_id, %s::tstzrange FROM driver WHERE code = 'D1'"
    with database.connection() as conn:
        register(conn)
    if error is None:
        with database.connection() as conn:
            conn.execute(insert, (valid,))
            assert len(load_cards(conn)) == 1
        return
    with database.connection() as conn:
        conn.execute(insert, ("[2026-03-02,2026-03-04)",))
    with pytest.raises(error), database.connection() as conn:
        conn.execute(insert, (valid,))
