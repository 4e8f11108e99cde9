"""MQTT packets: read as mqtt5 writes them and written as mqtt5 reads them, over any chunking; 3.1.1 by hand."""

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import mqtt_packets as packets
from ingest.errors import FrameError
from ingest.mqtt_packets import KEPT_BYTES, MAX_PAYLOAD_BYTES, Control, Hello, Kind, Message, PacketReader

TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="\x00+#"), min_size=1, max_size=30)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    payload = draw(st.binary(max_size=200) | st.binary(min_size=300, max_size=300).map(lambda some: some * 70))
    qos = draw(st.integers(0, 2))
    number = draw(st.integers(1, 65_535)) if qos else 0
    return Message(draw(TOPICS), payload, qos, number, draw(st.booleans()), len(payload))


@st.composite
def chunked(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def written_by_mqtt5(message: Message, words: list[tuple[str, str]]) -> bytes:
    return mqtt5.PublishPacket(
        message.topic,
        message.payload,
        qos=mqtt5.QoS(message.qos),
        retain=message.retained,
        packet_id=message.number or None,
        user_properties=words,
    ).write()


def old_publish(message: Message) -> bytes:
    """A PUBLISH of version 3.1.1."""
    topic = message.topic.encode()
    body = len(topic).to_bytes(2) + topic + (message.number.to_bytes(2) if message.qos else b"") + message.payload
    length, rest = bytearray(), len(body)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([0x30 | message.qos << 1 | message.retained]) + length + bytes([rest]) + body


def read_all(level: int, chunks: list[bytes]) -> tuple[list[Message], list[Control]]:
    reader = PacketReader(level)
    read = [reader.feed(chunk) for chunk in chunks]
    return [each for found, _ in read for each in found], [each for _, found in read for each in found]


@given(sent=st.lists(messages(), max_size=5), words=st.lists(st.tuples(TOPICS, TOPICS), max_size=3), data=st.data())
def test_messages_of_version_5_are_read_whatever_the_chunks_and_properties(
    sent: list[Message], words: list[tuple[str, str]], data: st.DataObject
) -> None:
    stream = b"".join(written_by_mqtt5(each, words) for each in sent)
    assert read_all(5, data.draw(chunked(stream))) == (sent, [])


@given(sent=st.lists(messages(), max_size=5), data=st.data())
def test_messages_of_version_3_1_1_are_read_whatever_the_chunks(sent: list[Message], data: st.DataObject) -> None:
    assert read_all(4, data.draw(chunked(b"".join(map(old_publish, sent))))) == (sent, [])


@given(data=st.data(), more=st.integers(1, 5_000))
def test_of_a_payload_too_large_the_start_is_kept_and_what_follows_it_is_read(data: st.DataObject, more: int) -> None:
    large = Message("a/b/c", b"x" * (MAX_PAYLOAD_BYTES + 300_000 + more), 1, 7, False, 0)
    small = Message("a/b/c", b"y", 1, 8, False, 1)
    read, _ = read_all(4, data.draw(chunked(old_publish(large) + old_publish(small))))
    assert read == [large._replace(payload=b"x" * KEPT_BYTES, size=len(large.payload)), small]


def test_a_large_payload_takes_no_more_room_than_its_limit() -> None:
    """The rest of a payload too large is let go of as it comes."""
    reader = PacketReader(4)
    stream = old_publish(Message("a/b/c", b"x" * 20_000_000, 1, 7, False, 0))
    most = 0
    for at in range(0, len(stream), 65_536):
        reader.feed(stream[at : at + 65_536])
        most = max(most, len(reader._rest))
    assert 0 < most <= MAX_PAYLOAD_BYTES


@pytest.mark.parametrize(
    "stream",
    [b"\x32\xff\xff\xff\xff\xff", b"\x32\x03\x00\x09a", b"\x36\x05\x00\x01a\x00\x01", b"\x90\xff\xff\xff\x7f"],
    ids=["a length of five bytes", "a topic longer than the packet", "QoS 3", "a SUBACK of 256 MB"],
)
def test_broken_framing_is_told(stream: bytes) -> None:
    with pytest.raises(FrameError, match="mqtt: expected"):
        PacketReader(4).feed(stream)


@given(stream=st.binary(max_size=200), level=st.sampled_from([4, 5]))
def test_any_bytes_are_read_or_told_to_be_broken(stream: bytes, level: int) -> None:
    try:
        read, _ = PacketReader(level).feed(stream)
    except FrameError:
        return
    assert sum(len(each.payload) for each in read) <= len(stream)


def test_what_a_receiver_says_is_what_mqtt5_understands() -> None:
    hello = Hello("gongche", 5, "wanderer", "密码", 30, 20_000, 600)
    read, _ = mqtt5.read(memoryview(packets.connect(hello)))
    assert isinstance(read, mqtt5.ConnectPacket)
    assert (read.client_id, read.username, read.password) == ("gongche", "wanderer", "密码".encode())
    assert (read.clean_start, read.keep_alive, read.receive_max, read.session_expiry_interval) == (
        False,
        30,
        20_000,
        600,
    )
    asked, _ = mqtt5.read(memoryview(packets.subscribe(7, ["a/+/b", "$share/g/c/#"], 2, 5)))
    assert isinstance(asked, mqtt5.SubscribePacket)
    assert asked.packet_id == 7
    assert [(each.pattern, each.max_qos) for each in asked.topic_filters] == [("a/+/b", 2), ("$share/g/c/#", 2)]
    once = mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
    assert [each.retain_handling for each in asked.topic_filters] == [once, once]
    left, _ = mqtt5.read(memoryview(packets.unsubscribe(8, ["a/b"], 5)))
    assert isinstance(left, mqtt5.UnsubscribePacket)
    assert (left.packet_id, left.patterns) == (8, ["a/b"])
    for kind, known in (
        (Kind.PUBACK, mqtt5.PubAckPacket),
        (Kind.PUBREC, mqtt5.PubRecPacket),
        (Kind.PUBCOMP, mqtt5.PubCompPacket),
    ):
        view = memoryview(packets.acknowledgements(kind, [1, 65_535]))
        first, size = mqtt5.read(view)
        second, _ = mqtt5.read(view[size:])
        assert isinstance(first, known)
        assert isinstance(second, known)
        assert (first.packet_id, second.packet_id) == (1, 65_535)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (mqtt5.ConnAckPacket(), ""),
        (
            mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD),
            "bad user name or password",
        ),
        (mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.QUOTA_EXCEEDED), "a quota is used up"),
        (mqtt5.SubAckPacket(3, [mqtt5.SubAckReasonCode.GRANTED_QOS_EXACTLY_ONCE]), ""),
        (mqtt5.SubAckPacket(3, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED], reason_str="no"), "not authorised"),
    ],
)
def test_an_answer_of_version_5_says_yes_or_why_not(answer: mqtt5.ConnAckPacket | mqtt5.SubAckPacket, why: str) -> None:
    (control,) = PacketReader(5).feed(answer.write())[1]
    assert packets.refusal(control, 5) == why


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"\x20\x02\x00\x00", ""),
        (b"\x20\x02\x00\x05", "not authorised"),
        (b"\x20\x02\x00\x09", "reason 0x09"),
        (b"\x90\x03\x00\x01\x02", ""),
        (b"\x90\x03\x00\x01\x80", "refused without a reason"),
    ],
)
def test_an_answer_of_version_3_1_1_says_yes_or_why_not(stream: bytes, why: str) -> None:
    (control,) = PacketReader(4).feed(stream)[1]
    assert packets.refusal(control, 4) == why
