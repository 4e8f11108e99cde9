"""The running service: receivers, pages and housekeeping around one opened home, until it is told to stop."""

import asyncio
import contextlib
import multiprocessing
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from gongche.errors import GongcheError
from gongche.home import Gongche, open_home
from gongche.housekeeping import keep_house
from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.intake import Intake
from ingest.jt808_session import Jt808Receiver
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.nmea_session import NmeaReceiver
from web.app import create_app
from web.settings import WebSettings

DISTRICTS = Path(__file__).resolve().parents[1] / "fixtures" / "districts.geojson"

Beside = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs beside the service until it is cancelled."""


async def run_service(
    gongche: Gongche, *, receivers: bool, pages: bool, workers: int = 1, beside: Sequence[Beside] = ()
) -> None:
    """Run until SIGINT or SIGTERM, then finish what was received, close everything and return.

    Housekeeping runs with the receivers. With more than one worker the pages run in processes of their own.
    GongcheError when an address cannot be bound; an error in any part stops the whole and is raised.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if pages:
            listener = stack.enter_context(bind(gongche.settings.web_host, gongche.settings.web_port, "web_port"))
            if workers > 1:
                stack.enter_context(_page_processes(gongche, listener, workers))
            else:
                await stack.enter_async_context(_pages(gongche, listener))
        tasks: list[asyncio.Task[None]] = []
        stack.push_async_callback(_cancel, tasks)
        if receivers:
            await stack.enter_async_context(_receivers(gongche, tasks))
            tasks.append(asyncio.create_task(keep_house(gongche), name="housekeeping"))
        tasks += [asyncio.create_task(part(), name="beside") for part in beside]
        stopped = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done - {stopped}:
            task.result()


@contextmanager
def bind(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    """A listening TCP socket; GongcheError names address and setting when it cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise GongcheError(f"cannot listen on {host}:{port} (setting {setting}): {error.strerror}") from None
        yield listener


def web_settings(gongche: Gongche) -> WebSettings:
    """What the pages need of the settings."""
    settings = gongche.settings
    return WebSettings(
        districts_path=settings.districts_path or DISTRICTS,
        streets_path=settings.streets_path,
        tile_url=settings.tile_url,
        tile_datum=settings.tile_datum,
        tile_attribution=settings.tile_attribution,
        secure_cookie=settings.web_secure_cookie,
        session_hours=settings.web_session_hours,
        public_name=settings.public_name,
    )


class _Server(uvicorn.Server):
    """uvicorn inside our own loop: the signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(gongche: Gongche) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(web_settings(gongche), gongche.database),
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )


@asynccontextmanager
async def _pages(gongche: Gongche, listener: socket.socket) -> AsyncIterator[None]:
    server = _Server(_uvicorn_config(gongche))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="pages")
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells by a flag, not by an event
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextmanager
def _page_processes(gongche: Gongche, listener: socket.socket, workers: int) -> Iterator[None]:
    """Pages in processes of their own, all accepting from the one listening socket."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_serve_pages, args=(gongche.home, listener), daemon=True) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(10)


def _serve_pages(home: Path, listener: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    with open_home(home) as gongche:
        uvicorn.Server(_uvicorn_config(gongche)).run(sockets=[listener])


@asynccontextmanager
async def _receivers(gongche: Gongche, tasks: list[asyncio.Task[None]]) -> AsyncIterator[None]:
    """The intake and a receiver for each protocol that is switched on; the intake closes last and stores what is left."""
    settings = gongche.settings
    limits: dict[str, Any] = {"idle_timeout_s": settings.idle_timeout_s, "max_connections": settings.max_connections}
    intake = Intake(
        DatabaseSink(gongche.database),
        capacity=settings.intake_queue,
        group_size=settings.intake_group,
        group_wait_s=settings.intake_wait_s,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(intake)
        if settings.jt808_port:
            listener = stack.enter_context(bind(settings.listen_host, settings.jt808_port, "jt808_port"))
            registry = DatabaseRegistry(gongche.database)
            strict = settings.require_authentication
            receiver = Jt808Receiver(intake, registry, listener=listener, require_authentication=strict, **limits)
            await stack.enter_async_context(receiver)
        if settings.nmea_port:
            listener = stack.enter_context(bind(settings.listen_host, settings.nmea_port, "nmea_port"))
            await stack.enter_async_context(NmeaReceiver(intake, listener=listener, **limits))
        url = settings.mqtt_url.get_secret_value()
        if url:
            mqtt = MqttReceiver(
                intake, BrokerAddress.from_url(url), client_id=settings.mqtt_client_id, topic=settings.mqtt_topic
            )
            receiving = asyncio.create_task(mqtt.run(), name="mqtt")
            tasks.append(receiving)
            stack.push_async_callback(_cancel, [receiving])
        yield


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
