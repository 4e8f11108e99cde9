"""Real tracks: what is counted of them, on made ones; and on the collections where they lie."""

import numpy as np
import pytest

from benchmarks.real_tracks import TRACKS, measure, thinned
from geo.positions import DTYPES, Positions
from tests.analytics.tracks import Car


def test_a_thinned_straight_drive_is_as_long_as_the_whole() -> None:
    track = Car(driving_s=5).drive(1800).positions()
    course = {name: getattr(track, name) for name in DTYPES} | {"course_deg": np.full(len(track), 90.0)}
    figures = thinned(Positions.from_columns(len(track), **course), 4)
    assert abs(figures["chords_bias_pct"]) < 0.05
    assert abs(figures["estimate_bias_pct"]) < 0.05
    assert figures["held_pct"] == 100.0


@pytest.mark.skipif(not TRACKS.is_dir(), reason=f"no tracks at {TRACKS} (GONGCHE_TRACKS says where they are)")
def test_corners_are_given_back_to_real_tracks() -> None:
    figures = measure(TRACKS)
    for interval_s in (10, 20, 30):
        chords, estimate = (figures[f"envirocar_{interval_s}_s_{name}_bias_pct"] for name in ("chords", "estimate"))
        assert abs(estimate) < abs(chords) / 3
    assert abs(figures["uci_difference_median_pct"]) < 3
