"""Payloads of the position topic."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.payload import read_payload, write_json
from ingest.position_json import KEYS, read_any_json, read_json
from ingest.report import Report
from tests.ingest.protocol_strategies import reports
from tests.ingest.test_golden_frames import JT808

POSITION = {"fix_time": "2026-11-23T08:00:00+08:00", "lat": 23.129163, "lon": 113.264435}


def read(position: object) -> tuple[list[Report], list[str]]:
    found, refused = read_payload(json.dumps(position).encode(), "M1")
    return found, [str(each.error) for each in refused]


def test_a_position_of_all_keys() -> None:
    extra = {"speed_kmh": 36, "course_deg": 90.5, "ignition": True, "odometer_km": 12.5, "fuel_l": 40, "satellites": 9}
    (report,), refused = read(POSITION | extra | {"systems": ["beidou"], "datum": "gcj02", "vendor": {"a": 1}})
    assert refused == []
    assert (report.terminal, report.lat_e7, report.lon_e7) == ("M1", 231_291_630, 1_132_644_350)
    assert (report.speed_mps, report.odometer_m, report.satellites) == (10.0, 12_500, 9)
    assert (report.datum, report.note, report.valid) == ("gcj02", {"vendor": {"a": 1}}, True)


def test_a_list_keeps_its_good_positions() -> None:
    found, refused = read([POSITION, {"lat": 1}, POSITION])
    assert len(found) == 2
    assert refused == ["fix_time: expected a time, got none"]


def test_a_void_position_needs_no_place() -> None:
    (report,), _ = read({"fix_time": POSITION["fix_time"], "valid": False})
    assert (report.valid, report.lat_e7) == (False, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lat": 91}, "lat: expected a number from -90 to 90, got 91"),
        ({"lat": "23"}, "lat: expected a number from -90 to 90, got '23'"),
        ({"lon": None}, "lat, lon: expected a place, or valid: false, got none"),
        ({"fix_time": "yesterday"}, "fix_time: expected a time in ISO 8601, got 'yesterday'"),
        ({"fix_time": 1}, "fix_time: expected a time in ISO 8601, got 1"),
        ({"ignition": 1}, "ignition: expected true or false, got 1"),
        ({"datum": "mars"}, "datum: expected one of wgs84, gcj02, bd09, got 'mars'"),
        ({"satellites": -1}, "satellites: expected a count, got -1"),
        ({"vendor": "a\x00b"}, "note: expected storable values, got a NUL character"),
        ({"vendor": float("inf")}, "payload: expected JSON, got Infinity is no number"),
        ({"systems": "gps"}, "systems: expected a list of words, got 'gps'"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], message: str) -> None:
    assert read(POSITION | change) == ([], [message])


def test_nan_is_no_number() -> None:
    found, refused = read_payload(b'{"lat": NaN}', "M1")
    assert (found, str(refused[0].error)) == ([], "payload: expected JSON, got NaN is no number")


def test_frames_and_sentences_are_read_under_the_topics_terminal() -> None:
    frames, _ = read_payload(bytes.fromhex(JT808[0]["frame"] + JT808[1]["frame"]), "M1")
    sentences, bad = read_payload(
        b"$BDRMC,000000.00,A,2307.74978,N,11315.86610,E,23.326,271.0,231126,,,A*75\r\n$BDRMC,bad", "M1"
    )
    assert [report.terminal for report in frames + sentences] == ["M1"] * 3
    assert len(bad) == 1


@given(report=reports())
def test_a_report_survives_writing_and_reading(report: Report) -> None:
    (back,), refused = read_payload(write_json(report), report.terminal)
    assert list(refused) == []
    assert back.speed_mps == pytest.approx(report.speed_mps, abs=1e-3)
    back.raw, back.speed_mps = report.raw, report.speed_mps
    assert back == report


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(KEYS)), inner, max_size=8),
    max_leaves=20,
)


@given(payload=st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    found, refused = read_payload(payload, "M1")
    with contextlib.suppress(ValueError):
        assert found or refused or json.loads(payload) == []
