"""The stream ends where the batch does, to the last bit, however positions came; and says what each feed changed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from analytics import sediment
from analytics.audit import TABLES, Tables, audit
from analytics.stands import find_cuts
from analytics.stream import APPEARED, CHANGED, EXTENDED, LATE, NEW, VANISHED, Stream
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, canonical
from tests.analytics.test_audit import DAYS, batch, context
from tests.analytics.tracks import MONDAY, Car, at, fleet

FEW = settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 8)


def equal(one: Tables, other: Tables) -> None:
    for table in TABLES:
        left, right = getattr(one, table), getattr(other, table)
        assert_frame_equal(left[right.columns], right, check_exact=True)


def fed(positions: Positions, order: np.ndarray, pieces: int, vehicles: int = 2) -> Stream:
    stream = Stream(context(vehicles), MONDAY, MONDAY + DAYS)
    for piece in np.array_split(order, pieces):
        stream.feed(positions.take(piece))
    return stream


@FEW
@given(SEEDS, st.integers(1, 80))
def test_any_pieces_in_order_give_what_the_batch_gives(seed: int, pieces: int) -> None:
    positions = batch(seed)
    expected = audit(positions, context(), MONDAY, MONDAY + DAYS)
    assert len(expected.trips) > 5
    equal(fed(positions, np.argsort(positions.received_at, kind="stable"), pieces).tables(), expected)


@FEW
@given(SEEDS, st.integers(1, 30), st.integers(0, 2**31))
def test_so_does_any_order_with_any_repetition(seed: int, pieces: int, shuffle: int) -> None:
    positions, rng = batch(seed), np.random.default_rng(shuffle)
    again = rng.integers(0, len(positions), len(positions) // 3)
    order = rng.permutation(np.concatenate((np.arange(len(positions)), again)))
    equal(fed(positions, order, pieces).tables(), audit(positions, context(), MONDAY, MONDAY + DAYS))


@FEW
@given(SEEDS, st.integers(20, 60), st.sampled_from([0.002, 0.02, 0.2]), st.integers(0, 2**31))
def test_so_do_positions_that_come_late(seed: int, pieces: int, share: float, shuffle: int) -> None:
    positions, rng = batch(seed, 3), np.random.default_rng(shuffle)
    late = np.where(rng.random(len(positions)) < share, rng.integers(0, 4 * 86_400, len(positions)), 0)
    order = np.argsort(positions.received_at + late * SECOND_US, kind="stable")
    expected = audit(positions, context(3), MONDAY, MONDAY + DAYS)
    equal(fed(positions, order, pieces, 3).tables(), expected)


@FEW
@given(SEEDS, st.integers(0, 2**31))
def test_at_every_moment_it_stands_where_a_batch_of_what_came_would(seed: int, shuffle: int) -> None:
    positions, rng = batch(seed), np.random.default_rng(shuffle)
    late = np.where(rng.random(len(positions)) < 0.05, rng.integers(0, 86_400, len(positions)), 0)
    order = np.argsort(positions.received_at + late * SECOND_US, kind="stable")
    stream, so_far = Stream(context(), MONDAY, MONDAY + DAYS), np.empty(0, dtype=np.int64)
    for piece in np.array_split(order, 12):
        before = stream.tables()
        changes = stream.feed(positions.take(piece))
        so_far = np.concatenate((so_far, piece))
        after = stream.tables()
        equal(after, audit(positions.take(so_far), context(), MONDAY, MONDAY + DAYS))
        told(changes.trips, before, after)


def told(changes: pd.DataFrame, before: Tables, after: Tables) -> None:
    """Every difference between the trips of before and after is among the changes, and nothing else is."""
    rows = {(v, t): (what, why) for v, t, what, why in changes.itertuples(index=False)}
    old, new = (
        {
            (row.vehicle_ix, row.start_time): str(row)
            for row in tables.trips.drop(columns="trip_id").itertuples(index=False)
        }
        for tables in (before, after)
    )
    assert {key for key, (what, _) in rows.items() if what == APPEARED} == new.keys() - old.keys()
    assert {key for key, (what, _) in rows.items() if what == VANISHED} == old.keys() - new.keys()
    differ = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert differ <= {key for key, (what, _) in rows.items() if what == CHANGED}


def test_a_trip_appears_is_extended_and_is_corrected_by_what_comes_late() -> None:
    car = Car(noise_m=5.0).report(on=False).park(1800).streets(10).skip(1).report(on=False).park(1800)
    positions = car.positions()
    stream = Stream(fleet(), MONDAY, MONDAY)
    middle = at("08:36")
    early, rest = positions.take(positions.fix_time < middle), positions.take(positions.fix_time >= middle)
    assert stream.feed(early).trips[["what", "why"]].to_numpy().tolist() == [[APPEARED, NEW]]
    gone = np.zeros(len(rest), dtype=np.bool_)
    gone[3:6] = True
    assert stream.feed(rest.take(~gone)).trips[["what", "why"]].to_numpy().tolist() == [[CHANGED, EXTENDED]]
    assert stream.feed(rest.take(gone)).trips[["what", "why"]].to_numpy().tolist() == [[CHANGED, LATE]]
    again = stream.feed(rest)
    assert not len(again.trips)
    assert not len(again.vehicle_ix)


def test_an_earlier_receipt_of_a_known_position_is_a_change_of_nothing_but_counts() -> None:
    positions = Car().report().streets(5).positions()
    future = Positions.from_columns(
        len(positions), **{name: getattr(positions, name) for name in ("vehicle_ix", "fix_time", "lat_e7", "lon_e7",
        "speed_mps", "odometer_m", "status")}, received_at=positions.fix_time - 3600 * SECOND_US,
    )  # fmt: skip
    stream = Stream(fleet(), MONDAY, MONDAY)
    stream.feed(positions)
    stream.feed(future)
    both = Positions.concat([positions, future])
    equal(stream.tables(), audit(both, fleet(), MONDAY, MONDAY))
    assert stream.tables().vehicle_days["doubtful"].tolist() == [len(positions)]


def test_days_that_are_not_kept_are_named_for_whoever_keeps_them() -> None:
    stream = Stream(fleet(), MONDAY, MONDAY)
    old = Car(clock=at("12:00", MONDAY - 3)).report().positions()
    changes = stream.feed(old)
    assert changes.reread["day"].tolist() == [MONDAY - 4, MONDAY - 3, MONDAY - 2]
    assert len(stream) == 0
    beside = stream.feed(Car(clock=at("12:00", MONDAY - 1)).report().positions())
    assert beside.reread["day"].tolist() == [MONDAY - 2, MONDAY - 1]
    assert len(stream) == 1


def test_only_what_lies_since_the_last_stops_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    positions = batch(1)
    ordered = positions.take(np.argsort(positions.received_at, kind="stable"))
    stream = Stream(context(), MONDAY, MONDAY + DAYS)
    stream.feed(ordered.take(slice(0, len(ordered) - 200)))
    looked: list[int] = []

    def look(rows: Positions) -> list[Positions]:
        looked.append(len(rows))
        return [rows]

    monkeypatch.setattr("analytics.stream.slices", look)
    for start in range(len(ordered) - 200, len(ordered), 10):
        stream.feed(ordered.take(slice(start, start + 10)))
    assert max(looked) < len(ordered) / 5


def test_tables_of_some_vehicles_are_those_rows_of_the_tables() -> None:
    positions = batch(2, 3)
    stream = fed(positions, np.argsort(positions.received_at, kind="stable"), 7, 3)
    expected = audit(positions.take(positions.vehicle_ix == 1), context(3), MONDAY, MONDAY + DAYS)
    equal(stream.tables(np.array([1], dtype=np.int32)), expected)


@FEW
@given(SEEDS, st.integers(0, 2**31))
def test_both_sides_of_a_cut_have_the_rows_of_the_whole(seed: int, where: int) -> None:
    positions = canonical(batch(seed, 1))
    until = np.random.default_rng(where).integers(len(positions) // 4, len(positions))
    cuts = find_cuts(positions.take(slice(0, int(until))))
    if not len(cuts.vehicle_ix):
        return
    begins, settled, open_after = cuts.begins[0], cuts.settled[0], cuts.open_after[0]
    assert begins < settled < open_after
    whole = audit(positions, context(1), MONDAY, MONDAY + DAYS)
    left = audit(positions.take(positions.fix_time <= open_after), context(1), MONDAY, MONDAY + DAYS)
    right = audit(positions.take(positions.fix_time >= begins), context(1), MONDAY, MONDAY + DAYS)
    for table in ("trips", "stops"):
        rows = getattr(whole, table)
        first = getattr(left, table)
        assert_frame_equal(first[first["start_time"] < settled], rows[rows["start_time"] < settled], check_exact=True)
        last = getattr(right, table)
        assert_frame_equal(
            last[last["start_time"] >= settled].reset_index(drop=True),
            rows[rows["start_time"] >= settled].reset_index(drop=True),
            check_exact=True,
        )


def test_layers_are_few_and_hold_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sediment, "LARGEST_LAYER", 2000)
    positions = batch(3)
    store = sediment.Sediment(at("00:00"))
    for piece in np.array_split(np.random.default_rng(1).permutation(len(positions)), 100):
        store.add(positions.take(piece))
    assert len(store) == len(positions)
    assert len(store._layers) < 10 + len(positions) // 1000
    since = np.array([at("12:00"), at("00:00", MONDAY + 1)])
    found = canonical(store.since(np.array([0, 1], dtype=np.int32), since))
    assert len(found) == np.count_nonzero(positions.fix_time >= since[positions.vehicle_ix])
    assert set(local_day(found.fix_time[found.vehicle_ix == 1]).tolist()) <= set(range(MONDAY + 1, MONDAY + 9))
