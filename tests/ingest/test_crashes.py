"""kill -9 under load, of the service and of PostgreSQL, at seeded moments: nothing acknowledged is lost, nothing is twice."""

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fixtures.terminals import Journey, Tally, run_terminals
from tests.ingest import crash_load as load
from tests.ports import free_port

COUNT = 100
"""Positions of one terminal in each wave; something is killed in the middle of each."""
KILLED = {1: ("service", "server"), 2: ("server and service", "service")}
"""What is killed in each wave of a run."""
TERMINALS = 20
"""Of JT/T 808; three of NMEA come with them."""
FLEETS = [
    [*((f"0139{run}00000{i:02}", "jt808") for i in range(TERMINALS)), *((f"N{run}{i}", "nmea") for i in range(3))]
    for run in range(3)
]
"""Each run has terminals of its own, so that all share one home."""


Kill = Callable[[], Awaitable[None]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="gongche-test-crash-"))
    top.chmod(0o755)
    try:
        load.make_fleet(top / "home", [terminal for fleet in FLEETS for terminal in fleet])
        yield top / "home"
    finally:
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
async def service(home: Path) -> AsyncIterator[load.Service]:
    service = load.Service(home, (free_port(), free_port()))
    await service.start()
    yield service
    if service.alive:
        service.kill()
        load.kill_server(home)


def positions(waves: list[list[Journey]], protocol: str) -> Counter[tuple[str, int]]:
    walks = [walk for wave in waves for walk in wave if walk.protocol == protocol]
    return Counter((walk.terminal_no, int(at)) for walk in walks for at in walk.fix_time)


async def drive(wave: list[Journey], service: load.Service, tally: Tally, draw: random.Random, kill: Kill) -> None:
    """Let a wave of terminals report, and kill when a drawn share of it is acknowledged; all sent again, if need be."""
    moment = tally.acked + draw.randrange(1, TERMINALS * COUNT // 2)
    running = asyncio.create_task(run_terminals(wave, service.addresses, tally=tally, patience_s=load.PATIENCE_S))
    await load.until(lambda: tally.acked >= moment)
    await asyncio.sleep(draw.uniform(0, 0.1))  # into whatever the writer is doing then
    await kill()
    await asyncio.wait_for(running, load.PATIENCE_S)


def assert_ledger(kept: load.Kept) -> None:
    """Of each source: what was received is accounted for, what was accepted are the rows, and nothing was refused."""
    assert set(kept.ledger) == {"jt808", "nmea"}
    for source, (received, accepted, duplicate, quarantined) in kept.ledger.items():
        assert received == accepted + duplicate + quarantined
        assert accepted == kept.of(source, [each for fleet in FLEETS for each in fleet]).total()
    assert kept.quarantined == []


async def test_a_service_whose_database_is_killed_goes_on_and_loses_nothing(home: Path, service: load.Service) -> None:
    draw, tally, pid = random.Random(0), Tally(), service.pid
    killers = (load.kill_backends, load.kill_server)
    waves = load.waves(FLEETS[0], COUNT, 0, len(killers))
    for wave, killer in zip(waves, killers, strict=True):
        await drive(wave, service, tally, draw, partial(asyncio.to_thread, killer, home))
    assert (service.alive, service.pid) == (True, pid)
    await service.stop()
    kept = load.look(home)
    assert tally.acked == TERMINALS * COUNT * len(waves)
    assert kept.of("jt808", FLEETS[0]) == positions(waves, "jt808")
    assert kept.of("nmea", FLEETS[0]) == positions(waves, "nmea")
    assert_ledger(kept)


@pytest.mark.parametrize("run", KILLED)
async def test_whatever_is_killed_each_acknowledged_position_is_there_once(
    home: Path, service: load.Service, run: int
) -> None:
    draw, tally = random.Random(run), Tally()
    killed = KILLED[run]
    waves = load.waves(FLEETS[run], COUNT, run, len(killed))

    async def kill(what: str) -> None:
        if "server" in what:
            load.kill_server(home)
        if "service" in what:
            service.kill()
            await service.start()

    for wave, what in zip(waves, killed, strict=True):
        await drive(wave, service, tally, draw, partial(kill, what))
    await service.stop()
    kept = load.look(home)
    assert tally.acked == TERMINALS * COUNT * len(waves)
    assert kept.of("jt808", FLEETS[run]) == positions(waves, "jt808")
    # NMEA is not acknowledged: what was on its way to a service that was killed is gone, and nothing else.
    by_nmea = kept.of("nmea", FLEETS[run])
    assert by_nmea.total() > 0
    assert by_nmea <= positions(waves, "nmea")
    assert_ledger(kept)
