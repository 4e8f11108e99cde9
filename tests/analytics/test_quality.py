"""The four rates of quality, and their sums over the unit tree, against adding up by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.quality import FLEET, RATES, SUMS, rates, roll_up
from geo.arrays import Columns
from tests.analytics.tracks import MONDAY

NOTHING = dict.fromkeys(SUMS, 0)


def test_each_rate_is_its_part_of_its_whole() -> None:
    sums = {
        "vehicles": 8, "online_vehicles": 6, "received": 120, "duplicate": 20, "passed": 99, "distance_m": 1000.0,
        "complete_m": 994.0, "drift_vehicles": 3,
    }  # fmt: skip
    assert {name: float(value) for name, value in rates(sums).items()} == {
        "online_rate": 0.75, "pass_rate": 0.99, "completeness": 0.994, "drift_rate": 0.5,
    }  # fmt: skip


def test_published_rates_come_out_of_the_counts_beside_them() -> None:
    """Vehicles online in Sichuan, March 2025; kilometres of tracks in a month of Huangshi."""
    sichuan = rates({**NOTHING, "vehicles": 42_489, "online_vehicles": 42_293})
    assert round(float(sichuan["online_rate"]) * 100, 2) == 99.54
    huangshi = rates({**NOTHING, "distance_m": 283_116_510, "complete_m": 278_890_630})
    assert round(float(huangshi["completeness"]) * 100, 2) == 98.51


@pytest.mark.parametrize(
    ("rate", "whole"),
    [
        ("online_rate", "vehicles"),
        ("pass_rate", "received"),
        ("completeness", "distance_m"),
        ("drift_rate", "online_vehicles"),
    ],
)
def test_without_a_denominator_there_is_no_rate_and_with_one_there_is(rate: str, whole: str) -> None:
    assert all(math.isnan(value) for value in rates(NOTHING).values())
    assert rates({**NOTHING, whole: 1})[rate] == 0.0


def test_repetitions_are_neither_passed_nor_failed() -> None:
    alone = {**NOTHING, "received": 10, "passed": 9}
    repeated = {**NOTHING, "received": 25, "duplicate": 15, "passed": 9}
    nothing_new = {**NOTHING, "received": 15, "duplicate": 15}
    assert rates(alone)["pass_rate"] == rates(repeated)["pass_rate"] == 0.9
    assert math.isnan(rates(nothing_new)["pass_rate"])


def columns(rows: list[tuple[int, int, list[int]]]) -> Columns:
    return {
        "day": np.array([row[0] for row in rows], dtype=np.int32),
        "unit_ix": np.array([row[1] for row in rows], dtype=np.int32),
        **{name: np.array([row[2][place] for row in rows], dtype=np.int64) for place, name in enumerate(SUMS)},
    }


def by_hand(rows: list[tuple[int, int, list[int]]], parents: list[int]) -> dict[tuple[int, int], list[int]]:
    """Each row added to the fleet, to its unit, and to whatever stands above that, one step at a time."""
    found: dict[tuple[int, int], list[int]] = {}
    for day, unit, sums in rows:
        groups, above = [FLEET], unit
        while above >= 0 and above not in groups:
            groups.append(above)
            above = parents[above]
        for group in groups:
            total = found.setdefault((day, group), [0] * len(SUMS))
            for place, value in enumerate(sums):
                total[place] += value
    return found


PARENTS = st.integers(1, 6).flatmap(lambda count: st.lists(st.integers(-1, count - 1), min_size=count, max_size=count))
"""Parents of some units: forests, and circles that an administrator made by mistake."""


@given(PARENTS, st.data())
def test_a_unit_is_the_sum_of_itself_and_everything_below(parents: list[int], data: st.DataObject) -> None:
    row = st.tuples(
        st.integers(MONDAY, MONDAY + 2),
        st.integers(0, len(parents) - 1),
        st.lists(st.integers(0, 2**40), min_size=len(SUMS), max_size=len(SUMS)),
    )
    rows = data.draw(st.lists(row, max_size=12))
    table = roll_up(columns(rows), np.array(parents, dtype=np.int32))
    keys = list(zip(table["day"].tolist(), table["group"].tolist(), strict=True))
    assert keys == sorted(keys)
    found = zip(*(table[name].tolist() for name in SUMS), strict=True)
    assert dict(zip(keys, map(list, found), strict=True)) == by_hand(rows, parents)


def test_the_rates_of_a_bureau_are_of_its_sums_and_not_the_mean_of_its_offices() -> None:
    rows = [(MONDAY, 1, [10, 10, 0, 0, 0, 0, 0, 1]), (MONDAY, 2, [90, 30, 0, 0, 0, 0, 0, 0])]
    table = roll_up(columns(rows), np.array([-1, 0, 0], dtype=np.int32))
    assert table["group"].tolist() == [FLEET, 0, 1, 2]
    found = rates(table)
    assert found["online_rate"].tolist() == [0.4, 0.4, 1.0, pytest.approx(1 / 3)]
    assert found["drift_rate"].tolist() == [0.025, 0.025, 0.1, 0.0]


def test_no_rows_give_no_rows() -> None:
    table = roll_up(columns([]), np.array([-1], dtype=np.int32))
    assert {name: len(column) for name, column in table.items()} == dict.fromkeys(["day", "group", *SUMS], 0)
    assert [len(value) for value in rates(table).values()] == [0] * len(RATES)
    assert tuple(rates(table)) == RATES
