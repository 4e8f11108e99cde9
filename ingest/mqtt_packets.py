"""MQTT packets as far as a receiver needs them, version 3.1.1 and 5: bytes to packets and back, no socket.

    packet       way   what it holds, after the fixed header (type and flags, then the length of the rest)
    1 CONNECT    out   "MQTT", level, flags, keep alive, [properties], client id, [user name], [password]
    2 CONNACK    in    session present, reason, [properties]
    3 PUBLISH    in    topic, [number], [properties], payload; flags: DUP, QoS, RETAIN
    4 PUBACK     out   number                             QoS 1: it is stored
    5 PUBREC     out   number                             QoS 2: it is stored
    6 PUBREL     in    number                             QoS 2: the broker knows
    7 PUBCOMP    out   number                             QoS 2: the number is free
    8 SUBSCRIBE  out   number, [properties], filter and QoS of each
    9 SUBACK     in    number, [properties], reason of each
    10 UNSUBSCRIBE out number, [properties], filters;     11 UNSUBACK in
    12 PINGREQ   out;  13 PINGRESP in;  14 DISCONNECT both ways: [reason]

Properties stand in version 5 only, behind their own length. MQTT 5.0 and 3.1.1 (OASIS), chapters 2 and 3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ingest.errors import FrameError

MAX_PAYLOAD_BYTES = 1_048_576
"""Of a larger payload only the first `KEPT_BYTES` are kept; what remains of it is read past."""
KEPT_BYTES = 65_536
# A topic (65,535 bytes), a number, and as much again for properties: where the payload begins is known by then.
_HEAD_BYTES = 200_000


class Kind(IntEnum):
    """The packet types a receiver sends or gets, by the number in the fixed header."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Message(NamedTuple):
    """One PUBLISH. `number` is 0 at QoS 0; `size` is that of the payload as sent, of which the start may be kept."""

    topic: str
    payload: bytes
    qos: int
    number: int
    retained: bool
    size: int


class Control(NamedTuple):
    """Any other packet that came: its kind, and its bytes after the fixed header."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """What CONNECT says. `receive_maximum` (messages without an answer) and `session_s` are version 5's."""

    client_id: str
    level: int  # 4: version 3.1.1, 5: version 5
    username: str | None = None
    password: str | None = None
    keep_alive_s: int = 60
    receive_maximum: int = 65_535
    session_s: int = 0


PING = bytes([Kind.PINGREQ << 4, 0])
DISCONNECT = bytes([Kind.DISCONNECT << 4, 0])


class PacketReader:
    """Packets of any chunks of one connection. A fault of the broker's framing is a FrameError; nothing follows it."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._rest = b""
        self._skip = 0  # bytes still to come of a payload that is too large

    def feed(self, data: bytes) -> tuple[list[Message], list[Control]]:
        """Everything that is whole now, in the order it came."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        buffer = self._rest + data if self._rest else data
        messages: list[Message] = []
        controls: list[Control] = []
        at, end = 0, len(buffer)
        while end - at >= 2:
            head, size, start = buffer[at], buffer[at + 1], at + 2
            if size > 127:
                found = _length(buffer, at + 1)
                if found is None:
                    break
                size, start = found
            stop = start + size
            if stop > end:
                if size > MAX_PAYLOAD_BYTES + _HEAD_BYTES and head >> 4 != Kind.PUBLISH:
                    raise FrameError("mqtt", "a packet other than PUBLISH to be short", f"{size} bytes")
                if size <= MAX_PAYLOAD_BYTES + _HEAD_BYTES or end - start < _HEAD_BYTES:
                    break
                messages.append(self._message(buffer, head, start, stop))
                self._skip = stop - end
                at = end
            elif head >> 4 == Kind.PUBLISH:
                messages.append(self._message(buffer, head, start, stop))
                at = stop
            else:
                controls.append(Control(head >> 4, buffer[start:stop]))
                at = stop
        self._rest = buffer[at:]
        return messages, controls

    def _message(self, buffer: bytes, head: int, start: int, stop: int) -> Message:
        qos = head >> 1 & 3
        begin = start + 2
        at = begin + int.from_bytes(buffer[start:begin])
        topic = buffer[begin:at].decode("utf-8", "replace")
        number = 0
        if qos:
            number = int.from_bytes(buffer[at : at + 2])
            at += 2
        if self._level == 5 and at < stop:
            size = buffer[at] if at < len(buffer) else 0
            if size > 127:
                size, at = _length(buffer, at) or (stop, at)
                at += size
            else:
                at += 1 + size
        if at > stop or qos == 3:
            raise FrameError("mqtt", "a message within its packet", f"{buffer[start : start + 40].hex()}")
        size = stop - at
        kept = at + KEPT_BYTES if size > MAX_PAYLOAD_BYTES else stop
        return Message(topic, buffer[at:kept], qos, number, bool(head & 1), size)


def connect(hello: Hello) -> bytes:
    """CONNECT that goes on with the client's session. In 3.1.1 a session is kept, in 5 for `session_s`."""
    body = _text("MQTT") + bytes([hello.level, _connect_flags(hello)]) + hello.keep_alive_s.to_bytes(2)
    if hello.level == 5:
        properties = b"\x11" + hello.session_s.to_bytes(4) + b"\x21" + hello.receive_maximum.to_bytes(2)
        body += bytes([len(properties)]) + properties
    body += _text(hello.client_id)
    body += b"".join(_text(each) for each in (hello.username, hello.password) if each is not None)
    return _packet(Kind.CONNECT, 0, body)


def subscribe(number: int, filters: Sequence[str], qos: int, level: int) -> bytes:
    """SUBSCRIBE to filters. In 5, what is retained comes only where the session has not seen the filter before."""
    options = bytes([qos | 1 << 4 if level == 5 else qos])
    asked = b"".join(_text(each) + options for each in filters)
    return _packet(Kind.SUBSCRIBE, 2, number.to_bytes(2) + b"\x00" * (level == 5) + asked)


def unsubscribe(number: int, filters: Sequence[str], level: int) -> bytes:
    """UNSUBSCRIBE from filters."""
    asked = b"".join(map(_text, filters))
    return _packet(Kind.UNSUBSCRIBE, 2, number.to_bytes(2) + b"\x00" * (level == 5) + asked)


def acknowledgements(kind: Kind, numbers: Iterable[int]) -> bytes:
    """One PUBACK, PUBREC or PUBCOMP for each number, to be written in one go."""
    head = bytes([kind << 4, 2])
    return b"".join(head + number.to_bytes(2) for number in numbers)


def number_of(body: bytes) -> int:
    """The number a PUBREL, SUBACK or UNSUBACK begins with."""
    return int.from_bytes(body[:2])


def refusal(control: Control, level: int) -> str:
    """Why a CONNACK or SUBACK says no, in words; "" when it says yes."""
    if control.kind == Kind.CONNACK:
        codes = [control.body[1]] if len(control.body) > 1 else [0x80]
        names = _CONNACK_311 if level == 4 else _REASONS
    else:
        body = control.body[2:]
        skipped = _length(body, 0) if level == 5 else (0, 0)
        codes = list(body[sum(skipped) :]) if skipped else [0x80]
        codes = [code for code in codes if code > 2] or [0]
        names = _REASONS
    return "" if codes[0] == 0 else names.get(codes[0], f"reason 0x{codes[0]:02x}")


_CONNACK_311 = {
    1: "the protocol version is not spoken",
    2: "the client id is refused",
    3: "the broker is not available",
    4: "bad user name or password",
    5: "not authorised",
}
_REASONS = {
    0x80: "refused without a reason",
    0x84: "the protocol version is not spoken",
    0x85: "the client id is refused",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "the broker is not available",
    0x89: "the broker is busy",
    0x8A: "banned",
    0x8B: "the broker shuts down",
    0x8D: "nothing was heard of us",
    0x8E: "another client took over the session",
    0x8F: "the topic filter is refused",
    0x97: "a quota is used up",
    0x9E: "shared subscriptions are not offered",
    0xA2: "wildcards are not offered",
}


def reason(code: int) -> str:
    """A reason code of version 5 in words."""
    return _REASONS.get(code, f"reason 0x{code:02x}")


def _connect_flags(hello: Hello) -> int:
    return (hello.username is not None) << 7 | (hello.password is not None) << 6


def _packet(kind: Kind, flags: int, body: bytes) -> bytes:
    return bytes([kind << 4 | flags]) + _as_length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _as_length(size: int) -> bytes:
    digits = bytearray()
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    digits.append(size)
    return bytes(digits)


def _length(buffer: bytes, at: int) -> tuple[int, int] | None:
    """A length of one to four bytes and where what it measures begins; None when it is not whole yet."""
    size = 0
    for i, byte in enumerate(buffer[at : at + 4]):
        size |= (byte & 127) << 7 * i
        if byte < 128:
            return size, at + i + 1
    if len(buffer) - at >= 4:
        raise FrameError("mqtt", "a length of at most four bytes", buffer[at : at + 4].hex())
    return None
