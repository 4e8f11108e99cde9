"""The score is the sum of the parts a person reads, and says what cleared them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.parts import CAUSES, PARTS
from analytics.score import clearings, private_score

SHARES = st.dictionaries(st.sampled_from(list(PARTS)), st.one_of(st.floats(0, 3), st.just(np.nan)))
HELD = st.sets(st.sampled_from(list(CAUSES)))


def score(strength: dict[str, float], held: frozenset[str] | set[str] = frozenset()) -> "pd.Series[Any]":
    evidence = {name: np.array([strength.get(name, 0.0)]) for name in PARTS}
    holds = {name: np.array([name in held]) for name in CAUSES}
    return pd.DataFrame(private_score(evidence, holds)).iloc[0]


@given(SHARES, HELD)
def test_parts_stay_within_their_points_and_sum_to_the_score(strength: dict[str, float], held: set[str]) -> None:
    row = score(strength, held)
    assert all(0 <= row[name] <= part.points for name, part in PARTS.items())
    assert row["private_score"] == pytest.approx(min(100, sum(row[name] for name in PARTS)), abs=1e-9)


@given(SHARES, HELD)
def test_an_innocent_cause_never_adds_points_and_is_named_where_it_takes_some(
    strength: dict[str, float], held: set[str]
) -> None:
    before, after = score(strength), score(strength, held)
    named = clearings(after["cleared"])
    for name, part in PARTS.items():
        assert after[name] <= before[name]
        there = np.nan_to_num(strength.get(name, 0.0)) > 0
        assert named.get(name, []) == [cause for cause in part.causes if cause in held and there]


@pytest.mark.parametrize(("part", "cause"), [(name, cause) for name, part in PARTS.items() for cause in part.causes])
def test_each_cause_leaves_its_share_of_the_points(part: str, cause: str) -> None:
    row = score({part: 1.0}, {cause})
    assert row[part] == pytest.approx(PARTS[part].points * PARTS[part].causes[cause], abs=0.051)
    assert row["cleared"] == f"{part.removeprefix('score_')}:{cause}"


def test_an_order_clears_the_hour_and_the_place_but_no_detour_and_no_missing_card() -> None:
    row = score(dict.fromkeys(PARTS, 1.0), {"order"})
    left = {name for name in PARTS if row[name] > 0}
    assert left == {"score_detour", "score_no_card", "score_interference"}


def test_the_strongest_of_several_causes_counts() -> None:
    assert score({"score_no_order": 1.0}, {"emergency", "drift"})["score_no_order"] == 0.0


def test_no_trip_has_no_score() -> None:
    none = private_score({name: np.empty(0) for name in PARTS}, {name: np.empty(0, bool) for name in CAUSES})
    assert {len(each) for each in none.values()} == {0}
    assert set(none) == {*PARTS, "private_score", "cleared"}
