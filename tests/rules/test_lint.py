"""Each lint finds what it is for, on its line, and nothing in a rule that is in order."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from rules.lint import LINTS, lint
from rules.load import Rule, read_rule
from tests.rules.test_load import GOOD

CARD = """\
id = "apart"
version = 1
status = "stable"
level = "yellow"
points = 30
basis = ["the measures"]
effective_from = 2026-01-01
exemptions = []

[title]
zh = "相距"
en = "Apart"

[reason]
zh = "{apart_km:.1f} 公里"
en = "{apart_km:.1f} km"

[[innocent_causes]]
zh = "误差"
en = "An error"

[on.card]
apart_m = { ge = 1000 }
"""
RANKED = GOOD.replace("points = 12.5", "points = 60")


def rule_of(text: str, name: str = "rule.toml") -> Rule:
    rule, faults = read_rule(Path(name), text)
    assert rule is not None, faults
    return rule


def doubts(text: str, *others: Rule) -> list[str]:
    return [str(each) for each in lint([rule_of(text)], others)]


def test_a_rule_in_order_raises_no_doubt() -> None:
    assert doubts(RANKED) == []
    assert doubts(CARD) == []
    assert [str(each) for each in lint([rule_of(RANKED), rule_of(CARD, "card.toml")])] == []


FOUND = {
    "never: a share beyond all": ("distance_m = { ge = 1000 }", "off_hours_share = { ge = 1.01 }",
        "rule.toml:33: off_hours_share: no row of trip can fulfil ge = 1.01 [never]"),
    "never: points beyond a part's": ("distance_m = { ge = 1000 }", "score_no_card = { gt = 15 }",
        "rule.toml:33: score_no_card: no row of trip can fulfil gt = 15 [never]"),
    "never: points beyond the sum": ("distance_m = { ge = 1000 }", "private_score = { ge = 101 }",
        "rule.toml:33: private_score: no row of trip can fulfil ge = 101 [never]"),
    "never: days beyond the window": ("distance_m = { ge = 1000 }", "recurring_days = { ge = 29 }",
        "rule.toml:33: recurring_days: no row of trip can fulfil ge = 29 [never]"),
    "never: a length below nothing": ("distance_m = { ge = 1000 }", "distance_m = { lt = 0 }",
        "rule.toml:33: distance_m: no row of trip can fulfil lt = 0 [never]"),
    "never: neither yes nor no": ("distance_m = { ge = 1000 }", "holiday = { eq = 0.5 }",
        "rule.toml:33: holiday: no row of trip can fulfil eq = 0.5 [never]"),
    "never: a kind that is none": ('["school", "hotel"]', '["school", "casino"]',
        "rule.toml:34: destination_kind: no row of trip can fulfil any_of = ['school', 'casino'] [never]"),
    "against itself: an empty span": ("ge = 1000 }", "ge = 1000, lt = 1000 }",
        "rule.toml:33: distance_m: no value fulfils ge = 1000 and lt = 1000 [against-itself]"),
    "against itself: missing and compared": ("ge = 1000 }", "ge = 1000, missing = true }",
        "rule.toml:33: distance_m: no value fulfils ge = 1000 and missing = true [against-itself]"),
    "points": ("points = 60", "points = 59", "rule.toml:5: points: expected at least 60 for red, got 59 [points]"),
    "always": ("ge = 1000 }", "ge = 0 }",
        "rule.toml:33: warning: distance_m: every row that has a value fulfils ge = 0 [always]"),
    "no beginning": ("effective_from = 2026-01-01\n", "",
        "rule.toml:1: warning: effective_from: missing; the rule judges every day there ever was [no-beginning]"),
    "no number": ("{distance_km:.1f} 公里", "很远",
        "rule.toml:15: warning: reason.zh: shows no number [no-number]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_each_lint_names_its_line_and_property(name: str) -> None:
    right, wrong, doubt = FOUND[name]
    assert right in RANKED
    assert doubts(RANKED.replace(right, wrong, 1)) == [doubt]


def test_a_span_of_one_value_and_values_at_the_ends_are_possible() -> None:
    assert doubts(RANKED.replace("ge = 1000 }", "ge = 1000, le = 1000 }")) == []
    assert doubts(RANKED.replace("distance_m = { ge = 1000 }", "off_hours_share = { ge = 1 }")) == []


def test_what_may_be_negative_has_no_least_value() -> None:
    signed = CARD.replace("card", "seal").replace("apart_km", "odometer_gap_km").replace("apart_m", "odometer_gap_m")
    assert doubts(signed.replace("ge = 1000", "lt = 0")) == []


SAME = "on.trip: other has the same condition [same-condition]"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"status": "draft"}, True),
        ({"units": ()}, True),
        ({"status": "retired"}, False),
        ({"classes": ("emergency",)}, False),
        ({"units": ("C",)}, False),
        ({"effective_from": date(2027, 1, 1), "effective_to": date(2027, 12, 31)}, False),
        ({"tests": rule_of(GOOD).tests[:1]}, False),
    ],
)
def test_a_condition_stands_once_for_the_same_rows(other: dict[str, object], same: bool) -> None:
    beside = replace(rule_of(RANKED), rule_id="other", title={"zh": "另", "en": "Other"}, **other)  # type: ignore[arg-type]
    assert doubts(RANKED, beside) == ([f"rule.toml:32: {SAME}"] if same else [])


def test_a_title_stands_once() -> None:
    beside = replace(rule_of(RANKED), rule_id="other", tests=())
    assert doubts(RANKED, beside) == [
        f"rule.toml:11: warning: title.{language}: other has the same title [same-title]" for language in ("zh", "en")
    ]


def test_a_rule_is_not_compared_with_what_it_takes_the_place_of() -> None:
    assert doubts(RANKED, rule_of(RANKED)) == []


def test_faults_and_warnings_are_told_apart() -> None:
    assert {warning for warning, _ in LINTS.values()} == {True, False}
    text = RANKED.replace("points = 60", "points = 1").replace("ge = 1000", "ge = 0")
    assert [each.warning for each in lint([rule_of(text)])] == [False, True]
