"""Any permutation, repetition or division of what a degraded fleet sent gives identical trips, flags and rollups."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analytics import measure as measure_module
from analytics.audit import TABLES, audit, audit_ordered
from analytics.context import FleetContext
from analytics.evidence import Rows, weigh
from analytics.stream import Stream
from benchmarks.city import read_city, reported
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks, simulate
from geo.localtime import day_number
from geo.positions import Positions, canonical
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import load_catalogue
from tests.analytics.vehicle_months import Prices, vehicle_months

VEHICLES, DAYS, SEED = 30, 7, 2
FIRST = day_number(FIRST_DAY)
LAST = FIRST + DAYS - 1


@dataclass(frozen=True)
class City:
    positions: Positions  # as the terminals sent them: repeated, disordered, late
    context: FleetContext


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder = tmp_path_factory.mktemp("city")
    simulate(folder, vehicles=VEHICLES, days=DAYS, seed=SEED, degraded=True)
    made = chunks(make_fleet(VEHICLES, SEED), FIRST, DAYS, SEED, degraded=True)
    positions = Positions.concat([reported(chunk.columns) for chunk in made])
    return City(positions, read_city(folder).context(np.arange(1, VEHICLES + 1, dtype=np.int32)))


@pytest.fixture(scope="module")
def expected(city: City) -> dict[str, pd.DataFrame]:
    found = results(city, city.positions)
    assert len(found["trips"]) > 100
    assert len(found["dark"]) > 0
    assert len(found["flags"]) > 0
    assert found["vehicle_days"]["doubtful"].sum() > 0
    assert len(canonical(city.positions)) < len(city.positions)
    return found


def results(city: City, positions: Positions) -> dict[str, pd.DataFrame]:
    """Everything that the core makes of positions."""
    tables = audit(positions, city.context, FIRST, LAST)
    evidence = weigh(Rows.of(tables, city.context), city.context, FIRST, LAST)
    return {
        **{name: getattr(tables, name) for name in TABLES},
        "evidence": evidence.trips,
        "nights": evidence.nights,
        "ledger": evidence.dark,
        "flags": evaluate(
            load_catalogue(catalogue_path()),
            {"trip": evidence.trips, "dark": evidence.dark, "night": evidence.nights},
        ),
        "months": vehicle_months(
            tables.vehicle_days,
            Prices(np.array([FIRST], dtype=np.int32), np.array([LAST], dtype=np.int32), np.array([7.5])),
        ),
    }


def identical(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, table in expected.items():
        assert_frame_equal(found[name], table, check_exact=True, obj=name)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_with_any_repetition(city: City, expected: dict[str, pd.DataFrame], seed: int) -> None:
    rng = np.random.default_rng(seed)
    again = rng.integers(0, len(city.positions), len(city.positions) // 2)
    rows = rng.permutation(np.concatenate((np.arange(len(city.positions)), again)))
    identical(results(city, city.positions.take(rows)), expected)


@pytest.mark.parametrize("size", [1, 1000, 20_000])
def test_any_size_of_the_chunks(
    city: City, expected: dict[str, pd.DataFrame], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_module, "CHUNK_POSITIONS", size)
    identical(results(city, city.positions), expected)


def test_any_division_into_vehicles_and_days(city: City, expected: dict[str, pd.DataFrame]) -> None:
    ordered = canonical(city.positions)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for vehicle in range(VEHICLES):
        own = ordered.take(ordered.vehicle_ix == vehicle)
        for day in range(FIRST, LAST + 1):
            tables = audit_ordered(own, city.context, day, day)
            for name in TABLES:
                parts[name].append(getattr(tables, name))
    for name in TABLES:
        found = pd.concat(parts[name], ignore_index=True)
        order = ["vehicle_ix", "start_time" if "start_time" in found else "day"]
        assert_frame_equal(found.sort_values(order, ignore_index=True), expected[name], check_exact=True, obj=name)


def test_piece_by_piece_as_received(city: City, expected: dict[str, pd.DataFrame]) -> None:
    stream = Stream(city.context, FIRST, LAST)
    for piece in np.array_split(np.argsort(city.positions.received_at, kind="stable"), 30):
        stream.feed(city.positions.take(piece))
    tables = stream.tables()
    for name in TABLES:
        assert_frame_equal(getattr(tables, name)[expected[name].columns], expected[name], check_exact=True, obj=name)
