"""Vehicle-days summed to vehicle-months, and these to the months of units and of the whole city."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.arrays import FloatArray, Int32Array, Int64Array

NO_PRICE = -1

SHARED_ERROR = 0.75
"""Correlation of the errors of two vehicles' mileage.

Part of an error is common to all vehicles (the same corrections for noise and sampling, the same thresholds), part is
each vehicle's own (its receiver, its yard, its gaps). Added as if all were each one's own, a city's interval shrinks
with the root of the number of vehicles to a precision nobody has; added as if all were common, one outlier's width
counts in full. On simulated fleets of 40 vehicles the common part of the variance was 0.85 and 0.93 with clean
positions, 0.08 and 0.56 with degraded ones, the common error 0.2 to 0.4 % each time: so it is taken near the upper end,
and a city's interval stays at seven eighths of one vehicle's, however many there are.
"""


COMMON_SHARE = 0.001
"""Half-width, as a share of the metres, of what the days of one vehicle err alike: bends between two reports that no
course tells, what is left of the noise after its correction, the receiver's own habits. It does not shrink with the
number of days. Fitted so that the intervals of vehicle-months of simulated fleets (seeds 1 to 3, degraded, reports every
10 to 30 s) hold 95 in 100; without it they held 65 to 80. docs/accuracy.md tells how it holds for other seeds.
"""


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


def days_in(months: Int32Array) -> Int32Array:
    """Days that each month has; int32 (n,)."""
    first, after = (each.astype("datetime64[M]").astype("datetime64[D]") for each in (months, months + 1))
    length: Int32Array = (after - first).astype(np.int32)
    return length


def month_days(month: int) -> tuple[int, int]:
    """First and last local day of a month."""
    first, after = (int(np.datetime64(each, "M").astype("datetime64[D]").astype(int)) for each in (month, month + 1))
    return first, after - 1


def month_name(month: int) -> str:
    """2026-11 for a month number."""
    return f"{1970 + month // 12:04}-{month % 12 + 1:02}"


SUMS = (
    "days", "trips", "distance_m", "below_m", "above_m", "off_hours_m", "out_of_area_m", "priced_days", "price_days",
    "price_m", "price_below_m", "price_above_m",
)  # fmt: skip
"""What a vehicle-month holds: days observed, and sums over them; below_m and above_m reach to the interval's ends.

Of the days that have a price of fuel: their number, and sums of the price alone and times the day's metres.
"""


def vehicle_months(vehicle_days: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Sums of vehicle-days per vehicle and month, in that order; columns vehicle_ix, month, SUMS.

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


def grouped(keys: Mapping[str, Int32Array], sums: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
    """Sums of columns per combination of keys that occurs, in order of the keys; each column (g,).

    The rows of a group are added in order of their values, so that the sums do not depend on the order of the rows.
    """
    by: list[NDArray[Any]] = [*reversed(list(sums.values())), *reversed(list(keys.values()))]
    order = np.lexsort(by)
    ordered = {name: column[order] for name, column in keys.items()}
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in ordered.values()], axis=0)
    first = np.flatnonzero(new)
    result: dict[str, NDArray[Any]] = {name: column[first] for name, column in ordered.items()}
    for name, column in sums.items():
        result[name] = np.add.reduceat(column[order], first) if len(first) else np.empty(0)
    return result


def ancestors(parent_ix: Int32Array) -> tuple[Int32Array, Int32Array]:
    """(unit, it or a unit above it) pairs by index; a circle of parents ends where it closes.

    Parameters
    ----------
    parent_ix : int32 (u,)   Index of each unit's parent, −1 at the top.
    """
    pairs = []
    for unit in range(len(parent_ix)):
        above, seen = unit, set[int]()
        while above >= 0 and above not in seen:
            seen.add(above)
            pairs.append((unit, above))
            above = int(parent_ix[above])
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def with_common(margin: FloatArray, distance: FloatArray) -> FloatArray:
    """Half-width of a vehicle-month's interval: that of its days, each for itself, and what they have in common.

    margin : root of the squares of the days' half-widths; distance : sum of the days. In metres, or both times a price.
    """
    reach: FloatArray = np.sqrt(margin**2 + (COMMON_SHARE * distance) ** 2)
    return reach


def together(margin: FloatArray, group: Int64Array, groups: int) -> FloatArray:
    """How far the interval of a sum reaches to one side, from that of its vehicles; float64 (groups,).

    Parameters
    ----------
    margin : float64 (n,)   One entry a vehicle and group, ≥ 0.
    group : int64 (n,)

    Notes
    -----
    √((1 − c) Σm² + c (Σm)²) with c = SHARED_ERROR: between the root of squares of independent errors and the plain sum
    of fully dependent ones.
    """
    total = np.bincount(group, weights=margin, minlength=groups)
    squares = np.bincount(group, weights=margin**2, minlength=groups)
    reach: FloatArray = np.sqrt((1 - SHARED_ERROR) * squares + SHARED_ERROR * total**2)
    return reach
