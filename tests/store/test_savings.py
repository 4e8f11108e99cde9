"""Prices that hold one at a time, and sums of vehicle-months as the core makes them of vehicle-days."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg import Connection

from analytics.ledger import Ledger
from geo.localtime import day_date
from store.database import Database
from store.derived import VEHICLE_DAY_COLUMNS, replace_derived
from store.fleet import Unit, Vehicle, load_units, load_vehicles, upsert_units, upsert_vehicles
from store.savings import OPEN_END, FuelPrice, PriceOverlapError, load_prices, put_prices, read_savings, remove_price
from tests.analytics.vehicle_months import Prices, vehicle_months
from tests.store.rows import DAY


def test_prices_come_out_as_they_went_in_and_the_next_one_ends_an_open_one(database: Database) -> None:
    first = FuelPrice(DAY, 7.5, "bulletin 1")
    with database.connection() as conn:
        assert put_prices(conn, [first]) == 1
        assert load_prices(conn) == [first]
        later = FuelPrice(DAY + 14, 7.8, "bulletin 2")
        put_prices(conn, [later, first])
        assert load_prices(conn) == [FuelPrice(DAY, 7.5, "bulletin 1", DAY + 13), later]
        put_prices(conn, [FuelPrice(DAY + 14, 7.9, "corrected", DAY + 20)])
        assert load_prices(conn)[1] == FuelPrice(DAY + 14, 7.9, "corrected", DAY + 20)
        assert remove_price(conn, DAY)
        assert not remove_price(conn, DAY)


def test_a_day_has_one_price(database: Database) -> None:
    with database.connection() as conn:
        put_prices(conn, [FuelPrice(DAY, 7.5, "bulletin", DAY + 30)])
    overlapping = FuelPrice(DAY + 10, 7.8, "bulletin", DAY + 40)
    with (
        pytest.raises(PriceOverlapError, match=rf"{day_date(DAY + 10)} to .*: another price"),
        database.connection() as conn,
    ):
        put_prices(conn, [overlapping])
    before = FuelPrice(DAY - 10, 7.8, "bulletin", OPEN_END)
    with pytest.raises(PriceOverlapError, match="to further notice"), database.connection() as conn:
        put_prices(conn, [before])
    with database.connection() as conn:
        assert len(load_prices(conn)) == 1


def _fill(conn: Connection[Any]) -> pd.DataFrame:
    """Three vehicles of a bureau, an office below it and another bureau, 70 days of each; the vehicle-days."""
    upsert_units(conn, [Unit("bureau", "局"), Unit("office", "处", parent="bureau"), Unit("other", "他")])
    upsert_vehicles(
        conn,
        [
            Vehicle(
                "V0", "V0", "bureau", baseline_km_month=1769.97, baseline_source="returns", consumption_l_100km=8.1
            ),
            Vehicle("V1", "V1", "office", baseline_km_month=900.0, consumption_source="type approval"),
            Vehicle("V2", "V2", "other"),
        ],
    )
    ids = np.array([car.vehicle_id for car in load_vehicles(conn)], dtype=np.int32)
    rng = np.random.default_rng(3)
    count = 70 * len(ids)
    metres = rng.gamma(2, 20_000, count)
    days = pd.DataFrame(
        {
            "vehicle_id": np.repeat(ids, 70), "day": np.tile(np.arange(DAY, DAY + 70), len(ids)), "positions": 10,
            "doubtful": np.where(rng.random(count) < 0.1, 10, 1), "misplaced": 0, "trips": rng.integers(0, 5, count),
            "distance_m": metres, "distance_low_m": metres * 0.97, "distance_high_m": metres * 1.02,
            "gps_m": metres, "gap_m": 0.0, "odometer_m": np.nan, "odometer_mark": "", "moving_s": 100.0,
            "off_hours_m": metres / 9, "out_of_area_m": metres / 7,
        }
    )  # fmt: skip
    assert list(days.columns) == list(VEHICLE_DAY_COLUMNS)
    none = pd.DataFrame(columns=["start_time", "end_time"])
    trips = none.reindex(columns=[*_columns(conn, "trip")]).drop(columns="features")
    replace_derived(
        conn, ids, DAY, DAY + 70, trips=trips, stops=none.reindex(columns=_columns(conn, "stop")), vehicle_days=days
    )
    put_prices(conn, [FuelPrice(DAY + 5, 7.5, "a", DAY + 20), FuelPrice(DAY + 30, 8.0, "b")])
    return days


def _columns(conn: Connection[Any], table: str) -> list[str]:
    return [column.name for column in conn.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]


def test_the_database_sums_vehicle_months_as_the_core_does(database: Database) -> None:
    with database.connection() as conn:
        days = _fill(conn)
        rows = read_savings(conn, DAY, DAY + 69)
    assert rows.vehicles["baseline_km_month"].tolist()[:2] == [1769.97, 900.0], "as declared, not as float4"
    ledger = Ledger.of(rows.months, rows.vehicles, rows.units)
    index = {number: place for place, number in enumerate(rows.vehicles["vehicle_id"])}
    prices = Prices(
        np.array([each.valid_from for each in rows.prices], dtype=np.int32),
        np.array([each.valid_to for each in rows.prices], dtype=np.int32),
        np.array([each.yuan_per_l for each in rows.prices]),
    )
    expected = vehicle_months(days.assign(vehicle_ix=days["vehicle_id"].map(index)), prices)
    assert 0 < expected["priced_days"].sum() < expected["days"].sum()
    pd.testing.assert_frame_equal(ledger.months[list(expected.columns)], expected, check_dtype=False, rtol=1e-12)


@pytest.mark.parametrize(("own", "vehicles", "units"), [("bureau", 2, 2), ("office", 1, 1), (None, 3, 3)])
def test_a_unit_reads_its_subtree(database: Database, own: str | None, vehicles: int, units: int) -> None:
    with database.connection() as conn:
        _fill(conn)
        number = next((unit.unit_id for unit in load_units(conn) if unit.code == own), None)
        rows = read_savings(conn, DAY, DAY, number)
    assert (len(rows.vehicles), len(rows.units), rows.months["vehicle_id"].nunique()) == (vehicles, units, vehicles)
    if own:
        assert rows.units.set_index("code")["parent_id"].isna()[own]
        table = Ledger.of(rows.months, rows.vehicles, rows.units).rolled()
        assert table["vehicles_registered"].tolist()[:2] == [vehicles, vehicles]


def test_days_outside_the_period_are_not_read(database: Database) -> None:
    with database.connection() as conn:
        _fill(conn)
        assert read_savings(conn, DAY + 3, DAY + 4).months["days"].max() <= 2
        assert len(read_savings(conn, DAY - 9, DAY - 1).months) == 0
