"""Who speaks NMEA, told by where from or where to: a table of terminal numbers by address or by a port of their own.

Keys of the table: an IPv4 or IPv6 address that one terminal calls from, or a port (1 to 65535) that only it calls.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from ingest.errors import ReceiverError

SETTING = "nmea_terminals"
MAX_TERMINAL_CHARACTERS = 40
_PORTS = range(1, 65_536)


def callers(table: Mapping[str, str]) -> dict[str | int, str]:
    """The table with each address in its one form and each port as a number. ReceiverError on a key that is neither."""
    return {_key(key): terminal for key, terminal in table.items()}


def terminal_for(peer_host: str, local_port: int, by_key: Mapping[str | int, str]) -> str | None:
    """Number of the terminal that calls from this address, else of the one that calls this port; None where neither is known.

    `peer_host` as the socket tells it; an IPv4 address that came through an IPv6 socket (::ffff:10.0.0.5) is that address,
    and a zone (fe80::1%eth0) counts for nothing. `by_key`: of `callers`.
    """
    try:
        found = by_key.get(_address(peer_host))
    except ValueError:  # no address, as of a Unix socket
        found = None
    return by_key.get(local_port) if found is None else found


def extra_ports(table: Mapping[str, str]) -> list[int]:
    """Ports to listen on for one terminal each, ascending. ReceiverError on a key or number that is none, or comes twice."""
    keys: dict[str | int, str] = {}
    for key, terminal in table.items():
        read = _key(key)
        if read in keys:
            raise ReceiverError(f"{SETTING}: expected each address and port once, got {keys[read]!r} and {key!r}")
        if not 0 < len(terminal.strip()) <= MAX_TERMINAL_CHARACTERS:
            raise ReceiverError(
                f"{SETTING} {key!r}: expected a terminal number of 1 to {MAX_TERMINAL_CHARACTERS} characters, got {terminal!r}"
            )
        keys[read] = key
    return sorted(key for key in keys if isinstance(key, int))


def _key(text: str) -> str | int:
    """A port, or an address in its one form."""
    if text.isascii() and text.isdecimal() and int(text) in _PORTS:
        return int(text)
    try:
        return _address(text)
    except ValueError:
        raise ReceiverError(f"{SETTING}: expected an address or a port from 1 to 65535, got {text!r}") from None


def _address(text: str) -> str:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
