"""Comparisons at, below and beyond their thresholds; what is not known proves nothing."""

import numpy as np
import pandas as pd
import pytest

from rules.answers import all_hold
from rules.condition import Test, Value
from rules.names import FEATURE_NAMES, VALUE_NAMES
from rules.subjects import SUBJECTS
from web import terms
from web.i18n import translations

TABLE = pd.DataFrame(
    {
        "distance_m": [1.0, 2.0, 3.0, np.nan],
        "dispatch_order": pd.Series(["D1", None, "D2", None], dtype=object),
        "origin_kind": pd.Series(["school", "", "hotel", "base"], dtype="str"),
    }
)


@pytest.mark.parametrize(
    ("feature", "operator", "threshold", "expected"),
    [
        ("distance_m", "ge", 2, [False, True, True, False]),
        ("distance_m", "gt", 2, [False, False, True, False]),
        ("distance_m", "le", 2, [True, True, False, False]),
        ("distance_m", "lt", 2, [True, False, False, False]),
        ("distance_m", "eq", 2, [False, True, False, False]),
        ("distance_m", "missing", True, [False, False, False, True]),
        ("dispatch_order", "missing", True, [False, True, False, True]),
        ("dispatch_order", "missing", False, [True, False, True, False]),
        ("dispatch_order", "any_of", ("D1", "D3"), [True, False, False, False]),
        ("origin_kind", "any_of", ("school", "hotel"), [True, False, True, False]),
        ("origin_kind", "missing", True, [False, True, False, False]),
    ],
)
def test_each_operator_holds_where_it_should(
    feature: str, operator: str, threshold: Value, expected: list[bool]
) -> None:
    assert all_hold([Test(feature, operator, threshold)], TABLE).tolist() == expected


def test_all_must_hold() -> None:
    tests = (Test("distance_m", "ge", 2), Test("dispatch_order", "missing", False))
    assert all_hold(tests, TABLE).tolist() == [False, False, True, False]
    assert all_hold((), TABLE).all()
    assert len(all_hold(tests, TABLE.iloc[:0])) == 0


@pytest.mark.parametrize(
    ("test", "unit", "zh", "en"),
    [
        (Test("off_hours_s", "ge", 900), "s", "工作时间以外时长 ≥ 15 分钟", "Off-hours time ≥ 15 min"),
        (Test("unbroken_s", "gt", 14_400), "s", "未休息连续驾驶时间 > 4 小时", "Driven without a rest > 4 h"),
        (Test("dwell_s", "lt", 45), "s", "终点停留时间 < 45 秒", "Time stood at the destination < 45 s"),
        (Test("distance_m", "le", 1_500), "m", "里程 ≤ 1.5 公里", "Distance ≤ 1.5 km"),
        (Test("base_m", "ge", 500), "m", "夜间停放处距基地 ≥ 500 米", "Slept away from the base ≥ 500 m"),
        (Test("max_speed_mps", "ge", 25), "m/s", "最高速度 ≥ 90 公里/小时", "Highest speed ≥ 90 km/h"),
        (Test("off_hours_share", "ge", 0.5), "", "工作时间以外时长占比 ≥ 50 %", "Off-hours share of the time ≥ 50 %"),
        (Test("private_score", "ge", 60), "points", "私用证据 ≥ 60 分", "Evidence of private use ≥ 60 points"),
        (Test("holiday", "eq", 1), "", "法定节假日:是", "Public holiday: yes"),
        (Test("holiday", "eq", 0), "", "法定节假日:否", "Public holiday: no"),
        (Test("dispatch_order", "missing", threshold=True), "", "派车单:无", "Dispatch order: none"),
        (Test("dispatch_order", "missing", threshold=False), "", "派车单:有", "Dispatch order: known"),
        (Test("origin_kind", "any_of", ("school", "hotel")), "", "起点类型:学校或酒店",
         "Kind of place it began at: school or hotel"),
        (Test("colour", "eq", "red"), "", "colour:red", "colour: red"),
        (Test("weight_kg", "ge", 1_250), "kg", "weight_kg ≥ 1250 kg", "weight_kg ≥ 1250 kg"),
    ],
)  # fmt: skip
def test_a_comparison_reads_in_both_languages_with_units_of_people(test: Test, unit: str, zh: str, en: str) -> None:
    assert test.in_words("zh", {test.feature: unit}) == zh
    assert test.in_words("en", {test.feature: unit}) == en


def test_every_feature_of_every_subject_has_a_name_in_both_languages() -> None:
    named = {feature for subject in SUBJECTS.values() for feature in subject.features}
    assert named == set(FEATURE_NAMES)
    assert {frozenset(names) for names in (*FEATURE_NAMES.values(), *VALUE_NAMES.values())} == {frozenset({"zh", "en"})}


def test_pages_and_conditions_call_a_value_by_the_same_name() -> None:
    chinese = translations("zh")
    for texts in (terms.ZONE_KINDS, terms.DARK_CAUSES, terms.VEHICLE_CLASSES):
        assert {each: VALUE_NAMES[each] for each in texts} == {
            each: {"zh": chinese.gettext(text), "en": text} for each, text in texts.items()
        }
