"""What happens, and which rules of the catalogue tell of it: real tracks and weeks of trips."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from analytics.context import FleetContext
from analytics.duty import DutyCalendar
from analytics.evidence import weigh
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import load_catalogue
from tests.analytics.tracks import MONDAY, Car, at, fleet, office, square, weighed
from tests.analytics.weeks import frame, rows_of, stop, stops, trip

RULES = load_catalogue(catalogue_path())
BASE, SCHOOL, HOME = (0.0, 0.0), (0.0, 4_000.0), (9_000.0, 0.0)


def holiday() -> DutyCalendar:
    """Of Monday as a public holiday: nobody is on duty."""
    return DutyCalendar.of("office", [], [(MONDAY + day, "holiday" if day == 0 else "workday") for day in range(-3, 9)])


def told(car: Car, context: FleetContext) -> list[str]:
    evidence = weighed(car.positions(), context)
    return evaluate(RULES, {"trip": evidence.trips, "dark": evidence.dark})["rule"].tolist()


def drive(clock: str, seconds: int, stays_s: int = 3600) -> Car:
    """Parked, straight east, then standing for a while, and back."""
    car = Car(clock=at(clock) - 1800 * 1_000_000).report(on=False).park(1800)
    car.drive(seconds).skip(1).report(on=False).park(stays_s)
    return car.drive(seconds, heading_deg=270.0).skip(1).report(on=False).park(3600)


def test_a_drive_on_a_public_holiday_fires_without_an_order_and_a_shift() -> None:
    context = fleet(calendar=holiday())
    assert told(drive("10:00", 310), context).count("holiday-use-no-order") == 2
    assert "holiday-use-no-order" not in told(drive("10:00", 310), fleet(calendar=office()))
    order = (0, at("09:00"), at("13:00"), "D1")
    assert told(drive("10:00", 310), fleet(calendar=holiday(), orders=[order])) == []
    shift = [(at("09:00"), at("13:00"))]
    on_duty = DutyCalendar.of("shift", shift, [(MONDAY, "holiday")])
    assert "holiday-use-no-order" not in told(drive("10:00", 310), fleet(calendar=on_duty))


def test_less_than_five_minutes_on_a_public_holiday_do_not_fire() -> None:
    assert "holiday-use-no-order" not in told(drive("10:00", 290), fleet(calendar=holiday()))


@pytest.mark.parametrize(
    ("kind", "rule", "stays_s"),
    [
        ("golf_course", "golf-course-no-order", 600),
        ("entertainment", "entertainment-no-order", 600),
        ("bath_house", "bath-house-no-order", 600),
        ("hotel", "hotel-no-order", 1800),
        ("school", "school-no-order", 600),
    ],
)
def test_each_kind_of_controlled_venue_fires_by_the_time_stood_there(kind: str, rule: str, stays_s: int) -> None:
    context = fleet(calendar=office(), zones=[square("venue", kind, (5_000, 9_000))])
    assert rule in told(drive("10:00", 600, stays_s + 60), context)
    assert rule not in told(drive("10:00", 600, stays_s - 120), context)
    order = (0, at("09:00"), at("13:00"), "D1")
    ordered = fleet(calendar=office(), zones=[square("venue", kind, (5_000, 9_000))], orders=[order])
    assert rule not in told(drive("10:00", 600, stays_s + 60), ordered)


def test_a_trip_on_duty_without_an_order_is_a_prompt_from_five_kilometres() -> None:
    context = fleet(calendar=office())
    assert told(drive("09:00", 430, 1800), context) == ["trip-no-order"] * 2
    assert told(drive("09:00", 400, 1800), context) == []


def days_with(
    rows: Sequence[dict[str, object]], standing: Sequence[dict[str, object]], base_m: float | None = None
) -> set[str]:
    """Rules that tell of the last of these days."""
    trips = frame(*rows).assign(origin_place="", destination_place="", off_hours_m=0.0, out_of_area_m=0.0)
    last = int(trips["day"].max())
    evidence = weigh(rows_of(trips, stops(*standing)), fleet(base_radius_m=base_m), last, last)
    return set(evaluate(RULES, {"trip": evidence.trips})["rule"])


def school_run(day: int, dispatch_order: str | None = None) -> tuple[dict[str, object], dict[str, object]]:
    way = trip("07:10", "07:30", BASE, SCHOOL, MONDAY + day, destination_kind="school", dispatch_order=dispatch_order)
    return way, stop("07:30", "07:40", SCHOOL, MONDAY + day)


def after(runs: Sequence[tuple[dict[str, object], dict[str, object]]]) -> set[str]:
    return days_with([way for way, _ in runs], [standing for _, standing in runs])


def test_the_third_school_run_of_four_weeks_fires() -> None:
    runs = [school_run(day) for day in (0, 3, 8)]
    assert "school-run-no-order" in after(runs)
    assert "school-run-no-order" not in after(runs[:2])
    assert "school-run-no-order" not in after([school_run(day, "D1") for day in (0, 3, 8)])


def test_the_way_home_fires_with_the_third_night_there() -> None:
    days = [trip("17:40", "18:10", BASE, HOME, MONDAY + day, off_hours_s=1800.0) for day in range(3)]
    standing = [stop("00:00", "07:00", HOME, MONDAY + day) for day in range(1, 4)]
    standing += [stop("18:10", "24:00", HOME, MONDAY + day) for day in range(3)]
    assert "home-work-no-order" not in days_with(days[:2], standing[:2], 100.0)
    back = trip("07:00", "07:30", HOME, BASE, MONDAY + 3, origin_kind="district", destination_kind="base")
    assert "home-work-no-order" in days_with([*days, back], standing, 100.0)


def test_a_flag_s_trip_tells_which_innocent_causes_hold() -> None:
    """Beside those that took points away: of every cause of a rule a page can say whether it was found."""
    evidence = weighed(drive("09:00", 430, 1800).positions(), fleet(calendar=office(), vehicle_class="emergency"))
    for holds in evidence.trips["holds"]:
        assert "emergency" in holds.split()
        assert "order" not in holds.split()
    assert np.array_equal(evidence.trips["holds"], pd.Series(["emergency passing no_reader"] * 2))
