"""An archive that was sealed under schema version 1: read, verified and gone on from as it is."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.manifest import is_manifest, read_manifest, sha256
from store.positions import merge_positions
from tests.store.rows import DAY, as_set, at, some_positions, vehicles

SEALED = Path(__file__).parent / "sealed_v1"
IDS = np.array([1, 2, 3], dtype=np.int32)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    shutil.copytree(SEALED / "positions", tmp_path / "positions")
    return Archive(Folder(tmp_path))


def known_to(database: Database, archive: Archive) -> None:
    """The database as it was after that sealing."""
    with database.connection() as conn:
        vehicles(conn)
        for day in (0, 1):
            merge_positions(conn, some_positions(20, seed=day, day=DAY + day), IDS)
        conn.execute("DELETE FROM open_day")
        for path in filter(is_manifest, archive.files.paths("positions")):
            data = archive.files.get(path)
            manifest = read_manifest(data)
            (part,) = manifest.parts
            conn.execute(
                "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, %s, %s, %s, %s)",
                (manifest.day, part.bucket, part.version, manifest.sequence, part.rows, part.path),
            )
            conn.execute(
                "INSERT INTO archive_head (sequence, sha256) VALUES (%s, %s) "
                "ON CONFLICT (only_one) DO UPDATE SET sequence = excluded.sequence, sha256 = excluded.sha256",
                (manifest.sequence, sha256(data)),
            )


def test_it_is_whole_by_itself_and_says_its_schema(archive: Archive) -> None:
    found = [archive.files.get(path) for path in archive.files.paths("positions") if is_manifest(path)]
    assert len(found) == 2
    assert {json.loads(data)["schema_version"] for data in found} == {1}
    assert {part.kind for data in found for part in read_manifest(data).parts} == {"positions"}
    assert archive.verify(None) == []


def test_it_is_read_and_the_next_sealing_goes_on_from_it(database: Database, archive: Archive) -> None:
    known_to(database, archive)
    days = [some_positions(20, seed=day, day=DAY + day) for day in (0, 1)]
    with database.connection() as conn:
        assert archive.verify(conn) == []
        for day, expected in enumerate(days):
            found, ids = archive.read(conn, DAY + day, DAY + day, 0)
            assert as_set(found, ids) == as_set(expected, IDS)
        merge_positions(conn, at(0.5), IDS, notes={0: {"a": 1}})
    assert archive.seal(database, DAY + 5).rows == 21
    with database.connection() as conn:
        assert archive.verify(conn) == []
        found, ids = archive.read(conn, DAY, DAY + 1, 0)
        assert len(found) == 41


def test_an_altered_part_of_it_is_named(archive: Archive) -> None:
    (first, _) = [path for path in archive.files.paths("positions") if path.endswith(".parquet")]
    data = archive.files.get(first)
    archive.files.put(first, data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    assert archive.verify(None)[0].startswith(first)


def test_a_manifest_of_a_newer_release_is_told_from_none(archive: Archive) -> None:
    (_, last) = filter(is_manifest, archive.files.paths("positions"))
    fields = {**json.loads(archive.files.get(last)), "schema_version": 3}
    with pytest.raises(ValueError, match="schema version 3; this release reads up to 2"):
        read_manifest(json.dumps(fields).encode())
    unknown = {**fields, "schema_version": 2, "parts": [{**fields["parts"][0], "kind": "other"}]}
    with pytest.raises(ValueError, match="unknown kind"):
        read_manifest(json.dumps(unknown).encode())
