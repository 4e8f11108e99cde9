"""What the database needs from time to time, by explicit calls: compression, sums of hours, retention.

TimescaleDB's own background jobs are not used: on some versions they end in `cannot drop portal`, and a plain server has
none. What runs here runs on every level that has it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from geo.localtime import day_start_us
from store.archive import Archive
from store.backup_lock import no_backup_reads
from store.database import Database
from store.partitions import time_text
from store.retention import Dropped, drop_flags, drop_positions, months_before

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

# Bits of a chunk's status.
_COMPRESSED, _UNORDERED, _PARTIAL = 1, 2, 8


@dataclass(frozen=True, slots=True)
class Policies:
    """After how long what happens; 0 months: never."""

    compress_after_days: int
    keep_positions_months: int
    keep_flags_months: int


def compress(database: Database, today: int, after_days: int, progress: Progress | None = None) -> int:
    """Compress chunks whose days all ended so many days before a local day, and those that late rows opened; how many.

    Each chunk is a transaction. Nothing on a level or a layout that cannot, nor while a backup is read.
    """
    if database.level != "timescale" or database.layout() != "chunks":
        return 0
    conn = database.alone()
    try:
        rows = conn.execute(
            """
            SELECT chunk FROM (
                SELECT format('%%I.%%I', chunk_schema, chunk_name)::regclass AS chunk, range_start
                FROM timescaledb_information.chunks
                WHERE hypertable_schema = current_schema() AND hypertable_name = 'position' AND range_end <= %s
                OFFSET 0
            ) AS old
            WHERE _timescaledb_functions.chunk_status(chunk) & %s = 0
               OR _timescaledb_functions.chunk_status(chunk) & %s <> 0
            ORDER BY range_start
            """,
            (time_text(day_start_us(today - after_days)), _COMPRESSED, _UNORDERED | _PARTIAL),
        ).fetchall()
        conn.execute("SET client_min_messages = error")  # a chunk of few rows is told to compress poorly
        for done, (chunk,) in enumerate(rows, start=1):
            with conn.transaction():
                if not no_backup_reads(conn):
                    log.info("compression: a backup is read; it is gone on with later")
                    return done - 1
                conn.execute("SELECT compress_chunk(%s::regclass)", (chunk,))
            if progress:
                progress(done, len(rows))
        return len(rows)
    finally:
        conn.close()


def retain(
    database: Database, archive: Archive, today: int, policies: Policies, progress: Progress | None = None
) -> Dropped:
    """Drop what is older than the policies keep; what stays against them is told in the log, with the reason."""
    dropped = Dropped()
    if policies.keep_positions_months:
        before = months_before(today, policies.keep_positions_months)
        try:
            dropped = drop_positions(database, archive, before, progress)
        except psycopg.errors.LockNotAvailable:
            log.warning("retention: positions are in use; it is tried again")
    if policies.keep_flags_months:
        with database.connection() as conn:
            dropped.flags = drop_flags(conn, months_before(today, policies.keep_flags_months))
    if dropped.days or dropped.flags:
        log.info(
            "retention: dropped %d positions and %d notes of %d days, %d flags",
            dropped.positions, dropped.notes, dropped.days, dropped.flags,
        )  # fmt: skip
    for line in dropped.kept:
        log.warning("retention: kept %s", line)
    return dropped
