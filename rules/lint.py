"""What is doubtful in rules that are in order: a lint a property. Faults are never meant, warnings seldom."""

import math
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from analytics.evidence_thresholds import DEFAULT
from analytics.parts import PARTS
from analytics.vocabulary import CONTROLLED_VENUES, DARK_CAUSES, KINDS
from rules.condition import COMPARISONS, Test
from rules.errors import RuleFault
from rules.load import CLASSES, Rule
from rules.names import YES_OR_NO
from rules.reader import LANGUAGES, line_of
from rules.subjects import SUBJECTS

_Found = Iterator[tuple[str, str]]
"""Key that a doubt is about, and what is doubtful."""

LEAST_POINTS = {"red": 60.0, "yellow": 20.0, "prompt": 0.0}
"""A flag of a level is ranked by at least so many points: a red one that ranks last is none."""

_TEXTS = {
    "venue_kind": CONTROLLED_VENUES,
    "origin_kind": frozenset(KINDS),
    "destination_kind": frozenset(KINDS),
    "night_kind": frozenset(KINDS),
    "vehicle_class": frozenset(CLASSES),
    "dark_cause": frozenset(DARK_CAUSES),
}
"""Values that a text may have, of features that have not any text."""

_OF_WINDOW = ("recurring_days", "school_run_days", "home_work_days", "nights_here")
_SIGNED = ("odometer_growth_m", "odometer_gap_m")


def lint(rules: Sequence[Rule], others: Iterable[Rule] = ()) -> list[RuleFault]:
    """Faults and warnings of rules, by file and line; `others` are beside them in use, and are compared with only."""
    beside = [*rules, *(other for other in others if other.rule_id not in {rule.rule_id for rule in rules})]
    found = []
    for rule in rules:
        around = [other for other in beside if other.rule_id != rule.rule_id and other.status != "retired"]
        for name, (warning, check) in LINTS.items():
            for key, doubt in check(rule, around):
                table = line_of(rule.text, rule.subject) if any(key == test.feature for test in rule.tests) else 1
                message = f"{doubt} [{name}]"
                found.append(RuleFault(rule.path, line_of(rule.text, key, table), message, warning=warning))
    return sorted(found, key=lambda each: (str(each.path), each.line))


def bounds(subject: str, feature: str) -> tuple[float, float]:
    """The least and the most that a number of a subject can be; infinite where nothing bounds it."""
    if feature in YES_OR_NO or feature.endswith("_share") or feature == "order_cover":
        return 0.0, 1.0
    if feature in PARTS:
        return 0.0, PARTS[feature].points
    if SUBJECTS[subject].features[feature][0] == "points":
        return 0.0, 100.0
    if feature in _OF_WINDOW:
        return 0.0, float(DEFAULT.window_days)
    return (-math.inf if feature.endswith("_z") or feature in _SIGNED else 0.0), math.inf


def _never(rule: Rule, _: Sequence[Rule]) -> _Found:
    for test in rule.tests:
        if not _reachable(rule.subject, test):
            yield test.feature, f"{test.feature}: no row of {rule.subject} can fulfil {_shown(test)}"


def _reachable(subject: str, test: Test) -> bool:
    if test.operator == "missing":
        return True
    wanted = test.threshold if isinstance(test.threshold, tuple) else (test.threshold,)
    if test.feature in _TEXTS:
        return all(value in _TEXTS[test.feature] for value in wanted)
    if isinstance(wanted[0], str):
        return True
    low, high = bounds(subject, test.feature)
    if test.operator in COMPARISONS:
        end = high if test.operator in ("ge", "gt") else low
        return bool(COMPARISONS[test.operator][1](end, test.threshold))
    values = (0, 1) if test.feature in YES_OR_NO else None
    return all(low <= float(value) <= high and (values is None or value in values) for value in wanted)


def _always(rule: Rule, _: Sequence[Rule]) -> _Found:
    for test in rule.tests:
        if test.operator in COMPARISONS:
            low, high = bounds(rule.subject, test.feature)
            end = low if test.operator in ("ge", "gt") else high
            if COMPARISONS[test.operator][1](end, test.threshold):
                yield test.feature, f"{test.feature}: every row that has a value fulfils {_shown(test)}"


def _against_itself(rule: Rule, _: Sequence[Rule]) -> _Found:
    for feature in dict.fromkeys(test.feature for test in rule.tests):
        mine = [test for test in rule.tests if test.feature == feature]
        least = max((float(str(test.threshold)) for test in mine if test.operator in ("ge", "gt")), default=-math.inf)
        most = min((float(str(test.threshold)) for test in mine if test.operator in ("le", "lt")), default=math.inf)
        strict = {test.operator for test in mine} & {"gt", "lt"}
        absent = any(test.operator == "missing" and test.threshold for test in mine)
        if least > most or (least == most and strict) or (absent and len(mine) > 1):
            yield feature, f"{feature}: no value fulfils {' and '.join(map(_shown, mine))}"


def _points(rule: Rule, _: Sequence[Rule]) -> _Found:
    if rule.points < LEAST_POINTS[rule.level]:
        yield "points", f"points: expected at least {LEAST_POINTS[rule.level]:g} for {rule.level}, got {rule.points:g}"


def _same_condition(rule: Rule, others: Sequence[Rule]) -> _Found:
    for other in others:
        if rule.subject == other.subject and set(rule.tests) == set(other.tests) and _meet(rule, other):
            yield rule.subject, f"on.{rule.subject}: {other.rule_id} has the same condition"


def _meet(rule: Rule, other: Rule) -> bool:
    """Whether two rules may judge the same row."""
    units = not rule.units or not other.units or set(rule.units) & set(other.units)
    days = rule.effective_from <= other.effective_to and other.effective_from <= rule.effective_to
    return bool(set(rule.classes) & set(other.classes) and units and days)


def _same_title(rule: Rule, others: Sequence[Rule]) -> _Found:
    for other in others:
        for language in LANGUAGES:
            if rule.title[language] == other.title[language]:
                yield "title", f"title.{language}: {other.rule_id} has the same title"


def _no_beginning(rule: Rule, _: Sequence[Rule]) -> _Found:
    if rule.effective_from == date.min:
        yield "effective_from", "effective_from: missing; the rule judges every day there ever was"


def _no_number(rule: Rule, _: Sequence[Rule]) -> _Found:
    for language in LANGUAGES:
        if not any(name for _, name, _, _ in string.Formatter().parse(rule.reason[language])):
            yield "reason", f"reason.{language}: shows no number"


def _shown(test: Test) -> str:
    threshold = list(test.threshold) if isinstance(test.threshold, tuple) else test.threshold
    return f"{test.operator} = {str(threshold).lower() if isinstance(threshold, bool) else threshold}"


LINTS: dict[str, tuple[bool, Callable[[Rule, Sequence[Rule]], _Found]]] = {
    "never": (False, _never),
    "against-itself": (False, _against_itself),
    "points": (False, _points),
    "same-condition": (False, _same_condition),
    "always": (True, _always),
    "same-title": (True, _same_title),
    "no-beginning": (True, _no_beginning),
    "no-number": (True, _no_number),
}
"""Name of a property → whether it is only warned of, and what finds it."""
