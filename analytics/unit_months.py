"""Vehicle-months against the other vehicles of the same unit and class: how far each drove, what each burnt."""

import numpy as np
import pandas as pd

from analytics.months import month_days, month_name
from analytics.record_thresholds import DEFAULT, RecordThresholds
from geo.arrays import FloatArray, Int64Array
from geo.localtime import day_start_us

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, of normal values."""


def month_table(months: pd.DataFrame, refuels: pd.DataFrame, thresholds: RecordThresholds = DEFAULT) -> pd.DataFrame:
    """One row a vehicle-month, by month and vehicle.

    Parameters
    ----------
    months : vehicle_id, month (since 1970-01), unit_id, vehicle_class, distance_m, consumption_l_100km (NaN not declared):
        every vehicle observed in these months.
    refuels : vehicle_id, month, refuel_l, since_m (NaN missing) of the refuellings in these months.

    Returns
    -------
    DataFrame   month_id, vehicle_id, day (the last one), start_time, end_time, and MONTH_FEATURES; NaN: missing.
    """
    months = months.sort_values(["month", "vehicle_id"], ignore_index=True)
    month, vehicle = (months[name].to_numpy(dtype=np.int64) for name in ("month", "vehicle_id"))
    group: Int64Array = (
        months.groupby(["month", "unit_id", "vehicle_class"], sort=True).ngroup().to_numpy().astype(np.int64)
    )
    distance = months["distance_m"].to_numpy(dtype=np.float64)
    burnt = _consumption(vehicle, month, refuels, thresholds)
    ratio = burnt / months["consumption_l_100km"].to_numpy(dtype=np.float64)
    median, z = _among(group, distance, thresholds)
    days = np.array([month_days(each) for each in month.tolist()], dtype=np.int64).reshape(-1, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_median = np.where(median > 0, distance / median, np.nan)
    return pd.DataFrame(
        {
            "month_id": pd.Series(
                [f"{one}-{month_name(each)}" for one, each in zip(vehicle.tolist(), month.tolist(), strict=True)],
                dtype=object,
            ),
            "vehicle_id": vehicle,
            "day": days[:, 1],
            "start_time": np.array([day_start_us(day) for day in days[:, 0].tolist()], dtype=np.int64),
            "end_time": np.array([day_start_us(day + 1) for day in days[:, 1].tolist()], dtype=np.int64),
            "distance_m": distance,
            "unit_median_m": median,
            "unit_vehicles": np.bincount(group)[group].astype(np.float64) if len(group) else np.empty(0),
            "unit_ratio": in_median,
            "unit_z": z,
            "l_100km": burnt,
            "consumption_ratio": ratio,
            "consumption_z": _among(group, ratio, thresholds)[1],
            "vehicle_class": months["vehicle_class"].astype(object),
        }
    )


def _among(group: Int64Array, values: FloatArray, thresholds: RecordThresholds) -> tuple[FloatArray, FloatArray]:
    """Median of the known values of each row's group, and how far the row lies from it in robust deviations.

    NaN for both where fewer than `unit_vehicles` are known.
    """
    median, z = np.full(len(values), np.nan), np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.lexsort((values[known], group[known]))]
    borders = np.flatnonzero(np.diff(group[order])) + 1
    for rows in np.split(order, borders):
        if len(rows) < thresholds.unit_vehicles:
            continue
        of_these = values[rows]
        middle = float(np.median(of_these))
        spread = max(float(np.median(np.abs(of_these - middle))) * MAD_TO_SIGMA, thresholds.spread_share * abs(middle))
        median[rows] = middle
        z[rows] = (of_these - middle) / spread if spread > 0 else 0.0
    return median, z


def _consumption(
    vehicle: Int64Array, month: Int64Array, refuels: pd.DataFrame, thresholds: RecordThresholds
) -> FloatArray:
    """Litres for 100 km of each vehicle-month; NaN where its refuellings with a known way cover too little of it."""
    known = refuels[refuels["since_m"].notna()].sort_values(["vehicle_id", "month", "since_m", "refuel_l"])
    sums = known.groupby(["vehicle_id", "month"])[["refuel_l", "since_m"]].sum()
    mine = sums.reindex(pd.MultiIndex.from_arrays([vehicle, month]))
    way = mine["since_m"].to_numpy(dtype=np.float64)
    litres = mine["refuel_l"].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        enough = np.where(way >= thresholds.consumption_m, way, np.nan)
    burnt: FloatArray = litres / enough * 100_000
    return burnt
