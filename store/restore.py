"""A backup put back: into a database that holds nothing, of whichever kind, in one transaction.

Every file is checked against its hash before anything is touched. The schema is made as the backup has it, its rows are
loaded, then the schema is brought up to this release. Rows come last: a restore that was cut off leaves files of the
archive, which the next one takes as they are, and an empty database.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import Connection, sql

from geo.localtime import DAY_US, to_us
from store.backup import CODEC, COPY_SETTINGS, Progress
from store.backup_content import ARCHIVE, CASE_FILES, MEDIA, TABLES, Content, File, Table, read_content
from store.backup_lock import MIGRATION_LOCK
from store.catalogue import (
    POSITION,
    ForeignKey,
    Trigger,
    foreign_keys,
    is_partitioned,
    tables,
    triggers,
    views,
)
from store.database import MIGRATIONS, MIN_SERVER, migrate, schema_number
from store.depot import Depot
from store.errors import BackupError
from store.files import BLOCK_BYTES, HashedFolder
from store.manifest import sha256
from store.partitions import ensure_partitions
from store.rollups import forget_sums

_ENABLE = {"O": "ENABLE TRIGGER", "A": "ENABLE ALWAYS TRIGGER", "R": "ENABLE REPLICA TRIGGER"}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back; `skipped`: tables that this database makes by itself, as views over others."""

    content: Content
    skipped: tuple[str, ...]


def restore(
    conninfo: str,
    folder: Path,
    *,
    archive: Depot,
    media: Depot | None = None,
    case_files: Depot | None = None,
    arrange: Callable[[Connection[Any]], object] | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Put a backup back into an empty database, and its files into empty folders.

    Nobody else opens the database meanwhile: the lock of the migrations is held to the end.

    Parameters
    ----------
    archive, media, case_files : where the files go; what lies there already must be what the backup has.
    arrange : lays out the tables for the server before rows are loaded, where the backup has the schema of this release;
        that of an older one is laid out by who opens the database, as any other that was upgraded.
    progress : told the files that are done, and all; each is done twice, when it was checked and when it was put back.

    Raises
    ------
    BackupError   The backup is not whole or not what was written, is newer than this release, or the database or a
                  folder holds something already. The database holds nothing of it then.
    """
    source = HashedFolder(folder)
    content = read_content(source)
    _refuse_newer(content)
    done = _Count(progress or (lambda _done, _total: None), 2 * len(content.files))
    _check(source, content, done)
    try:
        with psycopg.connect(conninfo) as conn:
            _prepare(conn, source, content, archive, {MEDIA: media, CASE_FILES: case_files}, arrange, done)
        # Anew: a connection that was there before an extension may not know it.
        with psycopg.connect(conninfo) as conn:
            return _put_back(conn, source, content, done)
    except OSError as error:
        raise BackupError(
            f"{error.filename or folder}: {error.strerror or error}; nothing is in the database"
        ) from error


def _prepare(
    conn: Connection[Any],
    source: HashedFolder,
    content: Content,
    archive: Depot,
    beside: Mapping[str, Depot | None],
    arrange: Callable[[Connection[Any]], object] | None,
    done: "_Count",
) -> None:
    """The files at their places, and the empty tables of the backup's schema."""
    if conn.info.server_version < MIN_SERVER:
        raise BackupError(f"expected PostgreSQL 15 or newer, got {conn.info.server_version // 10_000}")
    _hold(conn, content)
    _put_files(source, content.below(ARCHIVE), ARCHIVE, archive, done)
    for name, depot in beside.items():
        files = content.below(name)
        if files and depot is None:
            what, setting = ("media files", "media_dir") if name == MEDIA else ("files of cases", "case_files_dir")
            raise BackupError(f"the backup holds {len(files)} {what}: expected {setting} set, got none")
        if files and depot is not None:
            _put_files(source, files, name, depot, done)
    migrate(conn, upto=content.schema)
    if arrange is not None and content.schema == _newest():
        arrange(conn)


def _put_back(conn: Connection[Any], source: HashedFolder, content: Content, done: "_Count") -> Restored:
    """The rows, and the schema of this release."""
    _hold(conn, content)
    with conn.transaction():
        skipped = _load(conn, source, content, done)
    conn.commit()
    migrate(conn)
    with conn.transaction():
        forget_sums(conn)
    conn.autocommit = True
    conn.execute("ANALYZE")
    return Restored(content, tuple(skipped))


def _hold(conn: Connection[Any], content: Content) -> None:
    """Keep others from opening the database while this connection lasts; it must be one to put the backup into."""
    conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
    conn.commit()
    _refuse_other_schema(conn, content)
    _refuse_rows(conn)
    conn.commit()


# ---------------------------------------------------------------- what is refused


def _refuse_newer(content: Content) -> None:
    """BackupError unless the backup's schema can be made by the migrations of this release."""
    files = {path.stem: path for path in MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql")}
    for name, digest in content.migrations.items():
        if name not in files:
            raise BackupError(
                f"the backup has schema {name} of release {content.release}, this release knows {_newest():04}:"
                " use the newer release"
            )
        if sha256(files[name].read_bytes()) != digest:
            raise BackupError(f"the backup was made with another migration {name} than that of this release")


def _newest() -> int:
    return max(int(path.name[:4]) for path in MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def _check(source: HashedFolder, content: Content, done: "_Count") -> None:
    """BackupError names the first file that is missing or altered, and how many more."""
    faults = []
    for file in content.files:
        try:
            found = source.measure(file.path)
        except FileNotFoundError:
            faults.append(f"{file.path}: missing")
        except OSError as error:
            faults.append(f"{file.path}: {error.strerror}")
        else:
            if found.sha256 != file.sha256:
                faults.append(f"{file.path}: expected sha256 {file.sha256}, got {found.sha256}")
        done.one()
    if faults:
        more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise BackupError(f"{source}: {faults[0]}{more}; nothing was restored")


def _refuse_other_schema(conn: Connection[Any], content: Content) -> None:
    row = conn.execute("SELECT to_regclass('public.schema_migration') IS NOT NULL").fetchone()
    assert row is not None
    found = schema_number(conn) if row[0] else 0
    if found > content.schema:
        raise BackupError(
            f"the database has schema {found:04} already, the backup {content.schema:04}: restore into a new database"
        )


def _refuse_rows(conn: Connection[Any]) -> None:
    """BackupError when any table holds a row, but for the states that migrations begin with."""
    for table in tables(conn):
        if table.is_state:
            continue
        row = conn.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(_name(table.name))).fetchone()
        assert row is not None
        if row[0]:
            raise BackupError(f"expected an empty database, got rows in {table.name}: restore into a new database")


# ---------------------------------------------------------------- files


class _Count:
    """Depot done, of all."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def one(self) -> None:
        """Another one is done."""
        self._done += 1
        self._progress(self._done, self._total)


def _put_files(source: HashedFolder, files: list[File], folder: str, target: Depot, done: _Count) -> None:
    """Copy files to where they belong; those that a restore before this one put there are kept."""
    if not files:
        return
    wanted = {file.path.removeprefix(folder): file for file in files}
    there = target.paths("")
    strange = [path for path in there if path not in wanted]
    if strange:
        raise BackupError(f"{target}: expected an empty folder for {folder.strip('/')}, got {strange[0]}")
    for path in there:
        if sha256(target.get(path)) != wanted[path].sha256:
            raise BackupError(f"{target}: {path}: another file than that of the backup lies there")
    for path, file in wanted.items():
        if path not in there:
            data = source.get(file.path)
            if sha256(data) != file.sha256:
                raise BackupError(f"{file.path}: changed since it was checked")
            target.put(path, data)
        done.one()


# ---------------------------------------------------------------- rows


def _load(conn: Connection[Any], source: HashedFolder, content: Content, done: "_Count") -> list[str]:
    """Load all rows in the caller's transaction; tables that are views here, which need none."""
    for setting in COPY_SETTINGS:
        conn.execute(f"SET LOCAL {setting}".encode())
    there = {table.name: table for table in tables(conn)}
    made_here = views(conn) - set(there)
    chosen = {table.name: table for table in content.tables if table.name not in made_here}
    for table in chosen.values():
        _refuse_unknown(table, there[table.name].columns if table.name in there else ())
    for name in there:
        conn.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(_name(name)))
    _refuse_rows(conn)  # again: now nobody can add any
    partitioned, taken_us = is_partitioned(conn), to_us(datetime.fromisoformat(content.taken_at))
    with _unchecked(conn):
        for name in [name for name, table in there.items() if table.is_state]:
            conn.execute(sql.SQL("DELETE FROM {}").format(_name(name)))
        for file in content.below(TABLES):
            if file.table == POSITION and partitioned:
                _make_partitions(conn, file, taken_us)
            if file.table in chosen:
                _load_file(conn, source, file, chosen[file.table])
            done.one()
    for name, (last, called) in content.sequences.items():
        conn.execute("SELECT setval(format('public.%%I', %s::text)::regclass, %s, %s)", (name, last, called))
    return [table.name for table in content.tables if table.name in made_here]


@contextmanager
def _unchecked(conn: Connection[Any]) -> Iterator[None]:
    """No trigger of ours fires and no foreign key holds until the end, when the keys are checked over all rows at once.

    So tables are loaded in any order, references to themselves and in circles included, and no trigger numbers or hashes
    anew what has its number and hash.
    """
    fired, keys = triggers(conn), foreign_keys(conn)
    for trigger in fired:
        _alter_trigger(conn, trigger, "DISABLE TRIGGER")
    for key in keys:
        _alter(conn, key, sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(key.name)))
    yield
    for key in keys:
        definition = _of_catalogue(key.definition)
        _alter(conn, key, sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(key.name), definition))
    for trigger in fired:
        _alter_trigger(conn, trigger, _ENABLE[trigger.enabled])


def _refuse_unknown(table: Table, columns: tuple[str, ...]) -> None:
    unknown = [name for name in table.columns if name not in columns]
    if unknown:
        raise BackupError(f"table {table.name} of the backup: this database has no column {unknown[0]} of it")


def _make_partitions(conn: Connection[Any], file: File, taken_us: int) -> None:
    """The day partitions of a file's rows; those of days that cannot be true stay in the default partition."""
    if file.from_us is not None and file.to_us is not None:
        days = np.arange(file.from_us, file.to_us, DAY_US, dtype=np.int64)
        ensure_partitions(conn, days, np.full(len(days), taken_us, dtype=np.int64))


def _load_file(conn: Connection[Any], source: HashedFolder, file: File, table: Table) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        _name(table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL("binary" if table.binary else "text"),
    )
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in _unpacked(source, file.path):
                copy.write(block)
        if cursor.rowcount != file.rows:
            raise BackupError(f"{file.path}: expected {file.rows} rows, got {cursor.rowcount}")


def _unpacked(source: HashedFolder, path: str) -> Iterator[bytes]:
    with (
        source.stream(path) as file,
        pa.PythonFile(file, mode="r") as raw,
        pa.CompressedInputStream(raw, CODEC) as stream,
    ):
        while block := stream.read(BLOCK_BYTES):
            yield block


def _alter(conn: Connection[Any], key: ForeignKey, change: sql.Composable) -> None:
    conn.execute(sql.SQL("ALTER TABLE {} {}").format(_name(key.table), change))


def _alter_trigger(conn: Connection[Any], trigger: Trigger, change: str) -> None:
    conn.execute(
        sql.SQL("ALTER TABLE {} {} {}").format(
            _name(trigger.table), _of_catalogue(change), sql.Identifier(trigger.name)
        )
    )


def _of_catalogue(text: str) -> sql.SQL:
    """SQL that the database's own catalogue or a table of this module holds."""
    return sql.SQL(text)


def _name(table: str) -> sql.Identifier:
    return sql.Identifier("public", table)
