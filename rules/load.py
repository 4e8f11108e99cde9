"""Rule files to rules. Every fault in every file is found before anything is refused."""

import math
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rules.condition import Test, fault_in
from rules.errors import RuleFault, RulesError
from rules.reader import LANGUAGES, Reader
from rules.subjects import SUBJECTS, TEXT_FEATURES

LEVELS = ("prompt", "yellow", "red")
STATUSES = ("draft", "stable", "retired")
CLASSES = ("ordinary", "confidential", "emergency", "law_enforcement", "special_technical")
EXEMPTED = ("vehicle", "unit")
"""Kinds of entries in the register of exemptions: of one vehicle, or of a unit and all below it."""

_REQUIRED = (
    "id", "version", "status", "level", "points", "basis", "exemptions", "title", "reason", "innocent_causes", "on",
)  # fmt: skip
_OPTIONAL = ("applies_to", "effective_from", "effective_to")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it stands in its file; texts by language."""

    rule_id: str
    version: int
    status: str
    level: str
    points: float
    basis: tuple[str, ...]
    title: Mapping[str, str]
    reason: Mapping[str, str]
    innocent_causes: tuple[Mapping[str, str], ...]
    """Texts zh and en; `tested`: which of the subject's tests tells whether it holds. Without one only the unit can tell."""
    classes: tuple[str, ...]
    effective_from: date
    effective_to: date
    tests: tuple[Test, ...]
    subject: str = "trip"
    """One of SUBJECTS."""
    text: str = ""
    """The whole file."""
    units: tuple[str, ...] = ()
    """Codes of the units whose vehicles, and those of all units below, it applies to; none named: to all."""
    exemptions: tuple[str, ...] = ()
    """Which of EXEMPTED lift its flags."""
    path: Path = Path()
    """Where its file stands."""

    def in_words(self, language: str) -> tuple[str, ...]:
        """Its condition as a person reads it, a line a comparison; all must hold."""
        units = {name: unit for name, (unit, _) in SUBJECTS[self.subject].features.items()}
        return tuple(test.in_words(language, units) for test in self.tests)


def load_catalogue(folder: Path) -> list[Rule]:
    """All rules of a folder's TOML files, by id. RulesError carries all faults of all files, with file and line."""
    paths = sorted(folder.glob("*.toml"))
    rules, faults = check_files(paths)
    if not paths:
        faults.append(RuleFault(folder, 0, "expected rule files (*.toml), found none"))
    if faults:
        raise RulesError(faults)
    return sorted(rules, key=lambda rule: rule.rule_id)


def check_files(paths: list[Path]) -> tuple[list[Rule], list[RuleFault]]:
    """The rules of these files that are in order, and every fault of the others."""
    rules: list[Rule] = []
    faults: list[RuleFault] = []
    seen: dict[str, Path] = {}
    for path in paths:
        rule, found = _read(path)
        faults += found
        if rule is None:
            continue
        if rule.rule_id in seen:
            faults.append(RuleFault(path, 1, f"id: {rule.rule_id!r} stands in {seen[rule.rule_id].name} too"))
            continue
        seen[rule.rule_id] = path
        rules.append(rule)
    return rules, faults


def _read(path: Path) -> tuple[Rule | None, list[RuleFault]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [RuleFault(path, 0, str(error))]
    return read_rule(path, text)


def read_rule(path: Path, text: str) -> tuple[Rule | None, list[RuleFault]]:
    """The rule of a text, or None and every fault in it; `path` is what the faults call it."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return None, [RuleFault(path, int(line[1]) if line else 0, str(error))]
    reader = Reader(path, text, fields)
    for key in _REQUIRED:
        if key not in fields:
            reader.fault(key, f"{key}: missing")
    for key in sorted(set(fields) - {*_REQUIRED, *_OPTIONAL}):
        reader.fault(key, f"{key}: no such key")
    rule = _rule(reader)
    return (None if reader.faults else rule), reader.faults


def _rule(reader: Reader) -> Rule:
    fields = reader.fields
    rule_id = reader.expect("id", str, "a text")
    if rule_id is not None and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule_id):
        reader.fault("id", f"id: expected small letters, digits and hyphens, got {rule_id!r}")
    version = reader.expect("version", int, "a whole number")
    points = reader.expect("points", (int, float), "a number")
    if points is not None and not (math.isfinite(points) and points >= 0):
        reader.fault("points", f"points: expected a number from 0, got {points!r}")
    basis = reader.expect("basis", list, "a list of texts") or []
    if "basis" in fields and (not basis or not all(isinstance(text, str) for text in basis)):
        reader.fault("basis", f"basis: expected at least one text, got {basis!r}")
    subject, tests = _tests(reader)
    reason = reader.texts("reason", fields.get("reason", dict.fromkeys(LANGUAGES, "-")))
    for language in LANGUAGES:
        _check_template(reader, language, reason[language], SUBJECTS[subject].shown)
    classes, units = _applies_to(reader)
    effective_from, effective_to = reader.day("effective_from", date.min), reader.day("effective_to", date.max)
    if effective_from > effective_to:
        reader.fault("effective_to", f"effective_to: expected a day from {effective_from} on, got {effective_to}")
    return Rule(
        str(rule_id),
        version or 0,
        reader.choice("status", STATUSES),
        reader.choice("level", LEVELS),
        float(points or 0),
        tuple(map(str, basis)),
        reader.texts("title", fields.get("title", dict.fromkeys(LANGUAGES, "-"))),
        reason,
        _causes(reader, SUBJECTS[subject].tests),
        classes,
        effective_from,
        effective_to,
        tests,
        subject,
        reader.text,
        units,
        reader.choices("exemptions", EXEMPTED),
        reader.path,
    )


def _check_template(reader: Reader, language: str, template: str, shown: Mapping[str, Any]) -> None:
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        wrong = [name for name in names if name not in shown]
        for name in wrong:
            message = f"reason.{language}: no number is called {name!r}; there are {', '.join(shown)}"
            reader.fault(language, message, table="reason")
        if not wrong:
            template.format(**{name: "" if name.endswith("_place") else 0.0 for name in shown})
    except (ValueError, LookupError, AttributeError) as error:
        reader.fault(language, f"reason.{language}: {error}", table="reason")


def _causes(reader: Reader, tests: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """The innocent causes; `tests`: name → sentence of what the subject's rows tell of them."""
    causes = reader.expect("innocent_causes", list, "tables of texts zh and en") or []
    if "innocent_causes" in reader.fields and not causes:
        reader.fault("innocent_causes", "innocent_causes: expected at least one, got none")
    read = []
    for number, cause in enumerate(causes):
        read.append(reader.texts("innocent_causes", cause, number, beside=frozenset({"tested"})))
        tested = cause.get("tested") if isinstance(cause, dict) else None
        if isinstance(tested, str) and tested not in tests:
            expected = f"one of {', '.join(tests)}" if tests else "none: no cause is tested of this subject"
            message = f"tested: expected {expected}, got {tested!r}"
            reader.fault("tested", message, table="innocent_causes", number=number)
    return tuple(read)


def _applies_to(reader: Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Classes, and codes of units."""
    given = reader.expect("applies_to", dict, "a table") or {}
    for key in sorted(set(given) - {"class", "unit"}):
        reader.fault(key, f"applies_to: expected class or unit, got {key!r}", table="applies_to")
    classes, units = given.get("class", list(CLASSES)), given.get("unit", [])
    if not isinstance(classes, list) or not classes or any(each not in CLASSES for each in classes):
        message = f"applies_to: expected class = a list out of {', '.join(CLASSES)}, got {classes!r}"
        reader.fault("class", message, table="applies_to")
        classes = []
    if "unit" in given and not (
        isinstance(units, list) and units and all(isinstance(each, str) and each for each in units)
    ):
        reader.fault("unit", f"applies_to: expected unit = a list of codes, got {units!r}", table="applies_to")
        units = []
    return tuple(classes), tuple(units)


def _tests(reader: Reader) -> tuple[str, tuple[Test, ...]]:
    """What the rule is on, and its comparisons."""
    on = reader.expect("on", dict, "a table") or {}
    subject = next(iter(on), "trip")
    if "on" in reader.fields and (len(on) != 1 or subject not in SUBJECTS):
        tables = " or ".join(f"on.{name}" for name in SUBJECTS)
        reader.fault("on", f"on: expected the one table {tables}, got {', '.join(on) or 'none'}")
        subject = "trip"
    condition = on.get(subject)
    if not isinstance(condition, dict) or not condition:
        if subject in on:
            reader.fault(subject, f"on.{subject}: expected at least one comparison, got none")
        return subject, ()
    tests = []
    for feature, comparisons in condition.items():
        if feature not in SUBJECTS[subject].features:
            reader.fault(feature, f"on.{subject}: no feature is called {feature!r}")
            continue
        if not isinstance(comparisons, dict) or not comparisons:
            reader.fault(feature, f"{feature}: expected a comparison as {{ ge = 900 }}, got {comparisons!r}")
            continue
        for operator, threshold in comparisons.items():
            fault = fault_in(feature, operator, threshold, TEXT_FEATURES)
            if fault:
                reader.fault(feature, fault)
            else:
                tests.append(Test(feature, operator, tuple(threshold) if isinstance(threshold, list) else threshold))
    return subject, tuple(tests)
