"""What supervision saves: kilometres, litres and yuan against each vehicle's declared baseline, with every input beside.

A vehicle saves (baseline − actual) × consumption × price. The baseline is kilometres a month; of a month that was
observed in part only that part of the baseline is compared, and nothing is extrapolated. A vehicle without a baseline
saves nothing that could be told, one without a consumption no litres, and a day without a price of fuel no yuan.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.months import ancestors, days_in, grouped, together, with_common
from geo.arrays import BoolArray, FloatArray, Int32Array, Int64Array

CITY = -1
"""Group of the whole city, beside the indexes of units."""

MEASURES = ("distance_m", "saved_m", "saved_l", "saved_yuan")
"""What comes with an interval; its ends stand beside it, `saved_low_m` and `saved_high_m` beside `saved_m`."""

COLUMNS = (
    "group", "month", "vehicles_registered", "vehicles", "vehicles_with_baseline", "vehicles_with_consumption",
    "vehicle_days", "vehicle_days_possible", "coverage", "trips", "distance_m", "distance_low_m", "distance_high_m",
    "off_hours_m", "out_of_area_m", "fuel_by_consumption_l", "compared_m", "baseline_m", "saved_m", "saved_low_m",
    "saved_high_m", "saved_share", "saved_l", "saved_low_l", "saved_high_l", "consumption_l_100km", "priced_days",
    "unpriced_days", "price_yuan_per_l", "saved_yuan", "saved_low_yuan", "saved_high_yuan",
)  # fmt: skip
"""Columns of a unit-month or city-month, in order."""


@dataclass(frozen=True, slots=True)
class Register:
    """What is declared of each vehicle, by dense vehicle_ix, and of each unit."""

    unit_ix: Int32Array
    baseline_m: FloatArray  # metres a month; NaN: none declared
    consumption_l_100km: FloatArray  # NaN: none declared
    parent_ix: Int32Array  # (u,) parent of each unit, −1 at the top

    @property
    def has_baseline(self) -> BoolArray:
        """Which vehicles can save anything."""
        return ~np.isnan(self.baseline_m)

    @property
    def has_litres(self) -> BoolArray:
        """Which of them can save litres."""
        return self.has_baseline & ~np.isnan(self.consumption_l_100km)


def roll_up(months: pd.DataFrame, register: Register, period_days: int = 0) -> pd.DataFrame:
    """Months of the city and of each unit with everything below it: COLUMNS, in order of group and month.

    Parameters
    ----------
    months : of `analytics.months.vehicle_months`.
    period_days : 0: a row for each month. Else one row for all months together, which have so many days; its `month` is
        the first. The errors of one vehicle in several months are dependent, so that a year's interval is not what
        independent months would give: a period is summed anew from vehicle-months.

    Returns
    -------
    DataFrame   Only groups of which a vehicle was observed. A saving is NaN where no vehicle has what it takes.
    """
    unit, group_of = ancestors(register.parent_ix)
    units = np.arange(len(register.parent_ix), dtype=np.int32)
    unit, group_of = np.append(unit, units), np.append(group_of, np.full_like(units, CITY))
    parts = _parts(months, register)
    if period_days and len(parts["month"]):
        parts["month"] = np.full_like(parts["month"], parts["month"].min())
    keys = {name: parts[name] for name in ("month", "vehicle_ix")}
    of_vehicles = grouped(keys, {name: parts[name] for name in _PART_SUMS})
    row, group = _spread(register.unit_ix[of_vehicles["vehicle_ix"]], unit, group_of)
    if not len(row):
        return pd.DataFrame({name: np.empty(0) for name in COLUMNS})
    by_group = np.lexsort((of_vehicles["month"][row], group))
    vehicles = {name: column[row[by_group]] for name, column in of_vehicles.items()}
    of_group = {"group": group[by_group], "month": vehicles["month"]}
    table = grouped(of_group, {name: vehicles[name] for name in _PART_SUMS})
    number, count = _number(of_group), len(table["group"])
    table |= _counted(number, count, vehicles["vehicle_ix"], register)
    table["fuel_by_consumption_l"] = np.where(table["vehicles_burning"], table["fuel_by_consumption_l"], np.nan)
    members = np.bincount(_spread(register.unit_ix, unit, group_of)[1] - CITY, minlength=len(units) + 1)
    table["vehicles_registered"] = members[table["group"] - CITY]
    table["vehicle_days_possible"] = table["vehicles_registered"] * (period_days or days_in(table["month"]))
    table["coverage"] = table["vehicle_days"] / table["vehicle_days_possible"]
    table["saved_share"] = _ratio(table["saved_m"], table["baseline_m"])
    table["consumption_l_100km"] = _ratio(table["weighted_l"], table["weighted_m"]) * 1e5
    table["price_yuan_per_l"] = _ratio(table["weighted_yuan"], table["priced_days"])
    for measure in MEASURES:
        word, _, unit_name = measure.rpartition("_")
        below, above = (together(vehicles[f"{measure}_{side}"], number, count) for side in ("below", "above"))
        table[f"{word}_low_{unit_name}"] = table[measure] - below
        table[f"{word}_high_{unit_name}"] = table[measure] + above
    for unit_name, needed in (
        ("m", "vehicles_with_baseline"), ("l", "vehicles_with_consumption"), ("yuan", "priced_days"),
    ):  # fmt: skip
        for name in (f"saved_{unit_name}", f"saved_low_{unit_name}", f"saved_high_{unit_name}"):
            table[name] = np.where(table[needed] == 0, np.nan, table[name])
    return pd.DataFrame({name: table[name] for name in COLUMNS}).astype(
        dict.fromkeys(("vehicle_days", "trips", "priced_days", "unpriced_days"), np.int64)
    )


_PART_SUMS = (
    "vehicle_days", "trips", "distance_m", "off_hours_m", "out_of_area_m", "fuel_by_consumption_l", "compared_m",
    "baseline_m", "saved_m", "saved_l", "saved_yuan", "weighted_l", "weighted_m", "weighted_yuan", "priced_days",
    "unpriced_days", *(f"{measure}_{side}" for measure in MEASURES for side in ("below", "above")),
)  # fmt: skip


def _parts(months: pd.DataFrame, register: Register) -> dict[str, NDArray[Any]]:
    """The formula itself, for each vehicle and month: everything that can be added up."""
    vehicle, month = (months[name].to_numpy(dtype=np.int32) for name in ("vehicle_ix", "month"))
    days, distance, below, above, priced, price, price_m, price_below, price_above = (
        months[name].to_numpy(dtype=np.float64)
        for name in ("days", "distance_m", "below_m", "above_m", "priced_days", "price_days", "price_m",
                     "price_below_m", "price_above_m")
    )  # fmt: skip
    below, above = (with_common(margin, distance) for margin in (below, above))
    price_below, price_above = (with_common(margin, price_m) for margin in (price_below, price_above))
    compared, litres = register.has_baseline[vehicle], register.has_litres[vehicle]
    consumption = np.nan_to_num(register.consumption_l_100km)[vehicle] / 1e5  # litres a metre
    of_litres = consumption * litres
    baseline_day = np.nan_to_num(register.baseline_m)[vehicle] / days_in(month)
    saved = np.where(compared, baseline_day * days - distance, 0.0)
    return {
        "vehicle_ix": vehicle,
        "month": month,
        "vehicle_days": days,
        "trips": months["trips"].to_numpy(dtype=np.float64),
        "distance_m": distance,
        "off_hours_m": months["off_hours_m"].to_numpy(dtype=np.float64),
        "out_of_area_m": months["out_of_area_m"].to_numpy(dtype=np.float64),
        "fuel_by_consumption_l": distance * consumption,
        "compared_m": distance * compared,
        "baseline_m": baseline_day * days * compared,
        "saved_m": saved,
        "saved_l": saved * of_litres,
        "saved_yuan": (baseline_day * price - price_m) * of_litres,
        "weighted_m": baseline_day * days * litres,
        "weighted_l": baseline_day * days * of_litres,
        "weighted_yuan": price * litres,
        "priced_days": priced * litres,
        "unpriced_days": (days - priced) * litres,
        "distance_m_below": below,
        "distance_m_above": above,
        # A longer way saves less: the ends change places.
        "saved_m_below": above * compared,
        "saved_m_above": below * compared,
        "saved_l_below": above * of_litres,
        "saved_l_above": below * of_litres,
        "saved_yuan_below": price_above * of_litres,
        "saved_yuan_above": price_below * of_litres,
    }


def _counted(number: Int64Array, count: int, owner: Int32Array, register: Register) -> dict[str, Int64Array]:
    """Vehicles observed in each group, and of how many of them what is declared."""
    which = {
        "vehicles": np.ones(len(owner), dtype=np.bool_),
        "vehicles_with_baseline": register.has_baseline[owner],
        "vehicles_with_consumption": register.has_litres[owner],
        "vehicles_burning": ~np.isnan(register.consumption_l_100km[owner]),
    }
    return {
        name: np.bincount(number, weights=chosen, minlength=count).astype(np.int64) for name, chosen in which.items()
    }


def _spread(units: Int32Array, unit: Int32Array, group: Int32Array) -> tuple[Int64Array, Int32Array]:
    """Rows of `units` once for every group that their unit counts in: (row, group)."""
    order = np.argsort(unit, kind="stable")
    first, last = np.searchsorted(unit[order], units, "left"), np.searchsorted(unit[order], units, "right")
    count = last - first
    row = np.repeat(np.arange(len(units)), count)
    place = np.repeat(first - np.concatenate(([0], np.cumsum(count)[:-1])), count) + np.arange(len(row))
    return row, group[order][place]


def _number(of_group: dict[str, Int32Array]) -> Int64Array:
    """Number of the (group, month) of each row, rows in their order."""
    new = np.any([np.diff(column, prepend=column[:1]) != 0 for column in of_group.values()], axis=0)
    return np.cumsum(new).astype(np.int64)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
