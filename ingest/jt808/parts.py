"""Joining messages that come in parts: consecutive sequence numbers, bodies joined in the order of their index."""

from dataclasses import dataclass, field

from ingest.errors import FieldError
from ingest.jt808.header import Header

# A part has at most 1,023 bytes; multimedia of a few hundred kilobytes is the largest a terminal sends.
MAX_PARTS = 1_000
MAX_OPEN_MESSAGES = 8


@dataclass(slots=True)
class _Open:
    parts: int
    first_sequence: int
    bodies: dict[int, bytes] = field(default_factory=dict)
    sequences: dict[int, int] = field(default_factory=dict)


class PartStore:
    """Parts of one connection's unfinished messages. Bounded: the oldest unfinished message gives way to a new one."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Open] = {}
        self.given_up: list[tuple[int, int]] = []  # (message id, first sequence) that gave way, for the owner to count

    def add(self, header: Header, body: bytes) -> tuple[bytes, tuple[int, ...]] | None:
        """The whole body and the sequence numbers of its frames once all parts are there, else None."""
        if header.parts > MAX_PARTS:
            raise FieldError("parts", f"at most {MAX_PARTS}", str(header.parts))
        first = (header.sequence - header.part + 1) & 0xFFFF
        key = (header.message_id, first)
        message = self._open.get(key)
        if message is None or message.parts != header.parts:
            message = self._open[key] = _Open(header.parts, first)
            if len(self._open) > MAX_OPEN_MESSAGES:
                oldest = next(iter(self._open))
                del self._open[oldest]
                self.given_up.append(oldest)
        message.bodies[header.part] = body
        message.sequences[header.part] = header.sequence
        if len(message.bodies) < message.parts:
            return None
        del self._open[key]
        order = range(1, message.parts + 1)
        return b"".join(message.bodies[i] for i in order), tuple(message.sequences[i] for i in order)

    def missing(self) -> list[tuple[int, list[int]]]:
        """(first sequence, missing part numbers) of each unfinished message, for 0x8003."""
        return [
            (each.first_sequence, [i for i in range(1, each.parts + 1) if i not in each.bodies])
            for each in self._open.values()
        ]
