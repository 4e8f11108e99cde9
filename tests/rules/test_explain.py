"""Why a flag stands: numbers, causes, orders, exemptions, and a smallest change that clears it and is the smallest."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import catalogue_path
from rules.condition import Test
from rules.evaluate import evaluate
from rules.explain import (
    AFTER,
    BEFORE,
    COVERS,
    FAILS,
    HOLDS,
    KNOWN,
    LESS,
    LIFTS,
    MISSING,
    OTHER,
    OTHER_KIND,
    OTHER_TIME,
    OVERLAPS,
    UNIT,
    UNKNOWN,
    Consulted,
    Explanation,
    causes_of,
    explain,
    holds,
)
from rules.load import Rule, load_catalogue
from rules.whatif import columns_of
from store.flag_views import ExemptionBeside, OrderBeside

START = datetime(2026, 3, 2, 11, 40, tzinfo=UTC)
END = START + timedelta(minutes=85)
CONSULTED = Consulted(START, END)
CATALOGUE = {rule.rule_id: rule for rule in load_catalogue(catalogue_path())}
NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
"""As rule files and features have them."""
UNITS = {"off_hours_s": "s", "distance_m": "m", "recurring_days": "", "private_score": "points"}


def number(feature: str, operator: str, threshold: Any, value: Any, unit: str = "") -> dict[str, Any]:
    return {
        "feature": feature,
        "operator": operator,
        "threshold": threshold,
        "value": value,
        "unit": unit,
        "margin": None,
    }


OFF_HOURS = [
    number("off_hours_s", "ge", 900, 1620.0, "s"),
    number("distance_m", "ge", 2000, 9000.0, "m"),
    number("dispatch_order", "missing", True, None),
]


def of(numbers: list[dict[str, Any]], row: dict[str, Any] | None = None, rule: Rule | None = None) -> Explanation:
    return explain(rule, numbers, row, CONSULTED)


def order(number: str, after_min: float, minutes: float) -> OrderBeside:
    starts = START + timedelta(minutes=after_min)
    return OrderBeside(number, starts, starts + timedelta(minutes=minutes), "", "", "")


def exemption(kind: str, *, in_time: bool) -> ExemptionBeside:
    return ExemptionBeside(1, kind, "", "", "李", "送修", None, None, in_time)


def test_the_smallest_change_is_the_least_of_what_was_found_and_the_others_stand_behind_it() -> None:
    found = of(OFF_HOURS)
    assert found.fires
    assert [(each.feature, each.kind) for each in found.changes] == [
        ("off_hours_s", LESS),
        ("distance_m", LESS),
        ("dispatch_order", KNOWN),
    ]
    assert found.smallest is not None
    assert found.smallest.amount == 720.0  # twelve minutes
    assert [each.holds for each in found.comparisons] == [True, True, True]


def test_what_has_no_measure_is_the_change_where_nothing_else_is_nearer() -> None:
    found = of(
        [number("dispatch_order", "missing", False, "D-1"), number("destination_kind", "any_of", ["school"], "school")]
    )
    assert [(each.feature, each.kind, each.amount) for each in found.changes] == [
        ("dispatch_order", MISSING, None),
        ("destination_kind", OTHER, None),
    ]
    assert [each.to for each in of([number("unnamed_stop", "eq", 1, 1.0)]).changes] == [0.0]


def test_days_change_by_whole_days_and_shares_do_not() -> None:
    (days,) = of([number("recurring_days", "ge", 3, 5.0)]).changes
    assert (days.to, days.amount) == (2.0, 3.0)
    (share,) = of([number("off_hours_share", "ge", 1, 1.0)]).changes
    assert 0.99 < share.to < 1.0


def test_a_number_that_is_kept_rounded_is_judged_as_exactly_as_the_row_still_knows_it() -> None:
    rounded = [number("distance_m", "gt", 2000, 2000.0, "m")]
    assert not of(rounded).fires
    exact = of(rounded, {"distance_m": 2000.0004})
    assert exact.fires
    assert exact.changed == ()


def test_features_that_have_changed_since_are_named_and_the_judged_ones_count() -> None:
    found = of(OFF_HOURS, {"off_hours_s": 60.0, "distance_m": 9000.0, "dispatch_order": None})
    assert found.changed == ("off_hours_s",)
    assert found.comparisons[0].value == 1620.0
    assert found.fires


def test_a_condition_that_does_not_hold_needs_no_change() -> None:
    found = of([number("off_hours_s", "ge", 900, 100.0, "s")])
    assert not found.fires
    assert found.smallest is None


def test_each_cause_tells_how_it_was_tested() -> None:
    rule = CATALOGUE["private-use-no-order"]
    texts = {"zh": "驾驶员卡机坏", "en": "The reader is broken"}
    causes = tuple({**texts, **tested} for tested in ({"tested": "drift"}, {"tested": "datum"}, {}))
    tested = replace(rule, innocent_causes=causes)
    assert [each.outcome for each in causes_of(tested, {"holds": "order drift"})] == [HOLDS, FAILS, UNIT]
    assert [each.outcome for each in causes_of(tested, {})] == [UNKNOWN, UNKNOWN, UNIT]
    assert of(OFF_HOURS).causes is None


def test_the_cause_of_a_silence_is_what_was_tested_of_it() -> None:
    rule = CATALOGUE["dark-kilometres-no-order"]
    causes = ({"zh": "盲区", "en": "No coverage", "tested": "coverage"},)
    tested = replace(rule, innocent_causes=causes)
    assert [each.outcome for each in causes_of(tested, {"dark_cause": "coverage"})] == [HOLDS]
    assert [each.outcome for each in causes_of(tested, {"dark_cause": "unknown"})] == [FAILS]


def test_orders_lie_before_after_or_over_the_time_and_one_covers_it() -> None:
    orders = [order("A", -60, 20), order("B", -5, 30), order("C", 0, 85), order("D", 100, 10)]
    found = explain(None, OFF_HOURS[:2], {"dispatch_order": "C"}, Consulted(START, END, orders=orders))
    assert [(each.order.order_no, each.relation, each.gap_s) for each in found.orders] == [
        ("A", BEFORE, 2400.0),
        ("B", OVERLAPS, 0.0),
        ("C", COVERS, 0.0),
        ("D", AFTER, 900.0),
    ]


def test_an_exemption_lifts_where_its_time_and_its_kind_are_the_rules() -> None:
    beside = [exemption("vehicle", in_time=True), exemption("vehicle", in_time=False)]
    found = explain(None, OFF_HOURS, None, Consulted(START, END, exemptions=beside))
    assert [each.effect for each in found.exemptions] == [LIFTS, OTHER_TIME]
    none = explain(None, OFF_HOURS, None, Consulted(START, END, exemptions=[exemption("city", in_time=True)]))
    assert [each.effect for each in none.exemptions] == [OTHER_KIND]


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(UNITS)), st.sampled_from(["ge", "gt", "le", "lt"]), NUMBERS),
        min_size=1,
        max_size=4,
    ),
    st.lists(NUMBERS, min_size=4, max_size=4),
)
def test_after_the_smallest_change_the_rule_no_longer_fires_and_after_a_smaller_one_it_does(
    conditions: list[tuple[str, str, float]], values: list[float]
) -> None:
    row: dict[str, Any] = dict(zip(sorted(UNITS), values, strict=True))
    tests = [Test(*condition) for condition in conditions]
    for test in tests:  # moved beyond the threshold, so that the condition holds if it can
        if not holds([test], row):
            row[test.feature] = float(test.threshold)  # type: ignore[arg-type]
    numbers = [number(*condition, row[condition[0]], UNITS[condition[0]]) for condition in conditions]
    found = explain(None, numbers, row, CONSULTED)
    assert found.fires == holds(tests, row)
    if not found.fires:
        assert found.changes == ()
        return
    assert found.smallest is not None
    assert found.smallest.relative == min(each.relative for each in found.changes)
    for change in found.changes:
        assert not holds(tests, {**row, change.feature: change.to})
    least = found.smallest
    whole = least.unit == "" and least.to == int(least.to) and row[least.feature] == int(row[least.feature])
    towards = row[least.feature]
    nearer = least.to + np.sign(towards - least.to) if whole else float(np.nextafter(least.to, towards))
    if whole and abs(towards - least.to) < 1:
        return
    assert holds(tests, {**row, least.feature: nearer})


@pytest.mark.parametrize("rule_id", sorted(CATALOGUE))
def test_the_explanation_of_what_a_rule_of_the_catalogue_catches_clears_it_in_the_rules_own_eyes(rule_id: str) -> None:
    rule = CATALOGUE[rule_id]
    table = caught_row(rule)
    (flag,) = evaluate([rule], {rule.subject: table}).to_dict("records")
    row = {str(name): value for name, value in table.iloc[0].to_dict().items()}
    found = explain(rule, flag["numbers"], row, CONSULTED)
    assert found.fires
    assert found.causes is not None
    assert len(found.causes) == len(rule.innocent_causes)
    for change in found.changes:
        changed = table.assign(**{change.feature: pd.Series([change.to], dtype=object)})
        assert evaluate([rule], {rule.subject: changed}).empty, change
    assert len(found.changes) == len(rule.tests)


def caught_row(rule: Rule) -> pd.DataFrame:
    """A row that a rule just catches, with whatever else its reason tells."""
    row: dict[str, Any] = dict.fromkeys(columns_of(rule), 7.0)
    row |= {"day": 20_600, "start_time": 0, "end_time": 1, "vehicle_ix": 0, "vehicle_class": rule.classes[0]}
    row |= {f"{rule.subject}_id": "7-1", "dispatch_order": None, "origin_place": "", "destination_place": ""}
    for test in rule.tests:
        first = test.threshold[0] if isinstance(test.threshold, tuple) else test.threshold
        value: Any = (None if test.threshold else "D-1") if test.operator == "missing" else first
        row[test.feature] = value + 1 if test.operator == "gt" else value
    return pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in row.items()}).infer_objects()
