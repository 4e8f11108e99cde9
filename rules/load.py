"""Rule files to rules. Every fault in every file is found before anything is refused."""

import math
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rules.condition import Test, fault_in
from rules.errors import RuleFault, RulesError
from rules.subjects import SUBJECTS, TEXT_FEATURES

LEVELS = ("prompt", "yellow", "red")
STATUSES = ("draft", "stable", "retired")
CLASSES = ("ordinary", "confidential", "emergency", "law_enforcement", "special_technical")
LANGUAGES = ("zh", "en")

_REQUIRED = ("id", "version", "status", "level", "points", "basis", "title", "reason", "innocent_causes", "on")
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
    classes: tuple[str, ...]
    effective_from: date
    effective_to: date
    tests: tuple[Test, ...]
    subject: str = "trip"
    """One of SUBJECTS."""
    text: str = ""
    """The whole file."""


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


class _Reader:
    """A parsed file, and the faults found in it with the lines they stand on."""

    def __init__(self, path: Path, text: str, fields: dict[str, Any]) -> None:
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.fields = fields
        self.faults: list[RuleFault] = []

    def fault(self, key: str, message: str, *, table: str = "", number: int = 0) -> None:
        """Note a fault of a key: of the table's, or of the number-th table of that name."""
        line = self.line_of(key, self.line_of(table)) if table else self.line_of(key, number=number)
        self.faults.append(RuleFault(self.path, line, message))

    def line_of(self, key: str, first: int = 1, number: int = 0) -> int:
        """Line of a key or table from `first` on, where it is missing `first`. tomllib gives values without their lines."""
        pattern = re.compile(rf"^\s*(\[+\s*)?(\w+\.)?{re.escape(key)}\s*(=|\.|\])")
        found = [line for line in range(first, len(self.lines) + 1) if pattern.match(self.lines[line - 1])]
        return found[min(number, len(found) - 1)] if found else first

    def expect(self, key: str, kind: type | tuple[type, ...], described: str) -> Any:
        value = self.fields.get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            self.fault(key, f"{key}: expected {described}, got {value!r}")
            return None
        return value

    def choice(self, key: str, values: tuple[str, ...]) -> str:
        value = self.expect(key, str, f"one of {', '.join(values)}")
        if value is not None and value not in values:
            self.fault(key, f"{key}: expected one of {', '.join(values)}, got {value!r}")
        return str(value)

    def day(self, key: str, otherwise: date) -> date:
        value = self.expect(key, date, "a date")
        if isinstance(value, datetime):
            self.fault(key, f"{key}: expected a date without a time, got {value}")
            return otherwise
        return value or otherwise

    def texts(self, key: str, value: object, number: int = 0) -> Mapping[str, str]:
        if (
            not isinstance(value, dict)
            or set(value) != set(LANGUAGES)
            or not all(isinstance(t, str) and t for t in value.values())
        ):
            self.fault(key, f"{key}: expected texts zh and en, got {value!r}", number=number)
            return dict.fromkeys(LANGUAGES, "")
        return value


def _read(path: Path) -> tuple[Rule | None, list[RuleFault]]:
    try:
        text = path.read_text(encoding="utf-8")
        fields = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        return None, [RuleFault(path, 0, str(error))]
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        return None, [RuleFault(path, int(line[1]) if line else 0, str(error))]
    reader = _Reader(path, text, fields)
    for key in _REQUIRED:
        if key not in fields:
            reader.fault(key, f"{key}: missing")
    for key in sorted(set(fields) - {*_REQUIRED, *_OPTIONAL}):
        reader.fault(key, f"{key}: no such key")
    rule = _rule(reader)
    return (None if reader.faults else rule), reader.faults


def _rule(reader: _Reader) -> Rule:
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
    causes = reader.expect("innocent_causes", list, "tables of texts zh and en") or []
    if "innocent_causes" in fields and not causes:
        reader.fault("innocent_causes", "innocent_causes: expected at least one, got none")
    subject, tests = _tests(reader)
    reason = reader.texts("reason", fields.get("reason", dict.fromkeys(LANGUAGES, "-")))
    for language in LANGUAGES:
        _check_template(reader, language, reason[language], SUBJECTS[subject].shown)
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
        tuple(reader.texts("innocent_causes", cause, number) for number, cause in enumerate(causes)),
        _classes(reader),
        effective_from,
        effective_to,
        tests,
        subject,
        reader.text,
    )


def _check_template(reader: _Reader, language: str, template: str, shown: Mapping[str, Any]) -> None:
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


def _classes(reader: _Reader) -> tuple[str, ...]:
    given = reader.expect("applies_to", dict, "a table") or {}
    classes = given.get("class", list(CLASSES))
    if (
        set(given) - {"class"}
        or not isinstance(classes, list)
        or not classes
        or any(each not in CLASSES for each in classes)
    ):
        reader.fault("applies_to", f"applies_to: expected class = a list out of {', '.join(CLASSES)}, got {given!r}")
        return ()
    return tuple(classes)


def _tests(reader: _Reader) -> tuple[str, tuple[Test, ...]]:
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
