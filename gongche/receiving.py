"""Receivers for every protocol that is switched on, before one intake."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from gongche.errors import GongcheError
from gongche.home import Gongche
from gongche.sockets import bind
from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.downlink import Downlink
from ingest.errors import ReceiverError
from ingest.intake import Intake
from ingest.jt808.bulk import warm_up
from ingest.jt808_session import Jt808Platform
from ingest.limits import AddressLimits
from ingest.media import MediaFolder
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.nmea.identity import extra_ports
from ingest.nmea_session import NmeaPlatform
from ingest.roster import Roster
from ingest.session import Platform, now_us
from ingest.tcp import TcpReceiver
from ingest.udp import UdpReceiver
from store.commands import CommandQueue
from store.receivers import leave_offline


@asynccontextmanager
async def receivers(gongche: Gongche) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The intake and its receivers, and their tasks to be watched; the intake closes last and stores what is left.

    GongcheError names the setting by which one of them cannot start.
    """
    settings = gongche.settings
    roster = Roster(gongche.database, hold_unknown=settings.unknown_terminals == "hold")
    roster.load()
    warm_up()
    with gongche.database.connection() as conn:
        leave_offline(conn, now_us())
    media = MediaFolder(settings.media_dir) if settings.media_dir is not None else None
    with CommandQueue(gongche.database) as queue:
        async with _receivers(gongche, roster, queue, media) as tasks:
            yield tasks


@asynccontextmanager
async def _receivers(
    gongche: Gongche, roster: Roster, queue: CommandQueue, media: MediaFolder | None
) -> AsyncIterator[list[asyncio.Task[None]]]:
    settings = gongche.settings
    downlink = Downlink(queue)
    intake = Intake(
        DatabaseSink(gongche.database, roster, receiver=queue.receiver, media=media),
        capacity=settings.intake_queue,
        group_size=settings.intake_group,
        group_wait_s=settings.intake_wait_s,
    )
    tasks = [asyncio.create_task(downlink.run(), name="commands")]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(intake)
        stack.push_async_callback(_cancel, tasks)
        listen = _Listening(gongche, stack)
        jt808 = Jt808Platform(
            intake,
            DatabaseRegistry(gongche.database, roster),
            require_authentication=settings.require_authentication,
            request_gaps=settings.request_gaps,
            downlink=downlink,
            keep_raw=settings.keep_raw_frames,
        )
        nmea = NmeaPlatform(intake, settings.nmea_terminals, keep_raw=settings.keep_raw_frames)
        await listen.tcp(jt808, settings.jt808_port, "jt808_port")
        await listen.udp(jt808, settings.jt808_udp_port, "jt808_udp_port")
        await listen.tcp(nmea, settings.nmea_port, "nmea_port")
        for port in set(extra_ports(settings.nmea_terminals)) - {settings.nmea_port}:
            await listen.tcp(nmea, port, "nmea_terminals")
        await listen.udp(nmea, settings.nmea_udp_port, "nmea_udp_port")
        url = settings.mqtt_url.get_secret_value()
        if url:
            mqtt = MqttReceiver(
                intake,
                BrokerAddress.from_url(url, settings.mqtt_ca_file),
                client_id=settings.mqtt_client_id,
                topic=settings.mqtt_topic,
                status_topic=settings.mqtt_status_topic,
                keep_raw=settings.keep_raw_frames,
            )
            tasks.append(asyncio.create_task(mqtt.run(), name="mqtt"))
        yield tasks


class _Listening:
    """Opens sockets for platforms, with the limits and the certificate of the settings."""

    def __init__(self, gongche: Gongche, stack: AsyncExitStack) -> None:
        settings = gongche.settings
        self._host = settings.listen_host
        self._stack = stack
        self._tls = _tls(gongche)
        self._limits: dict[str, Any] = {
            "idle_timeout_s": settings.idle_timeout_s,
            "max_connections": settings.max_connections,
        }
        self._per_address = (settings.max_connections_per_address, settings.max_bytes_per_s_per_address)

    async def tcp(self, platform: Platform, port: int, setting: str) -> None:
        """Listen on a TCP port, unless it is 0."""
        if port:
            listener = self._stack.enter_context(bind(self._host, port, setting))
            limits = AddressLimits(*self._per_address)
            receiver = TcpReceiver(platform, listener=listener, tls=self._tls, limits=limits, **self._limits)
            await self._stack.enter_async_context(receiver)

    async def udp(self, platform: Platform, port: int, setting: str) -> None:
        """Listen on a UDP port, unless it is 0."""
        if port:
            limits = AddressLimits(*self._per_address)
            receiver = UdpReceiver(platform, host=self._host, port=port, limits=limits, **self._limits)
            try:
                await self._stack.enter_async_context(receiver)
            except ReceiverError as error:
                raise GongcheError(f"{error} (setting {setting})") from None


def _tls(gongche: Gongche) -> ssl.SSLContext | None:
    settings = gongche.settings
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise GongcheError("setting tls_key: expected tls_certificate beside it, got none")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or error
        raise GongcheError(f"setting tls_certificate ({settings.tls_certificate}): {reason}") from None
    return context


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
