"""What happens to a sealing: a full disk, a kill, another sealer, a clock that goes back. Nothing half-sealed is ever read."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from geo.localtime import DAY_US, SECOND_US, day_date
from geo.positions import Positions
from store.archive import Archive
from store.database import Database
from store.depot import PARTIAL, Folder, make_folder
from store.errors import ArchiveError
from store.manifest import read_manifest
from store.partitions import time_text
from store.positions import merge_positions, read_day
from tests.store.rows import DAY, START, as_set, at, count, some_positions, vehicles

ALL = DAY + 10
IDS = np.array([1, 2, 3], dtype=np.int32)


def fill(database: Database, days: int = 2) -> None:
    """Positions, notes and raw frames of some days."""
    with database.connection() as conn:
        vehicles(conn)
        for day in range(DAY, DAY + days):
            notes = {row: {"row": row} for row in range(5)}
            merge_positions(conn, some_positions(300, seed=day, day=day), IDS, notes=notes)
            conn.execute(
                "INSERT INTO raw_frame (received_at, source, terminal_key, frames) VALUES (%s, 'jt808', 't', %s)",
                (time_text(START + (day - DAY) * DAY_US), os.urandom(2_000)),
            )


def assert_nothing_is_half_sealed(database: Database, archive: Archive) -> int:
    """The archive is whole, and each day either wholly in it or still to be sealed; how many days are sealed."""
    sealed = 0
    with database.connection() as conn:
        assert archive.verify(conn) == []
        for day in (DAY, DAY + 1):
            found, ids = archive.read(conn, day, day, 0)
            row = conn.execute("SELECT count(*) FROM open_day WHERE day = %s", (day_date(day),)).fetchone()
            assert row in {(0,), (3,)}
            if row == (0,):
                expected, expected_ids = read_day(conn, day)
                assert as_set(found, ids) == as_set(expected, expected_ids)
                sealed += 1
            else:
                assert len(found) == 0
        frames = archive.frames(conn, "t", START, START + 2 * DAY_US)
        assert len(frames) == 2, "each frame once, in the table or in a part"
    return sealed


class SmallDisk(Folder):
    """A folder on a disk with so many bytes left: what does not fit is written as far as it goes, as a disk does."""

    def __init__(self, root: Path, room: int) -> None:
        super().__init__(root)
        self.room = room

    def put(self, path: str, data: bytes) -> None:
        if len(data) > self.room:
            make_folder((self.root / path).parent)
            (self.root / (path + PARTIAL)).write_bytes(data[: self.room])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        self.room -= len(data)
        super().put(path, data)


@pytest.mark.parametrize("room", [0, 100, 9_000, 12_000, 21_000, 24_000, 25_000, 27_500])
def test_a_disk_that_is_full_stops_the_sealing_and_with_room_it_goes_on(
    database: Database, tmp_path: Path, room: int
) -> None:
    """Wherever it happens: in a part of positions, of notes, of frames, in a manifest, on the first day or the second."""
    fill(database)
    archive = Archive(SmallDisk(tmp_path, room))
    with pytest.raises(ArchiveError, match=r"cannot write .*day=2026-03-0.*: No space left on device") as refusal:
        archive.seal(database, ALL)
    assert str(tmp_path) in str(refusal.value)
    before = assert_nothing_is_half_sealed(database, archive)
    archive = Archive(Folder(tmp_path))
    done = archive.seal(database, ALL)
    assert (done.days, done.notes, done.frames > 0) == (2 - before, 5 * (2 - before), True)
    assert assert_nothing_is_half_sealed(database, archive) == 2


@pytest.fixture
def small_mount(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if mount is None or unmount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a filesystem may not be mounted here")
    yield folder
    subprocess.run([unmount, str(folder)], check=True)


def test_a_real_disk_that_is_full_is_named_and_with_room_it_goes_on(database: Database, small_mount: Path) -> None:
    """As the test before, by the kernel's own refusal; that one runs everywhere."""
    fill(database)
    ballast = small_mount / "ballast"
    ballast.write_bytes(bytes(52_000))
    archive = Archive(Folder(small_mount))
    with pytest.raises(ArchiveError, match=r"cannot write .*: No space left on device"):
        archive.seal(database, ALL)
    assert not list(small_mount.rglob(f"*{PARTIAL}"))
    assert_nothing_is_half_sealed(database, archive)
    ballast.unlink()
    archive.seal(database, ALL)
    assert assert_nothing_is_half_sealed(database, archive) == 2


_KILLED = """
import os, signal, sys
from pathlib import Path
from store.archive import Archive
from store.database import Database
from store.depot import PARTIAL, Folder, make_folder

class Killed(Folder):
    left = int(sys.argv[3])

    def put(self, path, data):
        if self.left == 0:
            make_folder((self.root / path).parent)
            (self.root / (path + PARTIAL)).write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        type(self).left -= 1
        super().put(path, data)

with Database.open(sys.argv[1], pool_size=2) as database:
    Archive(Killed(Path(sys.argv[2]))).seal(database, int(sys.argv[4]))
"""


@pytest.mark.parametrize("files", [0, 1, 2, 4, 7])
def test_a_sealer_that_is_killed_leaves_nothing_half_sealed(
    database: Database, conninfo: str, tmp_path: Path, files: int
) -> None:
    """After so many files, in the middle of the next."""
    fill(database)
    command = [sys.executable, "-c", _KILLED, conninfo, str(tmp_path), str(files), str(ALL)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    archive = Archive(Folder(tmp_path))
    before = assert_nothing_is_half_sealed(database, archive)
    assert before == min(files // 3, 2)
    assert archive.seal(database, ALL).days == 2 - before
    assert assert_nothing_is_half_sealed(database, archive) == 2


def test_two_sealers_seal_each_position_note_and_frame_once(database: Database, tmp_path: Path) -> None:
    fill(database)
    ready, done = threading.Barrier(2), []

    def run() -> None:
        ready.wait()
        done.append(Archive(Folder(tmp_path)).seal(database, ALL))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.rows for each in done) == 600
    assert sum(each.notes for each in done) == 10
    assert sum(each.frames for each in done) == 2
    assert assert_nothing_is_half_sealed(database, Archive(Folder(tmp_path))) == 2


def test_a_clock_that_goes_back_between_sealings_changes_no_day_and_no_version(
    database: Database, tmp_path: Path
) -> None:
    """The second sealing believes it is a day earlier, and what it seals says it was received before the first."""
    archive = Archive(Folder(tmp_path))
    fill(database)
    archive.seal(database, DAY + 2)
    late = at(0.5, received_at=START - 10 * DAY_US)
    with database.connection() as conn:
        merge_positions(conn, late, IDS)
        conn.execute(
            "INSERT INTO raw_frame (received_at, source, terminal_key, frames) VALUES (%s, 'jt808', 't', '')",
            (time_text(START - SECOND_US),),
        )
    done = archive.seal(database, DAY + 1)
    assert (done.days, done.rows, done.frames) == (1, 301, 1)
    manifests = [
        read_manifest(archive.files.get(path))
        for tree in ("positions", "raw")
        for path in archive.files.paths(tree)
        if path.endswith(".json")
    ]
    assert sorted((each.sequence, each.tree, each.day, each.version) for each in manifests) == [
        (1, "positions", "2026-03-02", 1),
        (2, "positions", "2026-03-03", 1),
        (3, "raw", "2026-03-02", 1),
        (4, "raw", "2026-03-03", 1),
        (5, "positions", "2026-03-02", 2),
        (6, "raw", "2026-03-01", 1),
    ]
    with database.connection() as conn:
        assert archive.verify(conn) == []
        found, ids = archive.read(conn, DAY, DAY, 0)
        assert as_set(found, ids) == as_set(Positions.concat([some_positions(300, seed=DAY, day=DAY), late]), IDS)
        assert count(conn, "open_day") == 0
