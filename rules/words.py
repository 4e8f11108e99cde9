"""Numbers of a trip as a person reads them: minutes, kilometres, shares in per cent."""

from collections.abc import Callable, Mapping
from typing import Any

SHOWN: dict[str, Callable[[Mapping[Any, Any]], Any]] = {
    "distance_km": lambda trip: trip["distance_m"] / 1000,
    "duration_min": lambda trip: trip["duration_s"] / 60,
    "off_hours_min": lambda trip: trip["off_hours_s"] / 60,
    "off_hours_km": lambda trip: trip["off_hours_m"] / 1000,
    "out_of_area_min": lambda trip: trip["out_of_area_s"] / 60,
    "out_of_area_km": lambda trip: trip["out_of_area_m"] / 1000,
    "private_score": lambda trip: trip["private_score"],
    "origin_place": lambda trip: trip["origin_place"] or "—",
    "destination_place": lambda trip: trip["destination_place"] or "—",
}
"""Names that a reason's template may use, and how each is made of a trip's features."""


def reason(template: str, trip: Mapping[Any, Any]) -> str:
    """The reason in words: a template of a checked rule filled with a trip's numbers."""
    return template.format(**{name: made(trip) for name, made in SHOWN.items()})
