"""The MQTT receiver against a real mosquitto and the embedded broker: PUBACK after the commit, nothing lost, one row."""

import asyncio
from typing import Any

import aiomqtt
import pytest

from fixtures.terminals import Addresses, run_terminals
from ingest.broker import EmbeddedBroker
from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.payload import write_json
from tests.ingest.conftest import Mosquitto
from tests.ingest.memory_store import MemorySink, journey
from tests.ingest.test_tcp import until


async def send(port: int, count: int, *, terminal: str = "M1", **sign_in: Any) -> None:
    walk = journey(terminal, "mqtt", count)
    async with aiomqtt.Client("127.0.0.1", port, **sign_in) as client:
        for i in range(count):
            await client.publish(f"gongche/{terminal}/position", write_json(walk.report(i)), qos=1)


async def killed_before_the_commit(address: BrokerAddress) -> MemorySink:
    """Messages reach a receiver whose store never answers; it dies; a second one takes them."""
    port, first = address.port, MemorySink()
    first.away = True
    async with (
        Intake(first, group_wait_s=0.005, close_timeout_s=0.05) as intake,
        MqttReceiver(intake, address) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(port, 10)
        await until(lambda: receiver.counts["messages"] == 10)
        receiver._pending.clear()  # it dies: nothing waits for the store
    assert intake.counts.given_up == 10
    second = MemorySink()
    async with Intake(second, group_wait_s=0.005) as intake, MqttReceiver(intake, address) as receiver:
        await until(lambda: len(second.rows) == 10)
        assert second.received == 10
    third = MemorySink()
    async with Intake(third) as intake, MqttReceiver(intake, address) as receiver:
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(port, 1, terminal="M2")
        await until(lambda: third.received == 1)  # what was acknowledged does not come again
    return second


@pytest.mark.broker
async def test_mosquitto_sends_again_what_was_not_committed(mosquitto: Mosquitto) -> None:
    sink = await killed_before_the_commit(BrokerAddress(port=mosquitto.port))
    assert len(sink.rows) == 10


async def test_the_embedded_broker_delivers_each_message_once_and_waits_for_the_commit() -> None:
    sink = MemorySink()
    sink.gate.clear()
    async with (
        EmbeddedBroker(port=0) as broker,
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, broker.address()) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(broker.port, 30)
        await until(lambda: receiver.counts["messages"] == 30)
        assert sink.received == 0
        sink.gate.set()
        await until(lambda: sink.received == 30)
        await until(lambda: not receiver._pending)
    assert len(sink.rows) == 30


@pytest.mark.broker
async def test_a_killed_broker_loses_nothing_that_terminals_send_again(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with (
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        walks = [journey(f"M{i}", "mqtt", 60, seed=i, due_s=0.01) for i in range(3)]
        running = asyncio.create_task(run_terminals(walks, Addresses(mqtt=("127.0.0.1", mosquitto.port))))
        await until(lambda: len(sink.rows) > 30)
        await asyncio.sleep(0)
        mosquitto.kill()
        mosquitto.start()
        tally = await asyncio.wait_for(running, 30)
        await asyncio.wait_for(_all(sink, 180), 30)
    assert tally.acked == 180
    assert tally.reconnects >= 1
    assert receiver.counts["connections"] >= 2


async def _all(sink: MemorySink, count: int) -> None:
    while len(sink.rows) < count:  # noqa: ASYNC110 - a set raises no event
        await asyncio.sleep(0.01)


@pytest.mark.broker
async def test_a_bad_payload_is_quarantined_acknowledged_and_does_not_come_again(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with Intake(sink, group_wait_s=0.005) as intake:
        async with MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 10)
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                await client.publish("gongche/M1/position", b"not json", qos=1)
            await send(mosquitto.port, 1)
            await until(lambda: len(sink.rows) == 1)
        async with MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 10)
            await send(mosquitto.port, 2)
            await until(lambda: len(sink.rows) == 2)
    assert [raw for _, raw in sink.refused] == [b"not json"]


@pytest.mark.broker
async def test_shared_subscriptions_divide_the_load(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    address, topic = BrokerAddress(port=mosquitto.port), "$share/ingest/gongche/+/position"
    async with (
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, address, client_id="a", topic=topic) as one,
        MqttReceiver(intake, address, client_id="b", topic=topic) as two,
    ):
        await asyncio.wait_for(asyncio.gather(one.connected.wait(), two.connected.wait()), 10)
        await send(mosquitto.port, 40)
        await until(lambda: len(sink.rows) == 40)
        assert one.counts["messages"] > 0
        assert two.counts["messages"] > 0
        assert one.counts["messages"] + two.counts["messages"] == 40


async def test_the_embedded_broker_asks_for_the_password() -> None:
    sink = MemorySink()
    async with EmbeddedBroker(port=0, users={"gongche": "secret"}) as broker:
        with pytest.raises(aiomqtt.MqttError):
            await send(broker.port, 1)
        with pytest.raises(aiomqtt.MqttError):
            await send(broker.port, 1, username="gongche", password="guess")
        address = broker.address("gongche", "secret")
        async with Intake(sink, group_wait_s=0.005) as intake, MqttReceiver(intake, address) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 10)
            await send(broker.port, 3, username="gongche", password="secret")
            await until(lambda: len(sink.rows) == 3)


async def test_an_open_broker_stays_on_loopback() -> None:
    with pytest.raises(ReceiverError, match="expected users, or a loopback address"):
        EmbeddedBroker("0.0.0.0")


async def test_a_receiver_waits_for_a_broker_that_is_not_there_yet(unused_tcp_port: int) -> None:
    sink = MemorySink()
    async with Intake(sink, group_wait_s=0.005) as intake:
        address = BrokerAddress(port=unused_tcp_port, version="3.1.1")
        async with MqttReceiver(intake, address) as receiver:
            await until(lambda: receiver.counts["failures"] >= 1)
            async with EmbeddedBroker(port=unused_tcp_port):
                await asyncio.wait_for(receiver.connected.wait(), 15)


def test_an_address_is_read_from_a_url() -> None:
    plain = BrokerAddress.from_url("mqtt://10.0.0.7")
    assert (plain.host, plain.port, plain.username, plain.tls, plain.version) == ("10.0.0.7", 1883, None, None, None)
    full = BrokerAddress.from_url("mqtts://u%40x:p%2Fw@broker:9999?version=3.1.1")
    assert (full.host, full.port, full.username, full.password) == ("broker", 9999, "u@x", "p/w")
    assert full.tls is not None
    assert full.version == "3.1.1"


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://u:secret@h:99999999", "mqtt://h?version=4"])
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ReceiverError, match="broker: expected mqtt") as caught:
        BrokerAddress.from_url(url)
    assert "secret" not in str(caught.value)
