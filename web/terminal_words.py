"""How what terminals say and are asked reads on a page."""

import json
from collections.abc import Mapping
from typing import Any


def _(text: str) -> str:
    """Mark a text for translation; it is translated where it is shown."""
    return text


EVENT_KINDS = {
    "online": _("came online"),
    "offline": _("went offline"),
    "registered": _("registered"),
    "authenticated": _("authenticated"),
    "properties": _("told its properties"),
    "parameters": _("told its parameters"),
    "media": _("sent a picture, sound or film"),
    "pass_through": _("passed data through"),
    "card": _("card without a time"),
    "twice": _("number in two places at once"),
    "wrong_code": _("wrong authentication code"),
    "unknown": _("bound to no vehicle"),
    "gap": _("messages missing"),
}
"""Kinds of events; the last four are findings."""

SAYINGS = {
    "registered": _("Registration"),
    "authenticated": _("Authentication"),
    "properties": _("Properties"),
    "parameters": _("Parameters"),
}

COMMAND_KINDS = {
    "locate": _("Where are you?"),
    "track": _("Temporary tracking"),
    "set_parameters": _("Set parameters"),
    "query_parameters": _("Ask for parameters"),
    "query_properties": _("Ask for properties"),
    "text": _("Text to the driver"),
    "resend": _("Send messages again"),
}

COMMAND_STATES = {
    "waiting": _("waits for the terminal"),
    "sent": _("sent, not answered yet"),
    "done": _("done"),
    "failed": _("failed"),
    "expired": _("no answer in time"),
}

_HIDDEN = "•••"
_OUTER = {"parameters", "values"}  # names that say nothing of what is within


def facts_line(facts: Mapping[str, Any] | None) -> str:
    """Facts in one line, as `name: value; name: value`."""
    return "; ".join(f"{name}: {value}" for name, value in flat(facts or {}))


def flat(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts as name and text, those within others by both names. Passwords among a terminal's parameters are not shown."""
    lines: list[tuple[str, str]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            lines += [(inner if name in _OUTER else f"{name} {inner}", text) for inner, text in flat(value)]
        else:
            lines.append((name, _HIDDEN if name.endswith("password") else _plain(value)))
    return lines


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
