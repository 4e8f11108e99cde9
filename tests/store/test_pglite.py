"""The test server with TimescaleDB answers as a server does, where one session at a time is enough."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from geo.localtime import day_start_us
from geo.positions import Positions
from store.database import Database
from store.positions import merge_positions
from store.rollups import refresh
from store.upkeep import compress
from tests.store.pglite import pglite_missing, pglite_server
from tests.store.rows import DAY as DAY_NUMBER
from tests.store.rows import at, some_positions, vehicles

DAY = datetime(2026, 3, 2, tzinfo=UTC)
ROWS = [(DAY + timedelta(hours=hour), vehicle, hour / 7) for hour in range(72) for vehicle in range(3)]
TABLE = """
    DROP TABLE IF EXISTS place;
    CREATE TABLE place (time timestamptz NOT NULL, vehicle int NOT NULL, lat float8, PRIMARY KEY (vehicle, time));
    SELECT create_hypertable('place', 'time', chunk_time_interval => interval '1 day');
    ALTER TABLE place SET (timescaledb.compress, timescaledb.compress_segmentby = 'vehicle');
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    missing = pglite_missing()
    if missing is not None:
        pytest.skip(missing)
    with pglite_server() as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def template(server: str) -> str:
    """A migrated database with the extension, its name."""
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE template_time")
    with psycopg.connect(make_conninfo(server, dbname="template_time"), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION timescaledb")
    with Database.open(make_conninfo(server, dbname="template_time")):
        return "template_time"


@pytest.fixture(scope="module")
def database(server: str, template: str) -> Iterator[Database]:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE test_time TEMPLATE {template} STRATEGY wal_log".encode())
    with Database.open(make_conninfo(server, dbname="test_time"), pool_size=2) as opened:
        yield opened
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("DROP DATABASE test_time WITH (FORCE)")


def test_rows_go_in_and_out_through_binary_copy_and_compressed_days_take_late_ones(database: Database) -> None:
    assert database.level == "timescale"
    kinds = ["timestamptz", "int4", "float8"]
    with database.connection() as conn:
        conn.execute(TABLE)
        with conn.cursor().copy("COPY place FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(kinds)
            for row in ROWS:
                copy.write_row(row)
    with database.connection() as conn:
        conn.execute("SELECT compress_chunk(chunk) FROM show_chunks('place') AS chunk")
    late = (DAY + timedelta(minutes=1), 1, 30.0)
    with database.connection() as conn:
        conn.execute("INSERT INTO place VALUES (%s, %s, %s)", late)
        conn.execute("INSERT INTO place SELECT * FROM place ON CONFLICT DO NOTHING")
        packed = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
        assert conn.execute(packed).fetchone() == (3,)
        with conn.cursor().copy("COPY (SELECT * FROM place ORDER BY time, vehicle) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(kinds)
            assert list(copy.rows()) == sorted([*ROWS, late])


def test_a_continuous_aggregate_is_refreshed_by_hand(database: Database) -> None:
    with database.connection() as conn:
        conn.execute(TABLE)
        conn.cursor().executemany("INSERT INTO place VALUES (%s, %s, %s)", ROWS)
    with database.alone() as conn:
        conn.execute(
            """
            CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
            SELECT time_bucket('1 hour', time) AS hour, count(*) AS n FROM place GROUP BY 1 WITH NO DATA
            """
        )
        assert conn.execute("SELECT sum(n) FROM hourly").fetchone() == (None,)
        conn.execute("CALL refresh_continuous_aggregate('hourly', '2026-03-01', '2026-03-09')")
        assert conn.execute("SELECT sum(n), count(*) FROM hourly").fetchone() == (len(ROWS), 72)


def test_positions_lie_in_chunks_that_are_compressed_and_their_hours_are_summed(database: Database) -> None:
    assert database.layout() == "chunks"
    batch = some_positions(200)
    with database.connection() as conn:
        ids = vehicles(conn)
        assert merge_positions(conn, batch, ids).accepted == len(batch)
    assert refresh(database, day_start_us(DAY_NUMBER + 2)).stored_before_us == day_start_us(DAY_NUMBER + 2)
    assert compress(database, DAY_NUMBER + 30, 7) == 2, "a local day lies in two days of UTC"
    late = at(3, 4)
    with database.connection() as conn:
        again = merge_positions(conn, Positions.concat([batch, late]), ids)
    assert (again.accepted, again.duplicate) == (len(late), len(batch))
    refresh(database, day_start_us(DAY_NUMBER + 2))
    with database.connection() as conn:
        assert conn.execute("SELECT count(*) FROM position").fetchone() == (len(batch) + len(late),)
        assert conn.execute("SELECT sum(positions) FROM live_vehicle_hour").fetchone() == (len(batch) + len(late),)


def test_connections_take_turns_and_keep_their_prepared_statements_apart(database: Database) -> None:
    with database.connection() as first, database.alone() as second:
        for number in range(3):
            first.commit()
            assert second.execute("SELECT %s::int", (number,), prepare=True).fetchone() == (number,)
            assert first.execute("SELECT %s::text", (str(number),), prepare=True).fetchone() == (str(number),)


def test_an_error_is_told_and_costs_its_transaction_only(database: Database) -> None:
    with database.connection() as conn:
        conn.execute("CREATE TABLE kept (number int PRIMARY KEY)")
    with database.connection() as conn:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), conn.transaction():
            fill(conn, "kept", "one")
        with pytest.raises(psycopg.errors.UndefinedTable), conn.transaction():
            fill(conn, "nowhere", "1")
        with pytest.raises(psycopg.errors.DivisionByZero), conn.transaction():
            conn.execute("SELECT 1 / %s", (0,))
        with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
            fill(conn, "kept", "1", "1")
        conn.execute("INSERT INTO kept VALUES (2)")
    with database.connection() as conn:
        assert conn.execute("SELECT number FROM kept").fetchall() == [(2,)]


def fill(conn: psycopg.Connection[Any], table: str, *lines: str) -> None:
    with conn.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
        for line in lines:
            copy.write(f"{line}\n")


def test_what_one_left_open_is_undone_and_a_name_unknown_is_refused(server: str, database: Database) -> None:
    left = database.alone()
    left.execute("BEGIN")
    left.execute("CREATE TABLE half (number int)")
    left.close()
    with database.connection() as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
        psycopg.connect(make_conninfo(server, dbname="nowhere"))
