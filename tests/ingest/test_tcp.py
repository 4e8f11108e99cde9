"""Receivers over real sockets, with a store in memory."""

import asyncio
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trustme

from fixtures.terminals import Addresses, run_terminals
from geo.jit import COMPILED
from ingest.downlink import Downlink
from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.jt808 import FrameSplitter, Header, decode, unescape
from ingest.jt808 import encode as enc
from ingest.jt808.header import read_header, terminal_key
from ingest.jt808_session import Jt808Platform
from ingest.limits import AddressLimits
from ingest.nmea_session import NmeaPlatform
from ingest.tcp import TcpReceiver
from store.commands import Command
from tests.ingest.memory_store import MemoryRegistry, MemorySink, journey
from tests.ingest.test_golden_frames import JT808

TERMINAL = "013912345678"
FIRST = bytes.fromhex(JT808[0]["frame"])
ANSWER_TO_FIRST = "7e8001000501391234567800010001020000b67e"


class Line:
    """A connection as a test sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._splitter = FrameSplitter()
        self._facts: list[dict[str, Any]] = []
        self.sequences: list[int] = []

    async def answers(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self._facts) < count:
                chunk = await self.reader.read(4096)
                assert chunk, "the receiver hung up"
                for frame in self._splitter.feed(chunk):
                    assert isinstance(frame, bytes)
                    message = decode(frame)
                    self._facts.append({"message": message.header.name, **message.facts})
                    self.sequences.append(message.header.sequence)
        found, self._facts = self._facts[:count], self._facts[count:]
        return found


class OneCommand:
    """A store of commands with one in it."""

    def __init__(self, kind: str, key: str) -> None:
        self.waiting = [Command(1, key, kind, {})]
        self.finished: list[tuple[bool, Any]] = []

    def claim(self, keys: Collection[str]) -> list[Command]:
        claimed = [each for each in self.waiting if each.terminal_key in keys]
        self.waiting = [each for each in self.waiting if each not in claimed]
        return claimed

    def finish(self, command_id: int, *, done: bool, answer: Mapping[str, Any]) -> None:
        assert command_id == 1
        self.finished.append((done, answer))

    def expire(self) -> None:
        pass

    def wait(self, timeout_s: float) -> None:
        time.sleep(timeout_s)


class Bench:
    """An intake on a memory store with receivers and connections, closed in order."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.sink = MemorySink()
        self.registry = MemoryRegistry()
        self._stack = stack
        self.intake = Intake(self.sink, group_wait_s=0.005)

    async def jt808(self, *, require_authentication: bool = False, **listen: Any) -> TcpReceiver:
        platform = Jt808Platform(self.intake, self.registry, require_authentication=require_authentication)
        return await self._stack.enter_async_context(TcpReceiver(platform, **listen))

    async def nmea(self, **listen: Any) -> TcpReceiver:
        return await self._stack.enter_async_context(TcpReceiver(NmeaPlatform(self.intake), **listen))

    async def call(self, port: int) -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self._stack.push_async_callback(_hang_up, writer)
        return Line(reader, writer)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def bench() -> Any:
    async with AsyncExitStack() as stack:
        made = Bench(stack)
        await stack.enter_async_context(made.intake)
        yield made


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - counters raise no event
            await asyncio.sleep(0.005)


async def test_a_position_is_answered_as_the_standard_says(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(FIRST)
    answer = await asyncio.wait_for(line.reader.readexactly(len(ANSWER_TO_FIRST) // 2), 5)
    assert answer.hex() == ANSWER_TO_FIRST
    assert len(bench.sink.rows) == 1


async def test_no_answer_goes_out_before_the_commit(bench: Bench) -> None:
    bench.sink.gate.clear()
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(FIRST)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.reader.read(1), 0.1)
    bench.sink.gate.set()
    assert (await line.answers(1))[0]["result"] == "done"


async def test_a_bad_frame_costs_itself_and_the_connection_goes_on(bench: Bench) -> None:
    receiver = await bench.jt808()
    line = await bench.call(receiver.port)
    bad = bytes.fromhex("7e00020000013912345678000e3d7e")  # a heartbeat whose checksum is 3c
    line.writer.write(b"noise" + bad + FIRST + b"\x7e" + b"x" * 5000 + b"\x7e" + FIRST)
    assert [each["result"] for each in await line.answers(2)] == ["done", "done"]
    assert receiver.counts["bad_frames"] == 3
    assert [reason.partition(":")[0] for reason, _ in bench.sink.refused] == ["frame", "checksum", "frame"]
    assert bench.sink.refused[1][1] == bad


async def test_an_unknown_terminal_is_answered_as_failed_and_quarantined(bench: Bench) -> None:
    bench.sink.known = set()
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(FIRST)
    assert (await line.answers(1))[0]["result"] == "failed"
    assert bench.sink.refused == [(f"unknown terminal {TERMINAL}", FIRST)]


async def test_registration_gives_a_code_and_only_that_code_authenticates(bench: Bench) -> None:
    receiver = await bench.jt808()
    line = await bench.call(receiver.port)
    line.writer.write(enc.frame(Header(0x0100, TERMINAL, 1), enc.registration_body(plate="粤A12345")))
    (registered,) = await line.answers(1)
    assert (registered["result"], registered["code"]) == ("done", "code5678")
    for code in ("guess", "code5678"):
        line.writer.write(enc.frame(Header(0x0102, TERMINAL, 2), enc.authentication_body(code)))
    assert [each["result"] for each in await line.answers(2)] == ["failed", "done"]
    assert receiver.counts["bad_authentications"] == 1


async def test_a_stranger_is_not_registered(bench: Bench) -> None:
    bench.registry.strangers = {TERMINAL}
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(0x0100, TERMINAL, 1), enc.registration_body(plate="粤A12345")))
    assert (await line.answers(1))[0]["result"] == "no_such_terminal"


async def test_a_registry_that_is_away_gives_no_answer_and_the_connection_goes_on(bench: Bench) -> None:
    bench.registry.away = True
    receiver = await bench.jt808()
    line = await bench.call(receiver.port)
    line.writer.write(enc.frame(Header(0x0100, TERMINAL, 1), enc.registration_body(plate="粤A12345")) + FIRST)
    assert (await line.answers(1))[0]["answered_message"] == "0x0200"
    assert receiver.counts["registry_failures"] == 1


async def test_where_authentication_is_required_positions_count_only_after_it(bench: Bench) -> None:
    line = await bench.call((await bench.jt808(require_authentication=True)).port)
    line.writer.write(FIRST)
    assert (await line.answers(1))[0]["result"] == "failed"
    assert len(bench.sink.refused) == 1
    line.writer.write(enc.frame(Header(0x0102, TERMINAL, 2), enc.authentication_body("code5678")) + FIRST)
    assert [each["result"] for each in await line.answers(2)] == ["done", "done"]
    assert len(bench.sink.rows) == 1


@pytest.mark.parametrize(
    ("message_id", "body", "expected"),
    [
        (0x0002, b"", {"message": "0x8001", "answered_message": "0x0002", "result": "done"}),
        (0x0003, b"", {"message": "0x8001", "answered_message": "0x0003", "result": "done"}),
        (0x0004, b"", {"message": "0x8004"}),
        (0x0F01, b"?", {"message": "0x8001", "answered_message": "0x0f01", "result": "unsupported"}),
        (0x8100, bytes(3), {"message": "0x8001", "answered_message": "0x8100", "result": "unsupported"}),
    ],
)
async def test_what_has_no_position_is_answered_at_once(
    bench: Bench, message_id: int, body: bytes, expected: dict[str, str]
) -> None:
    bench.sink.gate.clear()
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(message_id, TERMINAL, 7), body))
    (answer,) = await line.answers(1)
    assert answer.items() >= expected.items()
    bench.sink.gate.set()


async def test_an_answer_is_not_answered(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(0x0001, TERMINAL, 7), bytes.fromhex("0001820100")))
    line.writer.write(enc.frame(Header(0x0002, TERMINAL, 8)))
    assert (await line.answers(1))[0]["answered_message"] == "0x0002"


async def test_parts_are_all_answered_once_the_whole_is_stored_and_missing_ones_asked_for(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    one, two = (bytes.fromhex(each["frame"]) for each in JT808[10:12])
    line.writer.write(two)
    assert await line.answers(1) == [{"message": "0x8003", "first_sequence": 11, "parts": [1]}]
    line.writer.write(one)
    answers = await line.answers(2)
    assert [(each["answered_sequence"], each["result"]) for each in answers] == [(11, "done"), (12, "done")]
    assert len(bench.sink.rows) == 3


async def test_a_driver_card_is_stored_and_answered(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    card = bytes.fromhex("01261123080000000161") + b"L1".ljust(20, b"\x00") + b"\x0141" + bytes.fromhex("20301231")
    line.writer.write(enc.frame(Header(0x0702, TERMINAL, 7), card[:-5] + card[-4:]))
    assert (await line.answers(1))[0]["result"] == "done"
    assert bench.sink.swipes == ["L1"]


async def test_a_silent_connection_is_ended(bench: Bench) -> None:
    receiver = await bench.jt808(idle_timeout_s=0.05)
    line = await bench.call(receiver.port)
    assert await asyncio.wait_for(line.reader.read(), 5) == b""
    assert receiver.counts["idle"] == 1


async def test_connections_past_the_limit_are_closed_and_counted(bench: Bench) -> None:
    receiver = await bench.jt808(max_connections=1)
    first = await bench.call(receiver.port)
    await until(lambda: receiver.connections == 1)
    second = await bench.call(receiver.port)
    assert await asyncio.wait_for(second.reader.read(), 5) == b""
    assert receiver.counts["refused_connections"] == 1
    first.writer.write(FIRST)
    assert (await first.answers(1))[0]["result"] == "done"


async def test_a_port_in_use_is_one_clear_line(bench: Bench) -> None:
    taken = await bench.jt808()
    with pytest.raises(ReceiverError, match=f"cannot listen for NMEA on 127.0.0.1:{taken.port}"):
        await bench.nmea(port=taken.port)


async def test_a_bound_socket_may_be_given(bench: Bench) -> None:
    listener = bench._stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    receiver = await bench.jt808(listener=listener)
    assert receiver.port == listener.getsockname()[1]
    line = await bench.call(receiver.port)
    line.writer.write(FIRST)
    assert (await line.answers(1))[0]["result"] == "done"


async def test_leaving_the_receiver_answers_what_is_stored_and_hangs_up(bench: Bench) -> None:
    bench.sink.gate.clear()
    async with TcpReceiver(Jt808Platform(bench.intake, bench.registry)) as receiver:
        line = await bench.call(receiver.port)
        line.writer.write(FIRST)
        await until(lambda: bench.intake.counts.received == 1)
        asyncio.get_running_loop().call_later(0.05, bench.sink.gate.set)
    assert (await line.answers(1))[0]["result"] == "done"
    assert await line.reader.read() == b""


RMC = b"$BDRMC,000000.00,A,2307.74978,N,11315.86610,E,23.326,271.0,231126,,,A*75\r\n"


async def test_nmea_is_kept_under_the_number_of_its_identity_line(bench: Bench) -> None:
    receiver = await bench.nmea()
    line = await bench.call(receiver.port)
    line.writer.write(b"$PGONG,G77\r\n" + RMC)
    line.writer.close()
    await until(lambda: bench.sink.rows)
    assert {terminal for terminal, *_ in bench.sink.rows} == {"G77"}


async def test_a_first_line_without_a_dollar_names_the_terminal(bench: Bench) -> None:
    line = await bench.call((await bench.nmea()).port)
    line.writer.write(b"G88\r\n" + RMC)
    line.writer.close()
    await until(lambda: bench.sink.rows)
    assert {terminal for terminal, *_ in bench.sink.rows} == {"G88"}


async def test_nmea_without_an_identity_is_quarantined(bench: Bench) -> None:
    line = await bench.call((await bench.nmea()).port)
    line.writer.write(RMC + b"garbage\r\n")
    line.writer.close()
    await until(lambda: len(bench.sink.refused) == 2)
    assert sorted(reason.partition(":")[0] for reason, _ in bench.sink.refused) == ["sentence", "terminal"]


async def test_an_epoch_ends_with_a_silence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.tcp.REST_S", 0.05)
    line = await bench.call((await bench.nmea()).port)
    line.writer.write(b"$PGONG,G77\r\n" + RMC)
    await until(lambda: bench.sink.rows)
    assert not line.reader.at_eof()


async def test_simulated_terminals_are_all_acknowledged(bench: Bench) -> None:
    jt808, nmea = await bench.jt808(require_authentication=True), await bench.nmea()
    addresses = Addresses(jt808=("127.0.0.1", jt808.port), nmea=("127.0.0.1", nmea.port))
    journeys = [journey(f"{139_0000_0000 + i:012d}", "jt808", 100, seed=i) for i in range(5)]
    journeys += [journey(f"N{i}", "nmea", 50, seed=i) for i in range(3)]
    tally = await run_terminals(journeys, addresses)
    assert (tally.sent, tally.acked, tally.refused, tally.reconnects) == (650, 500, 0, 0)
    assert tally.latency_ms(99) > 0
    await until(lambda: len(bench.sink.rows) == 650)


async def test_what_was_not_acknowledged_is_sent_again_after_a_reconnect(bench: Bench) -> None:
    bench.sink.gate.clear()
    async with TcpReceiver(Jt808Platform(bench.intake, bench.registry)) as receiver:
        addresses = Addresses(jt808=("127.0.0.1", receiver.port))
        running = asyncio.create_task(run_terminals([journey(TERMINAL, "jt808", 40)], addresses))
        await until(lambda: bench.intake.counts.received == 40)
        for connection in set(receiver.open):
            connection.abort()
        bench.sink.gate.set()
        tally = await asyncio.wait_for(running, 20)
    assert (tally.sent, tally.acked) == (40, 40)
    assert len(bench.sink.rows) == 40


async def test_a_refused_terminal_ends_its_journey(bench: Bench) -> None:
    bench.registry.strangers = {TERMINAL}
    receiver = await bench.jt808()
    tally = await run_terminals([journey(TERMINAL, "jt808", 10)], Addresses(jt808=("127.0.0.1", receiver.port)))
    assert (tally.sent, tally.acked, tally.refused) == (0, 0, 10)


async def test_a_journey_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="addresses: expected one for mqtt, got none"):
        await run_terminals([journey("M1", "mqtt", 1)], Addresses())


async def test_a_terminal_comes_online_and_goes_offline(bench: Bench) -> None:
    receiver = await bench.jt808()
    line = await bench.call(receiver.port)
    line.writer.write(FIRST)
    await line.answers(1)
    line.writer.write(enc.frame(Header(0x0003, TERMINAL, 2)))
    await line.answers(1)
    line.writer.close()
    await until(lambda: receiver.connections == 0 and len(bench.sink.events) == 2)
    assert [(kind, facts) for kind, _, facts in bench.sink.events] == [
        ("online", {}),
        ("offline", {"why": "logged out"}),
    ]


async def test_a_number_that_speaks_on_two_connections_is_a_finding(bench: Bench) -> None:
    receiver = await bench.jt808()
    one, two = await bench.call(receiver.port), await bench.call(receiver.port)
    for line in (one, two, one):
        line.writer.write(FIRST)
        await line.answers(1)
    await until(lambda: len(bench.sink.events) == 3)
    assert [kind for kind, *_ in bench.sink.events] == ["online", "online", "twice"]


async def test_a_wrong_code_is_a_finding_and_is_not_kept(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(0x0102, TERMINAL, 1), enc.authentication_body("guess")))
    await line.answers(1)
    await until(lambda: ("wrong_code", TERMINAL, {}) in bench.sink.events)


async def test_a_registration_is_kept_with_what_the_terminal_says_of_itself(bench: Bench) -> None:
    bench.registry.strangers = {TERMINAL}
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(0x0100, TERMINAL, 1), enc.registration_body(plate="粤A12345")))
    await line.answers(1)
    await until(lambda: [kind for kind, *_ in bench.sink.events] == ["online", "registered"])
    assert bench.sink.events[1][2].items() >= {"plate": "粤A12345", "result": "no_such_terminal"}.items()


async def test_a_terminal_that_is_held_is_answered_as_if_it_were_known(bench: Bench) -> None:
    bench.registry.strangers = bench.registry.held = {TERMINAL}
    platform = Jt808Platform(bench.intake, bench.registry, require_authentication=True)
    receiver = await bench._stack.enter_async_context(TcpReceiver(platform))
    line = await bench.call(receiver.port)
    line.writer.write(enc.frame(Header(0x0100, TERMINAL, 1), enc.registration_body(plate="粤A12345")))
    (registered,) = await line.answers(1)
    assert registered["result"] == "done"
    line.writer.write(enc.frame(Header(0x0102, TERMINAL, 2), enc.authentication_body(registered["code"])) + FIRST)
    assert [each["result"] for each in await line.answers(2)] == ["done", "done"]


@pytest.mark.parametrize("count", [3, 30])  # frame by frame, and together
async def test_messages_that_were_skipped_are_a_finding_and_asked_for(bench: Bench, count: int) -> None:
    platform = Jt808Platform(bench.intake, bench.registry, request_gaps=True)
    receiver = await bench._stack.enter_async_context(TcpReceiver(platform))
    line = await bench.call(receiver.port)
    _, body = read_header(unescape(FIRST[1:-1]))
    sent = [enc.frame(Header(0x0200, TERMINAL, 60 + number + 3 * (number >= 2)), body) for number in range(count)]
    line.writer.write(b"".join(sent))
    answers = await line.answers(count + 1)
    assert {"message": "0x8003", "first_sequence": 62, "parts": [1, 2, 3]} in answers
    await until(lambda: ("gap", TERMINAL, {"first_sequence": 62, "count": 3}) in bench.sink.events)


@pytest.mark.skipif(not COMPILED, reason="frames are read together only where numba is installed")
async def test_many_positions_in_one_read_are_stored_and_answered_like_few(bench: Bench) -> None:
    bench.sink.known = {terminal_key(TERMINAL)}
    line = await bench.call((await bench.jt808()).port)
    _, body = read_header(unescape(FIRST[1:-1]))
    stranger = "000000000777"
    sent = [enc.frame(Header(0x0200, (TERMINAL, stranger)[number % 2], number // 2), body) for number in range(40)]
    heartbeat = enc.frame(Header(0x0002, TERMINAL, 99))
    line.writer.write(b"".join(sent[:9]) + heartbeat + b"".join(sent[9:]))
    answers = await line.answers(41)
    assert sorted((each["answered_message"], each["answered_sequence"], each["result"]) for each in answers) == sorted(
        [("0x0002", 99, "done"), *(("0x0200", i // 2, ("done", "failed")[i % 2]) for i in range(40))]
    )
    assert [raw for _, raw in bench.sink.refused] == sent[1::2]
    assert bench.sink.received == 20


@pytest.mark.skipif(not COMPILED, reason="frames are read together only where numba is installed")
async def test_a_heartbeat_between_many_positions_is_no_gap(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    _, body = read_header(unescape(FIRST[1:-1]))
    sent = [enc.frame(Header(0x0002 if number == 7 else 0x0200, TERMINAL, number), body) for number in range(20)]
    line.writer.write(b"".join(sent))
    await line.answers(20)
    assert [kind for kind, *_ in bench.sink.events] == ["online"]


async def test_a_connection_is_not_read_while_the_intake_is_full_and_goes_on_after(bench: Bench) -> None:
    bench.sink.gate.clear()
    async with (
        Intake(bench.sink, capacity=5, group_size=5, group_wait_s=0.001) as small,
        TcpReceiver(Jt808Platform(small, bench.registry)) as receiver,
    ):
        line = await bench.call(receiver.port)
        for _ in range(30):
            line.writer.write(FIRST)
            await line.writer.drain()
            await asyncio.sleep(0.002)
        await until(lambda: next(iter(receiver.open)).paused)
        assert small.counts.received < 30
        bench.sink.gate.set()
        assert len(await line.answers(30)) == 30


async def test_connections_of_one_address_are_limited(bench: Bench) -> None:
    receiver = await bench.jt808(limits=AddressLimits(max_connections=1))
    await bench.call(receiver.port)
    await until(lambda: receiver.connections == 1)
    second = await bench.call(receiver.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(second.reader.readexactly(1), 5)
    assert receiver.counts["refused_connections"] == 1


async def test_an_address_ahead_of_its_rate_waits_and_loses_nothing(bench: Bench) -> None:
    receiver = await bench.jt808(limits=AddressLimits(max_bytes_per_s=len(FIRST) * 20))
    line = await bench.call(receiver.port)
    line.writer.write(FIRST * 50)  # forty may come at once, ten wait half a second
    await until(lambda: any(each.paused for each in receiver.open))
    assert len(await line.answers(50)) == 50
    line.writer.write(FIRST)
    assert len(await line.answers(1)) == 1


async def test_tls_carries_the_same_conversation(bench: Bench) -> None:
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    receiver = await bench.jt808(tls=server)
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port, ssl=client, server_hostname="localhost")
    bench._stack.push_async_callback(_hang_up, writer)
    line = Line(reader, writer)
    writer.write(FIRST * 100)
    assert [each["result"] for each in await line.answers(100)] == ["done"] * 100
    plain = await bench.call(receiver.port)
    plain.writer.write(FIRST)
    assert await asyncio.wait_for(plain.reader.read(), 5) == b""
    line.writer.write(FIRST)
    assert len(await line.answers(1)) == 1


async def test_a_vendors_request_for_the_time_is_answered_in_its_own_form(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(0x0109, TERMINAL, 1)))
    (answer,) = await line.answers(1)
    assert answer["message"] == "0x8109"


@pytest.mark.parametrize(
    ("message_id", "body", "kind"),
    [(0x0900, b"\x41\x01\x02", "pass_through"), (0x0800, bytes([0, 0, 0, 9, 0, 0, 1, 2]), "media")],
)
async def test_what_a_terminal_says_beside_positions_is_stored_before_it_is_answered(
    bench: Bench, message_id: int, body: bytes, kind: str
) -> None:
    bench.sink.gate.clear()
    line = await bench.call((await bench.jt808()).port)
    line.writer.write(enc.frame(Header(message_id, TERMINAL, 3), body))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.reader.read(1), 0.1)
    bench.sink.gate.set()
    assert (await line.answers(1))[0]["result"] == "done"
    assert kind in [each for each, *_ in bench.sink.events]


async def test_a_picture_is_stored_whole_and_its_missing_parts_asked_for_by_its_number(bench: Bench) -> None:
    line = await bench.call((await bench.jt808()).port)
    data = bytes(range(256)) * 8
    _, position = read_header(unescape(FIRST[1:-1]))
    frames = enc.frames(Header(0x0801, TERMINAL, 5), enc.media_body(77, data, position=position[:28]))
    assert len(frames) == 3
    line.writer.write(frames[0] + frames[2])
    assert await line.answers(1) == [{"message": "0x8800", "media_no": 77, "parts": [2]}]
    line.writer.write(frames[1])
    assert await line.answers(1) == [{"message": "0x8800", "media_no": 77}]
    (media,) = bench.sink.media
    assert (media.media_no, media.data) == (77, data)


async def test_a_terminal_is_asked_over_its_connection_and_its_answer_comes_back(bench: Bench) -> None:
    store = OneCommand("locate", terminal_key(TERMINAL))
    downlink = Downlink(store, wait_s=0.01)
    platform = Jt808Platform(bench.intake, bench.registry, downlink=downlink)
    receiver = await bench._stack.enter_async_context(TcpReceiver(platform))
    running = asyncio.create_task(downlink.run())
    line = await bench.call(receiver.port)
    line.writer.write(enc.frame(Header(0x0002, TERMINAL, 1)))
    answers = await line.answers(2)
    (asked,) = [each for each in answers if each["message"] == "0x8201"]
    assert asked
    _, body = read_header(unescape(FIRST[1:-1]))
    (sequence,) = [line.sequences[number] for number, each in enumerate(answers) if each is asked]
    line.writer.write(enc.frame(Header(0x0201, TERMINAL, 2), sequence.to_bytes(2, "big") + body))
    await until(lambda: store.finished)
    ((done, answer),) = store.finished
    assert done
    assert answer["position"]["lat"] == 23.129163
    running.cancel()
