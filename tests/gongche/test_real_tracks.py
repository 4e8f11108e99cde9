"""Real tracks of four public collections, read where they lie, to trips."""

import json
import os
from pathlib import Path

import geopandas
import pytest

from tests.gongche.conftest import Run, result

TRACKS = Path(os.environ.get("GONGCHE_TRACKS") or Path(__file__).parents[3] / "shared" / "data" / "trajectories")
PERIOD = ("--from", "2010-01-01", "--to", "2026-11-01")

pytestmark = pytest.mark.skipif(
    not TRACKS.is_dir(), reason=f"no tracks at {TRACKS} (GONGCHE_TRACKS says where they are)"
)


def test_real_tracks_become_trips(gongche: Run, tmp_path: Path) -> None:
    """Counts of received rows are the files' own; each of the 13 enviroCar tracks is one drive."""
    received = {"envirocar_tracks.csv.gz": 2684, "uci_gotrack_points.csv.gz": 18107, "liverpool_bus_route14.csv": 1533}
    for name, rows in received.items():
        counts = result(gongche("import", str(TRACKS / name), "--json"))
        assert counts["received"] == rows
        assert counts["accepted"] + counts["duplicate"] + counts["quarantined"] == rows
    assert result(gongche("import", str(TRACKS / "goal_driving_onfoot.zip"), "--json"))["accepted"] > 50_000
    assert result(gongche("store", "seal", "--json"))["rows"] > 70_000
    audited = result(gongche("audit", *PERIOD, "--json"))
    assert audited["vehicles"] == 980
    # Nothing is known of these cars, so nothing can be held against them but that nobody wrote orders, and what they left
    # out: some buses were silent for half an hour and more, and spoke again eight kilometres on.
    flags = json.loads(gongche("export", "flags", *PERIOD, "--format", "json").stdout)
    assert len(flags) == audited["flags"]
    assert {flag["level"] for flag in flags if flag["rule"] == "trip-no-order"} == {"prompt"}
    dark = [flag for flag in flags if flag["rule"] != "trip-no-order"]
    assert {flag["rule"] for flag in dark} == {"dark-kilometres-no-order"}
    assert all(flag["vehicle"].startswith("liverpool") for flag in dark)
    assert len(dark) == 7
    path = tmp_path / "trips.geojson"
    assert gongche("export", "trips", *PERIOD, "--format", "geojson", "--out", str(path)).returncode == 0
    trips = geopandas.read_file(path)
    assert len(trips) == audited["trips"]
    drives = trips[trips["vehicle"].str.startswith("envirocar")]
    assert len(drives) == 13
    assert 100_000 < drives["distance_m"].sum() < 200_000
    west, south, east, north = drives.union_all().bounds
    assert (west > 5.8, south > 47.2, east < 15.1, north < 55.1) == (True,) * 4  # all of them lie in Germany
    assert set(drives.geom_type) == {"LineString"}
