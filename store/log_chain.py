"""Is the log what was written? Each entry against its hash, each hash against the entry after it, the last against the head.

The witness of an entry is the one after it, which names its hash; of the last, the head. So what is reported is the entry
that was changed, not the one whose link to it broke. The hash is computed here, not by the database's own function.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from store.manifest import GENESIS

VERSION = "gongche log 1"
"""First field of every hash; another encoding gets another one."""

MAX_FAULTS = 1000
_ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as its hash takes it. at_us: µs since 1970 UTC; None where no such time can be told."""

    entry_id: int
    at_us: int | None
    user_id: int | None
    kind: str
    action: str
    subject: str
    facts: str  # the jsonb's own text
    previous_sha256: str
    sha256: str

    @property
    def computed(self) -> str:
        """SHA-256 in hex over the other fields, as netstrings."""
        fields = (
            VERSION, self.entry_id, self.at_us, self.user_id, self.kind, self.action, self.subject, self.facts,
            self.previous_sha256,
        )  # fmt: skip
        return hashlib.sha256(b"".join(_netstring(field) for field in fields)).hexdigest()


class _Chain:
    """Follows the entries in their order; remembers one entry, and the faults up to a limit."""

    def __init__(self) -> None:
        self.last = 0
        self._last_sha256 = GENESIS
        self._last_is_whole = True
        self._faults: list[str] = []
        self._more = 0

    def add(self, entry: Entry) -> None:
        """Check the next entry."""
        whole = entry.computed == entry.sha256
        if entry.entry_id != self.last + 1:
            self.missing(self.last + 1, entry.entry_id - 1)
        elif whole:
            self.witness(entry.previous_sha256, f"entry {entry.entry_id}")
        if not whole:
            self.fault(f"log entry {entry.entry_id}: expected sha256 {entry.sha256}, got {entry.computed}: changed")
        self.last, self._last_sha256, self._last_is_whole = entry.entry_id, entry.sha256, whole

    def witness(self, sha256: str, named_by: str) -> None:
        """Hold the hash of the last entry against what names it; one that was found changed is not told twice."""
        if sha256 == self._last_sha256 or not self._last_is_whole:
            return
        if self.last:
            self.fault(f"log entry {self.last}: expected sha256 {sha256}, named by {named_by}, got {self._last_sha256}")
        else:
            self.fault(f"log {named_by}: names {sha256} before it, where nothing is")

    def missing(self, first: int, last: int) -> None:
        """Entries that are not there."""
        self.fault(f"log entry {first}: missing" if first == last else f"log entries {first} to {last}: missing")

    def fault(self, line: str) -> None:
        """Keep a fault, or only count it past the limit."""
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(line)
        else:
            self._more += 1

    @property
    def faults(self) -> list[str]:
        """What was found, the first broken first."""
        return [*self._faults, f"log: {self._more} more faults"] if self._more else self._faults


def verify_log(conn: Connection[Any]) -> list[str]:
    """One line for each fault of the log, the first broken first; empty when it is whole. Memory stays bounded.

    Entries that are appended while it reads may be left to the next time.
    """
    chain = _Chain()
    with conn.cursor(name="verify_log") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT entry_id, CASE WHEN isfinite(at) THEN (extract(epoch FROM at) * 1000000)::bigint END, user_id, kind,
                   action, subject, facts::text, previous_sha256, sha256
            FROM log_entry ORDER BY entry_id
            """
        )
        for row in cursor:
            chain.add(Entry(*row))
    # One statement, so that head and last entry are of the same instant.
    head = conn.execute("SELECT h.entry_id, h.sha256, (SELECT max(entry_id) FROM log_entry) FROM log_head h").fetchone()
    if head is None:
        chain.fault("log head: missing")
        return chain.faults
    number, sha256, newest = head[0], head[1], head[2] or 0
    if newest < number:
        chain.missing(newest + 1, number)
    elif newest > number:
        chain.fault(f"log head: expected entry {newest}, the last one, got {number}")
    elif number == chain.last:
        chain.witness(sha256, "the head")
    return chain.faults


def _netstring(field: int | str | None) -> bytes:
    text = ("" if field is None else str(field)).encode()
    return b"%d:%s," % (len(text), text)
