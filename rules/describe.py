"""The tables of docs/rules.md: what each subject's features are, and the catalogue, as rules and files say it.

python -m rules.describe     write them anew, between the marks that stand in the page
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rules import catalogue_path
from rules.load import CLASSES, LEVELS, Rule, load_catalogue
from rules.subjects import SUBJECTS

COMMAND = "python -m rules.describe"
PAGE = Path(__file__).parents[1] / "docs" / "rules.md"
SUBJECT_SENTENCES = {
    "trip": "a trip",
    "dark": "an entry of the dark-kilometre ledger",
    "night": "a vehicle's night: where it slept",
    "card": "one driver's card in two vehicles at once",
    "refuel": "a refuelling",
    "month": "a vehicle's month",
    "seal": "a vehicle's sealing over a holiday, to its unsealing",
}


def page(text: str, rules: Sequence[Rule]) -> str:
    """The page with its tables made anew; each stands between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    for name, made in (("catalogue", catalogue(rules)), ("subjects", subjects())):
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        found = marks.search(text)
        assert found, f"docs/rules.md: no marks of {name}"
        lines = "\n".join(made)
        text = f"{text[: found.start()]}{found[1]}{lines}\n{found[2]}{text[found.end() :]}"
    return text


def catalogue(rules: Sequence[Rule]) -> Iterator[str]:
    """A row a rule, by subject, level and id."""
    yield "| rule | level, points | when, all of it | of | lifted by exemptions of | innocent causes that are tested |"
    yield "|---|---|---|---|---|---|"
    for rule in sorted(
        rules, key=lambda each: (list(SUBJECTS).index(each.subject), -LEVELS.index(each.level), each.rule_id)
    ):
        tested = [cause["tested"] for cause in rule.innocent_causes if "tested" in cause]
        cells = (
            f"`{rule.rule_id}` {rule.title['en']} {rule.title['zh']}",
            f"{rule.level}, {rule.points:g}",
            f"on.{rule.subject}: {'; '.join(rule.in_words('en'))}",
            _applies_to(rule),
            ", ".join(rule.exemptions) or "none",
            ", ".join(f"`{each}`" for each in tested) or "none",
        )
        yield f"| {' | '.join(cells)} |"


def subjects() -> Iterator[str]:
    """Of each subject its features with their units, and the innocent causes that its rows tell of."""
    for name, subject in SUBJECTS.items():
        yield from (f"### `[on.{name}]`: {SUBJECT_SENTENCES[name]}", "", "| feature | unit | |", "|---|---|---|")
        yield from (f"| `{feature}` | {unit} | {sentence} |" for feature, (unit, sentence) in subject.features.items())
        yield from ("", f"Numbers for its reason: {', '.join(f'`{each}`' for each in subject.shown)}.", "")
        causes = "; ".join(f"`{each}` {sentence}" for each, sentence in subject.tests.items())
        yield from (f"Innocent causes that are tested: {causes or 'none'}.", "")


def _applies_to(rule: Rule) -> str:
    left_out = [each.replace("_", " ") for each in CLASSES if each not in rule.classes]
    classes = f"all but {', '.join(left_out)}" if left_out else "all"
    return f"{classes}; units {', '.join(rule.units)}" if rule.units else classes


def main() -> None:
    """Write the page's tables."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load_catalogue(catalogue_path())), encoding="utf-8")


if __name__ == "__main__":
    main()
