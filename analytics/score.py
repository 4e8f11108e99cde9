"""Private use: a score that is a sum of named parts, each with its points, its reason, and the innocent causes tested."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from analytics.parts import CAUSES, PARTS
from analytics.places import texts
from geo.arrays import BoolArray, FloatArray, Int64Array


def private_score(
    strength: Mapping[str, FloatArray], holds: Mapping[str, BoolArray]
) -> dict[str, "FloatArray | pd.Series[str]"]:
    """The parts, their sum, and what cleared them.

    Parameters
    ----------
    strength : for each of PARTS, float64 (n,)   How much of the evidence there is, 0 … 1; NaN unknown: none.
    holds : for each of CAUSES, bool (n,)   Whether the innocent cause was found to hold.

    Returns
    -------
    float64 (n,) each   Columns of PARTS, to a tenth of a point; `private_score`, their sum, 0 … 100; `cleared`, text: for each
    part that lost points to innocent causes its name and theirs, as "no_card:reader_broken venue:lunch+passing".

    Notes
    -----
    Of several causes that hold the one that leaves least counts. Rounded before they are summed, so that the parts a
    person reads add up to the sum.
    """
    scores: dict[str, FloatArray] = {}
    n = len(holds["order"])
    total, key = np.zeros(n), np.zeros(n, dtype=np.int64)
    places: list[tuple[str, str]] = []
    for name, part in PARTS.items():
        rows = np.flatnonzero(strength[name] > 0)  # most trips have none of most parts
        left, bits = np.ones(len(rows)), np.zeros(len(rows), dtype=np.int64)
        for cause, share in part.causes.items():
            held = np.flatnonzero(holds[cause][rows])
            left[held] = np.minimum(left[held], share)
            bits[held] |= 1 << len(places)  # fewer than 63 in all
            places.append((name.removeprefix("score_"), cause))
        key[rows] |= bits
        scores[name] = np.zeros(n)
        scores[name][rows] = np.round(np.minimum(strength[name][rows], 1.0) * part.points * left, 1)
        total += scores[name]
    found: dict[str, FloatArray | pd.Series[str]] = {
        **scores,
        "private_score": np.minimum(np.round(total, 1), 100.0),
        "cleared": _each_way(key, lambda bits: _in_words(bits, places)),
    }
    return found


def holding(holds: Mapping[str, BoolArray]) -> "pd.Series[str]":
    """The names of the innocent causes that hold for each trip, in the order of CAUSES, with spaces between.

    Of all of CAUSES, whether or not a part of the score lost points to it.
    """
    key = np.zeros(len(holds["order"]), dtype=np.int64)
    for place, cause in enumerate(CAUSES):
        key[holds[cause]] |= 1 << place
    return _each_way(key, lambda bits: " ".join(cause for place, cause in enumerate(CAUSES) if bits >> place & 1))


def _each_way(key: Int64Array, in_words: Callable[[int], str]) -> "pd.Series[str]":
    """The words of each key. Hundreds of thousands of trips are cleared in some dozens of ways: each is made once."""
    way, ways = pd.factorize(key)
    return texts([in_words(bits) for bits in ways.tolist()], way)


def _in_words(bits: int, places: list[tuple[str, str]]) -> str:
    found: dict[str, list[str]] = {}
    for number, (part, cause) in enumerate(places):
        if bits >> number & 1:
            found.setdefault(part, []).append(cause)
    return " ".join(f"{part}:{'+'.join(causes)}" for part, causes in found.items())


def clearings(cleared: str) -> dict[str, list[str]]:
    """Part → the innocent causes that took points from it, out of the text of `private_score`."""
    found = (entry.split(":", 1) for entry in cleared.split())
    return {f"score_{name}": causes.split("+") for name, causes in found}
