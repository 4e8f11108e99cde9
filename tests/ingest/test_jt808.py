"""Frames over any chunking, what is refused and why, and the way there and back."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DecodeError, FieldError, FrameError, Refusal
from ingest.jt808 import FrameSplitter, Header, PartStore, decode, escape
from ingest.jt808 import encode as enc
from ingest.jt808.dialects import DIALECTS
from ingest.jt808.header import write_header
from ingest.jt808.messages import READERS
from ingest.jt808.text import as_json
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US, chunkings, frame_streams, mutated, position_frame, reports

TERMINAL = "013912345678"


def split(*chunks: bytes, limit: int = 4096) -> list[bytes | tuple[bytes, str]]:
    splitter = FrameSplitter(limit)
    found = [each for chunk in chunks for each in splitter.feed(chunk)]
    found += splitter.close()
    return [(each.raw, str(each.error)) if isinstance(each, Refusal) else each for each in found]


def inner(frame: bytes) -> bytes:
    return frame[1:-1]


def decode_sent(frame: bytes, parts: PartStore | None = None) -> Report:
    (report,) = decode(inner(frame), parts).reports
    return report


@given(data=st.data(), frames=frame_streams(), noise=st.binary(max_size=6))
def test_frames_are_the_same_over_any_chunking(data: st.DataObject, frames: list[bytes], noise: bytes) -> None:
    stream = noise + b"".join(frames)
    whole = split(stream, limit=64)
    assert split(*data.draw(chunkings(stream)), limit=64) == whole
    assert split(stream)[-len(frames) :] == [inner(frame) for frame in frames]


def test_two_frames_may_share_a_delimiter_and_empty_frames_are_skipped() -> None:
    assert split(b"\x7e\x7eab\x7ecd\x7e\x7e\x7e") == [b"ab", b"cd"]


def test_bytes_before_the_first_delimiter_are_refused_once() -> None:
    assert split(b"no", b"ise\x7eab\x7e") == [
        (b"noise", "frame: expected 7e, got bytes before the first delimiter"),
        b"ab",
    ]


def test_an_oversize_frame_is_refused_once_and_the_next_is_found() -> None:
    assert split(b"\x7e" + b"x" * 30, b"x" * 30 + b"\x7eab\x7e", limit=16) == [
        (b"x" * 16, "frame: expected at most 16 bytes, got more"),
        b"ab",
    ]


def test_the_splitter_holds_no_more_than_its_limit() -> None:
    splitter = FrameSplitter(limit=100)
    for _ in range(1000):
        splitter.feed(b"x" * 997)
        assert len(splitter._held) <= 100


def test_a_frame_cut_off_at_the_end_is_refused() -> None:
    assert split(b"\x7eabc") == [(b"abc", "frame: expected a closing 7e, got the end after 3 bytes")]


@given(report=reports(), sequence=st.integers(0, 0xFFFF), version=st.sampled_from([0, 1]))
def test_a_position_survives_encode_and_decode(report: Report, sequence: int, version: int) -> None:
    message = decode(inner(position_frame(report, sequence, version)))
    (found,) = message.reports
    assert (message.header.sequence, message.header.version) == (sequence, version)
    assert message.header.terminal == report.terminal.zfill(20 if version else 12)
    assert found.speed_mps == pytest.approx(report.speed_mps)
    found.terminal, found.raw, found.speed_mps = report.terminal, report.raw, report.speed_mps
    assert found == report


@given(data=st.data(), frames=frame_streams())
def test_decoding_broken_frames_raises_nothing_but_decode_errors(data: st.DataObject, frames: list[bytes]) -> None:
    broken = data.draw(mutated(b"".join(frames)))
    parts = PartStore()
    for each in FrameSplitter().feed(broken):
        if isinstance(each, bytes):
            with contextlib.suppress(DecodeError):
                decode(each, parts)


@given(
    message_id=st.sampled_from([*READERS, 0x0200, 0x0201, 0x0704, 0x0801, 0x1234]),
    body=st.binary(max_size=200),
    version=st.sampled_from([0, 1]),
    dialect=st.sampled_from(["", *DIALECTS]),
)
def test_any_body_under_a_right_checksum_raises_nothing_but_decode_errors(
    message_id: int, body: bytes, version: int, dialect: str
) -> None:
    frame = inner(enc.frame(Header(message_id, TERMINAL, 1, version), body))
    with contextlib.suppress(DecodeError):
        json.dumps(as_json(decode(frame, dialect=dialect)))


@given(items=st.binary(max_size=120), dialect=st.sampled_from(["", *DIALECTS]))
def test_any_items_leave_the_position_as_it_is(items: bytes, dialect: str) -> None:
    (found,) = decode(inner(enc.frame(Header(0x0200, TERMINAL, 1), BODY + items)), dialect=dialect).reports
    assert (found.fix_time, found.lat_e7, found.lon_e7) == (START_US, 231_000_000, 1_133_000_000)
    json.dumps(found.note)


def content(body: bytes = b"", attributes: int | None = None, terminal: str = TERMINAL) -> bytes:
    made = bytearray(write_header(Header(0x0002, terminal, 1), body))
    if attributes is not None:
        made[2:4] = attributes.to_bytes(2, "big")
    return inner(escape(bytes(made)))


@pytest.mark.parametrize(
    ("frame", "kind", "message"),
    [
        (content(attributes=5), FrameError, "body length: expected 5, got 0"),
        (content(attributes=0x0400), FieldError, "encryption: expected none, got RSA"),
        (content(b"\x00\x02\x00\x03", attributes=0x2000), FieldError, "part: expected 1 to 2, got 3"),
        (content()[:-1] + b"\x00", FrameError, "checksum: expected 0x33, got 0x00"),
        (b"\x00\x02", FrameError, "frame: expected at least 13 bytes, got 2"),
        (b"\x7d\x03" + b"\x00" * 20, FrameError, "escape: expected 7d01 or 7d02, got another byte after 7d"),
        (
            inner(escape(bytes.fromhex("00020000") + b"\x01\x39\x12\x34\x56\xaf" + b"\x00\x01")),
            FieldError,
            "terminal number: expected decimal digits, got 0139123456af",
        ),
    ],
)
def test_a_bad_frame_is_refused_with_expected_and_got(frame: bytes, kind: type[DecodeError], message: str) -> None:
    with pytest.raises(kind) as caught:
        decode(frame)
    assert str(caught.value) == message


BODY = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))


def position(body: bytes) -> Report:
    return decode_sent(enc.frame(Header(0x0200, TERMINAL, 1), body))


def test_items_unknown_or_of_odd_length_are_kept_raw() -> None:
    found = position(BODY + bytes.fromhex("01020005" + "f002abcd" + "f00101"))
    assert found.odometer_m is None
    assert found.note == {"item_01": "0005", "item_f0": ["abcd", "01"]}


def test_an_item_cut_off_keeps_the_position_and_its_bytes() -> None:
    found = position(BODY + bytes.fromhex("310109" + "0104ab"))
    assert (found.satellites, found.note) == (9, {"unread": "0104ab"})


def test_of_an_item_that_comes_again_the_first_counts_and_the_others_stay_raw() -> None:
    found = position(BODY + bytes.fromhex("310109" + "31010a" + "31010b" + "300118" + "300119"))
    assert (found.satellites, found.note) == (9, {"item_31": ["0a", "0b"], "signal_strength": 24, "item_30": "19"})


def test_fuel_in_per_cent_is_no_litres() -> None:
    found = position(BODY + bytes.fromhex("02028032"))
    assert (found.fuel_l, found.note) == (None, {"fuel_pct": 50.0})


@pytest.mark.parametrize(
    ("item", "note"),
    [
        ("0602fff6", {"cabin_temperature_c": -10}),
        ("060155", {"battery_pct": 85}),
        ("051e" + "28" * 2 + "ff28" + "ff" * 26, {"tyre_pressures": [40, 40, None, 40]}),
        ("11050400000009", {"overspeed_place": {"place": "section", "place_id": 9}}),
        ("0402002a", {"alarm_to_confirm": 42}),
        ("150400000005", {"video_lost_channels": ["channel_1", "channel_3"]}),
        ("160480000000", {"video_covered_channels": ["channel_32"]}),
        ("17021001", {"storage_faults": ["main_1", "backup_1"]}),
        ("18020002", {"abnormal_driving": ["phone_call"]}),
        ("e00104", {"vendor_bytes": 4}),
        ("120601000000070" + "1", {"area_crossing": {"place": "circle", "place_id": 7, "direction": "out"}}),
        ("1307000000090" + "03c01", {"section_time": {"section_id": 9, "seconds": 60, "result": "too_long"}}),
        ("140400000011", {"video_alarms": ["video_signal_lost", "bus_overcrowded"]}),
        ("1803000501", {"abnormal_driving": ["fatigue", "smoking", "fatigue_level_1"]}),
        ("2a020001", {"io": ["deep_sleep"]}),
        (
            "0708" + "01" + "05" + "1e" + "005a" + "000000",
            {
                "satellites_in_view": {
                    "beidou": [{"number": 5, "elevation_deg": 30, "azimuth_deg": 90}],
                    "gps": [],
                    "glonass": [],
                    "galileo": [],
                }
            },
        ),
    ],
)
def test_an_item_is_read_by_name_and_unit(item: str, note: dict[str, object]) -> None:
    assert position(BODY + bytes.fromhex(item)).note == note


def test_a_place_off_the_globe_is_refused_with_a_fix_and_kept_without_one() -> None:
    lost = bytearray(BODY)
    lost[8:16] = b"\xff" * 8
    with pytest.raises(FieldError, match=r"latitude: expected -90 to 90 degrees, got 4294\.967295"):
        position(bytes(lost))
    lost[7] = 0
    found = position(bytes(lost))
    assert (found.valid, found.lat_e7, found.note) == (False, None, {"sent_lat": 4294.967295, "sent_lon": 4294.967295})


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(FieldError, match="time: expected YYMMDDhhmmss, got 000000000000"):
        position(BODY[:22] + bytes(6))


def test_encrypted_coordinates_are_kept_as_not_valid() -> None:
    hidden = bytearray(BODY)
    hidden[7] |= 1 << 5
    found = position(bytes(hidden))
    assert (found.valid, found.note) == (False, {"status": ["coordinates_encrypted"]})


def test_alarms_of_antenna_and_power_become_status_bits() -> None:
    found = position(bytes.fromhex("00000120") + BODY[4:])
    assert (found.alarms, found.antenna_fault, found.power_cut) == (("antenna_cut", "power_off"), True, True)
