"""docs/rules.md says what the files say, and its example is a rule."""

import re
from pathlib import Path

from rules import catalogue_path
from rules.describe import COMMAND, PAGE, SUBJECT_SENTENCES, page
from rules.lint import LINTS
from rules.load import load_catalogue, read_rule
from rules.subjects import SUBJECTS

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_what_the_catalogue_says() -> None:
    rules = load_catalogue(catalogue_path())
    assert page(TEXT, rules) == TEXT, f"run `{COMMAND}`"
    assert page(TEXT, rules[1:]) != TEXT


def test_every_subject_has_a_sentence() -> None:
    assert set(SUBJECT_SENTENCES) == set(SUBJECTS)


def test_the_example_is_a_rule_in_order() -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    rule, faults = read_rule(Path("docs/rules.md"), example[1])
    assert faults == []
    assert rule is not None
    assert rule.units == ("GZ-01",)


def test_every_lint_is_explained_as_what_it_is() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (fault|warning): ", TEXT, re.MULTILINE)
    assert rows == [(name, "warning" if warning else "fault") for name, (warning, _) in LINTS.items()]
