"""Look-ups in the raster, compiled and in columns."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.arrays import Int32Array
from geo.jit import COMPILED
from geo.passages import near, near_by_columns
from geo.zones import Zone, ZoneIndex

SHAPES = [shapely.Point(113.3, 23.1).buffer(0.004), shapely.box(113.3, 23.1, 113.31, 23.12)]
INDEXES = [
    ZoneIndex([Zone(0, "z", "hotel", "", "", shape) for shape in SHAPES], cell_deg) for cell_deg in (0.0005, 0.00093)
]


def places(seed: int, spread_e7: int) -> tuple[Int32Array, Int32Array]:
    rng = np.random.default_rng(seed)
    lat = 231_000_000 + rng.integers(-spread_e7, spread_e7, 500, endpoint=True)
    lon = 1_133_000_000 + rng.integers(-spread_e7, spread_e7, 500, endpoint=True)
    return np.clip(lat, -900_000_000, 900_000_000).astype(np.int32), lon.astype(np.int32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from([60_000, 2_000_000, 1_000_000_000]), st.sampled_from(INDEXES))
def test_compiled_and_columns_find_the_same(seed: int, spread_e7: int, index: ZoneIndex) -> None:
    assert COMPILED
    lat, lon = places(seed, spread_e7)
    found = index.raster.sets(lat, lon)
    expected = index.raster.sets_by_columns(lat, lon, np.empty(len(lat), dtype=np.int32))
    assert found.tolist() == expected.tolist()
    length = np.random.default_rng(seed).uniform(0, 2000, len(lat))
    assert near(index.raster, lat, lon, length).tolist() == near_by_columns(index.raster, lat, lon, length).tolist()


def test_corners_of_cells_belong_to_the_cell_north_and_east_of_them() -> None:
    for index in INDEXES:
        raster = index.raster
        lat = (raster.south_e7 + np.arange(raster.rows) * raster.cell_e7).astype(np.int32)
        for off in (-1, 0, 1):
            lon = np.full(len(lat), raster.west_e7 + 20 * raster.cell_e7 + off, dtype=np.int32)
            expected = raster.sets_by_columns(lat + np.int32(off), lon, np.empty(len(lat), dtype=np.int32))
            assert raster.sets(lat + np.int32(off), lon).tolist() == expected.tolist()
