"""Old positions go when the archive holds them, are read from there, and come back when a late one is sealed with them."""

import os
from pathlib import Path

import pytest

from geo.localtime import DAY_US, SECOND_US, day_date, day_number, day_start_us
from geo.positions import Positions
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.dropped import dropped_days
from store.positions import merge_positions
from store.retention import Dropped, drop_flags, drop_positions, months_before
from store.rollups import refresh
from store.rule_versions import RuleText, remember_rules
from store.tracks import read_whole_track
from store.upkeep import compress
from tests.store.rows import DAY, START, as_set, at, count, some_positions, vehicles

DAYS = [some_positions(400, seed=seed, day=DAY + seed) for seed in range(4)]
NOW = START + 9 * DAY_US


def merge(database: Database, *batches: Positions) -> None:
    for batch in batches:
        with database.connection() as conn:
            merge_positions(conn, batch, vehicles(conn))


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    """Four days, sealed, summed and compressed where that can be."""
    merge(database, *DAYS)
    archive = Archive(Folder(tmp_path))
    archive.seal(database, DAY + 9)
    refresh(database, NOW)
    compress(database, DAY + 60, 7)
    return archive


def track(database: Database, archive: Archive) -> set[tuple[object, ...]]:
    with database.connection() as conn:
        ids = vehicles(conn)
        return as_set(read_whole_track(conn, archive, int(ids[1]), START, START + 9 * DAY_US), ids[1:])


def of_vehicle(database: Database, *batches: Positions) -> set[tuple[object, ...]]:
    batch = Positions.concat(batches)
    with database.connection() as conn:
        return as_set(batch.take(batch.vehicle_ix == 1), vehicles(conn))


def days_dropped(database: Database) -> list[int]:
    with database.connection() as conn:
        return [day - DAY for day in dropped_days(conn, DAY - 9, DAY + 9)]


def hours(database: Database) -> list[tuple[int]]:
    with database.connection() as conn:
        found = conn.execute("SELECT sum(positions)::int FROM live_vehicle_hour").fetchall()
        assert conn.execute("SELECT sum(positions)::int FROM live_vehicle_day").fetchall() == found
    return found


def test_dropped_days_are_told_counted_and_read_from_the_archive(database: Database, archive: Archive) -> None:
    dropped = drop_positions(database, archive, DAY + 3)
    assert (dropped.days, dropped.positions, dropped.kept) == (3, 1_200, [])
    assert days_dropped(database) == [0, 1, 2]
    with database.connection() as conn:
        rows = conn.execute("SELECT kind, day, rows FROM retention_log ORDER BY day").fetchall()
        assert rows == [("positions", day_date(DAY + n), 400) for n in range(3)]
        assert count(conn, "position") < 4 * 400
    assert track(database, archive) == of_vehicle(database, *DAYS)
    assert hours(database) == [(1_600,)]
    assert drop_positions(database, archive, DAY + 3) == Dropped()


def test_a_day_that_is_not_sealed_in_full_stays_and_is_told(database: Database, archive: Archive) -> None:
    merge(database, at(50_000.5))
    refresh(database, NOW)
    dropped = drop_positions(database, archive, DAY + 2)
    assert f"{day_date(DAY)}: not sealed" in dropped.kept
    assert 0 not in days_dropped(database)
    assert track(database, archive) == of_vehicle(database, *DAYS)


def test_a_day_whose_part_cannot_be_read_stays(database: Database, archive: Archive, tmp_path: Path) -> None:
    for part in tmp_path.glob(f"positions/day={day_date(DAY)}/*.parquet"):
        os.truncate(part, 100)
    dropped = drop_positions(database, archive, DAY + 2)
    assert any(line.startswith(f"{day_date(DAY)}: archive: ") for line in dropped.kept)
    assert 0 not in days_dropped(database)


def test_a_day_of_which_the_archive_holds_less_stays(database: Database, archive: Archive) -> None:
    merge(database, at(50_000.5))
    with database.connection() as conn:
        conn.execute("DELETE FROM open_day")
    refresh(database, NOW)
    kept = drop_positions(database, archive, DAY + 2).kept
    assert f"{day_date(DAY)}: the archive holds 400 of its positions, the database 401" in kept


def test_a_late_position_brings_its_day_back_to_be_sealed_with_it(database: Database, archive: Archive) -> None:
    drop_positions(database, archive, DAY + 3)
    late, known = at(50_000.5, vehicle_ix=1), DAYS[1].take(slice(0, 2))
    merge(database, late, known)
    refresh(database, NOW)
    assert track(database, archive) == of_vehicle(database, *DAYS, late)
    assert hours(database) == [(1_600,)], "an hour of which the database holds a part is not summed from that part"
    archive.seal(database, DAY + 9)
    assert days_dropped(database) == [2]
    refresh(database, NOW)
    assert hours(database) == [(1_601,)]
    with database.connection() as conn:
        sealed, ids = archive.read(conn, DAY, DAY + 1, 0)
        assert as_set(sealed, ids) == as_set(Positions.concat([*DAYS[:2], late]), vehicles(conn))
        assert count(conn, "open_day") == 0
    again = drop_positions(database, archive, DAY + 3)
    assert (again.days, again.positions, again.kept) == (2, 801, [])
    assert track(database, archive) == of_vehicle(database, *DAYS, late)
    assert archive.verify() == []


def test_notes_stay_until_the_archive_has_them(database: Database, archive: Archive) -> None:
    first = DAYS[0].take(slice(0, 1))
    with database.connection() as conn:
        ids = vehicles(conn)
        merge_positions(conn, first, ids, notes={0: {"alarms": ["sos"]}})
    assert f"{day_date(DAY)}: not sealed" in drop_positions(database, archive, DAY + 3).kept
    with database.connection() as conn:
        assert count(conn, "position_note") == 1
    archive.seal(database, DAY + 9)
    dropped = drop_positions(database, archive, DAY + 3)
    assert (dropped.kept, dropped.notes) == ([], 1)
    with database.connection() as conn:
        assert count(conn, "position_note") == 0
        when = int(first.fix_time[0])
        assert [note.note for note in archive.notes(conn, int(ids[first.vehicle_ix[0]]), when, when + 1)] == [
            '{"alarms": ["sos"]}'
        ]


def test_flags_of_no_case_go_after_their_time(database: Database) -> None:
    with database.connection() as conn:
        vehicle = int(vehicles(conn)[0])
        remember_rules(conn, [RuleText("r", 1, "")])
        for number, day in enumerate((DAY, DAY + 1)):
            conn.execute(
                "INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,"
                " end_time, points, reason_zh, reason_en, numbers)"
                " VALUES (%s, 'r', 1, 'red', 'trip', 't', 't', %s, %s, now(), now(), 1, '', '', '[]')",
                (str(number), vehicle, day_date(day)),
            )
        assert drop_flags(conn, DAY + 1) == 1
        assert conn.execute("SELECT flag_id FROM flag").fetchall() == [("1",)]
        assert conn.execute("SELECT kind, rows FROM retention_log").fetchall() == [("flags", 1)]


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [("2026-11-27", 12, "2025-11-27"), ("2026-08-31", 6, "2026-02-28"), ("2026-12-31", 12, "2025-12-31"),
     ("2026-01-15", 1, "2025-12-15"), ("2024-02-29", 36, "2021-02-28")],
)  # fmt: skip
def test_months_are_those_of_the_calendar(day: str, months: int, before: str) -> None:
    number = day_number(day_date(0).fromisoformat(day))
    assert day_date(months_before(number, months)).isoformat() == before


def test_a_day_dropped_is_a_whole_local_day(database: Database, archive: Archive) -> None:
    drop_positions(database, archive, DAY + 2)
    edge = day_start_us(DAY + 2)
    with database.connection() as conn:
        ids = vehicles(conn)
        rest = read_whole_track(conn, archive, int(ids[1]), edge - 3_600 * SECOND_US, edge + 3_600 * SECOND_US)
    batch = Positions.concat(DAYS)
    near = (batch.vehicle_ix == 1) & (abs(batch.fix_time - edge) < 3_600 * SECOND_US)
    assert len(rest) == near.sum()
