"""The condition language: named features compared with thresholds, all of which must hold.

    [on.trip]
    off_hours_s = { ge = 900 }                 # ge gt le lt: numbers
    destination_kind = { any_of = ["school"] }  # eq, any_of: texts or numbers
    dispatch_order = { missing = true }

A missing value fulfils nothing but `missing = true`: what is not known proves nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from geo.arrays import BoolArray

Value = float | str | bool | tuple[float | str, ...]

COMPARISONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "ge": ("≥", np.greater_equal),
    "gt": (">", np.greater),
    "le": ("≤", np.less_equal),
    "lt": ("<", np.less),
}
OPERATORS = (*COMPARISONS, "eq", "any_of", "missing")


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a feature with a threshold."""

    __test__ = False  # not a test case of ours, whatever its name

    feature: str
    operator: str
    threshold: Value

    def holds(self, table: pd.DataFrame) -> BoolArray:
        """For which rows it holds; bool (n,)."""
        column = table[self.feature]
        known = (column.notna() & (column != "")).to_numpy()  # a place in no zone has the empty text for its kind
        if self.operator == "missing":
            absent: BoolArray = known != self.threshold
            return absent
        if self.operator in COMPARISONS:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            with np.errstate(invalid="ignore"):
                result: BoolArray = COMPARISONS[self.operator][1](values, self.threshold) & known
            return result
        allowed = self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)
        return column.isin(list(allowed)).to_numpy() & known

    def in_words(self) -> str:
        """The comparison as a line of text."""
        if self.operator == "missing":
            return f"{self.feature} {'missing' if self.threshold else 'known'}"
        if self.operator in COMPARISONS:
            return f"{self.feature} {COMPARISONS[self.operator][0]} {self.threshold}"
        allowed = self.threshold if isinstance(self.threshold, tuple) else (self.threshold,)
        return f"{self.feature} = {' | '.join(map(str, allowed))}"


def all_hold(tests: tuple[Test, ...], table: pd.DataFrame) -> BoolArray:
    """For which rows every test holds; bool (n,)."""
    fulfilled = np.ones(len(table), dtype=np.bool_)
    for test in tests:
        fulfilled &= test.holds(table)
    return fulfilled


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
