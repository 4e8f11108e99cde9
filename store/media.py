"""Pictures, sound and film of terminals: what each is, and where its file lies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from geo.localtime import to_datetime
from geo.terminal_key import terminal_key
from store.terminal_events import storable


@dataclass(frozen=True, slots=True)
class Media:
    """A file of a terminal, by the number as it was sent; an empty path: only its hash is kept."""

    terminal_no: str
    at: int  # µs UTC, of receipt
    media_no: int
    facts: dict[str, Any]
    path: str  # below media_dir
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class MediaRow:
    """A file of a terminal as a page lists it."""

    media_row: int
    terminal_key: str
    at: datetime
    media_no: int
    facts: dict[str, Any]
    path: str
    size: int
    sha256: str


_ROW = "SELECT media_row, terminal_key, at, media_no, facts, path, bytes AS size, sha256 FROM terminal_media "


def add_media(conn: Connection[Any], rows: Sequence[Media]) -> None:
    """Keep what is known of files, in the caller's transaction."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO terminal_media (terminal_key, at, media_no, facts, path, bytes, sha256)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    terminal_key(each.terminal_no.replace("\x00", "␀")),
                    to_datetime(each.at),
                    each.media_no,
                    json.dumps(storable(each.facts)),
                    each.path,
                    each.size,
                    each.sha256,
                )
                for each in rows
            ],
        )


def media_of(conn: Connection[Any], key: str, limit: int) -> list[MediaRow]:
    """The newest files of a terminal, by its number without leading zeros."""
    with conn.cursor(row_factory=class_row(MediaRow)) as cursor:
        return cursor.execute(
            _ROW + "WHERE terminal_key = %s ORDER BY at DESC, media_row DESC LIMIT %s", (key, limit)
        ).fetchall()


def read_media(conn: Connection[Any], media_row: int) -> MediaRow | None:
    """One file; None when it is not there."""
    with conn.cursor(row_factory=class_row(MediaRow)) as cursor:
        return cursor.execute(_ROW + "WHERE media_row = %s", (media_row,)).fetchone()
