"""What the platform asks of a terminal, written and read: parameters, position, tracking, text.

There is nothing here that cuts an engine or its fuel (0x8105, 0x8500), and nothing shall be.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ingest.errors import FieldError
from ingest.jt808.header import BODY_BITS, Header
from ingest.jt808.parameters import parameter_name, read_parameters, write_ids, write_parameters
from ingest.jt808.values import Cursor

RESEND, SET_PARAMETERS, QUERY_ALL, QUERY_SOME, QUERY_PROPERTIES = 0x8003, 0x8103, 0x8104, 0x8106, 0x8107
LOCATE, TRACK, TEXT = 0x8201, 0x8202, 0x8300
MAX_PARTS_ASKED = {False: 255, True: (BODY_BITS - 4) // 2}
"""Parts that one 0x8003 can ask for, by whether it is of 2019: what a BYTE counts, and what a body holds."""

_URGENT_BIT, _DISPLAY_BIT, _SPEAK_BIT = 1, 1 << 2, 1 << 3
_CATEGORIES_2019 = {1: "service", 2: "urgent", 3: "notice"}  # bits 0 and 1
_TYPES_2019 = {1: "notice", 2: "service"}

Facts = dict[str, Any]


def parameters_body(values: Mapping[str, Any]) -> bytes:
    """0x8103 of parameters by name, or by id as written."""
    return _whole("parameters", write_parameters(values))


def asked_body(names: Iterable[str]) -> bytes:
    """0x8106 of the names of parameters, or their ids as written."""
    return _whole("parameters", write_ids(names))


def tracking_body(interval_s: int, for_s: int) -> bytes:
    """0x8202: every `interval_s` for `for_s`; an interval of 0 stops it, and nothing follows."""
    return interval_s.to_bytes(2, "big") + (for_s.to_bytes(4, "big") if interval_s else b"")


def text_body(text: str, version: int, *, urgent: bool = False, display: bool = True, speak: bool = False) -> bytes:
    """0x8300 of a text in GBK; 2019 has two bits for what it is and says it once more in a byte."""
    flags = display * _DISPLAY_BIT | speak * _SPEAK_BIT
    try:
        raw = text.encode("gbk")
    except UnicodeEncodeError as error:
        raise FieldError("text", "characters of GBK", repr(text[error.start])) from None
    if not version:
        return _whole("text", bytes([flags | urgent * _URGENT_BIT]) + raw)
    return _whole("text", bytes([flags | (2 if urgent else 3), 1]) + raw)


def resend_body(version: int, first_sequence: int, parts: Iterable[int]) -> bytes:
    """0x8003: as many of the parts as one message can ask for; the count is a WORD in 2019 and a BYTE before."""
    chosen = list(parts)[: MAX_PARTS_ASKED[bool(version)]]
    count = len(chosen).to_bytes(2 if version else 1, "big")
    return first_sequence.to_bytes(2, "big") + count + b"".join(part.to_bytes(2, "big") for part in chosen)


def read_parameters_set(body: bytes, _header: Header) -> Facts:
    """0x8103: parameters by name."""
    cursor = Cursor(body)
    cursor.take(1)
    return {"parameters": read_parameters(cursor)}


def read_parameters_asked(body: bytes, _header: Header) -> Facts:
    """0x8106: names of parameters."""
    cursor = Cursor(body)
    return {"names": [parameter_name(cursor.uint(4)) for _ in range(cursor.uint(1))]}


def read_tracking(body: bytes, _header: Header) -> Facts:
    """0x8202: an interval of 0 stops it."""
    cursor = Cursor(body)
    interval_s = cursor.uint(2)
    return {"interval_s": interval_s} | ({"for_s": cursor.uint(4)} if interval_s else {})


def read_text_message(body: bytes, header: Header) -> Facts:
    """0x8300: the text and where it is to be shown."""
    cursor = Cursor(body)
    flags = cursor.uint(1)
    facts: Facts = {"display": bool(flags & _DISPLAY_BIT), "speak": bool(flags & _SPEAK_BIT), "flags": flags}
    if header.version:
        kind = cursor.uint(1)
        facts |= {"category": _CATEGORIES_2019.get(flags & 3, "none"), "type": _TYPES_2019.get(kind, str(kind))}
        facts["urgent"] = flags & 3 == 2
    else:
        facts["urgent"] = bool(flags & _URGENT_BIT)
    return facts | {"text": cursor.text()}


def _whole(subject: str, body: bytes) -> bytes:
    if len(body) > BODY_BITS:
        raise FieldError(subject, f"at most {BODY_BITS} bytes in one message", str(len(body)))
    return body
