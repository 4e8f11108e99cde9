"""What is odd about a dispatch order: its odometer against its trips, steps that came late."""

from dataclasses import dataclass

READING_KM = 2.0
"""Both readings are whole kilometres, each up to one off."""

ODOMETER_SHARE = 0.04
"""Odometers count wheels: worn or other tyres and their own gearing make a few per cent."""


@dataclass(frozen=True, slots=True)
class OrderLife:
    """What the steps of an order said; times in µs UTC, None: not yet, or not known."""

    starts: int
    ends: int
    emergency: bool = False
    entered_at: int | None = None
    approved_at: int | None = None
    returned_at: int | None = None
    odometer_out_km: float | None = None
    odometer_in_km: float | None = None


@dataclass(frozen=True, slots=True)
class Driven:
    """Metres by the trips from issue to return, with the ends of their interval."""

    distance_m: float
    low_m: float
    high_m: float
    trips: int


def odometer_m(life: OrderLife) -> float | None:
    """Metres the odometer grew; None before it was read twice."""
    if life.odometer_out_km is None or life.odometer_in_km is None:
        return None
    return (life.odometer_in_km - life.odometer_out_km) * 1000


def findings(life: OrderLife, driven: Driven | None, within_us: int) -> list[str]:
    """Names of what is odd: odometer_beyond_trips, odometer_short_of_trips, approved_late, entered_late, returned_late.

    driven: None as long as the trips are not known, as days are not closed. within_us: how long after its end an
    emergency use may be entered.
    """
    found = []
    grown = odometer_m(life)
    if grown is not None and driven is not None:
        slack = READING_KM * 1000 + ODOMETER_SHARE * grown
        if grown > driven.high_m + slack:
            found.append("odometer_beyond_trips")
        elif grown < driven.low_m - slack:
            found.append("odometer_short_of_trips")
    if not life.emergency and life.approved_at is not None and life.approved_at > life.starts:
        found.append("approved_late")
    if life.emergency and life.entered_at is not None and life.entered_at > life.ends + within_us:
        found.append("entered_late")
    if not life.emergency and life.returned_at is not None and life.returned_at > life.ends:
        found.append("returned_late")
    return found
