"""An embedded MQTT broker for the demo and small fleets (amqtt, MQTT 3.1.1); a real broker is a setting.

Without users it lets anyone in, and so listens on loopback only. amqtt 0.12 keeps sessions in memory, lets go of what it
sent to a receiver that hung up before acknowledging, and after 5 s without an acknowledgement: nothing is lost while the
receiver runs, but where nothing may be lost when it does not, use a real broker.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from ingest.errors import ReceiverError
from ingest.mqtt import BrokerAddress

SESSION_END_S = 2.0


class EmbeddedBroker:
    """`async with EmbeddedBroker(port=1883) as broker`: listening on `broker.port` until it is left.

    Parameters
    ----------
    host, port : the address; port 0 takes a free one.
    users : name → password; empty: anyone, on loopback only (ReceiverError on another address).
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 1883, users: Mapping[str, str] | None = None) -> None:
        if not users and not _is_loopback(host):
            raise ReceiverError(f"broker on {host}: expected users, or a loopback address, got neither")
        self.host = host
        self.port = port
        self._users = dict(users or {})
        self._broker: Any = None
        self._server: asyncio.Server | None = None
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        # amqtt leaves the socket open when it refuses a client, and cannot say which port it took: so we listen.
        plugin = f"{__name__}.{PasswordAuth.__name__}"
        config = BrokerConfig(
            listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={plugin: {"users": self._users}},
        )
        try:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ReceiverError(f"cannot start the broker on {self.host}:{self.port}: {reason}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._broker = Broker(config)
        await self._broker.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        # amqtt's shutdown waits for ever for a session that a packet reaches just then, so sessions end before it.
        for writer in self._sessions.values():
            writer.transport.abort()
        if self._sessions:
            await asyncio.wait(set(self._sessions), timeout=SESSION_END_S)
        for session in self._sessions:
            session.cancel()
        await self._broker.shutdown()
        if self._sessions:
            await asyncio.wait(set(self._sessions))
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions[session] = writer
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default")
        except asyncio.CancelledError:
            if self._server is None or self._server.is_serving():
                raise
            # We are closing: asyncio's streams log a cancelled session as an error.
        finally:
            del self._sessions[session]
            writer.close()

    def address(self, username: str | None = None, password: str | None = None) -> BrokerAddress:
        """Where a receiver finds this broker."""
        return BrokerAddress(self.host, self.port, username, password, version="3.1.1")


class PasswordAuth(BaseAuthPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets in who knows a user's password; everyone where there are no users."""

    @dataclass
    class Config:
        """`users`: name → password."""

        users: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether the client may come in."""
        users = self.config.users
        if not users:
            return True
        expected = users.get(session.username or "")
        return expected is not None and hmac.compare_digest(expected.encode(), (session.password or "").encode())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
