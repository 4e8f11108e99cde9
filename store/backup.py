"""A backup: every table of one snapshot, the archive and the media that it names, each file with its hash.

It is logical, so it goes from any kind of database onto any other, embedded or server, with TimescaleDB or without.
Tables are read by COPY in one REPEATABLE READ transaction while receivers go on writing. The partitions of `position` and
the days of a hypertable are files of their own; views, and what an extension keeps, are made anew by restoring.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg import Connection, sql

from store.backup_content import ARCHIVE, CASE_FILES, MEDIA, NAME, TABLES, UNFINISHED, Content, File, Table
from store.backup_lock import hold_for_backup
from store.catalogue import MIGRATIONS_TABLE, POSITION, CatalogueTable, Piece, position_pieces, sequences, tables
from store.database import Database
from store.depot import PARTIAL, Depot, make_folder, write_durably
from store.errors import BackupError
from store.files import HashedFolder
from store.manifest import sha256
from store.partitions import time_text
from store.sealed_files import SEALED, WAY_OUT, files_of_cases, media_files, refuse_broken, sealed_files

CODEC = "zstd"
COPY_SETTINGS = (
    "TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'", "extra_float_digits = 1",
    "bytea_output = 'hex'", "client_encoding = 'UTF8'",
)  # fmt: skip
"""What the text form of values depends on; the same for both ways."""

Progress = Callable[[int, int], None]

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds; `sha256` is that of its `backup.json`, which names all other files with theirs."""

    content: Content
    sha256: str


def back_up(
    database: Database,
    folder: Path,
    *,
    release: str,
    archive: Depot,
    media: Depot | None = None,
    case_files: Depot | None = None,
    with_archive: bool = True,
    progress: Progress | None = None,
) -> BackedUp:
    """Write a backup into a folder that is new, empty, or holds an unfinished one.

    Parameters
    ----------
    archive : where the sealed archive lies; without `with_archive` its files are only named.
    media : where pictures, sound and film lie; None: nowhere.
    case_files : where files attached to cases lie; None: nowhere.
    progress : told the files that are done, and all.

    Raises
    ------
    BackupError   The folder is taken, a file cannot be written, a file of the archive is not what was sealed, or a table
                  was rewritten meanwhile. There is no `backup.json` then.
    """
    target = HashedFolder(folder)
    try:
        _begin(target)
        with database.connection() as conn:
            _take_snapshot(conn)
            storage = _storage(conn)
            copying = _Copying(conn, target, progress or (lambda _done, _total: None))
            content = _head(conn, release, database.level, "copied" if with_archive else "named")
            content = copying.everything(
                content, archive, {MEDIA: media, CASE_FILES: case_files}, copy_archive=with_archive
            )
        with database.connection() as conn:
            _refuse_rewritten(conn, storage, content.schema)
        data = content.as_bytes()
        write_durably(folder / NAME, [data])
        target.remove(UNFINISHED)
    except OSError as error:
        where = error.filename or folder
        raise BackupError(
            f"{where}: {error.strerror or error}; {folder} is an unfinished backup, without {NAME}"
        ) from error
    return BackedUp(content, sha256(data))


def _begin(target: HashedFolder) -> None:
    """Make the folder, or clear it of what an unfinished backup left; BackupError when anything else lies there."""
    root = target.root
    found = target.paths() if root.exists() else []
    if NAME in found:
        raise BackupError(f"{root}: expected an empty folder, got a backup")
    if found and UNFINISHED not in found:
        raise BackupError(f"{root}: expected an empty folder, got {found[0]}")
    make_folder(root)
    write_durably(root / UNFINISHED, [])
    for path in [path for path in found if path.startswith((TABLES, ARCHIVE, MEDIA))]:
        target.remove(path)
    for left in [*root.glob(f"**/*{PARTIAL}")]:
        left.unlink()


def _take_snapshot(conn: Connection[Any]) -> None:
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    for setting in COPY_SETTINGS:
        conn.execute(f"SET LOCAL {setting}".encode())
    hold_for_backup(conn)


def _head(conn: Connection[Any], release: str, level: str, archive: str) -> Content:
    row = conn.execute("SELECT now(), current_setting('server_version')").fetchone()
    assert row is not None
    migrations = conn.execute(f"SELECT number, name, sha256 FROM {MIGRATIONS_TABLE} ORDER BY number").fetchall()
    return Content(
        release=release,
        schema=migrations[-1][0],
        migrations={name: digest for _, name, digest in migrations},
        server=row[1],
        level=level,
        taken_at=row[0].astimezone(UTC).isoformat(),
        tables=(),
        files=(),
        sequences={},
        archive=archive,
    )


@dataclass(slots=True)
class _Copying:
    """Copies files one after the other, and counts them."""

    conn: Connection[Any]
    target: HashedFolder
    progress: Progress
    files: list[File] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    done: int = 0
    total: int = 0

    def everything(
        self, content: Content, archive: Depot, beside: Mapping[str, Depot | None], *, copy_archive: bool
    ) -> Content:
        """The content of the whole backup. What is sealed is read first: if it is broken, the rest need not wait for it."""
        conn = self.conn
        sealed = sealed_files(conn, archive)
        if copy_archive:
            refuse_broken(sealed)
        hashes = sealed.hashes if copy_archive else {}
        others = [path for path in archive.paths("") if not path.startswith(SEALED)] if copy_archive else []
        named = {
            folder: (depot, found(conn))
            for (folder, depot), found in zip(beside.items(), (media_files, files_of_cases), strict=True)
            if depot is not None
        }
        copied = tables(conn)
        pieces = position_pieces(conn)
        self.total = (
            len(copied) + len(pieces) + len(hashes) + len(others) + sum(len(known) for _, known in named.values())
        )
        for path, digest in hashes.items():
            try:
                self._file(archive, ARCHIVE, path, digest)
            except FileNotFoundError:
                raise BackupError(f"{ARCHIVE}{path}: missing; {WAY_OUT}") from None
        for path in others:
            self._file(archive, ARCHIVE, path, "")
        for folder, (depot, known) in named.items():
            for path, digest in known.items():
                try:
                    self._file(depot, folder, path, digest)
                except FileNotFoundError:
                    self.missing.append(path if folder == MEDIA else folder + path)
        rows = [self._table(table) for table in copied if table.name != POSITION]
        position = next(table for table in copied if table.name == POSITION)
        rows.append(self._position(position, pieces))
        return replace(
            content,
            tables=tuple(sorted(rows, key=lambda table: table.name)),
            files=tuple(self.files),
            sequences=self._sequences(),  # read last: no row of the snapshot has a number past them
            named={} if copy_archive else sealed.hashes,
            media_missing=tuple(self.missing),
        )

    def _table(self, table: CatalogueTable) -> Table:
        columns = _columns(table)
        query = sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier("public", table.name))
        rows = self._copy(table, f"{TABLES}{table.name}", query, Piece(table.name))
        return Table(table.name, table.columns, table.binary, rows)

    def _position(self, table: CatalogueTable, pieces: Iterable[Piece]) -> Table:
        rows = 0
        for piece in pieces:
            query = sql.SQL("SELECT {} FROM {}").format(_columns(table), _source(piece))
            rows += self._copy(table, f"{TABLES}{POSITION}/{piece.label}", query, piece)
        return Table(table.name, table.columns, table.binary, rows)

    def _copy(self, table: CatalogueTable, name: str, query: sql.Composable, piece: Piece) -> int:
        """Copy what a query gives into a file; the rows. No rows, no file."""
        path = f"{name}.{'binary' if table.binary else 'text'}.zst"
        form = sql.SQL("binary" if table.binary else "text")
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT {})").format(query, form)
        with self.conn.cursor() as cursor:
            with cursor.copy(statement) as copy:
                written = self.target.write(path, _packed(copy))
            rows = cursor.rowcount
        if rows:
            self.files.append(File(path, written.sha256, written.size, table.name, rows, piece.from_us, piece.to_us))
        else:
            self.target.remove(path)
        self._count()
        return rows

    def _file(self, source: Depot, folder: str, path: str, digest: str) -> None:
        """Copy a file of the archive or of the media; BackupError when it is not the one of this hash."""
        written = self.target.write(folder + path, [source.get(path)])
        if digest and written.sha256 != digest:
            raise BackupError(f"{folder}{path}: expected sha256 {digest}, got {written.sha256}; {WAY_OUT}")
        self.files.append(File(folder + path, written.sha256, written.size))
        self._count()

    def _sequences(self) -> dict[str, tuple[int, bool]]:
        found = {}
        for name in sequences(self.conn):
            row = self.conn.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier("public", name))
            ).fetchone()
            assert row is not None
            found[name] = (int(row[0]), bool(row[1]))
        return found

    def _count(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)


def _columns(table: CatalogueTable) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, table.columns))


def _source(piece: Piece) -> sql.Composable:
    if piece.partition:
        return sql.SQL("ONLY {}").format(sql.Identifier("public", piece.partition))
    assert piece.from_us is not None
    assert piece.to_us is not None
    # A COPY takes no parameters, and only a span that the planner knows is read from its own chunks alone.
    return sql.SQL("public.position WHERE fix_time >= {} AND fix_time < {}").format(
        sql.Literal(time_text(piece.from_us)), sql.Literal(time_text(piece.to_us))
    )


def _packed(pieces: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """The same bytes, packed: frames of zstd one after the other, as `zstd -d` reads them."""
    codec = pa.Codec(CODEC)
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= _BLOCK_BYTES:
            yield codec.compress(bytes(block), asbytes=True)
            block.clear()
    yield codec.compress(bytes(block), asbytes=True)


def _storage(conn: Connection[Any]) -> dict[str, int]:
    """Where the rows of each table, partition and chunk lie; TRUNCATE, compression and migrations give them another place."""
    rows = conn.execute(
        """
        SELECT c.oid::regclass::text, c.relfilenode::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('public', '_timescaledb_internal') AND c.relkind = 'r'
        """
    ).fetchall()
    return dict(rows)


def _refuse_rewritten(conn: Connection[Any], before: dict[str, int], schema: int) -> None:
    """BackupError when a table was rewritten or dropped since: that respects no snapshot, rows may have been missed."""
    after = _storage(conn)
    changed = [name for name, place in before.items() if after.get(name) != place]
    row = conn.execute(f"SELECT max(number) FROM {MIGRATIONS_TABLE}").fetchone()
    if row is not None and row[0] != schema:
        changed.append(MIGRATIONS_TABLE)
    if changed:
        raise BackupError(
            f"{changed[0]} was rewritten or dropped while it was copied, as compression, retention and migrations do: "
            "start the backup again"
        )
