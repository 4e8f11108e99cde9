"""Terminals that report over real sockets: `python -m benchmarks.live --json [--terminals 8628 --seconds 60]`.

A home of its own with its database, `gongche serve --receivers-only` as a process of its own, and terminals over
loopback that speak JT/T 808, all on this machine. Three times:

- `city`: every terminal is connected and reports once in `--interval` seconds, each at a second of its own;
- `backlog`: 400 terminals report 100 positions a go, as after a tunnel, and the next as soon as these are acknowledged;
- `lockstep`: every terminal reports one position, and the next as soon as that is acknowledged: each costs a read and a
  write of its own.

A position counts once its 0x8001 is back, which the service sends after the commit; at the end the rows of the database
are counted and must be exactly the positions that were sent. The latency is from sending to the answer. Frames are made
before the clock starts, but for a terminal that is much faster than the others. Memory and processor time are those of
the receivers' process.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.service import cpu_s, free_port, make_fleet, number_of, peak_mb
from geo.localtime import SECOND_US
from gongche.home import open_home

_BACKLOG_TERMINALS, _GO = 400, 100
_MADE_A_S = 50_000  # positions for which frames are made beforehand
PHASES = ("city", "backlog", "lockstep")
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
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gongche-live-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        port = free_port()
        (home / "gongche.toml").write_text(f"jt808_port = {port}\nnmea_port = 0\n")
        with open_home(home) as gongche:
            make_fleet(gongche, max(asked.terminals, _BACKLOG_TERMINALS), "jt808")
        facts: dict[str, Any] = {"terminals": asked.terminals, "seconds": asked.seconds}
        sent = 0
        for number, name in enumerate(PHASES):
            if name in asked.phases:
                tally, cost = _run(home, port, name, asked, first_us=_first_us(number))
                sent += tally.sent
                facts |= _figures(name, tally, asked.seconds) | {
                    f"{name}_{what}": value for what, value in cost.items()
                }
        with open_home(home) as gongche, gongche.database.connection() as conn:
            (facts["rows"],) = conn.execute("SELECT count(*) FROM position").fetchone() or (0,)
    facts["sent"] = sent
    if facts["rows"] != sent:
        sys.exit(f"{sent} positions were sent, {facts['rows']} are stored")
    sys.stdout.write(json.dumps(facts) + "\n" if asked.json else "".join(f"{k:40} {v}\n" for k, v in facts.items()))


def _first_us(phase: int) -> int:
    """Each phase has a day of its own, all of them over, so that no row is another's."""
    return (int(time.time()) - (phase + 2) * 100_000) * SECOND_US


def _figures(name: str, tally: _Tally, seconds: float) -> dict[str, Any]:
    late = np.array(tally.latencies_s or [float("nan")]) * 1000
    return {
        f"{name}_sent": tally.sent,
        f"{name}_acknowledged": tally.acknowledged,
        f"{name}_acknowledged_per_s": round(tally.acknowledged / seconds),
        f"{name}_latency_median_ms": round(float(np.median(late)), 1),
        f"{name}_latency_p99_ms": round(float(np.percentile(late, 99)), 1),
    }


def _run(
    home: Path, port: int, name: str, asked: argparse.Namespace, *, first_us: int
) -> tuple[_Tally, dict[str, float]]:
    command = [sys.executable, "-m", "gongche", "--home", str(home), "serve", "--receivers-only"]
    phases = {"city": _city, "backlog": _backlog, "lockstep": _lockstep}
    with subprocess.Popen(command) as service:  # noqa: S603 - a command of our own
        try:
            _wait_for(port, service)
            before = cpu_s(service.pid)
            tally = asyncio.run(phases[name](port, asked, first_us))
            used_us = (cpu_s(service.pid) - before) / tally.sent * 1e6
            peak = peak_mb(service.pid)
        finally:
            service.terminate()
    return tally, {"receiver_peak_rss_mb": peak, "receiver_cpu_us_a_position": round(used_us, 1)}


def _wait_for(port: int, service: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if service.poll() is not None:
            sys.exit("the service ended by itself")
        time.sleep(0.1)
    sys.exit("the service does not listen")


class _Terminal(asyncio.Protocol):
    """Sends its frames one after the other; `answered` is set when all that was sent is."""

    def __init__(self, number: int, frames: list[bytes], first_us: int, tally: _Tally) -> None:
        self.answered = asyncio.Event()
        self.answered.set()
        self.then: Callable[[], None] = lambda: None
        self._number, self._frames, self._first_us, self._tally = number, frames, first_us, tally
        self._transport: asyncio.Transport | None = None
        self._at = 0
        self._waiting = 0  # positions without an answer
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def report(self, count: int) -> None:
        """Send the next positions; one who is faster than the others needs more frames than were made beforehand."""
        assert self._transport is not None
        if self._at + count > len(self._frames):
            (more,) = _frames([self._number], len(self._frames), 20 * count, self._first_us)
            self._frames += more
        frames = self._frames[self._at : self._at + count]
        self._at += count
        self.answered.clear()
        self._since = time.monotonic()
        self._waiting += len(frames)
        self._tally.sent += len(frames)
        self._transport.write(b"".join(frames))

    def data_received(self, data: bytes) -> None:
        answers = data.count(b"\x7e") // 2
        self._waiting -= answers
        self._tally.acknowledged += answers
        if not self._waiting:
            self._tally.latencies_s.append(time.monotonic() - self._since)
            self.answered.set()
            self.then()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _frames(terminals: Sequence[int], first: int, each: int, first_us: int) -> list[list[bytes]]:
    """Frames of 0x0200 by terminal, from a number on: position, odometer, satellites; a second after each other."""
    terminal = np.repeat(np.array(terminals), each)
    number = np.tile(np.arange(first, first + each), len(terminals))
    count = len(terminal)
    local = (first_us // SECOND_US + 8 * 3600 + number).astype("datetime64[s]")
    text = np.datetime_as_string(local).astype("S19").view(np.uint8).reshape(count, 19) - ord("0")
    digits = text[:, [2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]]
    fields = [
        (np.full(count, 0x02000025), 4),
        (np.repeat(np.array([int(number_of(i), 16) for i in terminals]), each), 6),
        (number & 0xFFFF, 2),
        (np.zeros(count, np.int64), 4),
        (np.full(count, 0x0C0003), 4),
        (23_100_000 + number % 1000, 4),
        (113_200_000 + terminal, 4),
        (np.full(count, 11), 2),
        (np.full(count, 360), 2),
        (number % 360, 2),
    ]
    columns: list[NDArray[np.uint8]] = [
        value.astype(">i8").view(np.uint8).reshape(count, 8)[:, 8 - width :] for value, width in fields
    ]
    columns.append((digits[:, ::2] << 4 | digits[:, 1::2]).astype(np.uint8))
    columns.append(np.tile(np.array([0x01, 4], np.uint8), (count, 1)))
    columns.append((100_000 + number).astype(">u4").view(np.uint8).reshape(count, 4))
    columns.append(np.tile(np.array([0x31, 1, 12], np.uint8), (count, 1)))
    content = np.concatenate(columns, axis=1)
    content = np.concatenate((content, np.bitwise_xor.reduce(content, axis=1)[:, None]), axis=1)
    raw, size = content.tobytes(), content.shape[1]
    sent = [
        b"\x7e" + raw[at : at + size].replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"
        for at in range(0, len(raw), size)
    ]
    return [sent[at : at + each] for at in range(0, count, each)]


async def _connect(port: int, count: int, each: int, first_us: int, tally: _Tally) -> list[_Terminal]:
    loop = asyncio.get_running_loop()
    frames = _frames(range(count), 0, each, first_us)
    terminals = [_Terminal(number, frames[number], first_us, tally) for number in range(count)]
    for at in range(0, len(terminals), _CONNECTING_AT_ONCE):
        chosen = terminals[at : at + _CONNECTING_AT_ONCE]
        await asyncio.gather(
            *(loop.create_connection(lambda each=each: each, "127.0.0.1", port) for each in chosen)  # type: ignore[misc]
        )
    return terminals


async def _city(port: int, asked: argparse.Namespace, first_us: int) -> _Tally:
    tally = _Tally()
    rounds = int(asked.seconds / asked.interval) + 2
    terminals = await _connect(port, asked.terminals, rounds, first_us, tally)
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


async def _backlog(port: int, asked: argparse.Namespace, first_us: int) -> _Tally:
    return await _as_fast_as_answered(port, _BACKLOG_TERMINALS, first_us, asked.seconds, _GO)


async def _lockstep(port: int, asked: argparse.Namespace, first_us: int) -> _Tally:
    return await _as_fast_as_answered(port, asked.terminals, first_us, asked.seconds, 1)


async def _as_fast_as_answered(port: int, count: int, first_us: int, seconds: float, go: int) -> _Tally:
    tally = _Tally()
    terminals = await _connect(port, count, int(_MADE_A_S * seconds / count) + go, first_us, tally)
    end = time.monotonic() + seconds

    def next_of(terminal: _Terminal) -> Callable[[], None]:
        def report() -> None:
            if time.monotonic() < end:
                terminal.report(go)

        return report

    for terminal in terminals:
        terminal.then = next_of(terminal)
        terminal.report(go)
    await asyncio.sleep(seconds)
    await _last_answers(terminals)
    return tally


async def _last_answers(terminals: list[_Terminal]) -> None:
    for _ in range(600):
        if all(terminal.answered.is_set() for terminal in terminals):
            break
        await asyncio.sleep(0.1)
    for terminal in terminals:
        terminal.hang_up()


if __name__ == "__main__":
    main()
