"""What terminals said byte by byte: kept with the positions it brought, read by terminal and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from geo.terminal_key import terminal_key


@dataclass(frozen=True, slots=True)
class RawFrame:
    """Bytes as they came, of one terminal where its number is known, else of nobody ("")."""

    received_at: int  # µs UTC, of the last of them
    source: str  # jt808, nmea, mqtt
    place: str  # peer address, or topic
    terminal_no: str
    frames: bytes


def add_raw(conn: Connection[Any], rows: Sequence[RawFrame]) -> None:
    """Keep what was said, in the caller's transaction."""
    with (
        conn.cursor() as cursor,
        cursor.copy("COPY raw_frame (received_at, source, place, terminal_key, frames) FROM STDIN") as copy,
    ):
        for row in rows:
            key = terminal_key(row.terminal_no) if row.terminal_no else ""
            # NUL cannot stand in text; a topic may hold one.
            texts = (text.replace("\x00", "␀") for text in (row.source, row.place, key))
            copy.write_row((to_datetime(row.received_at), *texts, row.frames))


def read_raw(conn: Connection[Any], key: str, from_us: int, to_us_: int, limit: int) -> list[RawFrame]:
    """What a terminal said from_us ≤ receipt < to_us (µs UTC), in the order of coming, `limit` rows at most.

    `key`: its number without leading zeros, "" for what nobody's number stood in; that is what the rows carry, too.
    """
    rows = conn.execute(
        """
        SELECT received_at, source, place, terminal_key, frames FROM raw_frame
        WHERE terminal_key = %s AND received_at >= %s AND received_at < %s ORDER BY received_at, frame_id LIMIT %s
        """,
        (key, to_datetime(from_us), to_datetime(to_us_), limit),
    ).fetchall()
    return [RawFrame(to_us(received_at), *rest) for received_at, *rest in rows]
