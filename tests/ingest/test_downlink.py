"""Commands are sent to the terminals that are here, and their answers come back; whatever the terminal or store does."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.commands import check_arguments
from ingest.downlink import MAX_OPEN, Downlink
from ingest.jt808 import Header, Message, PartStore, decode
from ingest.jt808 import encode as enc
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US

KEY, TERMINAL = "13912345678", "013912345678"
POSITION = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))


@dataclass(frozen=True)
class Asked:
    command_id: int
    terminal_key: str
    kind: str
    arguments: Mapping[str, Any]


class FakeStore:
    """The queue in memory; `away` makes every call fail that many times."""

    def __init__(self) -> None:
        self.waiting: list[Asked] = []
        self.finished: dict[int, tuple[bool, Mapping[str, Any]]] = {}
        self.expired = 0
        self.away = 0
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._last = 0

    def ask(self, kind: str, key: str = KEY, **arguments: Any) -> int:
        with self._lock:
            self._last += 1
            self.waiting.append(Asked(self._last, key, kind, check_arguments(kind, arguments)))
        self._asked.set()
        return self._last

    def claim(self, keys: Collection[str]) -> Sequence[Asked]:
        self._reach()
        with self._lock:
            claimed = [each for each in self.waiting if each.terminal_key in keys]
            self.waiting = [each for each in self.waiting if each not in claimed]
        return claimed

    def finish(self, command_id: int, *, done: bool, answer: Mapping[str, Any]) -> None:
        self._reach()
        self.finished[command_id] = (done, answer)

    def expire(self) -> None:
        self._reach()
        self.expired += 1

    def wait(self, timeout_s: float) -> None:
        self._reach()
        self._asked.wait(timeout_s)
        self._asked.clear()

    def _reach(self) -> None:
        with self._lock:
            if self.away:
                self.away -= 1
                raise ConnectionError("the store is away")


@dataclass
class FakeConnection:
    version: int = 0
    terminal: str = TERMINAL
    sent: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    broken: bool = False

    def send_message(self, message_id: int, body: bytes) -> int:
        if self.broken:
            raise ConnectionResetError("closing")
        facts = decode(enc.frame(Header(message_id, self.terminal, 1, self.version), body)[1:-1]).facts
        self.sent.append((message_id, facts))
        return 100 + len(self.sent)


def said(message_id: int, body: bytes, sequence: int = 1) -> Message:
    return decode(enc.frame(Header(message_id, TERMINAL, sequence), body)[1:-1])


def answer(sequence: int, message_id: int, result: int = enc.DONE) -> Message:
    return said(0x0001, enc.answer_body(sequence, message_id, result))


@asynccontextmanager
async def running(store: FakeStore) -> AsyncIterator[Downlink]:
    downlink = Downlink(store, wait_s=0.05, pauses_s=(0.01,))
    task = asyncio.create_task(downlink.run())
    try:
        yield downlink
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - it happens in a thread, or tells nobody
            await asyncio.sleep(0.005)


CASES: list[tuple[str, dict[str, Any], tuple[int, dict[str, Any]], Message, dict[str, Any]]] = [
    (
        "locate",
        {},
        (0x8201, {}),
        said(0x0201, (101).to_bytes(2, "big") + POSITION + bytes.fromhex("300118")),
        {
            "position": {
                "fix_time": "2014-05-14T00:53:20+08:00",
                "valid": True,
                "lat": 23.1,
                "lon": 113.3,
                "altitude_m": 0,
                "speed_kmh": 0.0,
                "course_deg": 0,
                "ignition": False,
                "alarms": [],
                "extra": {"signal_strength": 24},
            }
        },
    ),
    ("track", {"interval_s": 5, "for_s": 60}, (0x8202, {"interval_s": 5, "for_s": 60}), answer(101, 0x8202), {}),
    (
        "set_parameters",
        {"values": {"interval_s": 30}},
        (0x8103, {"parameters": {"interval_s": 30}}),
        answer(101, 0x8103),
        {},
    ),
    (
        "query_parameters",
        {},
        (0x8104, {}),
        said(0x0104, enc.parameters_answer_body(101, {"interval_s": 30})),
        {"parameters": {"interval_s": 30}},
    ),
    (
        "query_parameters",
        {"names": ["host"]},
        (0x8106, {"names": ["host"]}),
        said(0x0104, enc.parameters_answer_body(101, {"host": "a"})),
        {"parameters": {"host": "a"}},
    ),
    (
        "query_properties",
        {},
        (0x8107, {}),
        said(0x0107, enc.properties_body(iccid="1", hardware="A", firmware="B")),
        {"properties": said(0x0107, enc.properties_body(iccid="1", hardware="A", firmware="B")).facts},
    ),
    (
        "text",
        {"text": "请回单位"},
        (0x8300, {"display": True, "speak": False, "flags": 4, "urgent": False, "text": "请回单位"}),
        answer(101, 0x8300),
        {},
    ),
    (
        "resend",
        {"first_sequence": 7, "count": 2},
        (0x8003, {"first_sequence": 7, "parts": [1, 2]}),
        answer(101, 0x8003),
        {},
    ),
]


@pytest.mark.parametrize(("kind", "arguments", "sent", "heard", "found"), CASES, ids=lambda each: str(each)[:20])
async def test_a_command_is_sent_and_its_answer_kept(
    kind: str, arguments: dict[str, Any], sent: tuple[int, dict[str, Any]], heard: Message, found: dict[str, Any]
) -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask(kind, **arguments)
        await until(lambda: connection.sent)
        assert connection.sent == [sent]
        downlink.heard(KEY, heard)
        await until(lambda: store.finished)
        assert store.finished == {command_id: (True, {"result": "done"} | found)}
        assert downlink.counts == {"sent": 1, "done": 1}


@pytest.mark.parametrize("kind", ["locate", "query_parameters", "query_properties", "text", "resend"])
@pytest.mark.parametrize("result", ["failed", "wrong", "unsupported"])
async def test_a_command_the_terminal_refuses_has_failed_with_its_reason(kind: str, result: str) -> None:
    store, connection = FakeStore(), FakeConnection()
    given: dict[str, dict[str, Any]] = {"text": {"text": "a"}, "resend": {"first_sequence": 1, "count": 1}}
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask(kind, **given.get(kind, {}))
        await until(lambda: connection.sent)
        code = {"failed": enc.FAILED, "wrong": enc.WRONG, "unsupported": enc.UNSUPPORTED}[result]
        downlink.heard(KEY, answer(101, connection.sent[0][0], code))
        await until(lambda: store.finished)
        assert store.finished == {command_id: (False, {"result": result})}


async def test_answers_to_something_else_finish_nothing() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("locate")
        await until(lambda: connection.sent)
        downlink.heard(KEY, answer(100, 0x8201, enc.FAILED))
        downlink.heard(KEY, answer(101, 0x8202, enc.FAILED))
        downlink.heard(KEY, answer(101, 0x8201))  # heard; the position is to follow
        downlink.heard(KEY, said(0x0201, (100).to_bytes(2, "big") + POSITION))
        downlink.heard(KEY, said(0x0104, enc.parameters_answer_body(101, {"host": "a"})))
        downlink.heard("another", said(0x0201, (101).to_bytes(2, "big") + POSITION))
        assert downlink.counts["done"] + downlink.counts["failed"] == 0
        downlink.heard(KEY, said(0x0201, (101).to_bytes(2, "big") + POSITION))
        await until(lambda: store.finished)
        assert store.finished[command_id][0]


async def test_several_commands_are_answered_in_any_order() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        ids = [store.ask("text", text=text) for text in "abc"]
        await until(lambda: len(connection.sent) == 3)
        for at in (2, 0, 1):
            downlink.heard(KEY, answer(101 + at, 0x8300, enc.FAILED if at == 1 else enc.DONE))
        await until(lambda: len(store.finished) == 3)
        assert [store.finished[each][0] for each in ids] == [True, False, True]


async def test_messages_that_were_asked_for_again_are_an_answer_once_all_have_come() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("resend", first_sequence=0xFFFF, count=3)
        await until(lambda: connection.sent)
        assert downlink.awaits_resent(KEY)
        for sequences in ([0xFFFF], [5, 1]):
            downlink.resent(KEY, sequences)
        assert downlink.awaits_resent(KEY)
        downlink.resent(KEY, [0, 1, 2])
        assert not downlink.awaits_resent(KEY)
        await until(lambda: store.finished)
        assert store.finished == {command_id: (True, {"result": "done"})}


async def test_a_terminal_that_hangs_up_before_it_answered_has_failed_and_is_not_asked_again() -> None:
    store, connection, again = FakeStore(), FakeConnection(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("text", text="once")
        await until(lambda: connection.sent)
        downlink.left(KEY, connection)
        await until(lambda: store.finished)
        assert store.finished == {command_id: (False, {"result": "hung_up"})}
        downlink.arrived(KEY, again)
        other = store.ask("locate")
        await until(lambda: again.sent)
        assert (again.sent, other in store.finished) == ([(0x8201, {})], False)
        assert downlink.counts == {"sent": 2, "hung_up": 1}


async def test_a_connection_that_is_closing_when_it_is_asked_has_hung_up() -> None:
    store, connection = FakeStore(), FakeConnection(broken=True)
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("locate")
        await until(lambda: store.finished)
        assert store.finished == {command_id: (False, {"result": "hung_up", "error": "closing"})}


async def test_a_terminal_is_asked_what_waited_for_it_when_it_comes() -> None:
    store, connection, other = FakeStore(), FakeConnection(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived("other", other)
        store.ask("locate")
        await until(lambda: store.expired)
        assert [each.kind for each in store.waiting] == ["locate"]
        downlink.arrived(KEY, connection)
        await until(lambda: connection.sent)
        assert (connection.sent, other.sent) == ([(0x8201, {})], [])


async def test_of_two_connections_of_one_terminal_the_newer_is_asked() -> None:
    store, old, new = FakeStore(), FakeConnection(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, old)
        first = store.ask("locate")
        await until(lambda: old.sent)
        downlink.arrived(KEY, new)
        store.ask("text", text="a")
        await until(lambda: new.sent)
        downlink.left(KEY, old)
        await until(lambda: store.finished)
        assert store.finished == {first: (False, {"result": "hung_up"})}
        store.ask("track", interval_s=0)
        await until(lambda: len(new.sent) == 2)


async def test_arguments_that_no_message_can_carry_fail_and_cost_only_themselves() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        store.waiting.append(Asked(50, KEY, "track", {}))
        store.waiting.append(Asked(51, KEY, "unheard", {}))
        store.waiting.append(Asked(52, KEY, "set_parameters", {"values": {"interval_s": -1}}))
        store.ask("locate")
        await until(lambda: connection.sent and len(store.finished) == 3)
        assert {each: found for each, (_, found) in store.finished.items()} == {
            50: {"result": "wrong", "error": "'interval_s'"},
            51: {"result": "wrong", "error": "'unheard'"},
            52: {
                "result": "wrong",
                "error": "interval_s: expected a whole number from 0 to 4294967295, got -1",
            },
        }


async def test_an_unanswered_command_is_left_to_expire_and_a_late_answer_is_told_all_the_same() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("locate")
        await until(lambda: connection.sent and store.expired)
        assert store.finished == {}
        downlink.heard(KEY, said(0x0201, (101).to_bytes(2, "big") + POSITION))
        await until(lambda: store.finished)
        assert store.finished[command_id][0]


async def test_a_terminal_that_never_answers_does_not_fill_the_memory() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        for _ in range(3 * MAX_OPEN):
            store.ask("locate")
        await until(lambda: len(connection.sent) == 3 * MAX_OPEN)
        assert downlink.counts["forgotten"] == 2 * MAX_OPEN
        assert sum(len(each) for each in downlink._open.values()) == MAX_OPEN


async def test_a_store_that_is_away_delays_but_loses_no_command_and_no_answer() -> None:
    store, connection = FakeStore(), FakeConnection()
    async with running(store) as downlink:
        store.away = 5
        downlink.arrived(KEY, connection)
        await until(lambda: store.away == 0)
        command_id = store.ask("locate")
        await until(lambda: connection.sent)
        store.away = 7
        downlink.heard(KEY, said(0x0201, (101).to_bytes(2, "big") + POSITION))
        await until(lambda: store.finished)
        assert store.finished[command_id][0]
        assert downlink.counts["store_failures"] >= 6


class Recorded(list[float]):
    """Pauses that remember which of them were taken."""

    taken: list[int]

    def __getitem__(self, at: Any) -> Any:
        self.taken.append(at)
        return super().__getitem__(at)


async def test_pauses_grow_while_the_store_stays_away() -> None:
    store, pauses = FakeStore(), Recorded([0.0, 0.001, 0.002])
    pauses.taken = []
    downlink = Downlink(store, pauses_s=pauses)
    store.away = 5
    with ThreadPoolExecutor(1) as threads:
        await downlink._patiently(threads, store.expire)
    assert pauses.taken == [0, 1, 2, 2, 2]
    assert downlink.counts == {"store_failures": 5}


async def test_an_answer_in_parts_counts_once_it_is_whole() -> None:
    store, connection = FakeStore(), FakeConnection()
    body = enc.parameters_answer_body(101, {"host": "a", "interval_s": 30})
    parts = PartStore()
    messages = [decode(each[1:-1], parts) for each in enc.frames(Header(0x0104, TERMINAL, 1), body, limit=9)]
    async with running(store) as downlink:
        downlink.arrived(KEY, connection)
        command_id = store.ask("query_parameters")
        await until(lambda: connection.sent)
        for message in messages:
            assert downlink.counts["done"] == 0
            downlink.heard(KEY, message)
        await until(lambda: store.finished)
        assert store.finished[command_id] == (
            True,
            {"result": "done", "parameters": {"host": "a", "interval_s": 30}},
        )
