"""Why a flag stands: each number against its threshold, what else was consulted, and the smallest change that would clear it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rules.answers import all_hold
from rules.condition import COMPARISONS, Test
from rules.load import Rule
from rules.subjects import TEXT_FEATURES

if TYPE_CHECKING:
    from datetime import datetime

    from store.flag_views import DutyBeside, ExemptionBeside, OrderBeside, SealedPart

HOLDS, FAILS, UNIT, UNKNOWN = "holds", "fails", "unit", "unknown"
"""How an innocent cause came out: it holds; it does not; only the unit can tell; what was tested of it is not kept."""

COVERS, OVERLAPS, BEFORE, AFTER = "covers", "overlaps", "before", "after"
"""How a dispatch order lies to the flag's time; of those that do not touch it, the nearest on either side."""

LIFTS, OTHER_TIME, OTHER_KIND = "lifts", "time", "kind"
"""What an exemption does: it lifts the flag; it does not hold for all of its time; the rule knows no such exemption."""

LESS, MORE, OTHER, KNOWN, MISSING = "less", "more", "other", "known", "missing"
"""What a change asks of a feature: less or more of it, another value, that it is there, that it is not."""

_DIGITS = 3
"""To which the numbers of a flag are kept."""
_FRACTIONS = ("_share", "_ratio", "_cover", "_z")


@dataclass(frozen=True, slots=True)
class Consulted:
    """What stands in the register about the time of a flag: of its vehicle and, for the calendar, of its days."""

    start: "datetime"
    end: "datetime"
    duty: Sequence["DutyBeside"] = ()
    orders: Sequence["OrderBeside"] = ()
    exemptions: Sequence["ExemptionBeside"] = ()
    sealed: Sequence["SealedPart"] = ()
    positions: int = 0
    """Positions of the vehicle in that time."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number beside its threshold; margin: how far beyond, None where it has no measure."""

    feature: str
    value: Any
    operator: str
    threshold: Any
    unit: str
    margin: float | None
    holds: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one feature that clears the flag.

    to: the nearest value that does, None where any other would. amount: how far that is, None where it has no measure.
    relative: the distance as a share of the value and the distance together: the farther, the nearer to 1, whatever the
    signs; 1 for what has no measure.
    """

    feature: str
    kind: str
    value: Any
    to: Any
    threshold: Any
    amount: float | None
    unit: str
    relative: float


@dataclass(frozen=True, slots=True)
class Cause:
    """An innocent cause of the rule: its texts, the test that tells of it (empty: none), and how it came out."""

    texts: Mapping[str, str]
    tested: str
    outcome: str


@dataclass(frozen=True, slots=True)
class OrderFound:
    """A dispatch order, how it lies to the flag's time, and the seconds between them."""

    order: "OrderBeside"
    relation: str
    gap_s: float


@dataclass(frozen=True, slots=True)
class ExemptionFound:
    """An exemption of the vehicle or a unit above it, and what it does."""

    exemption: "ExemptionBeside"
    effect: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything a flag rests on.

    fires: whether the rule's condition holds for the numbers as they stand here. changed: features whose value is not the
    one the flag was judged on, as of a withdrawn flag. changes: each clears the flag by itself, the smallest first.
    causes: None where the text of the rule is not kept or is not one that this release reads.
    """

    comparisons: tuple[Comparison, ...]
    fires: bool
    changed: tuple[str, ...]
    changes: tuple[Change, ...]
    causes: tuple[Cause, ...] | None
    off_hours_s: float | None
    orders: tuple[OrderFound, ...]
    exemptions: tuple[ExemptionFound, ...]
    consulted: Consulted

    @property
    def smallest(self) -> Change | None:
        """The smallest change that would clear it; None where the condition does not hold anyway."""
        return self.changes[0] if self.changes else None


def explain(
    rule: Rule | None, numbers: Sequence[Mapping[str, Any]], row: Mapping[str, Any] | None, consulted: Consulted
) -> Explanation:
    """Why a flag stands.

    Parameters
    ----------
    rule : as its text was used; None where nobody kept it, or this release does not read it.
    numbers : those of the flag, as `evaluate` gives them.
    row : the features of what it is on, as they stand now; None where that is gone.
    """
    tests = tuple(_test(number) for number in numbers)
    judged, changed = _judged(numbers, row)
    units = {str(number["feature"]): str(number["unit"]) for number in numbers}
    fires = holds(tests, judged)
    changes = [_change(test, judged, units[test.feature]) for test in tests] if fires else []
    clearing = [each for each in changes if not holds(tests, {**judged, each.feature: each.to})]
    everything = {**(row or {}), **judged}
    kinds = ("vehicle", "unit") if rule is None else rule.exemptions
    off_hours = everything.get("off_hours_s")
    return Explanation(
        tuple(_comparison(number, test, judged) for number, test in zip(numbers, tests, strict=True)),
        fires,
        changed,
        tuple(sorted(clearing, key=_size)),
        None if rule is None else causes_of(rule, everything),
        None if off_hours is None else float(off_hours),
        tuple(_order(order, everything.get("dispatch_order"), consulted) for order in consulted.orders),
        tuple(_exemption(exemption, kinds) for exemption in consulted.exemptions),
        consulted,
    )


def holds(tests: Sequence[Test], row: Mapping[str, Any]) -> bool:
    """Whether a condition holds for one row of features."""
    table = pd.DataFrame({test.feature: pd.Series([row.get(test.feature)], dtype=object) for test in tests})
    return bool(all_hold(tuple(tests), table)[0]) if len(table) else True


def causes_of(rule: Rule, row: Mapping[str, Any]) -> tuple[Cause, ...]:
    """How each innocent cause of a rule came out for one row of features."""
    held = _held(rule.subject, row)
    found = []
    for texts in rule.innocent_causes:
        tested = texts.get("tested", "")
        if not tested:
            outcome = UNIT
        elif held is None:
            outcome = UNKNOWN
        else:
            outcome = HOLDS if tested in held else FAILS
        found.append(Cause(texts, tested, outcome))
    return tuple(found)


def _held(subject: str, row: Mapping[str, Any]) -> frozenset[str] | None:
    """Innocent causes that were found to hold; None where what was found is not kept."""
    if subject == "dark" and row.get("dark_cause"):
        return frozenset({str(row["dark_cause"])})
    holding = row.get("holds")
    return frozenset(holding.split()) if isinstance(holding, str) else None


def _test(number: Mapping[str, Any]) -> Test:
    threshold = number["threshold"]
    return Test(number["feature"], number["operator"], tuple(threshold) if isinstance(threshold, list) else threshold)


def _judged(
    numbers: Sequence[Mapping[str, Any]], row: Mapping[str, Any] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values that were judged, as exact as they are known, and the features that have others now."""
    judged, changed = {}, []
    for number in numbers:
        name, kept = number["feature"], number["value"]
        now = None if row is None else row.get(name)
        same = kept == (round(now, _DIGITS) if isinstance(now, float) else now)
        judged[name] = now if same else kept
        if row is not None and not same:
            changed.append(name)
    return judged, tuple(dict.fromkeys(changed))


def _comparison(number: Mapping[str, Any], test: Test, judged: Mapping[str, Any]) -> Comparison:
    return Comparison(
        test.feature,
        number["value"],
        test.operator,
        number["threshold"],
        number["unit"],
        number.get("margin"),
        holds((test,), judged),
    )


def _change(test: Test, judged: Mapping[str, Any], unit: str) -> Change:
    """The smallest change of a test's feature after which the test, which holds, does not."""
    value, threshold = judged[test.feature], test.threshold
    if test.operator == "missing":
        kind, to = (KNOWN, "?" if test.feature in TEXT_FEATURES else 0.0) if threshold else (MISSING, None)
        return Change(test.feature, kind, value, to, threshold, None, unit, 1.0)
    if test.operator not in COMPARISONS:
        to = 1 - value if value in (0, 1) else None  # yes or no
        return Change(test.feature, OTHER, value, to, threshold, None, unit, 1.0)
    assert isinstance(threshold, int | float)
    down = test.operator in {"ge", "gt"}
    nearest = threshold if test.operator in {"gt", "lt"} else float(np.nextafter(threshold, -inf if down else inf))
    amount = abs(float(value) - threshold)
    if _is_whole(test.feature, value, threshold, unit):
        nearest = np.floor(nearest) if down else np.ceil(nearest)
        amount = abs(float(value) - nearest)
    distance = abs(float(value) - nearest)
    relative = distance / (abs(float(value)) + distance) if distance else 0.0
    return Change(test.feature, LESS if down else MORE, value, float(nearest), threshold, amount, unit, relative)


def _size(change: Change) -> tuple[float, float]:
    """What changes are ordered by. Of two thresholds so close that their distances are equal the nearer one comes first."""
    if change.kind not in (LESS, MORE):
        return change.relative, 0.0
    return change.relative, -change.to if change.kind == LESS else change.to


def _is_whole(feature: str, value: float, threshold: float, unit: str) -> bool:
    """Whether a feature counts: days, nights. A share that happens to be 0 or 1 does not."""
    return not unit and not feature.endswith(_FRACTIONS) and value == int(value) and threshold == int(threshold)


def _order(order: "OrderBeside", covering: object, consulted: Consulted) -> OrderFound:
    if order.order_no == covering:
        return OrderFound(order, COVERS, 0.0)
    if order.ends <= consulted.start:
        return OrderFound(order, BEFORE, (consulted.start - order.ends).total_seconds())
    if order.starts >= consulted.end:
        return OrderFound(order, AFTER, (order.starts - consulted.end).total_seconds())
    return OrderFound(order, OVERLAPS, 0.0)


def _exemption(exemption: "ExemptionBeside", kinds: Sequence[str]) -> ExemptionFound:
    if exemption.kind not in kinds:
        return ExemptionFound(exemption, OTHER_KIND)
    return ExemptionFound(exemption, LIFTS if exemption.holds else OTHER_TIME)
