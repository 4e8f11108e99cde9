"""Exported quality: the unit tree rolled up by day, each rate beside what it is of."""

import io
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from psycopg import Connection

from analytics.quality import FORMULA_VERSION, RATES, SUMS, rates
from geo.localtime import day_date
from gongche.errors import WrongUseError
from gongche.exporting import read_rows, write_rows
from gongche.quality import COLUMNS
from store.database import Database
from store.quality import DRIFT_POSITIONS, fleet_quality
from tests.gongche.conftest import Run
from tests.store.rows import DAY
from tests.store.test_quality import driven, fleet, sent


def fill(conn: Connection[Any]) -> None:
    """A car of the bureau, two of its office, one of another bureau without a terminal; two days."""
    cars = {"B1": "bureau", "O1": "office", "O2": "office", "X1": "other"}
    fleet(conn, cars, {"001": "B1", "002": "O1", "003": "O2"})
    sent(conn, DAY, "1", 100, 90, 0, 0, 9)
    sent(conn, DAY, "2", 20, 15, 5)
    driven(conn, "B1", DAY, 1000.0, gap_m=100.0, misplaced=DRIFT_POSITIONS)
    driven(conn, "O1", DAY, 3000.0)
    driven(conn, "X1", DAY, 9000.0, gap_m=9000.0)


def rows_of(conn: Connection[Any], unit: str | None = None, to_day: int = DAY) -> pd.DataFrame:
    return read_rows(conn, "quality", DAY, to_day, unit)


def test_a_day_has_the_fleet_and_each_unit_with_everything_below_it(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        rows = rows_of(conn)
    assert tuple(rows.columns) == COLUMNS
    assert rows["unit"].tolist() == ["", "bureau", "office"]
    assert rows["day"].tolist() == [day_date(DAY)] * 3
    sums = rows[list(SUMS)].to_numpy().tolist()
    assert sums[0] == sums[1] == [3, 2, 120, 10, 96, 4000, 3900, 1]
    assert sums[2] == [2, 1, 20, 0, 15, 3000, 3000, 0]
    assert rows[list(RATES)].to_numpy()[1].tolist() == pytest.approx([2 / 3, 96 / 110, 0.975, 0.5])
    assert rows[list(RATES)].to_numpy()[2].tolist() == [0.5, 0.75, 1.0, 0.0]
    assert rows["formula_version"].tolist() == [FORMULA_VERSION] * 3


def test_a_unit_is_asked_for_with_its_subtree_and_without_the_fleet_or_what_is_above(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        everything = rows_of(conn)
        bureau, office, other = (rows_of(conn, unit) for unit in ("bureau", "office", "other"))
        with pytest.raises(WrongUseError, match="no unit has the code 'nowhere'"):
            rows_of(conn, "nowhere")
    pd.testing.assert_frame_equal(bureau, everything[1:].reset_index(drop=True))
    pd.testing.assert_frame_equal(office, everything[2:].reset_index(drop=True))
    assert len(other) == 0
    assert tuple(other.columns) == COLUMNS


def test_days_follow_each_other_and_a_silent_one_has_no_rate_but_that_nobody_was_online(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        rows = rows_of(conn, to_day=DAY + 1)
    assert [(day, unit) for day, unit in rows[["day", "unit"]].itertuples(index=False)] == [
        (day_date(day), unit) for day in (DAY, DAY + 1) for unit in ("", "bureau", "office")
    ]
    silent = rows.iloc[3]
    assert (silent["vehicles"], silent["online_rate"]) == (3, 0.0)
    assert silent[["pass_rate", "completeness", "drift_rate"]].isna().all()


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "xlsx"])
def test_every_form_holds_the_rows_and_what_is_not_known_is_empty(
    database: Database, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"quality.{form}"
    with database.connection() as conn, path.open("wb") as file:
        fill(conn)
        rows = rows_of(conn, to_day=DAY + 1)
        write_rows(conn, "quality", rows, form, file.write)
    readers = {
        "csv": lambda: pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in RATES}),
        "json": lambda: pd.DataFrame(json.loads(path.read_text())),
        "parquet": lambda: pd.read_parquet(path),
        "xlsx": lambda: pd.read_excel(path, keep_default_na=False, na_values={name: [""] for name in RATES}),
    }
    found = readers[form]()
    assert found["unit"].tolist() == rows["unit"].tolist()
    assert [date.fromisoformat(str(day)) for day in found["day"]] == rows["day"].tolist()
    numbers = [*SUMS, *RATES, "formula_version"]
    pd.testing.assert_frame_equal(found[numbers].astype(float), rows[numbers].astype(float), rtol=1e-9)


@pytest.mark.parametrize("form", ["gpx", "geojson"])
def test_quality_has_no_place(database: Database, form: str) -> None:
    with database.connection() as conn:
        fill(conn)
        with pytest.raises(WrongUseError, match="choose csv"):
            write_rows(conn, "quality", rows_of(conn), form, lambda _: None)


def test_the_command_prints_the_columns_of_a_fleet_without_terminals(gongche: Run) -> None:
    done = gongche("export", "quality", "--from", "2026-03-02", "--to", "2026-03-08")
    assert done.returncode == 0, done.stderr
    printed = pd.read_csv(io.StringIO(done.stdout))
    assert (tuple(printed.columns), len(printed)) == (COLUMNS, 0)


def test_the_sums_of_a_period_are_what_rates_are_made_of(database: Database) -> None:
    with database.connection() as conn:
        fill(conn)
        sums = asdict(fleet_quality(conn, None, DAY, DAY + 1))
    assert tuple(sums) == SUMS
    assert [float(each) for each in rates(sums).values()] == pytest.approx([2 / 6, 96 / 110, 0.975, 0.5])
