"""The durable intake: groups, order, back-pressure, a store that goes away."""

import asyncio
from functools import partial

import pytest

from ingest.intake import Intake, IntakeClosedError
from ingest.parcel import Parcel
from ingest.report import Report
from tests.ingest.memory_store import START_US, MemorySink


def parcel(number: int, rows: int = 1) -> Parcel:
    reports = [
        Report("A", START_US + number * 1_000_000 + i, valid=True, lat_e7=1, lon_e7=2, raw=f"{number}.{i}".encode())
        for i in range(rows)
    ]
    return Parcel("test", "here", START_US, reports)


def _note(done: list[int], number: int, _future: object) -> None:
    done.append(number)


async def test_parcels_are_stored_in_groups_and_in_order() -> None:
    sink, done = MemorySink(), list[int]()
    async with Intake(sink, group_wait_s=0.01) as intake:
        for number in range(100):
            future = await intake.put(parcel(number))
            future.add_done_callback(partial(_note, done, number))
    assert done == list(range(100))
    assert (len(sink.rows), sum(sink.groups)) == (100, 100)
    assert len(sink.groups) < 20
    assert (intake.counts.received, intake.counts.stored, intake.counts.waiting) == (100, 100, 0)


async def test_a_group_is_not_larger_than_asked_and_a_parcel_is_not_cut() -> None:
    sink = MemorySink()
    async with Intake(sink, group_size=10, group_wait_s=0.01) as intake:
        for number in range(5):
            await intake.put(parcel(number, rows=4))
        await intake.put(parcel(9, rows=30))
    assert sink.groups == [2, 2, 1, 1]


async def test_put_waits_while_the_queue_is_full() -> None:
    sink = MemorySink()
    sink.gate.clear()
    async with Intake(sink, capacity=10, group_size=5, group_wait_s=0.001) as intake:
        async with asyncio.timeout(5):
            while intake.counts.received < 15:  # one group of 5 with the writer, 10 waiting
                await intake.put(parcel(intake.counts.received))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(intake.put(parcel(99)), 0.05)
        sink.gate.set()
        await asyncio.wait_for(intake.put(parcel(100)), 5)
    assert len(sink.rows) == 16


async def test_nothing_is_acknowledged_while_the_store_is_away_and_nothing_is_lost() -> None:
    sink = MemorySink()
    sink.away = True
    async with Intake(sink, group_wait_s=0.001) as intake:
        future = await intake.put(parcel(1))
        async with asyncio.timeout(5):
            while intake.counts.failures < 3:  # noqa: ASYNC110 - counters raise no event
                await asyncio.sleep(0.01)
        assert not future.done()
        assert intake.counts.last_error == "nobody answers"
        sink.away = False
        await asyncio.wait_for(future, 5)
    assert len(sink.rows) == 1
    assert sink.refused == []


async def test_a_parcel_that_cannot_be_stored_goes_to_quarantine_and_the_others_are_kept() -> None:
    sink = MemorySink()
    sink.poison = b"2.0"
    async with Intake(sink, group_wait_s=0.01) as intake:
        futures = [await intake.put(parcel(number)) for number in range(5)]
        await asyncio.wait_for(asyncio.gather(*futures), 5)
    assert len(sink.rows) == 4
    assert sink.refused == [("not storable: this row fits no column", b"2.0")]


async def test_closing_stores_what_is_left() -> None:
    sink = MemorySink()
    async with Intake(sink, group_wait_s=30) as intake:
        futures = [await intake.put(parcel(number)) for number in range(3)]
    assert all(future.done() and not future.cancelled() for future in futures)
    with pytest.raises(IntakeClosedError):
        await intake.put(parcel(4))


async def test_closing_with_the_store_away_gives_up_without_acknowledging() -> None:
    sink = MemorySink()
    sink.away = True
    async with Intake(sink, group_size=1, group_wait_s=0.001, close_timeout_s=0.2) as intake:
        futures = [await intake.put(parcel(number)) for number in range(3)]
    assert all(future.cancelled() for future in futures)
    assert (intake.counts.given_up, intake.counts.stored) == (3, 0)
