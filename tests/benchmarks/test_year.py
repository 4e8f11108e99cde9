"""What flags tell of the misuse of a simulated fleet."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.year import Plan
from benchmarks.year_truth import DRIVING, REFUELLING, Told, Truth
from geo.localtime import SECOND_US, day_number, to_us

EVENING = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)  # 19:00 of the city's clock
HOUR = timedelta(hours=1)
NUMBER = {"V1": 1, "V2": 2}


@pytest.fixture(name="truth")
def fixture_truth(tmp_path: Path) -> Truth:
    """V1 goes out in the evening and back three hours later, and V2 has a receipt over its tank."""
    start = pd.to_datetime([EVENING, EVENING + 3 * HOUR], utc=True)
    trips = {"vehicle": "V1", "kind": "off_hours", "start_time": start, "end_time": start + HOUR}
    pd.DataFrame(trips).to_parquet(tmp_path / "misuse.parquet")
    pd.DataFrame({"receipt_no": ["R1", "R2"], "refuelled_at": [EVENING.isoformat()] * 2}).to_csv(
        tmp_path / "refuels.csv"
    )
    pd.DataFrame({"receipt_no": ["R1"], "vehicle": ["V2"], "kind": ["over_tank"]}).to_csv(
        tmp_path / "refuel_misuse.csv"
    )
    return Truth(tmp_path, NUMBER)


def flag(vehicle: str, rule: str, begins: timedelta, lasts: timedelta = HOUR) -> Told:
    start = to_us(EVENING + begins)
    return Told(NUMBER[vehicle], rule, start, start + int(lasts.total_seconds()) * SECOND_US)


DAY = day_number(date(2026, 3, 10))
OUTING, RECEIPT = (1, "off_hours", DAY), (2, "over_tank", DAY)


def test_two_trips_of_a_kind_on_a_day_are_one_case(truth: Truth) -> None:
    assert truth.cases(DRIVING) == {OUTING}
    assert truth.cases(REFUELLING) == {RECEIPT}
    assert truth.on_day(1, DAY) == {OUTING}
    assert truth.on_day(1, DAY + 1) == set()
    assert truth.by_kind({OUTING}) == {"off_hours": "1 of 1", "over_tank": "0 of 1"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (flag("V1", "off-hours-no-order", 0 * HOUR), {OUTING}),
        (flag("V2", "off-hours-no-order", 0 * HOUR), set()),
        (flag("V1", "off-hours-no-order", 1.05 * HOUR), {OUTING}),
        (flag("V1", "off-hours-no-order", 1.5 * HOUR), set()),
        (flag("V1", "mileage-above-unit", -20 * HOUR, 25 * HOUR), set()),
        (flag("V1", "refuel-beyond-tank", 0 * HOUR), set()),
        (flag("V2", "refuel-beyond-tank", 0 * HOUR, 0 * HOUR), {RECEIPT}),
        (flag("V2", "refuel-beyond-tank", 0.2 * HOUR, 0 * HOUR), set()),
    ],
)
def test_a_flag_tells_of_what_it_shares_time_with_and_of_its_own_kind_only(
    truth: Truth, told: Told, expected: set[tuple[int, str, int]]
) -> None:
    assert truth.told_by([told]) == expected


def test_the_budget_of_a_city_is_scaled_to_the_fleet_and_never_nothing() -> None:
    assert Plan(vehicles=8628).budget == 20
    assert Plan(vehicles=1000).budget == 2
    assert Plan(vehicles=60).budget == 1
    assert Plan(vehicles=60, each=5).budget == 5
