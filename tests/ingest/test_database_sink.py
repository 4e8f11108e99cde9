"""The whole way into a real database: positions, quarantine, ledger; kill -9 in the middle of it."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
import pytest

from fixtures.terminals import Addresses, Tally, run_terminals
from geo.datum import wgs84_to_gcj02
from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.errors import FieldError, Refusal
from ingest.intake import Intake
from ingest.jt808_session import Jt808Platform
from ingest.mqtt import BrokerAddress, MqttReceiver
from ingest.nmea_session import NmeaPlatform
from ingest.parcel import CardSwipe, Parcel
from ingest.report import Report
from ingest.roster import Roster
from ingest.tcp import TcpReceiver
from store.database import Database
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from store.held import refuse_terminal
from store.positions import read_track
from tests.ingest.conftest import Mosquitto
from tests.ingest.memory_store import START_US, journey
from tests.ingest.test_tcp import until

TERMINALS = {"013900000001": "jt808", "013900000002": "jt808", "N1": "nmea", "M1": "mqtt"}


@pytest.fixture
def fleet(database: Database) -> Database:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(len(TERMINALS) + 1)])
        bound = [Terminal(number, f"V{i}", protocol) for i, (number, protocol) in enumerate(TERMINALS.items())]
        upsert_terminals(conn, [*bound, Terminal("G1", "V4", "mqtt", "gcj02")])
    return database


def ask(database: Database, query: LiteralString) -> list[tuple[Any, ...]]:
    with database.connection() as conn:
        return conn.execute(query).fetchall()


def parcel(*reports: Report, **more: Any) -> Parcel:
    return Parcel("jt808", "192.0.2.1:5000", START_US + 60_000_000, reports, **more)


def report(terminal: str, second: int = 0, **values: Any) -> Report:
    given: dict[str, Any] = {"valid": True, "lat_e7": 231_291_630, "lon_e7": 1_132_644_350, "raw": b"raw"} | values
    return Report(terminal, START_US + second * 1_000_000, **given)


def test_every_row_is_accounted_for(fleet: Database) -> None:
    sink = DatabaseSink(fleet, Roster(fleet))
    bad = Refusal(b"\x7e\x00\x7e", FieldError("a", "b", "c"))
    first = parcel(report("013900000001"), report("013900000001", 1), report("0999"), refused=[bad])
    second = Parcel("nmea", "192.0.2.2:1", START_US, [report("N1")])
    outcomes = sink.write([first, second])
    again = sink.write([parcel(report("013900000001"), report("00000000013900000002"))])
    assert [outcome.unknown for outcome in outcomes + again] == [{"0999"}, set(), set()]
    ledger = (
        "SELECT source, sum(received), sum(accepted), sum(duplicate), sum(quarantined) FROM intake_count GROUP BY 1"
    )
    assert sorted(ask(fleet, ledger)) == [("jt808", 6, 3, 1, 2), ("nmea", 1, 1, 0, 0)]
    assert ask(fleet, "SELECT count(*) FROM position") == [(4,)]
    quarantine = ask(fleet, "SELECT place, reason, raw FROM quarantine ORDER BY quarantine_id")
    assert quarantine == [
        ("192.0.2.1:5000", "a: expected b, got c", b"\x7e\x00\x7e"),
        ("192.0.2.1:5000", "unknown terminal 0999", b"raw"),
    ]


def test_a_terminal_in_another_datum_is_converted_and_the_sent_place_kept(fleet: Database) -> None:
    lat, lon = wgs84_to_gcj02(np.array([23.129163]), np.array([113.264435]))
    sent = report("G1", lat_e7=round(lat[0] * 1e7), lon_e7=round(lon[0] * 1e7), alarms=("overspeed",))
    DatabaseSink(fleet, Roster(fleet)).write([parcel(sent)])
    ((lat_e7, note),) = ask(fleet, "SELECT p.lat_e7, n.note FROM position p JOIN position_note n USING (vehicle_id)")
    assert abs(lat_e7 - 231_291_630) <= 1
    assert note["alarms"] == ["overspeed"]
    assert note["sent_lat"] == pytest.approx(lat[0], abs=1e-7)


def test_a_new_terminal_is_known_after_a_refresh(fleet: Database) -> None:
    sink = DatabaseSink(fleet, Roster(fleet, refresh_s=0))
    assert sink.write([parcel(report("X1"))])[0].unknown == {"X1"}
    with fleet.connection() as conn:
        upsert_terminals(conn, [Terminal("X1", "V0", "mqtt")])
    assert sink.write([parcel(report("X1"))])[0].unknown == set()


def test_a_held_terminal_is_acknowledged_and_waits_in_quarantine_unless_it_was_refused_for_good(
    fleet: Database,
) -> None:
    roster = Roster(fleet, refresh_s=0, hold_unknown=True)
    sink = DatabaseSink(fleet, roster)
    assert sink.write([parcel(report("X1"))])[0].unknown == set()
    assert ask(fleet, "SELECT reason, terminal_no FROM quarantine") == [("held: terminal X1 waits for approval", "X1")]
    assert ask(fleet, "SELECT kind FROM terminal_event WHERE terminal_key = 'X1'") == [("unknown",)]
    with fleet.connection() as conn:
        refuse_terminal(conn, "X1")
    roster.load()
    assert sink.write([parcel(report("X1", 1))])[0].unknown == {"X1"}


def test_every_terminal_is_counted_and_stays_what_it_was_when_it_is_sent_again(fleet: Database) -> None:
    sink = DatabaseSink(fleet, Roster(fleet))
    rows = [
        report("013900000001", second, late=second == 1, valid=second != 2, lat_e7=1, lon_e7=1) for second in range(4)
    ]
    sink.write([parcel(*rows, report("0999"))])
    sink.write([parcel(*rows)])
    counted = "SELECT terminal_key, received, accepted, duplicate, quarantined, no_fix, late FROM terminal_count"
    assert sorted(ask(fleet, counted)) == [("13900000001", 8, 4, 4, 0, 1, 1), ("999", 1, 0, 0, 1, 0, 0)]


def test_swipes_are_kept(fleet: Database) -> None:
    swipes = [CardSwipe("013900000001", START_US, "C1", True), CardSwipe("0999", START_US, "C2", True, b"raw")]
    DatabaseSink(fleet, Roster(fleet)).write([parcel(swipes=swipes)])
    assert ask(fleet, "SELECT driver_card, inserted FROM driver_swipe") == [("C1", True)]
    assert ask(fleet, "SELECT reason FROM quarantine") == [("unknown terminal 0999",)]


def test_a_clock_in_the_future_never_becomes_the_latest_position(fleet: Database) -> None:
    DatabaseSink(fleet, Roster(fleet)).write([parcel(report("013900000001"), report("013900000001", 10**8))])
    assert ask(fleet, "SELECT count(*) FROM position") == [(2,)]
    ((latest,),) = ask(fleet, "SELECT extract(epoch FROM fix_time)::bigint FROM latest")
    assert latest == START_US // 1_000_000


def test_registration_gives_one_code_that_authenticates(fleet: Database) -> None:
    registry = DatabaseRegistry(fleet, Roster(fleet))
    code = registry.register("013900000001")
    assert code is not None
    assert len(code) == 16
    assert registry.register("00000000013900000001") == code
    assert registry.authenticate("013900000001", code)
    assert not registry.authenticate("013900000001", "guess")
    assert not registry.authenticate("013900000002", "")
    assert registry.register("0999") is None
    assert not registry.authenticate("0999", "")


@pytest.mark.broker
async def test_terminals_of_every_protocol_reach_the_database(fleet: Database, mosquitto: Mosquitto) -> None:
    async with (
        Intake(DatabaseSink(fleet, Roster(fleet)), group_wait_s=0.01) as intake,
        TcpReceiver(
            Jt808Platform(intake, DatabaseRegistry(fleet, Roster(fleet)), require_authentication=True)
        ) as jt808,
        TcpReceiver(NmeaPlatform(intake)) as nmea,
        MqttReceiver(intake, BrokerAddress(port=mosquitto.port)) as mqtt,
    ):
        await asyncio.wait_for(mqtt.connected.wait(), 10)
        host = "127.0.0.1"
        addresses = Addresses(jt808=(host, jt808.port), nmea=(host, nmea.port), mqtt=(host, mosquitto.port))
        walks = [journey(number, protocol, 80, seed=i) for i, (number, protocol) in enumerate(TERMINALS.items())]
        tally = await run_terminals(walks, addresses)
        await until(lambda: intake.counts.stored == 320)
    assert (tally.sent, tally.acked, tally.refused) == (320, 240, 0)
    with fleet.connection() as conn:
        ids = dict(conn.execute("SELECT terminal_no, vehicle_id FROM bound_terminal").fetchall())
        for walk in walks:
            found = read_track(conn, ids[walk.terminal_no], START_US, START_US + 10**12)
            assert found.fix_time.tolist() == walk.fix_time.tolist()
            assert np.abs(found.lat - walk.lat).max() < 1e-6
            assert np.abs(found.lon - walk.lon).max() < 1e-6


async def test_an_intake_survives_a_database_that_drops_its_connections(fleet: Database, conninfo: str) -> None:
    async with Intake(DatabaseSink(fleet, Roster(fleet)), group_wait_s=0.001) as intake:
        await (await intake.put(parcel(report("013900000001"))))
        with psycopg.connect(conninfo, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()"
            )
        await asyncio.wait_for(await intake.put(parcel(report("013900000001", 1))), 20)
    assert ask(fleet, "SELECT count(*) FROM position") == [(2,)]


class Process:
    """A receiver process that can be killed."""

    def __init__(self, conninfo: str, port: int) -> None:
        command = [sys.executable, "-m", "tests.ingest.receiver_process", conninfo, str(port)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)

    async def ready(self) -> None:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), 30)
        assert line == b"ready\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def test_a_receiver_killed_under_load_loses_nothing_it_acknowledged(
    fleet: Database, conninfo: str, unused_tcp_port: int
) -> None:
    walks = [journey(number, "jt808", 1500, seed=i) for i, number in enumerate(list(TERMINALS)[:2])]
    tally = Tally()
    process = Process(conninfo, unused_tcp_port)
    try:
        await process.ready()
        addresses = Addresses(jt808=("127.0.0.1", unused_tcp_port))
        running = asyncio.create_task(run_terminals(walks, addresses, tally=tally))
        await until(lambda: tally.acked >= 300)
        process.kill()
        promised = {number: set(times) for number, times in tally.acked_times.items()}
        by_terminal = "SELECT t.terminal_no, (extract(epoch FROM p.fix_time) * 1000000)::bigint FROM position p"
        kept = set(ask(fleet, f"{by_terminal} JOIN bound_terminal t USING (vehicle_id)"))
        assert {(number, time) for number, times in promised.items() for time in times} <= kept
        process = Process(conninfo, unused_tcp_port)
        await process.ready()
        await asyncio.wait_for(running, 60)
    finally:
        process.kill()
    assert tally.reconnects >= 2
    assert tally.acked == 3000
    rows = ask(fleet, f"{by_terminal} JOIN bound_terminal t USING (vehicle_id)")
    assert sorted(rows) == sorted((walk.terminal_no, int(time)) for walk in walks for time in walk.fix_time)


def test_what_the_database_refuses_is_no_outage(fleet: Database) -> None:
    sink = DatabaseSink(fleet, Roster(fleet))
    with pytest.raises(psycopg.Error) as caught:
        ask(fleet, "SELECT 1 / 0")
    assert not sink.is_outage(caught.value)
    assert sink.is_outage(psycopg.OperationalError("gone"))


async def test_a_note_that_postgresql_cannot_hold_goes_to_quarantine_and_the_others_are_kept(fleet: Database) -> None:
    odd = report("013900000001", 5, note={"text": "a\x00b"}, raw=b"odd")
    async with Intake(DatabaseSink(fleet, Roster(fleet)), group_wait_s=0.05) as intake:
        futures = [await intake.put(parcel(each)) for each in (report("013900000001"), odd, report("N1"))]
        await asyncio.wait_for(asyncio.gather(*futures), 20)
    assert ask(fleet, "SELECT count(*) FROM position") == [(2,)]
    assert ask(fleet, "SELECT raw FROM quarantine WHERE reason LIKE 'not storable:' || chr(37)") == [(b"odd",)]
