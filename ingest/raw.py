"""What terminals say byte by byte, on its way to the store (setting `keep_raw_frames`).

A connection's bytes are held until they make whole frames or lines, and go with the parcel of what is found in them. So
all that is kept of a connection is, one after the other, what it said, however it was cut on the way; and nothing is
acknowledged whose bytes are not stored.
"""

from collections.abc import Callable, Sequence

from ingest.errors import DecodeError
from ingest.jt808.frame import unescape
from ingest.jt808.header import VERSION_BIT
from ingest.mqtt_packets import Message
from ingest.mqtt_parcel import Route, Router
from ingest.parcel import RawFrames

HELD_BYTES = 65_536
"""Past so many bytes without an end of a frame or line, they are kept as they are."""


class RawStream:
    """What one connection said and no parcel holds yet. `end_of` gives where the last whole frame or line ends."""

    def __init__(self, end_of: Callable[[bytes], int]) -> None:
        self._end_of = end_of
        self._held = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what one read brought."""
        self._held += data
        self._ended = False

    def end(self) -> None:
        """What came so far goes on in nothing that follows: it is whole as it is."""
        self._ended = True

    @property
    def overdue(self) -> bool:
        """Whether something should be kept that no frame or line waits for."""
        return bool(self._held) and (self._ended or len(self._held) > HELD_BYTES)

    def take(self) -> bytes:
        """The bytes of whole frames or lines; all of them where they are overdue."""
        end = len(self._held) if self.overdue else self._end_of(bytes(self._held))
        taken = bytes(self._held[:end])
        del self._held[:end]
        return taken


def frames_end(data: bytes) -> int:
    """Where the last whole JT/T 808 frame ends. Of two delimiters side by side the second begins the next frame."""
    last = data.rfind(b"\x7e")
    return last if last <= 0 or data[last - 1] == 0x7E else last + 1


def lines_end(data: bytes) -> int:
    """Where the last whole NMEA line ends."""
    return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1


def by_terminal(data: bytes, otherwise: str = "") -> list[RawFrames]:
    """JT/T 808 frames, which a gateway sends of many terminals: runs of frames of one terminal each.

    The bytes of all runs one after the other are `data`. What is no sound frame is said by `otherwise`.
    """
    runs: list[tuple[str, bytearray]] = []
    waiting = bytearray()
    *ended, rest = data.split(b"\x7e")
    for segment in ended:
        waiting += segment + b"\x7e"
        if segment:
            _add(runs, _terminal_in(segment) or otherwise, waiting)
            waiting = bytearray()
    if waiting or rest:
        _add(runs, runs[-1][0] if runs else otherwise, waiting + rest)
    return [RawFrames(terminal, bytes(run)) for terminal, run in runs]


def raw_payloads(messages: Sequence[Message], router: Router) -> list[RawFrames]:
    """The payloads of MQTT messages, each with its topic and the terminal that this names."""
    found = []
    for message in messages:
        route = router.route(message.topic)
        found.append(RawFrames(route.terminal if isinstance(route, Route) else "", message.payload, message.topic))
    return found


def _add(runs: list[tuple[str, bytearray]], terminal: str, data: bytearray) -> None:
    if runs and runs[-1][0] == terminal:
        runs[-1][1].extend(data)
    else:
        runs.append((terminal, data))


def _terminal_in(frame: bytes) -> str:
    """The terminal's number in a frame's header; "" where there is no sound frame."""
    try:
        content = unescape(frame)
    except DecodeError:
        return ""
    number = (content[5:15] if content[2] << 8 & VERSION_BIT else content[4:10]).hex()
    return number if number.isdecimal() else ""
