"""Messages in parts: joined in any order, asked for where they miss, bounded, and given up but never lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DecodeError, FieldError, Refusal
from ingest.jt808 import Header, PartStore, decode
from ingest.jt808 import encode as enc
from ingest.jt808.parts import MAX_HELD_BYTES, MAX_OPEN_MESSAGES, MAX_PARTS, PART_OVERHEAD_BYTES, Room
from ingest.report import Report
from tests.ingest.protocol_strategies import START_US

TERMINAL = "013912345678"
BODY = enc.position_body(Report(TERMINAL, START_US, valid=True, lat_e7=231_000_000, lon_e7=1_133_000_000))


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def inner(frame: bytes) -> bytes:
    return frame[1:-1]


def raw(given_up: list[Refusal]) -> list[bytes]:
    return [each.raw for each in given_up]


def media(sequence: int, size: int = 200, limit: int = 100, terminal: str = TERMINAL) -> list[bytes]:
    """Frames of one 0x0801."""
    data = bytes(i * 7 % 251 for i in range(size))
    return enc.frames(Header(0x0801, terminal, sequence), enc.media_body(sequence, b"\xff\xd8" + data), limit)


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
    assert (parts.missing(), parts.take_given_up()) == ([], [])


@given(order=st.lists(st.integers(0, 3), min_size=4, max_size=30))
def test_repeated_parts_change_nothing(order: list[int]) -> None:
    sent = media(7, size=380)
    parts = PartStore()
    seen: set[int] = set()
    for i in order:
        message = decode(inner(sent[i]), parts)
        seen.add(i)
        assert message.complete == (len(seen) == 4)
        if message.complete:
            assert (message.facts["media_no"], len(message.data)) == (7, 382)
            seen.clear()
    assert parts.missing() == ([(7, [i + 1 for i in range(4) if i not in seen])] if seen else [])
    assert parts.take_given_up() == []


@pytest.mark.parametrize(("version", "count"), [(0, "03"), (1, "0003")])
def test_missing_parts_are_named_and_asked_for(version: int, count: str) -> None:
    sent = enc.frames(Header(0x0704, TERMINAL, 7, version), enc.batch_body([BODY] * 10, blind_spot=False), limit=80)
    parts = PartStore()
    first = decode(inner(sent[1]), parts)
    assert parts.missing() == [(7, [1, 3, 4])]
    asked = enc.resend_request(first.header, 1, *parts.missing()[0])
    assert asked.hex()[:-4].endswith("0007" + count + "000100030004")
    assert decode(inner(asked)).facts == {"first_sequence": 7, "parts": [1, 3, 4]}


@pytest.mark.parametrize(("version", "most"), [(0, 255), (1, 509)])
def test_no_more_parts_are_asked_for_than_one_message_can_name(version: int, most: int) -> None:
    asked = enc.resend_request(Header(0x0801, TERMINAL, 1, version), 1, 7, range(1, 1001))
    assert decode(inner(asked)).facts["parts"] == list(range(1, most + 1))


def test_multimedia_is_asked_for_by_its_own_number_once_its_first_part_is_there() -> None:
    sent = media(7, size=380)
    parts = PartStore()
    decode(inner(sent[3]), parts)
    assert parts.unfinished()[0].media_no is None
    first = decode(inner(sent[0]), parts)
    (open_one,) = parts.unfinished()
    assert open_one.media_no == 7
    asked = enc.media_answer(first.header, 1, 7, open_one.missing)
    assert decode(inner(asked)).facts == {"media_no": 7, "parts": [2, 3]}
    assert decode(inner(enc.media_answer(first.header, 1, 7))).facts == {"media_no": 7}


def test_two_terminals_on_one_connection_do_not_mix_their_parts() -> None:
    one, other = media(7), media(7, terminal="013900000001")
    parts = PartStore()
    assert not decode(inner(one[0]), parts).complete
    assert not decode(inner(other[1]), parts).complete
    assert len(parts.unfinished()) == 2


def test_a_part_of_another_message_under_the_same_number_gives_the_earlier_one_up() -> None:
    one, other = media(7, size=380), media(7, size=250)
    parts = PartStore()
    for frame in (one[0], one[2], other[0]):
        decode(inner(frame), parts)
    assert raw(parts.take_given_up()) == [one[0], one[2]]
    again = enc.frames(Header(0x0801, TERMINAL, 7), enc.media_body(8, b"\xff\xd8" + bytes(250)), 100)
    assert len(again) == len(other)
    decode(inner(again[0]), parts)
    assert raw(parts.take_given_up()) == [other[0]]
    assert [decode(inner(frame), parts).complete for frame in again[1:]] == [False, True]


def test_unfinished_messages_are_bounded_and_the_oldest_goes_to_quarantine_as_it_was_sent() -> None:
    parts = PartStore()
    sent = [media(sequence)[0] for sequence in range(0, 1000, 10)]
    for frame in sent:
        decode(inner(frame), parts)
    assert len(parts.missing()) == MAX_OPEN_MESSAGES
    given_up = parts.take_given_up()
    assert raw(given_up) == sent[:-MAX_OPEN_MESSAGES]
    assert str(given_up[0].error) == "parts: expected room for its parts, got more than can be held after 1 of 3 parts"
    assert parts.take_given_up() == []


def test_bytes_held_are_bounded_whatever_is_sent() -> None:
    parts = PartStore()
    for message in range(20):
        for frame in media(message * MAX_PARTS, size=900_000, limit=1023)[:-1]:
            decode(inner(frame), parts)
            assert parts._held <= MAX_HELD_BYTES


def test_the_largest_message_there_can_be_is_joined() -> None:
    sent = media(1, size=MAX_PARTS * 1023 - 10, limit=1023)
    assert len(sent) == MAX_PARTS
    parts = PartStore()
    assert [len(decode(inner(frame), parts).data) for frame in sent][-1] == MAX_PARTS * 1023 - 8
    assert parts._held == 0


def test_a_message_in_too_many_parts_is_refused() -> None:
    frame = enc.frame(Header(0x0801, TERMINAL, 1, parts=MAX_PARTS + 1, part=1), b"x")
    with pytest.raises(FieldError, match="parts: expected at most 1000, got 1001"):
        decode(inner(frame), PartStore())


def test_connections_share_the_room_and_give_it_back_when_they_end() -> None:
    frames = [media(sequence)[0] for sequence in (1, 10, 20)]
    weight = len(inner(frames[0])) + PART_OVERHEAD_BYTES
    room = Room(limit=2 * weight)
    one, other = PartStore(room=room), PartStore(room=room)
    decode(inner(frames[0]), one)
    decode(inner(frames[1]), one)
    decode(inner(frames[2]), other)
    assert raw(other.take_given_up()) == [frames[2]]
    assert raw(one.close()) == frames[:2]
    assert room.held == 0
    decode(inner(frames[2]), other)
    assert other.missing() == [(20, [2, 3])]


def test_a_message_whose_parts_stop_coming_is_given_up_after_a_time() -> None:
    clock = Clock()
    parts = PartStore(clock)
    sent = media(7, size=380)
    decode(inner(sent[0]), parts)
    clock.now = 100.0
    decode(inner(sent[2]), parts)
    clock.now = 219.0
    parts.expire()
    assert parts.missing() == [(7, [2, 4])]
    clock.now = 220.0
    parts.expire()
    assert parts.missing() == []
    given_up = parts.take_given_up()
    assert raw(given_up) == [sent[0], sent[2]]
    assert str(given_up[0].error) == "parts: expected the other parts within 120 s, got 2 of 4 parts"


def test_of_a_joined_body_that_cannot_be_read_every_part_is_left_for_quarantine() -> None:
    sent = enc.frames(Header(0x0704, TERMINAL, 7), enc.batch_body([BODY[:22] + bytes(6)] * 6, blind_spot=False), 80)
    parts = PartStore()
    for frame in sent[:-1]:
        decode(inner(frame), parts)
    with pytest.raises(DecodeError, match="time: expected YYMMDDhhmmss, got 000000000000"):
        decode(inner(sent[-1]), parts)
    assert raw(parts.take_given_up()) == sent[:-1]


@given(st.data())
def test_every_frame_is_joined_or_given_up_or_still_held(data: st.DataObject) -> None:
    clock, held = Clock(), set[bytes]()
    parts = PartStore(clock)
    for _ in range(data.draw(st.integers(1, 25))):
        clock.now += data.draw(st.sampled_from([0, 1, 200]))
        parts.expire()
        held -= set(raw(parts.take_given_up()))
        frame = data.draw(st.sampled_from(media(data.draw(st.sampled_from([1, 2, 40, 80])), size=180)))
        message = decode(inner(frame), parts)
        assert parts.take_given_up() == []
        if message.complete:
            held -= set(media(message.facts["media_no"], size=180))
        else:
            held.add(frame)
    assert set(raw(parts.close())) == held
