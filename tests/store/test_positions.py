"""What is stored depends on the set of reports, never on how often, in what order or in what company they came."""

import threading
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.localtime import DAY_US, SECOND_US, day_date, day_number, to_us
from geo.positions import Positions, Status, canonical
from store.database import Database
from store.positions import Merged, merge_positions, read_day, read_track
from tests.store.rows import (
    DAY,
    GOOD,
    START,
    as_set,
    at,
    batch_of,
    positions,
    reports,
    some_positions,
    stored,
    vehicles,
)

MANY = 6_000  # enough to be copied straight into the table


def merge(database: Database, *batches: Positions) -> list[Merged]:
    """Each batch in a transaction of its own."""
    merged = []
    for batch in batches:
        with database.connection() as conn:
            merged.append(merge_positions(conn, batch, vehicles(conn)))
    return merged


def revisions(database: Database) -> dict[tuple[str, int], int]:
    with database.connection() as conn:
        rows = conn.execute("SELECT day, vehicle_id, revision FROM open_day").fetchall()
    return {(day.isoformat(), vehicle): revision for day, vehicle, revision in rows}


def latest_second(database: Database) -> float | None:
    """Fix time of the vehicle that stands in `latest`, seconds after START."""
    with database.connection() as conn:
        row = conn.execute("SELECT fix_time FROM latest").fetchone()
    return None if row is None else (to_us(row[0]) - START) / SECOND_US


@pytest.mark.parametrize("rows", [200, MANY])
def test_a_batch_that_comes_again_is_counted_and_changes_nothing(database: Database, rows: int) -> None:
    batch = some_positions(rows)
    (first,) = merge(database, batch)
    with database.connection() as conn:
        before = stored(conn)
    opened = revisions(database)
    (again,) = merge(database, batch)
    assert (first.accepted, first.duplicate, int(first.fresh.sum())) == (rows, 0, rows)
    assert (again.accepted, again.duplicate, int(again.fresh.sum())) == (0, rows, 0)
    assert revisions(database) == opened
    with database.connection() as conn:
        assert stored(conn) == before
        assert len(before) == rows


@pytest.mark.parametrize("rows", [200, MANY])
def test_only_the_new_rows_of_a_half_known_batch_are_fresh(database: Database, rows: int) -> None:
    batch = some_positions(rows)
    known = np.arange(rows) % 3 == 0
    _, merged = merge(database, batch.take(known), batch)
    assert (merged.accepted, merged.duplicate) == (rows - known.sum(), known.sum())
    np.testing.assert_array_equal(merged.fresh, ~known)


def test_a_repetition_within_a_batch_is_a_duplicate(database: Database) -> None:
    (merged,) = merge(database, at(0, 10, 0, 10, 10))
    assert (merged.accepted, merged.duplicate) == (2, 3)
    assert merged.fresh.sum() == 2


def test_an_empty_batch_is_nothing(database: Database) -> None:
    (merged,) = merge(database, Positions.empty())
    assert (merged.accepted, merged.duplicate, len(merged.fresh)) == (0, 0, 0)
    assert revisions(database) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"lat_e7": 1},
        {"lon_e7": 1},
        {"speed_mps": 1.0},
        {"course_deg": float("nan")},
        {"odometer_m": 1},
        {"fuel_l": 1.0},
        {"altitude_m": 1},
        {"satellites": 1},
        {"status": 0},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("together", [True, False])
def test_other_content_under_a_known_key_is_kept_beside_it(
    database: Database, change: dict[str, float], together: bool
) -> None:
    batches = [at(0), at(0, **change)]
    merge(database, *([Positions.concat(batches)] if together else batches))
    with database.connection() as conn:
        assert [row[2] for row in stored(conn)] == [0, 1]
    (again,) = merge(database, Positions.concat(batches[::-1]))
    assert (again.accepted, again.duplicate) == (0, 2)


@pytest.mark.parametrize("sent_again", [{"received_at": START + 99 * SECOND_US}, {"status": GOOD | int(Status.LATE)}])
def test_receipt_and_lateness_are_not_what_was_sent(database: Database, sent_again: dict[str, int]) -> None:
    _, again = merge(database, at(0), at(0, **sent_again))
    assert (again.accepted, again.duplicate) == (0, 1)


@pytest.mark.parametrize("order", [1, -1])
def test_the_earliest_receipt_stands_and_late_only_if_always_late(database: Database, order: int) -> None:
    late = at(0, received_at=START + 50 * SECOND_US, status=GOOD | int(Status.LATE))
    soon = at(0, received_at=START + SECOND_US)
    merge(database, *[late, soon][::order])
    with database.connection() as conn:
        track = read_track(conn, int(vehicles(conn)[0]), START, START + DAY_US)
    assert track.received_at.tolist() == [START + SECOND_US]
    assert track.status.tolist() == [GOOD]


def test_an_earlier_receipt_opens_the_day_again(database: Database) -> None:
    """The stored row changes, so the sealed part that holds it is no longer what the database holds."""
    merge(database, at(0, received_at=START + 50 * SECOND_US), at(0, received_at=START + SECOND_US))
    assert list(revisions(database).values()) == [2]


def test_absent_values_and_doubt_marks(database: Database) -> None:
    """NaN equals NaN, minus zero is zero, and marks of doubt, which are derived later, are not stored."""
    absent = {name: float("nan") for name in ("speed_mps", "course_deg", "fuel_l")}
    doubted = at(0, **absent, status=GOOD | int(Status.TELEPORT))
    other_nan = np.array([0xFFC00001], dtype=np.uint32).view(np.float32)
    _, second, third = merge(database, doubted, at(0, **absent), at(0, **{**absent, "speed_mps": other_nan}))
    assert (second.duplicate, third.duplicate) == (1, 1)
    (zeros,) = merge(database, at(5, 5, speed_mps=[0.0, -0.0]))
    assert (zeros.accepted, zeros.duplicate) == (1, 1)
    with database.connection() as conn:
        track = read_track(conn, int(vehicles(conn)[0]), START, START + SECOND_US)
    assert np.isnan(track.speed_mps).all()
    assert track.status.tolist() == [GOOD]


def test_notes_are_kept_under_the_variant_of_their_position_and_another_note_beside_the_first(
    database: Database,
) -> None:
    note = {"alarms": ["超速"], "mileage": 12.5}
    with database.connection() as conn:
        ids = vehicles(conn)
        merge_positions(conn, at(0), ids, notes={0: {"first": 1}})
        merge_positions(conn, at(0, 0, 10, speed_mps=[10.0, 3.0, 10.0]), ids, notes={0: {"again": 1}, 1: note})
        merge_positions(conn, at(0), ids, notes={0: {"first": 1}})
        rows = conn.execute("SELECT fix_time, variant, note FROM position_note ORDER BY variant, note->'first'")
        found = [(to_us(when) - START, variant, said) for when, variant, said in rows.fetchall()]
    assert found == [(0, 0, {"first": 1}), (0, 0, {"again": 1}), (0, 1, note)]


def test_latest_moves_forward_only(database: Database) -> None:
    seen = []
    for batch in (at(50, 60, 40), at(30), at(60, speed_mps=1.0), at(61)):
        merge(database, batch)
        seen.append(latest_second(database))
    assert seen == [60, 60, 60, 61]


@pytest.mark.parametrize(
    "bad",
    [
        at(100, status=int(Status.GPS)),
        at(100, received_at=START - 300 * SECOND_US),
        positions([to_us(datetime(2099, 1, 1, tzinfo=UTC))], received_at=START),
        positions([to_us(datetime(1980, 1, 6, tzinfo=UTC))], received_at=START),
    ],
    ids=["no valid fix", "from the future of its receipt", "2099", "1980"],
)
def test_latest_is_not_moved_by_what_cannot_be_trusted(database: Database, bad: Positions) -> None:
    merge(database, bad)
    assert latest_second(database) is None
    merge(database, at(60), bad, at(61))
    assert latest_second(database) == 61


def test_each_day_and_vehicle_is_opened_by_what_is_new_in_it(database: Database) -> None:
    merge(database, at(-1, 0, vehicle_ix=[0, 1]), at(5, vehicle_ix=0), at(0, 7, vehicle_ix=[1, 1]))
    with database.connection() as conn:
        first, second, _ = vehicles(conn).tolist()
    assert revisions(database) == {("2026-03-01", first): 1, ("2026-03-02", first): 1, ("2026-03-02", second): 2}


@pytest.mark.parametrize(
    "when",
    [datetime(1980, 1, 6), datetime(2099, 12, 31), datetime(1, 1, 3), datetime(9999, 12, 29)],
    ids=["1980", "2099", "1", "9999"],
)
def test_a_wild_clock_costs_neither_the_row_nor_the_batch(database: Database, when: datetime) -> None:
    wild = to_us(when.replace(tzinfo=UTC))
    batch = positions([wild, START], received_at=START)
    merged = merge(database, batch, batch)
    assert [(each.accepted, each.duplicate) for each in merged] == [(2, 0), (0, 2)]
    with database.connection() as conn:
        ids = vehicles(conn)
        assert as_set(read_track(conn, int(ids[0]), wild, wild + 1), ids) == as_set(batch.take(slice(0, 1)), ids)
        day = day_number(day_date((wild + 8 * 3_600 * SECOND_US) // DAY_US))
        found, found_ids = read_day(conn, day)
        assert as_set(found, found_ids) == as_set(batch.take(slice(0, 1)), ids)


@pytest.mark.parametrize("column", ["fix_time", "received_at"])
@pytest.mark.parametrize("value", [np.iinfo(np.int64).min, np.iinfo(np.int64).max, -(2**62)])
def test_a_time_no_calendar_holds_is_refused_by_name(database: Database, column: str, value: int) -> None:
    times = {"fix_time": START, "received_at": START, column: value}
    batch = positions([times["fix_time"]], received_at=times["received_at"])
    with pytest.raises(ValueError, match=f"{column}: expected a time in the years 1 to 9999, got {value}"):
        merge(database, batch)
    with database.connection() as conn:
        assert stored(conn) == []


@pytest.mark.parametrize("rows", [3_000, MANY])
def test_writers_that_race_store_each_row_once(database: Database, rows: int) -> None:
    """Each writer sends all rows in another order and other groups, and a second content for some of the keys."""
    batch = some_positions(rows)
    other = batch.take(slice(0, 300))
    everything = Positions.concat([batch, positions(other.fix_time, vehicle_ix=other.vehicle_ix, speed_mps=99.0)])
    with database.connection() as conn:
        ids = vehicles(conn)
    counts: list[tuple[int, int]] = []
    failures: list[BaseException] = []
    ready = threading.Barrier(3)

    def write(seed: int) -> None:
        try:
            order = np.random.default_rng(seed).permutation(len(everything))
            ready.wait()
            for piece in np.array_split(order, 1 + seed * 2):
                with database.connection() as conn:
                    merged = merge_positions(conn, everything.take(piece), ids)
                counts.append((merged.accepted, merged.duplicate))
        except BaseException as error:
            failures.append(error)
            raise

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert sum(accepted for accepted, _ in counts) == len(everything)
    assert sum(duplicate for _, duplicate in counts) == 2 * len(everything)
    with database.connection() as conn:
        found, found_ids = read_day(conn, DAY)
        assert as_set(found, found_ids) == as_set(everything, ids)
        assert [row for row in stored(conn) if row[2] > 1] == []


def test_read_track_gives_back_what_went_in(database: Database) -> None:
    batch = some_positions(500)
    merge(database, batch)
    with database.connection() as conn:
        ids = vehicles(conn)
        track = read_track(conn, int(ids[1]), START + 3_600 * SECOND_US, START + 7_200 * SECOND_US)
        nothing = read_track(conn, int(ids[1]), START - DAY_US, START)
    hour = (batch.fix_time >= START + 3_600 * SECOND_US) & (batch.fix_time < START + 7_200 * SECOND_US)
    expected = batch.take(hour & (batch.vehicle_ix == 1))
    assert len(expected) > 0
    assert as_set(track, ids[1:]) == as_set(expected, ids)
    assert all(earlier < later for earlier, later in pairwise(track.fix_time.tolist()))
    assert len(nothing) == 0


def test_read_day_gives_back_its_day_and_the_vehicles_asked_for(database: Database) -> None:
    days = [some_positions(300, seed=seed, day=DAY + seed) for seed in range(3)]
    merge(database, Positions.concat(days))
    with database.connection() as conn:
        ids = vehicles(conn)
        found, found_ids = read_day(conn, DAY + 1)
        two, two_ids = read_day(conn, DAY + 1, int(ids[1]), int(ids[2]))
    assert as_set(found, found_ids) == as_set(days[1], ids)
    assert found_ids.tolist() == sorted(ids.tolist())
    assert as_set(two, two_ids) == as_set(days[1].take(days[1].vehicle_ix > 0), ids)
    np.testing.assert_array_equal(canonical(found).fix_time, found.fix_time)


@given(rows=reports, data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_repetition_and_grouping_do_not_matter(
    database: Database, rows: list[dict[str, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows), max_size=6))))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(shuffled) - 1)), max_size=3)))
    pieces = [shuffled[start:end] for start, end in pairwise([0, *cuts, len(shuffled)]) if start < end]
    found = []
    with database.connection() as conn:
        ids = vehicles(conn)
    for groups in ([rows], pieces):
        with database.connection() as conn:
            merged = [merge_positions(conn, batch_of(group), ids) for group in groups]
            assert [each.accepted + each.duplicate for each in merged] == [len(group) for group in groups]
            columns = "vehicle_id, fix_time, lat_e7, speed_mps::text, odometer_m, status, received_at"
            content = conn.execute(f"SELECT {columns} FROM position ORDER BY 1, 2, 3, 4, 5, 6, 7").fetchall()
            assert len(content) == sum(each.accepted for each in merged)
            latest = conn.execute("SELECT vehicle_id, fix_time FROM latest ORDER BY 1").fetchall()
            days = conn.execute("SELECT day, vehicle_id FROM open_day ORDER BY 1, 2").fetchall()
            found.append((content, latest, days))
            conn.rollback()
    assert found[0] == found[1]
