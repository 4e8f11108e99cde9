"""How reviews, their outcomes and what ranks them read on a page."""

from collections.abc import Mapping
from dataclasses import dataclass

from store.reviews import ModelRow
from web.i18n import Words
from web.terms import SCORE_PARTS, _, feature_in_words

OUTCOMES = {
    "clean": _("Nothing found"),
    "suspicious": _("Cannot be told"),
    "misuse": _("Misuse found"),
    "case": _("Case opened"),
}
OUTCOME_CHIPS = {"clean": "good", "suspicious": "off", "misuse": "red", "case": "yellow"}
"""Class of the chip of an outcome."""

_FEATURES = {
    "points": _("Points of its rules"),
    "repeats": _("Number of flags"),
    "days": _("Number of days"),
    "distance": _("Longest distance"),
    **SCORE_PARTS,
}
"""What a model compares, beyond the rules."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a feature adds to the log odds of misuse of one item."""

    name: str
    added: float


def feature_name(name: str, words: Words, titles: Mapping[str, str]) -> str:
    """A feature of a model in words; a rule by its title."""
    rule = name.removeprefix("rule ")
    if rule != name:
        return titles.get(rule, rule)
    return words.text(_FEATURES[name]) if name in _FEATURES else feature_in_words(name, words)


def weights(row: ModelRow, features: Mapping[str, float], words: Words, titles: Mapping[str, str]) -> list[Weight]:
    """What speaks for and against misuse in an item, by its model; the strongest first."""
    added = [
        Weight(
            feature_name(term["name"], words, titles),
            term["coefficient"] * (features.get(term["name"], 0.0) - term["mean"]) / term["sd"],
        )
        for term in row.terms
    ]
    return sorted(added, key=lambda each: -abs(each.added))[:8]
