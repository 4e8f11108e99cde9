"""Payloads on `gongche/<terminal>/status`: `online` or `offline`, as text or as JSON `{"state": …, "why": …}`.

A terminal publishes `online` after it connected and leaves `offline` as its last will, which the broker publishes when
the connection breaks. A broker hands on a last will like any message; a will that says so itself is known as one.
"""

import json
from typing import Any

from ingest.errors import FieldError
from ingest.parcel import TerminalEvent

STATES = ("online", "offline")
STATUS, LAST_WILL = "status", "last will"


def read_status(payload: bytes, terminal: str, at: int, *, retained: bool = False) -> TerminalEvent:
    """The event a status payload tells; `retained`: it was said before we subscribed. FieldError on anything else."""
    state, why = _said(payload)
    if state not in STATES:
        raise FieldError("status", " or ".join(STATES), repr(state)[:60])
    facts: dict[str, Any] = {"why": LAST_WILL if why in {"will", "last will", "last_will", "lwt"} else STATUS}
    if retained:
        facts["retained"] = True
    return TerminalEvent(terminal, state, at, facts)


def _said(payload: bytes) -> tuple[Any, Any]:
    text = payload.decode("utf-8", "replace").strip()
    if not text.startswith(("{", '"')):
        return text.lower(), None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FieldError("status", "JSON", str(error).partition("\n")[0]) from None
    if isinstance(content, str):
        return content.lower(), None
    return content.get("state"), str(content.get("why", "")).lower()
