"""Notes are sealed with the positions they belong to, those that come later too, and none is lost."""

import shutil
from pathlib import Path

import numpy as np
import psycopg
import pytest

from geo.localtime import DAY_US, SECOND_US, day_date
from geo.positions import Positions
from store.archive import VEHICLES_PER_BUCKET, Archive, Sealed
from store.database import MIGRATIONS, Database, migrate
from store.depot import Folder
from store.notes import Note
from store.partitions import time_text
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres
from tests.store.rows import DAY, START, at, count, vehicles


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(Folder(tmp_path / "archive"))


def add(database: Database, batch: Positions, *notes: dict[str, object]) -> None:
    """Merge positions of vehicle 1, each with its note."""
    with database.connection() as conn:
        vehicles(conn)
        merge_positions(conn, batch, np.array([1, 2, 3], dtype=np.int32), notes=dict(enumerate(notes)))


def sealed(archive: Archive, database: Database, vehicle: int = 1) -> list[Note]:
    with database.connection() as conn:
        assert archive.verify(conn) == []
        return archive.notes(conn, vehicle, START, START + DAY_US)


def test_notes_are_sealed_with_their_positions(database: Database, archive: Archive) -> None:
    add(database, at(1, 2, 86_400), {"alarms": ["急"]}, {"a": 1}, {"b": 2})
    assert archive.seal(database, DAY + 1) == Sealed(1, 1, 2, notes=2)
    assert sealed(archive, database) == [
        Note(1, START + SECOND_US, 0, '{"alarms": ["急"]}'),
        Note(1, START + 2 * SECOND_US, 0, '{"a": 1}'),
    ]
    assert sealed(archive, database, vehicle=2) == []
    folder = f"positions/day={day_date(DAY)}"
    assert f"{folder}/notes-00000-v1.parquet" in archive.files.paths(folder)


def test_a_bucket_without_notes_has_no_part_of_them(database: Database, archive: Archive) -> None:
    add(database, at(1))
    assert archive.seal(database, DAY + 1) == Sealed(1, 1, 1)
    assert sealed(archive, database) == []
    with database.connection() as conn:
        assert conn.execute("SELECT version, rows, path FROM sealed_notes").fetchall() == [(1, 0, "")]
    add(database, at(1), {"a": 1})
    assert archive.seal(database, DAY + 1) == Sealed(1, 1, 1, notes=1)
    assert [note.note for note in sealed(archive, database)] == ['{"a": 1}']


def test_another_note_of_a_sealed_position_opens_its_day_and_is_sealed_beside_the_first(
    database: Database, archive: Archive
) -> None:
    add(database, at(1), {"a": 1})
    archive.seal(database, DAY + 1)
    add(database, at(1), {"a": 1})
    with database.connection() as conn:
        assert count(conn, "open_day") == 0, "a note that is known opens nothing"
    add(database, at(1), {"a": 2})
    assert archive.seal(database, DAY + 1) == Sealed(1, 1, 1, notes=2)
    assert [note.note for note in sealed(archive, database)] == ['{"a": 1}', '{"a": 2}']


def test_notes_that_the_database_holds_no_longer_stay_in_the_newest_version(
    database: Database, archive: Archive
) -> None:
    add(database, at(1, 2), {"a": 1}, {"a": 2})
    archive.seal(database, DAY + 1)
    with database.connection() as conn:
        conn.execute("DELETE FROM position_note")
    add(database, at(3), {"a": 3})
    assert archive.seal(database, DAY + 1).notes == 3
    assert [note.note for note in sealed(archive, database)] == ['{"a": 1}', '{"a": 2}', '{"a": 3}']


def test_a_missing_or_altered_part_of_notes_is_named(database: Database, archive: Archive) -> None:
    add(database, at(1), {"a": 1})
    archive.seal(database, DAY + 1)
    path = f"positions/day={day_date(DAY)}/notes-00000-v1.parquet"
    whole = archive.files.get(path)
    archive.files.put(path, whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with database.connection() as conn:
        (fault,) = archive.verify(conn)
    assert fault.startswith(f"{path}: expected sha256")
    with database.connection() as conn:
        conn.execute("DELETE FROM sealed_notes")
        faults = archive.verify(conn)
    assert faults[0].startswith(f"{path}: the database knows (sealing, rows, path) as None")


def test_vehicles_of_other_buckets_have_notes_of_their_own(database: Database, archive: Archive) -> None:
    add(database, at(1), {"a": 1})
    other = VEHICLES_PER_BUCKET + 1
    with database.connection() as conn:
        conn.execute(
            "INSERT INTO vehicle (vehicle_id, code, plate, unit_id) OVERRIDING SYSTEM VALUE "
            "SELECT %s, 'x', 'x', min(unit_id) FROM unit",
            (other,),
        )
        merge_positions(conn, at(1), np.array([other], dtype=np.int32), notes={0: {"b": 1}})
    assert archive.seal(database, DAY + 1).parts == 2
    assert [note.note for note in sealed(archive, database, other)] == ['{"b": 1}']
    assert [note.note for note in sealed(archive, database)] == ['{"a": 1}']


def test_notes_of_days_that_an_older_release_sealed_are_sealed_with_the_next_sealing(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Those of sealed days alone: the others are open anyway, and a sealed day without notes stays closed."""
    for path in MIGRATIONS.glob("000[1-8]_*.sql"):
        shutil.copy(path, tmp_path)
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE before_notes")
    try:
        with psycopg.connect(postgres.conninfo, dbname="before_notes") as conn:
            migrate(conn, tmp_path)
            for day, second, vehicle in (
                (0, 0, 1),
                (0, 86_399.5, 2),
                (1, 0, 1),
                (2, 5, 1),
                (0, 1, 1 + VEHICLES_PER_BUCKET),
            ):
                when = START + day * DAY_US + round(second * SECOND_US)
                conn.execute(
                    "INSERT INTO position_note (vehicle_id, fix_time, note) VALUES (%s, %s, '{}')",
                    (vehicle, time_text(when)),
                )
            for day in (0, 2, 3):
                conn.execute("INSERT INTO sealed_part VALUES (%s, 0, 1, %s, 9, 'part')", (day_date(DAY + day), day + 1))
            conn.execute("INSERT INTO open_day VALUES (1, %s, 7)", (day_date(DAY + 2),))
            conn.commit()
            assert "0014_archive" in migrate(conn)
            assert conn.execute("SELECT day, vehicle_id, revision FROM open_day ORDER BY 1, 2").fetchall() == [
                (day_date(DAY), 1, 1),
                (day_date(DAY), 2, 1),
                (day_date(DAY + 2), 1, 8),
            ]
    finally:
        with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
            conn.execute("DROP DATABASE before_notes WITH (FORCE)")
