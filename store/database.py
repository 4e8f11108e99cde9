"""The database: a pool of connections, its schema brought up to this release, and what the server can do."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool, PoolTimeout

from store.backup_lock import MIGRATION_LOCK
from store.errors import SchemaError, UnreachableError
from store.layout import find_layout, find_level, is_laid_out, lay_out, offer_extension

MIN_SERVER = 150_000
MIGRATIONS = Path(__file__).parent / "migrations"
_CONNECT_TIMEOUT_S = 10.0


class Database:
    """A migrated database behind a pool. Open with `Database.open`; a context manager."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], level: str, address: str, conninfo: str) -> None:
        self._pool = pool
        self._conninfo = conninfo
        self._address = address
        self.level = level
        """What the server can, found once: `plain`, `timescale-apache` or `timescale`."""

    @classmethod
    def open(cls, conninfo: str, *, pool_size: int = 8, chunk_days: int = 1) -> Self:
        """Connect, bring the schema up to date, find the server's level.

        chunk_days : days in a chunk of positions, where a fresh database gets chunks.

        UnreachableError when nothing answers or the server is older than 15; SchemaError when the schema is newer than
        this release or may not be made.
        """
        address = _address(conninfo)
        try:
            with psycopg.connect(conninfo, connect_timeout=int(_CONNECT_TIMEOUT_S)) as conn:
                found = conn.info.server_version // 10_000
                if conn.info.server_version < MIN_SERVER:
                    raise UnreachableError(f"database {address}: expected PostgreSQL 15 or newer, got {found}")
                migrate(conn)
                level = laid_out(conn, conninfo, chunk_days)
        except psycopg.errors.InsufficientPrivilege as error:
            raise SchemaError(f"database {address}: {_reason(error)}; the role must own the schema") from None
        except psycopg.Error as error:
            raise UnreachableError(f"database {address}: {_reason(error)}") from None
        pool = ConnectionPool(
            conninfo,
            min_size=1,
            max_size=pool_size,
            timeout=_CONNECT_TIMEOUT_S,
            configure=_configure,
            # Without it each idle connection fails its next user once after the server was started anew.
            check=ConnectionPool.check_connection,
            open=True,
        )
        return cls(pool, level, address, conninfo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pool.close()

    def layout(self) -> str:
        """How `position` lies: `partitions` or `chunks`; a conversion changes it while others work."""
        with self.connection() as conn:
            return find_layout(conn)

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """A connection in a transaction: committed at the end, rolled back on an error.

        UnreachableError when none comes free in time, or when the connection is lost on the way; whether a commit that
        was under way is kept is then unknown, so it must be safe to do again.
        """
        conn: Connection[Any] | None = None
        try:
            with self._pool.connection() as conn:
                yield conn
        except PoolTimeout:
            raise UnreachableError(
                f"database {self._address}: no connection came free in {_CONNECT_TIMEOUT_S:.0f} s"
            ) from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if conn is not None and conn.closed:
                raise UnreachableError(f"database {self._address}: {_reason(error)}") from error
            raise

    def listener(self, channel: str) -> Connection[Any]:
        """A connection of one's own that hears what is notified on a channel. UnreachableError when nothing answers."""
        conn = self.alone()
        conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return conn

    def alone(self) -> Connection[Any]:
        """A connection outside the pool that commits each statement; the caller closes it. UnreachableError as above."""
        try:
            conn = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=int(_CONNECT_TIMEOUT_S))
            _configure(conn)
        except psycopg.Error as error:
            raise UnreachableError(f"database {self._address}: {_reason(error)}") from None
        return conn


def migrate(conn: Connection[Any], folder: Path = MIGRATIONS, upto: int | None = None) -> list[str]:
    """Apply the numbered SQL files that this database has not seen, each in a transaction; returns their names.

    With `upto` none of a higher number is applied. One process migrates at a time. SchemaError when the database knows a
    migration that this release does not, or when a file differs from what was applied under its number.
    """
    conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
    conn.commit()
    try:
        conn.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migration (
                number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        conn.commit()
        applied = dict(conn.execute("SELECT number, sha256 FROM schema_migration").fetchall())
        conn.commit()
        files = {int(path.name[:4]): path for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))}
        newer = sorted(set(applied) - set(files))
        if newer:
            raise SchemaError(
                f"the database has schema {newer[-1]:04}, this release knows {max(files):04}: use the newer release"
            )
        wanted = {number: path for number, path in files.items() if upto is None or number <= upto}
        return [_apply(conn, number, path) for number, path in wanted.items() if _missing(applied, number, path)]
    finally:
        if not conn.closed:  # the lock of a connection that is gone went with it
            conn.rollback()
            conn.execute("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
            conn.commit()


def schema_number(conn: Connection[Any]) -> int:
    """Number of the newest migration applied."""
    row = conn.execute("SELECT max(number) FROM schema_migration").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _missing(applied: dict[int, str], number: int, path: Path) -> bool:
    if number not in applied:
        return True
    if applied[number] != _sha256(path):
        raise SchemaError(f"migration {path.name} is not the one this database was made with")
    return False


def _apply(conn: Connection[Any], number: int, path: Path) -> str:
    try:
        with conn.transaction():
            conn.execute(path.read_bytes())
            conn.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)",
                (number, path.stem, _sha256(path)),
            )
        conn.commit()
    except psycopg.errors.DatabaseError as error:
        if conn.closed:
            raise
        raise SchemaError(f"migration {path.name}: {_reason(error)}") from error
    return path.stem


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def laid_out(conn: Connection[Any], conninfo: str, chunk_days: int) -> str:
    """The level of a migrated database's server, after whoever comes first made the layout that it allows.

    Others who open it wait meanwhile.
    """
    conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
    conn.commit()
    try:
        if is_laid_out(conn):
            return find_level(conn)
        offer_extension(conn, conninfo)
        # A connection that was there before the extension may not know it.
        with psycopg.connect(conninfo, connect_timeout=int(_CONNECT_TIMEOUT_S)) as other:
            level = find_level(other)
            lay_out(other, level, chunk_days)
        return level
    finally:
        conn.rollback()
        conn.execute("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
        conn.commit()


def _configure(conn: Connection[Any]) -> None:
    conn.execute("SET TIME ZONE 'UTC'")
    # A filter that is not set falls away only where a plan knows its values: one made for all values reads every row.
    conn.execute("SET plan_cache_mode = force_custom_plan")
    # A batch of late positions may touch any number of compressed rows. A name that a server does not know is only kept.
    conn.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
    conn.commit()


def _address(conninfo: str) -> str:
    """Where the database is, without the password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:  # its message quotes the string, and with it the password
        raise UnreachableError("database_url: expected postgresql://user:password@host:port/database") from None
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"


def _reason(error: Exception) -> str:
    """What went wrong, in the first of libpq's lines, without where: the others are hints and further addresses."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.rsplit(" failed: ", 1)[-1].strip()
