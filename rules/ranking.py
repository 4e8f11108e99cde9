"""Which episodes a city's inspectors review on a day: as many as they can, the most worth first, some at random.

What a review is worth is the probability of misuse times the weight of the episode's level. The probability comes from
the rules' points until enough episodes are decided, then from a logistic regression fitted to them (`rules.model`).
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.parts import PARTS
from geo.arrays import FloatArray
from rules.episodes import Episodes

LEVEL_WEIGHT = {"prompt": 1.0, "yellow": 2.0, "red": 3.0}
"""What finding misuse of a level is worth, in prompts: a red card leads to a case, a prompt to a reminder."""

LEAST, MOST = 0.01, 0.95
"""Probabilities that points give lie between these: no rule is sure, and none says nothing."""

SHARES = ("off_hours_share", "out_of_area_share")
MEASURES = ("distance_m", *SHARES, *PARTS)
"""Columns of flags that episodes are described by, beyond those of `rules.episodes`; NaN where a flag has none."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The reviews of a day: so many inspectors, so many each, a share of them drawn at random."""

    inspectors: int
    each: int
    sample_share: float

    @property
    def total(self) -> int:
        """All reviews; without an inspector those of one, for whoever comes."""
        return max(1, self.inspectors) * self.each

    @property
    def sample(self) -> int:
        """Those drawn at random: the share to the nearest whole, one at least where there is a share."""
        if not self.sample_share:
            return 0
        return min(self.total, max(1, math.floor(self.total * self.sample_share + 0.5)))

    @property
    def ranked(self) -> int:
        """Those of the ranked part at most."""
        return self.total - self.sample


def probability_of_points(points: FloatArray) -> FloatArray:
    """Probability of misuse by combined points: so many of a hundred, between LEAST and MOST; float64 (n,)."""
    return np.clip(points / 100, LEAST, MOST)


def value(probability: FloatArray, levels: Sequence[str]) -> FloatArray:
    """What reviews are worth; float64 (n,)."""
    return probability * np.array([LEVEL_WEIGHT[level] for level in levels], dtype=np.float64)


def features(flags: pd.DataFrame, found: Episodes) -> pd.DataFrame:
    """What a model knows of each episode, in the order of `found.entries`.

    Parameters
    ----------
    flags : those of `found`, in the order given there, with rule, and MEASURES where they are known.

    Returns
    -------
    DataFrame float64   points: as a share of 100. repeats, days: natural logarithm of the counts. distance: ln(1 + km)
    of the longest trip. off_hours_share, out_of_area_share and the parts of the score (as shares of their most points):
    the highest of the episode's flags, 0 where none has one. `rule <id>`: 1 for each rule that found something.
    """
    entries = found.entries
    table = pd.DataFrame(index=pd.Index(entries["episode"], name="episode"))
    table["points"] = entries["points"].to_numpy(dtype=np.float64) / 100
    table["repeats"] = np.log(entries["flags"].to_numpy(dtype=np.float64))
    table["days"] = np.log(entries["days"].to_numpy(dtype=np.float64))
    known = pd.DataFrame(
        {name: flags[name].to_numpy(dtype=np.float64) if name in flags else np.zeros(len(flags)) for name in MEASURES}
    )
    highest = known.fillna(0.0).groupby(pd.Index(found.of_flag), sort=True).max().reindex(table.index)
    table["distance"] = np.log1p(highest["distance_m"] / 1000)
    for name in SHARES:
        table[name] = highest[name]
    for name, part in PARTS.items():
        table[name] = highest[name] / part.points
    columns = {
        f"rule {rule}": [float(rule in mine) for mine in entries["rules"]]
        for rule in sorted({rule for mine in entries["rules"] for rule in mine})
    }
    return table.assign(**columns).astype(np.float64)


def ranked(entries: pd.DataFrame, probability: FloatArray, budget: Budget) -> pd.DataFrame:
    """The episodes that are reviewed, the most worth first, `budget.ranked` at most; with probability and value.

    `entries` as of `rules.episodes.Episodes`. Of equal value the one with more points comes first, then the newer, then
    by name: one set of episodes has one order.
    """
    worth = value(probability, entries["level"].tolist())
    rows = entries.assign(probability=probability.round(6), value=worth.round(6))
    order = ["value", "points", "last_time", "episode"]
    return rows.sort_values(order, ascending=[False, False, False, True]).head(budget.ranked).reset_index(drop=True)


def drawn(keys: Iterable[str], count: int, seed: str) -> list[str]:
    """`count` of these keys at random, all where there are fewer; any order of the keys gives the same.

    Those come first whose SHA-256 with the seed is lowest: each set of that size is as likely as any other, and anybody
    can draw again.
    """
    return sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())[:count]


def split(count: int, sizes: tuple[int, int]) -> tuple[int, int]:
    """How many of `count` are drawn from each of two strata: half and half, and more from one where the other is short."""
    first = min(sizes[0], max((count + 1) // 2, count - sizes[1]))
    return first, min(sizes[1], count - first)


def assigned(place: int, day: int, inspectors: Sequence[int]) -> int | None:
    """Who reviews the item at a place (from 0) of a day: each in turn, beginning with another one every day."""
    return inspectors[(place + day) % len(inspectors)] if inspectors else None
