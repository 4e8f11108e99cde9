"""Columns of a table as questions are put to them: each is read once, and a text is looked at once, not row by row."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.arrays import BoolArray, Columns, FloatArray, Int64Array


class Column:
    """One column; texts are few and rows are many, so each distinct text is looked at once."""

    def __init__(self, column: "pd.Series[Any]") -> None:
        self._column = column
        self._numeric = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"

    @cached_property
    def missing(self) -> BoolArray:
        """Which rows have no value; bool (n,)."""
        return np.isnan(self.numbers) if self._numeric else self._column.isna().to_numpy()

    @cached_property
    def known(self) -> BoolArray:
        """Which rows have a value that says something; bool (n,). A place in no zone has the empty text for its kind."""
        return ~self.missing if self._numeric else self._each([text != "" for text in self._texts[1]])

    @cached_property
    def numbers(self) -> FloatArray:
        """Its numbers, NaN where there is none; float64 (n,)."""
        return self._column.to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def _texts(self) -> tuple[Int64Array, list[Any]]:
        which, choices = pd.factorize(self._column)  # −1 where there is none
        return which, choices.tolist()

    def among(self, values: Collection[Any]) -> BoolArray:
        """Which rows have one of these values; bool (n,)."""
        if not self._numeric:
            return self._each([text in values for text in self._texts[1]])
        found = np.zeros(len(self._column), dtype=np.bool_)
        for value in values:
            if not isinstance(value, str):
                found |= self.numbers == value
        return found

    def _each(self, holds: list[bool]) -> BoolArray:
        """What holds for each distinct text, for the rows that have it."""
        return np.array([*holds, False], dtype=np.bool_)[self._texts[0]]


class Asked:
    """A table and what has been found of its rows beside it."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self.found: Columns = {}
        self._arrays: Columns = {}
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of numbers as an array; what was found stands before what the table has."""
        if name in self.found:
            return self.found[name]
        if name not in self._arrays:
            self._arrays[name] = self.table[name].to_numpy()
        return self._arrays[name]

    def column(self, name: str) -> Column:
        """A column of the table, to be asked what is known and which rows have some texts."""
        if name not in self._columns:
            self._columns[name] = Column(self.table[name])
        return self._columns[name]


def with_columns(table: pd.DataFrame, columns: Mapping[str, "NDArray[Any] | pd.Series[Any]"]) -> pd.DataFrame:
    """The table with these columns, in the place of those it has of the same name or after all; nothing is copied."""
    there = {name: columns[name] for name in columns if name in table.columns}
    table = table.assign(**there) if there else table
    more = {name: column for name, column in columns.items() if name not in there}
    return pd.concat([table, pd.DataFrame(more, index=table.index, copy=False)], axis=1)
