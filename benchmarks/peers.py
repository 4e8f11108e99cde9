"""The audit beside other libraries, on the same positions in the same run.

    pip install 'gongche[peers]'
    python -m benchmarks.peers --json [--seed S] [--runs N]

Positions of the simulated fleet without faults, so that nobody is asked to clean. Each peer runs in a process of its own
on a sample that suits its speed, and ours on that same sample; positions per second are those of the median run. What
each does:

gongche          the whole audit: doubt, stops, trips, duty hours, areas, places, mileage, vehicle-days; one core
gongche_trips    of this only what polars and DuckDB are asked for: kinds of steps, trips, their metres; on one thread and on
                 all
polars, duckdb   standing and driving by speed, stands of five minutes as stops, gaps of 15 minutes, trips between them with
                 their metres; on one thread and on all
movingpandas     ObservationGapSplitter, StopSplitter and the length of what is left
trackintel       stay points of 100 m and five minutes, triplegs between them and their lengths

`ratio` is ours on the peer's own sample, where a small sample burdens us with what a call costs; `ratio_at_size` ours
on the largest; `trips_ratio` that of gongche_trips on as many threads. `metres_ratio` holds a peer's metres against ours:
they define a trip differently, so it is near 1 and not 1. scikit-mobility is left out: it needs a pandas older than ours.
Zones stand beside geopandas.sjoin in `benchmarks.zones`. `limits` are what no program here can pass: decoding the same
columns from a sealed part, and copying them in memory.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analytics import kernels
from analytics.audit import audit_ordered
from analytics.measure import slices
from analytics.segment import segment
from analytics.tally import Spans
from benchmarks.city import read_city, read_reported
from fixtures.simulate import FIRST_DAY, simulate
from geo.localtime import day_number
from geo.positions import Positions
from store.depot import Folder
from store.parts import encode_part, part_columns
from store.reading import ALL, NEEDED, read_batches

DAYS = 7
SAMPLES = {"polars_1": 200, "polars": 200, "duckdb_1": 200, "duckdb": 200, "trackintel": 12, "movingpandas": 3}
"""Vehicles that each peer gets; a vehicle has some 3,700 positions in the seven days."""
TRIPS_ALONE = {"gongche_trips_1": 1, "gongche_trips": os.cpu_count() or 1}
"""Threads of each."""
MOVING_MPS, STOP_S, GAP_S = 1.5, 300, 900


def main() -> None:
    """Simulate once, run each in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", choices=("gongche", *TRIPS_ALONE, *SAMPLES), help=argparse.SUPPRESS)
    parser.add_argument("--vehicles", type=int, default=max(SAMPLES.values()), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run(options.run, options.folder, options.vehicles, options.runs)))
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, vehicles=max(SAMPLES.values()), days=DAYS, seed=options.seed)
        figures = compare(folder, options.runs)
    if options.json:
        print(json.dumps(figures))
    else:
        for each, values in figures.items():
            print(f"{each:<14}", "  ".join(f"{key} {value:,}" for key, value in values.items()))


def compare(folder: Path, runs: int) -> dict[str, Any]:
    """Each peer beside ours on its own sample."""
    positions, ids = read_reported(folder, read_city(folder))
    for vehicles in set(SAMPLES.values()):
        some = positions.take(positions.vehicle_ix < vehicles)
        (folder / _sample(vehicles)).write_bytes(encode_part(part_columns(some, ids)))
    ours = {vehicles: _apart("gongche", folder, vehicles, runs) for vehicles in sorted(set(SAMPLES.values()))}
    whole = ours[max(ours)]
    trips = {name: _apart(name, folder, max(ours), runs) for name in TRIPS_ALONE}
    figures: dict[str, Any] = {"gongche": _shown(whole)} | {name: _shown(result) for name, result in trips.items()}
    for peer, vehicles in SAMPLES.items():
        theirs = _apart(peer, folder, vehicles, runs)
        alike = (
            {"trips_ratio": round(trips[_twin(peer)]["positions_per_s"] / theirs["positions_per_s"], 2)}
            if vehicles == max(ours)
            else {}
        )
        figures[peer] = {
            **_shown(theirs),
            "gongche_positions_per_s": round(ours[vehicles]["positions_per_s"]),
            "ratio": round(ours[vehicles]["positions_per_s"] / theirs["positions_per_s"], 1),
            "ratio_at_size": round(whole["positions_per_s"] / theirs["positions_per_s"], 1),
            **alike,
            "metres_ratio": round(theirs["metres"] / ours[vehicles]["metres"], 4),
        }
    figures["limits"] = limits(folder, runs)
    return figures


def run(peer: str, folder: Path, vehicles: int, runs: int) -> dict[str, float]:
    """One of them, some times, on the first vehicles of the fleet."""
    fleet = read_city(folder)
    positions, ids = next(read_batches(Folder(folder), [_sample(vehicles)], columns=ALL, batch_positions=sys.maxsize))
    work: Callable[[], tuple[int, float]]
    if peer == "gongche":
        context = fleet.context(ids)
        first = day_number(FIRST_DAY)

        def work() -> tuple[int, float]:
            tables = audit_ordered(positions, context, first, first + DAYS - 1)
            return len(tables.trips), float(tables.trips["distance_m"].sum())

    elif peer in TRIPS_ALONE:
        context, threads = fleet.context(ids), TRIPS_ALONE[peer]

        def work() -> tuple[int, float]:
            return trips_alone(positions, threads)

    else:
        work = _PEERS[peer](positions)
    if peer != "movingpandas":  # which takes so long that a first run weighs nothing
        work()
    seconds = []
    for _ in range(runs):
        begun = perf_counter()
        trips, metres = work()
        seconds.append(perf_counter() - begun)
    return {
        "positions": len(positions),
        "positions_per_s": len(positions) / median(seconds),
        "trips": trips,
        "metres": metres,
        "peak_rss_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """The most memory this process held; getrusage would tell the parent's where that was more."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def trips_alone(positions: Positions, threads: int) -> tuple[int, float]:
    """Trips and their metres by the kernels of the audit, all positions being usable, slice by slice as in the audit."""

    def one(chunk: Positions) -> tuple[int, float]:
        everything, steps = segment(chunk, kernels.silence_s(chunk, np.arange(len(chunk))))
        trips = Spans.of(everything)
        driven = np.cumsum(np.where(steps.moving, steps.metres, 0.0))
        return len(trips), float((driven[trips.last] - driven[trips.first]).sum())

    with ThreadPoolExecutor(threads) as pool:
        found = list((map if threads == 1 else pool.map)(one, slices(positions)))
    return sum(count for count, _ in found), sum(metres for _, metres in found)


def limits(folder: Path, runs: int) -> dict[str, int]:
    """Positions a second: decoding the core's columns from a sealed part, and copying them."""
    name = _sample(max(SAMPLES.values()))
    positions, _ = next(read_batches(Folder(folder), [name], columns=ALL, batch_positions=sys.maxsize))
    part = folder / name
    pa.set_cpu_count(1)

    def decode() -> None:
        with pq.ParquetFile(part, memory_map=True) as file:
            file.read(["vehicle_id", *NEEDED], use_threads=False)

    def copy() -> None:
        for name in ("vehicle_ix", *NEEDED):
            getattr(positions, name).copy()

    def read() -> None:
        for _ in read_batches(Folder(folder), [name]):
            pass

    return {
        f"{what}_positions_per_s": round(len(positions) / median(_seconds(work) for _ in range(runs)))
        for what, work in (("decode", decode), ("read_as_batches", read), ("copy", copy))
    }


def _seconds(work: Callable[[], None]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def with_polars(positions: Positions) -> Callable[[], tuple[int, float]]:
    """Window expressions over sorted columns, one lazy query."""
    import polars as pl  # noqa: PLC0415 - a peer is only there where it is compared

    columns = ("vehicle_ix", "fix_time", "lat_e7", "lon_e7", "speed_mps")
    table = pl.DataFrame({name: getattr(positions, name) for name in columns})
    new = pl.col("vehicle_ix") != pl.col("vehicle_ix").shift(1, fill_value=-1)
    seconds = (pl.col("fix_time") - pl.col("fix_time").shift(1)) / 1e6
    north = (pl.col("lat_e7") - pl.col("lat_e7").shift(1)).cast(pl.Float64) * 0.011_077
    east = (pl.col("lon_e7") - pl.col("lon_e7").shift(1)) * (pl.col("lat_e7") * np.radians(1e-7)).cos() * 0.011_132
    query = (
        table.lazy()
        .with_columns(
            brk=new | (seconds > GAP_S).fill_null(value=True),
            metres=(north**2 + east**2).sqrt(),
            moving=(pl.col("speed_mps") >= MOVING_MPS) | (pl.col("speed_mps").shift(1) >= MOVING_MPS),
        )
        .with_columns(
            state=(pl.col("brk") | (pl.col("moving") != pl.col("moving").shift(1))).fill_null(value=True).cum_sum()
        )
        .with_columns(span=(pl.col("fix_time").max() - pl.col("fix_time").min()).over("state") / 1e6)
        .with_columns(trip=pl.col("moving") | (pl.col("span") < STOP_S))
        .with_columns(
            number=(pl.col("brk") | (pl.col("trip") != pl.col("trip").shift(1))).fill_null(value=True).cum_sum()
        )
        .filter(pl.col("trip") & ~pl.col("brk"))
        .group_by("number")
        .agg(metres=pl.col("metres").filter("moving").sum())
        .filter(pl.col("metres") >= 200)
        .select(trips=pl.len(), metres=pl.col("metres").sum())
    )

    def work() -> tuple[int, float]:
        row = query.collect().row(0)
        return int(row[0]), float(row[1])

    return work


def with_duckdb(positions: Positions) -> Callable[[], tuple[int, float]]:
    """The same with window functions in SQL."""
    import duckdb  # noqa: PLC0415

    columns = ("vehicle_ix", "fix_time", "lat_e7", "lon_e7", "speed_mps")
    table = pa.table({name: getattr(positions, name) for name in columns})
    database = duckdb.connect()
    if os.environ.get("PEER_THREADS") == "1":
        database.execute("SET threads = 1")
    database.register("reported", table)
    database.execute("CREATE TABLE position AS SELECT * FROM reported")

    def work() -> tuple[int, float]:
        row = database.execute(_SQL, {"gap": GAP_S * 1e6, "stop": STOP_S * 1e6, "moving": MOVING_MPS}).fetchone()
        assert row is not None
        return int(row[0]), float(row[1])

    return work


_SQL = """
WITH step AS (
    SELECT vehicle_ix, fix_time,
        coalesce(fix_time - lag(fix_time) OVER w > $gap, true) AS brk,
        coalesce(speed_mps >= $moving OR lag(speed_mps) OVER w >= $moving, false) AS moving,
        sqrt(((lat_e7 - lag(lat_e7) OVER w) * 0.011077) ** 2
             + ((lon_e7 - lag(lon_e7) OVER w) * cos(radians(lat_e7 * 1e-7)) * 0.011132) ** 2) AS metres
    FROM position WINDOW w AS (PARTITION BY vehicle_ix ORDER BY fix_time)
), run AS (
    SELECT *, sum(CASE WHEN brk OR moving IS DISTINCT FROM before THEN 1 ELSE 0 END)
                  OVER (PARTITION BY vehicle_ix ORDER BY fix_time) AS state
    FROM (SELECT *, lag(moving) OVER (PARTITION BY vehicle_ix ORDER BY fix_time) AS before FROM step)
), judged AS (
    SELECT *, moving OR max(fix_time) OVER s - min(fix_time) OVER s < $stop AS trip
    FROM run WINDOW s AS (PARTITION BY vehicle_ix, state)
), numbered AS (
    SELECT *, sum(CASE WHEN brk OR trip IS DISTINCT FROM before_trip THEN 1 ELSE 0 END)
                  OVER (PARTITION BY vehicle_ix ORDER BY fix_time) AS number
    FROM (SELECT *, lag(trip) OVER (PARTITION BY vehicle_ix ORDER BY fix_time) AS before_trip FROM judged)
)
SELECT count(*), sum(metres) FROM (
    SELECT sum(metres) FILTER (WHERE moving) AS metres FROM numbered WHERE trip AND NOT brk
    GROUP BY vehicle_ix, number HAVING sum(metres) FILTER (WHERE moving) >= 200
)
"""


def with_movingpandas(positions: Positions) -> Callable[[], tuple[int, float]]:
    """Its own splitters."""
    import movingpandas as mpd  # noqa: PLC0415

    table = _frame(positions)

    def work() -> tuple[int, float]:
        whole = mpd.TrajectoryCollection(table, "vehicle", t="time", x="lon", y="lat")
        unbroken = mpd.ObservationGapSplitter(whole).split(gap=pd.Timedelta(seconds=GAP_S))
        moving = mpd.StopSplitter(unbroken).split(
            max_diameter=150, min_duration=pd.Timedelta(seconds=STOP_S), min_length=200
        )
        return len(moving.trajectories), float(sum(each.get_length() for each in moving.trajectories))

    return work


def with_trackintel(positions: Positions) -> Callable[[], tuple[int, float]]:
    """Its own stay points and triplegs."""
    import trackintel as ti  # noqa: PLC0415

    table = _frame(positions).rename(columns={"vehicle": "user_id", "time": "tracked_at"})

    def work() -> tuple[int, float]:
        fixes = ti.io.read_positionfixes_gpd(_points(table), tracked_at="tracked_at", user_id="user_id")
        fixes, stays = fixes.generate_staypoints(
            method="sliding", dist_threshold=100, time_threshold=STOP_S / 60, gap_threshold=GAP_S / 60
        )
        fixes, legs = fixes.generate_triplegs(stays, gap_threshold=GAP_S / 60)
        return len(legs), float(ti.geogr.calculate_haversine_length(legs).sum())

    return work


def _points(table: pd.DataFrame) -> Any:
    import geopandas as gpd  # noqa: PLC0415

    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["lon"], table["lat"]), crs="EPSG:4326")


def _frame(positions: Positions) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "vehicle": positions.vehicle_ix,
            "time": pd.to_datetime(positions.fix_time, unit="us", utc=True),
            "lon": positions.lon,
            "lat": positions.lat,
        }
    )


_PEERS: dict[str, Callable[[Positions], Callable[[], tuple[int, float]]]] = {
    "polars_1": with_polars,
    "polars": with_polars,
    "duckdb_1": with_duckdb,
    "duckdb": with_duckdb,
    "movingpandas": with_movingpandas,
    "trackintel": with_trackintel,
}


def _apart(peer: str, folder: Path, vehicles: int, runs: int) -> dict[str, float]:
    command = [
        sys.executable, "-W", "ignore", "-m", "benchmarks.peers", "--run", peer, "--folder", str(folder),
        "--vehicles", str(vehicles), "--runs", str(runs),
    ]  # fmt: skip
    one = {"POLARS_MAX_THREADS": "1", "PEER_THREADS": "1"} if peer.endswith("_1") or peer == "gongche" else {}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **one})  # noqa: S603 - this very module
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _twin(peer: str) -> str:
    """Ours with as many threads."""
    return "gongche_trips_1" if peer.endswith("_1") else "gongche_trips"


def _sample(vehicles: int) -> str:
    return f"sample-{vehicles}.parquet"


def _shown(result: dict[str, float]) -> dict[str, int]:
    return {name: round(result[name]) for name in ("positions", "positions_per_s", "trips", "peak_rss_mb")}


if __name__ == "__main__":
    main()
