"""How rules and the explanation of a flag read: conditions, numbers, changes, what became of causes."""

from typing import Any

from rules.condition import Test
from rules.explain import (
    AFTER,
    BEFORE,
    COVERS,
    FAILS,
    HOLDS,
    KNOWN,
    LESS,
    LIFTS,
    MISSING,
    MORE,
    OTHER_KIND,
    OTHER_TIME,
    OVERLAPS,
    UNIT,
    UNKNOWN,
    Change,
    Comparison,
    Consulted,
)
from rules.load import Rule
from rules.names import VALUE_NAMES, YES_OR_NO
from rules.subjects import SUBJECTS, TEXT_FEATURES
from web.i18n import Words
from web.terms import NumberLine, _, feature_in_words

OUTCOMES = {
    HOLDS: _("holds"),
    FAILS: _("does not hold"),
    UNIT: _("only the unit can tell"),
    UNKNOWN: _("what was tested is not kept"),
}
OUTCOME_CHIPS = {HOLDS: "good", FAILS: "off", UNIT: "prompt", UNKNOWN: "off"}
RELATIONS = {
    COVERS: _("covers it"),
    OVERLAPS: _("overlaps it, does not cover it"),
    BEFORE: _("ended before"),
    AFTER: _("begins after"),
}
EFFECTS = {
    LIFTS: _("lifts the flag"),
    OTHER_TIME: _("does not hold for the whole of that time"),
    OTHER_KIND: _("is not of a kind that lifts flags of this rule"),
}
SUBJECT_NAMES = {
    "trip": _("Trips"),
    "dark": _("Kilometres in the dark"),
    "night": _("Nights"),
    "refuel": _("Refuelling"),
    "card": _("Cards in two vehicles"),
    "month": _("Vehicle-months"),
    "seal": _("Seals"),
}
STATUSES = {"draft": _("draft"), "stable": _("in force"), "retired": _("retired")}
EXEMPTION_KINDS = {"vehicle": _("of the vehicle"), "unit": _("of a unit")}
CHANGES = {"appear": _("appear"), "disappear": _("disappear"), "stay": _("stay")}
CHANGE_CHIPS = {"appear": "yellow", "disappear": "off", "stay": "prompt"}

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "eq": "=", "any_of": "∈"}


def condition_in_words(rule: Rule, words: Words) -> list[str]:
    """The condition of a rule, a line a comparison; all must hold."""
    units = SUBJECTS[rule.subject].features
    return [
        f"{feature_in_words(test.feature, words)} {_wanted(test, units[test.feature][0], words)}" for test in rule.tests
    ]


def value_in_words(feature: str, value: Any, unit: str, words: Words) -> str:
    """A feature's value as a person reads it."""
    if feature in TEXT_FEATURES and value in VALUE_NAMES:
        return VALUE_NAMES[value][words.language]
    if feature in YES_OR_NO and value in (0, 1):
        return words.text("yes") if value else words.text("no")
    if feature.endswith("_share") and isinstance(value, int | float):
        return f"{words.number(100 * value, 1)} %"
    return words.measure(value, unit)


def comparison_in_words(each: Comparison, words: Words) -> NumberLine:
    """A number of a flag beside its threshold."""
    test = Test(
        each.feature, each.operator, tuple(each.threshold) if isinstance(each.threshold, list) else each.threshold
    )
    found = words.text("missing") if each.value is None else value_in_words(each.feature, each.value, each.unit, words)
    margin = "" if each.margin is None else value_in_words(each.feature, each.margin, each.unit, words)
    return NumberLine(feature_in_words(each.feature, words), found, _wanted(test, each.unit, words), margin)


def change_in_words(change: Change, consulted: Consulted, words: Words) -> str:
    """A change that clears a flag, as a sentence."""
    feature = feature_in_words(change.feature, words)
    if change.kind in (LESS, MORE):
        assert change.amount is not None
        reached = change.to == change.threshold or float(change.to).is_integer()
        bound = value_in_words(change.feature, change.to if reached else change.threshold, change.unit, words)
        facts = {"amount": value_in_words(change.feature, change.amount, change.unit, words), "feature": feature}
        facts["bound"] = bound
        if not reached and facts["amount"] == value_in_words(change.feature, 0.0, change.unit, words):
            form = (
                words.text("%(feature)s below %(bound)s")
                if change.kind == LESS
                else words.text("%(feature)s above %(bound)s")
            )
        elif change.kind == LESS:
            form = (
                words.text("%(amount)s less: %(feature)s at most %(bound)s")
                if reached
                else words.text("%(amount)s less: %(feature)s below %(bound)s")
            )
        else:
            form = (
                words.text("%(amount)s more: %(feature)s at least %(bound)s")
                if reached
                else words.text("%(amount)s more: %(feature)s above %(bound)s")
            )
        return form % facts
    if change.kind == KNOWN and change.feature == "dispatch_order":
        return words.text("An approved dispatch order for %(span)s") % {"span": span_in_words(consulted, words)}
    if change.kind == KNOWN and change.feature == "driver_card":
        return words.text("A driver's card in the reader")
    if change.kind == KNOWN:
        return words.text("%(feature)s known") % {"feature": feature}
    if change.kind == MISSING:
        return words.text("%(feature)s missing") % {"feature": feature}
    value = value_in_words(change.feature, change.value, change.unit, words)
    return words.text("%(feature)s: another value than %(value)s") % {"feature": feature, "value": value}


def span_in_words(consulted: Consulted, words: Words) -> str:
    """The time of a flag: the date once where it is one."""
    first, last = words.date_of(consulted.start), words.date_of(consulted.end)
    until = words.clock(consulted.end) if first == last else f"{last} {words.clock(consulted.end)}"
    return f"{first} {words.clock(consulted.start)} – {until}"


def _wanted(test: Test, unit: str, words: Words) -> str:
    if test.operator == "missing":
        return words.text("missing") if test.threshold else words.text("known")
    several = test.threshold if isinstance(test.threshold, tuple) else (test.threshold,)
    return f"{_SIGNS[test.operator]} {', '.join(value_in_words(test.feature, each, unit, words) for each in several)}"
