"""What quality is counted of, against going through every vehicle and day by hand."""

import shutil
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg import Connection

from geo.localtime import DAY_US, day_date
from store.bindings import bind, end
from store.database import MIGRATIONS, Database, migrate
from store.derived import VEHICLE_DAY_COLUMNS, copy_rows
from store.fleet import (
    Terminal,
    Unit,
    Vehicle,
    load_units,
    load_vehicles,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
)
from store.postgres import EmbeddedPostgres
from store.quality import DRIFT_POSITIONS, QualitySums, fleet_quality, read_quality
from store.terminal_counts import TerminalCount, count_terminals
from tests.store.rows import DAY, START

NAMES = [field.name for field in fields(QualitySums)]
NOTHING = QualitySums(0, 0, 0, 0, 0, 0.0, 0.0, 0)


def fleet(conn: Connection[Any], vehicles: dict[str, str], terminals: dict[str, str]) -> None:
    """A bureau with an office below it and another bureau; vehicle → unit, terminal → vehicle."""
    upsert_units(conn, [Unit("bureau", "局"), Unit("office", "处", parent="bureau"), Unit("other", "他")])
    upsert_vehicles(conn, [Vehicle(code, code, unit) for code, unit in vehicles.items()])
    upsert_terminals(conn, [Terminal(number, vehicle, "jt808") for number, vehicle in terminals.items()])


def driven(
    conn: Connection[Any], vehicle: str, day: int, metres: float, gap_m: float = 0.0, misplaced: int = 0
) -> None:
    """A vehicle-day of so many metres, some of them over silences."""
    ids = {car.code: car.vehicle_id for car in load_vehicles(conn)}
    row = {
        "vehicle_id": ids[vehicle], "day": day, "positions": 100, "doubtful": misplaced, "misplaced": misplaced,
        "trips": 1, "distance_m": metres, "distance_low_m": metres, "distance_high_m": metres, "gps_m": metres,
        "gap_m": gap_m, "odometer_m": None, "odometer_mark": "", "moving_s": 60.0, "off_hours_m": 0.0,
        "out_of_area_m": 0.0,
    }  # fmt: skip
    copy_rows(conn, "vehicle_day", VEHICLE_DAY_COLUMNS, pd.DataFrame([row]))


def sent(conn: Connection[Any], day: int, terminal: str, *counts: int) -> None:
    """Positions of a terminal received at noon of a day: received, accepted, quarantined, no fix, clock fault, late."""
    count_terminals(conn, START + (day - DAY) * DAY_US + DAY_US // 2, {terminal: TerminalCount(*counts)})


def of(conn: Connection[Any], from_day: int = DAY, to_day: int = DAY, unit: str | None = None) -> QualitySums:
    number = next((each.unit_id for each in load_units(conn) if each.code == unit), None)
    return fleet_quality(conn, number, from_day, to_day)


ONE = {"V1": "office"}, {"13912345678": "V1"}
KEY = "13912345678"


@pytest.mark.parametrize(
    ("counts", "online"),
    [
        ((1, 1, 0), 1),
        ((1, 0, 0), 1),  # known already
        ((1, 1, 0, 1, 1, 1), 1),  # no fix, a wrong clock, from memory: it spoke
        ((3, 0, 3), 0),  # nothing of it could be read
        ((0, 0, 0), 0),
    ],
)
def test_a_vehicle_is_online_when_a_position_of_it_was_taken(
    database: Database, counts: tuple[int, ...], online: int
) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        assert (of(conn).vehicles, of(conn).online_vehicles) == (1, 0)
        sent(conn, DAY, KEY, *counts)
        assert of(conn).online_vehicles == online


def test_online_is_by_local_day_of_receipt(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        for at_us in (START - 1, START + DAY_US):
            count_terminals(conn, at_us, {KEY: TerminalCount(1, 1)})
        assert of(conn).online_vehicles == 0
        count_terminals(conn, START + DAY_US - 1, {KEY: TerminalCount(1, 1)})
        assert of(conn).online_vehicles == 1


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        ((10, 10, 0), 10),
        ((10, 7, 0), 7),  # three repetitions, of which the second sending is no second position
        ((10, 8, 2), 8),
        ((10, 10, 0, 4, 0, 0), 10),  # without a fix, and said so
        ((10, 10, 0, 0, 3, 0), 7),
        ((10, 10, 0, 5, 3, 6), 7),
        ((10, 6, 1, 0, 6, 0), 0),
    ],
)
def test_a_position_passes_when_it_was_read_and_its_clock_can_be_right(
    database: Database, counts: tuple[int, ...], passed: int
) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        sent(conn, DAY, KEY, *counts)
        found = of(conn)
    received, accepted, quarantined = counts[:3]
    assert (found.received, found.duplicate) == (received, received - accepted - quarantined)
    assert found.passed == passed


@pytest.mark.parametrize(("misplaced", "drifts"), [(DRIFT_POSITIONS - 1, 0), (DRIFT_POSITIONS, 1)])
@pytest.mark.parametrize("online", [True, False])
def test_a_vehicle_drifts_from_so_many_misplaced_positions_on_if_it_is_online(
    database: Database, misplaced: int, drifts: int, *, online: bool
) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        driven(conn, "V1", DAY, 1000.0, misplaced=misplaced)
        if online:
            sent(conn, DAY, KEY, 100, 100, 0)
        assert of(conn).drift_vehicles == (drifts if online else 0)


def test_metres_over_silences_are_not_complete(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        driven(conn, "V1", DAY, 1000.0, gap_m=60.0)
        driven(conn, "V1", DAY + 1, 500.0)
        driven(conn, "V1", DAY + 2, 30.0, gap_m=30.0)
        days = [(of(conn, day, day).distance_m, of(conn, day, day).complete_m) for day in range(DAY, DAY + 4)]
    assert days == [(1000.0, 940.0), (500.0, 500.0), (30.0, 0.0), (0.0, 0.0)]


def test_a_vehicle_with_two_terminals_is_one_vehicle_whose_positions_add_up(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, {"V1": "office"}, {"013900000001": "V1", "sim-2": "V1"})
        driven(conn, "V1", DAY, 1000.0, misplaced=DRIFT_POSITIONS)
        sent(conn, DAY, "13900000001", 10, 8, 1, 0, 1)
        sent(conn, DAY, "sim-2", 5, 5, 0)
        assert of(conn) == QualitySums(1, 1, 15, 1, 12, 1000.0, 1000.0, 1)


def test_a_terminal_bound_under_two_lengths_of_its_number_counts_once(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, {"V1": "office"}, {"013900000001": "V1", "00000000013900000001": "V1", "000": "V1"})
        sent(conn, DAY, "13900000001", 10, 10, 0)
        sent(conn, DAY, "0", 1, 1, 0)
        assert (of(conn).vehicles, of(conn).received) == (1, 11)


def test_a_vehicle_without_a_terminal_and_a_terminal_without_a_vehicle_do_not_count(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, {"V1": "office"}, {})
        driven(conn, "V1", DAY, 1000.0, misplaced=DRIFT_POSITIONS)
        sent(conn, DAY, "999", 10, 0, 10)
        assert of(conn) == NOTHING
        assert len(read_quality(conn, DAY, DAY)) == 0


def test_a_silent_day_has_a_row_and_no_days_have_none(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        rows = read_quality(conn, DAY, DAY + 1)
        assert rows[["day", *NAMES]].to_numpy().tolist() == [[DAY + n, 1, *[0] * 7] for n in range(2)]
        assert of(conn, DAY + 1, DAY) == NOTHING


def test_a_terminal_counts_each_day_for_the_vehicle_it_was_in_last_that_day(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, {"V1": "office", "V2": "other"}, {KEY: "V1"})
        bind(conn, KEY, "V2", START + DAY_US + DAY_US // 2)
        for day in range(DAY, DAY + 3):
            sent(conn, day, KEY, 10 + day - DAY, 10 + day - DAY, 0)
            driven(conn, "V1", day, 100.0)
        by_day = [(of(conn, day, day, "office"), of(conn, day, day, "other")) for day in range(DAY, DAY + 3)]
    assert [(office.vehicles, office.received, office.distance_m) for office, _ in by_day] == [
        (1, 10, 100.0),
        (0, 0, 0.0),
        (0, 0, 0.0),
    ]
    assert [(other.vehicles, other.received) for _, other in by_day] == [(0, 0), (1, 11), (1, 12)]


def test_a_binding_that_ends_at_midnight_is_not_one_of_the_day_that_begins(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, *ONE)
        end(conn, KEY, START + DAY_US)
        assert [of(conn, day, day).vehicles for day in (DAY - 400, DAY, DAY + 1)] == [1, 1, 0]
        bind(conn, KEY, "V1", START + 2 * DAY_US)
        assert [of(conn, day, day).vehicles for day in range(DAY, DAY + 3)] == [1, 0, 1]


def test_several_moves_within_a_day_count_it_once_and_for_the_last_vehicle(database: Database) -> None:
    with database.connection() as conn:
        fleet(conn, {f"V{i}": "office" for i in range(4)}, {KEY: "V0"})
        for hour, vehicle in ((9, "V1"), (10, "V2"), (11, "V3")):
            bind(conn, KEY, vehicle, START + hour * DAY_US // 24)
        sent(conn, DAY, KEY, 5, 5, 0)
        driven(conn, "V3", DAY, 100.0)
        found = of(conn)
    assert (found.vehicles, found.online_vehicles, found.received, found.distance_m) == (1, 1, 5, 100.0)


def _random_fleet(conn: Connection[Any]) -> list[dict[str, Any]]:
    """Twelve vehicles in three units over five days, as plain rows for the slow twin."""
    rng = np.random.default_rng(8)
    units = dict(zip([f"V{n:02}" for n in range(12)], rng.choice(["bureau", "office", "other"], 12), strict=True))
    terminals = {f"{n:012}": f"V{rng.integers(0, 9):02}" for n in range(1, 13)}
    fleet(conn, units, terminals)
    rows: list[dict[str, Any]] = []
    for vehicle, unit in units.items():
        boxes = [number.lstrip("0") for number, owner in terminals.items() if owner == vehicle]
        for day in range(DAY, DAY + 5):
            row: dict[str, Any] = {"unit": unit, "day": day, "boxes": len(boxes), "counts": [], "driven": None}
            for box in boxes:
                if rng.random() < 0.6:
                    accepted, duplicate, quarantined = rng.integers(0, 3, 3).tolist()
                    counts = (accepted + duplicate + quarantined, accepted, quarantined, 0, min(1, accepted))
                    sent(conn, day, box, *counts)
                    row["counts"].append(counts)
            if rng.random() < 0.6:
                metres = float(rng.integers(0, 10_000))
                row["driven"] = (
                    metres,
                    float(rng.integers(0, int(metres) + 1)),
                    int(rng.integers(0, 2 * DRIFT_POSITIONS)),
                )
                driven(conn, vehicle, day, *row["driven"])
            rows.append(row)
    return rows


def _by_hand(rows: list[dict[str, Any]], days: range, units: set[str]) -> QualitySums:
    total = dict.fromkeys(NAMES, 0)
    for row in rows:
        if row["day"] not in days or row["unit"] not in units or not row["boxes"]:
            continue
        total["vehicles"] += 1
        online = any(received > quarantined for received, _, quarantined, *_ in row["counts"])
        total["online_vehicles"] += online
        for received, accepted, quarantined, _, clock_fault in row["counts"]:
            total["received"] += received
            total["duplicate"] += received - accepted - quarantined
            total["passed"] += accepted - clock_fault
        if row["driven"]:
            metres, gap_m, misplaced = row["driven"]
            total["distance_m"] += metres
            total["complete_m"] += metres - gap_m
            total["drift_vehicles"] += online and misplaced >= DRIFT_POSITIONS
    return QualitySums(**total)


def test_the_sums_are_those_of_going_through_vehicles_and_days_by_hand(database: Database) -> None:
    everybody = {"bureau", "office", "other"}
    with database.connection() as conn:
        rows = _random_fleet(conn)
        for unit, below in ((None, everybody), ("bureau", {"bureau", "office"}), ("office", {"office"})):
            assert of(conn, DAY, DAY + 4, unit) == _by_hand(rows, range(DAY, DAY + 5), below)
            assert of(conn, DAY + 1, DAY + 2, unit) == _by_hand(rows, range(DAY + 1, DAY + 3), below)
        codes = {unit.unit_id: unit.code for unit in load_units(conn)}
        table = read_quality(conn, DAY, DAY + 4)
        found = {
            (day, codes[unit]): QualitySums(*sums)
            for day, unit, *sums in table[["day", "unit_id", *NAMES]].itertuples(index=False)
        }
    expected = {
        (day, unit): _by_hand(rows, range(day, day + 1), {unit}) for day in range(DAY, DAY + 5) for unit in everybody
    }
    assert found == {key: sums for key, sums in expected.items() if sums.vehicles}
    assert all(value > 0 for value in asdict(_by_hand(rows, range(DAY, DAY + 5), everybody)).values())


def test_days_audited_before_misplaced_positions_were_counted_are_audited_again_where_they_are_sealed(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    for path in MIGRATIONS.glob("000[1-7]_*.sql"):
        shutil.copy(path, tmp_path)
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE before_quality")
    try:
        with psycopg.connect(postgres.conninfo, dbname="before_quality") as conn:
            migrate(conn, tmp_path)
            conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U', '局')")
            conn.execute("INSERT INTO vehicle (code, plate, unit_id) SELECT 'V1', 'V1', unit_id FROM unit")
            conn.execute(
                """
                INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, trips, distance_m, distance_low_m,
                                         distance_high_m, moving_s, off_hours_m, out_of_area_m)
                SELECT vehicle_id, day, 9, 3, 0, 0, 0, 0, 0, 0, 0
                FROM vehicle, unnest(%s::date[]) AS day
                """,
                ([day_date(DAY), day_date(DAY + 1)],),
            )
            conn.execute("INSERT INTO sealed_part VALUES (%s, 0, 1, 1, 9, 'part')", (day_date(DAY),))
            conn.commit()
            assert migrate(conn)[0] == "0008_quality"
            assert conn.execute("SELECT DISTINCT misplaced FROM vehicle_day").fetchall() == [(0,)]
            assert conn.execute("SELECT day FROM stale_day").fetchall() == [(day_date(DAY),)]
    finally:
        with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
            conn.execute("DROP DATABASE before_quality WITH (FORCE)")
