"""MQTT receiver: `gongche/<terminal>/position`, QoS 1, PUBACK after the commit, persistent session.

aiomqtt holds the connection; two things it does not offer are done on the paho client inside it: acknowledging by hand
(`manual_ack_set`, `ack`), and looking at all messages that have come rather than at one. A connection has its own
client, so the acknowledgement of an old connection's message can never reach a new one, whose numbers mean others.
"""

import asyncio
import ssl
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

import aiomqtt
from aiomqtt import MqttError, ProtocolVersion
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.parcel import Outcome, Parcel
from ingest.payload import read_payload
from ingest.session import now_us
from ingest.tcp import CLOSE_TIMEOUT_S

SOURCE = "mqtt"
TOPIC = "gongche/+/position"
ANSWER_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
# Messages not acknowledged yet that the broker may send (MQTT 5). A group commit of 0.2 s then carries 10,000 a second
# and more, where the 20 that mosquitto allows by default for MQTT 3.1.1 would stop at 100.
RECEIVE_MAXIMUM = 5_000
MAX_INBOX = 4 * RECEIVE_MAXIMUM
# How long the broker keeps the session, and the messages in it, while no receiver is there.
SESSION_EXPIRY_S = 7 * 86_400


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to sign in; `tls` None: no encryption; `version` None: 5, or what it speaks."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    version: Literal["5", "3.1.1"] | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Address of `mqtt[s]://[user:password@]host[:port][?version=5|3.1.1]`; mqtts checks the broker's certificate.

        ReceiverError when it is none; the message never holds the password.
        """
        parts = urlsplit(url)
        versions = parse_qs(parts.query).get("version", [""])
        try:
            port = parts.port
        except ValueError:
            port = 0
        known = parts.scheme in {"mqtt", "mqtts"} and versions[-1] in {"", "5", "3.1.1"}
        if not known or not parts.hostname or port == 0:
            raise ReceiverError(
                "broker: expected mqtt[s]://[user:password@]host[:port][?version=5|3.1.1], got another url"
            )
        return cls(
            parts.hostname,
            port or (8883 if parts.scheme == "mqtts" else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            ssl.create_default_context() if parts.scheme == "mqtts" else None,
            cast("Literal['5', '3.1.1'] | None", versions[-1] or None),
        )


class MqttReceiver:
    """Takes positions from a broker until it is left; reconnects with growing pauses, nothing lost at QoS 1.

    `async with MqttReceiver(intake, address):`, or `run()` as a task; `connected` is set while messages flow. MQTT 5
    is tried first, 3.1.1 where the broker does not speak it. Several receivers share a broker's load with
    `topic="$share/<group>/" + TOPIC`. mosquitto drops what waits behind a full window unless its
    `max_queued_messages` is 0.
    `counts`: messages, bad_payloads, connections, failures, discarded (at QoS 0, with the inbox full).
    """

    def __init__(
        self,
        intake: Intake,
        address: BrokerAddress,
        *,
        client_id: str = "gongche",
        topic: str = TOPIC,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.connected = asyncio.Event()
        self.last_error = ""
        self._intake = intake
        self._address = address
        self._client_id = client_id
        self._topic = topic
        self._version = ProtocolVersion.V311 if address.version == "3.1.1" else ProtocolVersion.V5
        self._pending: set[asyncio.Future[Outcome]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name="mqtt receiver")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        """Receive until cancelled; then what is being stored is still acknowledged."""
        wait_s = FIRST_RETRY_S
        while True:
            was_connected = False
            try:
                await self._serve()
            except MqttError as error:
                was_connected = self.connected.is_set()
                self.counts["failures"] += 1
                self.last_error = str(error)
            finally:
                self.connected.clear()
            if was_connected:
                wait_s = FIRST_RETRY_S
            elif self._address.version is None and not self.counts["connections"]:
                others = {ProtocolVersion.V5: ProtocolVersion.V311, ProtocolVersion.V311: ProtocolVersion.V5}
                self._version = others[self._version]
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _serve(self) -> None:
        """One connection: until it breaks (MqttError), or a message at QoS 1 was discarded and must come again."""
        inbox = _Inbox(self.counts)
        async with _client(self._address, self._client_id, self._version, inbox) as client:
            await client.subscribe(self._topic, qos=1)
            self.counts["connections"] += 1
            self.connected.set()
            messages = client.messages
            try:
                while not inbox.discarded_acknowledged:
                    batch = [await anext(messages)]
                    while not inbox.empty():
                        batch.append(inbox.get_nowait())
                    await self._take(client, batch)
            finally:
                await self._settle(client)

    async def _settle(self, client: aiomqtt.Client) -> None:
        """Before hanging up: wait a little for what is still being stored, so that it is acknowledged.

        mosquitto may drop acknowledgements that arrive together with the end of the connection. They are read in order,
        so an answer to a later request (leaving a topic nobody has) says that they were.
        """
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=CLOSE_TIMEOUT_S)
            await asyncio.sleep(0)  # the callbacks run one turn after the futures
        with suppress(MqttError):
            await client.unsubscribe("gongche/none", timeout=1)

    async def _take(self, client: aiomqtt.Client, batch: list[aiomqtt.Message]) -> None:
        read = [read_payload(bytes(message.payload), terminal_of(message.topic.value)) for message in batch]
        reports = [report for found, _ in read for report in found]
        refused = [refusal for _, bad in read for refusal in bad]
        self.counts["messages"] += len(batch)
        self.counts["bad_payloads"] += sum(bool(bad) for _, bad in read)
        parcel = Parcel(SOURCE, self._topic, now_us(), reports, refused)
        numbers = [(message.mid, message.qos) for message in batch if message.qos]
        stored = await self._intake.put(parcel)
        self._pending.add(stored)
        stored.add_done_callback(self._pending.discard)
        stored.add_done_callback(lambda done: _acknowledge(client, numbers, done))


def terminal_of(topic: str) -> str:
    """The terminal number in a topic: its last level but one."""
    levels = topic.split("/")
    return levels[-2] if len(levels) > 1 else topic


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """The client's queue, ours to look into. Bounded: past it messages are discarded and counted, not acknowledged."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(MAX_INBOX)
        self.discarded_acknowledged = False
        self._counts = counts

    def put_nowait(self, item: aiomqtt.Message) -> None:
        if self.full():
            self._counts["discarded"] += 1
            self.discarded_acknowledged |= item.qos > 0
        else:
            super().put_nowait(item)


def _client(address: BrokerAddress, client_id: str, version: ProtocolVersion, inbox: _Inbox) -> aiomqtt.Client:
    properties = None
    if version is ProtocolVersion.V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=client_id,
        protocol=version,
        clean_session=None if version is ProtocolVersion.V5 else False,
        clean_start=False if version is ProtocolVersion.V5 else MQTT_CLEAN_START_FIRST_ONLY,  # 3.1.1 has no such thing
        properties=properties,
        tls_context=address.tls,
        timeout=ANSWER_TIMEOUT_S,
        queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),  # noqa: ARG005 - ours is bounded
    )
    client._client.manual_ack_set(on=True)  # noqa: SLF001 - aiomqtt does not pass it on
    return client


def _acknowledge(client: aiomqtt.Client, numbers: list[tuple[int, int]], stored: asyncio.Future[Outcome]) -> None:
    if stored.cancelled():
        return  # not stored: the broker sends it again
    for mid, qos in numbers:
        client._client.ack(mid, qos)  # noqa: SLF001 - aiomqtt does not pass it on; nothing happens once disconnected
