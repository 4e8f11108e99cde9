"""What a page costs when the database holds a city's month: a vehicle's day, lists and reports.

    python -m benchmarks.pages --json [--vehicles 8628] [--days 30] [--seed 1] [--folder DIR] [--url URL] [--home DIR]

The month is that of `benchmarks.month`, made there if it is not; its parts are the archive, so that nothing is sealed
again (`benchmarks.store` measures that). It is taken in by COPY, two days at a time, audited from the parts, and then the
pages are asked over loopback as an inspector, the manager of one unit and the one over all units, an auditor and an
administrator would ask them.
`--url` names an empty database on a server of one's own in place of the embedded one; `--home` keeps what was taken in
for a further run. Times are of the second and later asks of the same kind, in milliseconds: warm, but never twice the
same vehicle.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter, time_ns
from typing import Any

import httpx
import numpy as np

from benchmarks import month
from benchmarks.city import read_city
from benchmarks.pages_routes import ask, forgotten, paths, statements, summed
from benchmarks.pages_rows import PASSWORD, add_people, fill
from benchmarks.service import served
from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_date, day_start_us
from geo.positions import Positions, canonical
from gongche.auditing import audit_days
from gongche.home import Gongche, open_home
from gongche.importing import FLEET_FILES, import_fleet
from rules.notices import KINDS
from store.arrivals import move_latest
from store.copy import copy_in
from store.derived import summary
from store.fleet import load_units, load_vehicles
from store.forms import COLUMNS
from store.notices import new_steps
from store.partitions import ensure_partitions
from store.parts import decode_part
from store.position_row import ROW
from store.positions import read_track
from store.rollups import refresh
from store.users import user_names
from store.views import live_since
from web.app import create_app
from web.live import COMMIT_LAG
from web.settings import WebSettings

BATCH = 50_000
TRACKS = 300
WHO = ("inspector", "manager", "head", "auditor", "admin")
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
    parser.add_argument("--positions", type=int, default=0, help="positions of so many last days alone; 0: of all")
    parser.add_argument("--only", default="", help="pages whose line holds this text")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = month.place(options)
    if not (folder / "made.json").exists():
        month.make(folder, options.vehicles, options.days, options.seed)
    home = options.home or Path(tempfile.mkdtemp(prefix="gongche-benchmark-"))
    if options.home is None:
        home.chmod(0o711)  # the server's own user must be able to pass
    try:
        given = {"database_url": options.url} if options.url else {}
        with open_home(home, archive_dir=folder, **given) as gongche:
            figures: dict[str, Any] = {"level": gongche.database.level}
            for stage in (take_in, tracks, audit, people, pages, polls):
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


def take_in(gongche: Gongche, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
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
            rows = sum(pool.map(partial(_take_day, gongche, _numbers(gongche, folder)), _days(folder, options)))
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


def people(gongche: Gongche, _folder: Path, _options: argparse.Namespace) -> dict[str, Any]:
    """What people left in the database, where there is none of it yet."""
    with gongche.database.connection() as conn:
        units = load_units(conn)
        add_people(
            conn,
            max(units, key=lambda each: each.code).unit_id,
            next(each.unit_id for each in units if not each.parent),
            user_names(conn),
        )
    with gongche.database.alone() as conn:
        filled = fill(conn)
        conn.execute("UPDATE latest SET received_at = now() - random() * interval '60 seconds'")
    refresh(gongche.database, time_ns() // 1000)
    return {"rows": filled} if filled else {}


def pages(gongche: Gongche, _folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Each route by who asks: milliseconds, statements, the slowest of them."""
    first, last = day_date(month.FIRST), day_date(month.FIRST + options.days - 1)
    with gongche.database.connection() as conn:
        asked = paths(conn, first, last, _vehicles(gongche, np.random.default_rng(options.seed)))
    app = create_app(WebSettings(districts_path=DISTRICTS), gongche.database, archive=gongche.archive)
    left = forgotten(app, asked)
    if left:
        raise RuntimeError(f"routes that nobody asks: {', '.join(left)}")
    figures: dict[str, Any] = {}
    with served(app) as address, statements() as told:
        for who in WHO:
            client = _signed_in(address, who)
            for name, addresses in asked.items():
                if options.only in f"{who} {name}" and (found := ask(client, addresses, told)):
                    figures[f"{who} {name}"] = summed(found)
                    print(f"{who} {name}", figures[f"{who} {name}"], file=sys.stderr)
    return {"pages": figures}


def polls(gongche: Gongche, _folder: Path, _options: argparse.Namespace) -> dict[str, Any]:
    """What is asked again and again: the live map each second, news of steps every ten seconds."""
    with gongche.database.connection() as conn:
        row = conn.execute("SELECT max(received_at) FROM latest").fetchone()
    if row is None or row[0] is None:
        raise RuntimeError("latest: expected a place, got none")
    newest: datetime = row[0]

    def times(what: Callable[[], object]) -> Iterator[float]:
        for _ in range(20):
            begun = perf_counter()
            what()
            yield perf_counter() - begun

    def poll(since: datetime | None) -> object:
        with gongche.database.connection() as conn:
            return live_since(conn, since)

    def news() -> object:
        with gongche.database.connection() as conn:
            return new_steps(conn, tuple(KINDS))

    return (
        _spread("live_poll", times(lambda: poll(newest - COMMIT_LAG)))
        | _spread("live_all", times(lambda: poll(None)))
        | _spread("new_steps", times(news))
    )


def _vehicles(gongche: Gongche, rng: np.random.Generator) -> list[int]:
    with gongche.database.connection() as conn:
        ids = [each.vehicle_id for each in load_vehicles(conn)]
    mixed: list[int] = rng.permutation(ids).tolist()
    return mixed


def _days(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Folders of positions, by day; of the last days alone where these are asked for."""
    if not options.positions:
        return sorted(folder.glob("positions/day=*"))
    last = month.FIRST + options.days
    return [folder / f"positions/day={day_date(day)}" for day in range(last - options.positions, last)]


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
        for vehicle in vehicles[:TRACKS]:
            start = day_start_us(month.FIRST + int(rng.integers(days)))
            end = start + 86_400 * SECOND_US
            read_track(conn, vehicle + 1, start, end)
            begun = perf_counter()
            read_track(conn, vehicle, start, end)
            yield perf_counter() - begun


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
