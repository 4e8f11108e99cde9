"""Which reader reads which body; and the short messages of both sides: answers, re-requests, times, pass-through."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ingest.errors import FieldError
from ingest.jt808 import commands, identity, media
from ingest.jt808.header import Header
from ingest.jt808.parameters import read_parameters
from ingest.jt808.values import Cursor

RESULTS = {0: "done", 1: "failed", 2: "wrong", 3: "unsupported", 4: "alarm_confirmed"}
REGISTRATION_RESULTS = {
    0: "done",
    1: "vehicle_already_registered",
    2: "no_such_vehicle",
    3: "terminal_already_registered",
    4: "no_such_terminal",
}
PASS_THROUGH_TYPES = {0x00: "gnss_detail", 0x0B: "transport_card", 0x41: "serial_1", 0x42: "serial_2"}
"""From 0xF0 on they are the vendor's own."""

Facts = dict[str, Any]


def read_answer(body: bytes, _header: Header) -> Facts:
    """0x0001 and 0x8001: what was answered, and how."""
    cursor = Cursor(body)
    answered, message, result = cursor.uint(2), cursor.uint(2), cursor.uint(1)
    return {
        "answered_sequence": answered,
        "answered_message": f"0x{message:04x}",
        "result": RESULTS.get(result, str(result)),
    }


def read_registration_answer(body: bytes, _header: Header) -> Facts:
    """0x8100: the code, when the terminal is accepted."""
    cursor = Cursor(body)
    answered, result = cursor.uint(2), cursor.uint(1)
    facts: Facts = {"answered_sequence": answered, "result": REGISTRATION_RESULTS.get(result, str(result))}
    return facts | ({"code": cursor.text()} if result == 0 else {})


def read_parameters_answer(body: bytes, _header: Header) -> Facts:
    """0x0104: all parameters that stand there; their count only where it says something else."""
    cursor = Cursor(body)
    answered, count = cursor.uint(2), cursor.uint(1)
    found = read_parameters(cursor)
    facts: Facts = {"answered_sequence": answered, "parameters": found}
    got = sum(len(value) if isinstance(value, list) else 1 for value in found.values())
    return facts if got == count else facts | {"count": count}


def read_resend(body: bytes, _header: Header) -> Facts:
    """0x0005 and 0x8003: parts to be sent again.

    The count is a BYTE in 2011 and 2013 and a WORD in 2019, of 0x0005 by implementations either: an odd length has a BYTE.
    """
    cursor = Cursor(body)
    first, count = cursor.uint(2), cursor.uint(1 if len(body) % 2 else 2)
    return {"first_sequence": first, "parts": [cursor.uint(2) for _ in range(count)]}


def read_server_time(body: bytes, _header: Header) -> Facts:
    """0x8004: the platform's time, BCD[6] in UTC."""
    digits = Cursor(body).take(6).hex()
    if not digits.isdecimal():
        raise FieldError("time", "YYMMDDhhmmss", digits)
    return {"time": f"20{digits[:2]}-{digits[2:4]}-{digits[4:6]}T{digits[6:8]}:{digits[8:10]}:{digits[10:]}+00:00"}


def read_vendor_time(body: bytes, _header: Header) -> Facts:
    """0x8109: the platform's time to a vendor's 0x0109: year WORD, month to second and a result BYTE each, in UTC."""
    cursor = Cursor(body)
    year, *rest = cursor.uint(2), *(cursor.uint(1) for _ in range(5))
    try:
        time = datetime(year, *rest, tzinfo=UTC)  # type: ignore[misc, arg-type]  # month to second in their order
    except ValueError:
        raise FieldError("time", "a date and a time", body[:7].hex()) from None
    result = cursor.uint(1)
    return {"time": time.isoformat(), "result": RESULTS.get(result, str(result))}


def read_pass_through(body: bytes, _header: Header) -> Facts:
    """0x0900: data that are none of this protocol's, in hex as they came."""
    cursor = Cursor(body)
    kind = cursor.uint(1)
    return {"type": PASS_THROUGH_TYPES.get(kind, f"0x{kind:02x}"), "data": cursor.take(cursor.left).hex()}


def read_nothing(body: bytes, _header: Header) -> Facts:
    """A message without a body; bytes that stand there all the same are kept."""
    return {"body": body.hex()} if body else {}


READERS: dict[int, Callable[[bytes, Header], Facts]] = {
    0x0001: read_answer,
    0x0002: read_nothing,
    0x0003: read_nothing,
    0x0004: read_nothing,
    0x0005: read_resend,
    0x0100: identity.read_registration,
    0x0102: identity.read_authentication,
    0x0104: read_parameters_answer,
    0x0107: identity.read_properties,
    0x0109: read_nothing,
    0x0702: identity.read_card,
    0x0800: media.read_media_event,
    0x0900: read_pass_through,
    0x8001: read_answer,
    0x8003: read_resend,
    0x8004: read_server_time,
    0x8100: read_registration_answer,
    0x8103: commands.read_parameters_set,
    0x8104: read_nothing,
    0x8106: commands.read_parameters_asked,
    0x8107: read_nothing,
    0x8109: read_vendor_time,
    0x8201: read_nothing,
    0x8202: commands.read_tracking,
    0x8300: commands.read_text_message,
    0x8800: media.read_media_answer,
}
"""Message id → reader of its body. Positions (0x0200, 0x0201, 0x0704) and media data (0x0801) have readers of their own."""
