"""Vehicle-days to vehicle-months in columns: the twin of what the database sums (`store.savings.read_savings`)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.months import grouped
from geo.arrays import FloatArray, Int32Array

NO_PRICE = -1


@dataclass(frozen=True, slots=True)
class Prices:
    """What a litre of fuel cost: days first … last both included, ascending and disjoint."""

    first_day: Int32Array
    last_day: Int32Array
    yuan_per_l: FloatArray

    @classmethod
    def none(cls) -> "Prices":
        """No price at all."""
        days = np.empty(0, dtype=np.int32)
        return cls(days, days, np.empty(0))

    def of_days(self, days: Int32Array) -> Int32Array:
        """Number of the price on each local day, −1 where there is none; int32 (n,)."""
        if not len(self.first_day):
            return np.full(len(days), NO_PRICE, dtype=np.int32)
        place = np.searchsorted(self.first_day, days, side="right") - 1
        valid = (place >= 0) & (days <= self.last_day[np.maximum(place, 0)])
        return np.where(valid, place, NO_PRICE).astype(np.int32)


def month_of(days: Int32Array) -> Int32Array:
    """Month of each local day, months since 1970-01; int32 (n,)."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)


def vehicle_months(vehicle_days: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Sums of vehicle-days per vehicle and month, in that order; as `store.savings.SavingsRows.months` has them.

    Parameters
    ----------
    vehicle_days : columns of table `vehicle_day`, with vehicle_ix and `day` as local day number, in any order.

    Notes
    -----
    `below_m` and `above_m` are the roots of the squares of the days' half-widths alone: see `with_common`.

    A day counts as observed when at least one of its positions was usable: a car that was silent all day may have stood
    or may have driven, and nothing is said about it. Days err each for itself, so the interval of a month is the root of the
    squares of theirs; measured on simulated fleets (docs/accuracy.md).
    """
    seen = vehicle_days[vehicle_days["positions"] > vehicle_days["doubtful"]]
    day = seen["day"].to_numpy(dtype=np.int32)
    price_ix = prices.of_days(day)
    price = np.append(prices.yuan_per_l, 0.0)[price_ix]  # −1 takes the last
    distance, low, high, trips, off_hours, out_of_area = (
        seen[name].to_numpy(dtype=np.float64)
        for name in ("distance_m", "distance_low_m", "distance_high_m", "trips", "off_hours_m", "out_of_area_m")
    )
    keys = {"vehicle_ix": seen["vehicle_ix"].to_numpy(dtype=np.int32), "month": month_of(day)}
    sums = {
        "days": np.ones(len(seen)),
        "trips": trips,
        "distance_m": distance,
        "below_m": (distance - low) ** 2,
        "above_m": (high - distance) ** 2,
        "off_hours_m": off_hours,
        "out_of_area_m": out_of_area,
        "priced_days": (price_ix != NO_PRICE).astype(np.float64),
        "price_days": price,
        "price_m": price * distance,
        "price_below_m": (price * (distance - low)) ** 2,
        "price_above_m": (price * (high - distance)) ** 2,
    }
    months = grouped(keys, sums)
    for name in ("below_m", "above_m", "price_below_m", "price_above_m"):
        months[name] = np.sqrt(months[name])
    return pd.DataFrame(months).astype({"days": np.int32, "trips": np.int64, "priced_days": np.int32})
