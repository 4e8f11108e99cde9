"""Binary COPY: what goes in by columns comes out by columns, to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from psycopg import Connection, sql

from store.copy import copy_arrays_out, copy_in, copy_out
from store.database import Database

TYPES = {"small": "smallint", "middle": "int", "large": "bigint", "real": "real", "instant": "timestamptz"}
DTYPES = {"small": np.int16, "middle": np.int32, "large": np.int64, "real": np.float32, "instant": np.int64}
SELECT = sql.SQL("SELECT small, middle, large, real, instant FROM copied ORDER BY ctid")
LIMITS = {"instant": (-62_135_510_400_000_000, 253_402_214_399_999_999)}  # years 1 to 9999

tables = st.integers(0, 20).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            name: hnp.arrays(
                dtype,
                rows,
                elements=st.integers(*LIMITS[name]) if name in LIMITS else hnp.from_dtype(np.dtype(dtype)),
            )
            for name, dtype in DTYPES.items()
        }
    )
)


def make_table(conn: Connection[Any]) -> None:
    conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS copied (small smallint, middle int, large bigint, real real, "
        "instant timestamptz) ON COMMIT DELETE ROWS"
    )


def some_table(rows: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    return {
        "small": rng.integers(-(2**15), 2**15, rows, dtype=np.int16),
        "middle": rng.integers(-(2**31), 2**31, rows, dtype=np.int32),
        "large": rng.integers(-(2**63), 2**63 - 1, rows, dtype=np.int64),
        "real": rng.standard_normal(rows, dtype=np.float32),
        "instant": rng.integers(*LIMITS["instant"], rows, dtype=np.int64),
    }


def assert_equal(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    for name, dtype in DTYPES.items():
        assert found[name].dtype == dtype
        assert found[name].dtype.isnative
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@given(columns=tables)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(database: Database, columns: dict[str, NDArray[Any]]) -> None:
    with database.connection() as conn:
        make_table(conn)
        copy_in(conn, "copied", TYPES, columns)
        assert_equal(copy_out(conn, SELECT, TYPES, ()), columns)


@pytest.mark.parametrize("rows", [0, 1, 65_535, 65_536, 65_537])
def test_a_table_of_any_length_goes_through(database: Database, rows: int) -> None:
    columns = some_table(rows)
    with database.connection() as conn:
        make_table(conn)
        copy_in(conn, "copied", TYPES, columns)
        assert_equal(copy_out(conn, SELECT, TYPES, ()), columns)


@pytest.mark.parametrize("rows", [0, 1, 100_000])
def test_arrays_of_many_groups_are_put_one_after_the_other(database: Database, rows: int) -> None:
    columns = some_table(rows)
    columns["small"] = np.sort(columns["small"] % 7)
    with database.connection() as conn:
        make_table(conn)
        copy_in(conn, "copied", TYPES, columns)
        arrays = sql.SQL(", ").join(
            sql.SQL("array_agg({} ORDER BY ctid)").format(sql.Identifier(name)) for name in TYPES
        )
        query = sql.SQL("SELECT {} FROM copied GROUP BY small ORDER BY small").format(arrays)
        assert_equal(copy_arrays_out(conn, query, TYPES, {}), columns)


def test_an_instant_is_the_one_the_database_means(database: Database) -> None:
    instants = np.array([0, 946_684_800_000_001, -1], dtype=np.int64)
    with database.connection() as conn:
        make_table(conn)
        copy_in(conn, "copied", {"instant": "timestamptz"}, {"instant": instants})
        texts = conn.execute("SELECT instant::text FROM copied ORDER BY ctid").fetchall()
    assert [text for (text,) in texts] == [
        "1970-01-01 00:00:00+00",
        "2000-01-01 00:00:00.000001+00",
        "1969-12-31 23:59:59.999999+00",
    ]


def test_parameters_reach_the_query(database: Database) -> None:
    query = sql.SQL("SELECT n FROM generate_series(1, 9) AS n WHERE n > %(least)s")
    with database.connection() as conn:
        assert copy_out(conn, query, {"n": "int"}, {"least": 7})["n"].tolist() == [8, 9]
