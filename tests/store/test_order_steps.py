"""The steps of an order as they are kept, what they free and take up, and the closed days they touch."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import Connection

from geo.localtime import SECOND_US, day_date, to_datetime
from store.archive import VEHICLES_PER_BUCKET
from store.database import Database
from store.drivers import Driver, DriverCard, put_cards, upsert_drivers
from store.order_steps import OrderNumberError, OrderState, add_order, card_holds, lock_order, take_step
from store.orders import DispatchOrder, OrderOdometerError, OrderOverlap, load_orders, upsert_orders
from store.users import User
from tests.store.rows import DAY, START, person, vehicles

HOUR_US = 3_600 * SECOND_US
ADMIN = User(0, "admin", "admin", None)


def order(number: str, from_h: float, to_h: float, **life: Any) -> DispatchOrder:
    return DispatchOrder(number, "粤A00000", START + round(from_h * HOUR_US), START + round(to_h * HOUR_US), **life)


def locked(conn: Connection[Any], number: str) -> OrderState:
    found = lock_order(conn, ADMIN, number)
    assert found is not None
    return found


def put(conn: Connection[Any], number: str, action: str, to: str, user: int, **values: Any) -> None:
    take_step(conn, locked(conn, number), action, to, user, values=values, facts={"why": action})


def seal(conn: Connection[Any], days: Sequence[int]) -> None:
    """Audited and sealed days of the first vehicle; none of them stale."""
    vehicle = vehicles(conn, 1)[0].item()
    for day in days:
        conn.execute(
            "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, 1, 1, 1, '')"
            " ON CONFLICT DO NOTHING",
            (day_date(day), vehicle // VEHICLES_PER_BUCKET),
        )
        conn.execute(
            """
            INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, trips, distance_m, distance_low_m,
                distance_high_m, moving_s, off_hours_m, out_of_area_m)
            VALUES (%s, %s, 1, 0, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING
            """,
            (vehicle, day_date(day)),
        )
    conn.execute("DELETE FROM stale_day")


def stale(conn: Connection[Any]) -> list[int]:
    """Stale days, counted from DAY, and none of them stale any more."""
    rows = conn.execute("DELETE FROM stale_day RETURNING day").fetchall()
    return sorted((day - day_date(DAY)).days for (day,) in rows)


def test_an_order_goes_its_way_and_each_step_is_kept(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        applicant, other = person(conn, "a"), person(conn, "b")
        number = add_order(conn, order("", 8, 10, purpose_class="private_approved"), "apply", applicant, {"x": 1})
        assert isinstance(number, str)
        assert number.startswith("G")
        assert locked(conn, number).applied_by == applicant
        assert list(load_orders(conn, START, START + 24 * HOUR_US)) == [], "what is only applied for permits nothing"
        put(conn, number, "approve", "approved", other, approved_by="b")
        assert [each.order_no for each in load_orders(conn, START, START + 24 * HOUR_US)] == [number]
        put(conn, number, "dispatch", "dispatched", other, odometer_out_km=7.5)
        put(conn, number, "return", "returned", other, odometer_in_km=9)
        put(conn, number, "close", "closed", applicant)
        kept = conn.execute(
            "SELECT user_id, action, from_state, to_state, facts FROM order_event WHERE order_no = %s ORDER BY event_id",
            (number,),
        ).fetchall()
        assert kept == [
            (applicant, "apply", None, "applied", {"x": 1}),
            (other, "approve", "applied", "approved", {"why": "approve"}),
            (other, "dispatch", "approved", "dispatched", {"why": "dispatch"}),
            (other, "return", "dispatched", "returned", {"why": "return"}),
            (applicant, "close", "returned", "closed", {"why": "close"}),
        ]
        row = conn.execute(
            "SELECT state, approved_by, odometer_out_km, odometer_in_km, private_use, entered_at IS NOT NULL FROM dispatch_order"
        ).fetchone()
        assert row == ("closed", "b", 7.5, 9, True, True)
    for change in ("UPDATE order_event SET action = 'x'", "DELETE FROM order_event", "TRUNCATE order_event"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
            conn.execute(change)


def test_one_applied_for_takes_up_its_time_and_one_refused_or_cancelled_does_not(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        user = person(conn)
        assert add_order(conn, order("A", 8, 10), "apply", user, {}) == "A"
        met = add_order(conn, order("B", 9, 11), "apply", user, {})
        assert isinstance(met, OrderOverlap)
        assert met.meets == "A"
        put(conn, "A", "refuse", "refused", user)
        assert add_order(conn, order("B", 9, 11), "apply", user, {}) == "B"
        put(conn, "B", "cancel", "cancelled", user)
        assert upsert_orders(conn, [order("C", 7, 12)]) == []
        refused = upsert_orders(conn, [order("A", 8, 10, purpose="会议"), order("B", 9, 11, state="approved")])
        assert [(each.order.order_no, each.meets) for each in refused] == [("B", "C")], (
            "only one that lives again is in the way"
        )
        assert upsert_orders(conn, [order("C", 7, 12, state="cancelled"), order("B", 9, 11, state="approved")]) == []
        with pytest.raises(OrderNumberError, match="got 'A'"):
            add_order(conn, order("A", 20, 21), "apply", user, {})
    with pytest.raises(psycopg.errors.ExclusionViolation), database.connection() as conn:
        conn.execute("UPDATE dispatch_order SET state = 'closed' WHERE order_no = 'A'")


def test_what_permits_otherwise_than_before_makes_its_closed_days_stale(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        user = person(conn)
        seal(conn, range(DAY - 5, DAY + 6))
        assert add_order(conn, order("A", 23, 25), "apply", user, {}) == "A"
        assert stale(conn) == []
        put(conn, "A", "approve", "approved", user)
        assert stale(conn) == [-1, 0, 1, 2], "its two days and those beside them"
        put(conn, "A", "dispatch", "dispatched", user)
        assert stale(conn) == []
        assert add_order(conn, order("B", 50, 51), "apply", user, {}) == "B"
        put(conn, "B", "refuse", "refused", user)
        assert stale(conn) == []
        assert upsert_orders(conn, [order("C", -50, -49)]) == []
        assert stale(conn) == [-4, -3, -2], "a new one of a file"
        upsert_orders(conn, [order("C", -50, -49, purpose="会议", driver_card="C9")])
        assert stale(conn) == [], "what no audit reads"
        upsert_orders(conn, [order("C", -26, -25)])
        assert stale(conn) == [-4, -3, -2, -1], "where it was, and where it is"
        upsert_orders(conn, [order("C", -26, -25, state="cancelled")])
        assert stale(conn) == [-3, -2, -1]
        upsert_orders(conn, [order("C", -26, -25)])
        assert stale(conn) == [], "it stays cancelled"


def test_how_an_order_stood_before_a_file_changed_it_is_kept(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        first = order("A", 8, 10, purpose="会议", state="dispatched", odometer_out_km=100.0, emergency=True)
        upsert_orders(conn, [first])
        upsert_orders(conn, [first])
        assert conn.execute("SELECT count(*) FROM order_event").fetchone() == (0,), "nothing changed"
        upsert_orders(conn, [order("A", 8, 11, purpose="调研")])
        ((action, before, after, facts),) = conn.execute(
            "SELECT action, from_state, to_state, facts FROM order_event"
        ).fetchall()
        assert (action, before, after) == ("imported", "dispatched", "dispatched")
        assert (facts["purpose"], facts["odometer_out_km"], facts["emergency"]) == ("会议", 100.0, True)
        row = conn.execute("SELECT state, purpose, odometer_out_km, emergency FROM dispatch_order").fetchone()
        assert row == ("dispatched", "调研", 100.0, True), "a file that says nothing of its life leaves it"
    backwards = "order A: odometer_in_km: expected not less than 100"
    with pytest.raises(OrderOdometerError, match=backwards), database.connection() as conn:
        upsert_orders(conn, [order("A", 8, 11, odometer_in_km=99.0)])


def test_a_second_one_waits_for_the_first_and_sees_what_came_of_it(database: Database) -> None:
    with database.connection() as conn:
        vehicles(conn)
        user = person(conn)
        add_order(conn, order("A", 8, 10), "apply", user, {})
    with database.connection() as first, database.connection() as second:
        put(first, "A", "approve", "approved", user)
        second.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            lock_order(second, ADMIN, "A")
        second.rollback()
        first.commit()
        assert locked(second, "A").state == "approved"


def test_a_card_has_to_be_some_drivers_all_the_time_where_drivers_are_registered(database: Database) -> None:
    begins = to_datetime(START)
    with database.connection() as conn:
        vehicles(conn)
        assert card_holds(conn, "C1", begins, begins + timedelta(hours=1)), "nobody is registered"
        upsert_drivers(conn, [Driver("D1", "王", "unassigned"), Driver("D2", "李", "unassigned")])
        put_cards(
            conn,
            [
                DriverCard("C1", "D1", START, START + HOUR_US),
                DriverCard("C1", "D2", START + HOUR_US, START + 2 * HOUR_US),
            ],
        )
        for hours, holds in ((1, True), (2, True), (2.1, False)):
            assert card_holds(conn, "C1", begins, begins + timedelta(hours=hours)) == holds
        assert not card_holds(conn, "C9", begins, begins + timedelta(hours=1))


def test_orders_come_and_go_as_one_by_one(database: Database) -> None:
    """A random life of many orders of one vehicle: those that take up time never overlap, whatever was tried."""
    rng = np.random.default_rng(6)
    states = ("applied", "approved", "refused", "cancelled", "closed", None)
    with database.connection() as conn:
        vehicles(conn)
        for _ in range(25):
            asked = [
                order(f"{rng.integers(12)}", start, start + rng.integers(1, 4), state=states[rng.integers(len(states))])
                for start in rng.integers(0, 24, rng.integers(1, 5)).tolist()
            ]
            upsert_orders(conn, asked)
        rows = conn.execute("SELECT state, starts, ends FROM dispatch_order ORDER BY starts, ends").fetchall()
    living = [(starts, ends) for state, starts, ends in rows if state not in {"refused", "cancelled"}]
    assert len(living) > 3
    assert len(living) < len(rows)
    assert all(before[1] <= after[0] for before, after in pairwise(living))
