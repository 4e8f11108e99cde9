"""The MQTT receiver against a real mosquitto and the embedded broker: PUBACK after the commit, nothing lost, one row."""

import asyncio
import contextlib
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import mqtt5
import pytest
import trustme

from ingest.broker import EmbeddedBroker
from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.payload import write_json
from tests.ingest.conftest import Mosquitto, require_binary
from tests.ingest.memory_store import MemorySink, journey
from tests.ingest.test_tcp import until


@contextlib.contextmanager
def running(folder: Path, *settings: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(require_binary("mosquitto"), folder, settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


async def send(
    port: int, count: int, *, terminal: str = "M1", qos: int = 1, host: str = "127.0.0.1", **sign_in: Any
) -> None:
    walk = journey(terminal, "mqtt", count)
    async with aiomqtt.Client(host, port, **sign_in) as client:
        for i in range(count):
            await client.publish(f"gongche/{terminal}/position", write_json(walk.report(i)), qos=qos)


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
async def test_shared_subscriptions_divide_the_load_and_lose_nothing(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    address, topic = BrokerAddress(port=mosquitto.port), "$share/ingest/gongche/+/position"
    async with (
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, address, client_id="a", topic=topic, status_topic="") as one,
        MqttReceiver(intake, address, client_id="b", topic=topic, status_topic="") as two,
    ):
        await asyncio.wait_for(asyncio.gather(one.connected.wait(), two.connected.wait()), 10)
        await send(mosquitto.port, 40)
        await until(lambda: len(sink.rows) == 40)
        assert one.counts["messages"] >= 10
        assert two.counts["messages"] >= 10
        assert one.counts["messages"] + two.counts["messages"] == 40


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_every_quality_of_service_is_taken_and_acknowledged_after_the_commit(
    mosquitto: Mosquitto, version: Literal["5", "3.1.1"]
) -> None:
    sink, address = MemorySink(), BrokerAddress(port=mosquitto.port, version=version)
    sink.gate.clear()
    async with Intake(sink, group_wait_s=0.005) as intake, MqttReceiver(intake, address) as receiver:
        await asyncio.wait_for(receiver.connected.wait(), 10)
        for qos in (0, 1, 2):
            await send(mosquitto.port, 5, terminal=f"Q{qos}", qos=qos)
        await until(lambda: receiver.counts["messages"] == 15)
        assert sink.received == 0
        sink.gate.set()
        await until(lambda: sink.received == 15)
        await until(lambda: not receiver._pending)
    async with Intake(sink, group_wait_s=0.005) as intake, MqttReceiver(intake, address) as receiver:
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(mosquitto.port, 1, terminal="Q9")
        await until(lambda: len(sink.rows) == 16)
    assert sink.received == 16


@pytest.mark.broker
@pytest.mark.parametrize("qos", [1, 2])
async def test_what_is_stored_but_not_acknowledged_comes_again_and_is_one_row(mosquitto: Mosquitto, qos: int) -> None:
    """The link breaks between the commit and the acknowledgement."""
    sink, address = MemorySink(), BrokerAddress(port=mosquitto.port)
    sink.gate.clear()
    async with Intake(sink, group_wait_s=0.005) as intake, MqttReceiver(intake, address) as receiver:
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(mosquitto.port, 10, qos=qos)
        await until(lambda: receiver.counts["messages"] == 10)
        link = receiver._link
        assert link is not None
        link.abort("cut by the test")
        sink.gate.set()
        await until(lambda: sink.received == 20)
        await send(mosquitto.port, 1, terminal="M2")
        await until(lambda: sink.received == 21)
        assert receiver.counts["connections"] == 2
        assert receiver.last_error == "cut by the test"
    assert len(sink.rows) == 11


@pytest.mark.broker
async def test_a_burst_past_every_window_is_taken_in_full(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket rests while too much waits, and the broker keeps the remainder."""
    monkeypatch.setattr("ingest.mqtt_link.MAX_INBOX", 50)
    monkeypatch.setattr("ingest.mqtt.RECEIVE_MAXIMUM", 80)
    sink = MemorySink()
    async with (
        Intake(sink, group_wait_s=0.005, capacity=100, group_size=40) as intake,
        MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        sink.gate.clear()
        await asyncio.gather(*(send(mosquitto.port, 100, terminal=f"M{qos}", qos=qos) for qos in (0, 1, 2)))
        sink.gate.set()
        await until(lambda: len(sink.rows) == 300)
    assert receiver.counts["connections"] == 1


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_backlog_past_every_window_is_taken_when_the_receiver_comes(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, version: Literal["5", "3.1.1"]
) -> None:
    """It comes before the answer to the subscription, more than is read ahead."""
    monkeypatch.setattr("ingest.mqtt_link.MAX_INBOX", 20)
    monkeypatch.setattr("ingest.mqtt_link.MAX_INBOX_BYTES", 2_000)
    monkeypatch.setattr("ingest.mqtt_link.ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr("ingest.mqtt.LOT", 10)
    sink, address = MemorySink(), BrokerAddress(port=mosquitto.port, version=version)
    async with Intake(sink, group_wait_s=0.005, capacity=100, group_size=40) as intake:
        async with MqttReceiver(intake, address) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(mosquitto.port, 400)
        sink.gate.clear()
        async with MqttReceiver(intake, address) as receiver:
            await until(lambda: intake.counts.waiting >= 100)
            await asyncio.sleep(0.5)  # longer than an answer may take: the silence is ours
            sink.gate.set()
            await until(lambda: len(sink.rows) == 400)
            assert receiver.counts["failures"] == 0
            await asyncio.wait_for(receiver.connected.wait(), 10)


@pytest.mark.broker
async def test_a_receiver_leaves_at_once_while_the_store_is_away_and_nothing_is_lost(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.mqtt_link.MAX_INBOX", 20)
    monkeypatch.setattr("ingest.mqtt.CLOSE_TIMEOUT_S", 0.1)
    sink, address = MemorySink(), BrokerAddress(port=mosquitto.port)
    sink.away = True
    async with (
        Intake(sink, group_wait_s=0.005, capacity=50, close_timeout_s=0.1) as intake,
        MqttReceiver(intake, address) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        await send(mosquitto.port, 200)
        await until(lambda: intake.counts.waiting >= 50)
    sink.away = False
    async with Intake(sink, group_wait_s=0.005) as intake, MqttReceiver(intake, address):
        await until(lambda: len(sink.rows) == 200)


@pytest.mark.broker
async def test_a_terminal_that_breaks_off_goes_offline_by_its_last_will(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    payload = b'{"state": "offline", "why": "last will"}'
    will = mqtt5.Will("gongche/M1/status", payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True)
    async with (
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        _, terminal = await asyncio.open_connection("127.0.0.1", mosquitto.port)
        terminal.write(mqtt5.ConnectPacket("M1", clean_start=True, keep_alive=60, will=will).write())
        terminal.write(mqtt5.PublishPacket("gongche/M1/status", b"online", retain=True).write())
        await until(lambda: len(sink.events) == 1)
        terminal.transport.abort()  # the line is cut: no DISCONNECT
        await until(lambda: len(sink.events) == 2)
    said = [(terminal, kind, facts) for kind, terminal, facts in sink.events]
    assert said == [("M1", "online", {"why": "status"}), ("M1", "offline", {"why": "last will"})]


@pytest.mark.broker
async def test_a_retained_status_is_told_once_to_a_session(mosquitto: Mosquitto) -> None:
    sink, address = MemorySink(), BrokerAddress(port=mosquitto.port, version="5")
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish("gongche/M1/status", "online", qos=1, retain=True)
        await client.publish("gongche/M2/status", "asleep", qos=1, retain=True)
    async with Intake(sink, group_wait_s=0.005) as intake:
        async with MqttReceiver(intake, address) as receiver:
            await until(lambda: len(sink.events) == len(sink.refused) == 1)
        async with MqttReceiver(intake, address) as receiver:
            await asyncio.wait_for(receiver.connected.wait(), 10)
            await send(mosquitto.port, 1)
            await until(lambda: len(sink.rows) == 1)
    assert [(kind, facts) for kind, _, facts in sink.events] == [("online", {"why": "status", "retained": True})]
    assert sink.refused == [("status: expected online or offline, got 'asleep'", b"asleep")]


@pytest.mark.broker
async def test_an_oversize_payload_is_quarantined_and_what_follows_is_taken(mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    async with (
        Intake(sink, group_wait_s=0.005) as intake,
        MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as receiver,
    ):
        await asyncio.wait_for(receiver.connected.wait(), 10)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("gongche/M1/position", b"[" + b" " * 3_000_000 + b"]", qos=1)
        await send(mosquitto.port, 3)
        await until(lambda: len(sink.rows) == 3)
        assert receiver.counts["connections"] == 1
    (refused,) = sink.refused
    assert refused == ("payload: expected at most 1048576 bytes, got 3000002", b"[" + b" " * 65_535)


@pytest.mark.broker
async def test_a_status_topic_that_the_broker_refuses_costs_no_position(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite gongche/+/position\n")
    rights.chmod(0o644)
    sink = MemorySink()
    with running(tmp_path, "allow_anonymous true", f"acl_file {rights}") as broker:
        async with (
            Intake(sink, group_wait_s=0.005) as intake,
            MqttReceiver(intake, BrokerAddress(port=broker.port)) as receiver,
        ):
            await asyncio.wait_for(receiver.connected.wait(), 10)
            await send(broker.port, 3)
            await until(lambda: len(sink.rows) == 3)


@pytest.mark.broker
async def test_tls_and_password_let_in_only_who_is_right_at_a_broker_that_is_right(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("localhost")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "broker.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.pem")
    passwords = tmp_path / "passwords"
    hashing = [require_binary("mosquitto_passwd"), "-b", "-c", str(passwords), "gongche", "se:cret/"]
    await asyncio.to_thread(subprocess.run, hashing, check=True, capture_output=True)
    for name in ("ca.pem", "broker.pem", "passwords"):
        (tmp_path / name).chmod(0o644)  # mosquitto lets go of root's rights
    settings = (
        f"certfile {tmp_path}/broker.pem",
        f"keyfile {tmp_path}/broker.pem",
        f"password_file {passwords}",
        "allow_anonymous false",
    )
    with running(tmp_path, *settings) as broker:
        right = f"mqtts://gongche:se%3Acret%2F@localhost:{broker.port}"
        sink = MemorySink()
        async with (
            Intake(sink, group_wait_s=0.005) as intake,
            MqttReceiver(intake, BrokerAddress.from_url(right, tmp_path / "ca.pem")) as receiver,
        ):
            await asyncio.wait_for(receiver.connected.wait(), 10)
            trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            sign_in: dict[str, Any] = {"username": "gongche", "password": "se:cret/", "tls_context": trusting}
            await send(broker.port, 500, host="localhost", **sign_in)
            await until(lambda: len(sink.rows) == 500)
        wrong = {
            "bad user name or password|not authorised": (right.replace("se%3Acret", "guess"), tmp_path / "ca.pem"),
            "certificate verify failed": (right, tmp_path / "stranger.pem"),
            "certificate is not valid for": (right.replace("localhost", "127.0.0.1"), tmp_path / "ca.pem"),
        }
        for why, (url, file) in wrong.items():
            async with (
                Intake(sink) as intake,
                MqttReceiver(intake, BrokerAddress.from_url(url + "?version=5", file)) as receiver,
            ):
                await until(lambda failing=receiver: failing.counts["failures"] > 0)
                assert re.search(why, receiver.last_error), receiver.last_error
                assert receiver.counts["connections"] == 0


@pytest.mark.broker
async def test_pauses_between_attempts_grow(unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(delay: float) -> None:
        pauses.append(delay)
        await sleep(0)
        if len(pauses) > 9:
            await sleep(3600)

    monkeypatch.setattr("ingest.mqtt.asyncio.sleep", note)
    async with Intake(MemorySink()) as intake, MqttReceiver(intake, BrokerAddress(port=unused_tcp_port)) as receiver:
        while len(pauses) <= 9:
            await sleep(0.01)
        assert receiver.last_error.endswith(f"Connect call failed ('127.0.0.1', {unused_tcp_port})")
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


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


def test_an_authority_is_asked_for_where_there_is_tls(tmp_path: Path) -> None:
    with pytest.raises(ReceiverError, match="broker: expected mqtts:// with the authority"):
        BrokerAddress.from_url("mqtt://h", tmp_path / "ca.pem")
    with pytest.raises(ReceiverError, match=r"broker: expected a PEM file of the authority at .*: No such file"):
        BrokerAddress.from_url("mqtts://h", tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("not PEM")
    with pytest.raises(ReceiverError, match="broker: expected a PEM file of the authority at"):
        BrokerAddress.from_url("mqtts://h", tmp_path / "ca.pem")
