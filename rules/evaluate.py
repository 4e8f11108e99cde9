"""Rules over the trips' feature table: flags, each with its numbers beside their thresholds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analytics.features import FEATURES
from geo.localtime import day_number
from rules.condition import COMPARISONS, all_hold
from rules.load import Rule
from rules.words import reason

FLAG_COLUMNS = (
    "flag_id", "rule", "rule_version", "level", "trip_id", "vehicle_ix", "day", "start_time", "end_time", "points",
    "reason_zh", "reason_en", "numbers",
)  # fmt: skip


def evaluate(rules: Sequence[Rule], trips: pd.DataFrame) -> pd.DataFrame:
    """Flags that the rules raise on trips.

    Parameters
    ----------
    rules : drafts and retired ones raise nothing.
    trips : feature table of `analytics.audit`.

    Returns
    -------
    DataFrame   Columns FLAG_COLUMNS; `numbers` holds for each comparison its feature, value, operator, threshold, unit
    and margin (how far beyond the threshold the value lies; None where it has no measure).
    """
    flags = [_flag(rule, trip) for rule in rules if rule.status == "stable" for trip in _caught(rule, trips)]
    return pd.DataFrame(flags, columns=list(FLAG_COLUMNS))


def _caught(rule: Rule, trips: pd.DataFrame) -> list[dict[Hashable, Any]]:
    effective = trips["day"].between(day_number(rule.effective_from), day_number(rule.effective_to))
    applies = (trips["vehicle_class"].isin(rule.classes) & effective).to_numpy()
    rows = np.flatnonzero(applies & all_hold(rule.tests, trips))
    columns = [trips[name].iloc[rows].tolist() for name in trips.columns] if len(rows) else []
    return [dict(zip(trips.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def _flag(rule: Rule, trip: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {
        "flag_id": f"{rule.rule_id}:{trip['trip_id']}",
        "rule": rule.rule_id,
        "rule_version": rule.version,
        "level": rule.level,
        "points": rule.points,
        "reason_zh": reason(rule.reason["zh"], trip),
        "reason_en": reason(rule.reason["en"], trip),
        "numbers": [_number(test.feature, test.operator, test.threshold, trip[test.feature]) for test in rule.tests],
        **{name: trip[name] for name in ("trip_id", "vehicle_ix", "day", "start_time", "end_time")},
    }


def _number(feature: str, operator: str, threshold: object, value: Any) -> dict[str, Any]:
    measured = operator in COMPARISONS
    shown = None if value is None or value != value else value  # noqa: PLR0124 - NaN is what differs from itself
    if isinstance(shown, np.generic):
        shown = shown.item()
    return {
        "feature": feature,
        "value": round(shown, 3) if isinstance(shown, float) else shown,
        "operator": operator,
        "threshold": list(threshold) if isinstance(threshold, tuple) else threshold,
        "unit": FEATURES[feature][0],
        "margin": round(abs(float(value) - float(str(threshold))), 3) if measured else None,
    }
