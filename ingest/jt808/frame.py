"""Frames: `7e | header | body | checksum | 7e`, escaped `7e → 7d 02`, `7d → 7d 01` (JT/T 808-2019 §4.4).

Escaping is done last on sending and first on receiving, over header, body and checksum. Two frames may share one `7e`.
"""

from functools import reduce
from operator import xor

from ingest.errors import FrameError, Refusal

DELIMITER = 0x7E
# A body has at most 1,023 bytes, the longest header 21, and every byte may need an escape.
MAX_FRAME_BYTES = 2 * (21 + 1023 + 1)


class FrameSplitter:
    """Cuts a byte stream into what stands between delimiters, whatever the chunks; holds at most `limit` bytes.

    `feed` gives, in order, the frames without their delimiters and still escaped, and for what can be no frame — bytes
    before the first delimiter, or more than `limit` without one — a `Refusal` with its first bytes.
    """

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit
        self._held = bytearray()
        self._started = False
        self._skipping = False  # the current segment was refused: drop it up to the next delimiter

    def feed(self, chunk: bytes) -> list[bytes | Refusal]:
        """Frames and refusals that the chunk completes."""
        found: list[bytes | Refusal] = []
        *ended, rest = bytes(chunk).split(b"\x7e")
        for segment in ended:
            self._grow(segment, found)
            if not self._skipping and self._held:
                held = bytes(self._held)
                found.append(held if self._started else Refusal(held, _no_delimiter()))
            self._held.clear()
            self._skipping = False
            self._started = True
        self._grow(rest, found)
        return found

    def split(self, chunk: bytes) -> tuple[list[bytes | Refusal], bytes, list[bytes | Refusal]]:
        """`feed` without cutting what the chunk holds whole: what is found before, `7e frame 7e frame … 7e`, and after."""
        first, last = chunk.find(b"\x7e"), chunk.rfind(b"\x7e")
        if first == last:
            return self.feed(chunk), b"", []
        before = self.feed(chunk[: first + 1])
        return before, chunk[first : last + 1], self.feed(chunk[last + 1 :])

    def close(self) -> list[bytes | Refusal]:
        """What is left when the stream ends: nothing, or the beginning of a frame."""
        held, self._held = bytes(self._held), bytearray()
        return [Refusal(held, FrameError("frame", "a closing 7e", f"the end after {len(held)} bytes"))] if held else []

    def _grow(self, segment: bytes, found: list[bytes | Refusal]) -> None:
        if self._skipping:
            return
        self._held += segment[: self._limit + 1]
        if len(self._held) > self._limit:
            error = FrameError("frame", f"at most {self._limit} bytes", "more") if self._started else _no_delimiter()
            found.append(Refusal(bytes(self._held[: self._limit]), error))
            self._held.clear()
            self._skipping = True


def escape(content: bytes) -> bytes:
    """A frame as sent, delimiters included, of header and body; the checksum is added."""
    whole = content + bytes([checksum(content)])
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unescape(frame: bytes) -> bytes:
    """Header and body of a frame (without delimiters); FrameError on a bad escape, length or checksum."""
    if b"\x7d" in frame:
        marks = frame.count(b"\x7d")
        if frame.count(b"\x7d\x01") + frame.count(b"\x7d\x02") != marks:
            raise FrameError("escape", "7d01 or 7d02", "another byte after 7d")
        frame = bare(frame)
    if len(frame) < 13:
        raise FrameError("frame", "at least 13 bytes", str(len(frame)))
    expected, got = checksum(frame[:-1]), frame[-1]
    if expected != got:
        raise FrameError("checksum", f"0x{expected:02x}", f"0x{got:02x}")
    return frame[:-1]


def bare(frame: bytes) -> bytes:
    """Header, body and checksum of a frame whose escapes are sound."""
    return frame.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def checksum(content: bytes) -> int:
    """XOR of all bytes."""
    return reduce(xor, content, 0)


def _no_delimiter() -> FrameError:
    return FrameError("frame", "7e", "bytes before the first delimiter")
