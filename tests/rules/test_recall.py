"""Precision and recall against known truth: the stated intervals hold it as often as they say."""

import math

import numpy as np
import pandas as pd
import pytest

from rules.recall import (
    FLAGGED,
    LEAST_DRAWN,
    RANKED,
    UNFLAGGED,
    Units,
    clopper_pearson,
    precision,
    recall,
    wilson,
)

RUNS = 200


def test_wilson_and_clopper_pearson_give_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263).low == pytest.approx(0.2553, abs=5e-5)
    assert wilson(81, 263).high == pytest.approx(0.3662, abs=5e-5)
    assert clopper_pearson(81, 263).low == pytest.approx(0.2527, abs=5e-5)
    assert clopper_pearson(81, 263).high == pytest.approx(0.3676, abs=5e-5)
    assert wilson(0, 20).low == clopper_pearson(0, 20).low == 0.0
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert clopper_pearson(0, 20).high == pytest.approx(0.1684, abs=5e-5)


def test_of_nothing_nothing_is_known() -> None:
    for interval in (wilson(0, 0), clopper_pearson(0, 0)):
        assert math.isnan(interval.estimate)
        assert (interval.low, interval.high) == (0.0, 1.0)


def test_precision_counts_an_episode_once_for_each_of_its_rules() -> None:
    decided = pd.DataFrame(
        [("a", "e1", True), ("a", "e1", True), ("a", "e1", False), ("b", "e1", False), ("a", "e2", False)],
        columns=["rule", "group", "misuse"],
    )
    found = precision(decided)
    assert (found["a"].decided, found["a"].misused, found["a"].few) == (2, 1, True)
    assert (found["b"].decided, found["b"].misused) == (1, 0)
    assert precision(decided.iloc[:0]) == {}


def test_the_interval_of_a_precision_holds_the_truth() -> None:
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(RUNS):
        true = rng.uniform(0.1, 0.95)
        trials = int(rng.integers(5, 120))
        interval = wilson(int(rng.binomial(trials, true)), trials)
        held += interval.low <= true <= interval.high
    assert held >= 0.9 * RUNS


def city(rng: np.random.Generator, answered: float) -> tuple[Units, float]:
    """Two months of a city's vehicle-days with known truth, as its reviews see them; and the true recall of rule `a`.

    Misuse is flagged by `a` more often than not, `b` flags at random. A few days are ranked, those that `a` flags first;
    of the others three a stratum and day are drawn. Only a part of what was drawn or ranked is decided.
    """
    strata: list[str] = []
    weight: list[float] = []
    misuse: list[float] = []
    rules: list[frozenset[str]] = []
    hits, every = 0, 0
    sensitivity, rate = rng.uniform(0.5, 0.95), rng.uniform(0.01, 0.04)
    for _ in range(60):
        size = int(rng.integers(200, 500))
        wrong = rng.random(size) < rate
        by_a = np.where(wrong, rng.random(size) < sensitivity, rng.random(size) < 0.02)
        by_b = rng.random(size) < 0.05
        hits += int((wrong & by_a).sum())
        every += int(wrong.sum())
        order = np.lexsort((rng.random(size), ~by_a))
        ranked = np.zeros(size, dtype=bool)
        ranked[order[:8]] = by_a[order[:8]]
        for name, members in (
            (RANKED, np.flatnonzero(ranked)),
            (FLAGGED, np.flatnonzero((by_a | by_b) & ~ranked)),
            (UNFLAGGED, np.flatnonzero(~(by_a | by_b | ranked))),
        ):
            chosen = members if name == RANKED else rng.choice(members, min(3, len(members)), replace=False)
            for number in chosen:
                strata.append(name)
                weight.append(len(members) / len(chosen))
                misuse.append(float(wrong[number]) if rng.random() < answered else math.nan)
                rules.append(frozenset(rule for rule, by in (("a", by_a), ("b", by_b)) if by[number]))
    return Units(strata, np.array(weight), np.array(misuse), rules), hits / every


@pytest.mark.parametrize("answered", [1.0, 0.7])
def test_the_interval_of_a_recall_holds_the_truth(answered: float) -> None:
    rng = np.random.default_rng(7)
    held, estimates, truths = 0, [], []
    for _ in range(RUNS):
        units, true = city(rng, answered)
        share = recall(units, lambda each: each.flagged_by("a")).share
        assert share is not None
        held += share.low <= true <= share.high
        estimates.append(share.estimate)
        truths.append(true)
    assert held >= 0.9 * RUNS
    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.05)


def units(drawn: int, misuse: int, known: int) -> Units:
    """So many drawn, with misuse in the first of them that `a` does not flag, and so many known that it does."""
    found = np.r_[np.arange(drawn) < misuse, np.ones(known, dtype=bool)].astype(np.float64)
    weight = np.r_[np.full(drawn, 50.0), np.ones(known)]
    rules = [frozenset[str]()] * drawn + [frozenset({"a"})] * known
    return Units([UNFLAGGED] * drawn + [RANKED] * known, weight, found, rules)


def test_what_was_missed_is_weighted_by_what_it_stands_for() -> None:
    found = recall(units(100, 2, 300), lambda each: each.flagged_by("a"))
    assert (found.drawn, found.found, found.known, found.lack) == (100, 2, 300, "")
    assert found.share is not None
    assert found.share.estimate == pytest.approx(300 / (300 + 2 * 50))
    assert found.share.low < 0.6
    assert found.share.high > 0.9


def test_a_sample_without_misuse_does_not_prove_that_nothing_is_missed() -> None:
    found = recall(units(100, 0, 300), lambda each: each.flagged_by("a")).share
    assert found is not None
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(300 / (300 + 5000 * (1 - 0.0125 ** (1 / 100)) * math.sqrt(1 - 100 / 5000)))


def test_with_too_little_data_no_recall_is_given() -> None:
    def lack(drawn: int, misuse: int, known: int) -> str:
        found = recall(units(drawn, misuse, known), lambda each: each.flagged_by("a"))
        assert (found.share is None) == bool(found.lack)
        return found.lack

    assert lack(LEAST_DRAWN - 1, 2, 30) == "drawn"
    assert lack(LEAST_DRAWN, 2, 2) == "misuse"
    assert lack(LEAST_DRAWN, 2, 3) == ""
