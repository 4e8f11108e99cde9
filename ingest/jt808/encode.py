"""Frames to send: the platform's answers, and what a terminal says (for the simulated ones and the tests)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from typing import Any

from geo.localtime import to_datetime
from ingest.jt808.commands import resend_body
from ingest.jt808.frame import escape
from ingest.jt808.header import BODY_BITS, Header, write_header
from ingest.jt808.parameters import write_parameters
from ingest.jt808.position import BASE
from ingest.jt808.values import write_text, write_time, write_utc_time
from ingest.report import KMH_PER_MPS, Report

DONE, FAILED, WRONG, UNSUPPORTED = range(4)
REGISTERED, VEHICLE_TAKEN, NO_SUCH_VEHICLE, TERMINAL_TAKEN, NO_SUCH_TERMINAL = range(5)


def frame(header: Header, body: bytes = b"") -> bytes:
    """One frame as sent."""
    return escape(write_header(header, body))


def frames(header: Header, body: bytes, limit: int = BODY_BITS) -> list[bytes]:
    """Frames of a body of any length, in parts of at most `limit` bytes with consecutive sequence numbers."""
    if len(body) <= limit:
        return [frame(header, body)]
    pieces = [body[at : at + limit] for at in range(0, len(body), limit)]
    return [
        frame(
            Header(header.message_id, header.terminal, header.sequence + i, header.version, len(pieces), i + 1), piece
        )
        for i, piece in enumerate(pieces)
    ]


# ---------------------------------------------------------------- from the platform


def general_answer(to: Header, sequence: int, result: int, answered_sequence: int | None = None) -> bytes:
    """0x8001 to a message; `answered_sequence` for another part of it than the last."""
    answered = to.sequence if answered_sequence is None else answered_sequence
    body = answered.to_bytes(2, "big") + to.message_id.to_bytes(2, "big") + bytes([result])
    return frame(Header(0x8001, to.terminal, sequence, to.version), body)


def registration_answer(to: Header, sequence: int, result: int, code: str = "") -> bytes:
    """0x8100: the result, and the authentication code when the terminal is accepted."""
    body = to.sequence.to_bytes(2, "big") + bytes([result]) + (write_text(code) if result == REGISTERED else b"")
    return frame(Header(0x8100, to.terminal, sequence, to.version), body)


def server_time(to: Header, sequence: int, time_us: int) -> bytes:
    """0x8004: the platform's time, in UTC."""
    return frame(Header(0x8004, to.terminal, sequence, to.version), write_utc_time(time_us))


def vendor_time(to: Header, sequence: int, time_us: int) -> bytes:
    """0x8109: the platform's time to a vendor's 0x0109, in UTC."""
    now = to_datetime(time_us).astimezone(UTC)
    parts = (now.month, now.day, now.hour, now.minute, now.second, DONE)
    return frame(Header(0x8109, to.terminal, sequence, to.version), now.year.to_bytes(2, "big") + bytes(parts))


def resend_request(to: Header, sequence: int, first_sequence: int, parts: Sequence[int]) -> bytes:
    """0x8003: ask for parts that did not come; at most 255 at once before 2019, and 509 since."""
    return frame(Header(0x8003, to.terminal, sequence, to.version), resend_body(to.version, first_sequence, parts))


def media_answer(to: Header, sequence: int, media_no: int, missing: Sequence[int] = ()) -> bytes:
    """0x8800: all of it is there, or the parts of its 0x0801 that did not come, at most 255 at once."""
    body = media_no.to_bytes(4, "big")
    if missing:
        chosen = missing[:255]
        body += bytes([len(chosen)]) + b"".join(part.to_bytes(2, "big") for part in chosen)
    return frame(Header(0x8800, to.terminal, sequence, to.version), body)


# ---------------------------------------------------------------- from a terminal


def registration_body(*, plate: str, colour: int = 1, version: int = 0) -> bytes:
    """0x0100 of 2013, or of 2019 when `version` is not 0; province 44 (Guangdong), city 100 (Guangzhou)."""
    maker, model, number = (11, 30, 30) if version else (5, 20, 7)
    head = (44).to_bytes(2, "big") + (100).to_bytes(2, "big")
    return b"".join(
        (head, write_text("GONGC", maker), write_text("GC-100", model), write_text("T000001", number),
         bytes([colour]), write_text(plate))
    )  # fmt: skip


def authentication_body(code: str, *, version: int = 0, imei: str = "", software: str = "") -> bytes:
    """0x0102: the code alone before 2019."""
    raw = write_text(code)
    return raw if not version else bytes([len(raw)]) + raw + write_text(imei, 15) + write_text(software, 20)


def answer_body(answered_sequence: int, answered_message: int, result: int) -> bytes:
    """0x0001 to a message of the platform."""
    return answered_sequence.to_bytes(2, "big") + answered_message.to_bytes(2, "big") + bytes([result])


def parameters_answer_body(answered_sequence: int, values: Mapping[str, Any]) -> bytes:
    """0x0104: parameters by name, or by id as written."""
    return answered_sequence.to_bytes(2, "big") + write_parameters(values)


def properties_body(
    *, iccid: str, hardware: str, firmware: str, version: int = 0, maker_bytes: int | None = None
) -> bytes:
    """0x0107 of 2013, or of 2019 when `version` is not 0, where implementations differ in `maker_bytes`: 11 or 5."""
    maker, model, number = (maker_bytes or 11, 30, 30) if version else (5, 20, 7)
    texts = (write_text("GONGC", maker), write_text("GC-100", model), write_text("T000001", number))
    versions = (bytes([len(raw)]) + raw for raw in (write_text(hardware), write_text(firmware)))
    return b"".join((b"\x00\x01", *texts, bytes.fromhex(iccid.zfill(20)), *versions, b"\x03\x20"))


def card_body(
    time_us: int, *, licence: str = "", name: str = "", issuer: str = "", valid_until: date | None = None, inserted: bool = True,
    version: int = 0, id_number: str = "",
) -> bytes:  # fmt: skip
    """0x0702 of 2013, or of 2019 when `version` is not 0: a driver's card put in, or taken out and nothing more."""
    head = bytes([1 if inserted else 2]) + write_time(time_us)
    if not inserted:
        return head
    named, issued = write_text(name), write_text(issuer)
    until = bytes.fromhex(f"{valid_until or date(2099, 12, 31):%Y%m%d}")
    body = (
        head + b"\x00" + bytes([len(named)]) + named + write_text(licence, 20) + bytes([len(issued)]) + issued + until
    )
    return body + (write_text(id_number, 20) if version else b"")


def media_body(
    media_no: int, data: bytes | None, *, position: bytes = b"", kinds: Sequence[int] = (0, 0, 0, 1)
) -> bytes:
    """0x0801, or 0x0800 without `data`; `kinds` are type, format, event and channel, `position` 28 bytes (2011: none)."""
    return media_no.to_bytes(4, "big") + bytes(kinds) + (b"" if data is None else position + data)


def position_body(report: Report) -> bytes:
    """A position body with the items odometer, fuel and satellites where the report has them.

    Resolution is the protocol's: 10⁻⁶ degrees, 0.1 km/h, whole degrees and metres, seconds, 0.1 km, 0.1 L.
    """
    lat, lon = _micro(report.lat_e7 or 0), _micro(report.lon_e7 or 0)
    status = bool(report.ignition) | report.valid << 1 | (lat < 0) << 2 | (lon < 0) << 3
    for bit, system in enumerate(("gps", "beidou", "glonass", "galileo"), start=18):
        status |= (system in report.systems) << bit
    alarm = report.power_cut << 8 | report.antenna_fault << 5
    speed = round((report.speed_mps or 0) * KMH_PER_MPS * 10)
    course = round(report.course_deg or 0) % 360
    base = BASE.pack(
        alarm, status, abs(lat), abs(lon), round(report.altitude_m or 0), speed, course, write_time(report.fix_time)
    )
    items = b""
    if report.odometer_m is not None:
        items += b"\x01\x04" + round(report.odometer_m / 100).to_bytes(4, "big")
    if report.fuel_l is not None:
        items += b"\x02\x02" + round(report.fuel_l * 10).to_bytes(2, "big")
    if report.satellites is not None:
        items += b"\x31\x01" + bytes([report.satellites])
    return base + items


def batch_body(bodies: Sequence[bytes], *, blind_spot: bool) -> bytes:
    """0x0704: position bodies together."""
    head = len(bodies).to_bytes(2, "big") + bytes([blind_spot])
    return head + b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


def _micro(degrees_e7: int) -> int:
    return round(degrees_e7 / 10)
