"""Frames over any chunking, what is refused and why, and the way there and back."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DecodeError, FieldError, FrameError, Refusal
from ingest.jt808 import FrameSplitter, Header, PartStore, decode, escape
from ingest.jt808 import encode as enc
from ingest.jt808.header import write_header
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
    message_id=st.sampled_from(
        [0x0001, 0x0005, 0x0100, 0x0102, 0x0200, 0x0201, 0x0702, 0x0704, 0x8003, 0x8100, 0x0900]
    ),
    body=st.binary(max_size=200),
    version=st.sampled_from([0, 1]),
)
def test_any_body_under_a_right_checksum_raises_nothing_but_decode_errors(
    message_id: int, body: bytes, version: int
) -> None:
    frame = inner(enc.frame(Header(message_id, TERMINAL, 1, version), body))
    with contextlib.suppress(DecodeError):
        message = decode(frame)
        for report in message.reports:
            report.as_json()


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


def test_fuel_in_per_cent_is_no_litres() -> None:
    found = position(BODY + bytes.fromhex("02028032"))
    assert (found.fuel_l, found.note) == (None, {"fuel_pct": 50.0})


@pytest.mark.parametrize(
    ("item", "note"),
    [
        ("0602fff6", {"cabin_temperature_c": -10}),
        ("060155", {"battery_pct": 85}),
        ("051e" + "28" * 4 + "ff" * 26, {"tyre_pressures_pa": [40, 40, 40, 40]}),
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


@given(order=st.permutations(range(4)), version=st.sampled_from([0, 1]))
def test_parts_are_joined_in_any_order(order: list[int], version: int) -> None:
    bodies = [BODY[:22] + bytes.fromhex(f"2605010800{i:02d}") for i in range(10)]
    sent = enc.frames(Header(0x0704, TERMINAL, 0xFFFE, version), enc.batch_body(bodies, blind_spot=True), limit=80)
    assert len(sent) == 4
    parts = PartStore()
    messages = [decode(inner(sent[i]), parts) for i in order]
    assert [message.complete for message in messages] == [False, False, False, True]
    assert [len(message.reports) for message in messages] == [0, 0, 0, 10]
    assert messages[-1].part_sequences == (0xFFFE, 0xFFFF, 0, 1)
    assert all(report.late for report in messages[-1].reports)
    assert parts.missing() == []


def test_missing_parts_are_named_and_asked_for() -> None:
    sent = enc.frames(Header(0x0704, TERMINAL, 7), enc.batch_body([BODY] * 10, blind_spot=False), limit=80)
    parts = PartStore()
    first = decode(inner(sent[1]), parts)
    assert parts.missing() == [(7, [1, 3, 4])]
    asked = decode(inner(enc.resend_request(first.header, 1, *parts.missing()[0])))
    assert asked.facts == {"first_sequence": 7, "parts": [1, 3, 4]}


def test_unfinished_messages_are_bounded_and_counted() -> None:
    parts = PartStore()
    for sequence in range(0, 1000, 10):
        decode(inner(enc.frames(Header(0x0801, TERMINAL, sequence), b"x" * 200, limit=100)[0]), parts)
    assert len(parts.missing()) == 8
    assert len(parts.given_up) == 92


HEAD_2011 = bytes(4) + b"MAKER" + b"MODEL678" + b"TERMID7"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HEAD_2011 + b"\x01" + "粤A12345".encode("gbk"), (2011, "粤A12345")),
        (HEAD_2011 + b"\x02" + "粤A12345".encode("gbk") + b"1" * 9, (2011, "粤A12345111111111")),
        (enc.registration_body(plate="粤A12345"), (2013, "粤A12345")),
    ],
)  # fmt: skip
def test_registration_of_2011_and_2013_are_told_apart(body: bytes, expected: tuple[int, str]) -> None:
    facts = decode(inner(enc.frame(Header(0x0100, TERMINAL, 1), body))).facts
    assert (facts["edition"], facts["plate"]) == expected


def test_a_driver_card_put_in_and_taken_out() -> None:
    put_in = bytes.fromhex("01" + "261123080000" + "00" + "04") + "张三".encode("gbk")
    put_in += b"44010119800101".ljust(20, b"\x00") + b"\x04" + "广州".encode("gbk") + bytes.fromhex("20301231")
    facts = decode(inner(enc.frame(Header(0x0702, TERMINAL, 1), put_in))).facts
    assert facts == {
        "inserted": True,
        "time": "2026-11-23T08:00:00+08:00",
        "result": "read",
        "name": "张三",
        "licence": "44010119800101",
        "issuer": "广州",
        "valid_until": "2030-12-31",
    }
    taken_out = decode(inner(enc.frame(Header(0x0702, TERMINAL, 1), bytes.fromhex("02261123120000")))).facts
    assert taken_out == {"inserted": False, "time": "2026-11-23T12:00:00+08:00"}


def test_a_message_without_a_reader_keeps_its_body() -> None:
    message = decode(inner(enc.frame(Header(0x0900, TERMINAL, 1), b"\xf0\x01")))
    assert (message.header.name, message.facts) == ("0x0900", {"body": "f001"})


def test_answers_are_read_back() -> None:
    to = Header(0x0200, TERMINAL, 9)
    time_answer = decode(inner(enc.server_time(to, 3, 1_795_392_000_000_000)))
    assert time_answer.facts == {"time": "2026-11-23T00:00:00+00:00"}
    refused = decode(inner(enc.registration_answer(to, 2, enc.NO_SUCH_TERMINAL)))
    assert refused.facts == {"answered_sequence": 9, "result": "no_such_terminal"}
    assert decode(inner(enc.general_answer(to, 1, enc.FAILED))).facts["result"] == "failed"
