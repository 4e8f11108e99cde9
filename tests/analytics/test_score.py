"""The score is the sum of the parts a person reads."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.score import PARTS, private_score

SHARE = st.floats(0, 1)
FLAG = st.sampled_from([0.0, 1.0])


def trip(**values: object) -> pd.DataFrame:
    none: dict[str, object] = dict.fromkeys(
        ("off_hours_share", "rest_day", "destination_controlled", "residence", "out_of_area_share", "card_missing"), 0.0
    )
    whole = {"dispatch_order": None, "vehicle_class": "ordinary", **none, **values}
    return pd.DataFrame({name: pd.Series([value]) for name, value in whole.items()})


@given(st.tuples(SHARE, FLAG, FLAG, FLAG, SHARE, st.sampled_from([0.0, 1.0, np.nan])))
def test_parts_stay_within_their_points_and_sum_to_the_score(values: tuple[float, ...]) -> None:
    names = ("off_hours_share", "rest_day", "destination_controlled", "residence", "out_of_area_share", "card_missing")
    row = private_score(trip(**dict(zip(names, values, strict=True)))).iloc[0]
    assert all(0 <= row[name] <= points for name, (points, _) in PARTS.items())
    assert row["private_score"] == pytest.approx(min(100, sum(row[name] for name in PARTS)), abs=1e-9)


def test_an_order_clears_every_part() -> None:
    row = private_score(trip(dispatch_order="D1", off_hours_share=1.0, destination_controlled=1.0)).iloc[0]
    assert row.tolist() == [0.0] * len(row)


def test_the_hour_gives_an_emergency_car_no_points() -> None:
    row = private_score(trip(vehicle_class="emergency", off_hours_share=1.0, rest_day=1.0, residence=1.0)).iloc[0]
    assert row["private_score"] == PARTS["score_no_order"][0]


def test_a_residence_counts_outside_duty_hours_only() -> None:
    assert private_score(trip(residence=1.0))["score_residence"].tolist() == [0.0]
    assert private_score(trip(residence=1.0, off_hours_share=0.1))["score_residence"].tolist() == [15.0]


def test_an_unknown_card_gives_no_points() -> None:
    assert private_score(trip(card_missing=np.nan))["score_no_card"].tolist() == [0.0]
