"""How fast positions go into the database, from there into the sealed archive, and out again.

    python -m benchmarks.store --json [--rows N] [--vehicles V] [--seed S] [--degraded] [--url URL]

An embedded server in a temporary folder, or the one that `--url` names, in a database of its own that is dropped again;
fsync on, one connection where the name of a figure does not say two. Positions of the simulated fleet at the resolution
of JT/T 808, in order of receipt: whole seconds, 10⁻⁶ degrees, 0.1 km/h, whole degrees, 0.1 km, receipt to the
millisecond. Archive and database bytes are on disk, the database's with its index, and once more after compression where
the server can. The memory is this process's, without the server.
"""

import argparse
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
import psycopg
from psycopg import sql

from benchmarks.city import as_sent, reported
from fixtures.fleet import make_fleet
from fixtures.simulate import FIRST_DAY, chunks
from geo.arrays import Int32Array, Int64Array
from geo.localtime import day_number
from geo.positions import Positions
from store.archive import Archive
from store.copy import copy_in
from store.database import Database
from store.depot import Folder
from store.fleet import ensure_vehicle
from store.manifest import sha256
from store.partitions import ensure_partitions
from store.parts import columns_sha256, encode_part, part_columns
from store.position_row import ROW
from store.positions import merge_positions
from store.postgres import EmbeddedPostgres
from store.reading import ALL, NEEDED, read_batches
from store.status import status
from store.upkeep import compress

BATCH = 50_000
DAYS = 7
RUNS = 3
AFTER_ALL = 2_000_000
"""A local day after every fix, also those of wrong clocks."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--vehicles", type=int, default=0, help="0: as many as report so much in a week")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--url", default="", help="a server of one's own; its role may create databases")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    batch = simulated(options.rows, options.seed, options.vehicles, degraded=options.degraded)
    home = Path(tempfile.mkdtemp(prefix="gongche-benchmark-"))
    home.chmod(0o711)  # the server's own user must be able to pass
    try:
        with (
            _server(options.url, home) as conninfo,
            Database.open(conninfo, pool_size=2) as database,
        ):
            archive = Archive(Folder(home / "archive"))
            figures = {"level": database.level, **measure(database, archive, batch)}
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(
            f"{name:<36} {value if isinstance(value, str) else f'{value:,}':>14}" for name, value in figures.items()
        )
    )


def measure(database: Database, archive: Archive, batch: Positions) -> dict[str, float]:
    """COPY alone, merge, merge again, seal, read as audits do, the best of RUNS; the first read is not counted."""
    vehicles = int(batch.vehicle_ix.max()) + 1
    with database.connection() as conn:
        ids = np.array([ensure_vehicle(conn, f"V{number:05}") for number in range(vehicles)], dtype=np.int32)
    rows = len(batch)
    copying_s = copy(database, batch, ids)
    copying_by_two_s = copy(database, batch, ids, connections=2)
    accepted, merging_s = merge(database, batch, ids)
    known, repeating_s = merge(database, batch, ids)
    if known:
        raise RuntimeError(f"expected no row of the second merge to be new, got {known}")
    with database.connection() as conn:
        size = status(conn)["position_bytes"]
    begun = perf_counter()
    sealed = archive.seal(database, AFTER_ALL)
    sealing_s = perf_counter() - begun
    first = day_number(FIRST_DAY)
    days = range(first, first + DAYS + 1)
    with database.connection() as conn:
        buckets = archive.buckets(conn, first, days[-1])
        paths = {bucket: archive.parts(conn, first, days[-1], bucket) for bucket in buckets}
        read = [archive.read(conn, day, day, bucket) for bucket in buckets for day in days]
    reading_s = min(_seconds(lambda: _read_all(archive, paths, ALL)) for _ in range(RUNS))
    audits_s = min(_seconds(lambda: _read_all(archive, paths, NEEDED)) for _ in range(RUNS))
    there = sum(len(positions) for positions, _ in read)
    begun = perf_counter()
    for number, (positions, numbers) in enumerate(read):
        columns = part_columns(positions, numbers)
        columns_sha256(columns)
        data = encode_part(columns)
        sha256(data)
        archive.files.put(f"again/{number}.parquet", data)
    writing_s = perf_counter() - begun
    archived = sum(
        len(archive.files.get(path)) for path in archive.files.paths("positions") if path.endswith(".parquet")
    )
    begun = perf_counter()
    chunks_compressed = compress(database, first + 10_000, 7)
    compressing_s = perf_counter() - begun
    with database.connection() as conn:
        compressed = status(conn).get("compressed_bytes_per_position") if chunks_compressed else None
    return {
        "rows": rows,
        "vehicles": vehicles,
        "accepted": accepted,
        "sealed": sealed.rows,
        "copy_per_s": round(rows / copying_s),
        "copy_by_2_connections_per_s": round(rows / copying_by_two_s),
        "merge_per_s": round(rows / merging_s),
        "duplicate_per_s": round(rows / repeating_s),
        "seal_from_database_per_s": round(sealed.rows / sealing_s),
        "seal_encode_hash_write_per_s": round(there / writing_s),
        "archive_read_per_s": round(there / reading_s),
        "archive_read_for_audits_per_s": round(there / audits_s),
        "archive_bytes_per_position": round(archived / sealed.rows, 2),
        "database_bytes_per_position": round(float(size) / accepted, 1),
        **(
            {"compressed_bytes_per_position": compressed, "compress_per_s": round(accepted / compressing_s)}
            if compressed
            else {}
        ),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _read_all(archive: Archive, paths: dict[int, list[str]], columns: tuple[str, ...]) -> None:
    for of_bucket in paths.values():
        for _ in read_batches(archive.files, of_bucket, columns=columns):
            pass


def _seconds(work: Callable[[], None]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def copy(database: Database, batch: Positions, ids: Int32Array, *, connections: int = 1) -> float:
    """Seconds of COPY alone into `position` with its index, a transaction for every BATCH rows; the table is empty after.

    Of several connections each takes the vehicles that fall to it, as loads of history can be divided.
    """
    columns = {name: getattr(batch, name) for name in ROW if name not in {"vehicle_id", "status"}}
    columns |= {"vehicle_id": ids[batch.vehicle_ix], "status": batch.status.astype(np.int32)}
    keys = np.stack((columns["vehicle_id"].astype(np.int64), columns["fix_time"]))
    _, once = np.unique(keys, axis=1, return_index=True)
    once.sort()
    with database.connection() as conn:
        ensure_partitions(conn, batch.fix_time, batch.received_at)

    def load(mine: Int64Array) -> None:
        for start in range(0, len(mine), BATCH):
            rows = mine[start : start + BATCH]
            rows = rows[np.lexsort((columns["fix_time"][rows], columns["vehicle_id"][rows]))]
            with database.connection() as conn:
                copy_in(conn, "position", ROW, {name: column[rows] for name, column in columns.items()})

    shares = [once[columns["vehicle_id"][once] % connections == number] for number in range(connections)]
    begun = perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(load, shares))
    seconds = perf_counter() - begun
    with database.connection() as conn:
        conn.execute("TRUNCATE position")
    return seconds * len(batch) / len(once)


def merge(database: Database, batch: Positions, ids: Int32Array) -> tuple[int, float]:
    """Rows that were new and seconds it took, a transaction for every BATCH rows."""
    accepted = 0
    begun = perf_counter()
    for start in range(0, len(batch), BATCH):
        with database.connection() as conn:
            accepted += merge_positions(conn, batch.take(slice(start, start + BATCH)), ids).accepted
    return accepted, perf_counter() - begun


def simulated(rows: int, seed: int, vehicles: int = 0, *, degraded: bool) -> Positions:
    """The first so many positions of a simulated fleet's week, in order of receipt, as terminals and receivers resolve them."""
    vehicles = vehicles or rows // 3_500 + 1  # a vehicle reports more than this in a week
    made = list(chunks(make_fleet(vehicles, seed), day_number(FIRST_DAY), DAYS, seed, degraded=degraded))
    columns = {name: np.concatenate([chunk.columns[name] for chunk in made]) for name in made[0].columns}
    order = np.lexsort((columns["fix_time"], columns["vehicle"], columns["received_at"]))[:rows]
    columns = {name: column[order] for name, column in columns.items()}
    return as_sent(reported(columns))


@contextmanager
def _server(url: str, home: Path) -> Iterator[str]:
    if not url:
        with EmbeddedPostgres(home) as server:
            yield server.conninfo
        return
    name = sql.Identifier(f"gongche_benchmark_{os.getpid()}")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield psycopg.conninfo.make_conninfo(url, dbname=f"gongche_benchmark_{os.getpid()}")
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


if __name__ == "__main__":
    main()
