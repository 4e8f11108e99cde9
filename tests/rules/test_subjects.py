"""What a row tells of the innocent causes that its subject tests, and how a reason's numbers are made."""

import numpy as np
import pytest

from analytics.parts import CAUSES
from rules.subjects import SUBJECTS, TEXT_FEATURES


def test_a_trip_tells_every_cause_that_holds() -> None:
    trip = SUBJECTS["trip"]
    assert set(trip.tests) == set(CAUSES)
    assert trip.held({"holds": "drift passing"}) == {"drift", "passing"}
    assert trip.held({"holds": ""}) == trip.held({"holds": None}) == trip.held({}) == frozenset()


@pytest.mark.parametrize("cause", ["power_cut", "antenna", "unknown"])
def test_a_silence_that_nothing_innocent_explains_tells_none(cause: str) -> None:
    assert SUBJECTS["dark"].held({"dark_cause": cause}) == frozenset()


def test_a_silence_tells_its_innocent_cause() -> None:
    dark = SUBJECTS["dark"]
    assert {name: dark.held({"dark_cause": name}) for name in dark.tests} == {name: {name} for name in dark.tests}
    assert set(dark.tests) == {"no_fix", "carried", "coverage"}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_shown_number_is_made_of_features_of_its_subject(name: str) -> None:
    """Of numbers in the units that people read: a row of 3,600 in everything gives an hour, an hour's minutes, kilometres."""
    row = {feature: 3600.0 for feature in SUBJECTS[name].features if feature not in TEXT_FEATURES}
    sizes = {"_km": 3.6, "_min": 60.0, "_h": 1.0, "_kmh": 12_960.0}
    for shown, made in SUBJECTS[name].shown.items():
        if shown.endswith("_place"):
            assert made({shown: "", "place": ""}) == "—"
            continue
        size = next((size for end, size in sizes.items() if shown.endswith(end)), 3600.0)
        assert made(row) == pytest.approx(size), shown
        assert np.isnan(made(dict.fromkeys(row, np.nan))), shown
        assert made(dict.fromkeys(row)) is None, shown
