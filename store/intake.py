"""What could not be taken, and the ledger: accepted + duplicate + quarantined = received."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime

MAX_RAW_BYTES = 65_536
"""Of a refused input at most so many bytes are kept; no terminal's message is longer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that could not be taken as a position: where it came from, why, and its bytes."""

    received_at: int  # µs UTC
    source: str  # jt808, nmea, mqtt, import
    place: str  # peer address, topic, or file and line
    reason: str
    raw: bytes
    terminal_no: str = ""  # where it is known


def add_quarantine(conn: Connection[Any], rows: Sequence[Refused]) -> None:
    """Keep what was refused."""
    with (
        conn.cursor() as cursor,
        cursor.copy("COPY quarantine (received_at, source, place, reason, terminal_no, raw) FROM STDIN") as copy,
    ):
        for row in rows:
            # NUL cannot stand in text; a reason or place may quote what a terminal sent.
            texts = (text.replace("\x00", "␀") for text in (row.source, row.place, row.reason, row.terminal_no))
            copy.write_row((to_datetime(row.received_at), *texts, row.raw[:MAX_RAW_BYTES]))


def count_intake(
    conn: Connection[Any], source: str, received: int, accepted: int, duplicate: int, quarantined: int, at_us: int
) -> None:
    """Add to the ledger's row of this source and hour of receipt; the table refuses counts that do not add up."""
    conn.execute(
        """
        INSERT INTO intake_count AS c (hour, source, received, accepted, duplicate, quarantined)
        VALUES (date_trunc('hour', %s::timestamptz), %s, %s, %s, %s, %s)
        ON CONFLICT (hour, source) DO UPDATE SET
            received = c.received + excluded.received, accepted = c.accepted + excluded.accepted,
            duplicate = c.duplicate + excluded.duplicate, quarantined = c.quarantined + excluded.quarantined
        """,
        (to_datetime(at_us), source, received, accepted, duplicate, quarantined),
    )
