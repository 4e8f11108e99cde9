"""Bodies other than positions: registration, authentication, card, answers. Each reader gives the facts by name."""

from collections.abc import Callable
from typing import Any

from geo.localtime import to_datetime
from ingest.errors import FieldError
from ingest.jt808.header import Header
from ingest.jt808.values import Cursor, read_time

PLATE_COLOURS = {0: "none", 1: "blue", 2: "yellow", 3: "black", 4: "white", 5: "green", 9: "other"}
RESULTS = {0: "done", 1: "failed", 2: "wrong", 3: "unsupported", 4: "alarm_confirmed"}
REGISTRATION_RESULTS = {
    0: "done",
    1: "vehicle_already_registered",
    2: "no_such_vehicle",
    3: "terminal_already_registered",
    4: "no_such_terminal",
}
CARD_RESULTS = {0: "read", 1: "key_failed", 2: "locked", 3: "pulled_out", 4: "checksum_wrong"}

Facts = dict[str, Any]

# (edition, maker, model, terminal id) of 0x0100 by edition, in bytes
_REGISTRATION_FIELDS = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}


def read_registration(body: bytes, header: Header) -> Facts:
    """0x0100. 2011 and 2013 share a header: under 37 bytes it is 2011, else the byte that is a plate colour decides."""
    edition = 2019 if header.version else 2013
    if edition == 2013 and (len(body) < 37 or (body[36] not in PLATE_COLOURS and body[24] in PLATE_COLOURS)):
        edition = 2011
    maker, model, number = _REGISTRATION_FIELDS[edition]
    cursor = Cursor(body)
    facts: Facts = {"edition": edition, "province": cursor.uint(2), "city": cursor.uint(2)}
    facts |= {"maker": cursor.text(maker), "model": cursor.text(model), "terminal_id": cursor.text(number)}
    colour = cursor.uint(1)
    facts["plate_colour"] = PLATE_COLOURS.get(colour, str(colour))
    facts["vin" if colour == 0 else "plate"] = cursor.text()
    return facts


def read_authentication(body: bytes, header: Header) -> Facts:
    """0x0102: the code; from 2019 on also IMEI and software version."""
    if not header.version:
        return {"code": Cursor(body).text()}
    cursor = Cursor(body)
    code = cursor.text(cursor.uint(1))
    return {"code": code, "imei": cursor.text(15), "software": cursor.text(20)}


def read_card(body: bytes, header: Header) -> Facts:
    """0x0702: a driver's card put in or taken out. 2011 has no status byte: name, id, licence, issuer."""
    if not header.version and (not body or body[0] not in {1, 2} or len(body) < 7):
        return _read_card_2011(body)
    cursor = Cursor(body)
    status = cursor.uint(1)
    if status not in {1, 2}:
        raise FieldError("card status", "1 or 2", str(status))
    facts: Facts = {"inserted": status == 1, "time": to_datetime(read_time(cursor.take(6))).isoformat()}
    if status == 2 or not cursor.left:
        return facts
    result = cursor.uint(1)
    facts["result"] = CARD_RESULTS.get(result, str(result))
    if not cursor.left:
        return facts
    facts["name"] = cursor.text(cursor.uint(1))
    facts["licence"] = cursor.text(20)
    facts["issuer"] = cursor.text(cursor.uint(1))
    valid_until = cursor.take(4).hex()
    facts["valid_until"] = f"{valid_until[:4]}-{valid_until[4:6]}-{valid_until[6:]}"
    if header.version and cursor.left >= 20:
        facts["id_number"] = cursor.text(20)
    return facts


def _read_card_2011(body: bytes) -> Facts:
    cursor = Cursor(body)
    facts: Facts = {"name": cursor.text(cursor.uint(1)), "id_number": cursor.text(20), "licence": cursor.text(40)}
    return facts | {"issuer": cursor.text(cursor.uint(1))}


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


def read_resend(body: bytes, header: Header) -> Facts:
    """0x0005 and 0x8003: parts to be sent again; 0x8003 counts in a BYTE before 2019."""
    cursor = Cursor(body)
    first = cursor.uint(2)
    count = cursor.uint(1 if header.message_id == 0x8003 and not header.version else 2)
    return {"first_sequence": first, "parts": [cursor.uint(2) for _ in range(count)]}


def read_server_time(body: bytes, _header: Header) -> Facts:
    """0x8004: the platform's time, BCD[6] in UTC."""
    digits = Cursor(body).take(6).hex()
    if not digits.isdecimal():
        raise FieldError("time", "YYMMDDhhmmss", digits)
    return {"time": f"20{digits[:2]}-{digits[2:4]}-{digits[4:6]}T{digits[6:8]}:{digits[8:10]}:{digits[10:]}+00:00"}


def read_nothing(_body: bytes, _header: Header) -> Facts:
    """A message without a body: 0x0002, 0x0003, 0x0004; bytes that stand there all the same are kept."""
    return {"body": _body.hex()} if _body else {}


READERS: dict[int, Callable[[bytes, Header], Facts]] = {
    0x0001: read_answer,
    0x0002: read_nothing,
    0x0003: read_nothing,
    0x0004: read_nothing,
    0x0005: read_resend,
    0x0100: read_registration,
    0x0102: read_authentication,
    0x0702: read_card,
    0x8001: read_answer,
    0x8003: read_resend,
    0x8004: read_server_time,
    0x8100: read_registration_answer,
}
"""Message id → reader of its body. Positions (0x0200, 0x0201, 0x0704) have readers of their own."""
