"""The form in which a rule is tried on past days, and what was found, as the page of the rule shows them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from fastapi import HTTPException

from geo.localtime import FLEET_ZONE, day_date
from rules.condition import COMPARISONS, Test
from rules.load import Rule
from rules.subjects import SUBJECTS
from rules.whatif import CHANGES, WhatIf
from web.flag_words import CHANGE_CHIPS
from web.flag_words import CHANGES as CHANGE_NAMES
from web.i18n import Words
from web.terms import feature_in_words
from web.trials import MAX_DAYS

SHOWN_FLAGS = 50
_EVER = range(2000, 2200)
_TEST = "t"
"""A field of the form is called so, with the number of its comparison."""
_READ_AS = {"s": (60.0, "min"), "m": (1000.0, "km"), "m/s": (1 / 3.6, "km/h")}
"""Unit of a feature → the number of them in what a person reads, and that unit."""


@dataclass(frozen=True, slots=True)
class Field:
    """A threshold as a number field: its name, what it is, the sign, the number as a person reads it, and its unit."""

    name: str
    label: str
    sign: str
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class TriedFlag:
    """A flag that changes, in the list of a trial."""

    change: str
    chip: str
    href: str
    flag_id: str
    day: date
    unit: str
    level: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class TriedLine:
    """Counts of one level or unit."""

    name: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form of a trial says."""

    from_day: date
    to_day: date
    unit: str
    texts: dict[str, str]


def period(from_day: date | None, to_day: date | None) -> tuple[date, date]:
    """The days of a trial; 400 where they are none, too many or out of all bounds."""
    last = to_day or datetime.now(FLEET_ZONE).date() - timedelta(days=1)
    if last.year not in _EVER:
        raise HTTPException(400, f"to_day: expected a day from {_EVER[0]} to {_EVER[-1]}, got {last}")
    first = from_day or last - timedelta(days=MAX_DAYS - 1)
    days = (last - first).days + 1
    if not 1 <= days <= MAX_DAYS:
        raise HTTPException(400, f"expected 1 to {MAX_DAYS} days, got {days}")
    return first, last


def _numbered(rule: Rule) -> list[tuple[str, Test, float, str]]:
    """Comparisons with a number: name of the field, the comparison, its threshold, the feature's unit."""
    features = SUBJECTS[rule.subject].features
    return [
        (f"{_TEST}{place}", test, test.threshold, features[test.feature][0])
        for place, test in enumerate(rule.tests)
        if test.operator in COMPARISONS and isinstance(test.threshold, int | float)
    ]


def names(rule: Rule) -> list[str]:
    """Names of the form's number fields."""
    return [name for name, *_ in _numbered(rule)]


def _as_read(threshold: float, unit: str) -> str:
    per, _ = _READ_AS.get(unit, (1.0, ""))
    return f"{threshold / per:.10g}"


def fields(rule: Rule, texts: dict[str, str], words: Words) -> list[Field]:
    """The thresholds of a rule as number fields, filled with what was asked, else with its own."""
    return [
        Field(
            name,
            feature_in_words(test.feature, words),
            COMPARISONS[test.operator][0],
            texts.get(name) or _as_read(threshold, unit),
            _READ_AS.get(unit, (1.0, unit if unit != "points" else ""))[1],
        )
        for name, test, threshold, unit in _numbered(rule)
    ]


def with_thresholds(rule: Rule, texts: dict[str, str]) -> Rule:
    """The rule with the thresholds of a form; an empty or untouched field leaves its own as exact as it is."""
    tests = list(rule.tests)
    for name, test, threshold, unit in _numbered(rule):
        text = texts.get(name, "").strip()
        if text and text != _as_read(threshold, unit):
            tests[int(name.removeprefix(_TEST))] = replace(test, threshold=_number(test.feature, text, unit))
    return replace(rule, tests=tuple(tests))


def _number(feature: str, text: str, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e12:
        raise HTTPException(400, f"{feature}: expected a number, got {text[:50]!r}")
    return number * _READ_AS.get(unit, (1.0, ""))[0]


def lines(found: WhatIf, column: str, names: dict[str, str]) -> list[TriedLine]:
    """Counts by `level` or `unit`, by their names as a person reads them."""
    return [
        TriedLine(names.get(name, name), [counts[change] for change in CHANGES])
        for name, counts in found.by(column).items()
    ]


def flags(found: WhatIf, words: Words) -> list[TriedFlag]:
    """The first flags that appear or disappear."""
    changing = found.flags[found.flags["change"] != "stay"].head(SHOWN_FLAGS)
    return [_tried(found, row, words) for row in changing.to_dict("records")]


def _tried(found: WhatIf, row: dict[Any, Any], words: Words) -> TriedFlag:
    change = row["change"]
    return TriedFlag(
        words.text(CHANGE_NAMES[change]),
        CHANGE_CHIPS[change],
        _href(found, row),
        row["flag_id"],
        day_date(row["day"]),
        row["unit"],
        row["level"],
        row["verdict"],
        row[f"reason_{words.language}"],
    )


def _href(found: WhatIf, row: dict[Any, Any]) -> str:
    """The flag's page where it stands; else that of its trip or its vehicle's day."""
    if row["change"] == "disappear":
        return f"/flags/{row['flag_id']}"
    if found.subject == "trip":
        return f"/trips/{row['subject_id']}"
    day = day_date(row["day"])
    return f"/vehicles/{row['vehicle_id']}?from_day={day}&to_day={day}"
