"""What a decoder accepts must be storable: the ranges of the columns and what jsonb can hold, checked without a database."""

import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

from geo.datum import DATUMS
from ingest.errors import DecodeError, Refusal
from ingest.report import Report, to_columns
from store.positions import _FIRST_US, _LAST_US

RECEIVED_AT = 1_795_392_000_000_000
MAX_TERMINAL_CHARACTERS = 40


def check_reports(reports: list[Report]) -> None:
    """AssertionError, or what numpy raises, where one of the reports cannot be stored or printed."""
    for report in reports:
        _check_report(report)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for datum in DATUMS:
            to_columns(reports, RECEIVED_AT, lambda _: 0, lambda _, datum=datum: datum)  # type: ignore[misc]


def check_refusals(refusals: list[Refusal]) -> None:
    """AssertionError where a refusal does not say why in one line, or holds no bytes to keep."""
    for refusal in refusals:
        assert isinstance(refusal.error, DecodeError), type(refusal.error)
        assert refusal.raw, f"no bytes beside: {refusal.error}"
        reason = str(refusal.error)
        reason.encode()
        assert "\n" not in reason, f"more than a line: {reason!r}"


def check_json(value: Any) -> None:
    """AssertionError or ValueError where PostgreSQL's jsonb cannot hold a value: NaN, NUL, half of a character."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    for text in _texts(value):
        assert "\x00" not in text, f"NUL in {text!r}"


def _check_report(report: Report) -> None:
    assert report.raw, "a report without its bytes"
    assert len(report.terminal) <= MAX_TERMINAL_CHARACTERS, f"terminal of {len(report.terminal)} characters"
    assert report.terminal.isprintable(), f"terminal {report.terminal!r}"
    assert _FIRST_US <= report.fix_time < _LAST_US, f"fix_time {report.fix_time} outside the years 1 to 9999"
    assert (report.lat_e7 is None) == (report.lon_e7 is None), "half a place"
    if report.lat_e7 is not None and report.lon_e7 is not None:
        assert abs(report.lat_e7) <= 900_000_000, f"lat_e7 {report.lat_e7}"
        assert abs(report.lon_e7) <= 1_800_000_000, f"lon_e7 {report.lon_e7}"
    assert report.lat_e7 is not None or not report.valid, "a valid fix without a place"
    for name in ("altitude_m", "speed_mps", "course_deg", "fuel_l"):
        value = getattr(report, name)
        assert value is None or math.isfinite(value), f"{name} {value}"
    check_json({"note": report.note, "alarms": report.alarms})
    check_json(report.as_json())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
