"""How fast the simulator makes positions, and how much memory it takes.

    python -m benchmarks.simulate --json [--vehicles N] [--days D] [--seed S]

`positions_per_s` is the generation of all columns in memory on one core; `written_positions_per_s` the whole of
`gongche simulate`, with ordering by receipt, the truth, and all files.
"""

import argparse
import json
import resource
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks, simulate
from geo.localtime import day_number


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=512)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fleet = make_fleet(options.vehicles, options.seed)
    begun = perf_counter()
    made = chunks(fleet, day_number(FIRST_DAY), options.days, options.seed, degraded=options.degraded)
    positions = sum(len(chunk.columns["vehicle"]) for chunk in made)
    generating_s = perf_counter() - begun
    with TemporaryDirectory() as folder:
        begun = perf_counter()
        simulate(
            Path(folder),
            vehicles=options.vehicles,
            days=options.days,
            seed=options.seed,
            degraded=options.degraded,
        )
        writing_s = perf_counter() - begun
    figures = {
        "vehicles": options.vehicles,
        "days": options.days,
        "seed": options.seed,
        "positions": positions,
        "positions_per_s": round(positions / generating_s),
        "written_positions_per_s": round(positions / writing_s),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<26} {value:>14,}" for name, value in figures.items())
    )


if __name__ == "__main__":
    main()
