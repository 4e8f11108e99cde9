"""MQTT receiver: positions and statuses of terminals, acknowledged after the commit, over a persistent session."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from ingest.intake import Intake
from ingest.mqtt_address import BrokerAddress
from ingest.mqtt_link import ANSWER_TIMEOUT_S, Link, LinkError
from ingest.mqtt_packets import Hello, Message
from ingest.mqtt_parcel import SOURCE, Router, parcel_of
from ingest.parcel import Outcome
from ingest.raw import raw_payloads
from ingest.session import now_us
from ingest.tcp import CLOSE_TIMEOUT_S

__all__ = ["ANSWER_TIMEOUT_S", "SOURCE", "STATUS_TOPIC", "TOPIC", "BrokerAddress", "MqttReceiver"]

TOPIC = "gongche/+/position"
STATUS_TOPIC = "gongche/+/status"
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
KEEP_ALIVE_S = 30
# Messages not acknowledged yet that the broker may send (MQTT 5): a second and more of what two cores take, so that a
# commit under way never stops the flow. The 20 that mosquitto allows by default for MQTT 3.1.1 would stop at 100 a second.
RECEIVE_MAXIMUM = 20_000
# Messages of one parcel. Large enough for one pass over many payloads, small beside a group, since a parcel that
# cannot be stored goes to quarantine whole.
LOT = 1_000
LOT_BYTES = 4_000_000
# How long the broker keeps the session, and the messages in it, while no receiver is there.
SESSION_EXPIRY_S = 7 * 86_400
_LEVELS = {"5": 5, "3.1.1": 4}
_OTHER_LEVEL = {5: 4, 4: 5}


class MqttReceiver:
    """Takes positions from a broker until it is left; reconnects with growing pauses, nothing lost at QoS 1 and 2.

    `async with MqttReceiver(intake, address):`, or `run()` as a task; `connected` is set while messages flow. MQTT 5
    is tried first, 3.1.1 where the broker does not speak it. Several receivers share a broker's load with
    `topic="$share/<group>/" + TOPIC`, a client id each. mosquitto drops what waits behind a full window unless its
    `max_queued_messages` is 0.
    `counts`: messages, bad_payloads, statuses, connections, failures, refused_topics (the status topic, by the broker),
    left (at QoS 0, read but not stored when it was left).

    Parameters
    ----------
    intake : takes the parcels.
    address : the broker.
    client_id : names the session that the broker keeps.
    topic : filter of the positions.
    status_topic : filter of the statuses; empty: none.
    qos : highest quality of service asked for; a message comes at its publisher's, or this if that is lower.
    keep_raw : keep payloads byte by byte, too.
    """

    def __init__(
        self,
        intake: Intake,
        address: BrokerAddress,
        *,
        client_id: str = "gongche",
        topic: str = TOPIC,
        status_topic: str = STATUS_TOPIC,
        qos: int = 2,
        keep_raw: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.connected = asyncio.Event()
        self.last_error = ""
        self._intake = intake
        self._address = address
        self._client_id = client_id
        self._topic = topic
        self._status_topic = status_topic
        self._qos = qos
        self._keep_raw = keep_raw
        self._router = Router(topic, status_topic)
        self._level = _LEVELS[address.version or "5"]
        self._pending: set[asyncio.Future[Outcome]] = set()
        self._link: Link | None = None
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
        loop = asyncio.get_running_loop()
        wait_s = FIRST_RETRY_S
        while True:
            began = loop.time()
            try:
                await self._serve()
            except LinkError as error:
                self.counts["failures"] += 1
                self.last_error = str(error)
                was_connected = self.connected.is_set()
            finally:
                self.connected.clear()
            if was_connected and loop.time() - began > wait_s:
                wait_s = FIRST_RETRY_S
            elif self._address.version is None and not self.counts["connections"]:
                self._level = _OTHER_LEVEL[self._level]
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _serve(self) -> None:
        """One connection, until it breaks (LinkError)."""
        address = self._address
        hello = Hello(
            self._client_id,
            self._level,
            address.username,
            address.password,
            KEEP_ALIVE_S,
            RECEIVE_MAXIMUM,
            SESSION_EXPIRY_S,
        )
        self._link = link = await Link.open(address, hello)
        # A session's backlog comes before the answer to a subscription: it is taken meanwhile.
        subscribing = asyncio.create_task(self._subscribe(link), name="mqtt subscription")
        try:
            while True:
                await self._store(link, await link.take(LOT, LOT_BYTES))
        finally:
            subscribing.cancel()
            # What is being stored is still acknowledged, so that it does not come again.
            if self._pending and not link.ended:
                await asyncio.wait(set(self._pending), timeout=CLOSE_TIMEOUT_S)
                await asyncio.sleep(0)  # the callbacks run one turn after the futures
            self.counts["left"] += await link.close()

    async def _subscribe(self, link: Link) -> None:
        """Ask for both topics; a link on which positions are refused is ended."""
        try:
            await link.subscribe(self._topic, self._qos)
        except LinkError as error:
            link.abort(f"{self._topic}: {error}")
            return
        self.counts["connections"] += 1
        self.connected.set()
        if self._status_topic:
            try:
                await link.subscribe(self._status_topic, min(self._qos, 1))
            except LinkError as error:  # an access list may allow positions alone
                self.counts["refused_topics"] += 1
                self.last_error = f"{self._status_topic}: {error}"

    async def _store(self, link: Link, messages: Sequence[Message]) -> None:
        """Hand messages to the intake, waiting while it is full; acknowledge them once they are stored."""
        parcel = parcel_of(messages, self._router, self._topic, now_us())
        if self._keep_raw:
            parcel.raw = raw_payloads(messages, self._router)
        self.counts["messages"] += len(messages)
        self.counts["bad_payloads"] += len(parcel.refused)
        self.counts["statuses"] += len(parcel.events)
        numbers = [(message.number, message.qos) for message in messages if message.qos]
        stored = await self._intake.put(parcel)
        self._pending.add(stored)

        def acknowledge(done: asyncio.Future[Outcome]) -> None:
            self._pending.discard(done)
            if not done.cancelled():  # else it is not stored, and the broker sends it again
                link.acknowledge(numbers)

        stored.add_done_callback(acknowledge)
