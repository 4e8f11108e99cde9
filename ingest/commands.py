"""What can be asked of a terminal: kinds, the check of their arguments, the message of each and what answers it.

Pure and without a socket, so that pages and the command line check with it before a command is stored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.errors import FieldError
from ingest.jt808 import commands as jt808
from ingest.jt808.parameters import NUMBERS, parameter_id, parameter_name, parse_number

GENERAL_ANSWER, PARAMETERS_ANSWER, PROPERTIES_ANSWER, POSITION_ANSWER = 0x0001, 0x0104, 0x0107, 0x0201

_TRUTHS = {True: True, False: False, "true": True, "false": False}

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of command: its check, its message for an edition (0 before 2019), and the message that answers it."""

    check: Callable[[Mapping[str, Any]], Arguments]
    message: Callable[[Mapping[str, Any], int], tuple[int, bytes]]
    answered_by: int = GENERAL_ANSWER


def check_arguments(kind: str, arguments: Mapping[str, Any]) -> Arguments:
    """The arguments as they are stored: complete, numbers as numbers where a form gives text.

    FieldError on a kind there is none of, an argument that is missing, too much or out of its range, and on a text or
    parameters that do not go into one message.
    """
    if kind not in KINDS:
        raise FieldError("kind", f"one of {', '.join(KINDS)}", repr(kind))
    return KINDS[kind].check(arguments)


# ---------------------------------------------------------------- checks


def _nothing(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments)
    return {}


def _track(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments, "interval_s", "for_s")
    interval_s = _whole("interval_s", arguments.get("interval_s"), 0, 0xFFFF)
    if interval_s == 0:
        return {"interval_s": 0}  # stops it
    return {"interval_s": interval_s, "for_s": _whole("for_s", arguments.get("for_s"), 1, 0xFFFFFFFF)}


def _set_parameters(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments, "values")
    values = arguments.get("values")
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise FieldError("values", "values by name of parameter", repr(values))
    checked: Arguments = {}
    for given, value in values.items():
        name = parameter_name(parameter_id(given))
        if name in checked:
            raise FieldError("values", "each parameter once", f"{name} again")
        checked[name] = parse_number(value) if name in NUMBERS and isinstance(value, str) else value
    jt808.parameters_body(checked)
    return {"values": checked}


def _query_parameters(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments, "names")
    names = arguments.get("names") or []
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise FieldError("names", "a list of names of parameters", repr(names))
    checked = [parameter_name(parameter_id(name)) for name in names]
    if checked:
        jt808.asked_body(checked)
    return {"names": checked} if checked else {}


def _text(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments, "text", "urgent", "display", "speak")
    text = arguments.get("text")
    if not isinstance(text, str) or not text.strip():
        raise FieldError("text", "a text", repr(text))
    flags = {"urgent": False, "display": True, "speak": False}
    for name in flags:
        if name in arguments:
            try:
                flags[name] = _TRUTHS[arguments[name]]
            except (KeyError, TypeError):
                raise FieldError(name, "true or false", repr(arguments[name])) from None
    if not flags["display"] and not flags["speak"]:
        raise FieldError("display, speak", "one of them true", "neither")
    jt808.text_body(text, 1, **flags)  # the longer of its two forms
    return {"text": text, **flags}


def _resend(arguments: Mapping[str, Any]) -> Arguments:
    _known(arguments, "first_sequence", "count")
    first = _whole("first_sequence", arguments.get("first_sequence"), 0, 0xFFFF)
    return {"first_sequence": first, "count": _whole("count", arguments.get("count"), 1, jt808.MAX_PARTS_ASKED[False])}


def _known(arguments: Mapping[str, Any], *names: str) -> None:
    unknown = [name for name in arguments if name not in names]
    if unknown:
        raise FieldError("arguments", ", ".join(names) or "none", ", ".join(unknown))


def _whole(name: str, value: Any, low: int, high: int) -> int:
    number = parse_number(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise FieldError(name, f"a whole number from {low} to {high}", repr(value))
    return number


# ---------------------------------------------------------------- messages


def _asked(arguments: Mapping[str, Any], _version: int) -> tuple[int, bytes]:
    names = arguments.get("names")
    return (jt808.QUERY_SOME, jt808.asked_body(names)) if names else (jt808.QUERY_ALL, b"")


def _resend_body(arguments: Mapping[str, Any], version: int) -> bytes:
    return jt808.resend_body(version, arguments["first_sequence"], range(1, arguments["count"] + 1))


KINDS: dict[str, Kind] = {
    "locate": Kind(_nothing, lambda _arguments, _version: (jt808.LOCATE, b""), POSITION_ANSWER),
    "track": Kind(
        _track,
        lambda arguments, _version: (
            jt808.TRACK,
            jt808.tracking_body(arguments["interval_s"], arguments.get("for_s", 0)),
        ),
    ),
    "set_parameters": Kind(
        _set_parameters, lambda arguments, _version: (jt808.SET_PARAMETERS, jt808.parameters_body(arguments["values"]))
    ),
    "query_parameters": Kind(_query_parameters, _asked, PARAMETERS_ANSWER),
    "query_properties": Kind(_nothing, lambda _arguments, _version: (jt808.QUERY_PROPERTIES, b""), PROPERTIES_ANSWER),
    "text": Kind(_text, lambda arguments, version: (jt808.TEXT, jt808.text_body(version=version, **arguments))),
    "resend": Kind(_resend, lambda arguments, version: (jt808.RESEND, _resend_body(arguments, version))),
}
"""By the name under which commands are stored."""
