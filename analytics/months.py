"""Months, and what is summed by them: the intervals of vehicles, of units and of the whole city."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import FloatArray, Int32Array, Int64Array

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


def grouped(keys: Mapping[str, Int32Array], sums: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
    """Sums of columns per combination of keys that occurs, in order of the keys; each column (g,).

    The rows of a group are added in order of their values, so that the sums do not depend on the order of the rows.
    """
    order = by_values(list(keys.values()), list(sums.values()))
    ordered = {name: column[order] for name, column in keys.items()}
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in ordered.values()], axis=0)
    first = np.flatnonzero(new)
    result: dict[str, NDArray[Any]] = {name: column[first] for name, column in ordered.items()}
    for name, column in sums.items():
        result[name] = np.add.reduceat(column[order], first) if len(first) else np.empty(0)
    return result


def by_values(keys: Sequence[NDArray[Any]], values: Sequence[NDArray[Any]]) -> NDArray[np.intp]:
    """Rows by keys, then values: as `numpy.lexsort` has them, but a column is sorted only where those before it tie."""
    order: NDArray[np.intp] = np.lexsort(keys[::-1])
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([column[order[1:]] != column[order[:-1]] for column in keys], axis=0)
    for column in values:
        tied = np.flatnonzero(~(new & np.append(new[1:], True)))
        if not len(tied):
            break
        rows = order[tied]
        rows = rows[np.lexsort((column[rows], np.cumsum(new)[tied]))]
        order[tied] = rows
        of = column[rows]
        new[tied[1:]] |= (of[1:] != of[:-1]) & ~(np.isnan(of[1:]) & np.isnan(of[:-1]))
    return order


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
