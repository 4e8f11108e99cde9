"""Brokers of their own for the tests of ingest."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.ports import free_port


def require_binary(name: str) -> str:
    """Path of a program; without it the test is skipped, but fails where CI=true promises that all is installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


class Mosquitto:
    """A real mosquitto on loopback that can be killed and started again; its sessions survive in a folder.

    `settings`: lines of its configuration in place of letting anyone in. `saves`: it writes down each change, and is slow.
    """

    def __init__(
        self, binary: str, folder: Path, settings: Sequence[str] = ("allow_anonymous true",), *, saves: bool = True
    ) -> None:
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            *settings,
            "persistence true",
            f"persistence_location {folder}/",
            *(("autosave_interval 1", "autosave_on_changes true") if saves else ()),
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "user root" if os.geteuid() == 0 else "",
        ]
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto did not start")

    def kill(self) -> None:
        """SIGKILL, as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(require_binary("mosquitto"), tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def forgetful_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """One that must not be killed."""
    broker = Mosquitto(require_binary("mosquitto"), tmp_path, saves=False)
    broker.start()
    yield broker
    broker.kill()
