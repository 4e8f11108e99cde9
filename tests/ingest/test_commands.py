"""What can be asked of a terminal: arguments that are taken, as which, and those that are not; and the messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.commands import KINDS, check_arguments
from ingest.errors import FieldError
from ingest.jt808 import Header, decode
from ingest.jt808 import encode as enc
from tests.ingest.protocol_strategies import parameter_values


def sent(kind: str, arguments: dict[str, Any], version: int = 0) -> tuple[int, dict[str, Any]]:
    """Message id and facts of a command, as a terminal reads them."""
    message_id, body = KINDS[kind].message(check_arguments(kind, arguments), version)
    return message_id, decode(enc.frame(Header(message_id, "1", 1, version), body)[1:-1]).facts


@pytest.mark.parametrize(
    ("kind", "given_arguments", "checked"),
    [
        ("locate", {}, {}),
        ("query_properties", {}, {}),
        ("track", {"interval_s": 10, "for_s": 600}, {"interval_s": 10, "for_s": 600}),
        ("track", {"interval_s": "10", "for_s": "600"}, {"interval_s": 10, "for_s": 600}),
        ("track", {"interval_s": 0, "for_s": 600}, {"interval_s": 0}),
        (
            "set_parameters",
            {"values": {"interval_s": "30", "host": "1.2.3.4"}},
            {"values": {"interval_s": 30, "host": "1.2.3.4"}},
        ),
        ("set_parameters", {"values": {"0x0029": 30, "0xF370": "02"}}, {"values": {"interval_s": 30, "0xf370": "02"}}),
        (
            "set_parameters",
            {"values": {"odometer_km": "1234.5", "plate": 123}},
            {"values": {"odometer_km": 1234.5, "plate": 123}},
        ),
        ("query_parameters", {}, {}),
        ("query_parameters", {"names": []}, {}),
        ("query_parameters", {"names": ["0x0029", "0xf370"]}, {"names": ["interval_s", "0xf370"]}),
        ("text", {"text": "请回单位"}, {"text": "请回单位", "urgent": False, "display": True, "speak": False}),
        (
            "text",
            {"text": "a", "urgent": True, "display": "false", "speak": "true"},
            {"text": "a", "urgent": True, "display": False, "speak": True},
        ),
        ("resend", {"first_sequence": "65535", "count": 255}, {"first_sequence": 65535, "count": 255}),
    ],
)
def test_arguments_are_completed_and_typed(kind: str, given_arguments: dict[str, Any], checked: dict[str, Any]) -> None:
    assert check_arguments(kind, given_arguments) == checked
    assert check_arguments(kind, checked) == checked


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            "engine",
            {},
            "kind: expected one of locate, track, set_parameters, query_parameters, query_properties, text, resend, got 'engine'",
        ),
        ("locate", {"now": 1}, "arguments: expected none, got now"),
        ("track", {"interval_s": 10, "for": 1}, "arguments: expected interval_s, for_s, got for"),
        ("track", {}, "interval_s: expected a whole number from 0 to 65535, got None"),
        ("track", {"interval_s": "soon"}, "interval_s: expected a whole number from 0 to 65535, got 'soon'"),
        ("track", {"interval_s": 1.5}, "interval_s: expected a whole number from 0 to 65535, got 1.5"),
        ("track", {"interval_s": True}, "interval_s: expected a whole number from 0 to 65535, got True"),
        ("track", {"interval_s": 65536}, "interval_s: expected a whole number from 0 to 65535, got 65536"),
        ("track", {"interval_s": 1}, "for_s: expected a whole number from 1 to 4294967295, got None"),
        ("set_parameters", {}, "values: expected values by name of parameter, got None"),
        ("set_parameters", {"values": {1: 2}}, "values: expected values by name of parameter, got {1: 2}"),
        ("set_parameters", {"host": "a"}, "arguments: expected values, got host"),
        ("set_parameters", {"values": {}}, "parameters: expected 1 to 255 of them, got 0"),
        (
            "set_parameters",
            {"values": {"interval": 1}},
            "parameter: expected a name of the table or an id as 0x0029, got 'interval'",
        ),
        ("set_parameters", {"values": {"interval_s": "x"}}, "interval_s: expected a whole number from 0 to 4294967295, got 'x'"),
        (
            "set_parameters",
            {"values": {"interval_s": 1, "0x0029": 2}},
            "values: expected each parameter once, got interval_s again",
        ),
        ("query_parameters", {"names": "host"}, "names: expected a list of names of parameters, got 'host'"),
        ("query_parameters", {"names": [1]}, "names: expected a list of names of parameters, got [1]"),
        (
            "query_parameters",
            {"names": ["host", "x"]},
            "parameter: expected a name of the table or an id as 0x0029, got 'x'",
        ),
        ("query_parameters", {"names": ["host"] * 256}, "parameters: expected 1 to 255 of them, got 256"),
        ("text", {"text": " "}, "text: expected a text, got ' '"),
        ("text", {"text": 5}, "text: expected a text, got 5"),
        ("text", {"text": "a", "urgent": "very"}, "urgent: expected true or false, got 'very'"),
        ("text", {"text": "a", "urgent": []}, "urgent: expected true or false, got []"),
        ("text", {"text": "a", "display": False}, "display, speak: expected one of them true, got neither"),
        ("text", {"text": "a" * 1022}, "text: expected at most 1023 bytes in one message, got 1024"),
        ("resend", {"first_sequence": 1}, "count: expected a whole number from 1 to 255, got None"),
        ("resend", {"first_sequence": -1, "count": 1}, "first_sequence: expected a whole number from 0 to 65535, got -1"),
    ],
)  # fmt: skip
def test_an_argument_that_cannot_be_meant_is_refused(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        check_arguments(kind, arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "arguments", "version", "expected"),
    [
        ("locate", {}, 0, (0x8201, {})),
        ("track", {"interval_s": 10, "for_s": 600}, 0, (0x8202, {"interval_s": 10, "for_s": 600})),
        ("track", {"interval_s": 0}, 1, (0x8202, {"interval_s": 0})),
        ("query_parameters", {}, 0, (0x8104, {})),
        ("query_parameters", {"names": ["host"]}, 0, (0x8106, {"names": ["host"]})),
        ("query_properties", {}, 0, (0x8107, {})),
        ("resend", {"first_sequence": 7, "count": 3}, 0, (0x8003, {"first_sequence": 7, "parts": [1, 2, 3]})),
        ("resend", {"first_sequence": 7, "count": 3}, 1, (0x8003, {"first_sequence": 7, "parts": [1, 2, 3]})),
    ],
)
def test_each_kind_has_its_message(
    kind: str, arguments: dict[str, Any], version: int, expected: tuple[int, dict[str, Any]]
) -> None:
    assert sent(kind, arguments, version) == expected


@given(values=parameter_values(), version=st.sampled_from([0, 1]))
def test_parameters_reach_the_terminal_as_they_were_checked(values: dict[str, Any], version: int) -> None:
    checked = check_arguments("set_parameters", {"values": values})
    assert sent("set_parameters", checked, version) == (0x8103, {"parameters": checked["values"]})


@pytest.mark.parametrize("version", [0, 1])
def test_a_text_reaches_the_terminal_in_its_edition(version: int) -> None:
    message_id, facts = sent("text", {"text": "请回单位", "urgent": True, "speak": True}, version)
    assert message_id == 0x8300
    assert (facts["text"], facts["urgent"], facts["display"], facts["speak"]) == ("请回单位", True, True, True)


def test_nothing_that_can_be_asked_cuts_an_engine() -> None:
    arguments: dict[str, dict[str, Any]] = {
        "locate": {},
        "track": {"interval_s": 0},
        "set_parameters": {"values": {"host": "a"}},
        "query_parameters": {},
        "query_properties": {},
        "text": {"text": "a"},
        "resend": {"first_sequence": 1, "count": 1},
    }
    assert set(arguments) == set(KINDS)
    asked = {sent(kind, each, version)[0] for kind, each in arguments.items() for version in (0, 1)}
    assert not {0x8105, 0x8500} & asked
