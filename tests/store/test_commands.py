"""Commands to terminals: put down once, sent once, answered or expired; who asks hears of it."""

import threading

import psycopg
import pytest

from store.commands import (
    Command,
    CommandQueue,
    UnknownCommandError,
    ask,
    await_answer,
    commands_of,
    read_command,
)
from store.database import Database
from store.errors import UnreachableError
from store.receivers import leave_offline

NO, KEY = "013900000001", "13900000001"


def put_down(database: Database, kind: str = "locate", wait_s: float = 60, no: str = NO) -> int:
    with database.connection() as conn:
        return ask(conn, no, kind, {"every_s": 10}, asked_by=None, wait_s=wait_s)


def state_of(database: Database, command_id: int) -> str:
    with database.connection() as conn:
        row = read_command(conn, command_id)
    assert row is not None
    return row.state


def test_a_command_waits_is_sent_and_is_answered(database: Database) -> None:
    number = put_down(database)
    with CommandQueue(database) as queue:
        assert state_of(database, number) == "waiting"
        assert queue.claim([KEY]) == [Command(number, KEY, "locate", {"every_s": 10})]
        assert state_of(database, number) == "sent"
        queue.finish(number, done=True, answer={"result": "done", "note": "a\x00b"})
    with database.connection() as conn:
        row = read_command(conn, number)
    assert row is not None
    assert (row.state, row.answer, row.asked_by) == ("done", {"result": "done", "note": "a␀b"}, "")
    assert row.answered_at is not None
    assert row.sent_at is not None


def test_a_refusal_of_the_terminal_is_a_failure_with_its_answer(database: Database) -> None:
    number = put_down(database)
    with CommandQueue(database) as queue:
        queue.claim([KEY])
        queue.finish(number, done=False, answer={"result": "unsupported"})
    assert state_of(database, number) == "failed"


def test_commands_come_in_the_order_they_were_asked_and_only_of_the_terminals_named(database: Database) -> None:
    numbers = [put_down(database, kind) for kind in ("text", "locate", "track")]
    put_down(database, no="013900000002")
    with CommandQueue(database) as queue:
        assert queue.claim([]) == []
        assert [each.command_id for each in queue.claim([KEY, "5"])] == numbers


def test_no_command_is_sent_twice_however_many_processes_claim_at_once(database: Database) -> None:
    numbers = {put_down(database) for _ in range(40)}
    claimed: list[int] = []
    with CommandQueue(database) as first, CommandQueue(database) as second:

        def claim(queue: CommandQueue) -> None:
            for _ in range(5):
                claimed.extend(each.command_id for each in queue.claim([KEY]))

        threads = [threading.Thread(target=claim, args=(each,)) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(claimed) == sorted(numbers)


def test_an_uncommitted_claim_of_another_process_is_passed_over(database: Database, conninfo: str) -> None:
    taken, free = put_down(database), put_down(database)
    with CommandQueue(database) as queue, psycopg.connect(conninfo) as other:
        other.execute("SELECT 1 FROM terminal_command WHERE command_id = %s FOR UPDATE", (taken,))
        assert [each.command_id for each in queue.claim([KEY])] == [free]


def test_a_command_whose_time_is_over_is_not_sent_but_expires(database: Database) -> None:
    number, later = put_down(database, wait_s=0), put_down(database, wait_s=600)
    with CommandQueue(database) as queue:
        assert [each.command_id for each in queue.claim([KEY])] == [later]
        assert queue.expire() == 1
        assert queue.expire() == 0
    assert state_of(database, number) == "expired"


def test_an_answer_that_comes_too_late_counts_all_the_same(database: Database) -> None:
    number = put_down(database)
    with CommandQueue(database) as queue:
        queue.claim([KEY])
        with database.connection() as conn:
            conn.execute("UPDATE terminal_command SET expires_at = now()")
        queue.expire()
        queue.finish(number, done=True, answer={})
    assert state_of(database, number) == "done"


def test_a_second_answer_does_not_overwrite_the_first(database: Database) -> None:
    number = put_down(database)
    with CommandQueue(database) as queue:
        queue.claim([KEY])
        queue.finish(number, done=True, answer={"n": 1})
        queue.finish(number, done=False, answer={"n": 2})
    with database.connection() as conn:
        row = read_command(conn, number)
    assert row is not None
    assert (row.state, row.answer) == ("done", {"n": 1})


def test_a_waiting_process_hears_of_a_command(database: Database) -> None:
    with CommandQueue(database) as queue:
        assert not queue.wait(0.01)
        put_down(database)
        assert queue.wait(30)


def test_a_lost_connection_is_said_and_made_anew(database: Database) -> None:
    with CommandQueue(database) as queue:
        with database.connection() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'SELECT pg_advisory_lock_shared%' AND pid <> pg_backend_pid()"
            )
        with pytest.raises(UnreachableError, match="went away"):
            queue.wait(30)
        assert not queue.wait(0.01)
        put_down(database)
        assert queue.wait(30)
        with database.connection() as conn:
            conn.execute(
                "INSERT INTO terminal_state (terminal_key, terminal_no, source, online, since, receiver, heard_at) "
                "VALUES ('1', '1', 'jt808', true, now(), %s, now())",
                (queue.receiver,),
            )
            assert leave_offline(conn, 0) == 0, "it holds its number again"


def test_who_asks_gets_the_answer_once_it_is_there(database: Database) -> None:
    number = put_down(database)
    with CommandQueue(database) as queue:

        def answer() -> None:
            queue.wait(30)
            queue.claim([KEY])
            queue.finish(number, done=True, answer={"result": "done"})

        put_down(database, no="5")  # something to wake up by
        thread = threading.Thread(target=answer)
        thread.start()
        row = await_answer(database, number, 60)
        thread.join()
    assert (row.state, row.answer) == ("done", {"result": "done"})


def test_who_asks_is_told_how_it_stands_when_the_time_is_over(database: Database) -> None:
    number = put_down(database)
    assert await_answer(database, number, 0.01).state == "waiting"
    with database.connection() as conn:
        conn.execute("UPDATE terminal_command SET expires_at = now()")
    CommandQueue(database).expire()
    assert await_answer(database, number, 60).state == "expired"
    with pytest.raises(UnknownCommandError):
        await_answer(database, number + 1, 1)


def test_the_newest_commands_of_a_terminal_come_first_and_no_more_than_asked_for(database: Database) -> None:
    numbers = [put_down(database) for _ in range(3)]
    put_down(database, no="5")
    with database.connection() as conn:
        assert [each.command_id for each in commands_of(conn, KEY, 2)] == numbers[:0:-1]
