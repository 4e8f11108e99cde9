"""The built-in rules on real positions: each fires, and just does not."""

import pandas as pd
import pytest

from analytics.context import FleetContext
from rules import catalogue_path
from rules.condition import Test
from rules.evaluate import evaluate
from rules.lint import lint
from rules.load import Rule, load_catalogue
from rules.subjects import SUBJECTS, TEXT_FEATURES
from tests.analytics.tracks import MONDAY, Car, at, fleet, office, square, weighed

RULES = load_catalogue(catalogue_path())
SATURDAY = MONDAY + 5
HERE = square("here", "district", (-50_000, 10_000), (-50_000, 50_000))
GOLF = square("golf", "golf_course", (5_000, 20_000), (-1_000, 1_000))


def every_flag_of(car: Car, context: FleetContext) -> pd.DataFrame:
    evidence = weighed(car.positions(), context, MONDAY, MONDAY + 7)
    return evaluate(RULES, {"trip": evidence.trips, "dark": evidence.dark})


def flags_of(car: Car, context: FleetContext) -> pd.DataFrame:
    """Without the prompt that any trip of 5 km without an order raises, whatever else it was."""
    flags = every_flag_of(car, context)
    return flags[flags["rule"] != "trip-no-order"].reset_index(drop=True)


def raised(car: Car, context: FleetContext) -> list[str]:
    return flags_of(car, context)["rule"].tolist()


def drive(clock: str, seconds: int, day: int = MONDAY, speed_mps: float = 12.0) -> Car:
    """Parked, then straight east from `clock` on, then parked."""
    car = Car(clock=at(clock, day) - 1800 * 1_000_000).report(on=False).park(1800)
    return car.drive(seconds, speed_mps).skip(1).report(on=False).park(3600)


def test_off_hours_fires_from_15_minutes_after_duty() -> None:
    flags = flags_of(drive("17:31", 920), fleet(calendar=office()))
    assert flags["rule"].tolist() == ["off-hours-no-order"]
    flag = flags.iloc[0]
    assert "15 分钟" in flag["reason_zh"]
    assert "15 minutes" in flag["reason_en"]
    assert flag["flag_id"] == f"off-hours-no-order:{flag['trip_id']}"


def test_off_hours_just_does_not_fire_below_15_minutes() -> None:
    assert raised(drive("17:31", 870), fleet(calendar=office())) == []


def test_off_hours_counts_only_the_part_after_duty() -> None:
    assert raised(drive("17:00", 1800 + 870), fleet(calendar=office())) == []
    assert raised(drive("17:00", 1800 + 930), fleet(calendar=office())) == ["off-hours-no-order"]


def test_duty_hours_and_a_car_without_calendar_do_not_fire() -> None:
    assert raised(drive("09:00", 1800), fleet(calendar=office())) == []
    assert raised(drive("22:00", 1800), fleet()) == []


def test_an_approved_order_does_not_fire() -> None:
    order = (0, at("17:00"), at("19:00"), "D1")
    assert raised(drive("17:31", 1800), fleet(calendar=office(), orders=[order])) == []


def test_an_emergency_car_at_night_does_not_fire() -> None:
    context = fleet(calendar=office(), area=HERE, zones=[HERE], vehicle_class="emergency")
    assert raised(drive("02:00", 1800, SATURDAY), context) == []


def test_out_of_area_fires_from_2_km_beyond_the_border() -> None:
    flags = flags_of(drive("09:00", 1020), fleet(calendar=office(), area=HERE))  # 12,240 m east
    assert flags["rule"].tolist() == ["out-of-area-no-order"]
    assert "许可区域以外行驶 2." in flags.iloc[0]["reason_zh"]
    assert "outside the permitted area" in flags.iloc[0]["reason_en"]


def test_out_of_area_just_does_not_fire_below_2_km_or_with_an_order() -> None:
    assert raised(drive("09:00", 980), fleet(calendar=office(), area=HERE)) == []  # 11,760 m
    order = (0, at("09:00"), at("10:00"), "D1")
    assert raised(drive("09:00", 1020), fleet(calendar=office(), area=HERE, orders=[order])) == []


def test_private_use_fires_for_golf_at_the_weekend() -> None:
    flags = flags_of(drive("10:00", 840, SATURDAY), fleet(calendar=office(), zones=[GOLF]))
    assert flags["rule"].tolist() == ["golf-course-no-order", "private-use-no-order"]  # 14 minutes: not off-hours too
    assert "85" in flags.iloc[1]["reason_zh"]
    assert "golf地" in flags.iloc[1]["reason_en"]


def test_private_use_just_does_not_fire_at_golf_on_duty_or_elsewhere_on_duty() -> None:
    assert raised(drive("10:00", 840), fleet(calendar=office(), zones=[GOLF])) == ["golf-course-no-order"]
    order = (0, at("10:00", SATURDAY), at("11:00", SATURDAY), "D1")
    assert raised(drive("10:00", 840, SATURDAY), fleet(calendar=office(), zones=[GOLF], orders=[order])) == []


IDS = [rule.rule_id for rule in RULES]
COMPARED = [(rule.rule_id, test.feature) for rule in RULES for test in rule.tests]


def rule_of(rule_id: str) -> Rule:
    return next(rule for rule in RULES if rule.rule_id == rule_id)


def just(test: Test) -> object:
    """A value that fulfils a comparison with nothing to spare."""
    if test.operator == "missing":
        return None if test.threshold else "D1"
    if test.operator in ("gt", "lt"):
        assert isinstance(test.threshold, int | float)
        return test.threshold + (0.0004 if test.operator == "gt" else -0.0004)
    return test.threshold[0] if isinstance(test.threshold, tuple) else test.threshold


def just_not(test: Test) -> object:
    """A value that just does not fulfil it."""
    if test.operator == "missing":
        return "D1" if test.threshold else None
    if not isinstance(test.threshold, int | float):
        return "another"
    return test.threshold + {"gt": 0.0, "le": 0.01, "lt": 0.0}.get(test.operator, -0.01)


def flags_at(rule: Rule, feature: str = "") -> pd.DataFrame:
    """Flags of all rules on a row that reaches this rule's thresholds exactly, but for one feature, and nothing else."""
    columns = SUBJECTS[rule.subject].features
    row: dict[str, object] = {name: "" if name in TEXT_FEATURES else 0.0 for name in columns}
    row |= {"dispatch_order": None, "vehicle_class": "ordinary", "origin_place": "", "destination_place": ""}
    row |= {"vehicle_ix": 0, "day": MONDAY, "start_time": at("09:00"), "end_time": at("10:00")}
    row |= {f"{rule.subject}_id": "T1"}
    row |= {test.feature: just_not(test) if test.feature == feature else just(test) for test in rule.tests}
    table = pd.DataFrame([row]).astype({name: object for name, value in row.items() if value is None})
    return evaluate(RULES, {rule.subject: table})


@pytest.mark.parametrize("rule_id", IDS)
def test_values_at_the_thresholds_fire_with_margin_nothing(rule_id: str) -> None:
    flags = flags_at(rule_of(rule_id))
    assert flags["rule"].tolist() == [rule_id]
    flag = flags.iloc[0]
    assert flag["flag_id"] == f"{rule_id}:T1"
    assert flag["trip_id"] == ("T1" if rule_of(rule_id).subject == "trip" else "")
    assert {number["margin"] for number in flag["numbers"]} <= {0.0, None}


@pytest.mark.parametrize(("rule_id", "feature"), COMPARED)
def test_one_value_just_below_its_threshold_does_not_fire(rule_id: str, feature: str) -> None:
    assert rule_id not in flags_at(rule_of(rule_id), feature)["rule"].tolist()


WITHOUT_ORDER = [rule.rule_id for rule in RULES if Test("dispatch_order", "missing", threshold=True) in rule.tests]


@pytest.mark.parametrize("rule_id", WITHOUT_ORDER)
def test_a_dispatch_order_clears_the_flag(rule_id: str) -> None:
    assert len(flags_at(rule_of(rule_id), "dispatch_order")) == 0


def test_every_rule_has_its_texts_in_both_languages() -> None:
    assert len(set(IDS)) == len(IDS) > 30
    for rule in RULES:
        for texts in (rule.title, rule.reason, *rule.innocent_causes):
            assert {"zh", "en"} <= set(texts)
            assert texts["zh"] != texts["en"]


def test_a_rule_that_says_no_order_asks_for_none() -> None:
    named = {each for each in IDS if each.endswith("-no-order")}
    assert len(named) > 10
    assert named <= set(WITHOUT_ORDER)


def test_the_catalogue_has_no_fault_and_no_warning() -> None:
    assert [str(each) for each in lint(RULES)] == []


def test_no_trip_raises_no_flag() -> None:
    assert len(flags_of(Car().report(), fleet())) == 0
