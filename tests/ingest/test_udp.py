"""Receivers over UDP: a session for each address, every datagram by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.jt808 import Header, decode
from ingest.jt808 import encode as enc
from ingest.jt808_session import Jt808Platform
from ingest.limits import AddressLimits
from ingest.nmea_session import NmeaPlatform
from ingest.session import Platform
from ingest.udp import UdpReceiver
from tests.ingest.memory_store import MemoryRegistry, MemorySink
from tests.ingest.test_tcp import FIRST, RMC, TERMINAL, until


class Phone(asyncio.DatagramProtocol):
    """A terminal's end: what came back, in order."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        self.answers.append(data)

    def say(self, data: bytes) -> None:
        self.transport.sendto(data)


@pytest.fixture
async def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
async def intake(sink: MemorySink) -> AsyncIterator[Intake]:
    async with Intake(sink, group_wait_s=0.005) as opened:
        yield opened


@asynccontextmanager
async def talking(platform: Platform, phones: int = 1, **listen: Any) -> AsyncIterator[tuple[UdpReceiver, list[Phone]]]:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(UdpReceiver(platform, **listen))
        made = []
        for _ in range(phones):
            transport, phone = await loop.create_datagram_endpoint(Phone, remote_addr=("127.0.0.1", receiver.port))
            stack.callback(transport.close)
            made.append(phone)
        yield receiver, made


async def test_a_datagram_is_answered_after_the_commit(intake: Intake, sink: MemorySink) -> None:
    sink.gate.clear()
    async with talking(Jt808Platform(intake, MemoryRegistry())) as (_, (phone,)):
        phone.say(FIRST)
        await asyncio.sleep(0.1)
        assert phone.answers == []
        sink.gate.set()
        await until(lambda: phone.answers)
    assert decode(phone.answers[0][1:-1]).facts["result"] == "done"
    assert len(sink.rows) == 1


async def test_a_cut_datagram_costs_only_itself(intake: Intake, sink: MemorySink) -> None:
    async with talking(Jt808Platform(intake, MemoryRegistry())) as (receiver, (phone,)):
        phone.say(FIRST[:-9])
        phone.say(FIRST)
        await until(lambda: phone.answers)
        assert receiver.counts["bad_frames"] == 1
    assert [raw for _, raw in sink.refused] == [FIRST[1:-9]]
    assert len(sink.rows) == 1


async def test_addresses_have_sessions_of_their_own(intake: Intake, sink: MemorySink) -> None:
    platform = Jt808Platform(intake, MemoryRegistry(), require_authentication=True)
    async with talking(platform, phones=2) as (receiver, (one, two)):
        one.say(enc.frame(Header(0x0102, TERMINAL, 1), enc.authentication_body("code5678")))
        await until(lambda: one.answers)
        two.say(FIRST)
        one.say(FIRST)
        await until(lambda: len(one.answers) == 2 and two.answers)
        assert receiver.connections == 2
    assert [decode(each[1:-1]).facts["result"] for each in (*one.answers, *two.answers)] == ["done", "done", "failed"]
    assert len(sink.rows) == 1


async def test_a_silent_address_is_forgotten_and_offline(intake: Intake, sink: MemorySink) -> None:
    async with talking(Jt808Platform(intake, MemoryRegistry()), idle_timeout_s=0.05) as (receiver, (phone,)):
        phone.say(FIRST)
        await until(lambda: receiver.counts["idle"] == 1)
        await until(lambda: len(sink.events) == 2)
        assert receiver.connections == 0
    assert [(kind, facts) for kind, _, facts in sink.events] == [("online", {}), ("offline", {"why": "silent"})]


async def test_what_finds_the_intake_full_is_not_acknowledged(sink: MemorySink) -> None:
    sink.gate.clear()
    async with Intake(sink, capacity=1, group_size=1, group_wait_s=0.001) as intake:
        platform = Jt808Platform(intake, MemoryRegistry())
        async with talking(platform) as (receiver, (phone,)):
            for _ in range(20):
                phone.say(FIRST)
            await until(lambda: receiver.counts["dropped"] > 0)
            sink.gate.set()
            await until(lambda: len(phone.answers) == 20 - receiver.counts["dropped"])
            phone.say(FIRST)  # the terminal sends again what was not answered
            before = len(phone.answers)
            await until(lambda: len(phone.answers) == before + 1)


async def test_an_address_ahead_of_its_rate_is_not_heard(intake: Intake) -> None:
    limits = AddressLimits(max_bytes_per_s=1)
    async with talking(Jt808Platform(intake, MemoryRegistry()), limits=limits) as (receiver, (phone,)):
        phone.say(FIRST)
        phone.say(FIRST)
        await until(lambda: receiver.counts["dropped"] == 1)


async def test_nmea_datagrams_need_no_line_end_and_a_rest_ends_the_epoch(
    intake: Intake, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.udp.REST_S", 0.05)
    async with talking(NmeaPlatform(intake)) as (_, (phone,)):
        phone.say(b"$PGONG,G77")
        phone.say(RMC.strip())
        await until(lambda: sink.rows)
    assert {terminal for terminal, *_ in sink.rows} == {"G77"}


async def test_a_udp_port_in_use_is_one_clear_line(intake: Intake) -> None:
    async with talking(NmeaPlatform(intake)) as (receiver, _):
        with pytest.raises(ReceiverError, match=f"cannot listen for NMEA on UDP 127.0.0.1:{receiver.port}"):
            async with UdpReceiver(NmeaPlatform(intake), port=receiver.port):
                pass
