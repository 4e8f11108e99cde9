"""How the audit's cost grows: `python -m benchmarks.growth --json [--most MILLIONS] [--seed S] [--runs N]`.

With positions: a fleet of 1, 3, 10, … million is made and audited a million at a time, each size in a process of its own
whose peak of memory is told; making it is not counted. `exponent` is the slope of seconds over positions, both in
logarithms: 1 is linear; `positions_ratio` is the cost of a position in the largest fleet to that in the smallest. By
default the most are 10 million; `--most 100` takes minutes and no more memory.

With zones: the same million is audited with 10 to 5,000 zones of 30 to 300 m all over the city, every fourth a controlled
venue; `zones_ratio` is the whole audit's cost with the most to that with the fewest. `venues_ratio` is the same with every
zone a controlled venue where one of these cars rests: then what is found grows with the zones, and so must the cost.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from analytics.audit import audit_ordered
from analytics.context import FleetContext
from benchmarks.audit import FIRST_DAY, PER_DAY, drive, know
from benchmarks.zones import SOUTH_NORTH, WEST_EAST, small_zones
from geo.positions import Positions, canonical
from geo.zones import ZoneIndex

DAYS = 7
VEHICLES = 1_000_000 // (PER_DAY * DAYS) + 1
"""Cars of a piece: a million positions."""
ZONES = (10, 100, 1_000, 5_000)
KINDS = ("residential", "customer", "work_site", "hotel")
STEPS = (1, 3, 10, 30, 100)


def main() -> None:
    """Measure both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=10, choices=STEPS, help="millions of positions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        print(json.dumps(audit_pieces(options.size, options.seed)))
        return
    figures = with_positions([step for step in STEPS if step <= options.most], options.seed, options.runs)
    figures |= with_zones(options.seed, options.runs)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<36} {value:>14,}" for name, value in figures.items())
    )


def with_positions(sizes: list[int], seed: int, runs: int) -> dict[str, Any]:
    """Seconds, nanoseconds a position and memory for each size, and the slope through them."""
    figures: dict[str, Any] = {}
    counts, seconds = [], []
    for size in sizes:
        results = [_apart(size, seed) for _ in range(runs)]
        counts.append(results[0]["positions"])
        seconds.append(median(each["seconds"] for each in results))
        spread = max(each["seconds"] for each in results) - min(each["seconds"] for each in results)
        figures |= {
            f"{size}m_seconds": round(seconds[-1], 2),
            f"{size}m_spread_s": round(spread, 2),
            f"{size}m_ns_per_position": round(seconds[-1] / counts[-1] * 1e9, 1),
            f"{size}m_peak_rss_mb": round(max(each["peak_rss_mb"] for each in results)),
        }
    if len(sizes) > 1:
        each = np.array(seconds) / counts
        figures["positions_ratio"] = round(float(each[-1] / each[0]), 3)
        figures["exponent"] = round(float(np.polyfit(np.log(counts), np.log(seconds), 1)[0]), 3)
    return figures


def audit_pieces(millions: int, seed: int) -> dict[str, float]:
    """Audit so many million positions a piece after the other, with memory for one."""
    rng, context = np.random.default_rng(seed), know(VEHICLES, DAYS)
    _audit(piece(rng), context)  # compiled and warm
    done, seconds = 0, 0.0
    for _ in range(millions):
        positions = piece(rng)
        seconds += _audit(positions, context)
        done += len(positions)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"positions": done, "seconds": seconds, "peak_rss_mb": peak_mb}


def with_zones(seed: int, runs: int) -> dict[str, Any]:
    """Seconds of the same audit with few and with many zones, in one process and by turns."""
    rng = np.random.default_rng(seed)
    positions = piece(rng)
    resting = rng.permutation(np.flatnonzero(~(positions.speed_mps > 0)))[: ZONES[-1]]
    city = tuple(rng.integers(*span, ZONES[-1], dtype=np.int32) for span in (SOUTH_NORTH, WEST_EAST))
    context, figures = know(VEHICLES, DAYS), dict[str, Any]()
    for name, places, kinds in (
        ("zones", city, KINDS),
        ("venues", (positions.lat_e7[resting], positions.lon_e7[resting]), KINDS[-1:]),
    ):
        zones = [
            replace(zone, kind=kinds[number % len(kinds)])
            for number, zone in enumerate(small_zones(ZONES[-1], (places[0], places[1]), rng))
        ]
        contexts = {count: replace(context, zones=ZoneIndex(zones[:count])) for count in ZONES}
        for each in contexts.values():
            _audit(positions, each)
        seconds: dict[int, list[float]] = {count: [] for count in ZONES}
        for _ in range(runs):
            for count, each in contexts.items():
                seconds[count].append(_audit(positions, each))
        figures |= {f"{count}_{name}_seconds": round(median(seconds[count]), 3) for count in ZONES}
        figures[f"{name}_ratio"] = round(median(seconds[ZONES[-1]]) / median(seconds[ZONES[0]]), 2)
    return figures


def piece(rng: np.random.Generator) -> Positions:
    """A million positions, in canonical order."""
    return canonical(drive(VEHICLES, DAYS, rng))


def _audit(positions: Positions, context: FleetContext) -> float:
    begun = perf_counter()
    audit_ordered(positions, context, FIRST_DAY, FIRST_DAY + DAYS - 1)
    return perf_counter() - begun


def _apart(size: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", "--size", str(size), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very module
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
