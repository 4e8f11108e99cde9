"""What an audit takes as done is what it has read; what is sealed meanwhile is audited again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from geo.positions import Positions
from gongche import cluster
from gongche.auditing import audit_days, audit_stale
from gongche.fleet import Fleet
from gongche.home import Gongche
from gongche.measuring import Job, Measured, measure_job
from gongche.settings import load_settings
from store.archive import Archive
from store.database import Database
from store.derived import stale_range
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.positions import merge_positions
from tests.analytics.tracks import MONDAY, Car, at


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    with database.connection() as conn:
        upsert_units(conn, [Unit("A", "甲")])
        upsert_vehicles(conn, [Vehicle("V1", "V1", "A")])
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(tmp_path))
    receive(home, Car(clock=at("08:00")).report(on=False).park(1800).streets(8).skip(1).report(on=False).park(3600))
    home.archive.seal(database, MONDAY + 1)
    audit_stale(home)
    return home


def receive(home: Gongche, car: Car) -> None:
    positions: Positions = car.positions()
    with home.database.connection() as conn:
        (vehicle,) = load_vehicles(conn)
        merge_positions(conn, positions, np.array([vehicle.vehicle_id], dtype=np.int32))


def stale(home: Gongche) -> tuple[int, int] | None:
    with home.database.connection() as conn:
        return stale_range(conn)


def trips(home: Gongche) -> int:
    with home.database.connection() as conn:
        row = conn.execute("SELECT count(*) FROM trip").fetchone()
    assert row is not None
    return int(row[0])


def test_a_part_sealed_between_reading_and_storing_stays_stale(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stale(home) is None
    assert trips(home) == 1

    def measured_while_a_late_trip_is_sealed(fleet: Fleet, job: Job) -> Iterator[Measured]:
        found = list(measure_job(fleet, job))
        receive(home, Car(clock=at("12:00")).report(on=False).park(1800).streets(8).skip(1).report(on=False).park(3600))
        home.archive.seal(home.database, MONDAY + 1)
        yield from found

    with monkeypatch.context() as late:
        late.setattr(cluster, "measure_job", measured_while_a_late_trip_is_sealed)
        audit_days(home, MONDAY, MONDAY)
    assert trips(home) == 1
    assert stale(home) == (MONDAY, MONDAY)
    audit_stale(home)
    assert trips(home) == 2
    assert stale(home) is None


def test_an_audit_that_fails_leaves_its_days_stale(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(home, Car(clock=at("12:00")).report(on=False).park(1800).streets(8).skip(1).report(on=False).park(3600))
    home.archive.seal(home.database, MONDAY + 1)
    before = stale(home)
    assert before is not None
    with monkeypatch.context() as broken:
        broken.setattr("gongche.auditing.weigh_audit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            audit_stale(home)
    assert stale(home) == before
    audit_stale(home)
    assert trips(home) == 2
