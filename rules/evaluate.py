"""Rules over tables of features: flags, each with its numbers beside their thresholds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from geo.arrays import BoolArray, Int64Array
from geo.localtime import day_number
from rules.condition import COMPARISONS, Test, all_hold
from rules.load import Rule
from rules.scope import Scope
from rules.subjects import SUBJECTS
from rules.words import reason

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
    flags: list[dict[str, Any]] = []
    for subject, table in tables.items():
        judged = _Judged(table)
        caught = [
            (rule, judged.caught(rule, scope)) for rule in rules if rule.status == "stable" and rule.subject == subject
        ]
        wanted = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(rows for _, rows in caught)]))
        # Rows that several rules catch are read once.
        read = dict(zip(wanted.tolist(), table.iloc[wanted].to_dict("records"), strict=True))
        flags += [_flag(rule, read[row], scope) for rule, rows in caught for row in rows.tolist()]
    return pd.DataFrame(flags, columns=list(FLAG_COLUMNS)).astype({"exemption_id": "Int64"})


class _Judged:
    """A table, and for each comparison and set of classes that was asked for the rows where it holds.

    Rules share most of both: what is asked of half a million trips is asked once.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table
        self._held: dict[Test, BoolArray] = {}
        self._of_classes: dict[tuple[str, ...], BoolArray] = {}

    def caught(self, rule: Rule, scope: Scope) -> Int64Array:
        """The rows that a rule catches."""
        table = self._table
        if not len(table) or any(test.feature not in table for test in rule.tests):
            return np.empty(0, dtype=np.int64)
        first, last = day_number(rule.effective_from), day_number(rule.effective_to)
        found = table["day"].between(first, last).to_numpy() & self._applies(rule.classes)
        found &= all_hold(rule.tests, table, self._held)
        if rule.units:
            found &= scope.within(rule.units, table["vehicle_ix"].to_numpy())
        return np.flatnonzero(found)

    def _applies(self, classes: tuple[str, ...]) -> BoolArray:
        if classes not in self._of_classes:
            self._of_classes[classes] = self._table["vehicle_class"].isin(classes).to_numpy()
        return self._of_classes[classes]


def _flag(rule: Rule, row: Mapping[Hashable, Any], scope: Scope) -> dict[str, Any]:
    return {
        "flag_id": f"{rule.rule_id}:{row[f'{rule.subject}_id']}",
        "rule": rule.rule_id,
        "rule_version": rule.version,
        "level": rule.level,
        "points": rule.points,
        "reason_zh": reason(rule.reason["zh"], rule.subject, row),
        "reason_en": reason(rule.reason["en"], rule.subject, row),
        "numbers": [
            _number(
                SUBJECTS[rule.subject].features[test.feature][0],
                test.feature,
                test.operator,
                test.threshold,
                row[test.feature],
            )
            for test in rule.tests
        ],
        "subject": rule.subject,
        "subject_id": row[f"{rule.subject}_id"],
        "trip_id": row["trip_id"] if rule.subject == "trip" else "",
        "exemption_id": scope.lifted_by(
            rule.rule_id, rule.exemptions, row["vehicle_ix"], row["start_time"], row["end_time"]
        ),
        **{name: row[name] for name in ("vehicle_ix", "day", "start_time", "end_time")},
    }


def _number(unit: str, feature: str, operator: str, threshold: object, value: Any) -> dict[str, Any]:
    measured = operator in COMPARISONS
    shown = None if value is None or value != value else value  # noqa: PLR0124 - NaN is what differs from itself
    if isinstance(shown, np.generic):
        shown = shown.item()
    return {
        "feature": feature,
        "value": round(shown, 3) if isinstance(shown, float) else shown,
        "operator": operator,
        "threshold": list(threshold) if isinstance(threshold, tuple) else threshold,
        "unit": unit,
        "margin": round(abs(float(value) - float(str(threshold))), 3) if measured else None,
    }
