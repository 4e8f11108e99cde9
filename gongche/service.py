"""The running service: receivers, pages and housekeeping around one opened home, until it is told to stop."""

import asyncio
import gc
import importlib
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from gongche import processes, receiving
from gongche.channels import check_channels
from gongche.home import Gongche
from gongche.logbook import log_in_force
from gongche.sockets import bind

GC_THRESHOLDS = (50_000, 20, 20)

Beside = Callable[[], Coroutine[Any, Any, None]]
"""Something that runs beside the service until it is cancelled."""


async def run_service(
    gongche: Gongche, *, receivers: bool, pages: bool, workers: int = 1, beside: Sequence[Beside] = ()
) -> None:
    """Run until SIGINT or SIGTERM, then finish what was received, close everything and return.

    Housekeeping runs with the receivers, in a process of its own, so that an audit never keeps a terminal waiting for its
    acknowledgement. With more than one worker the pages run in processes of their own, too.
    Settings and rules that changed since the last start are logged before anything runs.
    GongcheError when an address cannot be bound or settings of mail and webhook do not fit each other; an error in any
    part stops the whole and is raised.
    """
    check_channels(gongche.settings)  # refused before anything runs
    log_in_force(gongche)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if pages:
            listener = stack.enter_context(bind(gongche.settings.web_host, gongche.settings.web_port, "web_port"))
            paging = importlib.import_module("gongche.paging")  # receivers alone do not load the web
            if workers > 1:
                stack.enter_context(paging.page_processes(gongche, listener, workers))
            else:
                await stack.enter_async_context(paging.pages(gongche, listener))
        tasks: list[asyncio.Task[None]] = []
        stack.push_async_callback(_cancel, tasks)
        if receivers:
            tasks += await stack.enter_async_context(receiving.receivers(gongche))
            house = processes.keep_running("gongche.housekeeping:main", gongche, name="housekeeping")
            tasks.append(asyncio.create_task(house, name="housekeeping"))
        _settle_memory()
        tasks += [asyncio.create_task(part(), name="beside") for part in beside]
        stopped = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in done - {stopped}:
            task.result()


def _settle_memory() -> None:
    """Spare the collector what stays for good.

    Going through all of it takes a fifth of a second, in which no terminal is answered, and thousands of connections make
    it do so again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
