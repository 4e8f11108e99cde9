"""The dark-kilometre ledger: silences in which metres were made, and what they are attributed to."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.audit import audit
from analytics.dark import attributed
from geo.positions import Positions, Status
from tests.analytics.tracks import MONDAY, Car, at, fleet, office
from tests.analytics.weeks import Spot, dark, silence, stop, stops

HERE, THERE = (0.0, 0.0), (9_000.0, 0.0)
DAY_S = 86_400


def entries(car: Car | Positions, first: int = MONDAY, last: int = MONDAY + 6) -> pd.DataFrame:
    positions = car if isinstance(car, Positions) else car.positions()
    return audit(positions, fleet(calendar=office()), first, last).dark


def parked() -> Car:
    return Car(clock=at("18:00")).report(on=False).park(1800)


def told(car: Car, bit: Status) -> Car:
    """The last report says so too."""
    clock, east, north, speed, odometer, status = car.rows[-1]
    car.rows[-1] = (clock, east, north, speed, odometer, status | int(bit))
    return car


def unseen(car: Car, metres: float, seconds: float = 3600) -> Car:
    """Out and back in the dark: the odometer alone tells."""
    car.odometer_m += metres
    return car.skip(seconds).report(on=False).park(1800)


@pytest.mark.parametrize(("metres", "count"), [(999.0, 0), (1000.0, 1)])
def test_a_kilometre_by_the_odometer_is_worth_an_entry(metres: float, count: int) -> None:
    found = entries(unseen(parked(), metres))
    assert len(found) == count
    if count:
        row = found.iloc[0]
        assert (row["dark_m"], row["odometer_m"], row["dark_s"]) == (1000.0, 1000.0, 3600.0)
        assert row["jump_m"] == pytest.approx(0.0, abs=1.0)
        assert (row["off_hours_s"], row["off_hours_share"]) == (3600.0, 1.0)
        assert row["dark_id"] == "1-20260302T183000"


@pytest.mark.parametrize(("seconds", "count"), [(599, 0), (600, 1)])
def test_it_takes_ten_minutes_without_a_fix(seconds: int, count: int) -> None:
    assert len(entries(unseen(parked(), 5000.0, seconds))) == count


def test_a_jump_counts_where_the_odometer_was_reset() -> None:
    car = parked().jump(9_000).skip(3600)
    car.odometer_m = 0.0
    row = entries(car.report(on=False)).iloc[0]
    assert np.isnan(row["odometer_m"])
    assert row["dark_m"] == pytest.approx(9_000, rel=1e-3)


def test_bits_of_either_end_and_of_reports_without_a_fix_in_between_are_told() -> None:
    assert entries(unseen(told(parked(), Status.POWER_CUT), 5000.0))["power_cut"].tolist() == [True]
    car = parked()
    for _ in range(5):
        told(car.skip(300).report(fix=False), Status.ANTENNA_FAULT)
    row = entries(unseen(car, 5000.0, 300)).iloc[0]
    assert (row["antenna_fault"], row["power_cut"], row["fixless"]) == (True, False, 5)


def test_a_silence_over_midnight_belongs_to_the_day_it_began_on_whatever_is_asked_for() -> None:
    positions = unseen(parked(), 5000.0, 8 * 3600).positions()
    whole = entries(positions)
    assert whole["day"].tolist() == [MONDAY]
    pd.testing.assert_frame_equal(entries(positions, MONDAY, MONDAY), whole)
    assert len(entries(positions, MONDAY + 1, MONDAY + 1)) == 0


def test_a_silence_that_leaves_out_a_whole_day_is_none() -> None:
    assert len(entries(unseen(parked(), 5000.0, 2 * DAY_S))) == 0


def test_order_and_repetition_change_nothing() -> None:
    positions = unseen(told(parked(), Status.POWER_CUT), 5000.0).positions()
    mixed = np.random.default_rng(1).permutation(np.r_[np.arange(len(positions)), 0:3])
    pd.testing.assert_frame_equal(entries(positions.take(mixed)), entries(positions))


def beside(*others: tuple[int, str, Spot]) -> pd.DataFrame:
    """Other vehicles from 9 to 11: (vehicle_id, kind, where)."""
    rows = [stop("09:00", "11:00", spot, kind=kind, vehicle_ix=vehicle) for vehicle, kind, spot in others]
    return stops(*rows).rename(columns={"vehicle_ix": "vehicle_id"})


def cause(*others: tuple[int, str, Spot], **values: Any) -> str:
    found = attributed(dark(silence("09:30", "10:30", HERE, THERE, **values)), beside(*others))
    return str(found["dark_cause"].iloc[0])


def test_each_silence_has_the_first_cause_that_holds() -> None:
    everything: dict[str, Any] = {"power_cut": True, "antenna_fault": True, "fixless": 3, "odometer_m": 0.0}
    silent = ((2, "gap", HERE), (3, "gap", THERE))
    for expected, name in (
        ("power_cut", "power_cut"), ("antenna", "antenna_fault"), ("no_fix", "fixless"), ("carried", "odometer_m"),
    ):  # fmt: skip
        assert cause(*silent, **everything) == expected
        everything.pop(name)
    assert cause(*silent) == "coverage"
    assert cause() == "unknown"


@pytest.mark.parametrize(("odometer_m", "expected"), [(899.0, "carried"), (901.0, "unknown"), (np.nan, "unknown")])
def test_what_was_carried_has_an_odometer_that_stood(odometer_m: float, expected: str) -> None:
    assert cause(odometer_m=odometer_m) == expected


def test_a_hole_in_the_coverage_needs_two_silent_neighbours_and_more_than_reported() -> None:
    assert cause((2, "gap", HERE)) == "unknown"
    assert cause((2, "gap", HERE), (3, "gap", HERE), (4, "stop", HERE)) == "coverage"
    assert cause((2, "gap", HERE), (3, "gap", HERE), (4, "stop", HERE), (5, "stop", THERE)) == "unknown"
    assert cause((1, "gap", HERE), (2, "gap", HERE)) == "unknown"  # its own silence is no witness
    assert cause((2, "gap", HERE), (3, "gap", HERE), (3, "stop", HERE)) == "unknown"  # one of them reported after all


@pytest.mark.parametrize(("off_m", "expected"), [(1_990.0, "coverage"), (2_010.0, "unknown")])
def test_neighbours_are_within_two_kilometres(off_m: float, expected: str) -> None:
    assert cause((2, "gap", (0.0, off_m)), (3, "gap", (0.0, off_m))) == expected


def test_nobody_silent_has_no_entry() -> None:
    assert len(attributed(dark(), beside())) == 0
    assert len(entries(parked())) == 0
