"""Vehicle-months beside the others of their unit and class, held against plain statistics."""

import statistics
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.unit_months import MAD_TO_SIGMA, month_table

MARCH = 12 * 56 + 2
NO_REFUELS = pd.DataFrame({"vehicle_id": [], "month": [], "refuel_l": [], "since_m": []})


def months(km: list[float], **more: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vehicle_id": np.arange(1, len(km) + 1), "month": MARCH, "unit_id": 4, "vehicle_class": "ordinary",
            "distance_m": np.array(km) * 1000.0, "consumption_l_100km": 8.0, **more,
        }
    )  # fmt: skip


def test_a_month_is_named_and_lies_between_its_local_midnights() -> None:
    row = month_table(months([100.0]), NO_REFUELS).iloc[0]
    assert (row["month_id"], row["vehicle_id"]) == ("1-2026-03", 1)
    assert pd.Timestamp(row["start_time"], unit="us").isoformat() == "2026-02-28T16:00:00"
    assert pd.Timestamp(row["end_time"], unit="us").isoformat() == "2026-03-31T16:00:00"
    assert row["day"] == (pd.Timestamp("2026-03-31") - pd.Timestamp("1970-01-01")).days


def test_four_vehicles_have_no_usual_mileage_and_five_have() -> None:
    few = month_table(months([1, 2, 3, 4]), NO_REFUELS)
    assert few[["unit_median_m", "unit_ratio", "unit_z"]].isna().all().all()
    assert few["unit_vehicles"].tolist() == [4.0] * 4
    five = month_table(months([1000, 1100, 1200, 1300, 3600]), NO_REFUELS)
    assert five["unit_median_m"].tolist() == [1_200_000.0] * 5
    assert five["unit_ratio"].iloc[4] == 3.0
    assert five["unit_z"].iloc[4] == pytest.approx(2400 / (100 * MAD_TO_SIGMA))


def test_vehicles_that_drive_alike_are_not_told_apart_by_chance() -> None:
    alike = month_table(months([1000, 1000, 1000, 1000, 1050]), NO_REFUELS)
    assert alike["unit_z"].tolist() == [0.0, 0.0, 0.0, 0.0, pytest.approx(1.0)]
    still = month_table(months([0, 0, 0, 0, 0]), NO_REFUELS)
    assert still["unit_z"].tolist() == [0.0] * 5
    assert still["unit_ratio"].isna().all()


def test_other_units_classes_and_months_are_not_compared() -> None:
    table = month_table(
        pd.concat(
            [
                months([1, 2, 3]),
                months([4, 5, 6]).assign(vehicle_id=[4, 5, 6], unit_id=5),
                months([7, 8, 9]).assign(vehicle_id=[7, 8, 9], vehicle_class="emergency"),
                months([7, 8, 9]).assign(month=MARCH + 1),
            ]
        ),
        NO_REFUELS,
    )
    assert table["unit_vehicles"].tolist() == [3.0] * 12
    assert table["unit_z"].isna().all()


def test_consumption_is_of_the_refuellings_whose_way_is_known() -> None:
    refuels = pd.DataFrame(
        {
            "vehicle_id": [1, 1, 1, 2], "month": MARCH, "refuel_l": [40.0, 20.0, 99.0, 5.0],
            "since_m": [400_000.0, 200_000.0, np.nan, 19_000.0],
        }
    )  # fmt: skip
    table = month_table(months([700, 700, 700]), refuels)
    assert table["l_100km"].tolist()[:2] == [10.0, pytest.approx(np.nan, nan_ok=True)]
    assert table["consumption_ratio"].iloc[0] == 1.25


def test_consumption_is_compared_by_what_was_declared() -> None:
    refuels = pd.DataFrame(
        {"vehicle_id": range(1, 7), "month": MARCH, "refuel_l": [40, 41, 42, 43, 80, 44.0], "since_m": 500_000.0}
    )
    declared = [8.0, 8.2, 8.4, 8.6, 8.0, np.nan]
    table = month_table(months([500] * 6, consumption_l_100km=declared), refuels)
    assert table["consumption_ratio"].round(3).tolist()[:5] == [1.0, 1.0, 1.0, 1.0, 2.0]
    assert table["consumption_z"].tolist()[:5] == pytest.approx([0, 0, 0, 0, 20], abs=1e-9)
    assert np.isnan(table["consumption_z"].iloc[5])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from(["ordinary", "emergency"]), st.integers(0, 5000)), max_size=24
    ),
    st.integers(0, 99),
)
def test_numbers_are_those_of_plain_statistics_in_any_order(rows: list[tuple[int, str, int]], seed: int) -> None:
    unit, kind, km = zip(*rows, strict=True) if rows else ((), (), ())
    given_ = months(list(km), unit_id=list(unit), vehicle_class=list(kind))
    table = month_table(given_.sample(frac=1, random_state=seed), NO_REFUELS)
    pd.testing.assert_frame_equal(table, month_table(given_, NO_REFUELS))
    for place, (of, each, way) in enumerate(rows):
        peers = [other * 1000.0 for unit_, kind_, other in rows if (unit_, kind_) == (of, each)]
        row = table.iloc[place]
        assert row["unit_vehicles"] == len(peers)
        if len(peers) < 5:
            assert np.isnan(row["unit_z"])
            continue
        middle = statistics.median(peers)
        spread = max(statistics.median(abs(peer - middle) for peer in peers) * MAD_TO_SIGMA, 0.05 * middle)
        assert row["unit_median_m"] == middle
        assert row["unit_z"] == (pytest.approx((way * 1000.0 - middle) / spread) if spread else 0.0)
