"""docs/private-use.md names every part with its points and every rule with its level."""

import re
from pathlib import Path

from analytics.score import PARTS
from rules import catalogue_path
from rules.load import load_catalogue

TEXT = (Path(__file__).parents[2] / "docs" / "private-use.md").read_text(encoding="utf-8")


def test_every_part_stands_with_its_points() -> None:
    rows = re.findall(r"^\| `(score_\w+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert dict(rows) == {name: f"{part.points:.0f}" for name, part in PARTS.items()}


def test_every_rule_stands_with_its_level() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (red|yellow|prompt) \|", TEXT, re.MULTILINE)
    assert dict(rows) == {rule.rule_id: rule.level for rule in load_catalogue(catalogue_path())}
