"""Parts of the service in processes of their own. They end with the service, however it ends."""

import asyncio
import logging
import multiprocessing
import os
import pkgutil
import signal
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gongche.home import Gongche, open_home

log = logging.getLogger(__name__)

END_TIMEOUT_S = 10.0
RESTART_AFTER_S = 10.0


def start(work: str, gongche: Gongche, *arguments: Any, name: str) -> BaseProcess:
    """A process that opens the home with the same settings and does `work(gongche, *arguments)`.

    `work` is a function as `module:name`: only the process itself loads what it needs.
    """
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=_run, args=(work, gongche.home, dict(gongche.settings), arguments), daemon=True, name=name
    )
    process.start()
    return process


def end(process: BaseProcess) -> None:
    """End a process, by force if it does not listen."""
    process.terminate()
    process.join(END_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        process.join()


async def keep_running(work: str, gongche: Gongche, *, name: str) -> None:
    """Such a process until cancelled; one that ends by itself, as when memory runs out, is started again."""
    while True:
        process = start(work, gongche, name=name)
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(process.sentinel)
            end(process)
        log.error("%s ended with code %s; it is started again in %s s", name, process.exitcode, RESTART_AFTER_S)
        await asyncio.sleep(RESTART_AFTER_S)


def _run(work: str, home: Path, settings: dict[str, Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open_home(home, **settings) as gongche:
        pkgutil.resolve_name(work)(gongche, *arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # it was killed; nothing here is half done that a crash would not leave whole
