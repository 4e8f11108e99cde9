"""No border is nearer to a place than its cell's clearance tells, and no zone."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.clearance import free_cells, free_cells_by_growing, from_borders, from_zones
from geo.zones import Zone, ZoneIndex


def test_nothing_is_nearer_than_the_clearance() -> None:
    rng = np.random.default_rng(3)
    zones = [Zone(n, f"{n}", "district", "", "", shapely.Point(113 + n / 90, 23).buffer(0.004)) for n in range(3)]
    index = ZoneIndex(zones)
    lat = rng.integers(229_800_000, 230_200_000, 400, dtype=np.int32)
    lon = rng.integers(1_129_800_000, 1_130_400_000, 400, dtype=np.int32)
    cells = index.raster.cells(lat, lon)
    distance = np.min(
        [index.borders(4096.0).distance_m(np.full(400, n, dtype=np.int32), lat, lon) for n in range(3)], 0
    )
    clear, cell_m = from_borders(index.raster)
    assert (clear[cells] * cell_m <= distance).all()
    assert (clear[cells] > 0).sum() > 200
    clear, cell_m = from_zones(index.raster)
    inside = np.isin(np.arange(400), index.members(lat, lon)[0])
    assert (clear[cells] * cell_m <= np.where(inside, 0.0, distance)).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.0, 0.005, 0.1, 1.0]))
def test_free_cells_are_the_same_by_walking_and_by_growing(seed: int, rows: int, columns: int, share: float) -> None:
    held = np.random.default_rng(seed).random((rows, columns)) < share
    for most in (1, 8, 30):
        assert np.array_equal(free_cells(held, most), free_cells_by_growing(held, most))
