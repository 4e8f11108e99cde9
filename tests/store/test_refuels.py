"""Receipts: entered once, corrected by later rows, and whose days are marked."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import DAY_US
from store.database import Database
from store.records import changed_days, take_changes
from store.refuels import Refuel, RefuelError, add_refuels, read_refuels
from tests.store.rows import DAY, START, count, person, vehicles

HOUR_US = 3_600_000_000


def receipt(vehicle_id: int, number: str = "R1", day: int = 0, **more: Any) -> Refuel:
    return Refuel(number, vehicle_id, START + day * DAY_US + 9 * HOUR_US, 40.0, **more)


def taken(conn: Connection[Any]) -> list[int]:
    """The marked days since DAY, which are forgotten."""
    newest, days = changed_days(conn)
    take_changes(conn, newest, DAY - 999, DAY + 999)
    return [day - DAY for day in days]


def test_a_receipt_comes_out_as_it_went_in_and_only_once(database: Database) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        full = receipt(one, yuan=312.5, odometer_m=81_000_500, station="站", lat=23.1, lon=113.3, card_no="F1")
        assert add_refuels(conn, [full, receipt(one, "R2", 3)], "import a.csv", person(conn)) == 2
        assert taken(conn) == [0, 3]
        assert add_refuels(conn, [full], "import b.csv") == 0
        assert taken(conn) == []
        rows = read_refuels(conn, DAY, DAY + 3)
        assert rows["receipt_no"].tolist() == ["R1", "R2"]
        assert rows["before_at"].tolist() == [-1, full.refuelled_at]
        assert rows[["litres", "lat", "lon"]].to_numpy()[0].tolist() == [40.0, 23.1, 113.3]
        assert len(read_refuels(conn, DAY + 1, DAY + 2)) == 0
        assert conn.execute("SELECT yuan, odometer_m, station, card_no, source FROM refuel WHERE receipt_no = 'R1'").fetchone() == (
            312.5, 81_000_500, "站", "F1", "import a.csv",
        )  # fmt: skip


def test_a_correction_holds_and_the_former_row_stays(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        add_refuels(conn, [receipt(one), receipt(one, "R2", 3), receipt(other, "R3", 9)], "page")
        taken(conn)
        assert add_refuels(conn, [replace(receipt(one), vehicle_id=other, litres=44.0)], "page") == 1
        assert taken(conn) == [0, 3, 9]  # the next ones of both vehicles have another one before them now
        rows = read_refuels(conn, DAY, DAY + 9)
        assert rows["vehicle_id"].tolist() == [one, other, other]
        assert rows["before_at"].tolist() == [-1, -1, receipt(one).refuelled_at]
        assert count(conn, "refuel") == 4


def test_a_cancelled_receipt_counts_for_nothing_until_it_is_entered_again(database: Database) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        add_refuels(conn, [receipt(one), receipt(one, "R2", 3)], "page")
        taken(conn)
        assert add_refuels(conn, [replace(receipt(one), cancelled=True)], "page") == 1
        assert taken(conn) == [0, 3]
        assert read_refuels(conn, DAY, DAY + 3)["before_at"].tolist() == [-1]
        add_refuels(conn, [receipt(one)], "page")
        assert read_refuels(conn, DAY, DAY + 3)["receipt_no"].tolist() == ["R1", "R2"]


def test_of_two_rows_of_one_receipt_in_a_file_the_last_holds(database: Database) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        assert add_refuels(conn, [receipt(one), replace(receipt(one), litres=41.0)], "page") == 2
        assert read_refuels(conn, DAY, DAY)["litres"].tolist() == [41.0]


def test_nobody_takes_over_a_receipt_of_another_unit(database: Database) -> None:
    with database.connection() as conn:
        one, other, _ = vehicles(conn).tolist()
        add_refuels(conn, [receipt(other)], "page")
        for vehicle_id, number in ((other, "R9"), (one, "R1")):
            with pytest.raises(RefuelError, match=f"receipt {number}: expected one of your vehicles"):
                add_refuels(conn, [receipt(vehicle_id, number)], "page", allowed={one})
        assert add_refuels(conn, [receipt(one, "R2")], "page", allowed={one}) == 1


@pytest.mark.parametrize("change", ["UPDATE refuel SET litres = 1", "DELETE FROM refuel", "TRUNCATE refuel"])
def test_a_receipt_is_never_changed_nor_taken_away(database: Database, change: str) -> None:
    with database.connection() as conn:
        one, *_ = vehicles(conn).tolist()
        add_refuels(conn, [receipt(one)], "page")
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), database.connection() as conn:
        conn.execute(change.encode())
