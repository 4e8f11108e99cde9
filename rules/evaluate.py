"""Rules over tables of features: flags, each with its numbers beside their thresholds."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from geo.arrays import BoolArray, Int64Array
from geo.localtime import day_number
from rules.answers import Answers
from rules.condition import COMPARISONS, Test
from rules.load import Rule
from rules.scope import Scope
from rules.subjects import SUBJECTS
from rules.words import Numbers

FLAG_COLUMNS = (
    "flag_id", "rule", "rule_version", "level", "subject", "subject_id", "trip_id", "vehicle_ix", "day", "start_time",
    "end_time", "points", "reason_zh", "reason_en", "numbers", "exemption_id",
)  # fmt: skip


UNKNOWN = Scope.unknown()


def evaluate(rules: Sequence[Rule], tables: Mapping[str, pd.DataFrame], scope: Scope = UNKNOWN) -> pd.DataFrame:
    """Flags that the rules raise.

    Parameters
    ----------
    rules : drafts and retired ones raise nothing.
    tables : subject → a row for each of what rules on that subject judge, with the subject's features, `<subject>_id`,
        vehicle_ix, vehicle_class, day, start_time and end_time (µs UTC). Trips and silences as `analytics.evidence.weigh`
        gives them. Rules on a subject that is not there raise nothing, nor do rules that name a feature which a table
        does not have: rows that were measured before the feature was.
    scope : of the vehicles that vehicle_ix numbers.

    Returns
    -------
    DataFrame   Columns FLAG_COLUMNS; `numbers` holds for each comparison its feature, value, operator, threshold, unit
    and margin (how far beyond the threshold the value lies; None where it has no measure). The flag of anything but a
    trip has the empty text as `trip_id`. `exemption_id` is the exemption that lifts it, missing where none does: one of
    the vehicle or of a unit above it, as the rule allows, within which the whole time of the flag lies.
    """
    flags: dict[str, Any] = {name: [] for name in FLAG_COLUMNS}
    for subject, table in tables.items():
        judged = _Judged(table)
        caught = [
            (rule, judged.caught(rule, scope)) for rule in rules if rule.status == "stable" and rule.subject == subject
        ]
        wanted = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(rows for _, rows in caught)]))
        read = _Read(subject, table, wanted)
        for rule, rows in caught:
            if len(rows):
                for name, values in _flags(rule, read, np.searchsorted(wanted, rows).tolist(), scope).items():
                    flags[name] += values
    return pd.DataFrame(flags | {"exemption_id": pd.array(flags["exemption_id"], dtype="Int64")})


class _Judged:
    """A table, and for each comparison and set of classes that was asked for the rows where it holds.

    Rules share most of both: what is asked of half a million trips is asked once.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table
        self._answers = Answers(table)
        self._in_force: dict[tuple[date, date], BoolArray] = {}

    def caught(self, rule: Rule, scope: Scope) -> Int64Array:
        """The rows that a rule catches."""
        table = self._table
        if not len(table) or any(test.feature not in table for test in rule.tests):
            return np.empty(0, dtype=np.int64)
        found = self._answers.all_hold((Test("vehicle_class", "any_of", rule.classes), *rule.tests))
        found &= self._days(rule.effective_from, rule.effective_to)
        if rule.units:
            found &= scope.within(rule.units, table["vehicle_ix"].to_numpy())
        return np.flatnonzero(found)

    def _days(self, first: date, last: date) -> BoolArray:
        """Which rows are of these days."""
        if (first, last) not in self._in_force:
            day = self._table["day"].to_numpy()
            self._in_force[first, last] = (day >= day_number(first)) & (day <= day_number(last))
        return self._in_force[first, last]


class _Read:
    """Rows of a table, each column of which is read when a flag first asks for it, for all of them at once."""

    def __init__(self, subject: str, table: pd.DataFrame, rows: Int64Array) -> None:
        self._columns = _Columns(table, rows)
        self.numbers = [Numbers(subject, _Row(self._columns, place)) for place in range(len(rows))]
        """What reasons may show of each row: several rules catch one row, in several languages."""

    def values(self, name: str, places: list[int]) -> list[Any]:
        """A feature of some of the rows."""
        column = self._columns[name]
        return [column[place] for place in places]


class _Columns(dict[str, list[Any]]):
    """Features of some rows of a table, each in Python's own numbers and texts."""

    __slots__ = ("_rows", "_table")

    def __init__(self, table: pd.DataFrame, rows: Int64Array) -> None:
        self._table, self._rows = table, rows

    def __missing__(self, name: str) -> list[Any]:
        column = self._table[name]
        values = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
        self[name] = values.take(self._rows).tolist()
        return self[name]


class _Row(dict[str, Any]):
    """A row's features, each looked up when it is asked for."""

    __slots__ = ("_columns", "_place")

    def __init__(self, columns: _Columns, place: int) -> None:
        self._columns, self._place = columns, place

    def __missing__(self, name: str) -> Any:
        return self._columns[name][self._place]


def _flags(rule: Rule, read: _Read, places: list[int], scope: Scope) -> dict[str, list[Any]]:
    """The flags of a rule on those of the rows that stand at these places, column by column."""
    n, trip = len(places), rule.subject == "trip"
    ids = read.values(f"{rule.subject}_id", places)
    known = {name: read.values(name, places) for name in ("vehicle_ix", "day", "start_time", "end_time")}
    shown = [read.numbers[place] for place in places]
    compared = [_numbers(rule.subject, test, read.values(test.feature, places)) for test in rule.tests]
    times = zip(known["vehicle_ix"], known["start_time"], known["end_time"], strict=True) if scope.leaves else ()
    return {
        "flag_id": [f"{rule.rule_id}:{each}" for each in ids],
        "rule": [rule.rule_id] * n,
        "rule_version": [rule.version] * n,
        "level": [rule.level] * n,
        "subject": [rule.subject] * n,
        "subject_id": ids,
        "trip_id": ids if trip else [""] * n,
        **known,
        "points": [rule.points] * n,
        "reason_zh": [rule.reason["zh"].format_map(numbers) for numbers in shown],
        "reason_en": [rule.reason["en"].format_map(numbers) for numbers in shown],
        "numbers": [list(each) for each in zip(*compared, strict=True)] if compared else [[] for _ in places],
        "exemption_id": [scope.lifted_by(rule.rule_id, rule.exemptions, *when) for when in times] or [None] * n,
    }


def _numbers(subject: str, test: Test, values: list[Any]) -> list[dict[str, Any]]:
    """What a comparison compared, for each value."""
    unit = SUBJECTS[subject].features[test.feature][0]
    threshold = list(test.threshold) if isinstance(test.threshold, tuple) else test.threshold
    least = float(str(threshold)) if test.operator in COMPARISONS else None
    return [
        {
            "feature": test.feature,
            "value": round(value, 3) if type(value) is float and value == value else _shown(value),  # noqa: PLR0124
            "operator": test.operator,
            "threshold": threshold,
            "unit": unit,
            "margin": None if least is None else round(abs(value - least), 3),
        }
        for value in values
    ]


def _shown(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return round(plain, 3) if isinstance(plain, float) else plain
