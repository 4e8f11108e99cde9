"""Raw frames: what is kept of a connection is what it said, byte by byte, before anything of it is acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import aiomqtt
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.terminals import Addresses, run_terminals
from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.intake import Intake
from ingest.jt808 import Header
from ingest.jt808 import encode as enc
from ingest.jt808_session import Jt808Platform
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.mqtt_packets import Message
from ingest.mqtt_parcel import Router
from ingest.nmea_session import NmeaPlatform
from ingest.parcel import Outcome, Parcel, RawFrames
from ingest.raw import HELD_BYTES, by_terminal, raw_payloads
from ingest.roster import Roster
from ingest.session import Session
from ingest.tcp import TcpReceiver
from ingest.udp import UdpReceiver
from store.database import Database
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from store.raw_frames import RawFrame, add_raw, read_raw
from tests.ingest.conftest import Mosquitto
from tests.ingest.memory_store import START_US, MemoryRegistry, MemorySink, journey
from tests.ingest.test_golden_frames import JT808, NMEA
from tests.ingest.test_tcp import until

FRAMES = [bytes.fromhex(each["frame"]) for each in JT808]
LINES = [line.encode() + b"\r\n" for each in NMEA for line in each["sentences"]]
STRANGE = [
    b"noise",
    b"\x7e\x7e",
    b"\x7e\x7d\x7e",
    b"\x00",
    b"\x7e\x00\x02\x00\x00\x01\x39\x12\x34\x56\x78\x00\x0e\x3d\x7e",
]
MQTT = Router("gongche/+/position", "gongche/+/status")


class Recorder(MemorySink):
    """Keeps the raw frames of each parcel in the order of storing."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[RawFrames] = []

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        outcomes = super().write(parcels)
        self.raw += [each for parcel in parcels for each in parcel.raw]
        return outcomes

    def has(self, size: int) -> bool:
        return sum(len(each.data) for each in self.raw) == size


class Silent:
    """A link that carries nothing back."""

    host, port, local_port = "192.0.2.1", 5000, 8808

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def look(self) -> None:
        pass


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[Recorder, Intake]]:
    sink = Recorder()
    async with Intake(sink, group_wait_s=0.002) as intake:
        yield sink, intake


def jt808(intake: Intake, **more: Any) -> Jt808Platform:
    return Jt808Platform(intake, MemoryRegistry(), keep_raw=True, **more)


def pieces_of(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


async def say(session: Session, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        while session.busy:  # noqa: ASYNC110 - a session raises no event
            await asyncio.sleep(0.001)
        session.receive(piece)
    await session.settled(5)
    session.end()
    await session.settled(5)


cuts = st.lists(st.integers(0, 100_000), max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(FRAMES + STRANGE), max_size=25), cuts)
def test_all_that_is_kept_of_a_jt808_connection_is_what_it_said(said: list[bytes], cuts: list[int]) -> None:
    async def run() -> list[RawFrames]:
        async with recording() as (sink, intake):
            await say(jt808(intake).session(Silent()), pieces_of(b"".join(said), cuts))
        return sink.raw

    assert b"".join(each.data for each in asyncio.run(run())) == b"".join(said)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([*LINES, b"$PGONG,N1\r\n", b"\r\n", b"noise\n", b"$GPGGA,\r", b"\x00"]), max_size=25), cuts
)
def test_all_that_is_kept_of_an_nmea_connection_is_what_it_said(said: list[bytes], cuts: list[int]) -> None:
    async def run() -> list[RawFrames]:
        async with recording() as (sink, intake):
            await say(NmeaPlatform(intake, keep_raw=True).session(Silent()), pieces_of(b"".join(said), cuts))
        return sink.raw

    assert b"".join(each.data for each in asyncio.run(run())) == b"".join(said)


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAMES + STRANGE), max_size=25))
def test_runs_of_a_gateways_frames_are_its_bytes(said: list[bytes]) -> None:
    data = b"".join(said)
    runs = by_terminal(data, "otherwise")
    assert b"".join(each.data for each in runs) == data
    assert all(one.terminal != next_one.terminal for one, next_one in pairwise(runs))


def test_each_terminal_of_a_gateway_has_its_own_frames() -> None:
    first, second = (b"".join(enc.frames(Header(2, number, 1), b"")) for number in ("013900000001", "013900000002"))
    # A number that needs an escape, and two frames that share a delimiter.
    escaped = b"".join(enc.frames(Header(2, "013900000003", 0x7D7E), b""))
    assert b"\x7d\x02" in escaped
    runs = by_terminal(first + second + second[1:] + b"\x7ebroken\x7e" + escaped, "nobody")
    assert [(each.terminal, each.data) for each in runs] == [
        ("013900000001", first),
        ("013900000002", second + second[1:]),
        ("nobody", b"\x7ebroken\x7e"),
        ("013900000003", escaped),
    ]


async def test_frames_go_whole_and_a_torn_one_with_its_end() -> None:
    async with recording() as (sink, intake):
        session = jt808(intake).session(Silent())
        session.receive(FRAMES[0] + FRAMES[0][:20])
        await session.settled(5)
        assert [each.data for each in sink.raw] == [FRAMES[0]]
        session.receive(FRAMES[0][20:])
        await session.settled(5)
        assert [each.data for each in sink.raw] == [FRAMES[0], FRAMES[0]]
        assert {each.terminal for each in sink.raw} == {"013912345678"}


async def test_nothing_is_answered_before_its_raw_is_stored() -> None:
    """Not even a heartbeat: with the setting it is a parcel of its own."""
    heartbeat = b"".join(enc.frames(Header(2, "013912345678", 7), b""))
    async with recording() as (sink, intake):
        for said in (FRAMES[0], heartbeat):
            sink.gate.clear()
            link = Silent()
            session = jt808(intake).session(link)
            session.receive(said)
            await asyncio.sleep(0.05)
            assert (link.sent, sink.raw[-1:] == [RawFrames("013912345678", said)]) == ([], False)
            sink.gate.set()
            await session.settled(5)
            assert (len(link.sent), sink.raw[-1]) == (1, RawFrames("013912345678", said))


async def test_noise_without_end_does_not_fill_the_memory_and_is_kept() -> None:
    noise = bytes(range(0x30, 0x70)) * 4096
    async with recording() as (sink, intake):
        session = jt808(intake).session(Silent())
        for piece in pieces_of(noise, range(0, len(noise), 8192)):
            session.receive(piece)
        await session.settled(5)
        assert sum(len(each.data) for each in sink.raw) > len(noise) - HELD_BYTES - 8192
        session.end()
        await session.settled(5)
        assert b"".join(each.data for each in sink.raw) == noise


async def test_datagrams_are_kept_each_by_itself() -> None:
    wanted = bytearray()
    async with recording() as (sink, intake):
        for platform, said in (
            (jt808(intake), [FRAMES[0], FRAMES[0][:20], b"\x7e", FRAMES[0]]),
            (NmeaPlatform(intake, keep_raw=True), [LINES[0].strip(), LINES[1] + LINES[2][:9], b"$"]),
        ):
            async with UdpReceiver(platform) as receiver:
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(
                    asyncio.DatagramProtocol, remote_addr=("127.0.0.1", receiver.port)
                )
                for datagram in said:
                    wanted += datagram
                    transport.sendto(datagram)
                    await until(partial(sink.has, len(wanted)))
                transport.close()
    assert b"".join(each.data for each in sink.raw) == wanted


def test_payloads_are_kept_with_their_topics() -> None:
    payloads = [b'{"lat": 1e400}', b"\x00\xff", b"online"]
    topics = ["gongche/M1/position", "elsewhere", "gongche/M2/status"]
    messages = [
        Message(topic, payload, 1, 1, False, len(payload)) for topic, payload in zip(topics, payloads, strict=True)
    ]
    assert raw_payloads(messages, MQTT) == [
        RawFrames("M1", payloads[0], topics[0]),
        RawFrames("", payloads[1], topics[1]),
        RawFrames("M2", payloads[2], topics[2]),
    ]


async def test_without_the_setting_nothing_is_kept_and_a_heartbeat_waits_for_nobody() -> None:
    async with recording() as (sink, intake):
        sink.gate.clear()
        link = Silent()
        session = Jt808Platform(intake, MemoryRegistry()).session(link)
        session.receive(b"".join(enc.frames(Header(2, "013912345678", 7), b"")))
        assert len(link.sent) == 1
        session.receive(FRAMES[0])
        sink.gate.set()
        await session.settled(5)
        session.end()
        assert sink.raw == []


def test_a_parcel_of_raw_frames_alone_is_something_to_store() -> None:
    parcel = Parcel("jt808", "", START_US, raw=[RawFrames("1", b"a"), RawFrames("2", b"b")])
    assert (parcel.empty, parcel.rows, parcel.weight) == (False, 0, 2)
    halves = parcel.halves()
    assert halves is not None
    assert [list(each.raw) for each in halves] == [[RawFrames("1", b"a")], [RawFrames("2", b"b")]]


# ---------------------------------------------------------------- into the database


@pytest.fixture
def fleet(database: Database) -> Database:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        numbers = {"013900000001": "jt808", "N1": "nmea", "M1": "mqtt"}
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(len(numbers))])
        upsert_terminals(conn, [Terminal(no, f"V{i}", kind) for i, (no, kind) in enumerate(numbers.items())])
    return database


def test_raw_frames_are_read_by_terminal_and_time(database: Database) -> None:
    rows = [
        RawFrame(START_US + second, "jt808", "192.0.2.1:1", number, bytes([second, 0, 0x7E, 0x5C, 9, 10]))
        for second, number in (
            (1, "013900000001"),
            (2, "00000000013900000001"),
            (2, "N\x001"),
            (3, "13900000001"),
            (4, ""),
        )
    ]
    with database.connection() as conn:
        add_raw(conn, rows)
        found = read_raw(conn, "13900000001", START_US + 1, START_US + 3, 10)
        assert [(row.received_at, row.frames) for row in found] == [(row.received_at, row.frames) for row in rows[:2]]
        assert [row.frames for row in read_raw(conn, "N␀1", START_US, START_US + 9, 10)] == [rows[2].frames]
        assert [row.frames for row in read_raw(conn, "", START_US, START_US + 9, 10)] == [rows[4].frames]
        assert read_raw(conn, "13900000001", START_US, START_US + 9, 1) == found[:1]


def test_positions_and_their_raw_frames_are_stored_together_or_not_at_all(fleet: Database, conninfo: str) -> None:
    async def run() -> tuple[int, int]:
        sink = DatabaseSink(fleet, Roster(fleet))
        with psycopg.connect(conninfo, autocommit=True) as conn:
            conn.execute("ALTER TABLE raw_frame ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
            walk = journey("013900000001", "jt808", 1)
            async with Intake(sink, group_wait_s=0.002, close_timeout_s=0.1) as intake:
                platform = Jt808Platform(intake, DatabaseRegistry(fleet), keep_raw=True)
                async with TcpReceiver(platform) as receiver:
                    terminals = asyncio.create_task(
                        run_terminals([walk], Addresses(jt808=("127.0.0.1", receiver.port)))
                    )
                    await until(lambda: intake.counts.failures > 0)
                    before = conn.execute("SELECT count(*) FROM position").fetchone()
                    conn.execute("ALTER TABLE raw_frame DROP CONSTRAINT full_disk")
                    tally = await terminals
                    after = conn.execute("SELECT count(*) FROM position").fetchone()
        assert (before, after) == ((0,), (1,))
        return tally.acked, len(raw_of(conninfo))

    acknowledged, raw = asyncio.run(run())
    assert acknowledged == 1
    assert raw >= 1


def raw_of(conninfo: str, source: str = "jt808") -> list[bytes]:
    with psycopg.connect(conninfo) as conn:
        rows = conn.execute("SELECT frames FROM raw_frame WHERE source = %s ORDER BY frame_id", (source,)).fetchall()
    return [frames for (frames,) in rows]


async def test_a_brokers_payloads_come_into_the_database_as_they_were(
    fleet: Database, forgetful_mosquitto: Mosquitto
) -> None:
    position = b'{ "fix_time":"2026-11-23T08:00:00+08:00" ,"lat": 23.129163000, "lon":113.264435}\r\n'
    said = [
        ("gongche/M1/position", position),
        ("gongche/M1/position", b"\x00\xff{"),
        ("gongche/M1/status", b" ONLINE\n"),
    ]
    async with Intake(DatabaseSink(fleet, Roster(fleet)), group_wait_s=0.01) as intake:
        address = BrokerAddress("127.0.0.1", forgetful_mosquitto.port)
        async with MqttReceiver(intake, address, keep_raw=True) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 20)
            async with aiomqtt.Client("127.0.0.1", forgetful_mosquitto.port) as client:
                for topic, payload in said:
                    await client.publish(topic, payload, qos=1)
            await until(lambda: receiver.counts["messages"] == len(said))
    with fleet.connection() as conn:
        assert conn.execute("SELECT count(*) FROM position").fetchone() == (1,)
        kept = conn.execute("SELECT place, terminal_key, frames FROM raw_frame ORDER BY frame_id").fetchall()
    assert kept == [(topic, "M1", payload) for topic, payload in said]
