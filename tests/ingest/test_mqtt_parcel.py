"""From messages to a parcel: topics, statuses, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import FieldError
from ingest.mqtt_packets import MAX_PAYLOAD_BYTES, Message
from ingest.mqtt_parcel import Route, Router, parcel_of
from ingest.parcel import Parcel, TerminalEvent

POSITION = json.dumps({"fix_time": "2026-11-23T08:00:00+08:00", "lat": 23.129163, "lon": 113.264435}).encode()
ROUTER = Router("gongche/+/position", "gongche/+/status")
AT_US = 1_795_392_000_000_000


def said(topic: str, payload: bytes, *, retained: bool = False) -> Parcel:
    return parcel_of([Message(topic, payload, 1, 1, retained, len(payload))], ROUTER, "gongche/+/position", AT_US)


@pytest.mark.parametrize(
    ("subscribed", "topic", "terminal"),
    [
        ("gongche/+/position", "gongche/M1/position", "M1"),
        ("$share/ingest/gongche/+/position", "gongche/013912345678/position", "013912345678"),
        ("fleet/+/gps/+/position", "fleet/粤A12345/gps/2/position", "粤A12345"),
        ("+/position", "M1/position", "M1"),
        ("gongche/+/#", "gongche/M1/raw/808", "M1"),
        ("gongche/#", "gongche/south/M1/position", "M1"),
        ("#", "M1/position", "M1"),
        ("gongche/M1/position", "gongche/M1/position", "M1"),
        ("a.b/+/c", "a.b/M1/c", "M1"),
    ],
)
def test_the_terminal_stands_at_the_first_plus_of_the_filter(subscribed: str, topic: str, terminal: str) -> None:
    assert Router(subscribed).route(topic) == Route(terminal)


@pytest.mark.parametrize(
    "topic",
    ["gongche//position", "gongche/a\x00b/position", "gongche/" + "9" * 65 + "/position", "gongche/a\nb/position"],
)
def test_a_topic_without_a_terminal_number_costs_only_its_message(topic: str) -> None:
    parcel = said(topic, POSITION)
    assert parcel.reports == []
    (refusal,) = parcel.refused
    assert refusal.raw == POSITION
    assert str(refusal.error).startswith("topic: expected a terminal number of 1 to 64 characters in it, got 'gongche/")


@pytest.mark.parametrize("topic", ["other/M1/position", "gongche/M1", "gongche/M1/position/x", ""])
def test_a_topic_that_nobody_asked_for_is_refused(topic: str) -> None:
    (refusal,) = said(topic, POSITION).refused
    assert str(refusal.error) == f"topic: expected one that was subscribed to, got {topic!r}"


def test_a_payload_too_large_is_refused_with_its_size() -> None:
    message = Message("gongche/M1/position", b"{", 1, 1, False, MAX_PAYLOAD_BYTES + 1)
    (refusal,) = parcel_of([message], ROUTER, "", AT_US).refused
    assert str(refusal.error) == "payload: expected at most 1048576 bytes, got 1048577"


@pytest.mark.parametrize(
    ("payload", "kind", "why"),
    [
        (b"online", "online", "status"),
        (b" OFFLINE\n", "offline", "status"),
        (b'"offline"', "offline", "status"),
        (b'{"state": "online"}', "online", "status"),
        (b'{"state": "offline", "why": "last will", "battery": 3}', "offline", "last will"),
    ],
)
def test_a_status_becomes_an_event(payload: bytes, kind: str, why: str) -> None:
    parcel = said("gongche/M1/status", payload)
    assert parcel.events == [TerminalEvent("M1", kind, AT_US, {"why": why})]
    assert not parcel.refused


def test_a_status_that_was_said_before_we_came_is_told_apart() -> None:
    (event,) = said("gongche/M1/status", b"online", retained=True).events
    assert event.facts == {"why": "status", "retained": True}


@pytest.mark.parametrize(
    ("payload", "got"),
    [
        (b"asleep", "online or offline, got 'asleep'"),
        (b"", "online or offline, got ''"),
        (b'{"state": 1}', "online or offline, got 1"),
        (b"{}", "online or offline, got None"),
        (b"{", "JSON, got Expecting property name"),
        (b"\xff\xfe", "online or offline, got"),
    ],
)
def test_a_malformed_status_is_refused(payload: bytes, got: str) -> None:
    parcel = said("gongche/M1/status", payload)
    assert parcel.events == []
    (refusal,) = parcel.refused
    assert refusal.raw == payload
    assert str(refusal.error).startswith(f"status: expected {got}")


@given(
    topics=st.lists(st.sampled_from(["gongche/M1/position", "gongche/M1/status"]) | st.text(max_size=30), max_size=5),
    payload=st.binary(max_size=60) | st.sampled_from([POSITION, b"online", b'{"state": []}', b'["offline"]']),
)
def test_every_message_leaves_a_trace(topics: list[str], payload: bytes) -> None:
    messages = [Message(topic, payload, 1, 1, False, len(payload)) for topic in topics]
    parcel = parcel_of(messages, ROUTER, "", AT_US)
    assert len(parcel.reports) + len(parcel.events) + len(parcel.refused) >= len(messages)


def test_a_route_is_an_error_or_a_terminal() -> None:
    assert isinstance(ROUTER.route("gongche//status"), FieldError)
    assert ROUTER.route("gongche/M1/status") == Route("M1", is_status=True)
