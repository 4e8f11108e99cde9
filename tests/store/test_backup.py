"""A backup and its restore: everything is back, from any kind onto any other; nothing is half done."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from geo.localtime import DAY_US, day_start_us
from store.archive import Archive
from store.backup import BackedUp, back_up
from store.backup_content import NAME, UNFINISHED, Content
from store.backup_lock import no_backup_reads
from store.catalogue import foreign_keys, sequences, tables, triggers
from store.database import Database, migrate, schema_number
from store.depot import Folder
from store.errors import BackupError, StoreError
from store.files import HashedFolder
from store.fleet import Terminal, Unit, Vehicle, upsert_terminals, upsert_units, upsert_vehicles
from store.intake import Refused, add_quarantine, count_intake
from store.media import Media, add_media
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres
from store.restore import restore
from store.terminal_events import Event, add_events
from tests.store.rows import DAY, START, some_positions, vehicles

_numbers = count(1)
RELEASE = "0.0.0-test"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    root = tmp_path / "archive"
    root.mkdir()
    return Archive(Folder(root))


def root_of(archive: Archive) -> Path:
    assert isinstance(archive.files, Folder)
    return archive.files.root


@pytest.fixture
def city(database: Database, archive: Archive) -> Database:
    """A little of everything: rows in order and out of it, quoted texts, bytes, a closed and an open day."""
    with database.connection() as conn:
        fill(conn)
    archive.seal(database, DAY + 1)
    log = root_of(archive) / "log"
    log.mkdir()
    (log / "head.json").write_text('{"head": 1}\n')
    return database


def fill(conn: Connection[Any]) -> None:
    # Parents after their children in no order: a table that refers to itself.
    upsert_units(conn, [Unit("A", "市局\t\\N \"'\n一"), Unit("B", "二", parent="A"), Unit("C", "三", parent="B")])
    conn.execute("UPDATE unit SET parent_id = (SELECT unit_id FROM unit WHERE code = 'C') WHERE code = 'A'")
    upsert_vehicles(conn, [Vehicle("V1", "粤A1", "C")])
    upsert_terminals(conn, [Terminal("013900000001", "V1", "jt808")])
    ids = vehicles(conn)
    for day, seed in ((DAY, 1), (DAY + 1, 2)):
        merge_positions(conn, some_positions(500, seed=seed, day=day), ids, notes={3: {"alarm": "侧翻\\"}})
    # Clocks that cannot be right stay in the default partition.
    merge_positions(conn, some_positions(3, seed=3, day=0), ids)
    count_intake(conn, "jt808", 1003, 1003, 0, 0, START)
    add_quarantine(conn, [Refused(START, "jt808", "192.0.2.1:1", "a\tb\\", bytes(range(256)), "")])
    add_events(conn, [Event("013900000001", START, "online", "jt808", "192.0.2.1:1", {})], 1)
    conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('li', 'inspector', 'x')")


def rows_of(conn: Connection[Any]) -> dict[str, tuple[int, str]]:
    """Count and content hash of every table."""
    found = {}
    conn.execute("SET extra_float_digits = 1")
    conn.execute("SET TIME ZONE 'UTC'")
    for table in tables(conn):
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        query = sql.SQL("SELECT r::text FROM (SELECT {} FROM {}) AS r").format(columns, sql.Identifier(table.name))
        lines = sorted(line for (line,) in conn.execute(query).fetchall())
        found[table.name] = (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest())
    conn.rollback()
    return found


def rows_at(conninfo: str) -> dict[str, tuple[int, str]]:
    with psycopg.connect(conninfo) as conn:
        return rows_of(conn)


def made(city: Database, archive: Archive, folder: Path, **more: Any) -> BackedUp:
    return back_up(city, folder, release=RELEASE, archive=archive.files, **more)


def nothing_in(conninfo: str) -> bool:
    with psycopg.connect(conninfo) as conn:
        states = {table.name for table in tables(conn) if table.is_state}
        return all(rows == 0 for name, (rows, _) in rows_of(conn).items() if name not in states)


# ---------------------------------------------------------------- there and back


def test_every_table_comes_back_as_it_was(
    city: Database, conninfo: str, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    before = rows_at(conninfo)
    assert before["position"][0] == 1003
    done = made(city, archive, tmp_path / "backup")
    restored = restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    assert rows_at(empty_conninfo) == before
    assert (done.content.rows, restored.skipped) == (sum(rows for rows, _ in before.values()), ())
    assert done.sha256 == hashlib.sha256((tmp_path / "backup" / NAME).read_bytes()).hexdigest()
    with Database.open(empty_conninfo) as opened, opened.connection() as conn:
        assert Archive(Folder(tmp_path / "new")).verify(conn) == []
    assert (tmp_path / "new" / "log" / "head.json").read_text() == '{"head": 1}\n'


def test_the_restored_database_is_made_as_the_first(
    city: Database, conninfo: str, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    """Triggers fire, foreign keys hold, days have their partitions, numbers go on after the last one given out."""
    made(city, archive, tmp_path / "backup")
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    with psycopg.connect(conninfo) as old, psycopg.connect(empty_conninfo) as new:
        assert (triggers(new), foreign_keys(new)) == (triggers(old), foreign_keys(old))
        assert triggers(new)
        partitions = (
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' ORDER BY 1"
        )
        assert new.execute(partitions).fetchall() == old.execute(partitions).fetchall()
        for name in sequences(old):
            state = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name))
            assert new.execute(state).fetchone() == old.execute(state).fetchone(), name
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            new.execute("DELETE FROM terminal_event")
        new.rollback()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            new.execute("UPDATE unit SET parent_id = 999 WHERE code = 'A'")
        new.rollback()
    with Database.open(empty_conninfo) as opened, opened.connection() as conn:
        add_quarantine(conn, [Refused(START, "jt808", "", "later", b"", "")])
        numbers = conn.execute("SELECT quarantine_id FROM quarantine ORDER BY 1").fetchall()
        assert numbers == [(1,), (2,)]
        ids = vehicles(conn)
        assert merge_positions(conn, some_positions(500, seed=1), ids).accepted == 0


def test_a_backup_of_an_older_schema_becomes_the_newest(
    postgres: EmbeddedPostgres, empty_conninfo: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE older")
    older = psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="older")
    try:
        with psycopg.connect(older) as conn:
            migrate(conn, upto=3)
            conn.execute("INSERT INTO unit (code, name_zh) VALUES ('A', '一')")
            conn.execute("INSERT INTO vehicle (code, plate, unit_id) VALUES ('V', '粤A', 1)")
            conn.execute(
                "INSERT INTO terminal (terminal_no, vehicle_id, protocol, datum) VALUES ('7', 1, 'nmea', 'wgs84')"
            )
            conn.commit()
        written = made_of_old(older, tmp_path / "backup")
        assert written.schema == 3
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
        with psycopg.connect(empty_conninfo) as conn, psycopg.connect(older) as old:
            migrate(old)
            assert schema_number(conn) == schema_number(old) > 3
            assert rows_of(conn) == rows_of(old)
            # 0007 takes the default of a column back: it ran over the restored rows.
            assert conn.execute("SELECT datum, terminal_key FROM terminal").fetchone() == (None, "7")
    finally:
        with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
            conn.execute("DROP DATABASE older WITH (FORCE)")


def made_of_old(conninfo: str, folder: Path) -> Content:
    """A backup as an older release wrote it: the database is not migrated first."""

    class Older:
        level = "plain"

        def connection(self) -> Any:
            return psycopg.connect(conninfo)

    older: Any = Older()
    # terminal_media came later: there are no media in schema 0003.
    return back_up(older, folder, release=RELEASE, archive=Folder(folder.parent / "none")).content


def test_the_archive_may_be_left_out_and_is_named(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    content = made(city, archive, tmp_path / "backup", with_archive=False).content
    assert content.below("archive/") == []
    sealed = [path for path in archive.files.paths() if path.startswith("positions/")]
    assert len(sealed) > 2
    assert dict(content.named) == {path: HashedFolder(root_of(archive)).measure(path).sha256 for path in sealed}
    restore(empty_conninfo, tmp_path / "backup", archive=archive.files)
    with psycopg.connect(empty_conninfo) as conn:
        assert archive.verify(conn) == []


def test_media_come_back_and_a_lost_one_is_named(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    films = tmp_path / "media"
    (films / "2026").mkdir(parents=True)
    (films / "2026" / "a.jpg").write_bytes(b"picture")
    (films / "nobody.jpg").write_bytes(b"named by no row")
    digest = hashlib.sha256(b"picture").hexdigest()
    with city.connection() as conn:
        add_media(
            conn,
            [
                Media("1", START, 1, {}, "2026/a.jpg", 7, digest),
                Media("1", START, 2, {}, "2026/lost.jpg", 7, digest),
                Media("1", START, 3, {}, "", 7, digest),
            ],
        )
    content = made(city, archive, tmp_path / "backup", media=Folder(films)).content
    assert content.media_missing == ("2026/lost.jpg",)
    with pytest.raises(BackupError, match="holds 1 media files: expected media_dir set"):
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"), media=Folder(tmp_path / "films"))
    assert Folder(tmp_path / "films").paths() == ["2026/a.jpg"]
    (films / "2026" / "a.jpg").write_bytes(b"another")
    with pytest.raises(BackupError, match=r"media/2026/a\.jpg: expected sha256"):
        made(city, archive, tmp_path / "second", media=Folder(films))


def test_files_of_cases_come_back_and_a_lost_one_is_named(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    kept = tmp_path / "case-files"
    (kept / "1").mkdir(parents=True)
    (kept / "1" / "a").write_bytes(b"proof")
    with city.connection() as conn:
        conn.execute("INSERT INTO case_file (vehicle_id) SELECT vehicle_id FROM vehicle")
        conn.execute(
            """
            INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path)
            SELECT case_id, kind, 'a.txt', 'text/plain', 5, %s, path
            FROM case_file, (VALUES ('attachment', '1/a'), ('attachment', '1/lost'), ('bundle', '1/b')) x (kind, path)
            """,
            (hashlib.sha256(b"proof").hexdigest(),),
        )
    content = made(city, archive, tmp_path / "backup", case_files=Folder(kept)).content
    assert content.media_missing == ("case-files/1/lost",)
    with pytest.raises(BackupError, match="holds 1 files of cases: expected case_files_dir set"):
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"), case_files=Folder(tmp_path / "back"))
    assert Folder(tmp_path / "back").paths() == ["1/a"]
    assert Folder(tmp_path / "back").get("1/a") == b"proof"


# ---------------------------------------------------------------- what is not whole is found


def test_one_changed_byte_in_any_file_is_named_and_nothing_is_restored(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    made(city, archive, folder)
    names = Folder(folder).paths()
    assert {NAME, "tables/unit.text.zst"} < set(names)
    for name in names:
        whole = (folder / name).read_bytes()
        at = len(whole) // 2
        (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BackupError, match=name.replace(".", r"\.")):
            restore(empty_conninfo, folder, archive=Folder(tmp_path / "new"))
        (folder / name).write_bytes(whole)
    (folder / "tables/unit.text.zst").unlink()
    with pytest.raises(BackupError, match=r"tables/unit\.text\.zst: missing; nothing was restored"):
        restore(empty_conninfo, folder, archive=Folder(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    with psycopg.connect(empty_conninfo) as conn:
        assert tables(conn) == []


def test_a_broken_archive_is_not_backed_up_as_if_it_were_whole(
    city: Database, archive: Archive, tmp_path: Path
) -> None:
    for suffix in ("*.parquet", "manifest-*.json"):
        path = next(root_of(archive).rglob(suffix))
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(BackupError, match=path.name):
            made(city, archive, tmp_path / "backup")
        assert not (tmp_path / "backup" / NAME).exists()
        path.unlink()
        with pytest.raises(BackupError, match=f"{path.name}: missing|manifest [12]: missing"):
            made(city, archive, tmp_path / "backup")
        path.write_bytes(whole)
    assert made(city, archive, tmp_path / "backup").content.archive == "copied"


def test_a_folder_that_is_taken_is_refused(city: Database, archive: Archive, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter.txt").write_text("mine")
    with pytest.raises(BackupError, match=r"expected an empty folder, got letter\.txt"):
        made(city, archive, taken)
    assert [path.name for path in taken.iterdir()] == ["letter.txt"]
    made(city, archive, tmp_path / "backup")
    whole = (tmp_path / "backup" / NAME).read_bytes()
    with pytest.raises(BackupError, match="got a backup"):
        made(city, archive, tmp_path / "backup")
    assert (tmp_path / "backup" / NAME).read_bytes() == whole


def test_a_database_that_holds_anything_is_refused(
    city: Database, conninfo: str, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    made(city, archive, tmp_path / "backup")
    before = rows_at(conninfo)
    with pytest.raises(BackupError, match="expected an empty database, got rows in"):
        restore(conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    assert rows_at(conninfo) == before
    with psycopg.connect(empty_conninfo) as conn:
        migrate(conn)  # as opening it does
        conn.execute(
            "INSERT INTO archive_head (sequence, sha256) VALUES (0, 'a state as a migration may put it there')"
        )
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    assert rows_at(empty_conninfo) == before


def test_a_backup_of_a_newer_release_is_refused(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    with city.connection() as conn:
        conn.execute("INSERT INTO schema_migration (number, name, sha256) VALUES (9999, '9999_future', 'x')")
    made(city, archive, tmp_path / "backup")
    with pytest.raises(BackupError, match=r"schema 9999_future of release 0\.0\.0-test, this release knows"):
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))


def test_another_file_where_the_archive_belongs_is_not_written_over(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    made(city, archive, tmp_path / "backup")
    new = tmp_path / "new"
    (new / "log").mkdir(parents=True)
    (new / "log" / "head.json").write_text("another")
    with pytest.raises(BackupError, match=r"log/head\.json: another file"):
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(new))
    (new / "log" / "head.json").rename(new / "mine")
    with pytest.raises(BackupError, match="expected an empty folder for archive, got mine"):
        restore(empty_conninfo, tmp_path / "backup", archive=Folder(new))
    assert (new / "mine").read_text() == "another"


# ---------------------------------------------------------------- cut off in the middle


def killed(*arguments: object) -> None:
    """Run a backup or a restore in a process that kills itself once so many files are done."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.backup_process", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_backup_that_was_killed_is_none_and_may_be_begun_again(
    city: Database, conninfo: str, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    killed("backup", conninfo, folder, root_of(archive), 20)
    left = Folder(folder).paths()
    assert len(left) > 5
    assert NAME not in left
    with pytest.raises(BackupError, match="an unfinished backup"):
        restore(empty_conninfo, folder, archive=Folder(tmp_path / "new"))
    (folder / "tables" / "of_a_table_that_is_gone.text.zst").write_bytes(b"left over")
    (folder / "tables" / "unit.text.zst.partial").write_bytes(b"half")
    content = made(city, archive, folder).content
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == sorted([NAME, *(file.path for file in content.files)])


def test_a_restore_that_was_killed_leaves_an_empty_database_and_may_be_begun_again(
    city: Database, conninfo: str, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    content = made(city, archive, tmp_path / "backup").content
    files = len(content.files)  # each is told twice, checked and restored
    for after in (files + 2, 2 * files - 1):
        killed("restore", empty_conninfo, tmp_path / "backup", tmp_path / "new", after)
        assert nothing_in(empty_conninfo)
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    assert rows_at(empty_conninfo) == rows_at(conninfo)
    assert Folder(tmp_path / "new").paths() == archive.files.paths()


def test_a_full_disk_is_named_and_leaves_no_backup(
    city: Database, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    fsync, left = os.fsync, iter([True] * 12)

    def full(handle: int) -> None:
        if next(left, False):
            fsync(handle)
        else:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackupError, match=rf"{folder}.*: No space left on device; .+ is an unfinished backup"):
        made(city, archive, folder)
    monkeypatch.undo()
    assert not (folder / NAME).exists()
    assert (folder / UNFINISHED).exists()
    made(city, archive, folder)


# ---------------------------------------------------------------- beside a running service


def test_rows_that_come_meanwhile_are_in_it_whole_or_not_at_all(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        for seed in count(100):
            with city.connection() as conn:
                batch = some_positions(50, seed=seed, day=DAY + 2 + seed % 3)
                merged = merge_positions(conn, batch, vehicles(conn))
                count_intake(conn, "nmea", 50, merged.accepted, merged.duplicate, 0, START)
            written += 1
            if stop.is_set():
                return

    def wait_for_more(_done: int, _total: int) -> None:
        seen, limit = written, 100
        while written == seen and limit:
            threading.Event().wait(0.02)
            limit -= 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made(city, archive, tmp_path / "backup", progress=wait_for_more)
    finally:
        stop.set()
        writer.join()
    assert written > 5
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    with psycopg.connect(empty_conninfo) as conn:
        counted = conn.execute("SELECT sum(accepted) FROM intake_count").fetchone()
        assert counted == conn.execute("SELECT count(*) FROM position").fetchone()


def test_a_day_that_gets_its_partition_meanwhile_loses_no_row(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    """Its early rows lay in the default partition when the backup began, and move."""
    with city.connection() as conn:
        ids = vehicles(conn)
        early = some_positions(20, seed=9, day=DAY + 9)
        early = replace(early, received_at=early.fix_time - 5 * DAY_US)
        merge_positions(conn, early, ids)
        assert conn.execute("SELECT count(*) FROM position_other").fetchone() == (23,)

    def move(done: int, _total: int) -> None:
        if done == 3:
            with city.connection() as conn:
                merge_positions(conn, some_positions(7, seed=10, day=DAY + 9), vehicles(conn))
                assert conn.execute("SELECT count(*) FROM position_other").fetchone() == (3,)

    made(city, archive, tmp_path / "backup", progress=move)
    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"))
    with psycopg.connect(empty_conninfo) as conn:
        assert conn.execute("SELECT count(*) FROM position").fetchone() == (1023,)


def test_a_table_that_is_rewritten_meanwhile_costs_the_backup(
    city: Database, conninfo: str, archive: Archive, tmp_path: Path
) -> None:
    def truncate(done: int, _total: int) -> None:
        if done == 1:
            with psycopg.connect(conninfo) as conn:
                conn.execute("TRUNCATE web_session")

    with pytest.raises(BackupError, match="web_session was rewritten or dropped while it was copied"):
        made(city, archive, tmp_path / "backup", progress=truncate)
    assert not (tmp_path / "backup" / NAME).exists()


def test_who_would_rewrite_tables_sees_that_a_backup_reads(
    city: Database, conninfo: str, archive: Archive, tmp_path: Path
) -> None:
    seen = []

    def look(_done: int, _total: int) -> None:
        with psycopg.connect(conninfo) as conn:
            seen.append(no_backup_reads(conn))

    made(city, archive, tmp_path / "backup", progress=look)
    assert set(seen) == {False}
    with psycopg.connect(conninfo) as conn:
        assert no_backup_reads(conn)


def test_nobody_opens_a_database_that_is_being_restored(
    city: Database, archive: Archive, empty_conninfo: str, tmp_path: Path
) -> None:
    made(city, archive, tmp_path / "backup")
    seen = []

    def look(done: int, total: int) -> None:
        if done != total - 1:
            return
        impatient = psycopg.conninfo.make_conninfo(empty_conninfo, options="-c lock_timeout=50")
        with pytest.raises(StoreError, match="lock timeout"):
            Database.open(impatient)
        seen.append(True)

    restore(empty_conninfo, tmp_path / "backup", archive=Folder(tmp_path / "new"), progress=look)
    assert seen


# ---------------------------------------------------------------- the other kind


def hypertable(conn: Connection[Any]) -> None:
    """Make `position` a hypertable of days, compressible, with what else it has."""
    conn.execute("CREATE TABLE position_new (LIKE position INCLUDING ALL)")
    conn.execute("DROP TABLE position")
    conn.execute("ALTER TABLE position_new RENAME TO position")
    conn.execute("SELECT create_hypertable('position', by_range('fix_time', INTERVAL '1 day'))")
    conn.execute("ALTER TABLE position SET (timescaledb.compress, timescaledb.compress_segmentby = 'vehicle_id')")
    conn.commit()


@pytest.fixture
def timescale_conninfo() -> Iterator[str]:
    """A fresh database with TimescaleDB on the server of GONGCHE_TEST_TIMESCALE_URL."""
    url = os.environ.get("GONGCHE_TEST_TIMESCALE_URL")
    if not url:
        pytest.skip("GONGCHE_TEST_TIMESCALE_URL is not set")
    name = f"backup_test_{os.getpid()}_{next(_numbers)}"
    server = psycopg.conninfo.make_conninfo(url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    target = psycopg.conninfo.make_conninfo(url, dbname=name)
    with psycopg.connect(target, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    yield target
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.timescale
def test_from_the_embedded_database_onto_timescale_and_back(
    city: Database, conninfo: str, archive: Archive, timescale_conninfo: str, empty_conninfo: str, tmp_path: Path
) -> None:
    before = rows_at(conninfo)
    made(city, archive, tmp_path / "backup")
    there = tmp_path / "there"
    restore(timescale_conninfo, tmp_path / "backup", archive=Folder(there), arrange=hypertable)
    assert rows_at(timescale_conninfo) == before
    with psycopg.connect(timescale_conninfo, autocommit=True) as conn:
        chunks = conn.execute("SELECT count(*) FROM timescaledb_information.chunks").fetchone()
        assert chunks is not None
        assert chunks[0] >= 3
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('position') c")
    with Database.open(timescale_conninfo) as opened:
        assert opened.level == "timescale"
        content = made(opened, Archive(Folder(there)), tmp_path / "second").content
    assert content.level == "timescale"
    positions = [file for file in content.files if file.table == "position"]
    assert sum(file.rows for file in positions) == 1003
    assert {file.from_us for file in positions} >= {day_start_us(DAY), day_start_us(DAY + 1)}
    restore(empty_conninfo, tmp_path / "second", archive=Folder(tmp_path / "back"))
    assert rows_at(empty_conninfo) == before
    assert Folder(tmp_path / "back").paths() == archive.files.paths()
    with psycopg.connect(empty_conninfo) as conn:
        assert conn.execute("SELECT count(*) FROM position_other").fetchone() == (3,)
        assert Archive(Folder(tmp_path / "back")).verify(conn) == []


@pytest.mark.timescale
def test_a_chunk_that_is_compressed_meanwhile_costs_the_backup(
    city: Database, archive: Archive, timescale_conninfo: str, tmp_path: Path
) -> None:
    made(city, archive, tmp_path / "backup")
    there = tmp_path / "there"
    restore(timescale_conninfo, tmp_path / "backup", archive=Folder(there), arrange=hypertable)

    def compress(done: int, _total: int) -> None:
        if done == 1:
            with psycopg.connect(timescale_conninfo, autocommit=True) as conn:
                conn.execute("SELECT compress_chunk(c) FROM show_chunks('position') c")

    with (
        Database.open(timescale_conninfo) as opened,
        pytest.raises(BackupError, match="_chunk was rewritten or dropped"),
    ):
        made(opened, Archive(Folder(there)), tmp_path / "second", progress=compress)
