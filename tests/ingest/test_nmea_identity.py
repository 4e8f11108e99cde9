"""Terminals told by address or port."""

import pytest

from ingest.errors import ReceiverError
from ingest.nmea.identity import callers, extra_ports, terminal_for

TABLE = {"10.0.0.5": "A1", "9001": "B2", "2001:DB8:0::7": "C3", "::ffff:10.0.0.6": "D4", "9000": "E5"}


@pytest.mark.parametrize(
    ("peer", "port", "terminal"),
    [
        ("10.0.0.5", 8809, "A1"),
        ("10.0.0.5", 9001, "A1"),
        ("10.0.0.9", 9001, "B2"),
        ("10.0.0.9", 8809, None),
        ("::ffff:10.0.0.5", 8809, "A1"),
        ("::ffff:a00:5", 8809, "A1"),
        ("10.0.0.6", 8809, "D4"),
        ("2001:db8::7", 8809, "C3"),
        ("2001:db8::7%eth0", 8809, "C3"),
        ("2001:db8::8", 9000, "E5"),
        ("", 9000, "E5"),
        ("", 8809, None),
    ],
)
def test_an_address_counts_before_a_port(peer: str, port: int, terminal: str | None) -> None:
    assert terminal_for(peer, port, callers(TABLE)) == terminal


def test_an_empty_table_knows_nobody() -> None:
    assert terminal_for("10.0.0.5", 8809, {}) is None
    assert extra_ports({}) == []


def test_ports_of_their_own_are_listened_on() -> None:
    assert extra_ports(TABLE) == [9000, 9001]


@pytest.mark.parametrize("key", ["", "0", "65536", "-1", "10.0.0", "10.0.0.5:9001", "gateway.example", "١", "9001 "])
def test_a_key_that_is_neither_is_named(key: str) -> None:
    for use in (lambda: extra_ports({key: "A1"}), lambda: callers({key: "A1"})):
        with pytest.raises(ReceiverError, match="expected an address or a port from 1 to 65535, got") as caught:
            use()
        assert repr(key) in str(caught.value)


@pytest.mark.parametrize("terminal", ["", "  ", "1" * 41])
def test_a_number_that_is_none_is_named_with_its_key(terminal: str) -> None:
    with pytest.raises(ReceiverError, match=r"nmea_terminals '9001': expected a terminal number of 1 to 40 characters"):
        extra_ports({"9001": terminal})


@pytest.mark.parametrize("other", ["::ffff:10.0.0.5", "::FFFF:A00:5"])
def test_an_address_that_comes_twice_is_named(other: str) -> None:
    with pytest.raises(ReceiverError, match=r"expected each address and port once, got '10\.0\.0\.5' and"):
        extra_ports({"10.0.0.5": "A1", other: "B2"})
