"""Columns as they are asked: what is known, and which rows have some texts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.asked import Asked, Column, with_columns

TEXTS = st.lists(st.sampled_from(["base", "school", "", None]))


@pytest.mark.parametrize("dtype", ["str", object])
@given(rows=TEXTS)
def test_texts_are_asked_as_each_row_would_be(dtype: Any, rows: list[str | None]) -> None:
    column = Column(pd.Series(rows, dtype=dtype))
    assert column.missing.tolist() == [each is None for each in rows]
    assert column.known.tolist() == [bool(each) for each in rows]
    assert column.among({"school", "hotel"}).tolist() == [each == "school" for each in rows]


def test_numbers_are_known_unless_they_are_nan() -> None:
    column = Column(pd.Series([0.0, np.nan, 2.0]))
    assert column.known.tolist() == [True, False, True]
    assert column.among((2, "2")).tolist() == [False, False, True]


def test_what_was_found_stands_before_what_the_table_has() -> None:
    asked = Asked(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert asked["a"].tolist() == [1.0]
    asked.found["a"] = np.array([3.0])
    assert (asked["a"].tolist(), asked["b"].tolist(), len(asked)) == ([3.0], [2.0], 1)


def test_columns_of_a_name_that_is_there_take_its_place() -> None:
    table = pd.DataFrame({"a": [1.0], "b": [2.0]}, index=[7])
    found = with_columns(table, {"c": np.array([4.0]), "a": np.array([3.0])})
    assert found.to_dict("list") == {"a": [3.0], "b": [2.0], "c": [4.0]}
    assert table["a"].tolist() == [1.0]
