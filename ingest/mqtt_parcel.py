"""From messages to a parcel: which topic says what of which terminal, and what their payloads hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest.errors import DecodeError, FieldError, Refusal
from ingest.mqtt_packets import MAX_PAYLOAD_BYTES, Message
from ingest.mqtt_status import read_status
from ingest.parcel import Parcel, TerminalEvent
from ingest.payload import read_payload
from ingest.report import Report

SOURCE = "mqtt"
MAX_TERMINAL_CHARACTERS = 64
_ROUTES_KEPT = 65_536


@dataclass(frozen=True, slots=True)
class Route:
    """What a topic stands for: positions or the status of a terminal."""

    terminal: str
    is_status: bool = False


class Router:
    """Reads topics by the filters they were subscribed with.

    The terminal is named by the first `+` of the filter; where it has none (`#`), by the last level but one.
    """

    def __init__(self, position: str, status: str = "") -> None:
        self._filters = [(_pattern(status), True)] if status else []
        self._filters.append((_pattern(position), False))
        self.route = lru_cache(_ROUTES_KEPT)(self._route)

    def _route(self, topic: str) -> Route | FieldError:
        """Where a message on a topic belongs, or why it belongs nowhere."""
        for pattern, is_status in self._filters:
            found = pattern.fullmatch(topic)
            if found is not None:
                return _named(found["terminal"] or _last_but_one(topic), topic, is_status=is_status)
        return FieldError("topic", "one that was subscribed to", repr(topic)[:120])


def parcel_of(messages: Sequence[Message], router: Router, place: str, at: int) -> Parcel:
    """One parcel of all that some messages hold; what cannot be taken costs only itself. `at`: receipt, µs UTC."""
    reports: list[Report] = []
    refused: list[Refusal] = []
    events: list[TerminalEvent] = []
    for message in messages:
        route = router.route(message.topic)
        if isinstance(route, FieldError):
            refused.append(Refusal(message.payload, route))
        elif message.size > MAX_PAYLOAD_BYTES:
            why = FieldError("payload", f"at most {MAX_PAYLOAD_BYTES} bytes", str(message.size))
            refused.append(Refusal(message.payload, why))
        elif route.is_status:
            try:
                events.append(read_status(message.payload, route.terminal, at, retained=message.retained))
            except DecodeError as error:
                refused.append(Refusal(message.payload, error))
        else:
            found, bad = read_payload(message.payload, route.terminal)
            reports += found
            refused += bad
    return Parcel(SOURCE, place, at, reports, refused, events=events)


def _pattern(subscribed: str) -> re.Pattern[str]:
    """The topics a filter takes, `terminal` at its first `+`; `$share/<group>/` is no part of them."""
    levels = subscribed.split("/")
    if levels[0] == "$share":
        levels = levels[2:]
    several = levels[-1] == "#"
    read = [r"[^/]*" if level == "+" else re.escape(level) for level in (levels[:-1] if several else levels)]
    text = "/".join(read).replace(r"[^/]*", r"(?P<terminal>[^/]*)", 1)
    if "+" not in levels:
        text += r"(?P<terminal>)"
    if several:
        text = text + r"(?:/.*)?" if read else text + r".*"
    return re.compile(text, re.DOTALL)


def _named(terminal: str, topic: str, *, is_status: bool) -> Route | FieldError:
    if not terminal or len(terminal) > MAX_TERMINAL_CHARACTERS or not terminal.isprintable():
        expected = f"a terminal number of 1 to {MAX_TERMINAL_CHARACTERS} characters in it"
        return FieldError("topic", expected, repr(topic)[:120])
    return Route(terminal, is_status)


def _last_but_one(topic: str) -> str:
    levels = topic.split("/")
    return levels[-2] if len(levels) > 1 else ""
