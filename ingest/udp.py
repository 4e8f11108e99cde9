"""UDP: a session for each address that sends, ended by silence. What the intake has no room for is not acknowledged."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

from ingest.errors import ReceiverError
from ingest.receiver import Receiver
from ingest.session import Platform, Session
from ingest.tcp import CLOSE_TIMEOUT_S, REST_S

Address = tuple[Any, ...]


class UdpReceiver(Receiver):
    """Listens on one UDP address; `max_connections` are addresses that are spoken with at once.

    A datagram that finds its session busy, the intake full or its address ahead of its rate is dropped and counted
    (`dropped`): it is not acknowledged, so the terminal sends it again.
    """

    def __init__(self, platform: Platform, **common: Any) -> None:
        super().__init__(platform, **common)
        self.peers: dict[Address, _Peer] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Addresses spoken with now."""
        return len(self.peers)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, loop), local_addr=(self.host, self.port)
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ReceiverError(
                f"cannot listen for {self.platform.name} on UDP {self.host}:{self.port}: {reason}"
            ) from error
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        self._sweeper = asyncio.create_task(self._sweep(), name=f"{self.platform.name} silence, UDP")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._transport is not None
        assert self._sweeper is not None
        self._sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._sweeper
        left = list(self.peers.values())
        for peer in left:
            peer.session.end()
        await asyncio.gather(*(peer.session.settled(CLOSE_TIMEOUT_S) for peer in left))
        self._transport.close()
        for peer in left:
            self.forget(peer, "stopped")

    def forget(self, peer: "_Peer", why: str) -> None:
        """End the session of an address."""
        if self.peers.pop((peer.host, peer.port), None) is not None:
            self.limits.leave(peer.host)
            peer.session.gone(why)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(REST_S, self.idle_timeout_s) / 2)
            now = loop.time()
            for peer in list(self.peers.values()):
                silent_s = now - peer.heard_at
                if silent_s >= self.idle_timeout_s:
                    self.counts["idle"] += 1
                    peer.session.end()
                    self.forget(peer, "silent")
                elif silent_s >= REST_S:
                    peer.session.rest()


class _Peer:
    """The link to one address."""

    session: Session

    def __init__(self, transport: asyncio.DatagramTransport, address: Address) -> None:
        self.host, self.port = address[0], address[1]
        self.local_port = transport.get_extra_info("sockname")[1]
        self.heard_at = 0.0
        self._transport = transport
        self._address = address

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        if data and not self._transport.is_closing():
            self._transport.sendto(data, self._address)

    def look(self) -> None:
        """Nothing to do: a datagram is taken or dropped as it comes."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receiver: UdpReceiver, loop: asyncio.AbstractEventLoop) -> None:
        self._receiver = receiver
        self._loop = loop
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        receiver, now = self._receiver, self._loop.time()
        peer = receiver.peers.get(addr[:2]) or self._new(addr)
        if peer is None:
            receiver.counts["refused_connections"] += 1
            return
        limits, intake = receiver.limits, receiver.platform.intake
        if peer.session.busy or intake.full or limits.wait_s(peer.host, now) > 0:
            receiver.counts["dropped"] += 1
            return
        peer.heard_at = now
        limits.spend(peer.host, len(data), now)
        peer.session.receive(data)
        peer.session.cut()

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - the signature is asyncio's
        """An answer that could not be delivered: the terminal sends again what it is not answered."""
        self._receiver.counts["broken"] += 1

    def _new(self, addr: Address) -> _Peer | None:
        receiver = self._receiver
        assert self._transport is not None
        if len(receiver.peers) >= receiver.max_connections or not receiver.limits.admit(addr[0]):
            return None
        peer = _Peer(self._transport, addr)
        peer.session = receiver.platform.session(peer)
        receiver.peers[addr[:2]] = peer
        receiver.counts["connections"] += 1
        return peer
