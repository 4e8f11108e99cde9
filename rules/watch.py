"""What stands out in how flags are reviewed: decisions within seconds, copied texts, unusual shares of dismissals.

Findings are numbers with how sure they are, and accuse nobody: there may be a good reason for each.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import gammaln

from rules.recall import Interval, wilson

QUICK_S = 30.0
"""Seconds from the first look to the decision under which nobody has read the numbers and seen the track."""
LEAST_TEXT = 6
"""Characters under which a text says so little that it is the same by chance."""
LEAST_ALIKE = 0.6
"""Share of its shingles (Jaccard) that nearly the same texts have in common at least."""
SHINGLE = 3
"""Characters of a shingle."""
MOST_TEXTS = 5000
"""Different texts compared with each other at most: the newest."""
SMALL = 10
"""Decisions under which a share is called one of small numbers, and is not tested."""
LEVEL = 0.05
"""Chance that any inspector (or unit) stands out although none differs."""


# ---------------------------------------------------------------- decisions within seconds
@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of a person; seconds since that person's first look at it, None: there was none."""

    person: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a person decides; unseen: decisions without a look before. share: of those quick or unseen."""

    person: str
    decided: int
    quick: int
    unseen: int
    median_s: float | None
    share: Interval

    @property
    def small(self) -> bool:
        """Whether there are too few to say much."""
        return self.decided < SMALL


def paces(decisions: Sequence[Decision], quick_s: float = QUICK_S) -> list[Pace]:
    """The pace of each person, those with the most quick decisions first."""
    found = []
    for person in sorted({each.person for each in decisions}):
        mine = [each.seconds for each in decisions if each.person == person]
        times = [seconds for seconds in mine if seconds is not None]
        quick, unseen = sum(seconds < quick_s for seconds in times), len(mine) - len(times)
        middle = median(times) if times else None
        found.append(Pace(person, len(mine), quick, unseen, middle, wilson(quick + unseen, len(mine))))
    return sorted(found, key=lambda pace: (-pace.quick - pace.unseen, pace.person))


# ---------------------------------------------------------------- copied texts
@dataclass(frozen=True, slots=True)
class Said:
    """A text that somebody gave as a reason or an explanation; newer ones have higher numbers.

    times: for how many it stands, itself and older ones of this person that are the same; older: numbers of some of them.
    """

    number: int
    person: str
    text: str
    times: int = 1
    older: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Copies:
    """Texts that are the same or nearly so: how often, by whom, how many different wordings, the newest of them."""

    count: int
    wordings: int
    people: tuple[tuple[str, int], ...]  # who, and how often; the most first
    text: str
    numbers: tuple[int, ...]


def normal(text: str) -> str:
    """A text without what does not make it another one: width and case of letters, digits, spaces, punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalpha, folded))


def copies(said: Sequence[Said], least_alike: float = LEAST_ALIKE) -> list[Copies]:
    """Texts that stand more than once, the most frequent first.

    Texts are alike when they are `normal`ly equal, or have so many of their three-letter shingles in common; a chain of
    texts that are alike is one finding. Shorter ones than LEAST_TEXT are left out. Of more than MOST_TEXTS different ones
    the newest are compared.
    """
    groups: dict[str, list[Said]] = {}
    keys = {text: normal(text) for text in {each.text for each in said}}
    for each in sorted(said, key=lambda each: -each.number):
        key = keys[each.text]
        if len(key) >= LEAST_TEXT:
            groups.setdefault(key, []).append(each)
    wordings = list(groups)[:MOST_TEXTS]
    found: dict[int, list[str]] = {}
    for wording, label in zip(wordings, _alike(wordings, least_alike), strict=True):
        found.setdefault(label, []).append(wording)
    result = []
    for alike in found.values():
        mine = sorted((each for wording in alike for each in groups[wording]), key=lambda each: -each.number)
        count = sum(each.times for each in mine)
        if count < 2:
            continue
        people: dict[str, int] = {}
        for each in mine:
            people[each.person] = people.get(each.person, 0) + each.times
        by_count = tuple(sorted(people.items(), key=lambda item: (-item[1], item[0])))
        numbers = sorted((number for each in mine for number in (each.number, *each.older)), reverse=True)
        result.append(Copies(count, len(alike), by_count, mine[0].text, tuple(numbers)))
    return sorted(result, key=lambda each: (-each.count, each.text))


def _alike(wordings: Sequence[str], least_alike: float) -> list[int]:
    """A label for each, the same for those that a chain of likeness joins."""
    if not wordings:
        return []
    shingles = [{text[at : at + SHINGLE] for at in range(len(text) - SHINGLE + 1)} for text in wordings]
    number: dict[str, int] = {}
    columns = [number.setdefault(each, len(number)) for mine in shingles for each in sorted(mine)]
    size = np.array([len(mine) for mine in shingles], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(size)))
    ones = np.ones(len(columns), dtype=np.int32)
    held = csr_array((ones, np.array(columns), starts), shape=(len(wordings), len(number)))
    common = (held @ held.T).tocoo()
    one, two = common.coords
    likeness = common.data / (size[one] + size[two] - common.data)
    near = likeness >= least_alike
    links = csr_array((ones[:1].repeat(near.sum()), (one[near], two[near])), shape=common.shape)
    labels: list[int] = connected_components(links, directed=False)[1].tolist()
    return labels


# ---------------------------------------------------------------- shares of dismissals
@dataclass(frozen=True, slots=True)
class Dismissals:
    """How many of an inspector's or unit's decided cases were dismissed, beside the share of all the others.

    chance: how likely a share so far off is where it differs by chance alone, corrected for how many are compared; None
    where numbers are small or there is nobody to compare with.
    """

    name: str
    decided: int
    dismissed: int
    share: Interval
    others: float
    chance: float | None

    @property
    def small(self) -> bool:
        """Whether there are too few to be tested."""
        return self.decided < SMALL

    @property
    def stands_out(self) -> bool:
        """Whether it differs from the others by more than chance explains."""
        return self.chance is not None and self.chance < LEVEL


def dismissals(counts: Mapping[str, tuple[int, int]]) -> list[Dismissals]:
    """Shares of dismissals, those that differ most from the others first.

    Parameters
    ----------
    counts : name → decided, and of them dismissed.

    Notes
    -----
    Fisher's exact test, two-sided, of each against all the others; the chances of those tested are corrected by Holm
    (Scandinavian Journal of Statistics 6, 1979), so that in one of twenty views at most anybody stands out who does not
    differ. It takes cases as alike: inspectors get them in turn, units have what they have.
    """
    decided, dismissed = sum(each for each, _ in counts.values()), sum(each for _, each in counts.values())
    tested = {
        name: fisher(k, n, dismissed - k, decided - n)
        for name, (n, k) in counts.items()
        if n >= SMALL and decided - n >= SMALL
    }
    corrected = holm(tested)
    found = []
    for name, (n, k) in counts.items():
        others = (dismissed - k) / (decided - n) if decided > n else float("nan")
        found.append(Dismissals(name, n, k, wilson(k, n), others, corrected.get(name)))
    return sorted(found, key=lambda each: (each.chance is None, each.chance or 0.0, -each.decided, each.name))


def fisher(k: int, n: int, other_k: int, other_n: int) -> float:
    """Chance that k of n and other_k of other_n are as unlike as this or more where both have one share; two-sided."""
    every, hits = n + other_n, k + other_k
    possible = np.arange(max(0, hits - other_n), min(n, hits) + 1)
    log = _log_choose(n, possible) + _log_choose(other_n, hits - possible) - _log_choose(every, np.array([hits]))
    chance = np.exp(log)
    this = chance[k - possible[0]]
    return float(min(1.0, chance[chance <= this * (1 + 1e-7)].sum()))


def holm(chances: Mapping[str, float]) -> dict[str, float]:
    """Chances corrected for how many there are."""
    corrected, worst = {}, 0.0
    for place, (name, chance) in enumerate(sorted(chances.items(), key=lambda item: (item[1], item[0]))):
        worst = max(worst, min(1.0, chance * (len(chances) - place)))
        corrected[name] = worst
    return corrected


def _log_choose(
    total: int, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    logarithm: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        gammaln(total + 1) - gammaln(chosen + 1) - gammaln(total - chosen + 1)
    )
    return logarithm


# ---------------------------------------------------------------- what waits
AGES_D = (1, 3, 7, 30)
"""Days that part the ages of what waits: younger than a day, than three, …, older than all."""
