"""Commands to terminals: claimed from the store, sent over the terminal's connection, finished with its answer.

A command is sent at most once. Where the terminal hangs up before it answered, the command fails as `hung_up`: nobody
knows whether a text was shown or a parameter set, so whoever asked decides whether to ask again. A terminal that stays
and does not answer lets the command expire in the store; an answer that comes late is told to the store all the same.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from ingest.commands import GENERAL_ANSWER, KINDS, PARAMETERS_ANSWER, POSITION_ANSWER, PROPERTIES_ANSWER
from ingest.errors import FieldError
from ingest.jt808 import Message

T = TypeVar("T")

WAIT_S = 2.0
"""How long the store is asked to wait for a new command; as long may the end of the process take."""
EXPIRE_S = 10.0
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Between attempts while the store is away; the last one again and again."""
MAX_OPEN = 16
"""Unanswered commands of one terminal that are remembered; the oldest gives way and expires in the store."""


class Command(Protocol):
    """What is asked of a terminal, as the store gives it."""

    @property
    def command_id(self) -> int:
        """Under which its answer is stored."""

    @property
    def terminal_key(self) -> str:
        """The terminal's number without leading zeros."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """As `check_arguments` gave them."""


class CommandStore(Protocol):
    """The queue between those who ask and the receivers; called in threads, may raise anything while it is away."""

    def claim(self, keys: Collection[str]) -> Sequence[Command]:
        """Waiting commands of these terminals that have not expired, marked as sent."""

    def finish(self, command_id: int, *, done: bool, answer: Mapping[str, Any]) -> object:
        """Keep the answer; a command that is not done has failed."""

    def expire(self) -> object:
        """Mark the commands that were not answered in time."""

    def wait(self, timeout_s: float) -> object:
        """Come back when something was asked, or when the time is over."""


class Connection(Protocol):
    """A terminal's connection, as its session is."""

    @property
    def version(self) -> int:
        """Of its edition: 0 before 2019."""

    @property
    def terminal(self) -> str:
        """Its number as it sends it."""

    def send_message(self, message_id: int, body: bytes) -> int:
        """Send now; the sequence number it went out under."""


@dataclass(slots=True)
class _Open:
    """A command that was sent and has no answer yet."""

    command: Command
    connection: Connection
    message_id: int
    sequence: int
    expected: set[int] = field(default_factory=set)  # of a resend: sequence numbers that have not come


class Downlink:
    """Brings commands to the terminals that are connected here, and their answers back.

    `counts` holds `sent`, `done`, `failed`, `hung_up`, `forgotten` and `store_failures`.
    """

    def __init__(self, store: CommandStore, *, wait_s: float = WAIT_S, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self.counts: Counter[str] = Counter()
        self._store = store
        self._wait_s = wait_s
        self._pauses_s = pauses_s
        self._connections: dict[str, Connection] = {}
        self._open: dict[str, deque[_Open]] = {}
        self._new: set[str] = set()
        self._arrival = asyncio.Event()
        self._answers: asyncio.Queue[tuple[int, bool, dict[str, Any]]] = asyncio.Queue()

    def arrived(self, key: str, connection: Connection) -> None:
        """A terminal may be asked from now on; of two connections under one number the newer is used."""
        self._connections[key] = connection
        self._new.add(key)
        self._arrival.set()

    def left(self, key: str, connection: Connection) -> None:
        """A connection has ended: what it was asked and did not answer has failed."""
        if self._connections.get(key) is connection:
            del self._connections[key]
            self._new.discard(key)
        for each in [each for each in self._open.get(key, ()) if each.connection is connection]:
            self._close(key, each, done=False, answer={"result": "hung_up"})

    def heard(self, key: str, message: Message) -> None:
        """A message that can be an answer: 0x0001, 0x0104, 0x0107, 0x0201."""
        for each in self._open.get(key, ()):
            answer = _answer(each, message)
            if answer is not None:
                self._close(key, each, done=answer["result"] == "done", answer=answer)
                return

    def awaits_resent(self, key: str) -> bool:
        """Whether the terminal was asked to send messages again, and `resent` is to be told of all that come."""
        return any(each.expected for each in self._open.get(key, ()))

    def resent(self, key: str, sequences: Collection[int]) -> None:
        """Sequence numbers of messages that have come: those asked for again are an answer once all are there."""
        for each in [each for each in self._open.get(key, ()) if each.expected]:
            each.expected -= set(sequences)
            if not each.expected:
                self._close(key, each, done=True, answer={"result": "done"})

    async def run(self) -> None:
        """Until cancelled: wait, claim, send, finish, expire. A store that is away is asked again after a pause."""
        threads = ThreadPoolExecutor(4, thread_name_prefix="downlink")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(threads))
                tasks.create_task(self._tell(threads))
                tasks.create_task(self._expire(threads))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, threads: Executor) -> None:
        """Claim for terminals that arrived, and for all when something was asked."""
        while True:
            arrival = asyncio.ensure_future(self._arrival.wait())
            asked = asyncio.ensure_future(self._patiently(threads, lambda: self._store.wait(self._wait_s)))
            try:
                while not asked.done():
                    await asyncio.wait({arrival, asked}, return_when=asyncio.FIRST_COMPLETED)
                    if arrival.done():
                        self._arrival.clear()
                        arrival = asyncio.ensure_future(self._arrival.wait())
                        await self._claim(threads, self._new)
            finally:
                arrival.cancel()
                asked.cancel()
            await self._claim(threads, self._connections)

    async def _claim(self, threads: Executor, chosen: Collection[str]) -> None:
        keys = frozenset(chosen)
        self._new -= keys
        if keys:
            for command in await self._patiently(threads, lambda: self._store.claim(keys)):
                self._send(command)

    def _send(self, command: Command) -> None:
        key = command.terminal_key
        connection = self._connections.get(key)
        if connection is None:
            self._finish(command, done=False, answer={"result": "hung_up"})
            return
        try:
            message_id, body = KINDS[command.kind].message(command.arguments, connection.version)
        except (KeyError, TypeError, ValueError, OverflowError, FieldError) as error:
            self._finish(command, done=False, answer={"result": "wrong", "error": str(error)})
            return
        try:
            sequence = connection.send_message(message_id, body)
        except (OSError, RuntimeError) as error:  # it is closing: `left` follows
            self._finish(command, done=False, answer={"result": "hung_up", "error": str(error)})
            return
        self.counts["sent"] += 1
        waiting = self._open.setdefault(key, deque())
        waiting.append(_Open(command, connection, message_id, sequence, _expected(command)))
        if len(waiting) > MAX_OPEN:
            waiting.popleft()
            self.counts["forgotten"] += 1

    def _close(self, key: str, each: _Open, *, done: bool, answer: dict[str, Any]) -> None:
        self._open[key].remove(each)
        if not self._open[key]:
            del self._open[key]
        self._finish(each.command, done=done, answer=answer)

    def _finish(self, command: Command, *, done: bool, answer: dict[str, Any]) -> None:
        self.counts["done" if done else "hung_up" if answer["result"] == "hung_up" else "failed"] += 1
        self._answers.put_nowait((command.command_id, done, answer))

    async def _tell(self, threads: Executor) -> None:
        """Bring answers to the store, one after the other; while it is away they wait."""
        while True:
            command_id, done, answer = await self._answers.get()
            await self._patiently(threads, partial(self._store.finish, command_id, done=done, answer=answer))

    async def _expire(self, threads: Executor) -> None:
        while True:
            await self._patiently(threads, self._store.expire)
            await asyncio.sleep(EXPIRE_S)

    async def _patiently(self, threads: Executor, call: Callable[[], T]) -> T:
        """The result of a call of the store, which is repeated until it succeeds."""
        attempt = 0
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(threads, call)
            except Exception:  # noqa: BLE001 - the store is away, whatever it raises
                self.counts["store_failures"] += 1
                await asyncio.sleep(self._pauses_s[min(attempt, len(self._pauses_s) - 1)])
                attempt += 1


def _expected(command: Command) -> set[int]:
    """Sequence numbers of the messages that a resend asks for."""
    if command.kind != "resend":
        return set()
    first = command.arguments["first_sequence"]
    return {first + i & 0xFFFF for i in range(command.arguments["count"])}


def _answer(each: _Open, message: Message) -> dict[str, Any] | None:
    """What a message answers to a command; None where it does not, or not yet."""
    header, facts = message.header, message.facts
    answered_by = KINDS[each.command.kind].answered_by
    if header.message_id == GENERAL_ANSWER and message.complete:
        mine = facts["answered_sequence"] == each.sequence and facts["answered_message"] == f"0x{each.message_id:04x}"
        more = (
            facts["result"] == "done" and answered_by != GENERAL_ANSWER
        )  # it was heard, and what was asked for follows
        return {"result": facts["result"]} if mine and not more else None
    if header.message_id != answered_by or not message.complete:
        return None
    # 0x0107 does not say what it answers: it is taken for the first query that is open.
    mine = facts.get("answered_sequence", each.sequence) == each.sequence
    return {"result": "done"} | _FOUND[answered_by](message) if mine else None


def _position(message: Message) -> dict[str, Any]:
    (report,) = message.reports
    return {"position": report.as_json() | ({"extra": report.note} if report.note else {})}


_FOUND: dict[int, Callable[[Message], dict[str, Any]]] = {
    PARAMETERS_ANSWER: lambda message: {"parameters": message.facts["parameters"]},
    PROPERTIES_ANSWER: lambda message: {"properties": message.facts},
    POSITION_ANSWER: _position,
}
