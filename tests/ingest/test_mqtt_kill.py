"""SIGKILL in the middle of the load, of the receiver, of the broker and of PostgreSQL: every position is one row."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mqtt5
import psycopg
import pytest

from ingest.payload import write_json
from store.database import Database, migrate
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from store.postgres import EmbeddedPostgres
from tests.ingest.conftest import Mosquitto
from tests.ingest.memory_store import journey

TERMINALS = ("M1", "M2")
POSITIONS = 400  # of each terminal; half of them are held back until the kill
WINDOW = 100


class Publisher:
    """Publishes every position at QoS 1 and again after each break what the broker has not acknowledged, as terminals do."""

    def __init__(self, port: int) -> None:
        self.go_on = asyncio.Event()
        walks = [journey(number, "mqtt", POSITIONS, seed=i) for i, number in enumerate(TERMINALS)]
        self.sent = {(walk.terminal_no, int(time)) for walk in walks for time in walk.fix_time}
        self._port = port
        self._left = [
            (f"gongche/{walk.terminal_no}/position", write_json(walk.report(i)))
            for i in range(POSITIONS)
            for walk in walks
        ]
        self.breaks = 0

    async def run(self) -> None:
        while self._left:
            try:
                await self._connection()
            except (ConnectionError, asyncio.IncompleteReadError, OSError):
                self.breaks += 1
                await asyncio.sleep(0.1)

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(mqtt5.ConnectPacket("terminals", clean_start=True, keep_alive=60).write())
            await self._answer(reader)
            while self._left:
                if len(self._left) <= len(self.sent) // 2:
                    await self.go_on.wait()
                lot = self._left[:WINDOW]
                packets = [
                    mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1 + i).write()
                    for i, (topic, payload) in enumerate(lot)
                ]
                writer.write(b"".join(packets))
                for _ in lot:  # PUBACKs come in order
                    await self._answer(reader)
                    del self._left[0]
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readexactly(2)
        await reader.readexactly(head[1])


class Receiver:
    """The receiver as a process."""

    def __init__(self, conninfo: str, port: int) -> None:
        command = [sys.executable, "-m", "tests.ingest.mqtt_process", conninfo, str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])

    async def ready(self) -> None:
        assert self._process.stdout is not None
        assert await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), 30) == b"ready\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def make_fleet(database: Database) -> None:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(number, number, "U") for number in TERMINALS])
        upsert_terminals(conn, [Terminal(number, number, "mqtt") for number in TERMINALS])


def rows(conninfo: str) -> list[tuple[str, int]]:
    with psycopg.connect(conninfo) as conn:
        return conn.execute(
            "SELECT t.terminal_no, (extract(epoch FROM p.fix_time) * 1000000)::bigint "
            "FROM position p JOIN bound_terminal t USING (vehicle_id)"
        ).fetchall()


async def stored(conninfo: str, enough: Callable[[int], bool]) -> list[tuple[str, int]]:
    """The rows once there are enough of them."""
    async with asyncio.timeout(60):
        while not enough(len(found := await asyncio.to_thread(rows, conninfo))):  # noqa: ASYNC110 - rows raise no event
            await asyncio.sleep(0.02)
    return found


async def all_stored(conninfo: str, publisher: Publisher) -> None:
    found = await stored(conninfo, lambda count: count >= len(publisher.sent))
    assert sorted(found) == sorted(publisher.sent)


@pytest.mark.broker
async def test_a_killed_receiver(database: Database, conninfo: str, forgetful_mosquitto: Mosquitto) -> None:
    make_fleet(database)
    publisher, receiver = Publisher(forgetful_mosquitto.port), Receiver(conninfo, forgetful_mosquitto.port)
    try:
        await receiver.ready()
        running = asyncio.create_task(publisher.run())
        await stored(conninfo, lambda count: count >= 100)
        receiver.kill()
        publisher.go_on.set()
        await running  # the broker keeps what nobody takes
        assert len(rows(conninfo)) < len(publisher.sent)
        receiver = Receiver(conninfo, forgetful_mosquitto.port)
        await receiver.ready()
        await all_stored(conninfo, publisher)
    finally:
        receiver.kill()


@pytest.mark.broker
async def test_a_killed_broker(database: Database, conninfo: str, mosquitto: Mosquitto) -> None:
    make_fleet(database)
    publisher, receiver = Publisher(mosquitto.port), Receiver(conninfo, mosquitto.port)
    try:
        await receiver.ready()
        running = asyncio.create_task(publisher.run())
        await stored(conninfo, lambda count: count >= 100)
        mosquitto.kill()
        mosquitto.start()
        publisher.go_on.set()
        await asyncio.wait_for(running, 30)
        assert publisher.breaks > 0
        await all_stored(conninfo, publisher)
    finally:
        receiver.kill()


@contextmanager
def server_to_kill(home: Path) -> Iterator[tuple[EmbeddedPostgres, str]]:
    with EmbeddedPostgres(home) as server:
        with psycopg.connect(server.conninfo) as conn:
            migrate(conn)
        with Database.open(server.conninfo) as database:
            make_fleet(database)
        yield server, server.conninfo


@pytest.mark.broker
async def test_a_killed_postgresql(reachable_tmp: Path, forgetful_mosquitto: Mosquitto) -> None:
    with server_to_kill(reachable_tmp) as (_, conninfo):
        publisher, receiver = Publisher(forgetful_mosquitto.port), Receiver(conninfo, forgetful_mosquitto.port)
        try:
            await receiver.ready()
            running = asyncio.create_task(publisher.run())
            await stored(conninfo, lambda count: count >= 100)
            postmaster = (reachable_tmp / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
            os.kill(int(postmaster), signal.SIGKILL)
            publisher.go_on.set()
            await running
            with EmbeddedPostgres(reachable_tmp):  # starts it again
                await all_stored(conninfo, publisher)
        finally:
            receiver.kill()
