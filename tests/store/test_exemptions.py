"""Exemptions: of a vehicle or a unit, with approver, reason and time; entered once, never changed."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import SECOND_US, day_date
from store.database import Database
from store.exemption_views import exemptions
from store.exemptions import Exemption, ExemptionError, add_exemption, end_exemption, is_entered, load_exemptions
from store.fleet import Unit, UnknownReferenceError, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.stale import waiting_days
from tests.store.rows import DAY, START, person, vehicles
from tests.store.test_order_steps import seal, stale

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


def test_the_closed_days_on_which_it_holds_wait_for_an_audit(database: Database) -> None:
    """Of its vehicle, or of its unit and all below it; days that are open or lie outside do not wait."""
    with database.connection() as conn:
        upsert_units(conn, [Unit("bureau", "局"), Unit("office", "处", parent="bureau"), Unit("other", "他")])
        upsert_vehicles(conn, [Vehicle(f"V{n}", f"V{n}", unit) for n, unit in enumerate(("bureau", "office", "other"))])
        ids = [car.vehicle_id for car in load_vehicles(conn)]
        conn.execute(
            """
            INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, misplaced, trips, distance_m, distance_low_m,
                                     distance_high_m, gps_m, gap_m, odometer_mark, moving_s, off_hours_m, out_of_area_m)
            SELECT vehicle, %s::date + day, 1, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0
            FROM unnest(%s::int[]) AS vehicle, generate_series(0, 3) AS day
            """,
            (day_date(DAY), ids),
        )
        conn.execute(
            """
            INSERT INTO sealed_part (day, bucket, version, sequence, rows, path)
            SELECT %s::date + day, 0, 1, 1, 1, '' FROM generate_series(0, 2) AS day
            """,
            (day_date(DAY),),
        )
        add_exemption(conn, replace(OF_VEHICLE, vehicle="V2"))
        assert waiting(conn) == {(ids[2], DAY)}
        add_exemption(conn, replace(OF_UNIT, unit="bureau", valid_from=START + DAY_US, valid_to=None))
        assert waiting(conn) == {(ids[2], DAY), *((ids[n], DAY + day) for n in (0, 1) for day in (1, 2))}


def waiting(conn: Connection[Any]) -> set[tuple[int, int]]:
    marks = waiting_days(conn)
    return set(zip(marks.vehicle_id.tolist(), marks.day.tolist(), strict=True))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE exemption SET reason = 'other'",
        "DELETE FROM exemption",
        "TRUNCATE exemption CASCADE",
    ],
)
def test_an_exemption_is_never_changed(database: Database, change: str) -> None:
    with database.connection() as conn:
        vehicles(conn)
        add_exemption(conn, OF_UNIT)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute(change)


def test_one_that_is_ended_early_holds_until_then(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        user = person(conn)
        number, other = add_exemption(conn, OF_VEHICLE), add_exemption(conn, OF_UNIT)
        end_exemption(conn, number, START + 100, "任务结束", user)
        assert [each.exemption_id for each in load_exemptions(conn, START, START + 1)] == [number, other]
        assert load_exemptions(conn, START, START + 1)[0].valid_to == START + 100
        assert [each.exemption_id for each in load_exemptions(conn, START + 100, START + 200)] == [other]
        end_exemption(conn, other, START - DAY_US, "误录")
        assert [each.exemption_id for each in load_exemptions(conn, START, START + 1)] == [number]
        rows, count = exemptions(conn)
        assert [(row.exemption_id, row.end_reason, row.ended_by) for row in rows] == [
            (other, "误录", ""),
            (number, "任务结束", "inspector"),
        ]
        assert count == 2
        assert exemptions(conn, holding=True) == ([], 0)


def test_one_that_ended_before_it_began_never_held(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        end_exemption(conn, add_exemption(conn, OF_VEHICLE), START - 1, "误录")
        assert load_exemptions(conn, START - DAY_US, START + DAY_US) == []


def test_an_end_that_is_none_is_refused(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        number = add_exemption(conn, OF_VEHICLE)
        for when, reason, named in (
            (START, " ", "reason: expected a text"),
            (START + DAY_US, "x", "got one that ended before"),
        ):
            with pytest.raises(ExemptionError, match=named):
                end_exemption(conn, number, when, reason)
        with pytest.raises(ExemptionError, match=f"no exemption has the number {number + 1}"):
            end_exemption(conn, number + 1, START, "x")
        end_exemption(conn, number, START + 1, "x")
        with pytest.raises(ExemptionError, match="got one that ended before"):
            end_exemption(conn, number, START, "x")
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute("DELETE FROM exemption_end")


def test_the_closed_days_on_which_one_begins_or_ceases_to_hold_become_stale(database: Database) -> None:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U1", "局"), Unit("U11", "办", parent="U1"), Unit("U2", "院")])
        upsert_vehicles(conn, [Vehicle("V", "V", "U2")])
        vehicles(conn)
        upsert_vehicles(conn, [Vehicle("粤A00000", "粤A00000", "U11")])
        seal(conn, range(DAY - 4, DAY + 5))
        number = add_exemption(conn, OF_VEHICLE)
        assert stale(conn) == [0]
        end_exemption(conn, number, START + DAY_US // 2, "x")
        assert stale(conn) == [0]
        number = add_exemption(conn, Exemption("局长", "机要通信", unit="U1", valid_from=START + 2 * DAY_US))
        assert stale(conn) == [2, 3, 4], "of the vehicles in units below"
        end_exemption(conn, number, START + 4 * DAY_US, "x")
        assert stale(conn) == [4]
        add_exemption(conn, Exemption("局长", "机要通信", unit="U2"))
        add_exemption(conn, Exemption("局长", "机要通信", vehicle="V"))
        assert stale(conn) == []


def test_one_is_known_again_to_the_word(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        add_exemption(conn, OF_UNIT)
        number = add_exemption(conn, OF_VEHICLE)
        end_exemption(conn, number, START, "x")
        assert is_entered(conn, OF_UNIT)
        assert is_entered(conn, OF_VEHICLE), "what was ended is not to live again by a file"
        others: list[dict[str, Any]] = [{"reason": "x"}, {"rule": ""}, {"valid_to": None}, {"approved_by": "x"}]
        for changed in others:
            assert not is_entered(conn, replace(OF_VEHICLE, **changed))
