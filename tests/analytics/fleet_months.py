"""Vehicle-days of small and large fleets for the tests of rollups, and savings worked out by hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analytics.months import COMMON_SHARE, SHARED_ERROR
from geo.localtime import day_date, day_number
from tests.analytics.vehicle_months import Prices

DAY_COLUMNS = (
    "vehicle_ix", "day", "positions", "doubtful", "trips", "distance_m", "distance_low_m", "distance_high_m",
    "off_hours_m", "out_of_area_m",
)  # fmt: skip


@dataclass(frozen=True)
class Car:
    unit: int
    baseline_km: float | None
    consumption: float | None


def vehicle_day(vehicle: int, day: int, km: float, *, doubtful: bool = False) -> dict[str, Any]:
    """A day of so many kilometres with an interval from 2 % below to 3 % above; `doubtful`: no position was usable."""
    metres = km * 1000
    return {
        "vehicle_ix": vehicle, "day": day, "positions": 10, "doubtful": 10 if doubtful else 1, "trips": 2,
        "distance_m": metres, "distance_low_m": metres * 0.98, "distance_high_m": metres * 1.03,
        "off_hours_m": metres / 10, "out_of_area_m": metres / 20,
    }  # fmt: skip


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(DAY_COLUMNS))


def prices(*rows: tuple[int, int, float]) -> Prices:
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Prices(table[:, 0].astype(np.int32), table[:, 1].astype(np.int32), table[:, 2])


def by_hand(  # noqa: C901 - one loop over days as a clerk would do it reads better than its pieces
    days: Sequence[dict[str, Any]],
    cars: Sequence[Car],
    parents: Sequence[int],
    price_rows: Sequence[tuple[int, int, float]],
    group: int,
    month: tuple[int, int],
) -> dict[str, float]:
    """A unit's month (−1: the city's) day by day in plain Python."""
    year, number = month
    length = (date(year + number // 12, number % 12 + 1, 1) - date(year, number, 1)).days

    def inside(unit: int) -> bool:
        while unit >= 0 and unit != group:
            unit = parents[unit]
        return group in {-1, unit}

    total = dict.fromkeys(
        ("vehicle_days", "trips", "distance_m", "compared_m", "baseline_m", "saved_m", "saved_l", "saved_yuan",
         "fuel_by_consumption_l", "priced_days"), 0.0,
    )  # fmt: skip
    reach: dict[tuple[str, str, int], float] = {}
    driven: dict[tuple[str, str, int], float] = {}
    seen: set[int] = set()
    for row in days:
        when, car = day_date(row["day"]), cars[row["vehicle_ix"]]
        if (when.year, when.month) != month or not inside(car.unit) or row["positions"] <= row["doubtful"]:
            continue
        seen.add(row["vehicle_ix"])
        price = next((yuan for first, last, yuan in price_rows if first <= row["day"] <= last), None)
        below, above = row["distance_m"] - row["distance_low_m"], row["distance_high_m"] - row["distance_m"]
        total["vehicle_days"] += 1
        total["trips"] += row["trips"]
        total["distance_m"] += row["distance_m"]
        scales = {"distance": (1.0, below, above)}
        if car.consumption is not None:
            total["fuel_by_consumption_l"] += row["distance_m"] / 1e5 * car.consumption
        if car.baseline_km is not None:
            expected = car.baseline_km * 1000 / length
            saved = expected - row["distance_m"]
            total["compared_m"] += row["distance_m"]
            total["baseline_m"] += expected
            total["saved_m"] += saved
            scales["saved_m"] = (1.0, above, below)
            if car.consumption is not None:
                total["saved_l"] += saved / 1e5 * car.consumption
                scales["saved_l"] = (car.consumption / 1e5, above, below)
                if price is not None:
                    total["priced_days"] += 1
                    total["saved_yuan"] += saved / 1e5 * car.consumption * price
                    scales["saved_yuan"] = (car.consumption / 1e5 * price, above, below)
        for name, (scale, down, up) in scales.items():
            for side, margin in (("low", down), ("high", up)):
                key = (name, side, row["vehicle_ix"])
                reach[key] = math.hypot(reach.get(key, 0.0), scale * margin)
                driven[key] = driven.get(key, 0.0) + scale * row["distance_m"]
    total["vehicles"] = len(seen)
    for name, value in (
        ("distance", "distance_m"), ("saved_m", "saved_m"), ("saved_l", "saved_l"), ("saved_yuan", "saved_yuan"),
    ):  # fmt: skip
        for side, sign in (("low", -1), ("high", 1)):
            margins = [
                math.hypot(each, COMMON_SHARE * driven[key]) for key, each in reach.items() if key[:2] == (name, side)
            ]
            squares, plain = sum(each**2 for each in margins), sum(margins)
            column = f"distance_{side}_m" if name == "distance" else f"saved_{side}_{name.removeprefix('saved_')}"
            total[column] = total[value] + sign * math.sqrt((1 - SHARED_ERROR) * squares + SHARED_ERROR * plain**2)
    return total


def spread_month(year: int, month: int, vehicles: int, km_per_vehicle: float, seed: int) -> pd.DataFrame:
    """A month of a fleet in disorder: days differ, vehicles differ, on many a car stands; the mean is as asked for."""
    rng = np.random.default_rng(seed)
    first = day_number(date(year, month, 1))
    length = day_number(date(year + month // 12, month % 12 + 1, 1)) - first
    liking = rng.lognormal(0.0, 0.35, vehicles)
    day_km = rng.gamma(2.0, 1.0, (vehicles, length)) * liking[:, None] * (rng.random((vehicles, length)) < 0.75)
    day_km *= km_per_vehicle * vehicles / day_km.sum()
    metres = day_km.ravel() * 1000
    table = pd.DataFrame(
        {
            "vehicle_ix": np.repeat(np.arange(vehicles, dtype=np.int32), length),
            "day": np.tile(np.arange(first, first + length, dtype=np.int32), vehicles),
            "positions": 2000, "doubtful": 20, "trips": rng.integers(0, 8, len(metres)),
            "distance_m": metres, "distance_low_m": metres * 0.97, "distance_high_m": metres * 1.03,
            "off_hours_m": metres * 0.02, "out_of_area_m": metres * 0.01,
        }
    )  # fmt: skip
    return table.take(rng.permutation(len(table)))
