"""What the benchmarks of the running service share: a port, pages, a fleet, and what a process uses."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from gongche.home import Gongche
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def served(app: Callable[..., Any]) -> Iterator[str]:
    """Serve an application on a free loopback port from a thread; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def number_of(terminal: int) -> str:
    """Number of a terminal of `make_fleet`, as it is sent."""
    return f"0139{terminal:08}"


def make_fleet(gongche: Gongche, count: int, protocol: str) -> None:
    """So many vehicles of one unit, with a terminal each."""
    with gongche.database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i:05}", "U") for i in range(count)])
        upsert_terminals(conn, [Terminal(number_of(i), f"V{i}", protocol) for i in range(count)])


def peak_mb(process: int) -> int:
    """The most memory a process has held."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def cpu_s(process: int) -> float:
    """Processor time a process has used, its own and the kernel's for it."""
    used = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
