"""TCP: a thin shell around the sessions of a platform, with or without TLS."""

import asyncio
import socket
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ingest.errors import ReceiverError
from ingest.receiver import Receiver
from ingest.session import Platform, Session

READ_BYTES = 65_536
# A terminal that does not read its answers is hung up on past this; an answer has some 20 bytes.
MAX_UNREAD_BYTES = 1_000_000
CLOSE_TIMEOUT_S = 5.0
# How often connections are looked at for silence; a receiver of NMEA sends an epoch within a few hundred milliseconds.
REST_S = 1.0
BACKLOG = 4096


class TcpReceiver(Receiver):
    """Listens on one TCP address, or on a bound socket `listener`; speaks TLS where `tls` is given. Leaving it hangs up."""

    def __init__(
        self,
        platform: Platform,
        *,
        listener: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        **common: Any,
    ) -> None:
        super().__init__(platform, **common)
        self.buffer = memoryview(bytearray(READ_BYTES))  # of all connections: a read is taken before the next
        self.open: set[_Connection] = set()
        self._listener = listener
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self.open)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        where = {"sock": self._listener} if self._listener is not None else {"host": self.host, "port": self.port}
        shake = {"ssl": self._tls, "ssl_handshake_timeout": CLOSE_TIMEOUT_S * 2} if self._tls else {}
        try:
            self._server = await loop.create_server(  # type: ignore[call-overload]  # one of two forms, as `where` says
                lambda: _Connection(self, loop), backlog=BACKLOG, **where, **shake
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ReceiverError(
                f"cannot listen for {self.platform.name} on {self.host}:{self.port}: {reason}"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweeper = asyncio.create_task(self._sweep(), name=f"{self.platform.name} silence")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._sweeper is not None
        self._server.close()
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        left = list(self.open)
        for connection in left:
            connection.stop()
        await asyncio.gather(*(each.session.settled(CLOSE_TIMEOUT_S) for each in left))
        for connection in left:
            connection.close("stopped")
        for _ in range(int(CLOSE_TIMEOUT_S / 0.01)):
            if not self.open:
                break
            await asyncio.sleep(0.01)
        for connection in list(self.open):
            connection.abort()
        await asyncio.sleep(0)
        await self._server.wait_closed()

    async def _sweep(self) -> None:
        """End connections that are silent, and let sessions know of a rest."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(REST_S, self.idle_timeout_s) / 2)
            now = loop.time()
            for connection in list(self.open):
                silent_s = now - connection.heard_at
                if silent_s >= self.idle_timeout_s and not connection.paused:
                    self.counts["idle"] += 1
                    connection.close("silent")
                elif silent_s >= REST_S:
                    connection.session.rest()


class _Connection(asyncio.BufferedProtocol):
    """One connection: reads while its session, the intake and the limits of its address allow it."""

    session: Session

    def __init__(self, receiver: TcpReceiver, loop: asyncio.AbstractEventLoop) -> None:
        self.host, self.port, self.local_port = "?", 0, 0
        self.heard_at = loop.time()
        self.paused = False
        self._receiver = receiver
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._stopped = False  # nothing more is read
        self._ended = False  # the peer has sent all it will
        self._unread = False  # the terminal does not read its answers
        self._why = "hung up"
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, unless there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        receiver = self._receiver
        self.host, self.port, *_ = transport.get_extra_info("peername") or ("?", 0)
        self.local_port = (transport.get_extra_info("sockname") or ("?", 0))[1]
        if len(receiver.open) >= receiver.max_connections or not receiver.limits.admit(self.host):
            receiver.counts["refused_connections"] += 1
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:  # so that a link that died without a word is found before the idle time-out
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.session = receiver.platform.session(self)
        receiver.open.add(self)
        receiver.counts["connections"] += 1

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the signature is asyncio's
        """Where the next read goes."""
        return self._receiver.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        if self not in self._receiver.open:
            return
        self.heard_at = self._loop.time()
        self._receiver.limits.spend(self.host, nbytes, self.heard_at)
        self.session.receive(bytes(self._receiver.buffer[:nbytes]))
        self.look()

    def eof_received(self) -> bool:
        """The peer has sent all it will; its last answers still go out where the transport allows it."""
        if self not in self._receiver.open:
            return False
        self._ended = True
        self.session.end()
        assert self._transport is not None
        if not self.session.settling or self._transport.get_extra_info("sslcontext") is not None:
            return False  # TLS knows no half of a connection
        self._loop.call_later(CLOSE_TIMEOUT_S, self.close, "hung up")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session."""
        if self not in self._receiver.open:
            return
        self._receiver.open.discard(self)
        self._receiver.limits.leave(self.host)
        if exc is not None:
            self._receiver.counts["broken"] += 1
        if self._timer is not None:
            self._timer.cancel()
        if not self._ended:
            self.session.end()
        self.session.gone(self._why)

    def pause_writing(self) -> None:
        """The terminal does not read its answers."""
        self._unread = True
        self.look()

    def resume_writing(self) -> None:
        """It reads them again."""
        self._unread = False
        self.look()

    # ------------------------------------------------------------ called by the session and the receiver

    def send(self, data: bytes) -> None:
        """Send now; a terminal that leaves too much unread is hung up on."""
        transport = self._transport
        if not data or transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.abort()

    def look(self) -> None:
        """Read, or stop reading for now: while the session is busy, the intake full, or the address ahead of its rate."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._ended and not self.session.settling:
            transport.close()
            return
        intake = self._receiver.platform.intake
        wait_s = self._receiver.limits.wait_s(self.host, self._loop.time())
        pause = self._stopped or self._unread or self.session.busy or intake.full or wait_s > 0
        if pause and not self.paused:
            transport.pause_reading()
        elif self.paused and not pause:
            self.heard_at = self._loop.time()  # a silence of our own making does not count
            transport.resume_reading()
        self.paused = pause
        if intake.full:
            intake.when_room(self.look)
        if wait_s > 0 and self._timer is None:
            self._timer = self._loop.call_later(wait_s, self._waited)

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self.look()

    def close(self, why: str) -> None:
        """Hang up once what was written is sent."""
        self._why = why
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def _waited(self) -> None:
        self._timer = None
        self.look()
