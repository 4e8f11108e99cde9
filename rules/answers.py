"""Conditions asked of a table: for which of its rows they hold."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analytics.asked import Asked
from geo.arrays import BoolArray
from rules.condition import Test


class Answers:
    """What comparisons of a table's features give: each column is read once, and what many ask is asked once."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._asked = Asked(table)
        self._held: dict[Test, BoolArray] = {}

    def all_hold(self, tests: Iterable[Test]) -> BoolArray:
        """For which rows every test holds; bool (n,)."""
        fulfilled = np.ones(len(self._asked), dtype=np.bool_)
        for test in tests:
            if test not in self._held:
                self._held[test] = test.holds(self._asked.column(test.feature))
            fulfilled &= self._held[test]
        return fulfilled


def all_hold(tests: Iterable[Test], table: pd.DataFrame) -> BoolArray:
    """For which rows every test holds; bool (n,)."""
    return Answers(table).all_hold(tests)
