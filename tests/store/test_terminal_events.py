"""Events of terminals: each is kept, and together they say how a terminal stands, whoever tells them and in what order."""

import threading
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from geo.localtime import SECOND_US, to_us
from store.database import Database
from store.receivers import hold_receiver, leave_offline, next_receiver
from store.terminal_events import Event, add_events
from tests.store.rows import START, count

ONE = Event("013900000001", START, "online", "jt808", "10.0.0.1:5001", {})
KEY = "13900000001"


def at(second: float, kind: str, event: Event = ONE, **facts: Any) -> Event:
    return replace(event, at=START + round(second * SECOND_US), kind=kind, facts=facts)


def state(conn: Connection[Any], key: str = KEY) -> dict[str, Any]:
    with conn.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute("SELECT * FROM terminal_state WHERE terminal_key = %s", (key,)).fetchone()
    assert row is not None
    for name in ("since", "heard_at"):
        row[name] = (to_us(row[name]) - START) / SECOND_US
    return row


def test_every_event_is_kept_as_it_was_told(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(1, "online"), at(2, "gap", first=7, count=2)], receiver=3)
        rows = conn.execute(
            "SELECT terminal_key, at, kind, source, place, facts FROM terminal_event ORDER BY event_id"
        ).fetchall()
    assert [(key, to_us(when) - START, *rest) for key, when, *rest in rows] == [
        (KEY, SECOND_US, "online", "jt808", "10.0.0.1:5001", {}),
        (KEY, 2 * SECOND_US, "gap", "jt808", "10.0.0.1:5001", {"first": 7, "count": 2}),
    ]


def test_numbers_padded_to_different_lengths_are_one_terminal(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [ONE])
        add_events(conn, [replace(at(5, "online"), terminal_no="00000000013900000001")])
        assert count(conn, "terminal_state") == 1
        assert state(conn)["terminal_no"] == "00000000013900000001", "as it was sent last"


def test_a_terminal_is_online_since_it_came_and_offline_since_it_went(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(1, "online")], receiver=1)
        assert (state(conn)["online"], state(conn)["since"]) == (True, 1)
        add_events(conn, [at(9, "offline", why="hung up")], receiver=1)
        assert (state(conn)["online"], state(conn)["since"]) == (False, 9)
        add_events(conn, [at(10, "offline", why="again")], receiver=1)
        assert state(conn)["since"] == 9, "it was gone already"


def test_an_offline_older_than_the_present_state_does_not_count(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(10, "online")], receiver=1)
        add_events(conn, [at(9, "offline")], receiver=1)
        assert state(conn)["online"]


def test_the_events_of_one_group_count_by_their_time(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(3, "online"), at(2, "offline"), at(1, "online")], receiver=1)
        assert (state(conn)["online"], state(conn)["since"]) == (True, 3)


def test_the_end_of_an_old_connection_elsewhere_leaves_a_terminal_online(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(1, "online")], receiver=1)
        add_events(conn, [at(2, "online")], receiver=2)
        add_events(conn, [at(3, "offline")], receiver=1)
        assert (state(conn)["online"], state(conn)["receiver"]) == (True, 2)


def test_any_process_may_tell_that_a_broker_lost_a_terminal(database: Database) -> None:
    ours = replace(ONE, source="mqtt", place="gongche/013900000001/status")
    with database.connection() as conn:
        add_events(conn, [at(1, "online", ours)], receiver=1)
        add_events(conn, [at(2, "offline", ours)], receiver=2)
        assert not state(conn)["online"]


def test_what_a_terminal_says_of_itself_is_kept_by_kind_and_name(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(1, "registered", plate="粤A12345", edition=2013), at(2, "parameters", speed=80, apn="a")])
        add_events(conn, [at(3, "parameters", speed=90), at(4, "pass_through", data="00")])
        assert state(conn)["facts"] == {
            "registered": {"plate": "粤A12345", "edition": 2013},
            "parameters": {"speed": 90, "apn": "a"},
        }


def test_an_older_saying_fills_up_but_does_not_overwrite(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(5, "parameters", values={"speed": 90})])
        add_events(conn, [at(4, "parameters", values={"speed": 80, "apn": "a"})])
        assert state(conn)["facts"] == {"parameters": {"values": {"speed": 90, "apn": "a"}}}
        assert state(conn)["heard_at"] == 5


def test_an_authentication_code_is_not_kept(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [at(1, "authenticated", code="5ec2e7", imei="860000000000001")])
        assert conn.execute("SELECT facts FROM terminal_event").fetchall() == [({"imei": "860000000000001"},)]
        assert state(conn)["facts"] == {"authenticated": {"imei": "860000000000001"}}


def test_what_json_cannot_hold_costs_nothing_but_itself(database: Database) -> None:
    odd = at(1, "properties", model="A\x00B\ud800", level=float("nan"), raw=b"\x01\xff", deep=[{"x\x00": "\x00"}])
    with database.connection() as conn:
        add_events(conn, [replace(odd, terminal_no="a\x00", place="b\x00")])
        assert state(conn, "a␀")["facts"]["properties"] == {
            "model": "A␀B?",
            "level": None,
            "raw": "01ff",
            "deep": [{"x␀": "␀"}],
        }


def test_no_events_are_no_work(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [])
        assert count(conn, "terminal_event") == 0


def test_a_group_of_many_terminals_is_told_at_once(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [replace(ONE, terminal_no=f"0{number:05}1") for number in range(5_000)], receiver=1)
        assert conn.execute("SELECT count(*) FROM terminal_state WHERE online").fetchone() == (5_000,)


def test_two_writers_that_meet_on_the_same_new_terminals_both_get_through(database: Database) -> None:
    numbers = [f"139{number:08}" for number in range(200)]
    faults: list[Exception] = []

    def write(order: int, kind: str) -> None:
        try:
            for _ in range(5):
                with database.connection() as conn:
                    add_events(conn, [replace(at(1, kind, a=kind), terminal_no=each) for each in numbers[::order]])
        except psycopg.Error as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=each) for each in ((1, "properties"), (-1, "parameters"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with database.connection() as conn:
        assert count(conn, "terminal_event") == 2 * 5 * 200
        assert conn.execute("SELECT DISTINCT facts FROM terminal_state").fetchall() == [
            ({"properties": {"a": "properties"}, "parameters": {"a": "parameters"}},)
        ]


def test_terminals_of_a_process_that_is_gone_are_marked_offline_and_others_are_not(
    database: Database, conninfo: str
) -> None:
    other = replace(ONE, terminal_no="013900000002")
    brokered = replace(ONE, terminal_no="013900000003", source="mqtt")
    with database.connection() as conn:
        gone, alive = next_receiver(conn), next_receiver(conn)
    with psycopg.connect(conninfo) as held:
        hold_receiver(held, alive)
        with database.connection() as conn:
            add_events(conn, [at(1, "online"), at(1, "online", brokered)], receiver=gone)
            add_events(conn, [at(1, "online", other)], receiver=alive)
            assert leave_offline(conn, START + 9 * SECOND_US) == 1
            assert leave_offline(conn, START + 10 * SECOND_US) == 0
            found = conn.execute("SELECT terminal_key, online FROM terminal_state ORDER BY terminal_key").fetchall()
            last = conn.execute(
                "SELECT terminal_key, kind, place, facts FROM terminal_event ORDER BY event_id DESC LIMIT 1"
            ).fetchone()
            assert state(conn)["since"] == 9
    assert found == [(KEY, False), ("13900000002", True), ("13900000003", True)]
    assert last == (KEY, "offline", "10.0.0.1:5001", {"why": "receiver ended"})
    with database.connection() as conn:
        assert leave_offline(conn, START) == 1, "the other process is gone as well now"
        assert state(conn, "13900000002")["since"] == 1, "time does not go back"


def test_events_cannot_be_changed(database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [ONE])
    with pytest.raises(psycopg.errors.RaiseException), database.connection() as conn:
        conn.execute("DELETE FROM terminal_event")
