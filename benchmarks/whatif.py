"""What a what-if costs: `python -m benchmarks.whatif --json [--vehicles 600] [--days 5] [--seed 1] [--home DIR]`.

Trips with every feature a rule may name are put into a database of its own as an audit puts them, seven a vehicle and day,
with the flags that a rule of the catalogue raises on them. Then the files of features are made, and that rule is tried with
a lower and a higher threshold: cold (in a process of its own, the files not in the page cache where that can be asked for)
and warm. A city's month is --vehicles 8628 --days 30. `--home` keeps what was made for a further run, files too.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.naming import trip_ids
from analytics.vocabulary import TRIP_FEATURES
from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_number, day_start_us
from gongche.home import Gongche, open_home
from gongche.whatif import feature_files, trials
from rules import catalogue_path
from rules.condition import Test
from rules.evaluate import evaluate
from rules.load import Rule, load_catalogue
from rules.subjects import TEXT_FEATURES
from store.derived import STOP_COLUMNS, VEHICLE_DAY_COLUMNS, raise_flags, replace_derived
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.rule_versions import RuleText, remember_rules

FIRST_DAY = day_number(date(2026, 3, 2))
RULE = "off-hours-no-order"
TRIPS_A_DAY = 7
UNITS = 40
TRIED = {"lower": 0.5, "higher": 2.0}
"""Factors of the rule's first threshold."""
WARM_RUNS = 5
KINDS = ("", "base", "golf_course", "residential", "restaurant", "school", "work_site")


def main() -> None:
    """Make the rows where they are not there yet, make the files, try the rule, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=600)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path)
    parser.add_argument(
        "--try-only", action="store_true", help="try the rule once in a home that is there; for ourselves"
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.try_only:
        with open_home(asked.home) as gongche:
            print(json.dumps(tried(gongche, asked.days, 1)))
        return
    home = asked.home or Path(tempfile.mkdtemp(prefix="gongche-benchmark-"))
    if asked.home is None:
        home.chmod(0o711)  # the server's own user must be able to pass
    try:
        with open_home(home) as gongche:
            facts = {"vehicles": asked.vehicles, "days": asked.days, **made(gongche, asked)}
            if asked.home is None or not (home / "features").exists():
                facts |= files_made(gongche, asked.days)
            facts |= {f"cold_{name}": value for name, value in cold(gongche, asked.days).items()}
            facts |= {f"warm_{name}": value for name, value in tried(gongche, asked.days, WARM_RUNS).items()}
    finally:
        if asked.home is None:
            shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def made(gongche: Gongche, asked: argparse.Namespace) -> dict[str, Any]:
    """Vehicles, trips and flags in the database."""
    with gongche.database.connection() as conn:
        ready = conn.execute("SELECT count(*) FROM trip").fetchone()
    assert ready is not None
    began = time.perf_counter()
    if not ready[0]:
        rng = np.random.default_rng(asked.seed)
        rule = the_rule()
        with gongche.database.connection() as conn:
            ids = _register(conn, asked.vehicles)
            remember_rules(conn, [RuleText(rule.rule_id, rule.version, rule.text)])
        for day in range(FIRST_DAY, FIRST_DAY + asked.days):
            table = trips(ids, day, rng)
            flags = evaluate([rule], {"trip": table}).assign(vehicle_id=lambda found: ids[found["vehicle_ix"]])
            with gongche.database.connection() as conn:
                nothing = (pd.DataFrame(columns=list(names)) for names in (STOP_COLUMNS, VEHICLE_DAY_COLUMNS))
                stops, days = nothing
                replace_derived(conn, ids, day, day, trips=table, stops=stops, vehicle_days=days)
                raise_flags(conn, ids, day, day, flags)
    with gongche.database.connection() as conn:
        counts = conn.execute("SELECT (SELECT count(*) FROM trip), (SELECT count(*) FROM flag)").fetchone()
    assert counts is not None
    return {"trips": counts[0], "flags": counts[1], "rows_s": round(time.perf_counter() - began, 1)}


def files_made(gongche: Gongche, days: int) -> dict[str, Any]:
    """How long the files take from nothing, and their size."""
    shutil.rmtree(gongche.home / "features", ignore_errors=True)
    files = feature_files(gongche.home)
    began = time.perf_counter()
    with gongche.database.connection() as conn:
        files.open(conn, "trip", FIRST_DAY, FIRST_DAY + days - 1)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in (gongche.home / "features").rglob("*.parquet"))
    return {"files_s": round(seconds, 1), "files_mb": round(size / 1e6, 1)}


def cold(gongche: Gongche, days: int) -> dict[str, Any]:
    """A first what-if in a process of its own, with its peak of resident memory."""
    for path in (gongche.home / "features").rglob("*.parquet"):
        with suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [
        sys.executable,
        "-m",
        "benchmarks.whatif",
        "--try-only",
        "--home",
        str(gongche.home),
        "--days",
        str(days),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very program
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tried(gongche: Gongche, days: int, runs: int) -> dict[str, Any]:
    """Seconds of the rule with each threshold, the median of some runs, and what they found.

    cpu: of this process on all cores, which other work on the machine does not stretch.
    """
    facts: dict[str, Any] = {}
    for name, factor in TRIED.items():
        rule = the_rule()
        first, *rest = rule.tests
        assert isinstance(first.threshold, int | float)
        rule = replace(rule, tests=(Test(first.feature, first.operator, first.threshold * factor), *rest))
        seconds, of_cpu = [], []
        for _ in range(runs):
            began, cpu = time.perf_counter(), time.process_time()
            found = trials(gongche).try_rule(rule, FIRST_DAY, FIRST_DAY + days - 1)
            seconds.append(time.perf_counter() - began)
            of_cpu.append(time.process_time() - cpu)
        facts |= {
            f"{name}_s": round(float(np.median(seconds)), 3),
            f"{name}_cpu_s": round(float(np.median(of_cpu)), 3),
            f"{name}_slowest_s": round(max(seconds), 3),
            **{f"{name}_{change}": found.count(change) for change in ("appear", "disappear", "stay")},
        }
    return facts | {"peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def the_rule() -> Rule:
    """The rule of the catalogue that is tried."""
    return next(rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == RULE)


def trips(ids: Int32Array, day: int, rng: np.random.Generator) -> pd.DataFrame:
    """Trips of one day with all features: shares, metres and seconds drawn, most texts empty, a third under an order."""
    n = len(ids) * TRIPS_A_DAY
    start = day_start_us(day) + (np.arange(n) % TRIPS_A_DAY) * 9000 * SECOND_US + rng.integers(0, 3000, n) * SECOND_US
    seconds = rng.integers(300, 5400, n)
    vehicle_ix = np.repeat(np.arange(len(ids), dtype=np.int32), TRIPS_A_DAY)
    drawn = {
        name: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, {"m": 4000.0, "s": 900.0}.get(unit, 0.3), n).round(3))
        for name, (unit, _) in TRIP_FEATURES.items()
        if name not in TEXT_FEATURES
    }
    ordered = rng.random(n) < 0.9
    columns = {
        **drawn,
        "trip_id": trip_ids(ids[vehicle_ix], start),
        "vehicle_ix": vehicle_ix,
        "vehicle_id": ids[vehicle_ix],
        "day": np.full(n, day, dtype=np.int32),
        "start_time": start,
        "end_time": start + seconds * SECOND_US,
        "duration_s": seconds.astype(float),
        **{name: np.full(n, 23.1) for name in ("start_lat", "end_lat")},
        **{name: np.full(n, 113.3) for name in ("start_lon", "end_lon")},
        **dict.fromkeys(("distance_low_m", "distance_high_m", "gps_m"), drawn["distance_m"]),
        "off_hours_s": np.where(rng.random(n) < 0.7, 0.0, seconds * rng.random(n)),
        "dispatch_order": [f"D-{day}-{row}" if with_order else None for row, with_order in enumerate(ordered.tolist())],
        "driver_card": [f"C{number}" for number in rng.integers(0, 5000, n).tolist()],
        **{name: rng.choice(KINDS, n) for name in ("origin_kind", "destination_kind", "venue_kind")},
        **dict.fromkeys(("origin_place", "destination_place", "cleared"), ""),
        "vehicle_class": "ordinary",
    }
    return pd.DataFrame(columns)


def _register(conn: Connection[Any], vehicles: int) -> Int32Array:
    upsert_units(conn, [Unit(f"U{number}", f"单位{number}") for number in range(UNITS)])
    upsert_vehicles(
        conn, [Vehicle(f"V{number}", f"粤A{number:05}", f"U{number % UNITS}") for number in range(vehicles)]
    )
    return np.array(sorted(each.vehicle_id for each in load_vehicles(conn)), dtype=np.int32)


if __name__ == "__main__":
    main()
