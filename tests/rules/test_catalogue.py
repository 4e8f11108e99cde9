"""The built-in rules on real positions: each fires, and just does not."""

import numpy as np
import pandas as pd
import pytest

from analytics.audit import audit
from analytics.context import FleetContext
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import load_catalogue
from tests.analytics.tracks import MONDAY, Car, at, fleet, office, square

RULES = load_catalogue(catalogue_path())
SATURDAY = MONDAY + 5
HERE = square("here", "district", (-50_000, 10_000), (-50_000, 50_000))
GOLF = square("golf", "golf_course", (5_000, 20_000), (-1_000, 1_000))


def flags_of(car: Car, context: FleetContext) -> pd.DataFrame:
    return evaluate(RULES, audit(car.positions(), context, MONDAY, MONDAY + 7).trips)


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
    assert flags["rule"].tolist() == ["private-use-no-order"]  # 14 minutes: not off-hours-no-order too
    assert "85" in flags.iloc[0]["reason_zh"]
    assert "golf地" in flags.iloc[0]["reason_en"]


def test_private_use_just_does_not_fire_at_golf_on_duty_or_elsewhere_on_duty() -> None:
    assert raised(drive("10:00", 840), fleet(calendar=office(), zones=[GOLF])) == []
    order = (0, at("10:00", SATURDAY), at("11:00", SATURDAY), "D1")
    assert raised(drive("10:00", 840, SATURDAY), fleet(calendar=office(), zones=[GOLF], orders=[order])) == []


THRESHOLDS = {
    "off-hours-no-order": {"off_hours_s": 900.0, "off_hours_m": 1000.0},
    "out-of-area-no-order": {"out_of_area_m": 2000.0, "out_of_area_s": 180.0},
    "private-use-no-order": {"private_score": 60.0, "distance_m": 1000.0},
}


def row(rule: str, **values: object) -> pd.DataFrame:
    """A feature row that reaches the rule's thresholds exactly and no other's."""
    trips = audit(drive("09:00", 600).positions(), fleet(), MONDAY, MONDAY).trips.iloc[:1].copy()
    trips["private_score"] = 0.0
    for name, value in {**THRESHOLDS[rule], **values}.items():
        trips[name] = pd.Series([value], dtype=object if isinstance(value, str) else np.float64)
    return trips


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_values_at_the_thresholds_fire_with_margin_nothing(rule: str) -> None:
    flags = evaluate(RULES, row(rule))
    assert flags["rule"].tolist() == [rule]
    margins = {number["feature"]: number["margin"] for number in flags.iloc[0]["numbers"]}
    assert margins == {**dict.fromkeys(THRESHOLDS[rule], 0.0), "dispatch_order": None}


@pytest.mark.parametrize(("rule", "feature"), [(rule, name) for rule, of in THRESHOLDS.items() for name in of])
def test_one_value_just_below_its_threshold_does_not_fire(rule: str, feature: str) -> None:
    assert len(evaluate(RULES, row(rule, **{feature: THRESHOLDS[rule][feature] - 0.01}))) == 0


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_a_dispatch_order_clears_the_flag(rule: str) -> None:
    assert len(evaluate(RULES, row(rule, dispatch_order="D1"))) == 0


def test_every_rule_has_its_texts_in_both_languages() -> None:
    assert [rule.rule_id for rule in RULES] == sorted(THRESHOLDS)
    for rule in RULES:
        for texts in (rule.title, rule.reason, *rule.innocent_causes):
            assert set(texts) == {"zh", "en"}
            assert texts["zh"] != texts["en"]


def test_no_trip_raises_no_flag() -> None:
    assert len(flags_of(Car().report(), fleet())) == 0
