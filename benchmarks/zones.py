"""Speed of the zones on one core: `python -m benchmarks.zones --json [--positions N --seed S]`.

Cars drive and stand all over the city; the districts and 10 to 5,000 small zones (of 30 to 300 m, about the places
where the cars rest) are looked up in chunks. The same positions go through geopandas.sjoin, and the answers must be
equal.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from geo.arrays import FloatArray, Int32Array
from geo.raster import raster_of
from geo.zones import Circle, Zone, ZoneIndex, read_zones

DISTRICTS = Path(__file__).parents[1] / "fixtures" / "districts.geojson"
SOUTH_NORTH, WEST_EAST = (227_000_000, 236_000_000), (1_131_000_000, 1_138_000_000)
LEG = 128
"""Positions of a car's drive or rest; the chunks hold whole legs."""
COUNTS = (10, 100, 1_000, 5_000)
REPEATS = 5
Places = tuple[Int32Array, Int32Array]


def main() -> None:
    """Make positions and zones, look them up, compare with geopandas, print the figures."""
    parser = argparse.ArgumentParser(description="speed of the zones on one core, and against geopandas.sjoin")
    parser.add_argument("--positions", type=int, default=2_097_152)
    parser.add_argument("--chunk", type=int, default=131_072, help="positions looked up together")
    parser.add_argument("--peer-positions", type=int, default=500_000, help="of these, how many go through sjoin")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    facts = measure(asked.positions, asked.chunk, asked.peer_positions, asked.seed)
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def measure(positions: int, chunk: int, peer_positions: int, seed: int) -> dict[str, Any]:
    """The figures by name: millions of positions a second for each set of zones, seconds to build, ratio to sjoin."""
    rng = np.random.default_rng(seed)
    lat_e7, lon_e7, places = drive(positions, rng)
    chunks = [(lat_e7[at : at + chunk], lon_e7[at : at + chunk]) for at in range(0, positions, chunk)]
    peer = (lat_e7[:peer_positions], lon_e7[:peer_positions])
    parts = [(peer[0][at : at + chunk], peer[1][at : at + chunk]) for at in range(0, len(peer[0]), chunk)]
    facts: dict[str, Any] = {"positions": positions, "chunk": chunk, "peer_positions": len(peer[0])}
    named = {"districts": (read_zones(DISTRICTS), 0.001)}
    named |= {f"{count}_zones": (small_zones(count, places, rng), 0.0005) for count in COUNTS}
    for name, (zones, cell_deg) in named.items():
        raster_of.cache_clear()
        build_s, index = _best(lambda zones=zones, cell=cell_deg: _built(zones, cell), 1)
        facts[f"{name}_build_s"] = round(build_s, 3)
        facts |= {f"{name}_{what}": value for what, value in _rates(index, chunks).items()}
        ours_s, _ = _best(lambda index=index: [index.members(*part) for part in parts], REPEATS)
        ours = index.members(*peer)
        sjoin_s, theirs = sjoin(zones, peer)
        assert np.array_equal(np.column_stack(ours), theirs), f"{name}: geopandas gives another answer"
        facts[f"{name}_times_sjoin"] = round(sjoin_s / ours_s, 1)
    for what in ("sets", "members", "inside"):
        few, many = (facts[f"{count}_zones_{what}_m_per_s"] for count in (COUNTS[0], COUNTS[-1]))
        facts[f"{what}_cost_of_5000_to_10_zones"] = round(few / many, 2)
    return facts


def drive(positions: int, rng: np.random.Generator) -> tuple[Int32Array, Int32Array, Places]:
    """Positions of cars that drive about and rest, half their time, at one of 5,000 places; and these places."""
    places = _random(SOUTH_NORTH, 5_000, rng), _random(WEST_EAST, 5_000, rng)
    legs = -(-positions // LEG)
    start = rng.integers(0, len(places[0]), legs)
    lat0, lon0 = (place[start][:, None] for place in places)
    moving = rng.random(legs) < 0.5
    heading = np.repeat(rng.uniform(0, 2 * np.pi, (legs, LEG // 16)), 16, axis=1)
    step = np.where(moving[:, None], rng.uniform(0, 1_500, (legs, LEG)), 0.0)  # 0 to 17 m/s at 10 s, degrees × 10⁷
    noise = rng.normal(0, 40, (2, legs, LEG))
    north, east = (np.cumsum(step * way(heading), axis=1) for way in (np.sin, np.cos))
    lat, lon = (_places(way)[:positions] for way in (lat0 + north + noise[0], lon0 + east + noise[1]))
    return lat, lon, places


def small_zones(count: int, places: Places, rng: np.random.Generator) -> list[Zone]:
    """Zones of 30 to 300 m about the first places of the list: circles, and by turns outlines of sixteen corners."""
    lat, lon = (place[:count] * 1e-7 for place in places)
    radius_m = rng.uniform(30, 300, count)
    outlines = shapely.buffer(shapely.points(lon, lat), radius_m * 1e-5, quad_segs=4)
    for each in range(0, count, 2):
        outlines[each] = Circle(lat[each], lon[each], radius_m[each]).outline()
    return [Zone(i, f"z{i}", "hotel", "", "", outline) for i, outline in enumerate(outlines)]


def sjoin(zones: list[Zone], places: Places) -> tuple[float, np.ndarray[Any, Any]]:
    """Seconds that geopandas takes for the same question, and its (position, zone) pairs in our order."""
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(places[1] * 1e-7, places[0] * 1e-7))
    areas = geopandas.GeoDataFrame(geometry=[zone.geometry for zone in zones])
    began = time.perf_counter()
    joined = geopandas.sjoin(points, areas, predicate="intersects")
    seconds = time.perf_counter() - began
    pairs = np.column_stack((joined.index.to_numpy(), joined["index_right"].to_numpy()))
    return seconds, pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _random(span: tuple[int, int], count: int, rng: np.random.Generator) -> Int32Array:
    return rng.integers(*span, count, dtype=np.int32)


def _places(value: FloatArray) -> Int32Array:
    return np.round(value).astype(np.int32).ravel()


def _rates(index: ZoneIndex, chunks: list[Places]) -> dict[str, float]:
    steps = [_steps(lat, lon) for lat, lon in chunks]
    own = [np.full(len(lat), 0, dtype=np.int32) for lat, _ in chunks]
    asked = {
        "sets": lambda: [index.raster.sets(lat, lon) for lat, lon in chunks],
        "members": lambda: [index.members(lat, lon) for lat, lon in chunks],
        "inside": lambda: [index.inside(zone, lat, lon) for zone, (lat, lon) in zip(own, chunks, strict=True)],
        "crossed": lambda: [index.crossed(*step) for step in steps],
    }
    count = sum(len(lat) for lat, _ in chunks)
    return {f"{name}_m_per_s": round(count / _best(ask, REPEATS)[0] / 1e6, 1) for name, ask in asked.items()}


def _steps(lat: Int32Array, lon: Int32Array) -> tuple[Int32Array, Int32Array, Int32Array, Int32Array]:
    """From each position to the next, without the leaps from the end of a leg to the beginning of another."""
    within = np.flatnonzero(np.arange(len(lat) - 1) % LEG != LEG - 1)
    return lat[within], lon[within], lat[within + 1], lon[within + 1]


def _built(zones: Sequence[Zone], cell_deg: float) -> ZoneIndex:
    """An index with its raster, which is made when it is first asked for."""
    index = ZoneIndex(zones, cell_deg)
    _ = index.raster
    return index


def _best(ask: Any, repeats: int) -> tuple[float, Any]:
    """Fewest seconds of some runs, and the answer."""
    best, answer = float("inf"), None
    for _ in range(repeats):
        began = time.perf_counter()
        answer = ask()
        best = min(best, time.perf_counter() - began)
    return best, answer


if __name__ == "__main__":
    main()
