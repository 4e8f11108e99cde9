"""docs/private-use.md names every part with its points, and its rules with the level they have."""

import re
from pathlib import Path

from analytics.parts import PARTS
from rules import catalogue_path
from rules.load import load_catalogue

TEXT = (Path(__file__).parents[2] / "docs" / "private-use.md").read_text(encoding="utf-8")


def test_every_part_stands_with_its_points() -> None:
    rows = re.findall(r"^\| `(score_\w+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert dict(rows) == {name: f"{part.points:.0f}" for name, part in PARTS.items()}


def test_every_rule_on_a_part_or_the_sum_stands_with_its_level() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (red|yellow|prompt) \|", TEXT, re.MULTILINE)
    rules = load_catalogue(catalogue_path())
    levels = {rule.rule_id: rule.level for rule in rules}
    assert dict(rows).items() <= levels.items()
    on_score = {rule.rule_id for rule in rules if {test.feature for test in rule.tests} & {*PARTS, "private_score"}}
    assert on_score <= set(dict(rows))
