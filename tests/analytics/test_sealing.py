"""Sealed vehicles: what moved all the same, and which trips began under a seal."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.context import Seals
from analytics.sealing import STILL_SEALED, seal_table, sealed
from geo.localtime import day_start_us

START = day_start_us(20_000)
TRIPS = pd.DataFrame(
    {
        "vehicle_id": [1, 1, 2], "start_time": [START + 100, START + 500, START + 100],
        "end_time": [START + 300, START + 600, START + 200], "distance_m": [8_000.0, 3_000.0, 5_000.0],
    }
)  # fmt: skip


def table_of(*rows: dict[str, Any], trips: pd.DataFrame = TRIPS) -> pd.DataFrame:
    known = {
        "seal_id": 1, "vehicle_id": 1, "sealed_at": START, "unsealed_at": START + 1000, "odometer_m": np.nan,
        "unsealed_odometer_m": np.nan, "vehicle_class": "ordinary",
    }  # fmt: skip
    return seal_table(pd.DataFrame([{**known, **row} for row in rows]), trips)


def test_what_a_sealed_vehicle_drove_is_counted_with_the_share_of_trips_at_its_ends() -> None:
    table = table_of({}, {"seal_id": 2, "sealed_at": START + 200, "unsealed_at": START + 550})
    assert table["moved_m"].tolist() == [11_000.0, 5_500.0]
    assert table["seal_id"].tolist() == ["1", "2"]
    assert table["odometer_growth_m"].isna().all()


def test_odometers_are_held_against_the_positions() -> None:
    row = table_of({"odometer_m": 50_000.0, "unsealed_odometer_m": 91_000.0}).iloc[0]
    assert (row["odometer_growth_m"], row["odometer_gap_m"]) == (41_000.0, 30_000.0)


def test_a_seal_without_an_end_counts_all_that_is_known_and_ends_with_the_last_trip() -> None:
    table = table_of({"unsealed_at": STILL_SEALED}, {"vehicle_id": 3, "unsealed_at": STILL_SEALED, "seal_id": 2})
    assert table["moved_m"].tolist() == [11_000.0, 0.0]
    assert table["end_time"].tolist() == [START + 600, START]


def test_no_seals_are_no_rows() -> None:
    assert not len(
        seal_table(
            table_of({}).iloc[:0].assign(sealed_at=0, unsealed_at=0, odometer_m=0.0, unsealed_odometer_m=0.0), TRIPS
        )
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sets(st.integers(0, 30), max_size=6)),
        unique_by=lambda each: each[0],
        max_size=3,
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 32)), max_size=12),
    st.booleans(),
)
def test_a_trip_is_sealed_when_a_seal_of_its_vehicle_holds_at_its_start(
    borders: list[tuple[int, set[int]]], asked: list[tuple[int, int]], still: bool
) -> None:
    rows = [
        (vehicle, start, end)
        for vehicle, times in borders
        for start, end in zip(sorted(times)[::2], [*sorted(times)[1::2], STILL_SEALED if still else 40], strict=False)
    ]
    rows.sort()
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    found = sealed(
        Seals(columns[0].astype(np.int32), columns[1], columns[2]),
        np.array([vehicle for vehicle, _ in asked], dtype=np.int32),
        np.array([at for _, at in asked], dtype=np.int64),
    )
    plain = [float(any(of == vehicle and start <= at < end for of, start, end in rows)) for vehicle, at in asked]
    assert found.tolist() == plain
