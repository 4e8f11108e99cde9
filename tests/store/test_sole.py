"""Work that one process at a time does."""

import threading

import psycopg

from store.database import Database
from store.sole import sole


def test_a_second_one_waits_until_the_first_has_ended(database: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with sole(database, 7):
            entered.set()
            leave.wait(30)

    with sole(database, 7) as holds:
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.3)
        assert holds()
        with sole(database, 8):  # other work waits for nobody
            pass
    assert entered.wait(30)
    leave.set()
    other.join()


def test_who_lost_the_connection_does_not_hold_it_any_more(database: Database, conninfo: str) -> None:
    with sole(database, 7) as holds:
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted"
            )
        assert not holds()
    with sole(database, 7) as holds:
        assert holds()
