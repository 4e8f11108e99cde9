"""Watching the watchers: what stands out is found, and chance alone is not taken for it."""

import math
from difflib import SequenceMatcher

import numpy as np
import pytest
from scipy.stats import fisher_exact

from rules.watch import (
    LEVEL,
    QUICK_S,
    SMALL,
    Decision,
    Said,
    copies,
    dismissals,
    fisher,
    holm,
    normal,
    paces,
)


def test_decisions_within_seconds_and_without_a_look_are_counted_with_their_interval() -> None:
    times = [5.0, QUICK_S - 0.1, QUICK_S, 400.0, None]
    slow = [Decision("slow", 300.0)] * 12
    found = {each.person: each for each in paces([Decision("quick", each) for each in times] + slow)}
    quick = found["quick"]
    assert (quick.decided, quick.quick, quick.unseen, quick.median_s, quick.small) == (5, 2, 1, 29.95, True)
    assert quick.share.estimate == 0.6
    assert (quick.share.low < 0.3, quick.share.high > 0.8) == (True, True)
    assert (found["slow"].quick, found["slow"].median_s, found["slow"].small) == (0, 300.0, False)
    assert list(found) == ["quick", "slow"]
    assert paces([Decision("unseen", None)])[0].median_s is None


def test_a_text_is_the_same_in_other_letters_numbers_and_punctuation() -> None:
    assert normal("Ｏrder No. 17 was  LATE!") == normal("order no 18, was late") == "ordernowaslate"
    assert normal("派车单补录迟了。") == normal("派车单 补录迟了 ！")


def test_copied_texts_are_found_with_who_used_them() -> None:
    texts = [
        ("ann", "The order was entered late by the office."),
        ("bob", "the order was entered late by the office"),
        ("ann", "The order was entered late by our office."),  # nearly the same
        ("ann", "The driver fetched a colleague from the airport."),
        ("bob", "ok"),
        ("ann", "ok"),
    ]
    found = copies([Said(number, *each) for number, each in enumerate(texts)])
    assert len(found) == 1
    assert (found[0].count, found[0].wordings, found[0].people) == (3, 2, (("ann", 2), ("bob", 1)))
    assert found[0].text == "The order was entered late by our office."
    assert found[0].numbers == (2, 1, 0)
    assert copies([]) == copies([Said(1, "ann", "")]) == []


def test_a_text_that_stands_for_older_ones_counts_as_these_would() -> None:
    texts = [
        ("ann", "An order was late."),
        ("bob", "an order was late"),
        ("ann", "An order was late."),
        ("ann", "A gift."),
    ]
    each = copies([Said(number, *said) for number, said in enumerate(texts)])
    together = copies([Said(1, *texts[1]), Said(2, *texts[2], times=2, older=(0,)), Said(3, *texts[3])])
    assert together == each
    assert len(copies([Said(1, *texts[0], times=2, older=(0,))])) == 1


def test_texts_that_difflib_calls_far_apart_are_no_copies_and_its_close_ones_are() -> None:
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(200)]
    base = [" ".join(rng.choice(words, 8, replace=False)) for _ in range(40)]
    said = [Said(number, "ann", text) for number, text in enumerate([*base, *(f"{text} a" for text in base)])]
    for each in copies(said):
        chosen = [normal(said[number].text) for number in each.numbers]
        assert SequenceMatcher(None, chosen[0], chosen[1]).ratio() > 0.7
    together = {number for each in copies(said) for number in each.numbers}
    assert together == set(range(80))


@pytest.mark.parametrize(
    ("k", "n", "other_k", "other_n"), [(3, 12, 40, 60), (12, 12, 30, 60), (0, 15, 0, 40), (7, 20, 70, 200)]
)
def test_the_exact_test_is_that_of_the_library(k: int, n: int, other_k: int, other_n: int) -> None:
    expected = fisher_exact([[k, n - k], [other_k, other_n - other_k]]).pvalue
    assert fisher(k, n, other_k, other_n) == pytest.approx(expected, rel=1e-9)


def test_chances_are_corrected_for_how_many_are_compared() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert corrected == {"a": pytest.approx(0.03), "c": pytest.approx(0.06), "b": pytest.approx(0.06)}
    assert holm({}) == {}


def test_who_dismisses_much_more_than_the_others_stands_out_and_small_numbers_do_not() -> None:
    found = {
        each.name: each for each in dismissals({"a": (40, 38), "b": (140, 72), "c": (140, 78), "d": (SMALL - 1, 9)})
    }
    assert found["a"].stands_out
    assert found["a"].others == pytest.approx(159 / 289)
    assert not found["c"].stands_out
    assert (found["d"].small, found["d"].chance, found["d"].stands_out) == (True, None, False)
    alone = dismissals({"a": (40, 38)})[0]
    assert (alone.chance, alone.stands_out, math.isnan(alone.others)) == (None, False, True)


def test_where_nobody_differs_seldom_anybody_stands_out() -> None:
    rng = np.random.default_rng(5)
    runs, falsely = 200, 0
    for _ in range(runs):
        counts = {str(name): (n, int(rng.binomial(n, 0.7))) for name, n in enumerate(rng.integers(15, 60, 6).tolist())}
        falsely += any(each.stands_out for each in dismissals(counts))
    assert falsely <= (LEVEL + 0.03) * runs
