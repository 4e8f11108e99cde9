"""What a receiver hands to the intake in one go, and what comes back once it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.columns import Columns
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


@dataclass(frozen=True, slots=True)
class TerminalEvent:
    """What a terminal said or did beside positions, or a finding on it.

    Kinds: `online`, `offline` (facts: why), `registered`, `authenticated`, `properties`, `parameters`, `media`,
    `pass_through`, `card` (a card message without a time); and the findings `twice` (the number is connected from
    elsewhere too), `wrong_code`, `unknown` (no vehicle is bound to it), `gap` (sequence numbers that never came).
    """

    terminal: str
    kind: str
    at: int  # µs UTC
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, sound or film as it was sent; `facts` as the header of 0x0801 has them."""

    terminal: str
    media_no: int
    facts: Mapping[str, Any]
    data: bytes


@dataclass(frozen=True, slots=True)
class RawFrames:
    """Bytes as they came. `terminal`: "" where nobody's number stands in them; `place`: "" for that of the parcel."""

    terminal: str
    data: bytes
    place: str = ""


@dataclass(slots=True)
class Parcel:
    """Everything one read, message or line brought: stored in one transaction, acknowledged together."""

    source: str  # jt808, nmea, mqtt
    place: str  # peer address or topic
    received_at: int  # µs UTC
    reports: Sequence[Report] = ()
    refused: Sequence[Refusal] = ()
    swipes: Sequence[CardSwipe] = ()
    events: Sequence[TerminalEvent] = ()
    media: Sequence[Media] = ()
    columns: Columns | None = None
    raw: Sequence[RawFrames] = ()  # what all this stood in, where it is kept

    @property
    def rows(self) -> int:
        """Positions, refusals and swipes: what the ledger counts."""
        columns = len(self.columns) if self.columns is not None else 0
        return len(self.reports) + len(self.refused) + len(self.swipes) + columns

    @property
    def weight(self) -> int:
        """How much room it takes in the queue: all it holds, at least one."""
        return max(1, self.rows + len(self.events) + len(self.media) + len(self.raw))

    def halves(self) -> "tuple[Parcel, Parcel] | None":
        """Two parcels that hold what this one holds; None where it holds one thing."""
        columns = self.columns.pieces() if self.columns is not None else []
        things = [
            *(("reports", each) for each in self.reports),
            *(("refused", each) for each in self.refused),
            *(("swipes", each) for each in self.swipes),
            *(("events", each) for each in self.events),
            *(("media", each) for each in self.media),
            *(("raw", each) for each in self.raw),
        ]
        if (columns and things) or len(columns) > 1:
            rest = self._of(things)
            if things:
                return replace(self, reports=(), refused=(), swipes=(), events=(), media=(), raw=()), rest
            return replace(self, columns=columns[0]), replace(self, columns=columns[1])
        middle = len(things) // 2
        return (self._of(things[:middle]), self._of(things[middle:])) if middle else None

    def _of(self, things: Sequence[tuple[str, Any]]) -> "Parcel":
        kinds = ("reports", "refused", "swipes", "events", "media", "raw")
        chosen: dict[str, Any] = {kind: [each for name, each in things if name == kind] for kind in kinds}
        return Parcel(self.source, self.place, self.received_at, **chosen)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (self.rows or self.events or self.media or self.raw)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A stored parcel, and what of it is not to be acknowledged.

    `unknown`: terminal numbers that no vehicle is bound to (their reports are in quarantine). `unkept`: numbers of media
    that could not be written to their folder.
    """

    unknown: frozenset[str] = field(default_factory=frozenset)
    unkept: frozenset[int] = field(default_factory=frozenset)

    def with_those_of(self, other: "Outcome") -> "Outcome":
        """The outcome of both parcels together."""
        return Outcome(self.unknown | other.unknown, self.unkept | other.unkept)


STORED = Outcome()
