"""Pictures, sound and film: event 0x0800, data 0x0801 and the platform's answer 0x8800.

id DWORD | type, format, event, channel BYTE each | 0x0801: position BYTE[28] (2013, 2019) | data
"""

from typing import Any

from ingest.errors import DecodeError
from ingest.jt808.header import Header
from ingest.jt808.position import BASE, read_position
from ingest.jt808.values import Cursor

MEDIA_TYPES = {0: "image", 1: "audio", 2: "video"}
MEDIA_FORMATS = {0: "jpeg", 1: "tif", 2: "mp3", 3: "wav", 4: "wmv"}
MEDIA_EVENTS = {
    0: "platform", 1: "timer", 2: "robbery_alarm", 3: "collision_alarm", 4: "door_opened", 5: "door_closed",
    6: "door_closed_above_20_kmh", 7: "distance",
}  # fmt: skip
_BEGINNINGS = {
    0: (b"\xff\xd8",),
    1: (b"II*\x00", b"MM\x00*"),
    2: (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    3: (b"RIFF",),
    4: (b"\x30\x26\xb2\x75",),
}
"""What files of each format begin with."""

Facts = dict[str, Any]


def read_media_event(body: bytes, _header: Header) -> Facts:
    """0x0800: something was recorded; its data may come as 0x0801."""
    return _head(Cursor(body))


def read_media(body: bytes, header: Header) -> tuple[Facts, bytes]:
    """0x0801: the facts, the position it was taken at among them, and the data.

    2011 has no position, and its header is that of 2013: there is none where the data begin as a file of the format
    does, or where the 28 bytes are no position and are not followed by such a beginning either.
    """
    cursor = Cursor(body)
    facts = _head(cursor)
    rest = body[cursor.at :]
    if len(rest) < BASE.size or (not header.version and rest.startswith(_beginnings(body))):
        return facts, rest
    base, data = rest[: BASE.size], rest[BASE.size :]
    try:
        report = read_position(base, header)
    except DecodeError:
        if not header.version and not data.startswith(_beginnings(body)):
            return facts, rest
        return facts | {"position": base.hex()}, data  # as sent: no time or no place on the globe
    return facts | {"position": report.as_json() | report.note}, data


def read_media_answer(body: bytes, _header: Header) -> Facts:
    """0x8800: nothing after the id when all is there, else the parts to be sent again; 2011 has a count of 0 as well."""
    cursor = Cursor(body)
    facts: Facts = {"media_no": cursor.uint(4)}
    parts = [cursor.uint(2) for _ in range(cursor.uint(1))] if cursor.left else []
    return facts | ({"parts": parts} if parts else {})


def _head(cursor: Cursor) -> Facts:
    media_no, (kind, form, event, channel) = cursor.uint(4), cursor.take(4)
    return {
        "media_no": media_no,
        "type": MEDIA_TYPES.get(kind, str(kind)),
        "format": MEDIA_FORMATS.get(form, str(form)),
        "event": MEDIA_EVENTS.get(event, str(event)),
        "channel": channel,
    }


def _beginnings(body: bytes) -> tuple[bytes, ...]:
    return _BEGINNINGS.get(body[5], ())
