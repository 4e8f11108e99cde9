"""Exported months: the unit tree rolled up, each saving with its inputs."""

import pytest

from gongche.exporting import read_rows
from store.database import Database
from tests.store.rows import DAY
from tests.store.test_savings import _fill as fill


def test_units_are_rolled_up_and_the_city_is_all_of_them(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        units = read_rows(conn, "unit-months", DAY, DAY + 69, None)
        city = read_rows(conn, "city-months", DAY, DAY + 69, None)
        subtree = read_rows(conn, "unit-months", DAY, DAY + 69, "office")
        of_bureau = read_rows(conn, "city-months", DAY, DAY + 69, "bureau")
    assert units.columns[:4].tolist() == ["unit", "parent", "month", "vehicles_registered"]
    assert units["unit"].unique().tolist() == ["bureau", "office", "other"]
    assert units["parent"].unique().tolist() == ["", "bureau"]
    tops = units[units["parent"] == ""].groupby("month")["distance_m"].sum()
    assert tops.to_numpy() == pytest.approx(city["distance_m"].to_numpy())
    assert city["month"].tolist() == ["2026-03", "2026-04", "2026-05"]
    assert subtree["unit"].unique().tolist() == ["office"]
    bureau = units[units["unit"] == "bureau"].reset_index()
    assert of_bureau["saved_yuan"].to_numpy() == pytest.approx(bureau["saved_yuan"].to_numpy())
    assert set(bureau["baseline_sources"]) == {"not stated (1); returns (1)"}
    assert set(bureau["consumption_sources"]) == {"not stated (1)"}
    assert bureau["prices"][0] == "7.5 (2026-03-07/2026-03-22, a)"
    assert bureau["prices"][2] == "8 (2026-04-01/, b)"


def test_months_without_a_vehicle_are_no_rows(database: Database) -> None:
    with database.connection() as conn:
        assert len(read_rows(conn, "unit-months", DAY, DAY, None)) == 0
        assert len(read_rows(conn, "city-months", DAY, DAY, None)) == 0
