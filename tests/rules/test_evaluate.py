"""Flags carry what was compared, and rules apply where and when they say."""

import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from rules import catalogue_path
from rules.condition import Test
from rules.evaluate import FLAG_COLUMNS, evaluate
from rules.load import load_catalogue
from rules.scope import Leave, Scope
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


UNITS = (frozenset({"office", "bureau"}),)
START, END = int(TRIPS["start_time"].iloc[0]), int(TRIPS["end_time"].iloc[0])


@pytest.mark.parametrize(("units", "raised"), [((), 1), (("office",), 1), (("other", "bureau"), 1), (("other",), 0)])
def test_a_rule_of_units_is_on_their_vehicles_and_those_of_units_below(units: tuple[str, ...], raised: int) -> None:
    assert len(evaluate([replace(RULE, units=units)], {"trip": TRIPS}, Scope(UNITS))) == raised


def test_a_rule_of_units_raises_nothing_where_no_unit_is_known() -> None:
    assert len(evaluate([replace(RULE, units=("office",))], {"trip": TRIPS})) == 0


def lifted(*leaves: Leave, exemptions: tuple[str, ...] = ("vehicle", "unit")) -> int | None:
    scope = Scope(UNITS, {0: leaves})
    (found,) = evaluate([replace(RULE, exemptions=exemptions)], {"trip": TRIPS}, scope)["exemption_id"]
    return None if found is pd.NA else int(found)


LEAVE = Leave(7, "vehicle", RULE.rule_id, START, END)


@pytest.mark.parametrize(
    ("leave", "lifts"),
    [
        (LEAVE, True),
        (replace(LEAVE, starts=None, ends=None), True),
        (replace(LEAVE, rule=""), True),
        (replace(LEAVE, kind="unit"), True),
        (replace(LEAVE, rule="no-card"), False),
        (replace(LEAVE, starts=START + 1), False),
        (replace(LEAVE, ends=END - 1), False),
        (replace(LEAVE, starts=END, ends=None), False),
        (replace(LEAVE, starts=None, ends=START), False),
    ],
)
def test_an_exemption_lifts_a_flag_whose_whole_time_lies_within_it(leave: Leave, lifts: bool) -> None:
    assert lifted(leave) == (7 if lifts else None)


def test_a_rule_says_which_kinds_of_exemption_lift_it() -> None:
    of_unit = replace(LEAVE, exemption_id=8, kind="unit")
    assert lifted(LEAVE, of_unit, exemptions=()) is None
    assert lifted(LEAVE, of_unit, exemptions=("unit",)) == 8
    assert lifted(LEAVE, of_unit, exemptions=("vehicle", "unit")) == 7


def test_two_exemptions_that_cover_a_flag_only_together_do_not_lift_it() -> None:
    middle = (START + END) // 2
    assert lifted(replace(LEAVE, ends=middle), replace(LEAVE, starts=middle)) is None


def test_another_vehicle_s_exemption_lifts_nothing() -> None:
    flags = evaluate([RULE], {"trip": TRIPS}, Scope(UNITS, {1: (LEAVE,)}))
    assert flags["exemption_id"].isna().all()


def test_a_rule_on_a_feature_that_rows_do_not_have_raises_nothing() -> None:
    """Not even by what it says is missing: nobody looked."""
    assert len(evaluate([RULE], {"trip": TRIPS.drop(columns="card_missing")})) == 0
    assert len(evaluate([RULE], {"trip": TRIPS.drop(columns="distance_m")})) == 0


def test_a_number_that_is_not_known_is_a_dash_in_the_reason() -> None:
    rule = replace(
        RULE, reason={"zh": "{detour_km:.1f} 公里", "en": "{detour_km:.1f} km in {duration_min:.0f} minutes"}
    )
    (flag,) = evaluate([rule], {"trip": TRIPS}).to_dict("records")
    assert (flag["reason_zh"], flag["reason_en"]) == ("— 公里", f"— km in {(END - START) / 6e7:.0f} minutes")


def test_no_rule_and_no_trip_give_an_empty_table_with_its_columns() -> None:
    assert tuple(evaluate([], {"trip": TRIPS}).columns) == FLAG_COLUMNS
    assert tuple(evaluate([RULE], {"trip": TRIPS.iloc[:0]}).columns) == FLAG_COLUMNS
