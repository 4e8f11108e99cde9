"""Who a terminal and its driver are: registration 0x0100, authentication 0x0102, properties 0x0107, driver's card 0x0702."""

from typing import Any

from geo.localtime import to_datetime
from ingest.errors import FieldError, FrameError
from ingest.jt808.header import Header
from ingest.jt808.values import Cursor, named_bits, read_time

PLATE_COLOURS = {0: "none", 1: "blue", 2: "yellow", 3: "black", 4: "white", 5: "green", 9: "other"}
CARD_RESULTS = {0: "read", 1: "key_failed", 2: "locked", 3: "pulled_out", 4: "checksum_wrong"}
_KINDS = (
    "passenger", "dangerous_goods", "freight", "taxi", "bit_4", "bit_5", "hard_disk_recording", "split", "trailer",
)  # fmt: skip
_GNSS = ("gps", "beidou", "glonass", "galileo")
_NETWORKS = ("gprs", "cdma", "td_scdma", "wcdma", "cdma2000", "td_lte", "bit_6", "other")

# (maker, model, terminal id) of 0x0100 by edition, in bytes
_REGISTRATION_FIELDS = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}
# The same of 0x0107, the likeliest first: of 2019, implementations have the maker in 11 bytes and in 5.
_PROPERTY_FIELDS = ((5, 20, 7), (11, 30, 30), (5, 30, 30))
_PROPERTY_FIELDS_2019 = ((11, 30, 30), (5, 30, 30), (5, 20, 7))

Facts = dict[str, Any]


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


def read_properties(body: bytes, header: Header) -> Facts:
    """0x0107 (2013, 2019): the lengths of maker, model and id are those with which the body ends where it should."""
    for maker, model, number in _PROPERTY_FIELDS_2019 if header.version else _PROPERTY_FIELDS:
        hardware_at = 2 + maker + model + number + 10
        if len(body) <= hardware_at:
            continue
        firmware_at = hardware_at + 1 + body[hardware_at]
        if len(body) > firmware_at and firmware_at + 1 + body[firmware_at] + 2 == len(body):
            return _read_properties(Cursor(body), maker, model, number)
    raise FrameError("properties", "lengths that fill the body", f"{len(body)} bytes")


def _read_properties(cursor: Cursor, maker: int, model: int, number: int) -> Facts:
    return {
        "kinds": named_bits(cursor.uint(2), _KINDS),
        "maker": cursor.text(maker),
        "model": cursor.text(model),
        "terminal_id": cursor.text(number),
        "iccid": cursor.take(10).hex(),
        "hardware": cursor.text(cursor.uint(1)),
        "firmware": cursor.text(cursor.uint(1)),
        "gnss": named_bits(cursor.uint(1), _GNSS),
        "networks": named_bits(cursor.uint(1), _NETWORKS),
    }


def read_card(body: bytes, header: Header) -> Facts:
    """0x0702: a driver's card put in or taken out. 2011 has neither status nor time: name, id, licence, issuer."""
    if not header.version and _is_card_2011(body):
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
        return facts  # the rest stands there only when the card could be read
    facts |= {"name": cursor.text(cursor.uint(1)), "licence": cursor.text(20), "issuer": cursor.text(cursor.uint(1))}
    valid_until = cursor.take(4).hex()
    facts["valid_until"] = f"{valid_until[:4]}-{valid_until[4:6]}-{valid_until[6:]}"
    if header.version and cursor.left >= 20:
        facts["id_number"] = cursor.text(20)
    if cursor.left:
        facts["unread"] = cursor.take(cursor.left).hex()
    return facts


def _is_card_2011(body: bytes) -> bool:
    """Whether the first byte is no status, or is a name's length all the same since no time follows."""
    if not body or body[0] not in {1, 2} or len(body) < 7:
        return True
    try:
        read_time(body[1:7])
    except FieldError:
        issuer_at = 1 + body[0] + 20 + 40
        return len(body) > issuer_at and issuer_at + 1 + body[issuer_at] == len(body)
    return False


def _read_card_2011(body: bytes) -> Facts:
    cursor = Cursor(body)
    facts: Facts = {"name": cursor.text(cursor.uint(1)), "id_number": cursor.text(20), "licence": cursor.text(40)}
    return facts | {"issuer": cursor.text(cursor.uint(1))}
