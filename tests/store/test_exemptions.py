"""Exemptions: of a vehicle or a unit, with approver, reason and time; entered once, never changed."""

from dataclasses import replace

import psycopg
import pytest

from geo.localtime import SECOND_US
from store.database import Database
from store.exemptions import Exemption, ExemptionError, add_exemption, load_exemptions
from store.fleet import UnknownReferenceError
from tests.store.rows import START, person, vehicles

DAY_US = 86_400 * SECOND_US
OF_VEHICLE = Exemption("市长", "抢险", vehicle="粤A00000", rule="no-card", valid_from=START, valid_to=START + DAY_US)
OF_UNIT = Exemption("局长", "机要通信", unit="unassigned")


def test_exemptions_come_out_as_they_went_in(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        numbers = [add_exemption(conn, OF_VEHICLE), add_exemption(conn, OF_UNIT)]
        found = load_exemptions(conn, START, START + 1)
        assert [replace(each, entered_at=None) for each in found] == [
            replace(each, exemption_id=number) for each, number in zip((OF_VEHICLE, OF_UNIT), numbers, strict=True)
        ]
        assert all(each.entered_at is not None for each in found)


@pytest.mark.parametrize(
    ("from_us", "to_us", "found"),
    [
        (START - DAY_US, START, False),
        (START - DAY_US, START + 1, True),
        (START + DAY_US - 1, START + 2 * DAY_US, True),
        (START + DAY_US, START + 2 * DAY_US, False),
    ],
)
def test_exemptions_are_found_by_the_time_they_hold(database: Database, from_us: int, to_us: int, found: bool) -> None:
    with database.connection() as conn:
        vehicles(conn)
        add_exemption(conn, OF_VEHICLE)
        assert bool(load_exemptions(conn, from_us, to_us)) == found


def test_who_entered_it_is_kept(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        user = person(conn)
        add_exemption(conn, OF_UNIT, user)
        add_exemption(conn, OF_VEHICLE)
        assert conn.execute("SELECT entered_by FROM exemption ORDER BY 1").fetchall() == [(user,), (None,)]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (replace(OF_VEHICLE, unit="unassigned"), "expected a vehicle or a unit, got both"),
        (replace(OF_VEHICLE, vehicle=""), "expected a vehicle or a unit, got neither"),
        (replace(OF_VEHICLE, approved_by=" "), "approved_by: expected a text, got none"),
        (replace(OF_VEHICLE, reason=""), "reason: expected a text, got none"),
        (replace(OF_VEHICLE, valid_to=START), "valid_to: expected a time after 2026-03-02T00:00:00"),
    ],
)
def test_an_exemption_that_says_too_little_is_refused_by_name(database: Database, wrong: Exemption, named: str) -> None:
    with pytest.raises(ExemptionError, match=named), database.connection() as conn:
        add_exemption(conn, wrong)


def test_a_vehicle_or_unit_that_is_not_there_is_named(database: Database) -> None:
    for wrong, named in ((OF_VEHICLE, "no vehicle has the code '粤A00000'"), (OF_UNIT, "no unit has the code")):
        with pytest.raises(UnknownReferenceError, match=named), database.connection() as conn:
            add_exemption(conn, wrong)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE exemption SET reason = 'other'",
        "DELETE FROM exemption",
        "TRUNCATE exemption",
    ],
)
def test_an_exemption_is_never_changed(database: Database, change: str) -> None:
    with database.connection() as conn:
        vehicles(conn)
        add_exemption(conn, OF_UNIT)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute(change)
