"""What is dropped after its time: positions that the sealed archive holds, their notes, flags of no case.

A day goes only when nothing of it is open, every row of it is in the newest sealed parts, which are read to prove it,
and its hours are summed. Partitions and chunks go whole; a chunk's borders are not those of a local day, so a day counts
as dropped as soon as a chunk with a part of it goes, and is read from the archive from then on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from psycopg import Connection, sql

from geo.localtime import DAY_US, day_date, day_number, day_start_us, local_day, to_us
from store.archive import VEHICLES_PER_BUCKET, Archive
from store.backup_lock import no_backup_reads
from store.database import Database
from store.dropping import hold_writers
from store.errors import ArchiveError
from store.layout import find_layout
from store.partitions import time_text


@dataclass(slots=True)
class Dropped:
    """What was dropped; `kept`: a line for each day that should have gone and the reason why it did not."""

    days: int = 0
    positions: int = 0
    notes: int = 0
    flags: int = 0
    kept: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A partition, a chunk, or a day within the default partition: what is dropped at once."""

    name: str
    kind: str  # partition, chunk, rows
    start: int  # µs UTC
    end: int

    @property
    def days(self) -> range:
        """The local days of which it may hold rows."""
        first, last = local_day(np.array([self.start, self.end - 1])).tolist()
        return range(first, last + 1)


def drop_positions(
    database: Database, archive: Archive, before_day: int, progress: Callable[[int, int], None] | None = None
) -> Dropped:
    """Drop the positions of local days before a day, each partition or chunk in a transaction; not while a backup is read."""
    dropped = Dropped()
    with database.connection() as conn:
        pieces = [piece for piece in _pieces(conn, before_day) if piece.days.stop <= before_day]
    told: set[int] = set()
    for done, piece in enumerate(pieces, start=1):
        with database.connection() as conn:
            if not no_backup_reads(conn):
                dropped.kept.append("everything: a backup is read")
                return dropped
            hold_writers(conn)
            new = [day for day in piece.days if not _is_dropped(conn, day)]
            reasons = {day: reason for day in piece.days if (reason := _why_not(conn, archive, day, day in new))}
            if not reasons:
                _drop(conn, piece, new, dropped)
        dropped.kept += [f"{day_date(day)}: {reason}" for day, reason in reasons.items() if day not in told]
        told |= set(reasons)
        if progress:
            progress(done, len(pieces))
    return dropped


def drop_flags(conn: Connection[Any], before_day: int) -> int:
    """Delete flags of local days before a day that are in no case; how many."""
    in_case = ""
    if conn.execute("SELECT to_regclass('case_flag') IS NOT NULL").fetchone() == (True,):
        in_case = "AND NOT EXISTS (SELECT FROM case_flag c WHERE c.flag_id = f.flag_id)"
    rows = conn.execute(
        f"""
        WITH gone AS (DELETE FROM flag f WHERE day < %s {in_case} RETURNING day)
        INSERT INTO retention_log (kind, day, rows) SELECT 'flags', day, count(*) FROM gone GROUP BY day ORDER BY day
        RETURNING rows
        """,
        (day_date(before_day),),
    ).fetchall()
    return sum(count for (count,) in rows)


def _pieces(conn: Connection[Any], before_day: int) -> Iterator[_Piece]:
    limit = time_text(day_start_us(before_day))
    if find_layout(conn) == "chunks":
        rows = conn.execute(
            """
            SELECT format('%%I.%%I', chunk_schema, chunk_name), range_start, range_end FROM timescaledb_information.chunks
            WHERE hypertable_schema = current_schema() AND hypertable_name = 'position' AND range_end <= %s
            ORDER BY range_start
            """,
            (limit,),
        ).fetchall()
        yield from (_Piece(name, "chunk", to_us(start), to_us(end)) for name, start, end in rows)
        return
    # Of the default partition the days that it has rows of; the others have their own partition, by its name.
    rows = conn.execute(
        """
        SELECT c.relname, to_date(substr(c.relname, 10), 'YYYYMMDD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'position'::regclass AND c.relname ~ '^position_[0-9]{8}$'
        UNION ALL
        SELECT DISTINCT 'position_other', ((fix_time AT TIME ZONE 'UTC') + interval '8 hours')::date FROM position_other
        WHERE fix_time < %s
        ORDER BY 2
        """,
        (limit,),
    ).fetchall()
    for name, day in rows:
        start = day_start_us(day_number(day))
        yield _Piece(name, "rows" if name == "position_other" else "partition", start, start + DAY_US)


def _is_dropped(conn: Connection[Any], day: int) -> bool:
    return conn.execute("SELECT FROM dropped_day WHERE day = %s", (day_date(day),)).fetchone() is not None


def _why_not(conn: Connection[Any], archive: Archive, day: int, compare: bool) -> str:
    """Why a day has to stay; empty: it may go. Its rows are compared with the archive's unless a part is gone already."""
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM open_day WHERE day = %(day)s),
               EXISTS (SELECT FROM stale_hour WHERE hour >= %(from)s AND hour < %(to)s),
               (SELECT stored_before < %(to)s FROM rollup_state)
        """,
        {"day": day_date(day), "from": _span(day)[0], "to": _span(day)[1]},
    ).fetchone()
    assert row is not None
    for holds, reason in zip(row, ("not sealed", "its hours are not summed", "its hours are not summed"), strict=True):
        if holds:
            return reason
    if not compare:
        return ""
    counted = dict(
        conn.execute(
            "SELECT vehicle_id / %s, count(*) FROM position WHERE fix_time >= %s AND fix_time < %s GROUP BY 1",
            (VEHICLES_PER_BUCKET, *_span(day)),
        ).fetchall()
    )
    try:
        sealed = {bucket: len(archive.read(conn, day, day, bucket)[0]) for bucket in archive.buckets(conn, day, day)}
    except ArchiveError as error:
        return str(error)
    sealed = {bucket: rows for bucket, rows in sealed.items() if rows or bucket in counted}
    if counted != sealed:
        return f"the archive holds {sum(sealed.values())} of its positions, the database {sum(counted.values())}"
    return ""


def _drop(conn: Connection[Any], piece: _Piece, new: list[int], dropped: Dropped) -> None:
    for day in new:
        row = conn.execute(
            "SELECT count(*) FROM position WHERE fix_time >= %s AND fix_time < %s", _span(day)
        ).fetchone()
        assert row is not None
        if not row[0]:
            continue
        conn.execute("INSERT INTO dropped_day (day, positions) VALUES (%s, %s)", (day_date(day), row[0]))
        _log(conn, "positions", day, row[0])
        dropped.days += 1
        dropped.positions += row[0]
        dropped.notes += _drop_notes(conn, day)
    if piece.kind == "chunk":
        conn.execute(
            "SELECT drop_chunks('position', older_than => %s::timestamptz, newer_than => %s::timestamptz)",
            (time_text(piece.end), time_text(piece.start)),
        )
    elif piece.kind == "partition":
        # It has to wait for whoever writes or reads; nobody is to wait for it for long.
        conn.execute("SET LOCAL lock_timeout = '10s'")
        conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(piece.name)))
    else:
        conn.execute(
            "DELETE FROM position_other WHERE fix_time >= %s AND fix_time < %s",
            (time_text(piece.start), time_text(piece.end)),
        )


def _drop_notes(conn: Connection[Any], day: int) -> int:
    """Delete the notes of a day, if the archive has them of every bucket that has positions."""
    if conn.execute("SELECT to_regclass('sealed_notes') IS NULL").fetchone() == (True,):
        return 0
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM sealed_part p WHERE p.day = %(day)s AND NOT EXISTS (
            SELECT FROM sealed_notes n WHERE n.day = p.day AND n.bucket = p.bucket))
        """,
        {"day": day_date(day)},
    ).fetchone()
    if row == (True,):
        return 0
    count = conn.execute("DELETE FROM position_note WHERE fix_time >= %s AND fix_time < %s", _span(day)).rowcount
    if count:
        _log(conn, "notes", day, count)
    return count


def _log(conn: Connection[Any], kind: str, day: int, rows: int) -> None:
    conn.execute("INSERT INTO retention_log (kind, day, rows) VALUES (%s, %s, %s)", (kind, day_date(day), rows))


def _span(day: int) -> tuple[str, str]:
    return time_text(day_start_us(day)), time_text(day_start_us(day + 1))


def months_before(day: int, months: int) -> int:
    """The local day so many months before a day; the last of its month where it has no such day."""
    start = day_date(day)
    number = start.year * 12 + start.month - 1 - months
    year, month = divmod(number, 12)
    following = date(year + month // 11, (month + 1) % 12 + 1, 1)
    last = day_number(following) - 1
    return min(day_number(date(year, month + 1, 1)) + start.day - 1, last)
