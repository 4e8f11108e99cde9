"""How well terminals report: vehicles online, data passed, tracks complete, vehicles that drift.

The four rates by which supervision platforms of transport are assessed. docs/quality.md says what each means there, and
where ours differs.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analytics.months import ancestors, grouped
from geo.arrays import Columns, FloatArray, Int32Array

FORMULA_VERSION = 2
"""Raised with every change of what a rate means: of `rates`, or of what is counted into the sums."""

FLEET = -1
"""Group of all vehicles together, beside the indexes of units."""

SUMS = (
    "vehicles", "online_vehicles", "received", "duplicate", "passed", "distance_m", "complete_m", "drift_vehicles",
)  # fmt: skip
"""What is summed over vehicles and days: numerators and denominators. Metres; all others are counts."""

RATES = ("online_rate", "pass_rate", "completeness", "drift_rate")
"""What they give, as parts of one."""

_METRES = {"distance_m", "complete_m"}


def rates(sums: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
    """RATES of SUMS: vehicles online, positions that passed, metres not over silences, vehicles that drift.

    Parameters
    ----------
    sums : by name, of equal shape, at least those of SUMS; single numbers are taken too.

    Returns
    -------
    float64 of that shape each   NaN where there is no denominator: nothing is said of what was not seen.
    """
    of = {name: np.asarray(sums[name], dtype=np.float64) for name in SUMS}
    found = (
        _ratio(of["online_vehicles"], of["vehicles"]),
        _ratio(of["passed"], of["received"] - of["duplicate"]),
        _ratio(of["complete_m"], of["distance_m"]),
        _ratio(of["drift_vehicles"], of["online_vehicles"]),
    )
    return dict(zip(RATES, found, strict=True))


def roll_up(unit_days: Columns, parent_ix: Int32Array) -> Columns:
    """SUMS of each local day for the fleet and for each unit with everything below it.

    Parameters
    ----------
    unit_days : day, unit_ix (≥ 0) and SUMS of each unit's own vehicles.
    parent_ix : int32 (u,)   Index of each unit's parent, −1 at the top.

    Returns
    -------
    day, group (FLEET or the index of a unit), SUMS   In order of day and group; only groups with a row below them.
    """
    unit, group = ancestors(parent_ix)
    units = np.arange(len(parent_ix), dtype=np.int32)
    above = pd.DataFrame({"unit_ix": np.append(unit, units), "group": np.append(group, np.full_like(units, FLEET))})
    rows = pd.DataFrame(unit_days).merge(above, on="unit_ix")
    keys = {name: rows[name].to_numpy(dtype=np.int32) for name in ("day", "group")}
    table = grouped(keys, {name: rows[name].to_numpy(dtype=np.float64) for name in SUMS})
    return table | {name: table[name].astype(np.int64) for name in SUMS if name not in _METRES}


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return ratio
