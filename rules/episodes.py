"""Episodes: flags of one vehicle that a person reviews once, because they are of one outing or of one habit.

An *outing*: flags that begin within OUTING_H of the end of those before; there and back, several rules on one trip.
A *habit*: flags of one rule at one place and hour, on days that follow each other within HABIT_DAYS. Flags that a chain
of such links joins are one episode. What comes out depends on the set of flags alone, not on their order.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.arrays import Int64Array
from geo.distance import apart_m
from geo.localtime import DAY_US, UTC_OFFSET_US
from rules.load import LEVELS

HOUR_US = 3_600_000_000
OUTING_H = 4
"""Hours between two flags of an outing at most: a stay at the destination, and not the night between two days."""
OUTING_FLAG_H = 24
"""Hours that a flag of an outing lasts at most; that of a month is an episode by itself."""
HABIT_DAYS = 7
"""Days between two flags of a habit at most: what comes once a week is one."""
HABIT_HOUR_H = 2
"""Hours between the times of day of two flags of a habit at most."""
HABIT_PLACE_M = 300.0
"""Metres between the places of two flags of a habit at most, where they are not of one name."""

FLAG_COLUMNS = (
    "flag_id", "rule", "level", "vehicle_id", "start_time", "end_time", "points", "raised_at", "place", "lat", "lon",
    "entry",
)  # fmt: skip
EPISODE_COLUMNS = (
    "episode", "vehicle_id", "flags", "days", "rules", "level", "points", "first_time", "last_time", "first_day", "shown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Episodes:
    """`entries`: a row an episode, by name; `of_flag`: the name of the episode of each flag, in the order given."""

    entries: pd.DataFrame
    of_flag: NDArray[Any]


def episodes(flags: pd.DataFrame) -> Episodes:
    """The episodes of flags that wait for a review; each flag is in exactly one.

    Parameters
    ----------
    flags : columns FLAG_COLUMNS, any order, each flag once: no exempted, withdrawn or reviewed ones. Times µs UTC;
        place, lat, lon: where its trip ended, empty and NaN where that is not known. entry: the episode in which it was
        shown already, empty: none. Such a flag stays there, and new flags that belong to it join it.

    Returns
    -------
    entries   Columns EPISODE_COLUMNS. points: 100 · (1 − ∏(1 − p)) over the rules of the episode, p a rule's highest
    points in it as a share of 100: two rules say more than one, the repeats of one say no more. level: the gravest.
    rules: their ids, a tuple. shown: whether it was shown before.

    Notes
    -----
    An episode is called by its flag that was found first, so that a flag found later extends it and does not rename it.
    Where flags that were shown as two episodes are linked now, they stay two, and a new flag joins the earlier one.
    """
    if not len(flags):
        return Episodes(pd.DataFrame(columns=list(EPISODE_COLUMNS)), np.empty(0, dtype=object))
    ordered = flags.sort_values("flag_id", kind="stable")
    edges = [_outings(ordered), _habits(ordered)]
    first, second = (np.concatenate(each) for each in zip(*edges, strict=True))
    links = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(ordered), len(ordered)))
    _, component = connected_components(links, directed=False)
    names = pd.Series(_names(ordered, component), index=ordered.index)
    entries = _summed(ordered.assign(episode=names))
    return Episodes(entries, names.loc[flags.index].to_numpy(dtype=object))


Edges = tuple[Int64Array, Int64Array]


def _outings(flags: pd.DataFrame) -> Edges:
    """Pairs of flags that follow each other in an outing."""
    start, end = _times(flags)
    short = np.flatnonzero(end - start <= OUTING_FLAG_H * HOUR_US)
    vehicle = flags["vehicle_id"].to_numpy(dtype=np.int64)[short]
    order = np.lexsort((start[short], vehicle))
    rows, vehicle = short[order], vehicle[order]
    begins, ends = start[rows], end[rows]
    if not len(rows):
        return rows, rows
    # Vehicle after vehicle on one line of time, so that the latest end so far is that of the same vehicle.
    number = np.cumsum(np.diff(vehicle, prepend=vehicle[:1]) != 0)
    origin = begins.min()
    shift = number * (ends.max() - origin + (OUTING_H + 1) * HOUR_US) - origin
    latest = np.maximum.accumulate(ends + shift)
    linked = (begins + shift)[1:] <= latest[:-1] + OUTING_H * HOUR_US
    return rows[:-1][linked], rows[1:][linked]


def _habits(flags: pd.DataFrame) -> Edges:
    """Pairs of flags of one habit: each flag is compared with those of its vehicle and rule within HABIT_DAYS after it."""
    start, _ = _times(flags)
    rule = pd.factorize(flags["rule"], sort=True)[0].astype(np.int64)
    series = flags["vehicle_id"].to_numpy(dtype=np.int64) * (rule.max() + 1) + rule
    order = np.lexsort((start, series))
    series, begins = series[order], start[order]
    place = pd.factorize(flags["place"], sort=True)[0][order]
    named = (flags["place"] != "").to_numpy()[order]
    lat, lon = (flags[name].to_numpy(dtype=np.float64)[order] for name in ("lat", "lon"))
    hour = (begins + UTC_OFFSET_US) % DAY_US
    found: list[Edges] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for lag in range(1, len(order)):
        near = (series[lag:] == series[:-lag]) & (begins[lag:] - begins[:-lag] <= HABIT_DAYS * DAY_US)
        one = np.flatnonzero(near)
        if not len(one):  # those further apart are further apart in time, too
            break
        two = one + lag
        between = np.abs(hour[two] - hour[one])
        at_the_hour = np.minimum(between, DAY_US - between) <= HABIT_HOUR_H * HOUR_US
        by_name = named[one] & (place[one] == place[two])
        by_place = by_name | (apart_m(lat[one], lon[one], lat[two], lon[two]) <= HABIT_PLACE_M)
        linked = at_the_hour & by_place
        found.append((order[one[linked]], order[two[linked]]))
    first, second = (np.concatenate(each) for each in zip(*found, strict=True))
    return first, second


def _names(flags: pd.DataFrame, component: NDArray[Any]) -> NDArray[Any]:
    """The episode of each flag: the one it was shown in, else the earliest shown one it is linked with, else a new one."""
    entry = flags["entry"].to_numpy(dtype=object)
    frame = pd.DataFrame(
        {
            "row": np.arange(len(flags)), "component": component, "new": entry == "",
            "raised_at": flags["raised_at"].to_numpy(), "flag_id": flags["flag_id"].to_numpy(),
        }
    )  # fmt: skip
    first = frame.sort_values(["new", "raised_at", "flag_id"]).drop_duplicates("component").set_index("component")
    leader = first["row"].reindex(component).to_numpy()
    flag_id = flags["flag_id"].to_numpy(dtype=object)
    of_leader = np.where(entry[leader] == "", flag_id[leader], entry[leader])
    named: NDArray[Any] = np.where(entry == "", of_leader, entry)
    return named


def _summed(flags: pd.DataFrame) -> pd.DataFrame:
    grave = flags["level"].map({level: number for number, level in enumerate(LEVELS)}).astype(np.int64)
    day = (flags["start_time"].astype(np.int64) + UTC_OFFSET_US) // DAY_US
    rows = flags.assign(grave=grave, day=day, shown=flags["entry"] != "")
    by_episode = rows.groupby("episode", sort=True)
    entries = by_episode.agg(
        vehicle_id=("vehicle_id", "first"),
        flags=("flag_id", "size"),
        days=("day", "nunique"),
        grave=("grave", "max"),
        first_time=("start_time", "min"),
        last_time=("end_time", "max"),
        first_day=("day", "min"),
        shown=("shown", "any"),
    ).reset_index()
    of_rule = rows.groupby(["episode", "rule"], sort=True)["points"].max().reset_index()
    rules = of_rule["rule"].tolist()
    first = np.flatnonzero(~of_rule["episode"].duplicated()).tolist()
    entries["rules"] = [tuple(rules[start:end]) for start, end in pairwise([*first, len(rules)])]
    left = (1 - of_rule["points"].clip(0, 100) / 100).groupby(of_rule["episode"], sort=True).prod()
    entries["points"] = (100 * (1 - left)).round(2).to_numpy(dtype=np.float64)
    entries["level"] = [LEVELS[number] for number in entries["grave"]]
    return entries[list(EPISODE_COLUMNS)]


def _times(flags: pd.DataFrame) -> tuple[Int64Array, Int64Array]:
    return flags["start_time"].to_numpy(dtype=np.int64), flags["end_time"].to_numpy(dtype=np.int64)
