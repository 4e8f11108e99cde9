"""Joining messages that come in parts: consecutive sequence numbers, bodies joined in the order of their index.

Parts are held as the frames that brought them, so that those of a message that is given up go to quarantine as they
were sent. A part that comes again after its message was joined begins the message anew: the other parts are asked for
once more, and what they carry is found to be there already.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ingest.errors import DecodeError, FieldError, FrameError, Refusal
from ingest.jt808.frame import bare
from ingest.jt808.header import Header, read_header

# A part has at most 1,023 bytes; multimedia of a few hundred kilobytes is the largest a terminal sends.
MAX_PARTS = 1_000
MAX_OPEN_MESSAGES = 8
MAX_HELD_BYTES = 1_250_000
"""Of one connection: the largest message there can be, with its headers, escapes and what Python needs for each part."""
MAX_HELD_BYTES_TOGETHER = 64 << 20
"""Of all connections of a process: 600 pictures of 100 kB on their way at once; 8,628 times the bound of one is 10 GB."""
PART_OVERHEAD_BYTES = 150
WAIT_S = 120.0
"""After this long without a new part a message is given up: a terminal repeats itself within 90 s (10 + 20 + 60)."""


class Room:
    """What all connections of a process may hold together."""

    def __init__(self, limit: int = MAX_HELD_BYTES_TOGETHER) -> None:
        self.limit = limit
        self.held = 0


@dataclass(slots=True)
class Unfinished:
    """A message whose parts have not all come; `frames` by part, without delimiters and still escaped."""

    header: Header  # of the part that came first
    first_sequence: int
    touched_at: float
    frames: dict[int, bytes] = field(default_factory=dict)
    held: int = 0

    @property
    def missing(self) -> list[int]:
        """Numbers of the parts that did not come."""
        return [part for part in range(1, self.header.parts + 1) if part not in self.frames]

    @property
    def media_no(self) -> int | None:
        """Of a 0x0801 whose first part is there: its number, by which 0x8800 asks for the others."""
        first = self.frames.get(1) if self.header.message_id == 0x0801 else None
        body = b"" if first is None else read_header(bare(first)[:-1])[1]
        return int.from_bytes(body[:4], "big") if len(body) >= 4 else None


@dataclass(frozen=True, slots=True)
class Joined:
    """A message whose parts are all there: its body, and in their order the sequence numbers and frames it came in."""

    body: bytes
    sequences: tuple[int, ...]
    frames: tuple[bytes, ...]


class PartStore:
    """Parts of one connection's unfinished messages, bounded in messages and bytes; the oldest gives way to a new one.

    Parameters
    ----------
    clock : seconds; the owner's. As it stands still by default, nothing expires.
    room : shared with the other connections of the process; the owner calls `close` when the connection ends.
    """

    def __init__(self, clock: Callable[[], float] = lambda: 0.0, room: Room | None = None) -> None:
        self._open: dict[tuple[str, int, int], Unfinished] = {}
        self._clock = clock
        self._room = room or Room()
        self._held = 0
        self._given_up: list[Refusal] = []

    def __len__(self) -> int:
        return len(self._open)

    def add(self, header: Header, frame: bytes) -> Joined | None:
        """The whole message once all parts are there, else None.

        FieldError on a message in more than MAX_PARTS parts. A part that has another body or another number of parts
        than before is of another message: the earlier one is given up.
        """
        if header.parts > MAX_PARTS:
            raise FieldError("parts", f"at most {MAX_PARTS}", str(header.parts))
        first = (header.sequence - header.part + 1) & 0xFFFF
        key = (header.terminal, header.message_id, first)
        message = self._open.get(key)
        if message is not None and (
            message.header.parts != header.parts or message.frames.get(header.part, frame) != frame
        ):
            self._give_up(key, "parts of one message", f"another of {header.parts} parts under its number")
            message = None
        if message is None:
            message = self._open[key] = Unfinished(header, first, self._clock())
        message.touched_at = self._clock()
        if header.part not in message.frames:
            message.frames[header.part] = frame
            self._hold(message, len(frame) + PART_OVERHEAD_BYTES)
        if len(message.frames) < header.parts:
            self._make_room(key)
            return None
        del self._open[key]
        self._hold(message, -message.held)
        frames = tuple(message.frames[part] for part in range(1, header.parts + 1))
        body = b"".join(read_header(bare(each)[:-1])[1] for each in frames)
        return Joined(body, tuple((first + i) & 0xFFFF for i in range(header.parts)), frames)

    def refuse(self, frames: Iterable[bytes], error: DecodeError) -> None:
        """Leave frames of a message that was joined and cannot be read to `take_given_up`."""
        self._given_up += [Refusal(b"\x7e" + frame + b"\x7e", error) for frame in frames]

    def unfinished(self) -> list[Unfinished]:
        """Messages whose parts have not all come, the oldest first."""
        return list(self._open.values())

    def missing(self) -> list[tuple[int, list[int]]]:
        """(first sequence, missing part numbers) of each unfinished message, for 0x8003."""
        return [(each.first_sequence, each.missing) for each in self._open.values()]

    def expire(self, wait_s: float = WAIT_S) -> None:
        """Give up the messages of which no part came for `wait_s`."""
        now = self._clock()
        for key in [key for key, each in self._open.items() if now - each.touched_at >= wait_s]:
            self._give_up(key, f"the other parts within {wait_s:g} s", "")

    def take_given_up(self) -> list[Refusal]:
        """The frames of messages given up since the last call, each with the reason, for quarantine.

        They hold the earlier parts of a message that `decode` refused too; the last is in the hands of its caller.
        """
        taken, self._given_up = self._given_up, []
        return taken

    def close(self) -> list[Refusal]:
        """Give up all that is unfinished as the connection ends: `take_given_up` for the last time."""
        for key in list(self._open):
            self._give_up(key, "the other parts", "the end after ")
        return self.take_given_up()

    def _make_room(self, newest: tuple[str, int, int]) -> None:
        """Give up the oldest until all bounds hold, the newest itself last."""
        while len(self._open) > MAX_OPEN_MESSAGES or self._held > MAX_HELD_BYTES or self._room.held > self._room.limit:
            oldest = next(key for key in self._open if key != newest or len(self._open) == 1)
            self._give_up(oldest, "room for its parts", "more than can be held after ")
            if not self._open:
                return

    def _give_up(self, key: tuple[str, int, int], expected: str, got: str) -> None:
        message = self._open.pop(key)
        self._hold(message, -message.held)
        error = FrameError("parts", expected, f"{got}{len(message.frames)} of {message.header.parts} parts")
        self.refuse((frame for _, frame in sorted(message.frames.items())), error)

    def _hold(self, message: Unfinished, count: int) -> None:
        message.held += count
        self._held += count
        self._room.held += count
