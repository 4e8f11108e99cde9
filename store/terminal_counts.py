"""How many positions each terminal sent, by local day of receipt: accepted + duplicate + quarantined = received."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime
from store.arrays import array


@dataclass(slots=True)
class TerminalCount:
    """What one terminal sent since it was counted last; what is neither accepted nor quarantined is a duplicate.

    `no_fix` (without a valid fix), `clock_fault` (with a clock that cannot be right) and `late` (sent from the
    terminal's memory) are each of the accepted; a position may be in several of them.
    """

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    no_fix: int = 0
    clock_fault: int = 0
    late: int = 0

    @property
    def duplicate(self) -> int:
        """Repetitions of positions known already."""
        return self.received - self.accepted - self.quarantined


_COUNTED = ("received", "accepted", "duplicate", "quarantined", "no_fix", "clock_fault", "late")


def count_terminals(conn: Connection[Any], at_us: int, counts: Mapping[str, TerminalCount]) -> None:
    """Add to each terminal's row of the local day of receipt (at_us: µs UTC), in the caller's transaction.

    counts : by terminal key, the number without leading zeros.

    Raises
    ------
    ValueError   More was accepted and quarantined than received.

    Notes
    -----
    One statement, rows in order of key: writers that meet on the same rows wait and do not deadlock.
    """
    if not counts:
        return
    keys = sorted(counts)
    for key in keys:
        each = counts[key]
        if each.duplicate < 0:
            raise ValueError(
                f"terminal {key}: accepted {each.accepted} and quarantined {each.quarantined} of {each.received} received"
            )
    when = to_datetime(at_us)
    conn.execute(
        """
        INSERT INTO terminal_count AS c (day, terminal_key, received, accepted, duplicate, quarantined, no_fix,
                                         clock_fault, late, heard_at)
        SELECT %s::date, *, %s::timestamptz
        FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                    %s::bigint[])
        ON CONFLICT (day, terminal_key) DO UPDATE SET
            received = c.received + excluded.received, accepted = c.accepted + excluded.accepted,
            duplicate = c.duplicate + excluded.duplicate, quarantined = c.quarantined + excluded.quarantined,
            no_fix = c.no_fix + excluded.no_fix, clock_fault = c.clock_fault + excluded.clock_fault,
            late = c.late + excluded.late, heard_at = greatest(c.heard_at, excluded.heard_at)
        """,
        (when.date(), when, keys, *(array([getattr(counts[key], name) for key in keys]) for name in _COUNTED)),
    )
