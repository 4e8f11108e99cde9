"""What is odd about an order: each finding just over its limit, and just not."""

from dataclasses import replace

import pytest

from rules.order_fields import HOUR_US
from rules.order_findings import ODOMETER_SHARE, READING_KM, Driven, OrderLife, findings, odometer_m

LIFE = OrderLife(0, 4 * HOUR_US, odometer_out_km=1000.0, odometer_in_km=1100.0)
SLACK_M = READING_KM * 1000 + ODOMETER_SHARE * 100_000


def driven(low_m: float, high_m: float) -> Driven:
    return Driven((low_m + high_m) / 2, low_m, high_m, 3)


@pytest.mark.parametrize(
    ("trips", "found"),
    [
        (driven(90_000, 100_000 - SLACK_M), []),
        (driven(90_000, 100_000 - SLACK_M - 1), ["odometer_beyond_trips"]),
        (driven(100_000 + SLACK_M, 120_000), []),
        (driven(100_000 + SLACK_M + 1, 120_000), ["odometer_short_of_trips"]),
        (Driven(0.0, 0.0, 0.0, 0), ["odometer_beyond_trips"]),
        (None, []),
    ],
)
def test_the_odometer_is_held_against_the_trips(trips: Driven | None, found: list[str]) -> None:
    assert findings(LIFE, trips, HOUR_US) == found


@pytest.mark.parametrize(
    ("life", "found"),
    [
        (replace(LIFE, approved_at=0), []),
        (replace(LIFE, approved_at=1), ["approved_late"]),
        (replace(LIFE, approved_at=1, emergency=True), []),
        (replace(LIFE, entered_at=5 * HOUR_US, emergency=True), []),
        (replace(LIFE, entered_at=5 * HOUR_US + 1, emergency=True), ["entered_late"]),
        (replace(LIFE, entered_at=5 * HOUR_US + 1), []),
        (replace(LIFE, returned_at=4 * HOUR_US), []),
        (replace(LIFE, returned_at=4 * HOUR_US + 1), ["returned_late"]),
    ],
)
def test_a_step_that_came_late_is_told(life: OrderLife, found: list[str]) -> None:
    assert findings(life, None, HOUR_US) == found


def test_an_odometer_read_once_says_nothing() -> None:
    assert odometer_m(LIFE) == 100_000
    assert odometer_m(replace(LIFE, odometer_in_km=None)) is None
    assert findings(replace(LIFE, odometer_out_km=None), driven(1, 2), HOUR_US) == []
