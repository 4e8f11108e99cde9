"""The sealed archive: it holds what the database held, forgets nothing that came late, and tells when it was touched."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest

import store.archive
from geo.localtime import DAY_US, day_date
from geo.positions import DTYPES, Positions, canonical
from store.archive import VEHICLES_PER_BUCKET, Archive, Sealed
from store.database import Database
from store.depot import Folder
from store.errors import ArchiveError
from store.manifest import read_manifest, sha256
from store.parts import ROWS_PER_GROUP
from store.positions import merge_positions, read_day, read_track
from tests.store.rows import DAY, as_set, at, count, positions, some_positions, vehicles

ALL = DAY + 10  # seal all that is before it


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(Folder(tmp_path / "archive"))


def add(database: Database, batch: Positions, first: int = 0) -> None:
    """Merge a batch whose vehicle 0 has the id first + 1."""
    ids = np.arange(1 + first, 1 + first + 3, dtype=np.int32)
    with database.connection() as conn:
        vehicles(conn)
        for vehicle in ids.tolist():
            conn.execute(
                "INSERT INTO vehicle (vehicle_id, code, plate, unit_id) OVERRIDING SYSTEM VALUE "
                "SELECT %(id)s, %(id)s::text, %(id)s::text, min(unit_id) FROM unit ON CONFLICT DO NOTHING",
                {"id": vehicle},
            )
        merge_positions(conn, batch, ids)


def root(archive: Archive) -> Path:
    assert isinstance(archive.files, Folder)
    return archive.files.root


def manifests(archive: Archive) -> list[Path]:
    """Manifests in the order of sealing."""
    found = root(archive).glob("positions/day=*/manifest-v*.json")
    return sorted(found, key=lambda path: read_manifest(path.read_bytes()).sequence)


def verify(archive: Archive, database: Database) -> list[str]:
    with database.connection() as conn:
        return archive.verify(conn)


def name(archive: Archive, path: Path) -> str:
    return path.relative_to(root(archive)).as_posix()


def test_what_is_sealed_is_what_the_database_holds(database: Database, archive: Archive) -> None:
    days = [some_positions(400, seed=seed, day=DAY + seed) for seed in range(3)]
    add(database, Positions.concat(days))
    assert archive.seal(database, DAY + 2) == Sealed(days=2, parts=2, rows=800)
    with database.connection() as conn:
        for day in (DAY, DAY + 1):
            found, ids = archive.read(conn, day, day, 0)
            expected, expected_ids = read_day(conn, day)
            assert as_set(found, ids) == as_set(expected, expected_ids)
            assert len(found) == 400
        both, ids = archive.read(conn, DAY - 5, DAY + 5, 0)
        assert as_set(both, ids) == as_set(Positions.concat(days[:2]), ids)
        for column in ("vehicle_ix", "fix_time"):
            np.testing.assert_array_equal(getattr(canonical(both), column), getattr(both, column))
        assert archive.buckets(conn, DAY, DAY + 5) == [0]
        assert conn.execute("SELECT DISTINCT day FROM open_day").fetchall() == [(day_date(DAY + 2),)]
        assert conn.execute("SELECT day, count(*) FROM stale_day GROUP BY 1 ORDER BY 1").fetchall() == [
            (day_date(DAY), 3),
            (day_date(DAY + 1), 3),
        ]
    assert verify(archive, database) == []
    assert archive.seal(database, DAY + 2) == Sealed(0, 0, 0)


def test_nothing_sealed_reads_as_nothing_and_is_whole(database: Database, archive: Archive) -> None:
    with database.connection() as conn:
        found, ids = archive.read(conn, DAY, DAY, 0)
        assert (len(found), len(ids), archive.buckets(conn, DAY, DAY)) == (0, 0, [])
    assert verify(archive, database) == []


def test_order_of_arrival_and_repetition_leave_the_same_rows(
    database: Database, archive: Archive, tmp_path: Path
) -> None:
    """The second time the same rows come in two halves, backwards and twice."""
    batch = some_positions(500)
    batch = Positions.concat([batch, positions(batch.fix_time[:50], vehicle_ix=batch.vehicle_ix[:50], speed_mps=1.5)])
    hashes = []
    for archive_of, groups in (
        (archive, [batch]),
        (
            Archive(Folder(tmp_path / "other")),
            [batch.take(slice(None, 200, -1)), batch, batch.take(slice(200, None, -1))],
        ),
    ):
        for group in groups:
            add(database, group)
        archive_of.seal(database, ALL)
        (manifest,) = manifests(archive_of)
        hashes.append([part.columns_sha256 for part in read_manifest(manifest.read_bytes()).parts])
        with database.connection() as conn:
            conn.execute("TRUNCATE position, open_day, sealed_part, sealed_notes, archive_head, stale_day")
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 1


def test_a_late_row_costs_one_bucket_and_leaves_the_version_before(database: Database, archive: Archive) -> None:
    first, second = some_positions(100), some_positions(100, seed=2)
    add(database, first)
    add(database, second, first=VEHICLES_PER_BUCKET)
    assert archive.seal(database, ALL).parts == 2
    folder = root(archive) / "positions" / f"day={day_date(DAY)}"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    late = at(86_399.5, vehicle_ix=1)
    add(database, late)
    assert archive.seal(database, ALL) == Sealed(days=1, parts=1, rows=101)
    assert {path.name for path in folder.iterdir()} - set(before) == {"part-00000-v2.parquet", "manifest-v2.json"}
    assert {path: data for path, data in before.items() if (folder / path).read_bytes() != data} == {}
    assert pq.read_metadata(folder / "part-00000-v1.parquet").num_rows == 100
    with database.connection() as conn:
        ids = np.array([1, 2, 3], dtype=np.int32)
        found, found_ids = archive.read(conn, DAY, DAY, 0)
        assert as_set(found, found_ids) == as_set(Positions.concat([first, late]), ids)
        found, found_ids = archive.read(conn, DAY, DAY, 1)
        assert as_set(found, found_ids) == as_set(second, ids + VEHICLES_PER_BUCKET)
    assert verify(archive, database) == []


def test_files_of_a_sealing_that_was_cut_off_are_not_read(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, some_positions(100))

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "_record", cut_off)
        with pytest.raises(KeyboardInterrupt):
            archive.seal(database, ALL)
    assert len(list(root(archive).rglob("*.parquet"))) == 1, "the crash must come after the file"
    with database.connection() as conn:
        assert len(archive.read(conn, DAY, DAY, 0)[0]) == 0
        assert count(conn, "open_day") == 3
    assert verify(archive, database) == []
    add(database, at(0.5))
    assert archive.seal(database, ALL).rows == 101
    assert len(list(root(archive).rglob("*.parquet"))) == 1
    assert verify(archive, database) == []


def flip(path: Path, at_byte: int = -500) -> None:
    data = bytearray(path.read_bytes())
    data[at_byte] ^= 1
    path.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}, sort_keys=True, indent=1) + "\n")


def part_of(manifest: Path) -> Path:
    return next(manifest.parent.glob("*.parquet"))


@pytest.mark.parametrize(
    ("touch", "named"),
    [
        (lambda manifest: flip(part_of(manifest)), part_of),
        (lambda manifest: part_of(manifest).unlink(), part_of),
        (lambda manifest: part_of(manifest).write_bytes(b""), part_of),
        (lambda manifest: edit(manifest, code_version="9.9"), lambda manifest: manifest),
        (lambda manifest: edit(manifest, previous_sha256="1" * 64), lambda manifest: manifest),
        (lambda manifest: edit(manifest, parts=[]), lambda manifest: manifest),
        (lambda manifest: manifest.write_text("{"), lambda manifest: manifest),
        (Path.unlink, lambda manifest: manifest),
    ],
    ids=["byte", "no part", "empty part", "edited", "relinked", "without parts", "no manifest any more", "removed"],
)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_was_touched_is_named_and_first(
    database: Database, archive: Archive, touch: Callable[[Path], None], named: Callable[[Path], Path], which: int
) -> None:
    for day in range(3):
        add(database, some_positions(100, seed=day, day=DAY + day))
    archive.seal(database, ALL)
    assert verify(archive, database) == []
    manifest = manifests(archive)[which]
    path = name(archive, named(manifest))
    touch(manifest)
    faults = verify(archive, database)
    assert faults
    assert path in faults[0]
    elsewhere = [
        fault for fault in faults if manifest.parent.name not in fault and fault.split(":")[0].endswith("parquet")
    ]
    assert elsewhere == [], "parts of other days are as they were"


def test_two_faults_come_in_the_order_of_sealing(database: Database, archive: Archive) -> None:
    for day in range(3):
        add(database, some_positions(100, seed=day, day=DAY + day))
    archive.seal(database, ALL)
    first, _, third = manifests(archive)
    flip(part_of(third))
    flip(part_of(first))
    faults = verify(archive, database)
    assert [fault.split(":")[0] for fault in faults] == [name(archive, part_of(each)) for each in (first, third)]


def test_a_chain_whose_end_was_cut_off_is_noticed(database: Database, archive: Archive) -> None:
    """Without its last sealing, files and all, the rest of the chain holds; only the database knows of more."""
    for day in range(2):
        add(database, some_positions(100, seed=day, day=DAY + day))
    archive.seal(database, ALL)
    last = manifests(archive)[-1]
    part_of(last).unlink()
    last.unlink()
    assert archive.verify(None) == []
    assert name(archive, last) in verify(archive, database)[0]


def test_a_forged_day_with_its_hashes_made_right_is_noticed(database: Database, archive: Archive) -> None:
    """Whoever changes rows can make part and manifest agree; the link from the next sealing cannot be made right."""
    for day in range(2):
        add(database, some_positions(100, seed=day, day=DAY + day))
    archive.seal(database, ALL)
    first = manifests(archive)[0]
    part, other = part_of(first), part_of(manifests(archive)[1])
    part.write_bytes(other.read_bytes())
    (entry,) = json.loads(first.read_text())["parts"]
    (theirs,) = json.loads(manifests(archive)[1].read_text())["parts"]
    hashes = {key: theirs[key] for key in ("file_sha256", "columns_sha256")}
    edit(first, parts=[{**entry, **hashes}])
    assert name(archive, first) in verify(archive, database)[0]


def test_a_part_that_cannot_be_read_is_named(database: Database, archive: Archive) -> None:
    add(database, some_positions(100))
    archive.seal(database, ALL)
    part = part_of(manifests(archive)[0])
    part.write_bytes(part.read_bytes()[:100])
    with database.connection() as conn, pytest.raises(ArchiveError, match=part.name) as refusal:
        archive.read(conn, DAY, DAY, 0)
    assert "\n" not in str(refusal.value)


def test_two_that_seal_at_once_seal_each_day_once(database: Database, archive: Archive) -> None:
    for day in range(4):
        add(database, some_positions(50, seed=day, day=DAY + day))
    sealed: list[Sealed] = []
    ready = threading.Barrier(2)

    def run() -> None:
        ready.wait()
        sealed.append(archive.seal(database, ALL))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.days for each in sealed) == 4
    assert sum(each.rows for each in sealed) == 200
    assert len(list(root(archive).rglob("*.parquet"))) == 4
    assert verify(archive, database) == []


@pytest.mark.parametrize("when", ["before its rows are read", "after its rows were read"])
def test_a_position_that_arrives_while_its_day_is_sealed_is_not_lost(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    batch, late = some_positions(100), at(0.5, 0.6, vehicle_ix=[0, 1])
    add(database, batch)

    def arriving(conn: psycopg.Connection, *span: int) -> tuple[Positions, np.ndarray]:
        if when.startswith("before"):
            add(database, late)
            return read_day(conn, *span)
        found = read_day(conn, *span)
        add(database, late)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store.archive, "read_day", arriving)
        assert archive.seal(database, ALL).days == 1
    with database.connection() as conn:
        assert conn.execute("SELECT vehicle_id FROM open_day ORDER BY 1").fetchall() == [(1,), (2,)]
    assert archive.seal(database, ALL).rows == 102
    with database.connection() as conn:
        found, ids = archive.read(conn, DAY, DAY, 0)
        assert as_set(found, ids) == as_set(Positions.concat([batch, late]), np.array([1, 2, 3], dtype=np.int32))
        assert count(conn, "open_day") == 0
    assert verify(archive, database) == []


def test_row_groups_end_where_a_vehicle_ends(database: Database, archive: Archive) -> None:
    rows = 2 * ROWS_PER_GROUP + 3_000
    step = DAY_US // (rows // 3)
    when = (np.arange(rows) // 3) * step + at(0).fix_time[0]
    add(database, positions(when[when < at(0).fix_time[0] + DAY_US], vehicle_ix=(np.arange(rows) % 3)[: len(when)]))
    archive.seal(database, ALL)
    file = pq.ParquetFile(part_of(manifests(archive)[0]))
    groups = [set(file.read_row_group(n, ["vehicle_id"]).column(0).to_pylist()) for n in range(file.num_row_groups)]
    assert len(groups) > 1
    assert sorted(vehicle for group in groups for vehicle in group) == [1, 2, 3]


def test_parts_and_manifests_are_for_their_owner_alone(database: Database, archive: Archive) -> None:
    add(database, some_positions(10))
    archive.seal(database, ALL)
    assert {path.stat().st_mode & 0o077 for path in root(archive).rglob("*")} == {0}


def test_each_manifest_names_the_one_before_and_the_database_the_last(database: Database, archive: Archive) -> None:
    for day in range(3):
        add(database, some_positions(20, seed=day, day=DAY + day))
    archive.seal(database, ALL)
    digests = [sha256(path.read_bytes()) for path in manifests(archive)]
    links = [read_manifest(path.read_bytes()).previous_sha256 for path in manifests(archive)]
    assert links == ["0" * 64, *digests[:-1]]
    with database.connection() as conn:
        assert conn.execute("SELECT sequence, sha256 FROM archive_head").fetchall() == [(3, digests[-1])]


def test_one_vehicles_track_is_what_the_database_gives(database: Database, archive: Archive) -> None:
    """Over days of several versions and of row groups that hold others; from and to in the middle of days."""
    days = [some_positions(2 * ROWS_PER_GROUP if day == 0 else 300, seed=day, day=DAY + day) for day in range(3)]
    for day in days:
        add(database, day)
    archive.seal(database, DAY + 2)
    add(database, at(0.5, 0.5, vehicle_ix=1, speed_mps=[1.0, 2.0]))
    archive.seal(database, DAY + 3)
    middle = int(days[0].fix_time[7])
    with database.connection() as conn:
        for vehicle in (1, 2, 3, 4):
            for span in ((middle, middle + DAY_US), (middle - 5 * DAY_US, middle + 5 * DAY_US), (middle, middle)):
                found, expected = archive.track(conn, vehicle, *span), read_track(conn, vehicle, *span)
                for column in DTYPES:
                    np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))
        assert len(archive.track(conn, 2, middle - DAY_US, middle + 5 * DAY_US)) > 20_000


def test_of_a_track_only_the_row_groups_of_the_vehicle_are_read(
    database: Database, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, some_positions(2 * ROWS_PER_GROUP))
    archive.seal(database, ALL)
    read: list[list[int]] = []

    before = pq.ParquetFile.read_row_groups

    def watched(file: Any, groups: list[int], *args: object, **kwargs: object) -> object:
        read.append(groups)
        return before(file, groups, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watched)
    with database.connection() as conn:
        assert len(archive.track(conn, 3, 0, at(0).fix_time[0] + DAY_US)) > 20_000
        assert archive.track(conn, 9, 0, at(0).fix_time[0] + DAY_US).fix_time.tolist() == []
    assert pq.read_metadata(part_of(manifests(archive)[0])).num_row_groups > 1
    assert [len(groups) for groups in read] == [1]
