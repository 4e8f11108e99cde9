"""What is counted of a fleet held against its truth."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import Truth, match, measure, mileage_figures, misuse_figures, parked_figures, reviews
from geo.localtime import SECOND_US

PRINTED = {
    "trip_f1", "start_error_median_s", "start_error_p95_s", "end_error_median_s", "end_error_p95_s",
    "month_km_error_median_pct", "month_km_error_p95_pct", "interval_coverage_pct", "parked_km_per_day", "parked_trips",
    "false_zone_exits_per_vehicle_year", "misuse_recall", "red_precision", "reviews_per_inspector_day",
}  # fmt: skip


def spans(*rows: tuple[int, int, int]) -> pd.DataFrame:
    """(vehicle, start, end) in seconds as trips."""
    frame = pd.DataFrame(rows, columns=["vehicle_id", "start_time", "end_time"])
    return frame.assign(**{name: frame[name] * SECOND_US for name in ("start_time", "end_time")})


def days(*metres: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vehicle_id": np.arange(1, len(metres) + 1),
            "day": 20_000,
            "distance_m": metres,
            "positions": 10,
            "doubtful": 0,
        }
    )


def test_trips_are_one_where_they_share_four_fifths_of_their_joined_time() -> None:
    true = spans((1, 0, 1000), (1, 2000, 3000), (2, 0, 1000))
    found = spans((1, 100, 900), (1, 2101, 2900), (2, 0, 1000), (2, 5000, 6000))
    assert match(found, true).tolist() == [[0, 0], [2, 2]]


def test_a_trip_in_two_pieces_is_none() -> None:
    assert len(match(spans((1, 0, 500), (1, 500, 1000)), spans((1, 0, 1000)))) == 0


def test_months_within_their_interval_are_counted() -> None:
    found = days(1000.0, 1000.0, 1000.0, 500.0)
    found = found.assign(distance_low_m=found["distance_m"] - 10, distance_high_m=found["distance_m"] + 10)
    figures = mileage_figures(found, days(1005.0, 995.0, 1020.0, 0.0))
    assert figures["interval_coverage_pct"] == pytest.approx(66.7)
    assert figures["month_km_error_median_pct"] == pytest.approx(0.503, abs=0.001)


def test_metres_and_trips_of_a_day_without_a_true_metre_are_told() -> None:
    still = spans((1, 0, 60)).assign(day=20_000)
    figures = parked_figures(still, days(300.0, 5000.0), Truth(still, days(0.0, 5000.0)))
    assert figures == {"parked_days": 1, "parked_km_per_day": 0.3, "parked_trips": 1}


def test_flags_tell_of_the_misuse_they_share_time_with() -> None:
    true = spans((1, 0, 100), (1, 200, 300), (2, 0, 100)).assign(
        misuse=[True, False, True], kind=["venue", "duty", "detour"]
    )
    flags = spans((1, 50, 60), (1, 250, 260), (2, 500, 600)).assign(level=["red", "red", "yellow"])
    figures = misuse_figures(flags, true)
    assert figures["misuse_recall"] == 0.5
    assert (figures["recall_venue"], figures["recall_detour"]) == (1.0, 0.0)
    assert figures["red_precision"] == 0.5


def test_repeats_of_a_day_are_one_review_and_prompts_none() -> None:
    flags = spans((1, 0, 9), (1, 20, 29), (2, 0, 9), (3, 0, 9)).assign(
        level=["red", "yellow", "yellow", "prompt"], day=20_000
    )
    assert reviews(flags) == 2


@pytest.mark.parametrize("degraded", [False, True])
def test_a_small_fleet_is_told_in_every_figure(*, degraded: bool) -> None:
    figures = measure(8, 3, 11, 0.0, degraded=degraded)
    assert figures.keys() >= PRINTED
    assert figures["trip_f1"] > 0.95
    assert figures["month_km_error_median_pct"] < 1
    assert figures["parked_trips"] == 0
