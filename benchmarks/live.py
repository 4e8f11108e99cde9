"""Terminals that report over real sockets: `python -m benchmarks.live --json [--terminals 8628 --seconds 60]`.

A home of its own with its database, `gongche serve --receivers-only` as a process of its own, and terminals over
loopback that speak JT/T 808, all on this machine. Twice:

- `city`: every terminal is connected and reports once in `--interval` seconds, each at a second of its own;
- `saturated`: 400 terminals report 100 positions a go, as after a tunnel, and the next as soon as these are acknowledged.

A position counts once its 0x8001 is back, which the service sends after the commit; at the end the rows of the database
are counted and must be all that was acknowledged. The latency is from sending to the answer.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from geo.localtime import SECOND_US
from gongche.home import open_home
from ingest.jt808 import encode
from ingest.jt808.header import Header
from ingest.report import Report
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles

_SATURATING_TERMINALS, _GO = 400, 100
_CONNECTING_AT_ONCE = 200


@dataclass
class _Tally:
    sent: int = 0
    acknowledged: int = 0
    latencies_s: list[float] = field(default_factory=list)


def main() -> None:
    """Make the home, serve it, report to it both ways, print the figures."""
    parser = argparse.ArgumentParser(description="live terminals: positions acknowledged after commit")
    parser.add_argument("--terminals", type=int, default=8628)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gongche-live-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        port = _free_port()
        (home / "gongche.toml").write_text(f"jt808_port = {port}\nnmea_port = 0\n")
        _make_fleet(home, max(asked.terminals, _SATURATING_TERMINALS))
        facts: dict[str, Any] = {"terminals": asked.terminals, "seconds": asked.seconds}
        for name in ("city", "saturated"):
            tally, peak_mb = _run(home, port, name, asked)
            facts |= _figures(name, tally, asked.seconds) | {f"{name}_receiver_peak_rss_mb": peak_mb}
        facts["acknowledged"] = facts["city_acknowledged"] + facts["saturated_acknowledged"]
        with open_home(home) as gongche, gongche.database.connection() as conn:
            (facts["rows"],) = conn.execute("SELECT count(*) FROM position").fetchone() or (0,)
    if facts["rows"] < facts["acknowledged"]:
        sys.exit(f"{facts['acknowledged']} positions were acknowledged, {facts['rows']} are stored")
    sys.stdout.write(json.dumps(facts) + "\n" if asked.json else "".join(f"{k:40} {v}\n" for k, v in facts.items()))


def _figures(name: str, tally: _Tally, seconds: float) -> dict[str, Any]:
    late = np.array(tally.latencies_s or [float("nan")]) * 1000
    return {
        f"{name}_sent": tally.sent,
        f"{name}_acknowledged": tally.acknowledged,
        f"{name}_acknowledged_per_s": round(tally.acknowledged / seconds),
        f"{name}_latency_median_ms": round(float(np.median(late)), 1),
        f"{name}_latency_p99_ms": round(float(np.percentile(late, 99)), 1),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _number(terminal: int) -> str:
    return f"0139{terminal:08}"


def _make_fleet(home: Path, count: int) -> None:
    with open_home(home) as gongche, gongche.database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i:05}", "U") for i in range(count)])
        upsert_terminals(conn, [Terminal(_number(i), f"V{i}", "jt808") for i in range(count)])


def _run(home: Path, port: int, name: str, asked: argparse.Namespace) -> tuple[_Tally, int]:
    command = [sys.executable, "-m", "gongche", "--home", str(home), "serve", "--receivers-only"]
    with subprocess.Popen(command) as service:  # noqa: S603 - a command of our own
        try:
            _wait_for(port, service)
            tally = asyncio.run(_city(port, asked) if name == "city" else _saturated(port, asked.seconds))
            status = Path(f"/proc/{service.pid}/status").read_text()
            peak_mb = int(status.partition("VmHWM:")[2].split()[0]) // 1024
        finally:
            service.terminate()
    return tally, peak_mb


def _wait_for(port: int, service: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if service.poll() is not None:
            sys.exit("the service ended by itself")
        time.sleep(0.1)
    sys.exit("the service does not listen")


class _Terminal(asyncio.Protocol):
    """Sends positions, counts what is answered; `answered` is set when all of a go is."""

    def __init__(self, number: int, first_us: int, tally: _Tally) -> None:
        self.answered = asyncio.Event()
        self._number, self._first_us, self._tally = number, first_us, tally
        self._transport: asyncio.Transport | None = None
        self._sent = 0
        self._waiting = 0  # positions without an answer
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def report(self, count: int) -> None:
        """Send the next positions, a second after each other."""
        assert self._transport is not None
        self.answered.clear()
        frames = [self._frame(self._sent + i) for i in range(count)]
        self._since = time.monotonic()
        self._transport.write(b"".join(frames))
        self._sent += count
        self._waiting += count
        self._tally.sent += count

    def data_received(self, data: bytes) -> None:
        answers = data.count(b"\x7e") // 2
        self._waiting -= answers
        self._tally.acknowledged += answers
        if not self._waiting:
            self._tally.latencies_s.append(time.monotonic() - self._since)
            self.answered.set()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _frame(self, n: int) -> bytes:
        report = Report(
            _number(self._number), self._first_us + n * SECOND_US, True, 231_000_000 + 10 * n, 1_132_000_000 + self._number,
            speed_mps=10.0, course_deg=float(n % 360), ignition=True, odometer_m=100_000 + 10 * n, fuel_l=40.0,
            satellites=12, systems=("beidou",),
        )  # fmt: skip
        return encode.frame(Header(0x0200, _number(self._number), n & 0xFFFF, 0), encode.position_body(report))


async def _connect(port: int, count: int, first_us: int, tally: _Tally) -> list[_Terminal]:
    loop = asyncio.get_running_loop()
    terminals = [_Terminal(number, first_us, tally) for number in range(count)]
    for at in range(0, count, _CONNECTING_AT_ONCE):
        chosen = terminals[at : at + _CONNECTING_AT_ONCE]
        await asyncio.gather(
            *(loop.create_connection(lambda each=each: each, "127.0.0.1", port) for each in chosen)  # type: ignore[misc]
        )
    return terminals


async def _city(port: int, asked: argparse.Namespace) -> _Tally:
    tally = _Tally()
    first_us = (int(time.time()) - 100_000) * SECOND_US
    terminals = await _connect(port, asked.terminals, first_us, tally)
    turns = [terminals[at::97] for at in range(97)]  # so many turns in an interval
    start = time.monotonic()
    turn = 0
    while (now := time.monotonic() - start) < asked.seconds:
        while turn <= now / asked.interval * len(turns):
            for terminal in turns[turn % len(turns)]:
                terminal.report(1)
            turn += 1
        await asyncio.sleep(asked.interval / len(turns) / 4)
    await _last_answers(terminals)
    return tally


async def _saturated(port: int, seconds: float) -> _Tally:
    tally = _Tally()
    first_us = (int(time.time()) - 1_000_000) * SECOND_US
    terminals = await _connect(port, _SATURATING_TERMINALS, first_us, tally)
    end = time.monotonic() + seconds

    async def drive(terminal: _Terminal) -> None:
        while time.monotonic() < end:
            terminal.report(_GO)
            await terminal.answered.wait()

    await asyncio.gather(*map(drive, terminals))
    await _last_answers(terminals)
    return tally


async def _last_answers(terminals: list[_Terminal]) -> None:
    for _ in range(100):
        if all(terminal.answered.is_set() for terminal in terminals):
            break
        await asyncio.sleep(0.1)
    for terminal in terminals:
        terminal.hang_up()


if __name__ == "__main__":
    main()
