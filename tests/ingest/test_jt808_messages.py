"""Messages other than positions: each edition's layout, what tells editions apart, and the way there and back."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.localtime import to_us
from ingest.errors import FieldError, FrameError
from ingest.jt808 import Header, Message, PartStore, commands, decode
from ingest.jt808 import encode as enc
from ingest.jt808.parameters import PARAMETERS, parameter_id, parameter_name
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US, Picture, cards, parameter_values, pictures

TERMINAL = "013912345678"
POSITION = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))


def inner(frame: bytes) -> bytes:
    return frame[1:-1]


def said(message_id: int, body: bytes, version: int = 0) -> Message:
    return decode(inner(enc.frame(Header(message_id, TERMINAL, 1, version), body)))


def facts(message_id: int, body: bytes, version: int = 0) -> dict[str, Any]:
    return said(message_id, body, version).facts


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
    found = facts(0x0100, body)
    assert (found["edition"], found["plate"]) == expected


CARD: dict[str, Any] = {
    "licence": "44010119800101",
    "name": "张三",
    "issuer": "广州",
    "valid_until": date(2030, 12, 31),
}
CARD_FACTS = {
    "inserted": True,
    "time": "2026-11-23T08:00:00+08:00",
    "result": "read",
    "name": "张三",
    "licence": "44010119800101",
    "issuer": "广州",
    "valid_until": "2030-12-31",
}
CARD_TIME = 1_795_392_000_000_000
CARD_2011 = b"\x04" + "张三".encode("gbk") + b"ID".ljust(20, b"\0") + b"LICENCE".ljust(40, b"\0") + b"\x02GZ"


@pytest.mark.parametrize(
    ("body", "version", "expected"),
    [
        (enc.card_body(CARD_TIME, **CARD), 0, CARD_FACTS),
        (enc.card_body(CARD_TIME, **CARD, version=1, id_number="4401"), 1, CARD_FACTS | {"id_number": "4401"}),
        (enc.card_body(CARD_TIME, **CARD, version=1) + b"\x64", 1, CARD_FACTS | {"id_number": "", "unread": "64"}),
        (enc.card_body(CARD_TIME, inserted=False), 0, {"inserted": False, "time": "2026-11-23T08:00:00+08:00"}),
        (
            enc.card_body(CARD_TIME, inserted=False)[:1].replace(b"\x02", b"\x01")
            + enc.card_body(CARD_TIME, inserted=False)[1:]
            + b"\x02",
            0,
            {"inserted": True, "time": "2026-11-23T08:00:00+08:00", "result": "locked"},
        ),
        (CARD_2011, 0, {"name": "张三", "id_number": "ID", "licence": "LICENCE", "issuer": "GZ"}),
        (
            b"\x02" + "张".encode("gbk") + CARD_2011[5:],
            0,
            {"name": "张", "id_number": "ID", "licence": "LICENCE", "issuer": "GZ"},
        ),
    ],
)
def test_a_driver_card_is_read_in_each_edition(body: bytes, version: int, expected: dict[str, Any]) -> None:
    assert facts(0x0702, body, version) == expected


@given(card=cards(), seconds=st.integers(0, 10**9))
def test_a_card_survives_encode_and_decode(card: tuple[int, dict[str, Any]], seconds: int) -> None:
    version, sent = card
    found = facts(0x0702, enc.card_body(START_US + seconds * 1_000_000, **sent), version)
    assert found.pop("inserted")
    assert found.pop("result") == "read"
    assert to_us_of(found.pop("time")) == START_US + seconds * 1_000_000
    assert found == {name: str(value) for name, value in sent.items() if name != "version"}


def test_a_card_that_is_neither_put_in_nor_taken_out_is_refused() -> None:
    with pytest.raises(FieldError, match="card status: expected 1 or 2, got 3"):
        facts(0x0702, b"\x03" + bytes(6), version=1)


@pytest.mark.parametrize(("version", "maker_bytes"), [(0, None), (1, 11), (1, 5)])
def test_properties_are_read_with_either_length_of_the_maker(version: int, maker_bytes: int | None) -> None:
    body = enc.properties_body(
        iccid="89860402102090977002", hardware="HW1.0", firmware="", version=version, maker_bytes=maker_bytes
    )
    assert facts(0x0107, body, version) == {
        "kinds": ["passenger"],
        "maker": "GONGC",
        "model": "GC-100",
        "terminal_id": "T000001",
        "iccid": "89860402102090977002",
        "hardware": "HW1.0",
        "firmware": "",
        "gnss": ["gps", "beidou"],
        "networks": ["td_lte"],
    }


def test_properties_that_end_where_they_should_not_are_refused() -> None:
    body = enc.properties_body(iccid="1", hardware="A", firmware="B")
    with pytest.raises(FrameError, match=f"properties: expected lengths that fill the body, got {len(body) - 1} bytes"):
        facts(0x0107, body[:-1])


def test_every_parameter_of_the_table_has_its_own_name_and_id() -> None:
    assert len({row.name for row in PARAMETERS}) == len({row.parameter_id for row in PARAMETERS}) == len(PARAMETERS)
    assert all(parameter_id(row.name) == row.parameter_id for row in PARAMETERS)
    assert all(row.name.endswith("_" + row.unit.replace("/", "")) for row in PARAMETERS if row.unit)


@given(values=parameter_values(), sequence=st.integers(0, 0xFFFF), version=st.sampled_from([0, 1]))
def test_parameters_survive_encode_and_decode(values: dict[str, Any], sequence: int, version: int) -> None:
    assert facts(0x8103, commands.parameters_body(values), version) == {"parameters": values}
    answer = facts(0x0104, enc.parameters_answer_body(sequence, values), version)
    assert answer == {"answered_sequence": sequence, "parameters": values}


def test_parameters_unknown_or_of_odd_length_go_by_their_id() -> None:
    body = bytes.fromhex("0005" + "04" + "0000f370" + "01" + "02" + "00000001" + "02" + "003c")
    body += bytes.fromhex("00000048" + "02" + "3131" + "00000048" + "02" + "3232")
    assert facts(0x0104, body) == {
        "answered_sequence": 5,
        "parameters": {"0xf370": "02", "0x0001": "003c", "listen_phone": ["11", "22"]},
    }
    written = commands.parameters_body({"0xf370": "02", "0x0029": "30", "listen_phone": ["11", "22"]})
    assert facts(0x8103, written)["parameters"] == {"0xf370": "02", "interval_s": 30, "listen_phone": ["11", "22"]}


def test_a_count_of_parameters_that_does_not_hold_is_kept() -> None:
    assert facts(0x0104, bytes.fromhex("0005" + "09" + "00000055" + "04" + "00000050")) == {
        "answered_sequence": 5,
        "parameters": {"top_speed_kmh": 80},
        "count": 9,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interval_s": -1}, "interval_s: expected a whole number from 0 to 4294967295, got -1"),
        ({"interval_s": 1.5}, "interval_s: expected a whole number from 0 to 4294967295, got 1.5"),
        ({"interval_s": True}, "interval_s: expected a whole number from 0 to 4294967295, got True"),
        ({"interval_s": "soon"}, "interval_s: expected a whole number from 0 to 4294967295, got 'soon'"),
        ({"fence_radius_m": 65536}, "fence_radius_m: expected a whole number from 0 to 65535, got 65536"),
        ({"odometer_km": float("nan")}, "odometer_km: expected a number from 0 to 429496729, got nan"),
        ({"interval": 30}, "parameter: expected a name of the table or an id as 0x0029, got 'interval'"),
        ({"0xzz": 30}, "parameter: expected a name of the table or an id as 0x0029, got '0xzz'"),
        ({"0xf370": "zz"}, "0xf370: expected bytes in hex, got 'zz'"),
        ({"host": "a" * 256}, "host: expected at most 255 bytes, got 256"),
        ({"plate": "\U0001f697"}, "plate: expected a text in GBK, got '\U0001f697'"),
        ({}, "parameters: expected 1 to 255 of them, got 0"),
        ({"host": ["a" * 255] * 4}, "parameters: expected at most 1023 bytes in one message, got 1041"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        commands.parameters_body(values)
    assert str(caught.value) == message


def test_names_of_parameters_survive_encode_and_decode() -> None:
    body = commands.asked_body(["interval_s", "0xf370", "0x0013"])
    assert facts(0x8106, body) == {"names": ["interval_s", "0xf370", "host"]}
    assert parameter_name(0x12345678) == "0x12345678"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (commands.tracking_body(10, 600), {"interval_s": 10, "for_s": 600}),
        (commands.tracking_body(0, 600), {"interval_s": 0}),
    ],
)
def test_tracking_survives_encode_and_decode(body: bytes, expected: dict[str, Any]) -> None:
    assert facts(0x8202, body) == expected


@given(
    text=st.text(st.sampled_from("公车 abc，。1"), max_size=40).map(str.strip),
    urgent=st.booleans(),
    display=st.booleans(),
    speak=st.booleans(),
    version=st.sampled_from([0, 1]),
)
def test_a_text_survives_encode_and_decode(text: str, urgent: bool, display: bool, speak: bool, version: int) -> None:
    found = facts(0x8300, commands.text_body(text, version, urgent=urgent, display=display, speak=speak), version)
    assert (found["text"], found["urgent"], found["display"], found["speak"]) == (text, urgent, display, speak)
    assert found.get("category") == ({0: None, 1: "urgent" if urgent else "notice"}[version])


def test_a_text_that_no_terminal_can_show_is_refused() -> None:
    with pytest.raises(FieldError, match="text: expected characters of GBK"):
        commands.text_body("\U0001f697", 0)
    with pytest.raises(FieldError, match="text: expected at most 1023 bytes in one message, got 1025"):
        commands.text_body("公" * 512, 0)


@pytest.mark.parametrize("version", [0, 1])
def test_the_place_a_picture_was_taken_at_is_not_part_of_its_data(version: int) -> None:
    message = said(0x0801, enc.media_body(9, JPEG, position=POSITION[:28], kinds=(0, 0, 2, 3)), version)
    assert message.data == JPEG
    place = message.facts.pop("position")
    assert (place["lat"], place["lon"], place["fix_time"]) == (23.1, 113.3, "2014-05-14T00:53:20+08:00")
    assert message.facts == {"media_no": 9, "type": "image", "format": "jpeg", "event": "robbery_alarm", "channel": 3}


@given(picture=pictures(), sequence=st.integers(0, 0xFFFF), limit=st.integers(40, 1023))
def test_a_picture_survives_encode_and_decode_in_parts(picture: Picture, sequence: int, limit: int) -> None:
    body = enc.media_body(picture.media_no, picture.data, position=picture.position)
    parts = PartStore()
    sent = enc.frames(Header(0x0801, TERMINAL, sequence, picture.version), body, limit)
    *_, message = [decode(inner(frame), parts) for frame in sent]
    assert (message.complete, message.facts["media_no"], message.data) == (True, picture.media_no, picture.data)
    assert ("position" in message.facts) == bool(picture.position)
    assert message.part_sequences == tuple(sequence + i & 0xFFFF for i in range(len(sent)))


@given(
    iccid=st.from_regex(r"[0-9]{20}", fullmatch=True),
    hardware=st.from_regex(r"[A-Z0-9.]{0,30}", fullmatch=True),
    firmware=st.from_regex(r"[A-Z0-9.]{0,30}", fullmatch=True),
    layout=st.sampled_from([(0, None), (1, 11), (1, 5)]),
)
def test_properties_survive_encode_and_decode(
    iccid: str, hardware: str, firmware: str, layout: tuple[int, int | None]
) -> None:
    version, maker_bytes = layout
    body = enc.properties_body(
        iccid=iccid, hardware=hardware, firmware=firmware, version=version, maker_bytes=maker_bytes
    )
    found = facts(0x0107, body, version)
    assert (found["iccid"], found["hardware"], found["firmware"], found["model"]) == (
        iccid,
        hardware,
        firmware,
        "GC-100",
    )


def test_a_picture_of_2011_has_no_place() -> None:
    message = said(0x0801, enc.media_body(9, JPEG))
    assert (message.data, "position" in message.facts) == (JPEG, False)


@pytest.mark.parametrize(
    ("version", "data", "position", "left"),
    [
        (0, JPEG, bytes(28), JPEG),  # a position without a time, and the picture begins behind it
        (1, b"no known beginning", bytes(28), b"no known beginning"),  # 2019 always has one
        (0, b"no known beginning", bytes(28), bytes(28) + b"no known beginning"),
        (0, b"short", b"", b"short"),
    ],
)
def test_bytes_that_may_be_a_position_are_taken_off_only_where_the_data_begin_behind_them(
    version: int, data: bytes, position: bytes, left: bytes
) -> None:
    message = said(0x0801, enc.media_body(9, data, position=position), version)
    assert message.data == left
    assert message.facts.get("position") == (position.hex() if left == data and position else None)


def test_a_multimedia_event_is_read() -> None:
    assert facts(0x0800, enc.media_body(9, None, kinds=(2, 4, 1, 2))) == {
        "media_no": 9,
        "type": "video",
        "format": "wmv",
        "event": "timer",
        "channel": 2,
    }
    assert facts(0x8800, bytes.fromhex("0000000900")) == {"media_no": 9}  # 2011 counts none


def test_pass_through_data_stay_as_they_came() -> None:
    assert facts(0x0900, b"\x41abc") == {"type": "serial_1", "data": "616263"}
    assert facts(0x0900, b"\xf7\x01") == {"type": "0xf7", "data": "01"}


@pytest.mark.parametrize(("body", "parts"), [("000702" + "00010003", [1, 3]), ("00070002" + "00010003", [1, 3])])
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("message_id", [0x0005, 0x8003])
def test_a_re_request_counts_in_a_byte_or_a_word(message_id: int, version: int, body: str, parts: list[int]) -> None:
    assert facts(message_id, bytes.fromhex(body), version) == {"first_sequence": 7, "parts": parts}


def test_a_vendor_is_told_the_time_in_utc() -> None:
    asked = said(0x0109, b"")
    assert asked.facts == {}
    told = decode(inner(enc.vendor_time(asked.header, 2, to_us_of("2026-11-23T00:00:01+00:00"))))
    assert told.facts == {"time": "2026-11-23T00:00:01+00:00", "result": "done"}
    with pytest.raises(FieldError, match="time: expected a date and a time, got 00000000000000"):
        facts(0x8109, bytes(8))


def to_us_of(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


@pytest.mark.parametrize("message_id", [0x8104, 0x8107, 0x8201])
def test_a_query_has_no_body(message_id: int) -> None:
    assert facts(message_id, b"") == {}


def test_a_terminal_answer_survives_encode_and_decode() -> None:
    assert facts(0x0001, enc.answer_body(5, 0x8300, enc.UNSUPPORTED)) == {
        "answered_sequence": 5,
        "answered_message": "0x8300",
        "result": "unsupported",
    }


def test_a_message_without_a_reader_keeps_its_body() -> None:
    message = decode(inner(enc.frame(Header(0x0F01, TERMINAL, 1), b"\xf0\x01")))
    assert (message.header.name, message.facts) == ("0x0f01", {"body": "f001"})


def test_answers_are_read_back() -> None:
    to = Header(0x0200, TERMINAL, 9)
    time_answer = decode(inner(enc.server_time(to, 3, 1_795_392_000_000_000)))
    assert time_answer.facts == {"time": "2026-11-23T00:00:00+00:00"}
    refused = decode(inner(enc.registration_answer(to, 2, enc.NO_SUCH_TERMINAL)))
    assert refused.facts == {"answered_sequence": 9, "result": "no_such_terminal"}
    assert decode(inner(enc.general_answer(to, 1, enc.FAILED))).facts["result"] == "failed"
