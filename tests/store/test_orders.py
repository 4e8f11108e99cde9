"""Dispatch orders: brought up to date by number, never two of one vehicle at one time."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from geo.localtime import SECOND_US, to_datetime
from store.database import Database
from store.fleet import UnknownReferenceError
from store.orders import DispatchOrder, _Claim, judged, load_orders, upsert_orders
from tests.store.rows import START, vehicles

HOUR_US = 3_600 * SECOND_US
ORDER = DispatchOrder("D-1", "粤A00000", START, START + HOUR_US, "card", "会议", "白云机场", 23.39, 113.3, "approver")


def order(number: str, from_h: float, to_h: float, vehicle: int = 0) -> DispatchOrder:
    return DispatchOrder(number, f"粤A{vehicle:05}", START + round(from_h * HOUR_US), START + round(to_h * HOUR_US))


def standing(conn: Connection[Any]) -> dict[str, tuple[str, float, float]]:
    """number → vehicle and hours of every order."""
    return {
        each.order_no: (each.vehicle, (each.starts - START) / HOUR_US, (each.ends - START) / HOUR_US)
        for each in load_orders(conn, START - 1000 * HOUR_US, START + 1000 * HOUR_US)
    }


def insert(conn: Connection[Any], number: str, from_h: float, to_h: float, *, overlapping: bool = False) -> None:
    """An order of the first vehicle, past the judge."""
    conn.execute(
        "INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, overlapping) VALUES (%s, %s, %s, %s, %s)",
        (
            number,
            vehicles(conn, 1)[0].item(),
            to_datetime(START + round(from_h * HOUR_US)),
            to_datetime(START + round(to_h * HOUR_US)),
            overlapping,
        ),
    )


def test_orders_come_out_as_they_went_in_and_are_brought_up_to_date(database: Database) -> None:
    with database.connection() as conn:
        first, second, _ = vehicles(conn).tolist()
        assert upsert_orders(conn, [ORDER]) == []
        assert list(load_orders(conn, START, START + 1)) == [replace(ORDER, vehicle_id=first)]
        changed = replace(
            ORDER, vehicle="粤A00001", destination_lat=None, destination_lon=None, ends=START + 2 * HOUR_US
        )
        assert upsert_orders(conn, [changed]) == []
        assert list(load_orders(conn, START, START + 1)) == [replace(changed, vehicle_id=second)]
        assert upsert_orders(conn, []) == []


@pytest.mark.parametrize(
    ("from_us", "to_us", "found"),
    [
        (START - HOUR_US, START, False),
        (START - HOUR_US, START + 1, True),
        (START + HOUR_US - 1, START + 2 * HOUR_US, True),
        (START + HOUR_US, START + 2 * HOUR_US, False),
        (START + 1, START + 2, True),
    ],
)
def test_orders_are_found_by_overlap(database: Database, from_us: int, to_us: int, found: bool) -> None:
    with database.connection() as conn:
        vehicles(conn)
        upsert_orders(conn, [ORDER])
        assert bool(list(load_orders(conn, from_us, to_us))) == found


def test_an_order_for_no_vehicle_names_both(database: Database) -> None:
    named = "order D-1: no vehicle has the code '粤A00000'"
    with pytest.raises(UnknownReferenceError, match=named), database.connection() as conn:
        upsert_orders(conn, [ORDER])


def test_an_order_that_overlaps_is_refused_and_the_rest_is_taken(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        refused = upsert_orders(conn, [order("A", 8, 10), order("B", 9, 11), order("C", 10, 12), order("D", 9, 11, 1)])
        assert [(each.row, each.order.order_no, each.meets) for each in refused] == [(1, "B", "A")]
        (other,) = upsert_orders(conn, [order("E", 7, 20), order("F", 12, 13)])
        assert (other.row, other.meets, other.starts, other.ends) == (0, "A", START + 8 * HOUR_US, START + 10 * HOUR_US)
        assert sorted(standing(conn)) == ["A", "C", "D", "F"]
        assert upsert_orders(conn, [order("A", 8, 10)]) == [], "the same order again"
        assert upsert_orders(conn, [replace(order("A", 8, 10), purpose="会议")]) == [], "brought up to date"


def test_orders_may_change_places(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        upsert_orders(conn, [order("A", 8, 9), order("B", 9, 10), order("C", 8, 9, 1)])
        assert upsert_orders(conn, [order("A", 9, 10), order("B", 8, 9, 1), order("C", 8, 9)]) == []
        assert standing(conn) == {"A": ("粤A00000", 9, 10), "B": ("粤A00001", 8, 9), "C": ("粤A00000", 8, 9)}


def test_an_order_that_may_not_move_stays_and_is_in_the_way(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        upsert_orders(conn, [order("A", 8, 9), order("B", 9, 10), order("X", 11, 12)])
        refused = upsert_orders(conn, [order("B", 8, 9), order("A", 11.5, 12.5), order("N", 9, 9.5)])
        assert [(each.order.order_no, each.meets) for each in refused] == [("B", "A"), ("A", "X"), ("N", "B")]
        assert standing(conn) == {"A": ("粤A00000", 8, 9), "B": ("粤A00000", 9, 10), "X": ("粤A00000", 11, 12)}


def test_of_rows_with_one_number_the_last_counts(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        assert upsert_orders(conn, [order("A", 8, 9), order("B", 8, 9), order("A", 9, 10)]) == []
        assert standing(conn) == {"A": ("粤A00000", 9, 10), "B": ("粤A00000", 8, 9)}


def test_a_marked_order_lives_on_until_its_time_changes_and_is_in_the_way_of_others(database: Database) -> None:
    def marks() -> dict[str, bool]:
        return dict(conn.execute("SELECT order_no, overlapping FROM dispatch_order").fetchall())

    with database.connection() as conn:
        insert(conn, "A", 8, 10)
        insert(conn, "B", 9, 12, overlapping=True)
        assert upsert_orders(conn, [order("A", 8, 10), replace(order("B", 9, 12), purpose="会议")]) == []
        assert marks() == {"A": False, "B": True}
        assert [each.meets for each in upsert_orders(conn, [order("C", 11, 13)])] == ["B"]
        assert [each.meets for each in upsert_orders(conn, [order("B", 9.5, 12)])] == ["A"]
        assert upsert_orders(conn, [order("B", 10, 12)]) == []
        assert marks() == {"A": False, "B": False}


def test_the_database_itself_refuses_two_orders_of_a_vehicle_at_a_time(database: Database) -> None:
    with database.connection() as conn:
        insert(conn, "A", 8, 10)
        insert(conn, "B", 10, 12)
    with pytest.raises(psycopg.errors.ExclusionViolation), database.connection() as conn:
        insert(conn, "C", 11.9, 13)


def test_two_that_import_at_once_wait_for_each_other(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
    with database.connection() as first, database.connection() as second:
        upsert_orders(first, [order("A", 8, 10)])
        second.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            upsert_orders(second, [order("B", 9, 11)])
        second.rollback()
    with database.connection() as conn:
        assert [each.meets for each in upsert_orders(conn, [order("B", 9, 11)])] == ["A"]


claims = st.lists(
    st.tuples(st.sampled_from("ABCDEF"), st.integers(0, 1), st.integers(0, 8), st.integers(1, 3)),
    max_size=6,
    unique_by=lambda each: each[0],
)


@given(before=claims, wanted=claims)
def test_what_is_taken_never_overlaps_and_what_is_refused_meets_something(before: Any, wanted: Any) -> None:
    """Both ways by looking at every pair; the orders that stood first are made to fit by taking them one by one."""
    standing: dict[str, _Claim] = {}
    for number, vehicle, starts, hours in before:
        claim = _Claim(number, vehicle, starts, starts + hours)
        if not any(each.vehicle_id == vehicle and each.meets(claim) for each in standing.values()):
            standing[number] = claim
    asked = [
        _Claim(number, vehicle, starts, starts + hours, row)
        for row, (number, vehicle, starts, hours) in enumerate(wanted)
    ]
    refused = judged(asked, standing)
    after = standing | {each.order_no: each for each in asked if each.row not in refused}
    held = list(after.values())
    for place, one in enumerate(held):
        for other in held[place + 1 :]:
            assert one.vehicle_id != other.vehicle_id or not one.meets(other)
    for each in asked:
        if each.row in refused:
            assert any(
                other.vehicle_id == each.vehicle_id and other.order_no != each.order_no and other.meets(each)
                for other in (*held, *standing.values(), *asked)
            )
            assert not each.same_as(standing.get(each.order_no)), "an order that is there as it is stays"


def test_the_refusal_is_one_line_with_both_times(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        (refused,) = upsert_orders(conn, [order("A", 8, 10), order("B", 9, 11)])
    assert str(refused) == (
        "order B: expected no other order of 粤A00000 from 2026-03-02T09:00:00+08:00 to 2026-03-02T11:00:00+08:00, "
        "got order A from 2026-03-02T08:00:00+08:00 to 2026-03-02T10:00:00+08:00"
    )
