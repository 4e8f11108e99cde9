"""Numbers of a trip, or of a silence, as a person reads them: minutes, kilometres, shares in per cent."""

from collections.abc import Callable, Mapping
from typing import Any

_Shown = dict[str, Callable[[Mapping[Any, Any]], Any]]

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
SHOWN = {"trip": _TRIP, "dark": _DARK}
"""What a rule is on → the names that its reason's template may use, and how each is made of the features."""


def reason(template: str, subject: str, row: Mapping[Any, Any]) -> str:
    """The reason in words: a template of a checked rule filled with a trip's numbers, or a silence's."""
    return template.format(**{name: made(row) for name, made in SHOWN[subject].items()})
