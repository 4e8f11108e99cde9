"""Episodes: what is reviewed once, whatever the order in which flags came."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.localtime import DAY_US, UTC_OFFSET_US
from rules.episodes import FLAG_COLUMNS, HABIT_DAYS, HABIT_HOUR_H, HOUR_US, OUTING_FLAG_H, OUTING_H, episodes

MIDNIGHT = 20_000 * DAY_US - UTC_OFFSET_US


def flag(name: str, hour: float = 10.0, **given_: Any) -> dict[str, Any]:
    """A flag of an hour that begins at an hour of the first day; hours past 24 are on later days."""
    start = MIDNIGHT + round(hour * HOUR_US)
    return {
        "flag_id": name, "rule": "off-hours", "level": "yellow", "vehicle_id": 1, "start_time": start,
        "end_time": start + HOUR_US, "points": 40.0, "raised_at": start, "place": "", "lat": np.nan, "lon": np.nan,
        "entry": "", **given_,
    }  # fmt: skip


def table(*flags: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(flags), columns=list(FLAG_COLUMNS))


def grouped(flags: pd.DataFrame) -> set[frozenset[str]]:
    """The flags of each episode."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, episode in zip(flags["flag_id"], episodes(flags).of_flag, strict=True):
        found[episode].add(name)
    return {frozenset(each) for each in found.values()}


def test_no_flags_are_no_episodes() -> None:
    found = episodes(table())
    assert (len(found.entries), len(found.of_flag)) == (0, 0)


def test_there_and_back_and_several_rules_are_one_entry_with_a_count() -> None:
    flags = table(
        flag("a", 10, points=40.0),
        flag("b", 10, rule="private", level="red", points=80.0),
        flag("c", 11 + OUTING_H, points=30.0, level="prompt"),
    )
    entry = episodes(flags).entries.iloc[0]
    assert (entry["flags"], entry["days"], entry["level"], entry["rules"]) == (3, 1, "red", ("off-hours", "private"))
    assert entry["points"] == pytest.approx(100 * (1 - 0.6 * 0.2))  # the repeat of a rule adds nothing
    assert (entry["first_time"], entry["last_time"]) == (flags["start_time"].min(), flags["end_time"].max())


@pytest.mark.parametrize(("gap_h", "count"), [(OUTING_H, 1), (OUTING_H + 0.01, 2)])
def test_an_outing_ends_after_hours_without_a_flag(gap_h: float, count: int) -> None:
    assert len(grouped(table(flag("a", 8), flag("b", 9 + gap_h, rule="other")))) == count


def test_other_vehicles_are_other_episodes() -> None:
    assert len(grouped(table(flag("a"), flag("b", vehicle_id=2)))) == 2


def test_a_short_flag_within_a_long_one_belongs_to_it() -> None:
    long = flag("night", 1, end_time=MIDNIGHT + 20 * HOUR_US)
    assert grouped(table(long, flag("a", 3), flag("b", 22))) == {frozenset({"night", "a", "b"})}


def test_what_lasts_longer_than_a_day_gathers_nothing() -> None:
    month = flag("month", 0, rule="month", end_time=MIDNIGHT + (OUTING_FLAG_H + 1) * HOUR_US)
    assert grouped(table(month, flag("a", 10))) == {frozenset({"month"}), frozenset({"a"})}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"place": "golf"}, True),
        ({"lat": 23.1001, "lon": 113.2001, "place": "elsewhere"}, True),  # fifteen metres
        ({"lat": 23.11, "place": "elsewhere"}, False),  # a kilometre
        ({"rule": "other"}, False),
        ({"hour": 24 + 10 + HABIT_HOUR_H + 0.1}, False),
        ({"hour": 24 + 10 - HABIT_HOUR_H}, True),
        ({"hour": HABIT_DAYS * 24 + 10}, True),
        ({"hour": HABIT_DAYS * 24 + 10.1}, False),
    ],
)
def test_a_habit_is_one_rule_at_one_place_and_hour(change: dict[str, Any], same: bool) -> None:
    there: dict[str, Any] = {"lat": 23.1, "lon": 113.2, "place": "golf"}
    second: dict[str, Any] = {"hour": 24 + 10.0, **there, **change}
    assert (len(grouped(table(flag("a", **there), flag("b", **second)))) == 1) == same


def test_the_hour_of_a_habit_goes_past_midnight() -> None:
    flags = table(flag("a", 23.5, place="bar"), flag("b", 48.5, place="bar"))
    assert len(grouped(flags)) == 1


def test_flags_at_no_known_place_are_no_habit() -> None:
    assert len(grouped(table(flag("a", 10), flag("b", 34)))) == 2


def test_a_flag_found_later_extends_an_episode_and_does_not_rename_it() -> None:
    first = table(flag("m", 10, raised_at=5))
    later = table(flag("m", 10, raised_at=5), flag("a", 9, rule="earlier in time and name", raised_at=6))
    assert set(episodes(first).of_flag) == set(episodes(later).of_flag) == {"m"}


def test_what_was_shown_as_two_stays_two_and_a_new_flag_joins_the_earlier() -> None:
    flags = table(
        flag("a", 8, entry="E1", raised_at=1),
        flag("c", 14, entry="E2", raised_at=2),
        flag("b", 11, rule="other", raised_at=3),
    )
    found = episodes(flags)
    assert found.of_flag.tolist() == ["E1", "E2", "E1"]
    assert found.entries["shown"].all()


PLACES = st.sampled_from([("", np.nan, np.nan), ("golf", 23.1, 113.2), ("", 23.1001, 113.2001), ("bar", 23.2, 113.2)])
LIST = st.lists(
    st.tuples(
        st.integers(0, 12 * 24), st.integers(1, 30), st.integers(1, 3), st.sampled_from("abc"), PLACES,
        st.integers(0, 3), st.sampled_from(["", "", "", "E1", "E2"]), st.sampled_from(["prompt", "yellow", "red"]),
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


def made(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    flags = [
        flag(
            f"f{number:02}", hour, vehicle_id=int(entry[1:]) if entry else vehicle, rule=rule, place=place[0],
            lat=place[1], lon=place[2], raised_at=raised, entry=entry, level=level, points=10.0 * (1 + raised),
            end_time=MIDNIGHT + (hour + lasting) * HOUR_US,
        )
        for number, (hour, lasting, vehicle, rule, place, raised, entry, level) in enumerate(rows)
    ]  # fmt: skip
    return table(*flags)


def slow_names(flags: pd.DataFrame) -> dict[str, str]:
    """Flag by flag and pair by pair: what `episodes` does with columns."""
    rows = flags.to_dict("records")
    group = {row["flag_id"]: {row["flag_id"]} for row in rows}

    def join(one: str, two: str) -> None:
        union = group[one] | group[two]
        for name in union:
            group[name] = union

    for vehicle in {row["vehicle_id"] for row in rows}:
        mine = sorted((row for row in rows if row["vehicle_id"] == vehicle), key=lambda row: row["start_time"])
        short = [row for row in mine if row["end_time"] - row["start_time"] <= OUTING_FLAG_H * HOUR_US]
        latest = 0
        for before, row in pairwise([None, *short]):
            assert row is not None
            if before is not None and row["start_time"] <= latest + OUTING_H * HOUR_US:
                join(before["flag_id"], row["flag_id"])
            latest = max(latest, row["end_time"])
        for one in mine:
            for two in mine:
                apart = two["start_time"] - one["start_time"]
                of_day = apart % DAY_US
                near = abs(one["lat"] - two["lat"]) < 0.002 or one["place"] == two["place"] != ""
                if (
                    one["rule"] == two["rule"]
                    and 0 <= apart <= HABIT_DAYS * DAY_US
                    and min(of_day, DAY_US - of_day) <= HABIT_HOUR_H * HOUR_US
                    and near
                ):
                    join(one["flag_id"], two["flag_id"])
    by_name = {row["flag_id"]: row for row in rows}
    names = {}
    for row in rows:
        first = min(
            (by_name[name] for name in group[row["flag_id"]]),
            key=lambda each: (each["entry"] == "", each["raised_at"], each["flag_id"]),
        )
        names[row["flag_id"]] = row["entry"] or first["entry"] or first["flag_id"]
    return names


@given(LIST, st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_any_order_of_flags_gives_the_same_episodes_which_are_those_of_the_slow_way(
    rows: list[tuple[Any, ...]], random: Any
) -> None:
    flags = made(rows)
    found = episodes(flags)
    assert dict(zip(flags["flag_id"], found.of_flag, strict=True)) == slow_names(flags)
    assert found.entries["flags"].sum() == len(flags)
    order = list(range(len(flags)))
    random.shuffle(order)
    shuffled = episodes(flags.iloc[order])
    pd.testing.assert_frame_equal(shuffled.entries, found.entries)
    assert shuffled.of_flag.tolist() == found.of_flag[order].tolist()
