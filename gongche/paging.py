"""The pages of the service: inside its own loop, or in processes of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from gongche import processes
from gongche.bundle_desk import Bundles, sources_of
from gongche.home import DISTRICTS, Gongche, case_files_dir
from gongche.terminal_desk import Desk
from gongche.whatif import trials
from web.app import create_app
from web.settings import WebSettings


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
        media_dir=settings.media_dir,
        public_url=settings.public_url,
        case_files_dir=case_files_dir(gongche),
        attachment_max_mb=settings.attachment_max_mb,
        reviews_per_inspector_day=settings.reviews_per_inspector_day,
        review_sample_share=settings.review_sample_share,
        explain_within_days=settings.explain_within_days,
        decide_within_days=settings.decide_within_days,
        rectify_within_days=settings.rectify_within_days,
        case_calendar=settings.case_calendar,
        order_entry_within_h=settings.order_entry_within_h,
        purpose_hours=settings.purpose_hours,
    )


class _Server(uvicorn.Server):
    """uvicorn inside our own loop: the signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(gongche: Gongche) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(
            web_settings(gongche),
            gongche.database,
            Desk(gongche.database),
            gongche.archive,
            Bundles(gongche.database, sources_of(gongche)),
            trials(gongche),
        ),
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )


@asynccontextmanager
async def pages(gongche: Gongche, listener: socket.socket) -> AsyncIterator[None]:
    """Pages in the running loop."""
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
def page_processes(gongche: Gongche, listener: socket.socket, workers: int) -> Iterator[None]:
    """Pages in processes of their own, all accepting from the one listening socket."""
    started = [processes.start("gongche.paging:serve_pages", gongche, listener, name="pages") for _ in range(workers)]
    try:
        yield
    finally:
        for process in started:
            processes.end(process)


def serve_pages(gongche: Gongche, listener: socket.socket) -> None:
    """Serve pages from a listening socket until told to end."""
    uvicorn.Server(_uvicorn_config(gongche)).run(sockets=[listener])
