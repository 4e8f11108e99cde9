"""No border is nearer to a place than its cell's clearance tells, and no zone."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import number_blocks
from geo.clearance import blocks_of, free_cells, free_cells_by_growing, from_borders, from_zones
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


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([0.0002, 0.001, 0.003]))
def test_a_block_tells_of_all_its_ground_and_of_what_lies_beyond_the_grid(seed: int, cell_deg: float) -> None:
    rng = np.random.default_rng(seed)
    ground = [shapely.Point(113 + rng.random() / 20, 23 + rng.random() / 20).buffer(0.03 * rng.random()) for _ in "ab"]
    index = ZoneIndex([Zone(n, f"{n}", "district", "", "", each) for n, each in enumerate(ground)], cell_deg)
    lat, lon = (rng.normal(middle, 700_000, 2000).astype(np.int32) for middle in (230_250_000, 1_130_250_000))
    lat[:4], lon[:4] = [-(2**31), 2**31 - 1, 0, -900_000_000], [0, 2**31 - 1, -(2**31), 1_800_000_000]
    grid, sets, free = blocks_of(index.raster)
    number = np.empty(len(lat), dtype=np.int32)
    number_blocks(lat.view(np.uint32), lon.view(np.uint32), grid, number)
    mixed = len(index.raster.set_start) - 1
    whole = np.flatnonzero(sets[number] != mixed)
    assert len(whole) > 100
    assert (sets[number[whole]] == index.raster.sets(lat, lon)[whole]).all()
    assert (free[number] <= from_borders(index.raster)[0][index.raster.cells(lat, lon)]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.0, 0.005, 0.1, 1.0]))
def test_free_cells_are_the_same_by_walking_and_by_growing(seed: int, rows: int, columns: int, share: float) -> None:
    held = np.random.default_rng(seed).random((rows, columns)) < share
    for most in (1, 8, 30):
        assert np.array_equal(free_cells(held, most), free_cells_by_growing(held, most))
