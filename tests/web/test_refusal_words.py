"""What is refused reads in the person's language: every refusal that a page can show is known by its texts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.cases import CONDITIONS
from rules.orders import OrderFieldError
from web.i18n import translations
from web.refusal_words import MOST_READ, told

ROOT = Path(__file__).parents[2]
SHOWN = frozenset({400, 409, 429})
"""Of these a page shows what was refused; of others it says what their number means."""
ERRORS = frozenset({
    "CaseConflictError", "CaseError", "DeskError", "ExemptionError", "FileRefusedError", "IllegalStepError",
    "OrderError", "OrderNumberError", "OrderStateError", "OutcomeError", "PriceOverlapError", "PurposeError",
    "RefuelError", "ReviewError", "SealError", "UnlockError", "UnsaidError",
})  # fmt: skip
"""Errors whose text a page shows."""
KEPT = {"JSON", "JT", "NAME", "VALUE", "URL", "files", "ISO", "docx", "xlsx"}
"""What is written with our letters in Chinese, too."""

zh, en = translations("zh").gettext, translations("en").gettext


def _text_of(node: ast.expr) -> list[str]:
    """What a text may read like, with 7 for each value; none where what is said is made elsewhere."""
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.JoinedStr(values=parts):
            found = [""]
            for part in parts:
                match part:
                    case ast.FormattedValue(value=ast.IfExp(body=one, orelse=other)):
                        choices = [*_text_of(one), *_text_of(other)]
                    case ast.Constant(value=str() as text):
                        choices = [text]
                    case _:
                        choices = ["7"]
                found = [before + choice for before in found for choice in choices]
            return [each for each in found if re.search("[a-z]", each.rpartition(": ")[2])]
        case ast.IfExp(body=one, orelse=other):
            return [*_text_of(one), *_text_of(other)]
    return []


def _refusals() -> Iterator[str]:
    for path in sorted(path for part in ("web", "rules", "store") for path in (ROOT / part).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="OrderFieldError"), args=[_, expected, _]):
                    yield from (f"7: expected {each}, got 7" for each in _text_of(expected))
                case ast.Call(func=ast.Name(id="HTTPException"), args=[ast.Constant(value=int() as status), text, *_]):
                    yield from _text_of(text) if status in SHOWN else ()
                case ast.Call(func=ast.Name(id=name), args=[text, *_]) if name in ERRORS:
                    yield from _text_of(text)
                case ast.Call(func=ast.Name(id="ValueError"), args=[text]) if path.parent.name == "web":
                    yield from (f"7: Value error, {each}" for each in _text_of(text))


REFUSALS = sorted({*_refusals(), *(said for _, said in CONDITIONS.values())})


def test_the_refusals_of_the_pages_are_found() -> None:
    assert len(REFUSALS) > 100
    assert "odometer: expected kilometres from 0 to 7, got 7" in REFUSALS


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_that_a_page_shows_has_chinese_words(refusal: str) -> None:
    said = told(refusal, zh)
    assert set(re.findall(r"[A-Za-z]{2,}", said)) - KEPT == set(), said
    assert said.count("7") == refusal.count("7"), "a value of it is shown"


def test_a_field_a_name_and_what_was_given_are_told() -> None:
    refusal = str(OrderFieldError("purpose_class", "one of duty, law_enforcement", "picnic"))
    assert told(refusal, zh) == "用途类别:应为公务、执法执勤 之一,实为 'picnic'"
    assert told(refusal, en) == refusal


def test_what_was_given_may_say_anything() -> None:
    given = "x, got y: expected z; got %(what)s"
    said = told(f"odometer: expected kilometres from 0 to 9, got {given!r}", zh)
    assert said.endswith(repr(given))
    assert "<" in told("odometer: expected kilometres from 0 to 9, got '<b>'", zh)


def test_what_nobody_wrote_a_text_for_is_shown_as_it_is() -> None:
    assert told("something odd: went wrong", zh) == "something odd: went wrong"
    assert told("", zh) == ""


def test_a_refusal_that_quotes_more_than_any_of_ours_is_not_taken_apart() -> None:
    assert max(map(len, REFUSALS)) < MOST_READ / 2
    refusal = "a: expected a, got ; " * MOST_READ
    assert told(refusal, zh) == refusal
    assert told(f"odometer: expected kilometres from 0 to 9, got {'x' * MOST_READ!r}", zh).startswith(
        "odometer: expected"
    )
