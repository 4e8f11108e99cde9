"""TCP receivers: thin asyncio shells around the pure decoders. One session for each connection."""

import asyncio
import socket
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from time import time_ns
from types import TracebackType
from typing import Self

from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.parcel import Outcome

READ_BYTES = 65_536
# A terminal that does not read its answers is hung up on past this; an answer has some 20 bytes.
MAX_UNREAD_BYTES = 1_000_000
# Parcels of one connection that wait for the store; past it the connection is not read: none can fill the intake alone.
MAX_PENDING_PARCELS = 64
CLOSE_TIMEOUT_S = 5.0

AnswerMaker = Callable[[Outcome], bytes]
"""Makes the answers to one parcel, as sent, of the outcome of storing it."""


class Receiver(ABC):
    """Listens on one TCP address. `async with receiver:` starts it; leaving it answers what is stored and hangs up.

    Parameters
    ----------
    intake : takes the parcels.
    host, port : the address; port 0 takes a free one, then in `port`.
    listener : a bound socket to listen on instead.
    idle_timeout_s : silence after which a connection is ended.
    max_connections : more are closed as they come, and counted.
    """

    name = "tcp"

    def __init__(
        self,
        intake: Intake,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listener: socket.socket | None = None,
        idle_timeout_s: float = 300.0,
        max_connections: int = 20_000,
    ) -> None:
        self.host = host
        self.port = port
        self._listener = listener
        self.intake = intake
        self.idle_timeout_s = idle_timeout_s
        self.max_connections = max_connections
        self.counts: Counter[str] = Counter()
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._sessions)

    async def __aenter__(self) -> Self:
        try:
            if self._listener is not None:
                self._server = await asyncio.start_server(self._accept, sock=self._listener, backlog=1024)
            else:
                self._server = await asyncio.start_server(self._accept, self.host, self.port, backlog=1024)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ReceiverError(f"cannot listen for {self.name} on {self.host}:{self.port}: {reason}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            session.cancel()
        if self._sessions:
            await asyncio.wait(set(self._sessions))
        await self._server.wait_closed()

    @abstractmethod
    async def serve(self, reader: StreamReader, writer: StreamWriter, place: str) -> None:
        """Speak with one terminal until it hangs up; TimeoutError after a silence."""

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        if len(self._sessions) >= self.max_connections:
            self.counts["refused_connections"] += 1
            writer.close()
            return
        self._sessions.add(session)
        self.counts["connections"] += 1
        host, port, *_ = writer.get_extra_info("peername") or ("?", 0)
        try:
            await self.serve(reader, writer, f"{host}:{port}")
        except TimeoutError:
            self.counts["idle"] += 1
        except ConnectionError:
            self.counts["broken"] += 1
        except asyncio.CancelledError:
            if self._server is None or self._server.is_serving():
                raise
            # We are leaving: asyncio's streams log a cancelled session as an error.
        finally:
            self._sessions.discard(session)
            writer.close()
            try:
                await asyncio.wait_for(writer.wait_closed(), CLOSE_TIMEOUT_S)
            except (ConnectionError, TimeoutError):
                writer.transport.abort()


class Answers:
    """Answers of one connection, sent in order, each after the parcel it answers is stored."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self._pending: deque[asyncio.Future[Outcome]] = deque()
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Wait until fewer than `MAX_PENDING_PARCELS` are pending and the terminal reads its answers."""
        await self._writer.drain()
        await self._room.wait()

    def after(self, stored: asyncio.Future[Outcome], answer: AnswerMaker) -> None:
        """Send what `answer` makes of the outcome once the parcel is stored; nothing if it never is."""
        self._pending.append(stored)
        if len(self._pending) >= MAX_PENDING_PARCELS:
            self._room.clear()
        stored.add_done_callback(lambda done: self._send(done, answer))

    def send(self, frames: bytes) -> None:
        """Send now."""
        if frames and not self._writer.is_closing():
            self._writer.write(frames)
            if self._writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                self._writer.transport.abort()

    async def settle(self) -> None:
        """At the end of a connection: wait a little for what is still being stored, and send the last answers."""
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=CLOSE_TIMEOUT_S)
            await asyncio.sleep(0)  # the callbacks run one turn after the futures
        if not self._writer.is_closing():
            with suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(self._writer.drain(), CLOSE_TIMEOUT_S)

    def _send(self, stored: asyncio.Future[Outcome], answer: AnswerMaker) -> None:
        self._pending.remove(stored)  # futures are done in order: it stands first
        self._room.set()
        if not stored.cancelled():
            self.send(answer(stored.result()))


def now_us() -> int:
    """The present, µs UTC."""
    return time_ns() // 1000
