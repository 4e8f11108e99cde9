"""Flags carry what was compared, and rules apply where and when they say."""

import json
from dataclasses import replace
from datetime import date

import pytest

from rules import catalogue_path
from rules.condition import Test
from rules.evaluate import FLAG_COLUMNS, evaluate
from rules.load import load_catalogue
from tests.analytics.tracks import Car, fleet, weighed

TRIPS = weighed(Car().streets(10).positions(), fleet()).trips
RULE = replace(
    next(rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == "off-hours-no-order"),
    tests=(Test("distance_m", "ge", 1000), Test("card_missing", "missing", True)),
)


def test_a_flag_holds_its_numbers_and_they_are_json() -> None:
    flags = evaluate([RULE], {"trip": TRIPS})
    assert tuple(flags.columns) == FLAG_COLUMNS
    distance, card = flags.iloc[0]["numbers"]
    assert distance["value"] == pytest.approx(TRIPS["distance_m"].iloc[0], abs=1e-3)
    assert distance["margin"] == pytest.approx(distance["value"] - 1000, abs=1e-3)
    assert (distance["operator"], distance["threshold"], distance["unit"]) == ("ge", 1000, "m")
    assert (card["value"], card["margin"]) == (None, None)
    assert json.loads(json.dumps(flags.iloc[0]["numbers"], allow_nan=False)) == [distance, card]


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_only_stable_rules_raise(status: str) -> None:
    assert len(evaluate([replace(RULE, status=status)], {"trip": TRIPS})) == 0


def test_a_rule_applies_to_its_classes_and_days() -> None:
    assert len(evaluate([RULE], {"trip": TRIPS})) == 1
    assert len(evaluate([replace(RULE, classes=("emergency",))], {"trip": TRIPS})) == 0
    assert (
        len(evaluate([replace(RULE, effective_from=date(2026, 3, 2), effective_to=date(2026, 3, 2))], {"trip": TRIPS}))
        == 1
    )
    assert len(evaluate([replace(RULE, effective_from=date(2026, 3, 3))], {"trip": TRIPS})) == 0
    assert len(evaluate([replace(RULE, effective_to=date(2026, 3, 1))], {"trip": TRIPS})) == 0


def test_no_rule_and_no_trip_give_an_empty_table_with_its_columns() -> None:
    assert tuple(evaluate([], {"trip": TRIPS}).columns) == FLAG_COLUMNS
    assert tuple(evaluate([RULE], {"trip": TRIPS.iloc[:0]}).columns) == FLAG_COLUMNS
