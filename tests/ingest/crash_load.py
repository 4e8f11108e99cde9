"""What crash tests need: a home with a fleet, the service as a process of its own, ways to kill it and its database."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg

from fixtures.terminals import Addresses, Journey
from geo.localtime import SECOND_US
from gongche.clock import now_us
from gongche.home import open_home
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from store.postgres import EmbeddedPostgres
from tests.ingest.memory_store import journey

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
"""How long anything may take on a busy machine; as a rule it takes a few seconds."""
PACE_S = 0.03
"""Between two positions of one terminal."""


def make_fleet(home: Path, terminals: Sequence[tuple[str, str]]) -> None:
    """Terminals (number, protocol) with a vehicle each, in a new home, whose server is stopped again."""
    with open_home(home) as gongche, gongche.database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(len(terminals))])
        upsert_terminals(conn, [Terminal(number, f"V{i}", protocol) for i, (number, protocol) in enumerate(terminals)])


def waves(terminals: Sequence[tuple[str, str]], count: int, seed: int, number: int) -> list[list[Journey]]:
    """Journeys of all terminals up to now in `number` pieces of `count` positions, each sent in `count` × PACE_S."""
    total = number * count
    first = now_us() // SECOND_US * SECOND_US - total * SECOND_US
    times = first + np.arange(total, dtype=np.int64) * SECOND_US
    walks = [replace(journey(*each, total, seed=seed + i), fix_time=times) for i, each in enumerate(terminals)]
    due_s = np.arange(count, dtype=np.float64) * PACE_S
    return [[replace(_piece(walk, at, at + count), due_s=due_s) for walk in walks] for at in range(0, total, count)]


def _piece(walk: Journey, start: int, end: int) -> Journey:
    columns: dict[str, Any] = {each.name: getattr(walk, each.name) for each in fields(walk)}
    piece = {name: value[start:end] for name, value in columns.items() if isinstance(value, np.ndarray)}
    return Journey(**columns | piece)


class Service:
    """`gongche serve --receivers-only` on ports of its own, in a process that can be killed and started again."""

    def __init__(self, home: Path, ports: tuple[int, int]) -> None:
        self.addresses = Addresses(jt808=("127.0.0.1", ports[0]), nmea=("127.0.0.1", ports[1]))
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it and wait until it listens."""
        self._launch()
        await until(lambda: not self.alive or _listens(self.addresses.nmea))
        assert self.alive, (self._home.parent / "service.log").read_text("utf-8")[-2000:]

    def _launch(self) -> None:
        assert self.addresses.jt808 is not None
        assert self.addresses.nmea is not None
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GONGCHE_")}
        ports = {"GONGCHE_JT808_PORT": self.addresses.jt808[1], "GONGCHE_NMEA_PORT": self.addresses.nmea[1]}
        command = [sys.executable, "-m", "gongche", "serve", "--receivers-only", "--home", str(self._home)]
        env = kept | {name: str(port) for name, port in ports.items()}
        with (self._home.parent / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=env
            )

    def kill(self) -> None:
        """SIGKILL, as a crash does; its database goes on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def stop(self) -> None:
        """SIGTERM: it stores what it received, stops its database and ends by itself."""
        assert self._process is not None
        self._process.terminate()
        assert await asyncio.to_thread(self._process.wait, PATIENCE_S) == 0


def kill_server(home: Path) -> None:
    """SIGKILL for PostgreSQL itself; what it was doing for its clients ends with it."""
    lines = (home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)


def kill_backends(home: Path) -> None:
    """SIGKILL for the processes that serve clients; PostgreSQL then recovers by itself, and refuses all meanwhile."""
    with psycopg.connect(EmbeddedPostgres(home).conninfo, autocommit=True) as conn:
        backends = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
        for (pid,) in backends:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a home holds: rows by (terminal, fix time µs), the ledger by source, and why anything was quarantined."""

    rows: Counter[tuple[str, int]]
    ledger: dict[str, tuple[int, int, int, int]]  # received, accepted, duplicate, quarantined
    quarantined: list[str]

    def of(self, protocol: str, terminals: Sequence[tuple[str, str]]) -> Counter[tuple[str, int]]:
        """The rows of the terminals that speak a protocol."""
        numbers = {number for number, spoken in terminals if spoken == protocol}
        return Counter({row: count for row, count in self.rows.items() if row[0] in numbers})


def look(home: Path) -> Kept:
    """What a home holds, once its service has ended."""
    with open_home(home) as gongche, gongche.database.connection() as conn:

        def ask(query: LiteralString) -> list[tuple[Any, ...]]:
            return conn.execute(query).fetchall()

        rows = ask(
            "SELECT terminal_no, (extract(epoch FROM fix_time) * 1000000)::bigint FROM position "
            "JOIN bound_terminal USING (vehicle_id)"
        )
        sums = ask(
            "SELECT source, sum(received)::int, sum(accepted)::int, sum(duplicate)::int, sum(quarantined)::int "
            "FROM intake_count GROUP BY 1"
        )
        reasons = ask("SELECT reason FROM quarantine")
    return Kept(Counter(rows), {source: tuple(counts) for source, *counts in sums}, [reason for (reason,) in reasons])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that raises no event; TimeoutError after a long while."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - counters and processes raise no event
            await asyncio.sleep(0.02)


def _listens(address: tuple[str, int] | None) -> bool:
    assert address is not None
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
