"""The demo: its history once and again, and its live fleet over real sockets until Ctrl-C."""

import json
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from gongche.home import open_home
from tests.gongche.conftest import COMMAND, Run, clean_environment, result
from tests.ports import free_port

SMALL = ("--vehicles", "12", "--days", "3")
PROTOCOLS = {"jt808", "nmea", "mqtt"}
PATIENCE_S = 150.0


def test_the_history_is_made_once_and_kept(gongche: Run) -> None:
    facts = result(gongche("demo", "--once", "--json", *SMALL))
    assert facts["vehicles"] == 12
    assert facts["positions"] > 10_000
    assert facts["trips"] > 12
    assert facts["kilometres"] > 100
    assert facts["audit_positions_per_s"] > 0
    again = result(gongche("demo", "--once", "--json", *SMALL))
    assert {name: value for name, value in again.items() if name != "audit_positions_per_s"} == {
        name: value for name, value in facts.items() if name != "audit_positions_per_s"
    }


def test_another_city_in_the_same_home_is_refused(gongche: Run) -> None:
    assert gongche("demo", "--once", *SMALL).returncode == 0
    done = gongche("demo", "--once", "--vehicles", "13", "--days", "3")
    assert done.returncode == 1
    assert "holds a demo of 12 vehicles" in done.stderr


@pytest.fixture
def demo_home(reachable_tmp: Path) -> Path:
    home = reachable_tmp / "home"
    home.mkdir()
    (home / "gongche.toml").write_text(f"jt808_port = {free_port()}\nnmea_port = {free_port()}\n")
    return home


def test_the_live_fleet_reports_over_every_protocol_and_ctrl_c_stops_all(demo_home: Path) -> None:
    port = free_port()
    command = [COMMAND, "demo", "--vehicles", "40", "--days", "1", "--port", str(port), "--home", str(demo_home)]
    process = subprocess.Popen(command, env=clean_environment(demo_home), stderr=subprocess.PIPE, text=True)
    try:
        sources = _wait_for_sources(demo_home, port)
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert "stopped" in told
    assert "Traceback" not in told
    assert sources >= PROTOCOLS
    assert not (demo_home / "postgres" / "data" / "postmaster.pid").exists()
    with open_home(demo_home) as gongche, gongche.database.connection() as conn:
        ledger = conn.execute(
            "SELECT source, sum(received), sum(accepted + duplicate + quarantined), sum(quarantined) FROM intake_count"
            " GROUP BY source"
        ).fetchall()
    assert all(received == known for _, received, known, _ in ledger)
    assert all(quarantined == 0 for *_, quarantined in ledger)
    state = json.loads((demo_home / "demo.json").read_text())
    assert state["complete"]


def _wait_for_sources(home: Path, port: int) -> set[str]:
    """Watch the pages come up, then the ledger, through the database that the demo runs, until every protocol is in it."""
    deadline = time.monotonic() + PATIENCE_S
    sources: set[str] = set()
    while not sources >= PROTOCOLS and time.monotonic() < deadline:
        time.sleep(1)
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/health").json() == {"ok": True}
        except httpx.TransportError:
            continue
        with open_home(home) as gongche, gongche.database.connection() as conn:
            sources = {
                source for (source,) in conn.execute("SELECT source FROM intake_count WHERE accepted > 0").fetchall()
            }
    return sources
