"""A city's month through the whole audit: from sealed Parquet to the flags' features, without the database.

    python -m benchmarks.month --json [--vehicles 8628] [--days 30] [--seed 1] [--folder DIR] [--runs 3]

The month is simulated with all its faults, at the resolution at which terminals send, and written once, as the archive
keeps it; later runs find it there. Each run is a process of its own: `one core` reads, measures and flags bucket by
bucket; `two threads` and `two processes` divide the buckets, and the last one, as an audit does. `positions_per_s` of a
run is every position of the month by the whole time, reading included. `peak_mb` is the peak of the memory that is
resident; of several processes that of the sum of their proportional shares (PSS), in which a page that they share counts
once. Looking takes time, so that is a run of its own, which is not timed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np

from analytics.evidence import Rows, weigh
from benchmarks.city import as_sent, read_city, reported
from fixtures import truth
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks, write_fleet
from geo.arrays import Int32Array
from geo.localtime import day_date, day_number, local_day
from geo.positions import Positions, canonical
from gongche.fleet import Fleet
from gongche.measuring import Job, divided, measure_job, set_aside
from rules import catalogue_path
from rules.evaluate import evaluate
from rules.load import Rule, load_catalogue
from store.archive import VEHICLES_PER_BUCKET
from store.depot import Folder
from store.parts import encode_part, part_columns

FIRST = day_number(FIRST_DAY)
INTERVAL_S, PARKED_S = 20, 360
"""Reports driving and parked: with these a city of 8,628 vehicles sends about 100 million positions a month."""
WATCH_S = 0.2
WAYS = {"one_core": ("threads", 1), "two_threads": ("threads", 2), "two_processes": ("processes", 2)}


@dataclass(frozen=True, slots=True)
class Count:
    """What went through."""

    positions: int = 0
    trips: int = 0
    flags: int = 0
    metres: float = 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.positions + other.positions,
            self.trips + other.trips,
            self.flags + other.flags,
            self.metres + other.metres,
        )


def main() -> None:
    """Make the month where it is not there yet, run it each way, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=8628)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(gettempdir()) / "gongche-month")
    parser.add_argument("--way", choices=WAYS, help="run it once, this way, on a month that is there")
    parser.add_argument("--watch", action="store_true", help="look at the memory of all its processes meanwhile")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = place(options)
    if options.way:
        print(json.dumps(run(folder, options.days, *WAYS[options.way], watch=options.watch)))
        return
    if not (folder / "made.json").exists():
        make(folder, options.vehicles, options.days, options.seed)
    figures: dict[str, Any] = {"vehicles": options.vehicles, "days": options.days}
    for way in WAYS:
        results = [_run_apart(way, options) for _ in range(options.runs)]
        figures |= {name: results[0][name] for name in ("positions", "trips", "flags")}
        seconds = [result["seconds"] for result in results]
        figures[f"{way}_s"] = round(median(seconds), 2)
        figures[f"{way}_spread_s"] = round(max(seconds) - min(seconds), 2)
        figures[f"{way}_positions_per_s"] = round(results[0]["positions"] / median(seconds))
        looked_at = results if WAYS[way][0] == "threads" else [_run_apart(way, options, "--watch")]
        figures[f"{way}_peak_mb"] = max(result["peak_mb"] for result in looked_at)
    for way in list(WAYS)[1:]:
        figures[f"{way}_ratio"] = round(figures["one_core_s"] / figures[f"{way}_s"], 2)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<32} {value:>16,}" for name, value in figures.items())
    )


def place(options: argparse.Namespace) -> Path:
    """Where the month of these options lies."""
    folder: Path = options.folder / f"{options.vehicles}x{options.days}-seed{options.seed}-jt808"
    return folder


def make(folder: Path, vehicles: int, days: int, seed: int) -> None:
    """Simulate the month and write it as the archive's parts, with the fleet's own files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fleet = make_fleet(vehicles, seed)
    tables = truth.Tables()
    waiting: list[Positions] = []
    first = 1  # vehicle_id of what waits
    made = chunks(fleet, FIRST, days, seed, degraded=True, interval_s=INTERVAL_S, parked_s=PARKED_S)
    for chunk in made:
        tables.add(fleet, chunk.journeys, chunk.parked, FIRST, days)
        positions = as_sent(reported(chunk.columns))
        waiting.append(positions.with_vehicle_ix(positions.vehicle_ix + np.int32(1)))
        until = int(waiting[-1].vehicle_ix.max()) + 1
        while until // VEHICLES_PER_BUCKET > first // VEHICLES_PER_BUCKET or until > vehicles:
            bucket = first // VEHICLES_PER_BUCKET
            whole = Positions.concat(waiting)
            inside = whole.vehicle_ix < (bucket + 1) * VEHICLES_PER_BUCKET
            _write_bucket(folder, bucket, canonical(whole.take(inside)))
            waiting = [whole.take(~inside)]
            first = (bucket + 1) * VEHICLES_PER_BUCKET
            if not len(waiting[0]):
                break
    write_fleet(fleet, folder, FIRST, days)
    tables.write(folder)
    (folder / "made.json").write_text(json.dumps({"vehicles": vehicles, "days": days, "seed": seed}))


def run(folder: Path, days: int, kind: str, workers: int, *, watch: bool = False) -> dict[str, Any]:
    """Audit the month; the fleet is read before the clock starts, as a service holds it."""
    fleet = read_city(folder)
    names = {path.name for path in folder.glob("positions/day=*/part-*.parquet")}
    vehicles = np.array([*fleet.vehicles], dtype=np.int32)
    jobs = divided(vehicles, [int(name.split("-")[1]) for name in names], workers)
    _forget_peak()
    shares: list[int] = []
    begun = perf_counter()
    with _watched(shares) if watch else nullcontext(), set_aside():
        done = sum(_each(kind, workers, folder, days, jobs, fleet), Count())
    seconds = perf_counter() - begun
    peak = max(shares) if shares else _peak_kb()
    return {
        "seconds": seconds,
        "positions": done.positions,
        "trips": done.trips,
        "flags": done.flags,
        "driven_km": done.metres / 1000,
        "peak_mb": round(peak / 1024),
    }


def _forget_peak() -> None:
    """Let the peak of this process's memory begin anew: reading the fleet's files is not the audit's."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak_kb() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


@contextmanager
def _watched(shares_kb: list[int]) -> Iterator[None]:
    """Meanwhile note, again and again, the sum of the proportional shares of this process and its children."""
    over = Event()

    def watch() -> None:
        while not over.wait(WATCH_S):
            shares_kb.append(sum(_share_kb(pid) for pid in (os.getpid(), *(each.pid for each in active_children()))))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _share_kb(pid: int | None) -> int:
    """0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _each(kind: str, workers: int, folder: Path, days: int, jobs: list[Int32Array], fleet: Fleet) -> Iterator[Count]:
    global _fleet, _rules
    _fleet, _rules = fleet, load_catalogue(catalogue_path())
    names = [f"part-{int(wanted[0]) // VEHICLES_PER_BUCKET:05}-v1.parquet" for wanted in jobs]
    jobs_of = ([folder] * len(jobs), [days] * len(jobs), names, jobs)
    if workers == 1:
        yield from map(audit_bucket, *jobs_of)
        return
    with _pool(kind, workers) as pool:
        yield from pool.map(audit_bucket, *jobs_of)


def _pool(kind: str, workers: int) -> Executor:
    if kind == "processes":
        return ProcessPoolExecutor(workers, mp_context=get_context("fork"))
    return ThreadPoolExecutor(workers)


_fleet: Fleet | None = None
_rules: list[Rule] = []


def audit_bucket(folder: Path, days: int, name: str, wanted: Int32Array | None = None) -> Count:
    """One bucket's month, or that of some of its vehicles."""
    assert _fleet is not None
    paths = [f"positions/day={day_date(FIRST + day)}/{name}" for day in range(days)]
    there = tuple(path for path in paths if (folder / path).exists())
    done = Count()
    for measured in measure_job(_fleet, Job(Folder(folder), there, wanted, FIRST, FIRST + days - 1)):
        tables, context = measured.tables, _fleet.context(measured.vehicle_ids)
        evidence = weigh(Rows.of(tables, context), context, FIRST, FIRST + days - 1)
        flags = evaluate(_rules, {"trip": evidence.trips, "dark": evidence.dark, "night": evidence.nights})
        metres = float(tables.vehicle_days["distance_m"].sum())
        done += Count(measured.positions, len(tables.trips), len(flags), metres)
    return done


def _run_apart(way: str, options: argparse.Namespace, *more: str) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.month", "--way", way, "--folder", str(options.folder),
        "--vehicles", str(options.vehicles), "--days", str(options.days), "--seed", str(options.seed), *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very module
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _write_bucket(folder: Path, bucket: int, positions: Positions) -> None:
    ids = np.arange(positions.vehicle_ix.max() + 1, dtype=np.int32)  # vehicle_ix holds the ids already
    day = local_day(positions.fix_time)
    for each in np.unique(day).tolist():
        path = folder / "positions" / f"day={day_date(each)}" / f"part-{bucket:05}-v1.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_part(part_columns(positions.take(day == each), ids)))


if __name__ == "__main__":
    main()
