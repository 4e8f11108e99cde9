"""One connection to a broker: signs in, subscribes, gives what comes in lots, acknowledges when it is told to."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Self, cast

from ingest import mqtt_packets as packets
from ingest.errors import DecodeError, IngestError
from ingest.mqtt_address import BrokerAddress
from ingest.mqtt_packets import Control, Hello, Kind, Message, PacketReader

ANSWER_TIMEOUT_S = 5.0
# A broker writes its messages one by one. Read as they come, each costs a turn of the loop and a system call; after a
# rest of 5 ms one read brings a lot of them, for a third of the processor's time.
REST_S = 0.005
# Messages and bytes read and not taken yet; past them the socket is not read, and what comes waits in the broker.
MAX_INBOX = 20_000
MAX_INBOX_BYTES = 64_000_000


class LinkError(IngestError):
    """The broker cannot be reached, refuses us, or is gone."""


class Link(asyncio.Protocol):
    """A connection; `await Link.open(…)`, then `take`, `acknowledge` and `subscribe` until it raises LinkError.

    A link is not used again. So the acknowledgement of an old connection's message never reaches a new one, whose
    numbers mean others.
    """

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._reader = PacketReader(hello.level)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Message] = deque()
        self._inbox_bytes = 0
        self._answers: dict[tuple[int, int], asyncio.Future[Control | None]] = {}  # by kind and number; None: the end
        self._last_number = 0
        self._arrived = asyncio.Event()
        self._ended = ""  # why, once it is
        self._full = False
        self._leaving = False
        self._lost = 0  # at QoS 0, read and never taken
        self._heard_at = self._loop.time()
        self._ticking: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, address: BrokerAddress, hello: Hello) -> Self:
        """A link on which the broker has let us in; LinkError says why it has not."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                _, protocol = await loop.create_connection(
                    lambda: cls(hello), address.host, address.port, ssl=address.tls
                )
        except TimeoutError:
            raise LinkError(f"{address.host}:{address.port}: no connection in {ANSWER_TIMEOUT_S:g} s") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one of a host
            reason = getattr(error, "strerror", None) or error
            raise LinkError(f"{address.host}:{address.port}: {reason}") from error
        try:
            await protocol.sign_in()
        except BaseException:
            protocol.abort("given up")
            raise
        return protocol

    async def sign_in(self) -> None:
        """Send CONNECT; LinkError when the broker does not let us in."""
        await self._ask(packets.connect(self._hello), Kind.CONNACK, 0)
        self._tick()

    @property
    def ended(self) -> str:
        """Why the link is no more; "" while it stands."""
        return self._ended

    async def subscribe(self, topic: str, qos: int) -> None:
        """Ask for a topic; LinkError when it is refused."""
        number = self._next_number()
        await self._ask(packets.subscribe(number, [topic], qos, self._hello.level), Kind.SUBACK, number)

    async def take(self, most: int, most_bytes: int) -> list[Message]:
        """What has come, at most so many, and no more once they have so many bytes; waits for the first.

        LinkError when the link has ended and all was taken.
        """
        while not self._inbox:
            self._arrived.clear()
            self._raise_if_ended()
            await self._arrived.wait()
        lot: list[Message] = []
        size = 0
        while self._inbox and len(lot) < most and size < most_bytes:
            lot.append(self._inbox.popleft())
            size += len(lot[-1].payload)
        self._inbox_bytes -= size
        if self._full and not self._is_full():
            self._full = False
            self._resume()
        return lot

    def acknowledge(self, numbers: Iterable[tuple[int, int]]) -> None:
        """Tell the broker that the messages of these (number, QoS) are stored, in one write; nothing once it is gone."""
        if self._ended or self._transport is None:
            return
        pairs = list(numbers)
        lots = [
            packets.acknowledgements(kind, [number for number, qos in pairs if qos == level])
            for level, kind in ((1, Kind.PUBACK), (2, Kind.PUBREC))
        ]
        if any(lots):
            self._transport.write(b"".join(lots))

    async def close(self) -> int:
        """Hang up once the broker has read all acknowledgements; returns how many messages at QoS 0 were not taken.

        Those at QoS 1 and 2 that are not acknowledged come again to the next link. mosquitto may drop acknowledgements
        that arrive together with the end of the connection. They are read in order, so an answer to a later request
        (leaving a topic nobody has) says that they were.
        """
        self._leaving = True
        self._drop()
        self._resume()
        number = self._next_number()
        leave = packets.unsubscribe(number, ["gongche/none"], self._hello.level)
        with suppress(LinkError, TimeoutError):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._ask(leave, Kind.UNSUBACK, number)
        if not self._ended and self._transport is not None:
            self._transport.write(packets.DISCONNECT)
            self._transport.close()
            self._end("closed")
        return self._lost

    def abort(self, why: str) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end(why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's: the connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's: the connection is gone."""
        self._end(str(exc) if exc else "the broker hung up")

    def data_received(self, data: bytes) -> None:
        """asyncio's: something came."""
        self._heard_at = self._loop.time()
        try:
            messages, controls = self._reader.feed(data)
        except DecodeError as error:
            self.abort(str(error))
            return
        if controls:
            self._answer(controls)
        if not messages:
            return
        self._inbox.extend(messages)
        self._inbox_bytes += sum([len(message.payload) for message in messages])
        self._arrived.set()
        if self._leaving:
            self._drop()
            return
        if self._transport is not None:
            self._transport.pause_reading()
        self._full = self._is_full()
        if not self._full:
            self._loop.call_later(REST_S, self._resume)

    def _is_full(self) -> bool:
        return len(self._inbox) >= MAX_INBOX or self._inbox_bytes >= MAX_INBOX_BYTES

    def _drop(self) -> None:
        self._lost += sum(message.qos == 0 for message in self._inbox)
        self._inbox.clear()
        self._full = False

    def _answer(self, controls: Sequence[Control]) -> None:
        released = [packets.number_of(each.body) for each in controls if each.kind == Kind.PUBREL]
        if released and self._transport is not None:
            self._transport.write(packets.acknowledgements(Kind.PUBCOMP, released))
        for each in controls:
            if each.kind == Kind.DISCONNECT:
                self.abort(packets.reason(each.body[0] if each.body else 0x80))
            number = 0 if each.kind == Kind.CONNACK else packets.number_of(each.body)
            waiting = self._answers.pop((each.kind, number), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(each)

    async def _ask(self, request: bytes, kind: Kind, number: int) -> None:
        """Send a request and wait for its answer; LinkError when there is none or it says no."""
        self._raise_if_ended()
        assert self._transport is not None
        waiting: asyncio.Future[Control | None] = self._loop.create_future()
        self._answers[kind, number] = waiting
        self._transport.write(request)
        try:
            # An answer may stand behind a backlog of messages, so only silence counts, and only while we listen.
            while not (await asyncio.wait({waiting}, timeout=ANSWER_TIMEOUT_S))[0]:
                if not self._full and self._loop.time() - self._heard_at > ANSWER_TIMEOUT_S:
                    raise LinkError(f"no {kind.name} in {ANSWER_TIMEOUT_S:g} s")
        finally:
            self._answers.pop((kind, number), None)
        answer = waiting.result()
        if answer is None:
            raise LinkError(self._ended)
        if refused := packets.refusal(answer, self._hello.level):
            raise LinkError(f"{kind.name}: {refused}")

    def _tick(self) -> None:
        """Let the broker hear us, and end the link when it is silent for a whole keep-alive while we listen."""
        if self._ended or self._transport is None:
            return
        if self._full:
            self._heard_at = self._loop.time()  # we do not read: the silence is ours
        elif self._loop.time() - self._heard_at > self._hello.keep_alive_s:
            self.abort(f"the broker is silent for {self._hello.keep_alive_s} s")
            return
        self._transport.write(packets.PING)
        self._ticking = self._loop.call_later(self._hello.keep_alive_s / 3, self._tick)

    def _resume(self) -> None:
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()

    def _next_number(self) -> int:
        self._last_number = self._last_number % 65_535 + 1
        return self._last_number

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._arrived.set()
        if self._ticking is not None:
            self._ticking.cancel()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result(None)

    def _raise_if_ended(self) -> None:
        if self._ended:
            raise LinkError(self._ended)
