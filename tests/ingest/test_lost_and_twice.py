"""Ways in which something acknowledged could be lost, or a row stored twice: a test for each."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ingest.database import DatabaseSink
from ingest.errors import FieldError, Refusal
from ingest.intake import Intake
from ingest.parcel import CardSwipe, Outcome, Parcel
from ingest.report import Report
from ingest.roster import Roster
from store.database import Database
from store.errors import UnreachableError
from store.fleet import Terminal, upsert_terminals
from tests.ingest.memory_store import START_US, MemorySink
from tests.ingest.test_database_sink import ask, fleet, parcel, report

__all__ = ["fleet"]


class LosesAnswers:
    """A database that commits and then loses the connection, as often as `times`."""

    def __init__(self, database: Database, times: int) -> None:
        self._database = database
        self.times = times

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with self._database.connection() as conn:
            yield conn
        if self.times:
            self.times -= 1
            raise UnreachableError("the answer to the commit was lost")


class Stuck(MemorySink):
    """A store that takes what it is given and does not come back until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self.entered.set()
        return super().write(parcels)


async def test_a_commit_whose_answer_was_lost_is_done_again_without_a_second_row(fleet: Database) -> None:
    sink = DatabaseSink(fleet)
    sink.write([parcel(report("013900000001", 99))])  # the terminals are loaded
    sink._database = LosesAnswers(fleet, 2)  # type: ignore[assignment]
    async with Intake(sink, group_wait_s=0.001) as intake:
        await asyncio.wait_for(await intake.put(parcel(report("013900000001"), report("013900000002"))), 30)
    assert ask(fleet, "SELECT count(*) FROM position") == [(3,)]
    ((received, rest),) = ask(fleet, "SELECT received, accepted + duplicate + quarantined FROM intake_count")
    assert received == rest


async def test_a_refusal_whose_commit_was_not_answered_is_quarantined_once(fleet: Database) -> None:
    sink = DatabaseSink(fleet)
    sink.write([parcel(report("013900000001", 99))])
    sink._database = LosesAnswers(fleet, 1)  # type: ignore[assignment]
    bad = Refusal(b"bad", FieldError("a", "b", "c"))
    async with Intake(sink, group_wait_s=0.001) as intake:
        await asyncio.wait_for(await intake.put(parcel(refused=[bad])), 30)
    assert ask(fleet, "SELECT count(*) FROM quarantine") == [(1,)]


def test_an_alarm_sent_with_a_position_that_is_known_is_kept(fleet: Database) -> None:
    sink = DatabaseSink(fleet)
    sink.write([parcel(report("013900000001"))])
    sink.write([parcel(report("013900000001", alarms=("emergency",)))])
    assert ask(fleet, "SELECT note->'alarms' FROM position_note") == [(["emergency"],)]


def test_a_terminal_that_was_bound_to_another_vehicle_reports_for_that_one(fleet: Database) -> None:
    sink = DatabaseSink(fleet, Roster(fleet, refresh_s=0))
    sink.write([parcel(report("013900000001"))])
    with fleet.connection() as conn:
        upsert_terminals(conn, [Terminal("013900000001", "V4", "jt808", since=START_US + 5_000_000)])
    sink.write([parcel(report("013900000001", 10))])
    by_vehicle = "SELECT code FROM position JOIN vehicle USING (vehicle_id) ORDER BY fix_time"
    assert ask(fleet, by_vehicle) == [("V0",), ("V4",)]


async def test_a_card_that_cannot_be_stored_goes_to_quarantine(fleet: Database) -> None:
    swipe = CardSwipe("013900000001", START_US, "L\x001", True, b"card")
    async with Intake(DatabaseSink(fleet), group_wait_s=0.001) as intake:
        await asyncio.wait_for(await intake.put(parcel(swipes=[swipe])), 30)
    assert ask(fleet, "SELECT raw FROM quarantine") == [(b"card",)]


async def test_a_report_that_cannot_be_stored_costs_only_itself_in_its_parcel(fleet: Database) -> None:
    odd = report("013900000001", 5, note={"text": "a\x00b"}, raw=b"odd")
    async with Intake(DatabaseSink(fleet), group_wait_s=0.001) as intake:
        await asyncio.wait_for(await intake.put(parcel(report("013900000001"), odd, report("N1"))), 30)
    assert ask(fleet, "SELECT raw FROM quarantine") == [(b"odd",)]
    assert ask(fleet, "SELECT count(*) FROM position") == [(2,)]


async def test_closing_while_the_store_does_not_come_back_leaves_no_future_open() -> None:
    sink = Stuck()
    sink.gate.clear()
    async with Intake(sink, group_wait_s=0.001, close_timeout_s=0.1) as intake:
        future = await intake.put(Parcel("test", "here", START_US, [report("A")]))
        await asyncio.to_thread(sink.entered.wait, 30)
        threading.Timer(0.5, sink.gate.set).start()
    assert future.done()
    assert intake.counts.given_up + intake.counts.stored == 1


async def test_closing_while_a_group_is_taken_apart_gives_up_all_of_it() -> None:
    sink = Splits()
    async with Intake(sink, group_wait_s=0.05, close_timeout_s=0.5) as intake:
        futures = [await intake.put(Parcel("test", "here", START_US, [_report(i)])) for i in range(3)]
        await asyncio.to_thread(sink.split.wait, 30)
    assert all(future.done() for future in futures)


class Splits(MemorySink):
    """A store that refuses every group of several, and is away for each parcel alone."""

    def __init__(self) -> None:
        super().__init__()
        self.split = threading.Event()

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        if len(parcels) > 1:
            raise ValueError("one of them fits no column")
        self.away = True
        self.split.set()
        return super().write(parcels)


def _report(number: int) -> Report:
    return Report("A", START_US + number, valid=True, lat_e7=1, lon_e7=2, raw=b"%d" % number)


async def test_a_future_that_its_owner_cancelled_costs_the_others_nothing() -> None:
    sink = MemorySink()
    sink.gate.clear()
    async with Intake(sink, group_wait_s=0.001) as intake:
        futures = [await intake.put(Parcel("test", "here", START_US, [_report(i)])) for i in range(3)]
        futures[1].cancel()
        sink.gate.set()
        await asyncio.wait_for(asyncio.gather(futures[0], futures[2]), 30)
    assert len(sink.rows) == 3
    assert (intake.counts.stored, intake.counts.waiting) == (3, 0)
