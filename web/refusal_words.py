"""What was refused, in words of the person's language.

A refusal is written once, in English and in the form of the house, "where: expected this, got that", as scripts, logs and
the JSON API have it. A page takes it apart by the texts below and puts it together from their translations. What does not
read like one of them is shown as it is.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

from web.case_words import CASE_FORMS, CASE_STATES
from web.order_words import ORDER_STATES, PURPOSE_CLASSES, STEPS
from web.refusal_texts import EXPECTED, FIELDS, GOT, PLACES, SAYINGS
from web.terms import _

Text = Callable[[str], str]

NAMES = {**CASE_STATES, **ORDER_STATES, **PURPOSE_CLASSES}
"""Names that data carries and a refusal quotes."""

MOST_READ = 1_000
"""Characters of a refusal that is taken apart: none of ours is as long, and in longer ones much that was sent is quoted."""

_KNOWN = FIELDS | CASE_FORMS | STEPS
_VALIDATED = "Value error, "  # before what a model of pydantic itself refuses
_LISTED = re.compile(", | or ")
_HOLE = re.compile(r"%\((\w+)\)s")
_COMMA = _(", ")
_WITH_GOT, _PLAIN, _WHERE = (
    _("expected %(expected)s, got %(got)s"),
    _("expected %(expected)s"),
    _("%(where)s: %(said)s"),
)
_NAMED = frozenset({"choices", "states"})
"""Values that are names or lists of names; all others are shown as they were given."""


def told(refusal: str, text: Text) -> str:
    """A refusal in the language of `text`; in English as it was written."""
    if text(_WHERE) == _WHERE or len(refusal) > MOST_READ:
        return refusal
    where: list[str] = []
    rest = refusal
    while True:
        rest = rest.removeprefix(_VALIDATED)
        said = _said(rest, text)
        if said is not None:
            for each in reversed(where):
                said = text(_WHERE) % {"where": _place(each, text), "said": said}
            return said
        head, colon, rest = rest.partition(": ")
        if not colon:
            return refusal
        where.append(head)


def _said(rest: str, text: Text) -> str | None:
    """What is said of a place; several things stand after each other."""
    one = _like(rest, SAYINGS, text) or _expected(rest, text)
    if one is None and "; " in rest:
        several = [_said(each, text) for each in rest.split("; ")]
        return None if None in several else "; ".join(filter(None, several))
    return one


def _expected(rest: str, text: Text) -> str | None:
    if not rest.startswith("expected "):
        return None
    said = rest.removeprefix("expected ")
    for at in _ends(said):
        expected = _like(said[:at], EXPECTED, text)
        if expected is None:
            continue
        if at == len(said):
            return text(_PLAIN) % {"expected": expected}
        got = said[at:].removeprefix(", got ")
        return text(_WITH_GOT) % {"expected": expected, "got": _like(got, GOT, text) or got}
    return None


def _ends(said: str) -> Iterator[int]:
    """Where what was expected may end: before the first "got" that makes sense, as what was given may say anything."""
    yield from (match.start() for match in re.finditer(", got ", said))
    yield len(said)


def _place(where: str, text: Text) -> str:
    """A field, a step or a thing with its number."""
    if where in _KNOWN:
        return text(_KNOWN[where])
    return _like(where, PLACES, text) or where


def _like(said: str, texts: tuple[str, ...], text: Text) -> str | None:
    """The translation of the first of these texts that reads so, with its values."""
    for each in texts:
        match = _pattern(each).fullmatch(said)
        if match:
            values = {name: _value(name, value, text) for name, value in match.groupdict().items()}
            return text(each) % values if values else text(each)
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a text with holes may read like."""
    pieces = _HOLE.split(template)
    read = (f"(?P<{piece}>.+?)" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
    return re.compile("".join(read), re.DOTALL)


def _value(name: str, value: str, text: Text) -> str:
    if name not in _NAMED:
        return value
    return text(_COMMA).join(text(NAMES.get(each, each)) for each in _LISTED.split(value))
