"""The durable intake: bounded queue → one writer → groups by size or time → one transaction → acknowledgements.

Whatever `put` took is either stored before its future is done, or was never acknowledged: a terminal sends it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar, TypeVarTuple

from ingest.errors import IngestError
from ingest.parcel import STORED, Outcome, Parcel

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 5.0
# What the store refuses this often, without being away, is taken apart: something in it cannot be stored.
REFUSALS_BEFORE_SPLIT = 2


class Sink(Protocol):
    """Where groups go; called in the writer's thread, one call at a time."""

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Store all parcels in one transaction; an outcome for each. Raises when nothing of them was stored."""

    def refuse(self, parcel: Parcel, reason: str) -> None:
        """Put a parcel that cannot be stored into quarantine, with its bytes."""

    def is_outage(self, error: Exception) -> bool:
        """Whether `write` failed because the store is away, so that the same rows may be stored later."""


class IntakeClosedError(IngestError):
    """`put` after the intake was closed."""


@dataclass(slots=True)
class IntakeCounts:
    """Counters since the start; `waiting` is now. Rows: positions, refusals and swipes."""

    received: int = 0
    stored: int = 0
    given_up: int = 0  # at shutdown, with the store away: never acknowledged
    waiting: int = 0
    groups: int = 0
    failures: int = 0
    last_error: str = ""


class Intake:
    """Queue and writer. `async with Intake(sink) as intake`; leaving it stores what is left and closes.

    Parameters
    ----------
    sink : where groups are stored.
    capacity : rows that may wait; past it nothing more is read, and `put` waits.
    group_size : rows stored together at most, save that a parcel is never cut.
    group_wait_s : how long the writer waits to fill a group.
    close_timeout_s : how long leaving waits for a store that is away.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        capacity: int = 100_000,
        group_size: int = 25_000,
        group_wait_s: float = 0.2,
        close_timeout_s: float = 10.0,
    ) -> None:
        self.counts = IntakeCounts()
        self._sink = sink
        self._capacity = capacity
        self._group_size = group_size
        self._group_wait_s = group_wait_s
        self._close_timeout_s = close_timeout_s
        self._queue: deque[tuple[Parcel, asyncio.Future[Outcome]]] = deque()
        self._weight = 0  # of the queue
        self._first_at = 0.0  # when the oldest in the queue came, loop time
        self._changed = asyncio.Event()  # the writer has something to look at
        self._waiting: set[Callable[[], None]] = set()  # to be called once there is room
        self._closing = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_groups(), name="intake writer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._changed.set()
        self._tell_room()
        assert self._writer is not None
        done, _ = await asyncio.wait({self._writer}, timeout=self._close_timeout_s)
        if not done:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        for parcel, future in self._queue:
            self.counts.given_up += parcel.rows
            future.cancel()
        self._queue.clear()
        self._executor.shutdown(wait=bool(done))  # a store that does not come back must not keep us
        if done:
            self._writer.result()

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing more should be read; what was read is taken all the same."""
        return self._weight >= self._capacity

    def when_room(self, call: Callable[[], None]) -> None:
        """Have `call` called once, as soon as the intake is not full any more or closes."""
        self._waiting.add(call)

    def offer(self, parcel: Parcel) -> asyncio.Future[Outcome]:
        """Take a parcel at once; the future is done once it is stored. IntakeClosedError after closing.

        Futures are done in the order of their parcels. A cancelled future means: not stored, do not acknowledge. Whoever
        offers looks at `full` before reading on.
        """
        if self._closing:
            raise IntakeClosedError("the intake is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        if not self._queue:
            self._first_at = loop.time()
        self._queue.append((parcel, future))
        self._weight += parcel.weight
        self.counts.received += parcel.rows
        self.counts.waiting += parcel.rows
        if len(self._queue) == 1 or self._weight >= self._group_size:
            self._changed.set()
        return future

    async def put(self, parcel: Parcel) -> asyncio.Future[Outcome]:
        """Take a parcel as `offer` does, waiting while the intake is full."""
        while self.full and not self._closing:
            room = asyncio.Event()
            self.when_room(room.set)
            await room.wait()
        return self.offer(parcel)

    async def _write_groups(self) -> None:
        while group := await self._next_group():
            try:
                await self._store([parcel for parcel, _ in group], [future for _, future in group])
            except asyncio.CancelledError:
                for parcel, future in group:
                    if not future.done():  # it may be stored all the same, but nobody can say so: it is sent again
                        self.counts.given_up += parcel.rows
                        self.counts.waiting -= parcel.rows
                        future.cancel()
                raise

    async def _next_group(self) -> list[tuple[Parcel, asyncio.Future[Outcome]]]:
        """The next parcels to store together; [] when closing and nothing is left.

        A group is full, or its oldest parcel has waited long enough, be it behind the group before.
        """
        loop = asyncio.get_running_loop()
        while not self._closing and self._weight < self._group_size:
            left_s = self._first_at + self._group_wait_s - loop.time() if self._queue else None
            if left_s is not None and left_s <= 0:
                break
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
        group: list[tuple[Parcel, asyncio.Future[Outcome]]] = []
        weight = 0
        while self._queue and (not group or weight + self._queue[0][0].weight <= self._group_size):
            group.append(self._queue.popleft())
            weight += group[-1][0].weight
        self._weight -= weight
        self._first_at = loop.time() - self._group_wait_s if self._queue else 0.0  # what is left has waited its turn
        if not self.full:
            self._tell_room()
        return group

    def _tell_room(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for call in waiting:
            call()

    async def _store(self, parcels: list[Parcel], futures: list[asyncio.Future[Outcome]]) -> None:
        """Store a group, however long the store is away; what cannot be stored of it goes to quarantine."""
        outcomes = await self._written(parcels)
        if outcomes is not None:
            self._settle(parcels, futures, outcomes)
            return
        for parcel, future in zip(parcels, futures, strict=True):
            self._settle([parcel], [future], [await self._one_by_one(parcel)])

    async def _written(self, parcels: list[Parcel]) -> list[Outcome] | None:
        """The outcomes, however long the store is away; None where it refuses the parcels without being away."""
        refusals, wait_s = 0, FIRST_RETRY_S
        while True:
            try:
                return await self._in_thread(self._sink.write, parcels)
            except Exception as error:  # noqa: BLE001 - whatever the store raises, nothing may be dropped
                self.counts.failures += 1
                self.counts.last_error = str(error).strip().partition("\n")[0]
                refusals += not self._sink.is_outage(error)
            if refusals >= REFUSALS_BEFORE_SPLIT:
                return None
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _one_by_one(self, parcel: Parcel) -> Outcome:
        """Store what can be stored of a parcel, by halves, and put the rest into quarantine."""
        outcomes = await self._written([parcel])
        if outcomes is not None:
            return outcomes[0]
        halves = parcel.halves()
        if halves is not None:
            first, second = [await self._one_by_one(each) for each in halves]
            return first.with_those_of(second)
        wait_s, reason = FIRST_RETRY_S, f"not storable: {self.counts.last_error}"
        while True:
            try:
                await self._in_thread(self._sink.refuse, parcel, reason)
            except Exception as error:  # noqa: BLE001 - the store went away meanwhile
                self.counts.failures += 1
                self.counts.last_error = str(error).strip().partition("\n")[0]
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            else:
                return STORED

    def _settle(self, parcels: list[Parcel], futures: list[asyncio.Future[Outcome]], outcomes: list[Outcome]) -> None:
        rows = sum(parcel.rows for parcel in parcels)
        self.counts.groups += 1
        self.counts.stored += rows
        self.counts.waiting -= rows
        for future, outcome in zip(futures, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _in_thread(self, call: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)
