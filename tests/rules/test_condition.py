"""Comparisons at, below and beyond their thresholds; what is not known proves nothing."""

import numpy as np
import pandas as pd
import pytest

from rules.condition import Test, Value, all_hold

TABLE = pd.DataFrame(
    {
        "distance_m": [1.0, 2.0, 3.0, np.nan],
        "dispatch_order": pd.Series(["D1", None, "D2", None], dtype=object),
        "origin_kind": pd.Series(["school", "", "hotel", "base"], dtype="str"),
    }
)


@pytest.mark.parametrize(
    ("feature", "operator", "threshold", "expected"),
    [
        ("distance_m", "ge", 2, [False, True, True, False]),
        ("distance_m", "gt", 2, [False, False, True, False]),
        ("distance_m", "le", 2, [True, True, False, False]),
        ("distance_m", "lt", 2, [True, False, False, False]),
        ("distance_m", "eq", 2, [False, True, False, False]),
        ("distance_m", "missing", True, [False, False, False, True]),
        ("dispatch_order", "missing", True, [False, True, False, True]),
        ("dispatch_order", "missing", False, [True, False, True, False]),
        ("dispatch_order", "any_of", ("D1", "D3"), [True, False, False, False]),
        ("origin_kind", "any_of", ("school", "hotel"), [True, False, True, False]),
        ("origin_kind", "missing", True, [False, True, False, False]),
    ],
)
def test_each_operator_holds_where_it_should(
    feature: str, operator: str, threshold: Value, expected: list[bool]
) -> None:
    assert Test(feature, operator, threshold).holds(TABLE).tolist() == expected


def test_all_must_hold() -> None:
    tests = (Test("distance_m", "ge", 2), Test("dispatch_order", "missing", False))
    assert all_hold(tests, TABLE).tolist() == [False, False, True, False]
    assert all_hold((), TABLE).all()
    assert len(all_hold(tests, TABLE.iloc[:0])) == 0
