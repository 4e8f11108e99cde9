"""Lines: `$TTSSS,…*hh`, CR, LF. A lost line end joins two sentences; each `$` begins a new one all the same."""

from ingest.errors import FrameError, Refusal

# The standard says 82; receivers send longer ones.
MAX_LINE_BYTES = 1024


class LineSplitter:
    """Cuts a byte stream into sentences, whatever the chunks; holds at most `limit` bytes.

    `feed` gives sentences from their `$` on, without line end, and a `Refusal` for what begins otherwise or is too
    long.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._held = bytearray()
        self._skipping = False  # the current line was refused: drop it up to its end

    def feed(self, chunk: bytes) -> list[bytes | Refusal]:
        """Sentences and refusals that the chunk completes."""
        found: list[bytes | Refusal] = []
        *ended, rest = chunk.replace(b"\r", b"\n").split(b"\n")
        for segment in ended:
            self._grow(segment, found)
            if not self._skipping:
                found += _sentences(bytes(self._held))
            self._held.clear()
            self._skipping = False
        self._grow(rest, found)
        return found

    def close(self) -> list[bytes | Refusal]:
        """What is left when the stream ends: a last line without its end is a line."""
        return self.feed(b"\n")

    @property
    def idle(self) -> bool:
        """Whether the next byte begins a line."""
        return not self._held and not self._skipping

    def _grow(self, segment: bytes, found: list[bytes | Refusal]) -> None:
        if self._skipping:
            return
        self._held += segment[: self._limit + 1]
        if len(self._held) > self._limit:
            error = FrameError("line", f"at most {self._limit} bytes", "more")
            found.append(Refusal(bytes(self._held[: self._limit]), error))
            self._held.clear()
            self._skipping = True


def _sentences(line: bytes) -> list[bytes | Refusal]:
    before, *sentences = line.strip().split(b"$")
    found: list[bytes | Refusal] = []
    if before.strip():
        found.append(Refusal(before, FrameError("sentence", "$", repr(before[:8])[1:])))
    return found + [b"$" + sentence.strip() for sentence in sentences]
