"""How fast positions go into the database, from there into the sealed archive, and out again.

    python -m benchmarks.store --json [--rows N] [--seed S] [--degraded]

An embedded server in a temporary folder, one connection, fsync on; positions of the simulated fleet over a week, in
order of receipt. Archive and database bytes are on disk, the database's with its index. The memory is this process's,
without the server.
"""

import argparse
import json
import resource
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.city import reported
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks
from geo.arrays import Int32Array
from geo.localtime import day_number
from geo.positions import Positions
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.fleet import ensure_vehicle
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres

BATCH = 50_000
DAYS = 7
AFTER_ALL = 2_000_000
"""A local day after every fix, also those of wrong clocks."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    batch = simulated(options.rows, options.seed, degraded=options.degraded)
    home = Path(tempfile.mkdtemp(prefix="gongche-benchmark-"))
    home.chmod(0o711)  # the server's own user must be able to pass
    try:
        with EmbeddedPostgres(home) as server, Database.open(server.conninfo, pool_size=2) as database:
            figures = measure(database, Archive(Folder(home / "archive")), batch)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<28} {value:>14,}" for name, value in figures.items())
    )


def measure(database: Database, archive: Archive, batch: Positions) -> dict[str, float]:
    """Merge, merge again, seal, read; a day of the archive at a time, as the audit reads it."""
    vehicles = int(batch.vehicle_ix.max()) + 1
    with database.connection() as conn:
        ids = np.array([ensure_vehicle(conn, f"V{number:05}") for number in range(vehicles)], dtype=np.int32)
    rows = len(batch)
    accepted, merging_s = merge(database, batch, ids)
    known, repeating_s = merge(database, batch, ids)
    if known:
        raise RuntimeError(f"expected no row of the second merge to be new, got {known}")
    with database.connection() as conn:
        size = conn.execute("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits").fetchone()
    assert size is not None
    begun = perf_counter()
    sealed = archive.seal(database, AFTER_ALL)
    sealing_s = perf_counter() - begun
    begun = perf_counter()
    read = 0
    with database.connection() as conn:
        first = day_number(FIRST_DAY)
        for bucket in archive.buckets(conn, first, first + DAYS):
            read += sum(len(archive.read(conn, day, day, bucket)[0]) for day in range(first, first + DAYS + 1))
    reading_s = perf_counter() - begun
    archived = sum(
        len(archive.files.get(path)) for path in archive.files.paths("positions") if path.endswith(".parquet")
    )
    return {
        "rows": rows,
        "vehicles": vehicles,
        "accepted": accepted,
        "sealed": sealed.rows,
        "merge_per_s": round(rows / merging_s),
        "duplicate_per_s": round(rows / repeating_s),
        "seal_per_s": round(sealed.rows / sealing_s),
        "archive_read_per_s": round(read / reading_s),
        "archive_bytes_per_position": round(archived / sealed.rows, 2),
        "database_bytes_per_position": round(float(size[0]) / accepted, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def merge(database: Database, batch: Positions, ids: Int32Array) -> tuple[int, float]:
    """Rows that were new and seconds it took, a transaction for every BATCH rows."""
    accepted = 0
    begun = perf_counter()
    for start in range(0, len(batch), BATCH):
        with database.connection() as conn:
            accepted += merge_positions(conn, batch.take(slice(start, start + BATCH)), ids).accepted
    return accepted, perf_counter() - begun


def simulated(rows: int, seed: int, *, degraded: bool) -> Positions:
    """The first so many positions of a simulated fleet's week, in order of receipt."""
    vehicles = rows // 3_500 + 1  # a vehicle reports more than this in a week
    made = list(chunks(make_fleet(vehicles, seed), day_number(FIRST_DAY), DAYS, seed, degraded=degraded))
    columns = {name: np.concatenate([chunk.columns[name] for chunk in made]) for name in made[0].columns}
    order = np.lexsort((columns["fix_time"], columns["vehicle"], columns["received_at"]))[:rows]
    columns = {name: column[order] for name, column in columns.items()}
    return reported(columns)


if __name__ == "__main__":
    main()
