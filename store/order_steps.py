"""The steps of a dispatch order's life as they are written down; who may take which is asked of `rules.orders`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from geo.localtime import FLEET_ZONE
from store.errors import StoreError
from store.orders import MARK_TOUCHED, PERMITTING, DispatchOrder, OrderOverlap, upsert_orders
from store.users import VISIBLE, User


class OrderNumberError(StoreError):
    """An order of this number is there already."""


@dataclass(frozen=True, slots=True)
class OrderState:
    """How an order stands that is about to take a step; nobody else takes one until the transaction ends."""

    order_no: str
    vehicle_id: int
    vehicle: str
    vehicle_class: str
    state: str
    emergency: bool
    starts: datetime
    ends: datetime
    driver_card: str
    driver: str
    odometer_out_km: float | None
    applied_by: int | None


def lock_order(conn: Connection[Any], user: User, order_no: str) -> OrderState | None:
    """An order of a vehicle this person may see, locked; None otherwise. A second one waits, and sees what came of it."""
    # An import locks the table and then the rows: whoever had a row first and then waited for the table would wait for ever.
    conn.execute("LOCK TABLE dispatch_order IN ROW EXCLUSIVE MODE")
    with conn.cursor(row_factory=class_row(OrderState)) as cursor:
        return cursor.execute(
            VISIBLE
            + """
            SELECT order_no, o.vehicle_id, m.code AS vehicle, m.class AS vehicle_class, state, emergency, starts, ends,
                   driver_card, driver, odometer_out_km, applied_by
            FROM dispatch_order o JOIN mine m USING (vehicle_id) WHERE order_no = %(order_no)s FOR UPDATE OF o
            """,
            {"own_unit": user.sees_unit, "order_no": order_no},
        ).fetchone()


def add_order(
    conn: Connection[Any], order: DispatchOrder, action: str, user_id: int, facts: Mapping[str, Any]
) -> str | OrderOverlap:
    """Enter an order that is applied for, and its first step; returns its number, or the order of its vehicle in the way.

    Without a number it gets one of ours. OrderNumberError where the number is there.
    """
    # As an import does, so that both see all that stands.
    conn.execute("LOCK TABLE dispatch_order IN SHARE ROW EXCLUSIVE MODE")
    number = order.order_no or _free_number(conn)
    if order.order_no and _is_there(conn, number):
        raise OrderNumberError(f"order_no: expected a number that no order has, got {number!r}")
    refused = upsert_orders(conn, [replace(order, order_no=number, state="applied", applied_by=user_id)])
    if refused:
        return refused[0]
    _write(conn, number, user_id, action, None, "applied", facts)
    return number


def take_step(
    conn: Connection[Any],
    order: OrderState,
    action: str,
    to: str,
    user_id: int,
    *,
    values: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Put a locked order into a state, with the columns that change with it; the step is kept with its facts.

    Where it permits now what it did not, or no more what it did, the closed days it touches become stale.
    """
    given = {"state": to, **values}
    conn.execute(
        sql.SQL("UPDATE dispatch_order SET {} WHERE order_no = {}").format(
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in given
            ),
            sql.Placeholder("order_no"),
        ),
        {**given, "order_no": order.order_no},
    )
    if (order.state in PERMITTING) != (to in PERMITTING):
        conn.execute(
            "WITH touched (vehicle_id, starts, ends) AS (VALUES (%s::int, %s::timestamptz, %s::timestamptz))"
            + MARK_TOUCHED,
            (order.vehicle_id, order.starts, order.ends),
        )
    _write(conn, order.order_no, user_id, action, order.state, to, facts)


def card_holds(conn: Connection[Any], card: str, starts: datetime, ends: datetime) -> bool:
    """Whether a driver has this card all that time; true as well where no driver is registered at all."""
    row = conn.execute(
        """
        SELECT NOT EXISTS (SELECT FROM driver)
            OR coalesce((SELECT range_agg(valid) @> tstzrange(%s, %s) FROM driver_card WHERE card_no = %s), false)
        """,
        (starts, ends, card),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def _free_number(conn: Connection[Any]) -> str:
    while True:
        row = conn.execute("SELECT nextval('order_number')").fetchone()
        assert row is not None
        number = f"G{datetime.now(FLEET_ZONE):%Y%m%d}-{row[0]:05}"
        if not _is_there(conn, number):
            return number


def _is_there(conn: Connection[Any], number: str) -> bool:
    return conn.execute("SELECT FROM dispatch_order WHERE order_no = %s", (number,)).fetchone() is not None


def _write(
    conn: Connection[Any],
    order_no: str,
    user_id: int,
    action: str,
    from_state: str | None,
    to: str,
    facts: Mapping[str, Any],
) -> None:
    conn.execute(
        "INSERT INTO order_event (order_no, user_id, action, from_state, to_state, facts) VALUES (%s, %s, %s, %s, %s, %s)",
        (order_no, user_id, action, from_state, to, Jsonb(dict(facts))),
    )
