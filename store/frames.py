"""Raw frames, which a court may ask for: table `raw_frame` until their day is sealed, the archive from then on.

A day is the local day of receipt. What came later for a sealed day becomes a further part beside the others; a part is
never replaced, as its rows are nowhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from psycopg import Connection

from geo.localtime import day_date, day_number, day_start_us, local_day
from store.chain import advance, next_link
from store.depot import Depot
from store.manifest import RAW, Manifest, Part, sha256
from store.partitions import time_text
from store.row_parts import FRAMES, Row, encode_rows, read_rows

ROWS_PER_PART = 100_000
"""Reads or messages of terminals in a part at most: what a sealing holds in memory."""

_COLUMNS = "terminal_key, (extract(epoch FROM received_at) * 1000000)::bigint, frame_id, source, place, frames"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """What one read or message of a terminal brought, byte by byte."""

    terminal_key: str
    received_at: int  # µs UTC
    frame_id: int
    source: str  # jt808, nmea, mqtt
    place: str  # peer address or topic
    frames: bytes


def waiting_days(conn: Connection[Any], before_day: int) -> list[int]:
    """Local days before a day on which frames were received that no part holds."""
    rows = conn.execute(
        """
        SELECT DISTINCT (received_at AT TIME ZONE 'UTC' + interval '8 hours')::date AS day FROM raw_frame
        WHERE received_at < %s ORDER BY day
        """,
        (time_text(day_start_us(before_day)),),
    ).fetchall()
    return [day_number(day) for (day,) in rows]


def seal_frames(conn: Connection[Any], files: Depot, day: int) -> Manifest | None:
    """Move the frames of a day from the table into parts, in the caller's transaction, which holds the chain's lock."""
    name = day_date(day).isoformat()
    known = conn.execute(
        "SELECT coalesce(max(part), -1), count(DISTINCT sequence) FROM sealed_frames WHERE day = %s", (name,)
    ).fetchone()
    assert known is not None
    parts: list[Part] = []
    for rows in _taken(conn, day):
        number = known[0] + 1 + len(parts)
        path = f"{RAW}/day={name}/part-{number:05}-v1.parquet"
        data, columns_sha256, count = encode_rows(FRAMES, rows)
        files.put(path, data)
        parts.append(Part(path, number, 1, count, sha256(data), columns_sha256, "frames"))
    if not parts:
        return None
    sequence, previous = next_link(conn)
    manifest = Manifest(name, known[1] + 1, sequence, previous, installed_version("gongche"), tuple(parts), RAW)
    files.put(manifest.path, manifest.as_bytes())
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sealed_frames (day, part, sequence, rows, path) VALUES (%s, %s, %s, %s, %s)",
            [(name, part.bucket, sequence, part.rows, part.path) for part in parts],
        )
    advance(conn, manifest)
    return manifest


def read_frames(conn: Connection[Any], files: Depot, terminal_key: str, from_us: int, to_us: int) -> list[RawFrame]:
    """Frames of a terminal received in [from_us, to_us) (µs UTC), in order of receipt, from parts and table."""
    # The table first: what a sealing moves meanwhile is then met twice, and not missed.
    rows = conn.execute(
        f"""
        SELECT {_COLUMNS} FROM raw_frame
        WHERE received_at >= %s AND received_at < %s AND terminal_key = %s
        """,
        (time_text(from_us), time_text(to_us), terminal_key),
        binary=True,
    ).fetchall()
    paths = conn.execute(
        "SELECT path FROM sealed_frames WHERE day BETWEEN %s AND %s ORDER BY day, part",
        tuple(day_date(int(day)) for day in local_day(np.array([from_us, to_us - 1]))),
    ).fetchall()
    for (path,) in paths:
        rows += read_rows(FRAMES, files, path, ("terminal_key", terminal_key))
    frames = {row[2]: RawFrame(*row) for row in rows if from_us <= row[1] < to_us}
    return sorted(frames.values(), key=_by_receipt)


def _by_receipt(frame: RawFrame) -> tuple[int, int]:
    return frame.received_at, frame.frame_id


def _taken(conn: Connection[Any], day: int) -> Iterator[list[Row]]:
    """The rows of a day, taken out of the table, so many at a time: what is read is what is deleted."""
    after = 0  # what was deleted is not gone over again
    while True:
        rows = conn.execute(
            f"""
            DELETE FROM raw_frame WHERE frame_id IN (
                SELECT frame_id FROM raw_frame
                WHERE received_at >= %s AND received_at < %s AND frame_id > %s ORDER BY frame_id LIMIT %s
            ) RETURNING {_COLUMNS}
            """,
            (time_text(day_start_us(day)), time_text(day_start_us(day + 1)), after, ROWS_PER_PART),
            binary=True,
        ).fetchall()
        if not rows:
            return
        after = max(row[2] for row in rows)
        yield rows
