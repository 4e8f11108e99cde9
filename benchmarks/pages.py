"""What a page costs when the database holds a city's month: a vehicle's day, lists and reports.

    python -m benchmarks.pages --json [--vehicles 8628] [--days 30] [--seed 1] [--folder DIR] [--url URL] [--home DIR]

The month is that of `benchmarks.month`, made there if it is not; its parts are the archive, so that nothing is sealed
again (`benchmarks.store` measures that). It is taken in by COPY, two days at a time, audited from the parts, and then the
pages are asked over loopback as an inspector and as the manager of one unit would ask them. `--url` names an empty
database on a server of one's own in place of the embedded one; `--home` keeps what was taken in for a further run. Times
are of the second and later asks of the same kind, in milliseconds: warm, but never twice the same vehicle.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from benchmarks import month
from benchmarks.city import read_city
from benchmarks.service import served
from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_date, day_start_us
from geo.positions import Positions, canonical
from gongche.auditing import audit_days
from gongche.home import Gongche, open_home
from gongche.importing import FLEET_FILES, import_fleet
from store.arrivals import move_latest
from store.copy import copy_in
from store.derived import summary
from store.fleet import load_units, load_vehicles
from store.forms import COLUMNS
from store.partitions import ensure_partitions
from store.parts import decode_part
from store.positions import ROW, read_track
from store.users import add_user, user_names
from web.app import create_app
from web.settings import WebSettings

BATCH = 50_000
ASKS = 60
PASSWORD = "benchmark-only"  # noqa: S105 - of a database that ends with the benchmark
DISTRICTS = Path(__file__).parents[1] / "fixtures" / "districts.geojson"


def main() -> None:
    """Take the month in where it is not there yet, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=8628)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gongche-month")
    parser.add_argument("--url", default="")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.folder / f"{options.vehicles}x{options.days}-seed{options.seed}"
    if not (folder / "made.json").exists():
        month.make(folder, options.vehicles, options.days, options.seed)
    home = options.home or Path(tempfile.mkdtemp(prefix="gongche-benchmark-"))
    if options.home is None:
        home.chmod(0o711)  # the server's own user must be able to pass
    try:
        given = {"database_url": options.url} if options.url else {}
        with open_home(home, archive_dir=folder, **given) as gongche:
            figures: dict[str, Any] = {"level": gongche.database.level}
            for stage in (take_in, tracks, audit, pages):
                figures |= stage(gongche, folder, options)
                print(figures, file=sys.stderr)  # what stands if the rest is cut off
    finally:
        if options.home is None:
            shutil.rmtree(home, ignore_errors=True)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(
            f"{name:<36} {value if isinstance(value, str) else f'{value:,}':>16}" for name, value in figures.items()
        )
    )


def take_in(gongche: Gongche, folder: Path, _options: argparse.Namespace) -> dict[str, Any]:
    """Fleet and positions, where there are none yet; the month's parts are the archive."""
    figures: dict[str, Any] = {}
    with gongche.database.connection() as conn:
        known = summary(conn)["vehicles"]
    if not known:
        for kind, name in FLEET_FILES.items():
            if (folder / name).is_file():
                import_fleet(gongche, kind, folder / name)
        begun = perf_counter()
        with ThreadPoolExecutor(2) as pool:
            rows = sum(pool.map(partial(_take_day, gongche, _numbers(gongche, folder)), _days(folder)))
        figures["taken_in_per_s"] = round(rows / (perf_counter() - begun))
        _take_parts(gongche, folder)
    with gongche.database.connection() as conn:
        row = conn.execute("SELECT count(*), pg_database_size(current_database()) FROM position").fetchone()
    assert row is not None
    return {**figures, "positions": row[0], "database_gb": round(row[1] / 1e9, 1)}


def tracks(gongche: Gongche, _folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A vehicle's day out of the database, each after the same day of its neighbour."""
    rng = np.random.default_rng(options.seed)
    return _spread("track_of_a_day", _tracks(gongche, _vehicles(gongche, rng), options.days, rng))


def audit(gongche: Gongche, _folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Trips, vehicle-days and flags of the month, where there are none yet."""
    figures: dict[str, Any] = {}
    with gongche.database.connection() as conn:
        known = summary(conn)["trips"]
    if not known:
        begun = perf_counter()
        audit_days(gongche, month.FIRST, month.FIRST + options.days - 1)
        figures["audit_and_store_s"] = round(perf_counter() - begun, 1)
        with gongche.database.alone() as conn:
            conn.execute("VACUUM (ANALYZE)")
    with gongche.database.connection() as conn:
        return {**figures, "trips": summary(conn)["trips"]}


def pages(gongche: Gongche, _folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Median and 95 % of each page, in milliseconds."""
    with gongche.database.connection() as conn:
        vehicles = _vehicles(gongche, np.random.default_rng(options.seed))
        trips = [
            trip
            for (trip,) in conn.execute(
                "SELECT trip_id FROM trip WHERE vehicle_id = ANY(%s) ORDER BY md5(trip_id) LIMIT %s",
                (vehicles[: 4 * ASKS], ASKS),
            ).fetchall()
        ]
        unit = max(load_units(conn), key=lambda each: each.code)
        if "inspector" not in user_names(conn):
            add_user(conn, "inspector", "inspector", PASSWORD)
            add_user(conn, "manager", "manager", PASSWORD, unit.unit_id)
    figures: dict[str, Any] = {}
    first, last = day_date(month.FIRST), day_date(month.FIRST + options.days - 1)
    span = f"from_day={first}&to_day={last}"
    with served(create_app(WebSettings(districts_path=DISTRICTS), gongche.database)) as address:
        inspector, manager = _signed_in(address, "inspector"), _signed_in(address, "manager")
        for name, client, paths in (
            ("overview", inspector, ["/"] * 10),
            ("vehicles", inspector, [f"/vehicles?page={page}" for page in range(1, 21)]),
            ("vehicle", inspector, [f"/vehicles/{each}?{span}" for each in vehicles[:ASKS]]),
            ("trip", inspector, [f"/trips/{each}" for each in trips]),
            ("track_for_the_map", inspector, [f"/api/trips/{each}/track" for each in trips]),
            ("flags", inspector, [f"/flags?{span}&page={page}" for page in range(1, 21)]),
            ("month_report_city", inspector, [f"/savings?from_month={last:%Y-%m}&to_month={last:%Y-%m}"] * 8),
            ("month_report_unit", manager, [f"/savings?from_month={last:%Y-%m}&to_month={last:%Y-%m}"] * 8),
            ("terminals", inspector, ["/terminals"] * 10),
        ):
            figures |= _spread(name, _pages(client, paths))
    return figures


def _vehicles(gongche: Gongche, rng: np.random.Generator) -> list[int]:
    with gongche.database.connection() as conn:
        ids = [each.vehicle_id for each in load_vehicles(conn)]
    mixed: list[int] = rng.permutation(ids).tolist()
    return mixed


def _days(folder: Path) -> list[Path]:
    return sorted(folder.glob("positions/day=*"))


def _numbers(gongche: Gongche, folder: Path) -> Int32Array:
    """vehicle_id of each number in the month's parts, which is the same: the parts are to be found by it."""
    fleet = read_city(folder)
    with gongche.database.connection() as conn:
        id_of = {vehicle.code: vehicle.vehicle_id for vehicle in load_vehicles(conn)}
    if any(id_of[vehicle.code] != number for number, vehicle in fleet.vehicles.items()):
        raise RuntimeError("expected a database in which these vehicles are the first")
    return np.arange(len(id_of) + 1, dtype=np.int32)


def _take_parts(gongche: Gongche, folder: Path) -> None:
    """Tell the database that the month's parts are the archive; vehicles have the numbers that the parts have."""
    with gongche.database.connection() as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, 1, 1, 1, %s)",
            [
                (part.parent.name.removeprefix("day="), int(part.name[5:10]), part.relative_to(folder).as_posix())
                for part in sorted(folder.glob("positions/day=*/part-*.parquet"))
            ],
        )
        cursor.execute("DELETE FROM open_day")


def _take_day(gongche: Gongche, ids: Int32Array, day: Path) -> int:
    """A day's positions by COPY alone, one for each fix time; the newest places by the store's own function."""
    read = [decode_part(path.read_bytes(), path.name) for path in sorted(day.glob("part-*.parquet"))]
    columns = {name: np.concatenate([part[name] for part in read]) for name in COLUMNS}
    numbers = columns.pop("vehicle_id")
    batch = canonical(Positions.from_columns(len(numbers), vehicle_ix=numbers, **columns))
    once = np.append(True, (np.diff(batch.vehicle_ix) != 0) | (np.diff(batch.fix_time) != 0))
    batch = batch.take(once)
    batch = batch.take(np.argsort(batch.received_at, kind="stable"))
    for start in range(0, len(batch), BATCH):
        piece = canonical(batch.take(slice(start, start + BATCH)))
        rows = {name: getattr(piece, name) for name in ROW if name not in {"vehicle_id", "status"}}
        rows |= {"vehicle_id": ids[piece.vehicle_ix], "status": piece.status.astype(np.int32)}
        with gongche.database.connection() as conn:
            ensure_partitions(conn, piece.fix_time, piece.received_at)
            copy_in(conn, "position", ROW, rows)
            move_latest(conn, piece, ids[piece.vehicle_ix])
    return len(batch)


def _tracks(gongche: Gongche, vehicles: list[int], days: int, rng: np.random.Generator) -> Iterator[float]:
    """Seconds to read a vehicle's day out of the database, after the same day of its neighbour was read."""
    with gongche.database.connection() as conn:
        for vehicle in vehicles[: 5 * ASKS]:
            start = day_start_us(month.FIRST + int(rng.integers(days)))
            end = start + 86_400 * SECOND_US
            read_track(conn, vehicle + 1, start, end)
            begun = perf_counter()
            read_track(conn, vehicle, start, end)
            yield perf_counter() - begun


def _pages(client: httpx.Client, paths: list[str]) -> Iterator[float]:
    for path in paths:
        begun = perf_counter()
        answer = client.get(path)
        seconds = perf_counter() - begun
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: expected 200, got {answer.status_code}")
        yield seconds


def _spread(name: str, seconds: Iterator[float]) -> dict[str, float]:
    warm = list(seconds)[1:]
    return {
        f"{name}_ms": round(1000 * float(np.median(warm)), 1),
        f"{name}_p95_ms": round(1000 * float(np.quantile(warm, 0.95)), 1),
    }


def _signed_in(address: str, name: str) -> httpx.Client:
    client = httpx.Client(base_url=address, timeout=120)
    answer = client.post("/sign-in", data={"name": name, "password": PASSWORD}, headers={"origin": address})
    if answer.status_code != 303:
        raise RuntimeError(f"sign-in of {name}: expected 303, got {answer.status_code}")
    return client


if __name__ == "__main__":
    main()
