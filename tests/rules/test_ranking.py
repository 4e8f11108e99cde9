"""The queue under its budget: never longer, one order for one set, a sample that anybody can draw again."""

from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.parts import PARTS
from rules.episodes import EPISODE_COLUMNS, Episodes, episodes
from rules.ranking import LEAST, MOST, Budget, assigned, drawn, features, probability_of_points, ranked, split
from tests.rules.test_episodes import LIST, flag, made, table


def entries(points: list[float], levels: list[str]) -> pd.DataFrame:
    rows = [
        (f"e{number:03}", 1, 1, 1, ("a",), level, each, 0, number % 3, 0, False)
        for number, (each, level) in enumerate(zip(points, levels, strict=True))
    ]
    return pd.DataFrame(rows, columns=list(EPISODE_COLUMNS))


@given(st.integers(0, 5), st.integers(1, 40), st.floats(0, 0.5))
def test_ranked_and_sample_make_up_the_budget_and_the_sample_has_its_share(
    inspectors: int, each: int, share: float
) -> None:
    budget = Budget(inspectors, each, share)
    assert budget.ranked + budget.sample == budget.total == max(1, inspectors) * each
    assert budget.sample == 0 if share == 0 else budget.sample >= 1
    assert abs(budget.sample - share * budget.total) <= (0.5 if share * budget.total >= 0.5 else 1)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["prompt", "yellow", "red"])), max_size=60),
    st.integers(1, 30),
)
@settings(max_examples=15, deadline=None)
def test_the_ranked_part_is_within_the_budget_and_leaves_nothing_out_that_is_worth_more(
    given_: list[tuple[float, str]], each: int
) -> None:
    table_ = entries([points for points, _ in given_], [level for _, level in given_])
    budget = Budget(1, each, 0.1)
    probability = probability_of_points(table_["points"].to_numpy(dtype=np.float64))
    chosen = ranked(table_, probability, budget)
    assert len(chosen) == min(len(table_), budget.ranked)
    assert chosen["value"].is_monotonic_decreasing
    everything = ranked(table_, probability, Budget(1, 1000, 0))
    assert chosen["episode"].tolist() == everything["episode"].head(len(chosen)).tolist()
    backwards = np.arange(len(table_))[::-1]
    again = ranked(table_.iloc[backwards], probability[backwards], budget)
    pd.testing.assert_frame_equal(again, chosen)


def test_a_red_card_comes_before_a_likelier_prompt() -> None:
    chosen = ranked(entries([90, 40], ["prompt", "red"]), np.array([0.9, 0.4]), Budget(1, 5, 0))
    assert chosen["level"].tolist() == ["red", "prompt"]
    assert chosen["value"].tolist() == [1.2, 0.9]


def test_points_are_read_as_a_probability_that_is_never_certain() -> None:
    assert probability_of_points(np.array([0.0, 40.0, 100.0])).tolist() == [LEAST, 0.4, MOST]


@given(LIST, st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_any_order_of_flags_gives_the_same_features(rows: list[tuple[object, ...]], random: object) -> None:
    flags = made(rows)
    order = list(range(len(flags)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = flags.iloc[order]
    pd.testing.assert_frame_equal(features(shuffled, episodes(shuffled)), features(flags, episodes(flags)))


def test_features_are_the_highest_of_an_episode_and_zero_where_nothing_is_known() -> None:
    flags = table(flag("a", 10), flag("b", 11, rule="x"), flag("c", 10, vehicle_id=2)).assign(
        distance_m=[1000.0, 9000.0, np.nan], off_hours_share=[0.2, 0.5, np.nan], score_venue=[20.0, 0.0, np.nan]
    )
    known = features(flags, episodes(flags))
    one, other = known.loc["a"], known.loc["c"]
    assert one["distance"] == pytest.approx(np.log(10))
    assert (one["off_hours_share"], one["score_venue"], one["repeats"]) == (0.5, 1.0, np.log(2))
    assert (one["rule off-hours"], one["rule x"], other["rule x"]) == (1, 1, 0)
    assert other["distance"] == other["off_hours_share"] == other["score_venue"] == 0
    assert set(PARTS) <= set(known.columns)


def test_no_episodes_have_no_features() -> None:
    empty: Episodes = episodes(table())
    assert len(features(table(), empty)) == 0


def test_a_draw_is_the_same_for_any_order_and_another_one_on_another_day() -> None:
    keys = [f"{number}:2026-03-02" for number in range(200)]
    first = drawn(keys, 20, "2026-03-03")
    assert len(set(first)) == 20
    assert drawn(reversed(keys), 20, "2026-03-03") == first
    assert drawn(keys, 20, "2026-03-04") != first
    assert sorted(drawn(keys[:3], 20, "x")) == sorted(keys[:3])


def test_each_pair_of_keys_is_drawn_as_often_as_any_other() -> None:
    draws = 6000
    counted = Counter(frozenset(drawn("abcde", 2, f"seed {number}")) for number in range(draws))
    expected = draws / 10
    squares = sum((counted[frozenset(pair)] - expected) ** 2 / expected for pair in combinations("abcde", 2))
    assert squares < 27.9  # chi-square with 9 degrees of freedom, one in a thousand


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_a_sample_is_split_in_halves_and_filled_from_the_larger_stratum(count: int, one: int, two: int) -> None:
    first, second = split(count, (one, two))
    assert 0 <= first <= one
    assert 0 <= second <= two
    assert first + second == min(count, one + two)
    if min(one, two) > count // 2:
        assert abs(first - second) <= 1


def test_items_go_round_the_inspectors_and_nobody_has_more_than_the_day() -> None:
    people = [7, 8, 9]
    shares = Counter(assigned(place, 20_001, people) for place in range(60))
    assert set(shares.values()) == {20}
    assert assigned(0, 20_001, people) != assigned(0, 20_002, people)
    assert assigned(0, 20_001, []) is None
