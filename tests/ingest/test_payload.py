"""Payloads of the position topic."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.jt808 import encode
from ingest.jt808.header import Header
from ingest.payload import read_payload, write_json
from ingest.position_json import KEYS, Decoded, read_any_json, read_json, read_plain
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US, reports
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
        ({"alarms": ["a\x00b"]}, "alarms: expected a list of words, got ['a\\x00b']"),
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
    assert found or refused


def near(value: object, others: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """A right value as a rule, now and then another."""
    return st.just(value) | st.just(value) | others


ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        9.0,
        1e400,
        -0.0,
        2**64,
        "x",
        "a\x00b",
        "\ud800",
        [],
        ["gps", "a\x00b"],
        ["\ud800"],
        {},
        90,
        180.5,
    ]
)
OBJECTS = st.fixed_dictionaries(
    {
        "fix_time": near(
            "2026-11-23T08:00:00+08:00", st.sampled_from(["2026-11-23", "24:00", "0001-01-01T00:00:00"]) | ODD
        )
    },
    optional={
        "lat": near(23.129163, ODD | st.floats(allow_nan=False)),
        "lon": near(113.264435, ODD | st.floats(allow_nan=False)),
        "valid": near(value=True, others=ODD),
        "altitude_m": near(11, ODD),
        "speed_kmh": near(36, ODD),
        "course_deg": near(90.5, ODD),
        "ignition": near(value=False, others=ODD),
        "odometer_km": near(1234.5, ODD),
        "fuel_l": near(40, ODD),
        "satellites": near(9, ODD),
        "systems": near(["beidou", "gps"], ODD),
        "alarms": near(["sos"], ODD),
        "late": near(value=True, others=ODD),
        "power_cut": ODD,
        "antenna_fault": ODD,
        "datum": near("gcj02", ODD),
        "vendor": ODD,
    },
)


def outcome(decoded: Decoded) -> tuple[list[Report], list[tuple[bytes, str]]]:
    found, refused = decoded
    return found, [(each.raw, str(each.error)) for each in refused]


@given(position=OBJECTS, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), ascii_only=st.booleans())
def test_the_short_way_reads_an_object_as_key_by_key_does(
    position: dict[str, object], encoding: str, ascii_only: bool
) -> None:
    payload = json.dumps(position, ensure_ascii=ascii_only).encode(encoding, "surrogatepass")
    assert outcome(read_json(payload)) == outcome(read_any_json(payload))


@given(position=OBJECTS, data=st.data())
def test_the_short_way_reads_damaged_objects_as_key_by_key_does(
    position: dict[str, object], data: st.DataObject
) -> None:
    payload = bytearray(json.dumps(position).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + 1] = data.draw(st.binary(max_size=2))
    assert outcome(read_json(bytes(payload))) == outcome(read_any_json(bytes(payload)))


def test_an_object_of_the_known_keys_goes_the_short_way() -> None:
    """Else the two tests above would hold whatever it does."""
    payload = json.dumps(POSITION | {"speed_kmh": 36, "satellites": 9, "systems": ["beidou"], "late": None}).encode()
    assert read_plain(payload) == read_any_json(payload)[0][0]
    assert read_plain(json.dumps(POSITION | {"vendor": 1}).encode()) is None


def test_another_number_inside_the_payload_stays_in_the_note() -> None:
    """The topic names the terminal: a broker lets each publish under its own name only."""
    frame = bytes.fromhex(JT808[0]["frame"])
    (plain,), _ = read_payload(frame, "M1")
    said = plain.note["said_terminal"]
    (same,), _ = read_payload(frame, said.lstrip("0"))
    assert "said_terminal" not in same.note
    sentence = b"$BDRMC,000000.00,A,2307.74978,N,11315.86610,E,23.326,271.0,231126,,,A*75\r\n"
    (fix,), _ = read_payload(b"$PGONG,N7\r\n" + sentence, "M1")
    assert (fix.terminal, fix.note["said_terminal"]) == ("M1", "N7")
    (silent,), _ = read_payload(sentence, "M1")
    assert "said_terminal" not in silent.note


@pytest.mark.parametrize("payload", [b"[]", b"$GPGSV,1,1,00*79\r\n", b"$PGONG,N7\r\n", b"\x7e\x7e"])
def test_a_payload_without_a_position_is_refused(payload: bytes) -> None:
    found, refused = read_payload(payload, "M1")
    assert (found, [(each.raw, str(each.error)) for each in refused]) == (
        [],
        [(payload, "payload: expected a position, got none")],
    )


def test_a_message_that_holds_no_position_is_refused_and_costs_no_other() -> None:
    heartbeat = encode.frame(Header(0x0002, "013912345678", 3, 0), b"")
    found, refused = read_payload(bytes.fromhex(JT808[0]["frame"]) + heartbeat, "M1")
    assert len(found) == 1
    assert [(each.raw, str(each.error)) for each in refused] == [
        (heartbeat, "message: expected one that holds positions, got 0x0002")
    ]


def test_a_message_in_parts_is_joined_within_a_payload_and_refused_without_its_rest() -> None:
    report = Report("013912345678", START_US, valid=True, lat_e7=231_000_000, lon_e7=1_132_000_000)
    body = encode.batch_body([encode.position_body(report)] * 2, blind_spot=True)
    parts = encode.frames(Header(0x0704, "013912345678", 5, 0), body, limit=40)
    assert len(parts) == 2
    found, refused = read_payload(b"".join(parts), "M1")
    assert (len(found), refused) == (2, [])
    found, refused = read_payload(parts[0], "M1")
    assert found == []
    assert [str(each.error) for each in refused] == ["message: expected all its parts in one payload, got part 1 of it"]
