"""Chunks that are compressed take late positions as open ones do; partitions become chunks without a row lost."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from geo.localtime import DAY_US, SECOND_US
from geo.positions import Positions, Status
from store import conversion
from store.conversion import can_convert, convert
from store.database import Database, migrate
from store.layout import lay_out
from store.live_views import drop_views
from store.positions import read_day, read_track
from store.rollups import refresh
from store.status import status
from store.upkeep import compress
from tests.store.conftest import FreshDatabase
from tests.store.rows import DAY, GOOD, START, as_set, at, count, positions, some_positions, vehicles
from tests.store.test_positions import merge, revisions
from tests.store.test_rollups import assert_live_equals_recount

pytestmark = pytest.mark.timescale


@pytest.fixture(params=["timescale", "timescale-apache"])
def conninfo(request: pytest.FixtureRequest, timescale: FreshDatabase) -> str:
    return timescale(request.param)


def squeeze(database: Database) -> None:
    """Compress everything; on the Apache level the same tests hold without."""
    done = compress(database, DAY + 90, 7)
    assert (done > 0) == (database.level == "timescale")


def content(database: Database) -> set[tuple[object, ...]]:
    with database.connection() as conn:
        return as_set(*read_day(conn, DAY))


@pytest.mark.parametrize("rows", [200, 6_000])
def test_repetitions_of_compressed_positions_are_duplicates(database: Database, rows: int) -> None:
    batch = some_positions(rows)
    merge(database, batch)
    squeeze(database)
    opened = revisions(database)
    (again,) = merge(database, batch)
    assert (again.accepted, again.duplicate) == (0, rows)
    assert revisions(database) == opened


def test_late_positions_and_other_content_go_into_compressed_chunks(database: Database) -> None:
    batch, late = some_positions(500), at(40_000.5)
    merge(database, batch)
    squeeze(database)
    other = replace(batch, speed_mps=np.full(len(batch), 77, dtype=np.float32))
    merged = merge(database, late, other, late, other)
    assert [each.accepted for each in merged] == [1, 500, 0, 0]
    squeeze(database)
    with database.connection() as conn:
        assert content(database) == as_set(Positions.concat([batch, late, other]), vehicles(conn))


def test_an_earlier_receipt_changes_a_compressed_position_and_opens_its_day(database: Database) -> None:
    soon = at(0, received_at=START + SECOND_US)
    merge(database, at(0, 10, received_at=START + 50 * SECOND_US, status=GOOD | int(Status.LATE)))
    squeeze(database)
    merge(database, soon)
    with database.connection() as conn:
        track = read_track(conn, int(vehicles(conn)[0]), START, START + DAY_US)
    assert track.received_at.tolist() == [START + SECOND_US, START + 50 * SECOND_US]
    assert [bool(late) for late in track.has(Status.LATE)] == [False, True]
    assert list(revisions(database).values()) == [2]


def test_the_key_of_a_hypertable_is_made_narrower_though_chunks_are_compressed(database: Database) -> None:
    first, more = some_positions(500), at(86_400.5)
    merge(database, first)
    squeeze(database)
    merge(database, more)
    with database.connection() as conn:
        conn.execute(
            "ALTER TABLE position DROP CONSTRAINT position_pkey, ADD PRIMARY KEY (vehicle_id, fix_time, variant)"
        )
        conn.execute("DROP INDEX stop_cell")
        conn.execute("CREATE INDEX stop_day ON stop (day, lat)")
        conn.execute("DELETE FROM schema_migration WHERE number >= 26")
        conn.commit()
        assert migrate(conn, upto=26) == ["0026_keys"]
        keys = conn.execute(
            """
            SELECT DISTINCT substring(pg_get_indexdef(i.indexrelid) FROM '[(].*') FROM pg_index i
            WHERE i.indrelid IN (SELECT 'position'::regclass UNION ALL SELECT show_chunks('position')) AND i.indisprimary
            """
        ).fetchall()
        assert keys == [("(vehicle_id, variant, fix_time)",)]
    assert [(each.accepted, each.duplicate) for each in merge(database, first, more)] == [(0, 500), (0, 1)]
    with database.connection() as conn:
        assert as_set(*read_day(conn, DAY)) == as_set(first, vehicles(conn))


def test_status_tells_of_chunks_and_compression(database: Database) -> None:
    merge(database, some_positions(3_000))
    squeeze(database)
    with database.connection() as conn:
        facts = status(conn)
    assert (facts["level"], facts["layout"], facts["chunks"]) == (database.level, "chunks", 2)
    if database.level == "timescale":
        assert facts["compressed_chunks"] == 2
        assert facts["compression_ratio"] == pytest.approx(
            facts["bytes_before_compression"] / facts["bytes_after_compression"], abs=0.01
        )
        assert facts["compressed_bytes_per_position"] == pytest.approx(
            facts["bytes_after_compression"] / 3_000, abs=0.01
        )


def test_no_job_of_the_extension_is_made(database: Database) -> None:
    with database.connection() as conn:
        assert conn.execute("SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000").fetchone() == (0,)


@pytest.fixture
def plain(conninfo: str) -> Iterator[Database]:
    """A database of a server without the extension, which has it now: positions in partitions."""
    with psycopg.connect(conninfo) as conn:
        drop_views(conn)
        conn.execute("DROP TABLE position CASCADE")
        conn.execute(
            """
            CREATE TABLE position (vehicle_id int NOT NULL, fix_time timestamptz NOT NULL,
                variant smallint NOT NULL DEFAULT 0, lat_e7 int NOT NULL, lon_e7 int NOT NULL, speed_mps real NOT NULL,
                course_deg real NOT NULL, odometer_m bigint NOT NULL, fuel_l real NOT NULL, altitude_m smallint NOT NULL,
                satellites smallint NOT NULL, status int NOT NULL, received_at timestamptz NOT NULL,
                PRIMARY KEY (vehicle_id, fix_time, variant)) PARTITION BY RANGE (fix_time)
            """
        )
        conn.execute("COMMENT ON TABLE position IS 'Where.'")
        conn.execute("CREATE TABLE position_other PARTITION OF position DEFAULT")
        lay_out(conn, "plain", 1)
    with Database.open(conninfo, pool_size=4) as database:
        assert database.layout() == "partitions"
        yield database


def test_partitions_become_chunks_and_nothing_else_changes(plain: Database) -> None:
    days = [some_positions(300, seed=seed, day=DAY + seed) for seed in range(3)]
    merge(plain, *days, positions([0], received_at=START))
    refresh(plain, START + DAY_US)
    assert can_convert(plain)
    told: list[tuple[int, int]] = []
    assert convert(plain, 1, lambda done, total: told.append((done, total))) == 3
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (plain.layout(), can_convert(plain), convert(plain, 1)) == ("chunks", False, 0)
    with plain.connection() as conn:
        assert count(conn, "position") == 901
        assert conn.execute("SELECT obj_description('position'::regclass, 'pg_class')").fetchone() == ("Where.",)
    assert [each.accepted for each in merge(plain, *days, at(0.5))] == [0, 0, 0, 1]
    refresh(plain, START + DAY_US)
    assert_live_equals_recount(plain)


def test_a_conversion_that_was_killed_goes_on_and_takes_what_came_meanwhile(
    plain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [some_positions(300, seed=seed, day=DAY + seed) for seed in range(3)]
    merge(plain, *days)
    copy_day = conversion._copy_day

    def killed(conn: psycopg.Connection[object], day: int) -> None:
        copy_day(conn, day)
        if day == DAY + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_copy_day", killed)
        with pytest.raises(KeyboardInterrupt):
            convert(plain, 1)
    assert plain.layout() == "partitions"
    earlier = replace(days[0], received_at=days[0].received_at - 10)
    merge(plain, at(40_000.5), earlier, some_positions(100, seed=9, day=DAY + 5))
    assert convert(plain, 1) == 4, "the first day again, the second and third, and the new one"
    with plain.connection() as conn:
        assert count(conn, "position") == 1_001
        assert as_set(*read_day(conn, DAY)) == as_set(Positions.concat([earlier, at(40_000.5)]), vehicles(conn))
        assert conn.execute("SELECT to_regclass('position_chunks')").fetchone() == (None,)
