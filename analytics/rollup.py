"""Sums per vehicle and local day."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics import kernels
from analytics.days import by_day, day_key
from analytics.exact import exact
from analytics.places import texts
from geo.arrays import Columns, FloatArray, Int32Array, Int64Array, UInt32Array
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions


def vehicle_day_columns(sums: Columns) -> dict[str, "NDArray[Any] | pd.Series[str]"]:
    """The columns of table `vehicle_day`, and vehicle_ix, of what `vehicle_day_sums` gives.

    `distance_m` and its interval are the best estimate of all that was driven: trips, and the way over silences (`gap_m`);
    `gps_m` are the chords of the trips alone. Trips err each for itself, by how the car happened to drive between two
    reports, so the interval of a day is the root of the squares of theirs. `odometer_mark` says what is wrong with the
    odometer: `reset` where it ran backwards or leapt, `stuck` where it did not grow while the vehicle drove.
    """
    stuck = (sums["odometer_m"] <= STUCK_SHARE * sums["distance_m"]) & (sums["distance_m"] >= STUCK_M)
    parts = {"moving_us", "below_m2", "above_m2", "odometer_breaks"}
    table: dict[str, Any] = {name: column for name, column in sums.items() if name not in parts}
    return table | {
        "moving_s": sums["moving_us"] / SECOND_US,
        "distance_low_m": np.maximum(sums["distance_m"] - np.sqrt(sums["below_m2"]), 0.0),
        "distance_high_m": sums["distance_m"] + np.sqrt(sums["above_m2"]),
        "odometer_mark": texts(("reset", "stuck"), np.where(sums["odometer_breaks"] > 0, 0, np.where(stuck, 1, -1))),
    }


STUCK_M, STUCK_SHARE = 5_000.0, 0.1
"""A counter that shows less than a tenth of five kilometres and more is stuck: no scale, no tyre explains it."""


def vehicle_day_sums(
    positions: Positions, status: UInt32Array, track: Positions, trips: Columns, pieces: Columns, gaps: Columns
) -> Columns:
    """An entry for each vehicle and local day with positions: exact sums, so that those of parts of a track add up.

    Parameters
    ----------
    positions, status : every position, in canonical order, and its status with doubt marked.
    track : the usable ones.
    trips : vehicle_ix, start_time, gps_m, and distance_m with its interval; `pieces` of them as `tally` gives them.
    gaps : as `gap_pieces` gives them.
    """
    days = kernels.count_days(positions, status, track)
    keys = day_key(days["vehicle_ix"], days["day"])
    count = len(keys)
    trip = pieces["trip"]
    # A trip or silence through a whole day without a position has no metres on it, and the day no entry.
    at, there = _places(keys, trips["vehicle_ix"][trip], pieces["day"])
    trip = trip[there]
    gps = pieces["gps_m"][there]
    share = gps / np.maximum(trips["gps_m"], 1e-9)[trip]
    driven = exact(share * trips["distance_m"][trip])
    scale = np.divide(driven, gps, out=np.ones(len(gps)), where=gps > 0)
    sums = {"gps_m": gps, "moving_us": np.rint(pieces["moving_s"][there] * SECOND_US), "distance_m": driven}
    for name in ("off_hours_m", "out_of_area_m"):
        sums[name] = exact(pieces[name][there] * scale)
    table = days | {name: by_day(at, values, count) for name, values in sums.items()}
    below, above = (
        _squares(share * np.abs(trips[name] - trips["distance_m"])[trip], at, count)
        for name in ("distance_low_m", "distance_high_m")
    )
    at, there = _places(keys, gaps["vehicle_ix"], gaps["day"])
    gap = gaps["gap_m"][there]
    below += _squares(gap - gaps["gap_low_m"][there], at, count)
    above += _squares(gaps["gap_high_m"][there] - gap, at, count)
    table["distance_m"] += by_day(at, gap, count)
    table |= {"below_m2": below, "above_m2": above, "gap_m": by_day(at, gap, count)}
    began = np.searchsorted(keys, day_key(trips["vehicle_ix"], local_day(trips["start_time"])))
    table["trips"] = np.bincount(began, minlength=count)[:count]
    return table


def _squares(margin_m: FloatArray, at: Int64Array, count: int) -> FloatArray:
    """Squares of margins summed by day, m²; rounded first to 64ths of a metre, whose squares add up exactly."""
    return by_day(at, (np.rint(margin_m * 64) / 64) ** 2, count)


def _places(keys: Int64Array, vehicle_ix: Int32Array, day: Int32Array) -> tuple[Int64Array, Int64Array]:
    """Where the vehicle-days stand among the keys, and which of them do."""
    wanted = day_key(vehicle_ix, day)
    at = np.searchsorted(keys, wanted)
    there = np.flatnonzero(np.append(keys, -1)[at] == wanted)
    return at[there], there
