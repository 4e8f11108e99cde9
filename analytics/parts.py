"""The parts of the score of private use, each with its points, its reason, and the innocent causes that take from it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of evidence: its points at most, and what is left of them when an innocent cause holds."""

    points: float
    reason: str
    causes: Mapping[str, float]


CAUSES = {
    "order": "a dispatch order covers the trip",
    "order_near": "a dispatch order was approved for shortly before or after",
    "emergency": "its class works at any hour, and orders are entered afterwards",
    "on_shift": "the vehicle's own shifts cover the time",
    "adjusted_workday": "the weekend day is an adjusted working day",
    "drift": "the place wandered, the vehicle stood",
    "datum": "both ends fit places of work once a shift by GCJ-02 is undone",
    "passing": "it stood there for less than ten minutes",
    "lunch": "a meal at noon near the place of work it came from",
    "named": "it ended at the place its order names",
    "no_reader": "the vehicle has not reported any card for four weeks",
    "reader_broken": "its card reader has been silent on three days of use",
    "coverage": "other vehicles were silent there and then too",
    "under_order": "a dispatch order covers the silence, and a card was in",
}
"""Name → the innocent cause in words."""

_ORDERED = {"order": 0.0, "drift": 0.0}
PARTS = {
    "score_no_order": Part(
        30.0, "no dispatch order covers the trip", {**_ORDERED, "emergency": 0.5, "order_near": 0.5}
    ),
    "score_off_hours": Part(25.0, "the share of its time outside duty hours", {**_ORDERED, "emergency": 0.0}),
    "score_rest_day": Part(
        10.0,
        "it began on a Saturday, Sunday or public holiday",
        {**_ORDERED, "emergency": 0.0, "on_shift": 0.0, "adjusted_workday": 0.0},
    ),
    "score_rest_outing": Part(
        10.0,
        "the share of its metres outside the permitted area on a weekend or public holiday",
        {**_ORDERED, "emergency": 0.0, "datum": 0.0},
    ),
    "score_out_of_area": Part(
        15.0, "the share of its metres outside the permitted area", {**_ORDERED, "emergency": 0.0, "datum": 0.0}
    ),
    "score_venue": Part(
        20.0,
        "it ended at a controlled venue or set out from one",
        {**_ORDERED, "passing": 0.0, "lunch": 0.0, "datum": 0.0},
    ),
    "score_residence": Part(
        15.0,
        "it ended at a residence or set out from one, outside duty hours",
        {**_ORDERED, "emergency": 0.0, "passing": 0.0, "datum": 0.0},
    ),
    "score_overnight": Part(
        15.0, "it led to or from a night spent away from the base", {**_ORDERED, "emergency": 0.0, "datum": 0.0}
    ),
    "score_pattern": Part(
        15.0,
        "the same place at the same hour on several days: a way home, a school run, a habit",
        {**_ORDERED, "emergency": 0.0, "datum": 0.0},
    ),
    "score_detour": Part(
        40.0,
        "metres and stops that its dispatch order does not explain",
        {"drift": 0.0, "named": 0.5, "datum": 0.0},
    ),
    "score_no_card": Part(15.0, "no driver's card was in", {"drift": 0.0, "no_reader": 0.0, "reader_broken": 0.0}),
    "score_interference": Part(
        25.0,
        "the terminal lost its power or its antenna while the vehicle was driven",
        {"coverage": 0.0, "under_order": 0.2},
    ),
}
"""Part → what it is. The sum is cut at 100."""
