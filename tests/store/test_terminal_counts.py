"""Each terminal's ledger adds up over groups, days and writers, or is refused."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from geo.localtime import DAY_US, SECOND_US, day_date, to_us
from store.database import Database
from store.terminal_counts import TerminalCount, count_terminals
from tests.store.rows import DAY, START, count

NAMES = ("received", "accepted", "duplicate", "quarantined", "no_fix", "clock_fault", "late")


def _stored(conn: Connection[Any]) -> dict[tuple[Any, str], tuple[int, ...]]:
    columns = ", ".join(NAMES)
    rows = conn.execute(f"SELECT day, terminal_key, {columns} FROM terminal_count").fetchall()
    return {(day, key): tuple(numbers) for day, key, *numbers in rows}


def _heard(conn: Connection[Any]) -> dict[tuple[Any, str], int]:
    rows = conn.execute("SELECT day, terminal_key, heard_at FROM terminal_count").fetchall()
    return {(day, key): to_us(at) for day, key, at in rows}


def test_counts_of_a_terminal_and_day_add_up_and_the_last_receipt_stands(database: Database) -> None:
    with database.connection() as conn:
        count_terminals(conn, START + 9, {"7": TerminalCount(10, 6, 1, 2, 3, 4), "8": TerminalCount(1, 0, 1)})
        count_terminals(conn, START + 5, {"7": TerminalCount(5, 5, 0, 1, 0, 5)})
        assert _stored(conn) == {
            (day_date(DAY), "7"): (15, 11, 3, 1, 3, 3, 9),
            (day_date(DAY), "8"): (1, 0, 0, 1, 0, 0, 0),
        }
        assert set(_heard(conn).values()) == {START + 9}


def test_a_group_counts_for_the_local_day_of_its_receipt(database: Database) -> None:
    one = {"7": TerminalCount(1, 1)}
    with database.connection() as conn:
        for at_us in (START - 1, START, START + DAY_US - 1, START + DAY_US):
            count_terminals(conn, at_us, one)
        days = {day: numbers[0] for (day, _), numbers in _stored(conn).items()}
    assert days == {day_date(DAY - 1): 1, day_date(DAY): 2, day_date(DAY + 1): 1}


def test_a_group_without_terminals_counts_nothing(database: Database) -> None:
    with database.connection() as conn:
        count_terminals(conn, START, {})
        assert count(conn, "terminal_count") == 0


@pytest.mark.parametrize("known", [True, False])
def test_more_than_was_received_is_refused_and_nothing_of_the_group_is_counted(database: Database, known: bool) -> None:
    with database.connection() as conn:
        if known:
            count_terminals(conn, START, {"8": TerminalCount(5, 3, 0)})
        before = _stored(conn)
        with pytest.raises(ValueError, match="terminal 8: accepted 2 and quarantined 1 of 2 received"):
            count_terminals(conn, START, {"7": TerminalCount(1, 1), "8": TerminalCount(2, 2, 1)})
        assert _stored(conn) == before


_COUNT = st.builds(
    lambda accepted, duplicate, quarantined, marks: TerminalCount(
        accepted + duplicate + quarantined, accepted, quarantined, *(min(each, accepted) for each in marks)
    ),
    st.integers(0, 2**33),
    st.integers(0, 40_000),
    st.integers(0, 3),
    st.tuples(st.integers(0, 2**33), st.integers(0, 9), st.integers(0, 9)),
)
_GROUPS = st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.dictionaries(st.sampled_from("αb7"), _COUNT)), max_size=6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_GROUPS)
def test_what_is_stored_is_the_sum_of_the_groups(
    database: Database, groups: Iterable[tuple[int, dict[str, TerminalCount]]]
) -> None:
    expected: dict[tuple[Any, str], list[int]] = {}
    with database.connection() as conn:
        conn.execute("TRUNCATE terminal_count")
        for day, counts in groups:
            count_terminals(conn, START + day * DAY_US, counts)
            for key, each in counts.items():
                row = expected.setdefault((day_date(DAY + day), key), [0] * len(NAMES))
                for place, name in enumerate(NAMES):
                    row[place] += getattr(each, name)
        assert _stored(conn) == {key: tuple(row) for key, row in expected.items()}


def test_writers_that_meet_in_any_order_do_not_deadlock(database: Database) -> None:
    keys = [str(number) for number in range(40)]
    orders = (keys, keys[::-1], sorted(keys), sorted(keys, reverse=True))
    faults: list[Exception] = []
    start = threading.Barrier(len(orders))

    def write(order: list[str]) -> None:
        try:
            start.wait(30)
            for _ in range(10):
                with database.connection() as conn:
                    conn.execute("SET LOCAL lock_timeout = '30s'")
                    count_terminals(conn, START + SECOND_US, {key: TerminalCount(3, 2, 0) for key in order})
        except Exception as error:  # noqa: BLE001
            faults.append(error)

    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    with database.connection() as conn:
        assert {row[:3] for row in _stored(conn).values()} == {(120, 80, 40)}
