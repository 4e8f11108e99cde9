"""Terminals that report through a broker: `python -m benchmarks.mqtt --json [--terminals 8628 --seconds 60]`.

A mosquitto and a home with its database, both of their own, `gongche serve --receivers-only` as a process, and a process
that publishes one position a message at QoS 1 over a bare socket, reading the broker's PUBACK; all on this machine over
loopback. The packets are put together from pieces made before, so that what is measured is not the generator. Three times:

- `alone`: the receiver in this process with nothing behind its intake, as fast as it goes;
- `city`: every terminal reports once in `--interval` seconds, spread evenly;
- `saturated`: the same, as fast as it goes; as `alone`, with at most `--window` positions on their way that are not
  committed yet.

Positions count once the ledger of the database holds them; the receiver's PUBACK to the broker follows that commit. At
the end the service is stopped, and its session asked again: `unacknowledged` messages would come a second time. Rows
must be the distinct positions that were sent. The latency is from the write of a publish to the commit, read off the
ledger every 20 ms, in order of sending.
"""

import argparse
import asyncio
import json
import multiprocessing
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.service import cpu_s, free_port, make_fleet, number_of, peak_mb
from geo.localtime import SECOND_US, to_datetime
from gongche.home import Gongche, open_home
from ingest.intake import Intake
from ingest.mqtt import MqttReceiver
from ingest.mqtt_address import BrokerAddress
from ingest.mqtt_link import Link
from ingest.mqtt_packets import Hello
from ingest.parcel import STORED, Outcome, Parcel

_CLIENT_ID = "gongche"
_LOOK_S = 0.02
_LOT = 200  # messages of one write
_UNREAD = 2_000  # publishes without a PUBACK
_PATIENCE_S = 60.0


@dataclass
class _Sent:
    """What the generator did: after each write, how many were sent, and when."""

    counts: list[int] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)


@dataclass
class _Ledger:
    """What the database said: at each look, how many were committed, and when."""

    counts: list[int] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)


def main() -> None:
    """Make broker and home, serve it, publish to it both ways, print the figures."""
    parser = argparse.ArgumentParser(description="MQTT at QoS 1: positions acknowledged after commit")
    parser.add_argument("--terminals", type=int, default=8628)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--window", type=int, default=40_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gongche-mqtt-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        port = free_port()
        (home / "gongche.toml").write_text(
            f'jt808_port = 0\nnmea_port = 0\nmqtt_url = "mqtt://127.0.0.1:{port}"\nmqtt_client_id = "{_CLIENT_ID}"\n'
        )
        with _broker(home, port) as broker, open_home(home) as gongche:
            make_fleet(gongche, asked.terminals, "mqtt")
            facts: dict[str, Any] = {"terminals": asked.terminals, "seconds": asked.seconds}
            facts |= asyncio.run(_alone(port, asked))
            for number, name in enumerate(("city", "saturated")):
                facts |= _run(gongche, port, name, number, asked)
            facts["broker_peak_rss_mb"] = peak_mb(broker.pid)
            facts["unacknowledged"] = asyncio.run(_come_again(port))
            facts["sent"] = facts["city_sent"] + facts["saturated_sent"]
            with gongche.database.connection() as conn:
                (facts["rows"],) = conn.execute("SELECT count(*) FROM position").fetchone() or (0,)
    if facts["rows"] != facts["sent"] or facts["unacknowledged"]:
        sys.exit(f"{facts['sent']} positions sent, {facts['rows']} stored, {facts['unacknowledged']} not acknowledged")
    sys.stdout.write(json.dumps(facts) + "\n" if asked.json else "".join(f"{k:40} {v}\n" for k, v in facts.items()))


class _Nothing:
    """A sink that keeps nothing and tells the generator how much it took."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self._progress.value += sum(len(parcel.reports) for parcel in parcels)
        return [STORED] * len(parcels)

    def refuse(self, parcel: Parcel, reason: str) -> None:
        sys.exit(f"{parcel.place}: {reason}")

    def is_outage(self, error: Exception) -> bool:
        sys.exit(str(error))


async def _alone(port: int, asked: argparse.Namespace) -> dict[str, Any]:
    """The receiver with nothing behind it; a session of its own, forgotten by the broker with its last topic."""
    context = multiprocessing.get_context("spawn")
    progress = context.Value("q", 0)
    ours, theirs = context.Pipe()
    address = BrokerAddress(port=port)
    async with Intake(_Nothing(progress)) as intake, MqttReceiver(intake, address, client_id="alone") as receiver:
        await asyncio.wait_for(receiver.connected.wait(), _PATIENCE_S)
        used_s, began = time.process_time(), time.monotonic()
        arguments = (port, asked.terminals, SECOND_US, asked.seconds, 0.0, asked.window, progress, theirs)
        generator = context.Process(target=_generate, args=arguments, daemon=True)
        generator.start()
        while not ours.poll():  # noqa: ASYNC110 - a pipe raises no event
            await asyncio.sleep(_LOOK_S)
        sent = ours.recv()
        while progress.value < sent.counts[-1]:
            if time.monotonic() > began + asked.seconds + _PATIENCE_S:
                sys.exit(f"{progress.value} of {sent.counts[-1]} positions came")
            await asyncio.sleep(_LOOK_S)
        took_s, used_us = time.monotonic() - sent.at_s[0], (time.process_time() - used_s) * 1e6
    link = await Link.open(address, Hello("alone", 5, session_s=0))
    await link.close()
    return {
        "alone_sent": sent.counts[-1],
        "alone_acknowledged_per_s": round(sent.counts[-1] / took_s),
        "alone_cpu_us_per_position": round(used_us / sent.counts[-1], 1),
    }


def _run(gongche: Gongche, port: int, name: str, number: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Serve the home and publish one way; the figures, their names beginning with `name`."""
    command = [sys.executable, "-m", "gongche", "--home", str(gongche.home), "serve", "--receivers-only"]
    with subprocess.Popen(command) as service:  # noqa: S603 - a command of our own
        try:
            _wait_for_session(gongche.home, number, service)
            used_s = cpu_s(service.pid)
            context = multiprocessing.get_context("spawn")
            progress = context.Value("q", 0)
            ours, theirs = context.Pipe()
            first_us = (int(time.time()) - 2_000_000 + number * 1_000_000) * SECOND_US
            pace = asked.terminals / asked.interval if name == "city" else 0.0
            arguments = (port, asked.terminals, first_us, asked.seconds, pace, asked.window, progress, theirs)
            generator = context.Process(target=_generate, args=arguments, daemon=True)
            generator.start()
            sent, ledger = _watch(gongche, service, ours, progress, asked.seconds)
            generator.join()
            used_us = (cpu_s(service.pid) - used_s) * 1e6 / sent.counts[-1]
            peak = peak_mb(service.pid)
        finally:
            service.terminate()
    return _figures(name, sent, ledger) | {
        f"{name}_receiver_cpu_us_per_position": round(used_us, 1),
        f"{name}_receiver_peak_rss_mb": peak,
    }


def _watch(
    gongche: Gongche, service: subprocess.Popen[bytes], generator: Any, progress: Any, seconds: float
) -> tuple[_Sent, _Ledger]:
    """Read the ledger, telling the generator, until it holds everything that was sent."""
    before, ledger = _stored(gongche), _Ledger()
    sent: _Sent | None = None
    deadline = time.monotonic() + seconds + _PATIENCE_S
    while sent is None or ledger.counts[-1] < sent.counts[-1]:
        time.sleep(_LOOK_S)
        ledger.counts.append(_stored(gongche) - before)
        ledger.at_s.append(time.monotonic())
        progress.value = ledger.counts[-1]
        if sent is None and generator.poll():
            sent = generator.recv()
        if time.monotonic() > deadline or service.poll() is not None:
            state = "lives" if service.poll() is None else "ended by itself"
            published = "still publishes" if sent is None else f"published {sent.counts[-1]}"
            sys.exit(f"{ledger.counts[-1]} positions stored: the service {state}, the generator {published}")
    return sent, ledger


def _figures(name: str, sent: _Sent, ledger: _Ledger) -> dict[str, Any]:
    committed_s = np.array(ledger.at_s)[np.searchsorted(ledger.counts, sent.counts)]
    late_ms = np.repeat((committed_s - sent.at_s) * 1000, np.diff(sent.counts, prepend=0))
    took_s = committed_s[-1] - sent.at_s[0]
    return {
        f"{name}_sent": sent.counts[-1],
        f"{name}_acknowledged_per_s": round(sent.counts[-1] / took_s),
        f"{name}_latency_median_ms": round(float(np.median(late_ms)), 1),
        f"{name}_latency_p99_ms": round(float(np.percentile(late_ms, 99)), 1),
    }


def _generate(
    port: int, terminals: int, first_us: int, seconds: float, pace: float, window: int, progress: Any, answer: Any
) -> None:
    """Publish until the time is over: `pace` a second, or (0) as many as `window` allows; all PUBACKs are read."""
    sent = _Sent()
    heads = [_head(terminal) for terminal in range(terminals)]
    count = unread = 0
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"\x10\x15\x00\x04MQTT\x04\x02\x00\x00\x00\x09generator")
        _read(link, 4)
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            most = int((now - began) * pace) - count if pace else window - (count - progress.value)
            lot = min(_LOT, most)
            if lot <= 0:
                time.sleep(0.002)
                continue
            link.sendall(b"".join(_publish(heads, i, first_us) for i in range(count, count + lot)))
            count += lot
            unread += lot
            sent.counts.append(count)
            sent.at_s.append(time.monotonic())
            if unread > _UNREAD:
                _read(link, 4 * (unread - _UNREAD))
                unread = _UNREAD
        _read(link, 4 * unread)
    answer.send(sent)


def _publish(heads: list[bytes], i: int, first_us: int) -> bytes:
    """PUBLISH i: a turn of the fleet a second."""
    turn, terminal = divmod(i, len(heads))
    when = _times(turn, first_us)
    return heads[terminal] + (i % 65_535 + 1).to_bytes(2) + b'{"fix_time": "' + when + _REST


_TIMES: dict[int, bytes] = {}


def _times(turn: int, first_us: int) -> bytes:
    if turn not in _TIMES:
        _TIMES[turn] = to_datetime(first_us + turn * SECOND_US).isoformat().encode()
    return _TIMES[turn]


_REST = (
    b'", "valid": true, "lat": 23.129163, "lon": 113.264435, "altitude_m": 11, "speed_kmh": 43.2, "course_deg": 271, '
    b'"ignition": true, "odometer_km": 1234.5, "fuel_l": 41.0, "alarms": [], "satellites": 12, "systems": ["beidou"]}'
)
_TIME_BYTES = len("2026-11-23T08:00:00+08:00")


def _head(terminal: int) -> bytes:
    """A PUBLISH up to its number."""
    topic = f"gongche/{number_of(terminal)}/position".encode()
    size = 2 + len(topic) + 2 + len(b'{"fix_time": "') + _TIME_BYTES + len(_REST)
    return bytes([0x32, size & 127 | 128, size >> 7]) + len(topic).to_bytes(2) + topic


def _read(link: socket.socket, size: int) -> None:
    while size:
        read = len(link.recv(min(size, 65_536)))
        if not read:
            raise ConnectionError("the broker hung up")
        size -= read


async def _come_again(port: int) -> int:
    """How many messages the broker sends again to the service's session."""
    link = await Link.open(BrokerAddress(port=port), Hello(_CLIENT_ID, 5, session_s=600))
    again = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while True:
                again += len(await link.take(1_000, 10**9))
    await link.close()
    return again


@contextmanager
def _broker(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A mosquitto that keeps whatever comes, as docs/mqtt.md says it must be set."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/bin")
    if program is None:
        sys.exit("mosquitto is not installed")
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        f"log_dest file {folder}/mosquitto.log\nlog_type subscribe\n"
    )
    (folder / "mosquitto.log").touch(mode=0o666)
    (folder / "mosquitto.log").chmod(0o666)
    with subprocess.Popen([program, "-c", str(config)]) as broker:  # noqa: S603 - found on the path
        try:
            yield broker
        finally:
            broker.terminate()


def _wait_for_session(folder: Path, number: int, service: subprocess.Popen[bytes]) -> None:
    """Until the broker's log has a subscription of the service for each time it was started."""
    for _ in range(600):
        log = (folder / "mosquitto.log").read_text(errors="replace")
        if log.count(f"{_CLIENT_ID} 2 gongche/+/position") > number:
            return
        if service.poll() is not None:
            sys.exit("the service ended by itself")
        time.sleep(0.1)
    sys.exit("the service does not subscribe")


def _stored(gongche: Gongche) -> int:
    with gongche.database.connection() as conn:
        (rows,) = conn.execute("SELECT coalesce(sum(accepted), 0) FROM intake_count").fetchone() or (0,)
    return int(rows)


if __name__ == "__main__":
    main()
