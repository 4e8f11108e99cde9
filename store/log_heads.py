"""Heads of the log as files beside the archive: a log that was written anew as a whole is found by them.

For each local day that is over, `log/day=2026-11-26/head.json` names the day's last entry with its hash. The files are
not chained among themselves: an entry's hash stands for every entry before it, so the log is their chain, and which
files there must be is in the table `log_export`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from geo.localtime import day_date, day_number, day_start_us, to_datetime

Write = Callable[[str, bytes], None]
"""Writes a file of this path below the archive's root, whole and durably."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a local day. at: ISO 8601, UTC; count: entries of the day up to this one."""

    day: str
    entry_id: int
    sha256: str
    at: str
    count: int

    def as_bytes(self) -> bytes:
        """Canonical JSON."""
        return (json.dumps(asdict(self), sort_keys=True, indent=1) + "\n").encode()


def head_path(day: str) -> str:
    """Where the head of a local day lies below the archive's root."""
    return f"log/day={day}/head.json"


def read_head(data: bytes) -> Head:
    """The head in these bytes; ValueError when they are none."""
    try:
        head = Head(**json.loads(data))
    except TypeError as error:
        raise ValueError(f"not a head: {error}") from error
    if [type(value) for value in asdict(head).values()] != [str, int, str, str, int]:
        raise ValueError("not a head: expected texts and whole numbers")
    return head


def export_heads(conn: Connection[Any], write: Write, before_day: int) -> list[str]:
    """Write the heads of the local days before `before_day` with entries that no head stands for yet; returns the days.

    A day is written once. What the clock, set back, adds to it afterwards is under the head of a later day. Two that
    export at once do it one after the other; appends go on. After a crash between file and commit the file is written
    again as it was.
    """
    conn.execute("LOCK TABLE log_export IN SHARE ROW EXCLUSIVE MODE")
    rows = conn.execute(
        """
        WITH beyond AS (
            SELECT (at AT TIME ZONE 'Asia/Shanghai')::date AS day, max(entry_id) AS entry_id FROM log_entry
            WHERE entry_id > (SELECT coalesce(max(entry_id), 0) FROM log_export) AND at < %s GROUP BY 1
        )
        SELECT day, entry_id FROM beyond WHERE day NOT IN (SELECT day FROM log_export) ORDER BY entry_id
        """,
        (to_datetime(day_start_us(before_day)),),
    ).fetchall()
    for day, entry_id in rows:
        head = _head(conn, day, entry_id)
        assert head is not None
        write(head_path(head.day), head.as_bytes())
        conn.execute("INSERT INTO log_export (day, entry_id) VALUES (%s, %s)", (day, entry_id))
    return [day.isoformat() for day, _ in rows]


def verify_heads(conn: Connection[Any], files: Mapping[str, bytes]) -> list[str]:
    """One line for each fault of the exported heads (path below the archive's root → bytes), by day; empty when none."""
    exported = {head_path(day.isoformat()) for (day,) in conn.execute("SELECT day FROM log_export")}
    faults = []
    for path in sorted(exported | set(files)):
        fault = _fault(conn, path, files[path]) if path in files else "missing"
        if fault:
            faults.append(f"{path}: {fault}")
    return faults


def _fault(conn: Connection[Any], path: str, data: bytes) -> str:
    try:
        head = read_head(data)
        day = date.fromisoformat(head.day)
        found = _head(conn, day, head.entry_id)
    except (ValueError, OverflowError):
        return "not a head of the log"
    if path != head_path(head.day):
        return f"says it is the head of {head.day}"
    if found is None:
        return f"names entry {head.entry_id} of {head.day}, which the log does not have"
    for name, named in asdict(head).items():
        if named != getattr(found, name):
            return f"names {name} {named} for entry {head.entry_id}, the log has {getattr(found, name)}"
    return ""


def _head(conn: Connection[Any], day: date, entry_id: int) -> Head | None:
    """The head that an entry is of its day; None when there is no such entry or it is of another day."""
    number = day_number(day)
    span = (to_datetime(day_start_us(number)), to_datetime(day_start_us(number + 1)))
    row = conn.execute(
        """
        SELECT sha256, at, (SELECT count(*) FROM log_entry WHERE at >= %(first)s AND at < %(after)s AND entry_id <= %(id)s)
        FROM log_entry WHERE entry_id = %(id)s AND at >= %(first)s AND at < %(after)s
        """,
        {"id": entry_id, "first": span[0], "after": span[1]},
    ).fetchone()
    return None if row is None else Head(day_date(number).isoformat(), entry_id, row[0], _utc(row[1]), row[2])


def _utc(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds")
