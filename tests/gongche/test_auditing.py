"""What an audit takes as done is what it has read; what is sealed meanwhile is audited again."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import shapely
from psycopg import Connection

from geo.localtime import day_start_us
from geo.positions import Positions
from geo.zone import Zone
from geo.zone_files import zone_features
from gongche import auditing, cluster
from gongche.auditing import audit_days, audit_stale
from gongche.fleet import Fleet
from gongche.home import Gongche
from gongche.measuring import Job, Measured, measure_job
from gongche.settings import load_settings
from ingest.files.fleet import import_file
from rules import catalogue_path
from rules.load import load_catalogue
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.duty import DutyDay, replace_duty_days
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles, upsert_zones
from store.positions import merge_positions
from store.rule_versions import RuleChangedError, used_versions
from store.stale import waiting_days
from tests.analytics.tracks import MONDAY, Car, at

HOUR_US = 3_600_000_000
GOLF = Zone(0, "G1", "golf_course", "球场", "", shapely.box(113.2, 23.1, 113.3, 23.2))


@pytest.fixture
def database(conninfo: str) -> Iterator[Database]:
    """A fresh database where whoever waits for a lock fails, so that no test waits for itself."""
    impatient = psycopg.conninfo.make_conninfo(conninfo, options="-c lock_timeout=5s")
    with Database.open(impatient, pool_size=4) as opened:
        yield opened


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    with database.connection() as conn:
        replace_duty_days(conn, "office", "", [workday(8)])
        upsert_units(conn, [Unit("A", "甲", duty_calendar="office")])
        upsert_vehicles(conn, [Vehicle("V1", "V1", "A")])
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    receive(home, trip("08:00"))
    home.archive.seal(database, MONDAY + 1)
    audit_stale(home)
    return home


def receive(home: Gongche, car: Car) -> None:
    positions: Positions = car.positions()
    with home.database.connection() as conn:
        (vehicle,) = load_vehicles(conn)
        merge_positions(conn, positions, np.array([vehicle.vehicle_id], dtype=np.int32))


def trip(start: str) -> Car:
    return Car(clock=at(start)).report(on=False).park(1800).streets(8).skip(1).report(on=False).park(3600)


def workday(first_hour: int) -> DutyDay:
    start = day_start_us(MONDAY)
    return DutyDay(MONDAY, "workday", "", ((start + first_hour * HOUR_US, start + 18 * HOUR_US),))


def while_measuring(patch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once, between reading the first bucket and storing what was found."""
    waits = [happens]

    def measured(fleet: Fleet, job: Job) -> Iterator[Measured]:
        found = list(measure_job(fleet, job))
        if waits:
            waits.pop()()
        yield from found

    patch.setattr(cluster, "measure_job", measured)


def stale(home: Gongche) -> list[tuple[int, int]]:
    with home.database.connection() as conn:
        return waiting_days(conn).runs()


def trips(home: Gongche) -> int:
    with home.database.connection() as conn:
        row = conn.execute("SELECT count(*) FROM trip").fetchone()
    assert row is not None
    return int(row[0])


def off_hours_s(home: Gongche) -> float:
    with home.database.connection() as conn:
        row = conn.execute("SELECT sum(off_hours_s) FROM trip").fetchone()
    assert row is not None
    return float(row[0])


def receive_and_seal(home: Gongche, car: Car) -> None:
    receive(home, car)
    home.archive.seal(home.database, MONDAY + 1)


def test_a_part_sealed_between_reading_and_storing_stays_stale(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stale(home) == []
    assert trips(home) == 1
    with monkeypatch.context() as patch:
        while_measuring(patch, lambda: receive_and_seal(home, trip("12:00")))
        audit_days(home, MONDAY, MONDAY)
    assert trips(home) == 1
    assert stale(home) == [(MONDAY, MONDAY)]
    audit_stale(home)
    assert trips(home) == 2
    assert stale(home) == []


def test_a_stale_day_sealed_again_while_it_is_audited_stays_stale(
    home: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And sealing does not wait for the audit."""
    receive_and_seal(home, trip("12:00"))
    with monkeypatch.context() as patch:
        while_measuring(patch, lambda: receive_and_seal(home, trip("16:00")))
        audit_stale(home)
    assert trips(home) == 2
    assert stale(home) == [(MONDAY, MONDAY)]
    audit_stale(home)
    assert trips(home) == 3
    assert stale(home) == []


def test_a_sealing_under_way_when_its_day_is_read_leaves_it_stale(
    home: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive_and_seal(home, trip("12:00"))
    receive(home, trip("16:00"))
    with monkeypatch.context() as patch, ExitStack() as sealing:
        home.archive._seal_in_transaction(sealing.enter_context(home.database.connection()), MONDAY)
        while_measuring(patch, sealing.close)
        audit_stale(home)
    assert trips(home) == 2
    assert stale(home) == [(MONDAY, MONDAY)]
    audit_stale(home)
    assert trips(home) == 3


def test_a_part_sealed_after_the_parts_were_listed_stays_stale(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    receive_and_seal(home, trip("12:00"))
    listed = Archive.parts

    def then_sealed(self: Archive, conn: Connection[Any], from_day: int, to_day: int, bucket: int) -> list[str]:
        found = listed(self, conn, from_day, to_day, bucket)
        receive_and_seal(home, trip("16:00"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "parts", then_sealed)
        audit_stale(home)
    assert trips(home) == 2
    assert stale(home) == [(MONDAY, MONDAY)]


def test_a_calendar_changed_after_the_fleet_was_read_leaves_its_days_stale(
    home: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Archive.buckets

    def then_changed(self: Archive, conn: Connection[Any], from_day: int, to_day: int) -> list[int]:
        with home.database.connection() as other:
            replace_duty_days(other, "office", "", [workday(12)])
        return listed(self, conn, from_day, to_day)

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "buckets", then_changed)
        audit_days(home, MONDAY, MONDAY)
    assert off_hours_s(home) == 0
    assert stale(home) == [(MONDAY, MONDAY)]
    audit_stale(home)
    assert off_hours_s(home) > 0
    assert stale(home) == []


def test_an_older_result_stored_over_a_newer_one_is_audited_again(
    home: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_audit() -> None:
        receive_and_seal(home, trip("16:00"))
        audit_stale(home)
        assert trips(home) == 3
        assert stale(home) == []

    receive_and_seal(home, trip("12:00"))
    with monkeypatch.context() as patch:
        while_measuring(patch, another_audit)
        audit_stale(home)
    assert trips(home) == 2
    assert stale(home) == [(MONDAY, MONDAY)]
    audit_stale(home)
    assert trips(home) == 3
    assert stale(home) == []


def test_an_audit_that_fails_leaves_its_days_stale(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    receive_and_seal(home, trip("12:00"))
    before = stale(home)
    assert before is not None
    with monkeypatch.context() as broken:
        broken.setattr("gongche.auditing.weigh_audit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            audit_stale(home)
    assert stale(home) == before
    audit_stale(home)
    assert trips(home) == 2


def test_only_vehicles_with_stale_days_are_audited_again(home: Gongche) -> None:
    with home.database.connection() as conn:
        upsert_vehicles(conn, [Vehicle("V2", "V2", "A")])
        other = next(vehicle.vehicle_id for vehicle in load_vehicles(conn) if vehicle.code == "V2")
        merge_positions(conn, trip("09:00").positions(), np.array([other], dtype=np.int32))
    home.archive.seal(home.database, MONDAY + 1)
    done = audit_stale(home)
    assert (done.vehicles, done.trips, trips(home), stale(home)) == (1, 1, 2, [])


@pytest.mark.parametrize(
    ("zone", "waits"),
    [
        (GOLF, []),  # it is there already
        (replace(GOLF, name_zh="新"), [(MONDAY, MONDAY)]),
        (replace(GOLF, code="G2", kind="hotel"), [(MONDAY, MONDAY)]),
        (replace(GOLF, code="G3", valid_from=day_start_us(MONDAY + 1)), [(MONDAY, MONDAY)]),  # it runs over midnight
        (replace(GOLF, code="G3", valid_from=day_start_us(MONDAY + 2)), []),
        (replace(GOLF, code="G3", valid_to=day_start_us(MONDAY - 1)), []),
        (replace(GOLF, valid_to=day_start_us(MONDAY - 9)), [(MONDAY, MONDAY)]),  # it held once
    ],
)
def test_a_zone_that_is_new_or_another_makes_its_days_stale(
    home: Gongche, tmp_path: Path, zone: Zone, waits: list[tuple[int, int]]
) -> None:
    with home.database.connection() as conn:
        upsert_zones(conn, [GOLF])
        path = tmp_path / "zones.geojson"
        path.write_text(json.dumps(zone_features([zone])), encoding="utf-8")
        import_file(conn, "zones", path)
    assert stale(home) == waits


def test_an_audit_keeps_the_texts_of_its_rules_and_refuses_one_that_changed(
    home: Gongche, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = tmp_path / "catalogue"
    shutil.copytree(catalogue_path(), catalogue)
    monkeypatch.setattr(auditing, "catalogue_path", lambda: catalogue)
    audit_days(home, MONDAY, MONDAY)
    path = catalogue / "no-card.toml"
    text = path.read_text(encoding="utf-8")
    with home.database.connection() as conn:
        stable = {each.rule_id: each.version for each in load_catalogue(catalogue) if each.status == "stable"}
        kept = {each.rule: each.text for each in used_versions(conn, list(stable))}
    assert set(kept) == set(stable)
    assert kept["no-card"] == text
    version = stable["no-card"]
    path.write_text(text + "# otherwise\n", encoding="utf-8")
    with pytest.raises(RuleChangedError, match=f"rule no-card version {version}: its text is not the one used before"):
        audit_days(home, MONDAY, MONDAY)
    path.write_text(
        text.replace(f"version = {version}", f"version = {version + 1}") + "# otherwise\n", encoding="utf-8"
    )
    audit_days(home, MONDAY, MONDAY)
    with home.database.connection() as conn:
        assert [each.version for each in used_versions(conn, ["no-card"])] == [version, version + 1]
