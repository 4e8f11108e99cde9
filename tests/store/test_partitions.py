"""Days are partitions where the server has no TimescaleDB."""

import numpy as np

from geo.localtime import DAY_US
from geo.positions import Positions
from store.database import Database
from store.positions import read_track
from tests.store.rows import DAY, START, at, count, some_positions, vehicles
from tests.store.test_positions import merge


def test_a_local_day_is_a_partition(database: Database) -> None:
    merge(database, at(-1, 0, 86_399, 86_400))
    with database.connection() as conn:
        rows = conn.execute("SELECT tableoid::regclass::text, count(*) FROM position GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [("position_20260301", 1), ("position_20260302", 2), ("position_20260303", 1)]


def test_rows_of_a_clock_that_ran_ahead_move_to_their_day_when_it_comes(database: Database) -> None:
    ahead = at(5, 6, received_at=START - 10 * DAY_US)
    merge(database, ahead)
    with database.connection() as conn:
        assert count(conn, "position_other") == 2
        assert conn.execute("SELECT to_regclass('position_20260302')").fetchone() == (None,)
    merged = merge(database, at(7), ahead)
    assert [each.accepted for each in merged] == [1, 0]
    with database.connection() as conn:
        assert (count(conn, "position_other"), count(conn, "position_20260302")) == (0, 3)
        assert len(read_track(conn, int(vehicles(conn)[0]), START, START + DAY_US)) == 3


def test_known_rows_are_told_from_new_ones_however_many_days_a_batch_spans(database: Database) -> None:
    """Over more than a month nothing is asked day by day."""
    days = 40
    batch = Positions.concat([some_positions(60, seed=day, day=DAY + day) for day in range(days)])
    known = np.arange(len(batch)) % 7 == 0
    first, second = merge(database, batch.take(known), batch)
    assert (first.accepted, second.accepted) == (known.sum(), (~known).sum())
    np.testing.assert_array_equal(second.fresh, ~known)
    with database.connection() as conn:
        assert count(conn, "position") == len(batch)
