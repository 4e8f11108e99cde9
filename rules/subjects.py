"""What a rule may be on, the features it may compare there, and the numbers that its reason may show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.parts import CAUSES
from analytics.vocabulary import (
    CARD_FEATURES,
    DARK_CAUSE_WORDS,
    DARK_FEATURES,
    MONTH_FEATURES,
    NIGHT_FEATURES,
    REFUEL_FEATURES,
    SEAL_FEATURES,
    TRIP_FEATURES,
)

_Row = Mapping[Any, Any]
_Shown = dict[str, Callable[[_Row], Any]]


def _none_held(_: _Row) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of rows that rules judge.

    features: name → (unit, sentence). shown: name → how a template's number is made of a row's features, as a person
    reads it: minutes, kilometres; a name that ends in `_place` is a text. tests: name → sentence of each innocent cause
    that a row tells of. held: those that hold for a row.
    """

    features: Mapping[str, tuple[str, str]]
    shown: _Shown
    tests: Mapping[str, str]
    held: Callable[[_Row], frozenset[str]] = _none_held


def _in(divisor: float, **shown: str) -> _Shown:
    """Each shown name of a feature in a unit so many times as large."""
    return {name: _divided(feature, divisor) for name, feature in shown.items()}


def _divided(feature: str, divisor: float) -> Callable[[_Row], Any]:
    return lambda row: None if (value := row[feature]) is None else value / divisor


_KM, _MIN, _HOUR = 1000.0, 60.0, 3600.0
_TRIP: _Shown = {
    **_in(
        _KM,
        distance_km="distance_m",
        off_hours_km="off_hours_m",
        out_of_area_km="out_of_area_m",
        detour_km="detour_m",
        out_of_district_km="out_of_district_m",
        out_of_city_km="out_of_city_m",
        out_of_province_km="out_of_province_m",
        order_away_km="order_away_m",
    ),
    **_in(
        _MIN,
        duration_min="duration_s",
        off_hours_min="off_hours_s",
        out_of_area_min="out_of_area_s",
        dwell_min="dwell_s",
        venue_dwell_min="venue_dwell_s",
        speeding_min="speeding_s",
        idle_min="idle_s",
        order_overrun_min="order_overrun_s",
    ),
    **_in(_HOUR, unbroken_h="unbroken_s"),
    **_in(
        1,
        private_score="private_score",
        detour_ratio="detour_ratio",
        recurring_days="recurring_days",
        school_run_days="school_run_days",
        home_work_days="home_work_days",
    ),
    "max_speed_kmh": lambda trip: None if trip["max_speed_mps"] is None else trip["max_speed_mps"] * 3.6,
    "origin_place": lambda trip: trip["origin_place"] or "—",
    "destination_place": lambda trip: trip["destination_place"] or "—",
}
_DARK = {**_in(_KM, dark_km="dark_m"), **_in(_MIN, dark_min="dark_s", off_hours_min="off_hours_s")}
_NIGHT = {
    **_in(_KM, base_km="base_m", learned_base_km="learned_base_m"),
    **_in(_HOUR, night_h="night_s"),
    **_in(1, nights_here="nights_here"),
    "night_place": lambda night: night["place"] or "—",
}
_CARD = {**_in(_KM, apart_km="apart_m"), **_in(_MIN, overlap_min="overlap_s")}
_REFUEL = {
    **_in(_KM, apart_km="apart_m", since_km="since_m"),
    **_in(
        1,
        refuel_l="refuel_l",
        over_tank_l="over_tank_l",
        unseen_l="unseen_l",
        l_100km="l_100km",
        consumption_ratio="consumption_ratio",
    ),
}
_MONTH = {
    **_in(_KM, distance_km="distance_m", unit_median_km="unit_median_m"),
    **_in(
        1,
        unit_vehicles="unit_vehicles",
        unit_ratio="unit_ratio",
        unit_z="unit_z",
        l_100km="l_100km",
        consumption_ratio="consumption_ratio",
        consumption_z="consumption_z",
    ),
}
_SEAL = _in(_KM, odometer_growth_km="odometer_growth_m", moved_km="moved_m", odometer_gap_km="odometer_gap_m")


def _held_of_trip(trip: _Row) -> frozenset[str]:
    return frozenset((trip.get("holds") or "").split())


def _held_of_dark(entry: _Row) -> frozenset[str]:
    return frozenset({entry["dark_cause"]} & set(DARK_CAUSE_WORDS))


SUBJECTS = {
    "trip": Subject(TRIP_FEATURES, _TRIP, CAUSES, _held_of_trip),
    "dark": Subject(DARK_FEATURES, _DARK, DARK_CAUSE_WORDS, _held_of_dark),
    "night": Subject(NIGHT_FEATURES, _NIGHT, {}),
    "card": Subject(CARD_FEATURES, _CARD, {}),
    "refuel": Subject(REFUEL_FEATURES, _REFUEL, {}),
    "month": Subject(MONTH_FEATURES, _MONTH, {}),
    "seal": Subject(SEAL_FEATURES, _SEAL, {}),
}
"""Name of a subject, as in `[on.trip]` → what it is."""

TEXT_FEATURES = frozenset(
    {
        "dispatch_order",
        "driver_card",
        "origin_kind",
        "destination_kind",
        "venue_kind",
        "vehicle_class",
        "dark_cause",
        "night_kind",
    }
)
"""Features that are texts, of all subjects; all others are numbers."""
