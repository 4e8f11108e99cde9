"""What a receiver hands to the intake in one go, and what comes back once it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.errors import Refusal
from ingest.report import Report


@dataclass(frozen=True, slots=True)
class CardSwipe:
    """A driver's card put in or taken out of a terminal."""

    terminal: str
    swiped_at: int  # µs UTC
    driver_card: str
    inserted: bool
    raw: bytes = b""


@dataclass(slots=True)
class Parcel:
    """Everything one read, message or line brought: stored in one transaction, acknowledged together."""

    source: str  # jt808, nmea, mqtt
    place: str  # peer address or topic
    received_at: int  # µs UTC
    reports: Sequence[Report] = ()
    refused: Sequence[Refusal] = ()
    swipes: Sequence[CardSwipe] = ()

    @property
    def weight(self) -> int:
        """How much room it takes in the queue: its rows, at least one."""
        return max(1, len(self.reports) + len(self.refused) + len(self.swipes))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stored parcel: terminal numbers that no vehicle is bound to (their reports are in quarantine)."""

    unknown: frozenset[str] = field(default_factory=frozenset)


STORED = Outcome()
