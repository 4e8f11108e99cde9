"""How good the rules are: precision of what was reviewed, and recall estimated from a random sample, with intervals.

Precision of a rule: of its episodes that were decided, the share with misuse. Recall of a rule: of all vehicle-days with
misuse, the share that it flags. All of them are never seen: those that were reviewed count as they are, and the rest is
estimated from the vehicle-days that were drawn at random among those not reviewed, each weighted by how many it stands
for (Horvitz and Thompson, JASA 47, 1952).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtri

from geo.arrays import BoolArray, FloatArray

CONFIDENCE = 0.95
LEAST_DECIDED = 20
"""Decided episodes under which a precision is called one of few."""
LEAST_DRAWN = 30
"""Decided vehicle-days of the sample under which no recall is given."""
LEAST_MISUSE = 5
"""Vehicle-days with misuse, reviewed or drawn, under which no recall is given."""

RANKED, FLAGGED, UNFLAGGED = STRATA = ("ranked", "flagged", "unflagged")
"""Vehicle-days on which something was reviewed or taken into a case; with other flags; with none."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, 0 … 1, and the ends of its 95 % interval; NaN where nothing is known."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Precision:
    """Of a rule's decided episodes those with misuse. few: too few to say much."""

    decided: int
    misused: int
    share: Interval

    @property
    def few(self) -> bool:
        """Whether so few are decided that the interval says more than the share."""
        return self.decided < LEAST_DECIDED


@dataclass(frozen=True, slots=True)
class Recall:
    """Of all vehicle-days with misuse (estimated) those that are caught; None: not enough data, for the reason given.

    drawn, found: decided vehicle-days of the sample, and those of them with misuse; known: with misuse among the reviewed.
    """

    share: Interval | None
    drawn: int
    found: int
    known: int
    lack: str = ""


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """A proportion with Wilson's interval (JASA 22, 1927); NaN of no trials."""
    if not trials:
        return Interval(math.nan, 0.0, 1.0)
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def clopper_pearson(successes: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """A proportion with the exact binomial interval (Biometrika 26, 1934); successes and trials need not be whole."""
    if trials <= 0:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes >= trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return Interval(successes / trials, low, high)


def precision(decided: pd.DataFrame) -> dict[str, Precision]:
    """Precision of each rule.

    Parameters
    ----------
    decided : rule, group (what was decided as one: an episode or case; the repeats in it count once) and misuse (bool),
        a row a decided flag.
    """
    of_group = decided.groupby(["rule", "group"], sort=True)["misuse"].any()
    found: dict[str, Precision] = {}
    for rule, mine in of_group.groupby(level="rule", sort=True):
        trials, successes = len(mine), int(mine.sum())
        found[str(rule)] = Precision(trials, successes, wilson(successes, trials))
    return found


@dataclass(frozen=True, slots=True)
class Units:
    """Vehicle-days that were to be reviewed, in columns of equal length.

    stratum: one of STRATA. weight: how many vehicle-days each stands for, 1 / probability that it was drawn; 1 of what
    was ranked. misuse: 1, 0, or NaN where it is not decided. rules: ids of the rules that flag it.
    """

    stratum: Sequence[str]
    weight: FloatArray
    misuse: FloatArray
    rules: Sequence[frozenset[str]]

    def flagged_by(self, rule: str) -> BoolArray:
        """Which are flagged by a rule; bool (n,)."""
        return np.array([rule in each for each in self.rules], dtype=np.bool_)


def recall(units: Units, caught: Callable[[Units], BoolArray], confidence: float = CONFIDENCE) -> Recall:
    """The share of vehicle-days with misuse that are `caught`, as by `lambda units: units.flagged_by(rule)`.

    Notes
    -----
    caught and missed are estimated apart, each as the sum over strata of (vehicle-days) · (weighted share), the weights
    of a stratum raised so that the decided stand for the undecided. The interval of a share is that of Clopper and
    Pearson at the effective number of draws, (Σw)² / Σw² (Korn and Graubard, Survey Methodology 24, 1998), drawn
    together by √(1 − decided part) where the stratum is finite: what is decided as a whole is known. Strata are summed
    by the variances that the distances to the ends recover (Zou and Donner, Statistics in Medicine 27, 2008). Recall is
    caught / (caught + missed), its ends where one is low and the other high, each at half the error (Bonferroni): the
    interval errs to the wide side.
    """
    decided = ~np.isnan(units.misuse)
    stratum = np.array(units.stratum, dtype=object)
    misuse = np.nan_to_num(units.misuse) > 0
    drawn = decided & (stratum != RANKED)
    found, known = int((drawn & misuse).sum()), int((decided & misuse & ~drawn).sum())
    lack = ""
    if drawn.sum() < LEAST_DRAWN:
        lack = "drawn"
    elif found + known < LEAST_MISUSE:
        lack = "misuse"
    if lack:
        return Recall(None, int(drawn.sum()), found, known, lack)
    hit = caught(units)
    each = 1 - (1 - confidence) / 2
    of_hits = _total(stratum, units.weight, decided, misuse & hit, each)
    of_misses = _total(stratum, units.weight, decided, misuse & ~hit, each)
    share = Interval(
        _share(of_hits.estimate, of_misses.estimate),
        _share(of_hits.low, of_misses.high),
        _share(of_hits.high, of_misses.low),
    )
    return Recall(share, int(drawn.sum()), found, known)


def _total(
    stratum: np.ndarray[tuple[int], np.dtype[np.object_]],
    weight: FloatArray,
    decided: BoolArray,
    counted: BoolArray,
    confidence: float,
) -> Interval:
    """How many vehicle-days count, with an interval."""
    total, below, above = 0.0, 0.0, 0.0
    for name in STRATA:
        mine = stratum == name
        size = float(weight[mine].sum())
        here = mine & decided
        if not size:
            continue
        w = weight[here]
        effective = float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0
        share = float((w * counted[here]).sum() / w.sum()) if len(w) else 0.0
        exact = clopper_pearson(share * effective, effective, confidence)
        shrink = math.sqrt(max(0.0, 1 - here.sum() / size))
        total += size * share
        below += (size * shrink * (share - exact.low)) ** 2
        above += (size * shrink * (exact.high - share)) ** 2
    return Interval(total, max(0.0, total - math.sqrt(below)), total + math.sqrt(above))


def _share(hits: float, misses: float) -> float:
    return hits / (hits + misses) if hits + misses > 0 else math.nan
