"""Commands to terminals and approvals, as the command line and the pages ask for them."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from geo.datum import DATUMS
from ingest.errors import IngestError
from ingest.files.fleet import PROTOCOLS
from ingest.release import Released, approve, release
from store.commands import KINDS
from store.database import Database
from store.errors import StoreError
from store.receivers import living_receivers
from web.terminal_desk import Approval, DeskError

SETTLE_S = 8.0
"""Receivers look up a number they do not know every five seconds; then what they had waiting is stored."""
MAX_TEXT_BYTES = 1000
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")

Check = Callable[[str, Any], Any]


def check_arguments(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a command of a kind, each checked. DeskError names one that is missing, unknown or out of range."""
    if kind not in ARGUMENTS:
        raise DeskError(f"command: expected one of {', '.join(KINDS)}, got {kind!r}")
    wanted = ARGUMENTS[kind]
    unknown = sorted(set(arguments) - set(wanted))
    if unknown:
        raise DeskError(f"{unknown[0]}: expected one of {', '.join(wanted) or 'no arguments'}, got {unknown[0]!r}")
    missing = [name for name in wanted if name not in arguments]
    if missing:
        raise DeskError(f"{missing[0]}: expected a value, got none")
    return {name: check(name, arguments[name]) for name, check in wanted.items()}


class Desk:
    """The `web.terminal_desk.TerminalDesk` of a database."""

    def __init__(self, database: Database, settle_s: float = SETTLE_S) -> None:
        self._database = database
        self._settle_s = settle_s

    def check(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a command as receivers take them; DeskError names what is wrong."""
        return check_arguments(kind, arguments)

    def approve(self, terminal_no: str, vehicle: str, protocol: str, terminal_type: str, datum: str) -> Approval:
        """Bind a terminal to a vehicle by code or plate, and take what waited of it; DeskError names what is wrong."""
        for name, value, allowed in (("protocol", protocol, PROTOCOLS), ("datum", datum, DATUMS)):
            if value and value not in allowed:
                raise DeskError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
        try:
            done = approve(
                self._database, terminal_no, vehicle, protocol=protocol, terminal_type=terminal_type, datum=datum
            )
        except (IngestError, StoreError) as error:
            raise DeskError(str(error)) from error
        return _approval(done)

    def settle(self, terminal_no: str) -> Approval:
        """Once all receivers know of a binding, take what they still refused until then; at once where none runs."""
        with self._database.connection() as conn:
            receivers = living_receivers(conn)
        if receivers:
            time.sleep(self._settle_s)
        return _approval(release(self._database, terminal_no))


def _approval(done: Released) -> Approval:
    return Approval(**asdict(done))


def _whole(low: int, high: int) -> Check:
    def check(name: str, value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise DeskError(f"{name}: expected a whole number from {low} to {high}, got {value!r}")
        return value

    return check


def _text(name: str, value: Any) -> str:
    try:
        size = len(str(value).encode("gbk"))
    except UnicodeEncodeError as error:
        raise DeskError(f"{name}: expected characters of GBK, got {str(value)[error.start]!r}") from None
    if not str(value).strip() or size > MAX_TEXT_BYTES:
        raise DeskError(f"{name}: expected 1 to {MAX_TEXT_BYTES} bytes in GBK, got {size}")
    return str(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise DeskError(f"{name}: expected true or false, got {value!r}")
    return value


def _names(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise DeskError(f"{name}: expected names of parameters, got {value!r}")
    return list(value)


def _values(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value or not all(isinstance(each, str) and each for each in value):
        raise DeskError(f"{name}: expected NAME=VALUE, got {value!r}")
    return {each: _value(given) for each, given in value.items()}


def _value(given: Any) -> Any:
    """A number where the text is how the number is written, so that nothing is lost where the parameter is a text."""
    return int(given) if isinstance(given, str) and _WHOLE.fullmatch(given) else given


ARGUMENTS: dict[str, dict[str, Check]] = {
    "locate": {},
    "track": {"interval_s": _whole(0, 65_535), "for_s": _whole(0, 7 * 86_400)},
    "set_parameters": {"values": _values},
    "query_parameters": {"names": _names},
    "query_properties": {},
    "text": {"text": _text, "urgent": _flag, "display": _flag, "speak": _flag},
    "resend": {"first_sequence": _whole(0, 65_535), "count": _whole(1, 255)},
}
"""Kind of command → its arguments, all of them needed, and what each may be."""
