"""Payloads of the position topic: JSON, sentences or frames."""

import json

from ingest.payload import read_payload
from tests.fuzz import jt808, nmea
from tests.fuzz.storable import check_json, check_refusals, check_reports

PROTOCOL = "payload"
WORDS = [
    b'"\\u0000"', b'"\\ud800"', b'"\\udc00x"', b"1e999", b"-1e999", b"1e308", b"NaN", b"Infinity", b"null", b"true", b"[",
    b"[" * 400,
    b"{", b"]", b'{"a":' * 300, b"9" * 400, b"-0.0", b"0001-01-01T00:00:00", b"9999-12-31T23:59:59.999999+00:00",
    b"0001-01-01T00:00:00+14:00", b"2026-W48-1", b"\xef\xbb\xbf", b"\xff\xfe{\x00", b'"fix_time":', b'"alarms":["a"]', b'"lat":90,',
    b'"lon":-180,', b'"datum":"bd09",', b'"datum":[],', b'"satellites":200,', b'"note":', b'"":', b'"altitude_m":-32767.5,', b"\\",
    b'"',
]  # fmt: skip


def check(data: bytes) -> None:
    """AssertionError, or whatever raises, where the payload is not read as it should be."""
    for payload in {data, _mended(data)}:
        reports, refused = read_payload(payload, "M1")
        assert {report.terminal for report in reports} <= {"M1"}
        check_reports(reports)
        check_refusals(refused if payload else [])
        check_json([report.as_json() | report.note for report in reports])
        if payload[:1] not in {b"\x7e", b"$"}:
            assert len(reports) + len(refused) == max(1, _objects(payload))


def _mended(payload: bytes) -> bytes:
    form = {b"\x7e": jt808.mended, b"$": nmea.mended}.get(payload[:1])
    return form(payload) if form else payload


def _objects(payload: bytes) -> int:
    """How many positions a JSON payload says it holds; what is no JSON counts for one."""
    try:
        content = json.loads(payload, parse_constant=int)  # NaN is no JSON: int() raises ValueError
    except (ValueError, RecursionError):
        return 1
    return len(content) if isinstance(content, list) else 1
