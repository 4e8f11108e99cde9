"""The condition language: named features compared with thresholds, all of which must hold.

    [on.trip]
    off_hours_s = { ge = 900 }                 # ge gt le lt: numbers
    destination_kind = { any_of = ["school"] }  # eq, any_of: texts or numbers
    dispatch_order = { missing = true }

A missing value fulfils nothing but `missing = true`: what is not known proves nothing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from geo.arrays import BoolArray
from rules.measures import measure
from rules.names import FEATURE_NAMES, VALUE_NAMES, YES_OR_NO

if TYPE_CHECKING:
    from analytics.asked import Column

Value = float | str | bool | tuple[float | str, ...]

COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "ge": ("≥", np.greater_equal),
    "gt": (">", np.greater),
    "le": ("≤", np.less_equal),
    "lt": ("<", np.less),
}
OPERATORS = (*COMPARISONS, "eq", "any_of", "missing")
NO_UNITS: Mapping[str, str] = MappingProxyType({})

_COLON = {"zh": ":", "en": ": "}
_OR = {"zh": "或", "en": " or "}
_KNOWN = {False: {"zh": "无", "en": "none"}, True: {"zh": "有", "en": "known"}}
_YES = {False: {"zh": "否", "en": "no"}, True: {"zh": "是", "en": "yes"}}


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a feature with a threshold."""

    __test__ = False  # not a test case of ours, whatever its name

    feature: str
    operator: str
    threshold: Value

    def holds(self, column: "Column") -> BoolArray:
        """For which rows of the feature's column it holds; bool (n,)."""
        if self.operator == "missing":
            absent: BoolArray = column.known != self.threshold
            return absent
        if self.operator in COMPARISONS:
            with np.errstate(invalid="ignore"):
                result: BoolArray = COMPARISONS[self.operator][1](column.numbers, self.threshold) & column.known
            return result
        allowed = self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)
        return column.among(allowed) & column.known

    def in_words(self, language: str = "en", units: Mapping[str, str] = NO_UNITS) -> str:
        """The comparison as a person reads it, zh or en; `units`: unit of each feature, for kilometres and minutes."""
        name = FEATURE_NAMES.get(self.feature, {}).get(language, self.feature)
        colon = _COLON[language]
        if self.operator == "missing":
            return f"{name}{colon}{_KNOWN[not self.threshold][language]}"
        if self.operator in COMPARISONS:
            return f"{name} {COMPARISONS[self.operator][0]} {self._value(self.threshold, language, units)}"
        allowed = self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)
        return f"{name}{colon}{_OR[language].join(self._value(value, language, units) for value in allowed)}"

    def _value(self, value: object, language: str, units: Mapping[str, str]) -> str:
        if isinstance(value, str):
            return VALUE_NAMES.get(value, {}).get(language, value)
        assert isinstance(value, int | float)
        if self.feature in YES_OR_NO and value in (0, 1):
            return _YES[bool(value)][language]
        if self.feature.endswith("_share"):
            return f"{100 * value:g} %"
        return measure(value, units.get(self.feature, ""), language)


def fault_in(feature: str, operator: str, threshold: object, text_features: frozenset[str]) -> str | None:
    """What is wrong with a comparison, in words; None when nothing is."""
    if operator not in OPERATORS:
        return f"{feature}: expected one of {', '.join(OPERATORS)}, got {operator!r}"
    if operator == "missing":
        return None if isinstance(threshold, bool) else f"{feature}.missing: expected true or false, got {threshold!r}"
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool) and math.isfinite(threshold)
    if operator in COMPARISONS:
        if feature in text_features:
            return f"{feature}.{operator}: a text has no order; use eq, any_of or missing"
        return None if number else f"{feature}.{operator}: expected a number, got {threshold!r}"
    values = threshold if operator == "any_of" else [threshold]
    if not isinstance(values, list) or not values:
        return f"{feature}.any_of: expected a list of values, got {threshold!r}"
    wanted = str if feature in text_features else (int, float)
    wrong = [value for value in values if not isinstance(value, wanted) or isinstance(value, bool)]
    kind = "texts" if feature in text_features else "numbers"
    return f"{feature}.{operator}: expected {kind}, got {wrong[0]!r}" if wrong else None
