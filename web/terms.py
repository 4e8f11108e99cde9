"""English texts for the names that data carries: parts of a score, classes of vehicles, kinds of zones, sources."""

from dataclasses import dataclass
from typing import Any

from analytics.parts import PARTS
from analytics.score import clearings
from rules.names import FEATURE_NAMES
from store.views import FlagRow
from web.i18n import Words


def _(text: str) -> str:
    """Mark a text for translation; it is translated where it is shown."""
    return text


SCORE_PARTS = {
    "score_no_order": _("No dispatch order"),
    "score_off_hours": _("Off-hours"),
    "score_rest_day": _("Weekend or holiday"),
    "score_rest_outing": _("Out of area on a weekend or holiday"),
    "score_out_of_area": _("Out of area"),
    "score_venue": _("Controlled venue"),
    "score_residence": _("Residence outside duty hours"),
    "score_overnight": _("A night away from the base"),
    "score_pattern": _("Recurring place and hour"),
    "score_detour": _("Detour from the dispatch order"),
    "score_no_card": _("No driver's card"),
    "score_interference": _("Terminal interference"),
}
"""Parts of the score of private use."""

SCORE_REASONS = {
    "score_no_order": _("no dispatch order covers the trip"),
    "score_off_hours": _("the share of its time outside duty hours"),
    "score_rest_day": _("it began on a Saturday, Sunday or public holiday"),
    "score_rest_outing": _("the share of its metres outside the permitted area on a weekend or public holiday"),
    "score_out_of_area": _("the share of its metres outside the permitted area"),
    "score_venue": _("it ended at a controlled venue or set out from one"),
    "score_residence": _("it ended at a residence or set out from one, outside duty hours"),
    "score_overnight": _("it led to or from a night spent away from the base"),
    "score_pattern": _("the same place at the same hour on several days: a way home, a school run, a habit"),
    "score_detour": _("metres and stops that its dispatch order does not explain"),
    "score_no_card": _("no driver's card was in"),
    "score_interference": _("the terminal lost its power or its antenna while the vehicle was driven"),
}
"""What each part counts, as `analytics.parts.PARTS` says it."""

CLEARED_BY = {
    "order": _("a dispatch order covers the trip"),
    "order_near": _("a dispatch order shortly before or after"),
    "emergency": _("emergency class: at any hour, orders entered afterwards"),
    "on_shift": _("the vehicle's own shifts cover the time"),
    "adjusted_workday": _("an adjusted working day"),
    "drift": _("drift of a parked receiver"),
    "datum": _("datum error: the places fit after a GCJ-02 shift"),
    "passing": _("stood there for less than ten minutes"),
    "lunch": _("lunch near the place of work"),
    "named": _("ended where its order says"),
    "no_reader": _("no card reported for four weeks"),
    "reader_broken": _("card reader silent on three days of use"),
    "coverage": _("other vehicles were silent there too"),
    "under_order": _("under a dispatch order with a card in"),
}
"""Innocent causes that the score tests."""

DARK_CAUSES = {
    "power_cut": _("terminal without power"),
    "antenna": _("antenna off"),
    "no_fix": _("no fix: garage or tunnel"),
    "carried": _("carried, not driven"),
    "coverage": _("no coverage: neighbours silent too"),
    "unknown": _("unknown"),
}

VEHICLE_CLASSES = {
    "ordinary": _("ordinary duty"),
    "confidential": _("confidential mail"),
    "emergency": _("emergency"),
    "law_enforcement": _("law enforcement"),
    "special_technical": _("special technical"),
}

FUELS = {
    "petrol": _("petrol"),
    "diesel": _("diesel"),
    "electric": _("electric"),
    "hybrid": _("hybrid"),
    "lpg": _("liquefied petroleum gas"),
    "cng": _("compressed natural gas"),
}

ZONE_KINDS = {
    "district": _("district"),
    "city": _("city"),
    "province": _("province"),
    "base": _("base"),
    "golf_course": _("golf course"),
    "entertainment": _("entertainment"),
    "bath_house": _("bath house"),
    "hotel": _("hotel"),
    "school": _("school"),
    "restaurant": _("restaurant"),
    "residential": _("residential area"),
    "work_site": _("work site"),
    "customer": _("customer"),
}

DAY_KINDS = {
    "workday": _("working day"),
    "adjusted_workday": _("adjusted working day"),
    "weekend": _("weekend"),
    "holiday": _("public holiday"),
}

LEVELS = {"red": _("Red"), "yellow": _("Yellow"), "prompt": _("Prompt")}
SOURCES = {"jt808": "JT/T 808", "nmea": "NMEA 0183", "mqtt": "MQTT", "import": _("Import")}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "eq": "=", "any_of": "∈"}


@dataclass(frozen=True, slots=True)
class NumberLine:
    """A number of a flag in words: what it is, what was found, what it was compared with, how far beyond that it lies."""

    name: str
    found: str
    threshold: str
    margin: str


@dataclass(frozen=True, slots=True)
class ScorePart:
    """A part of the score of private use: what it counts, its points of how many, and the innocent causes tested."""

    name: str
    reason: str
    points: float
    most: float
    causes: list[tuple[str, bool]]  # in words, and whether it holds


def numbers_in_words(flag: FlagRow, words: Words) -> list[NumberLine]:
    """Each number of a flag beside its threshold."""
    return [_line(number, words) for number in flag.numbers]


def score_in_words(features: dict[str, Any], words: Words) -> list[ScorePart]:
    """Every part of a trip's score; those that gave nothing too."""
    cleared = clearings(features.get("cleared") or "")
    return [
        ScorePart(
            words.text(SCORE_PARTS[name]),
            words.text(SCORE_REASONS[name]),
            float(features.get(name) or 0.0),
            part.points,
            [(words.text(CLEARED_BY[cause]), cause in cleared.get(name, ())) for cause in part.causes],
        )
        for name, part in PARTS.items()
    ]


def feature_in_words(feature: str, words: Words) -> str:
    """The name of a feature; one of another release is its own name."""
    return FEATURE_NAMES[feature][words.language] if feature in FEATURE_NAMES else feature


def _line(number: dict[str, Any], words: Words) -> NumberLine:
    feature, unit = number["feature"], number["unit"]
    name = feature_in_words(feature, words)
    value, threshold = number["value"], number["threshold"]
    if number["operator"] == "missing":
        found = words.text("missing") if value is None else words.measure(value, unit)
        return NumberLine(name, found, words.text("missing") if threshold else words.text("known"), "")
    several = threshold if isinstance(threshold, list) else [threshold]
    wanted = ", ".join(_value(feature, each, unit, words) for each in several)
    margin = number.get("margin")
    return NumberLine(
        name,
        _value(feature, value, unit, words),
        f"{_SIGNS[number['operator']]} {wanted}",
        "" if margin is None else words.measure(margin, unit),
    )


def _value(feature: str, value: Any, unit: str, words: Words) -> str:
    kinds = {
        "vehicle_class": VEHICLE_CLASSES,
        "origin_kind": ZONE_KINDS,
        "destination_kind": ZONE_KINDS,
        "venue_kind": ZONE_KINDS,
        "night_kind": ZONE_KINDS,
    }.get(feature, {})
    return words.text(kinds[value]) if value in kinds else words.measure(value, unit)
