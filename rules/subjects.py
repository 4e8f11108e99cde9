"""What a rule may be on, the features it may compare there, and the numbers that its reason may show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.dark import DARK_FEATURES
from analytics.features import FEATURES

_Shown = dict[str, Callable[[Mapping[Any, Any]], Any]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of rows that rules judge.

    features: name → (unit, sentence). shown: name → how a template's number is made of a row's features, as a person
    reads it: minutes, kilometres; a name that ends in `_place` is a text.
    """

    features: Mapping[str, tuple[str, str]]
    shown: _Shown


_TRIP: _Shown = {
    "distance_km": lambda trip: trip["distance_m"] / 1000,
    "duration_min": lambda trip: trip["duration_s"] / 60,
    "off_hours_min": lambda trip: trip["off_hours_s"] / 60,
    "off_hours_km": lambda trip: trip["off_hours_m"] / 1000,
    "out_of_area_min": lambda trip: trip["out_of_area_s"] / 60,
    "out_of_area_km": lambda trip: trip["out_of_area_m"] / 1000,
    "private_score": lambda trip: trip["private_score"],
    "detour_km": lambda trip: trip["detour_m"] / 1000,
    "detour_ratio": lambda trip: trip["detour_ratio"],
    "dwell_min": lambda trip: trip["dwell_s"] / 60,
    "recurring_days": lambda trip: trip["recurring_days"],
    "school_run_days": lambda trip: trip["school_run_days"],
    "home_work_days": lambda trip: trip["home_work_days"],
    "origin_place": lambda trip: trip["origin_place"] or "—",
    "destination_place": lambda trip: trip["destination_place"] or "—",
}
_DARK: _Shown = {
    "dark_km": lambda entry: entry["dark_m"] / 1000,
    "dark_min": lambda entry: entry["dark_s"] / 60,
    "off_hours_min": lambda entry: entry["off_hours_s"] / 60,
}
SUBJECTS = {"trip": Subject(FEATURES, _TRIP), "dark": Subject(DARK_FEATURES, _DARK)}
"""Name of a subject, as in `[on.trip]` → what it is."""

TEXT_FEATURES = frozenset(
    {"dispatch_order", "driver_card", "origin_kind", "destination_kind", "venue_kind", "vehicle_class", "dark_cause"}
)
"""Features that are texts, of all subjects; all others are numbers."""
