"""A conversation with terminals, whatever carries it: bytes in, parcels to the intake, answers out once they are stored.

A platform (the standard's word for our side) is one for each protocol and shared by all its connections; a session is
one connection, or one address where there are none; a link is what carries it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from time import time_ns
from typing import Protocol

from ingest.intake import Intake, IntakeClosedError
from ingest.parcel import Outcome, Parcel

# Parcels of one session that wait for the store; past it its link is not read: none can fill the intake alone.
MAX_PENDING_PARCELS = 64

AnswerMaker = Callable[[Outcome], bytes]
"""Makes the answers to one parcel, as sent, of the outcome of storing it."""


class Link(Protocol):
    """What carries a session."""

    host: str  # of the peer
    port: int
    local_port: int

    def send(self, data: bytes) -> None:
        """Send now; nothing happens on a link that is gone."""

    def look(self) -> None:
        """Look again whether more may be read: the session is less busy than it was."""


class Platform(ABC):
    """Our side of one protocol. `counts` says what happened, by name."""

    name = "terminals"

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def session(self, link: Link) -> "Session":
        """A session over a new link."""


class Session(ABC):
    """One conversation: takes what its link brings, and sends answers in order, each after its parcel is stored."""

    def __init__(self, platform: Platform, link: Link) -> None:
        self.link = link
        self._intake = platform.intake
        self._pending: deque[asyncio.Future[Outcome]] = deque()

    @property
    def place(self) -> str:
        """The peer's address, as it is kept beside what came from it."""
        return f"{self.link.host}:{self.link.port}"

    @property
    def busy(self) -> bool:
        """Whether nothing more should be read for now."""
        return len(self._pending) >= MAX_PENDING_PARCELS

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Take what one read brought."""

    def cut(self) -> None:  # noqa: B027 - only where a protocol holds something back
        """What came so far is whole, as a datagram is: nothing of it goes on in the next."""

    def rest(self) -> None:  # noqa: B027 - as above
        """Nothing came for `tcp.REST_S`."""

    def end(self) -> None:  # noqa: B027 - as above
        """Nothing more will come: take what is left."""

    def gone(self, why: str) -> None:  # noqa: B027 - as above
        """The link is over: `hung up`, `silent` or `stopped`."""

    async def settled(self, timeout_s: float) -> None:
        """Wait a little for what is still being stored; the answers are sent then."""
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=timeout_s)
            await asyncio.sleep(0)  # the callbacks run one turn after the futures

    @property
    def settling(self) -> bool:
        """Whether something is still being stored."""
        return bool(self._pending)

    def hand_over(self, parcel: Parcel, answer: AnswerMaker) -> None:
        """Put a parcel to the intake; what `answer` makes of its outcome is sent once it is stored, nothing if never."""
        try:
            stored = self._intake.offer(parcel)
        except IntakeClosedError:
            return  # not taken, so not acknowledged: the terminal sends it again
        self._pending.append(stored)
        stored.add_done_callback(lambda done: self._answer(done, answer))

    def note(self, parcel: Parcel) -> None:
        """Put a parcel to the intake that nobody waits for."""
        try:
            self._intake.offer(parcel)
        except IntakeClosedError:
            return

    def _answer(self, stored: asyncio.Future[Outcome], answer: AnswerMaker) -> None:
        self._pending.remove(stored)  # futures are done in order: it stands first
        if not stored.cancelled():
            self.link.send(answer(stored.result()))
        self.link.look()


def now_us() -> int:
    """The present, µs UTC, to the millisecond: below it lies our own scheduling, and a sealed receipt is half as long."""
    return time_ns() // 1_000_000 * 1000


def silence(_outcome: Outcome) -> bytes:
    """No answer."""
    return b""
