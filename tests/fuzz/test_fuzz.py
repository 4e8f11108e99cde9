"""A few seconds of fuzzing on every test run; `python -m tests.fuzz TARGET` goes on for as long as is asked."""

import re
from itertools import islice
from pathlib import Path

import pytest

from ingest.database import DatabaseSink
from ingest.errors import FieldError
from ingest.jt808 import Message
from ingest.nmea import Fix
from ingest.parcel import Parcel
from ingest.payload import read_payload
from ingest.report import Report
from store.database import Database
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from tests.fuzz import bulk, jt808, nmea, payload
from tests.fuzz.faults import Check, Faults, shrink
from tests.fuzz.mutation import Mutator
from tests.fuzz.seeds import FOLDER, load_seeds, seed_files
from tests.fuzz.storable import RECEIVED_AT
from tests.fuzz.watch import HangError, limited

TARGETS = {"jt808": jt808, "bulk": bulk, "nmea": nmea, "payload": payload}
INPUTS = {"jt808": 250, "bulk": 150, "nmea": 150, "payload": 600}


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_as_it_should_be(name: str) -> None:
    target = TARGETS[name]
    for data in load_seeds(target.PROTOCOL):
        with limited():
            target.check(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_that_were_spoilt_are_read_or_refused_and_nothing_else(name: str) -> None:
    target = TARGETS[name]
    for data in islice(Mutator(7, load_seeds(target.PROTOCOL), target.WORDS), INPUTS[name]):
        try:
            with limited():
                target.check(data)
        except Exception as error:
            raise AssertionError(f"input {data.hex()}") from error


def test_what_the_readers_accept_of_spoilt_seeds_the_database_holds(database: Database) -> None:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle("V", "粤A1", "U")])
        upsert_terminals(conn, [Terminal("1", "V", "jt808")])
    accepted = _accepted()
    assert len(accepted) > 500
    for report in accepted:
        report.terminal = "1"
    DatabaseSink(database).write([Parcel("mqtt", "fuzz", RECEIVED_AT, accepted)])
    with database.connection() as conn:
        ledger = conn.execute("SELECT received, accepted, duplicate, quarantined FROM intake_count").fetchall()
        rows = conn.execute("SELECT count(*) FROM position").fetchall()
    ((received, fresh, _, quarantined),) = ledger
    assert (received, quarantined) == (len(accepted), 0)
    assert rows == [(fresh,)]


def _accepted() -> list[Report]:
    reports: list[Report] = []
    for target in (jt808, nmea, payload):
        inputs = Mutator(11, load_seeds(target.PROTOCOL), target.WORDS)
        for data in islice(inputs, 400):
            if target is jt808:
                found = jt808.read([jt808.mended(data)])
                reports += [report for each in found if isinstance(each, Message) for report in each.reports]
            elif target is nmea:
                reports += [each.report for each in nmea.read([nmea.mended(data)]) if isinstance(each, Fix)]
            else:
                reports += read_payload(data, "1")[0]
    return reports


def test_every_seed_file_has_a_line_of_origin() -> None:
    files = {
        f"{folder.name}/{path.name}" for folder in FOLDER.iterdir() if folder.is_dir() for path in folder.iterdir()
    }
    listed, folder = set(), ""
    for line in (FOLDER / "README.md").read_text("utf-8").splitlines():
        folder = line.removeprefix("## ") if line.startswith("## ") else folder
        if named := re.match(r"\| (\S+\.\w+) \| .{10,} \|$", line):
            listed.add(f"{folder}/{named[1]}")
    assert listed == files
    assert {each.partition("/")[0] for each in files} == {"jt808", "nmea", "payload"}
    assert all(seed_files(protocol) for protocol in ("jt808", "nmea", "payload"))


def test_the_same_seed_gives_the_same_inputs() -> None:
    seeds = load_seeds("jt808")
    one, two, other = (list(islice(Mutator(seed, seeds), 50)) for seed in (1, 1, 2))
    assert one == two
    assert one != other
    assert len(set(one)) > 40


def _breaks_on_two(data: bytes) -> None:
    if b"\x00" in data and b"\xff" in data:
        raise FieldError("zero and 255", "one of them", "both") if b"\x01" in data else ValueError("both")


def test_a_fault_is_found_made_small_and_kept_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = Faults(_breaks_on_two, tmp_path / "found")
    for data in (b"fine", b"abc\x00def\xffghi", b"\xff\x00 the same again", b"xx\x00\x01\xffxx"):
        faults.look(data)
    kept = sorted(bytes.fromhex(path.read_text()) for path in (tmp_path / "found").iterdir())
    assert kept == [b"\x00\x01\xff", b"\x00\xff"]
    assert len(faults.names) == 2
    assert "ValueError: both" in capsys.readouterr().err


def test_shrinking_keeps_what_matters() -> None:
    assert shrink(b"a" * 500 + b"needle" + b"b" * 500, lambda data: b"needle" in data) == b"needle"


def _loop_for_ever(_data: bytes) -> None:
    while True:
        pass


def test_an_input_that_hangs_is_a_fault() -> None:
    check: Check = _loop_for_ever
    with pytest.raises(HangError, match=r"more than 0\.05 s of processor time"), limited(0.05):
        check(b"")
