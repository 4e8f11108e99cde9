"""How right the core is: a simulated fleet audited and held against its truth.

    python -m benchmarks.accuracy --json [--seed S] [--degraded] [--vehicles N] [--days D] [--interval S]
    python -m benchmarks.accuracy --plots docs [--seed S] [--vehicles N] [--days D]

trip_f1                   trips found and true ones count as one where their common time is 80 % of their joined time
start_error, end_error    of these pairs, seconds
month_km_error            of each vehicle's kilometres over all days, per cent; absolute
interval_coverage_pct     vehicles whose true kilometres lie in the interval stated for them
parked_km_per_day         kilometres found on a day on which the vehicle never drove, mean; and trips found on such days
false_zone_exits          trips found outside the permitted area though no exact place of theirs is, per vehicle and year
misuse_recall             injected cases of misuse (a vehicle, a kind, a local day) that a yellow or red flag tells of
red_precision             trips and silences with a red flag that are misuse
reviews_per_inspector_day vehicle-days with yellow or red flags, for 8,628 vehicles, three inspectors and working days of
                          five in seven: repeats of one day are one review
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.months import with_common
from benchmarks.city import judge, read_city, read_reported, reported
from benchmarks.figures import draw_shares
from fixtures.fleet import make_fleet
from fixtures.schedule import MISUSE
from fixtures.simulate import FIRST_DAY, chunks, simulate
from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.localtime import SECOND_US, day_number, local_day
from geo.positions import Positions, canonical
from gongche.fleet import Fleet

CITY_VEHICLES, INSPECTORS = 8628, 3
OVERLAP = 0.8


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulated fleet did; vehicle_id, and times in µs UTC."""

    trips: pd.DataFrame
    vehicle_days: pd.DataFrame


def main() -> None:
    """Simulate, audit, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--vehicles", type=int, default=1000)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--interval", type=int, default=10, help="seconds between reports while driving")
    parser.add_argument("--misuse-share", type=float, default=0.01)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plots", type=Path, help="draw the errors of this seed, clean and degraded, into a folder")
    options = parser.parse_args()
    if options.plots:
        draw(options.plots, options.vehicles, options.days, options.seed)
        return
    figures = measure(
        options.vehicles,
        options.days,
        options.seed,
        options.misuse_share,
        degraded=options.degraded,
        interval_s=options.interval,
    )
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<36} {value!s:>12}" for name, value in figures.items())
    )


def draw(folder: Path, vehicles: int, days: int, seed: int) -> None:
    """Errors of a seed's months and of its trips' ends, clean and degraded, at 10 and 30 s."""
    months, ends = {}, {}
    for degraded, interval_s in ((False, 10), (True, 10), (True, 30)):
        judged = run(vehicles, days, seed, 0.0, degraded=degraded, interval_s=interval_s)
        name = f"{'degraded' if degraded else 'clean'}, a report every {interval_s} s"
        months[name] = month_errors(judged.days, judged.truth.vehicle_days)["error_pct"].abs().to_numpy()
        pairs = match(judged.trips, judged.truth.trips)
        ends[name] = np.concatenate([edge_errors(judged.trips, judged.truth.trips, pairs, edge) for edge in EDGES])
    of = f"{vehicles} vehicles, {days} days, seed {seed}"
    targets = ((1.0, 0.5), (3.0, 0.95))
    title = f"Vehicle-months off by no more than this; crosses: targets. {of}"
    draw_shares(folder / "accuracy-months.svg", title, "error of a vehicle-month, %", months, 3.5, targets)
    title = f"Trip starts and ends off by no more than this. {of}"
    draw_shares(
        folder / "accuracy-ends.svg", title, "error of a start or end, s", ends, 75.0, ((10.0, 0.5), (60.0, 0.95))
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a simulated fleet beside what it did; vehicle_id in every table."""

    fleet: Fleet
    truth: Truth
    trips: pd.DataFrame
    days: pd.DataFrame
    flags: pd.DataFrame
    positions: int


def run(vehicles: int, days: int, seed: int, misuse_share: float, *, degraded: bool, interval_s: int = 10) -> Judged:
    """Simulate a fleet and audit it."""
    first = day_number(FIRST_DAY)
    with TemporaryDirectory() as name:
        folder = Path(name)
        simulate(
            folder,
            vehicles=vehicles,
            days=days,
            seed=seed,
            degraded=degraded,
            interval_s=interval_s,
            misuse_share=misuse_share,
        )
        fleet = read_city(folder)
        positions, ids = read_reported(folder, fleet)
        truth = read_truth(folder, fleet)
    tables, flags = judge(fleet, positions, ids, first, first + days - 1)
    trips, found_days, flags = (
        table.assign(vehicle_id=ids[table["vehicle_ix"].to_numpy(dtype=np.int64)])
        for table in (tables.trips, tables.vehicle_days, flags)
    )
    return Judged(fleet, truth, trips, found_days, flags, len(positions))


def measure(
    vehicles: int, days: int, seed: int, misuse_share: float, *, degraded: bool, interval_s: int = 10
) -> dict[str, Any]:
    """Every figure of one simulated fleet."""
    judged = run(vehicles, days, seed, misuse_share, degraded=degraded, interval_s=interval_s)
    truth, found = judged.truth, judged.trips
    exits = false_exits(found, exact_places(vehicles, days, seed, misuse_share), judged.fleet)
    return {
        "vehicles": vehicles,
        "days": days,
        "seed": seed,
        "degraded": degraded,
        "interval_s": interval_s,
        "positions": judged.positions,
        "trips": len(truth.trips),
        **trip_figures(found, truth.trips, match(found, truth.trips)),
        **mileage_figures(judged.days, truth.vehicle_days),
        **parked_figures(found, judged.days, truth),
        "false_zone_exits_per_vehicle_year": round(exits / (vehicles * days / 365), 3),
        **misuse_figures(judged.flags, truth.trips),
        "reviews_per_inspector_day": round(
            reviews(judged.flags) / days * 7 / 5 * CITY_VEHICLES / vehicles / INSPECTORS, 2
        ),
    }


def read_truth(folder: Path, fleet: Fleet) -> Truth:
    """The truth that `simulate` wrote."""
    number_of = {vehicle.code: number for number, vehicle in fleet.vehicles.items()}
    trips = pd.read_parquet(folder / "trips.parquet")
    for name in ("start_time", "end_time"):
        trips[name] = trips[name].dt.as_unit("us").astype("int64")
    days = pd.read_parquet(folder / "vehicle_days.parquet")
    days["day"] = [day_number(day) for day in days["day"]]
    return Truth(
        trips.assign(vehicle_id=trips["vehicle"].map(number_of)), days.assign(vehicle_id=days["vehicle"].map(number_of))
    )


def exact_places(vehicles: int, days: int, seed: int, misuse_share: float) -> Positions:
    """Where the vehicles were, every ten seconds of driving, without any fault; vehicle_ix is vehicle_id."""
    made = chunks(make_fleet(vehicles, seed), day_number(FIRST_DAY), days, seed, misuse_share=misuse_share)
    whole = canonical(Positions.concat([reported(chunk.columns) for chunk in made]))
    return whole.with_vehicle_ix(whole.vehicle_ix + np.int32(1))


def match(found: pd.DataFrame, true: pd.DataFrame) -> NDArray[np.int64]:
    """Pairs (row found, row true) with an overlap of at least 0.8; int64 (k, 2). No trip has two such partners."""
    overlapping = overlaps(found, true)
    one, other = overlapping.T
    start = [table["start_time"].to_numpy()[rows] for table, rows in ((found, one), (true, other))]
    end = [table["end_time"].to_numpy()[rows] for table, rows in ((found, one), (true, other))]
    common = np.minimum(*end) - np.maximum(*start)
    joined = np.maximum(*end) - np.minimum(*start)
    partners: NDArray[np.int64] = overlapping[common >= OVERLAP * joined]
    return partners


def overlaps(found: pd.DataFrame, true: pd.DataFrame) -> NDArray[np.int64]:
    """Every pair (row found, row true) of one vehicle that share some time; int64 (k, 2)."""
    low = int(min(found["start_time"].min(), true["start_time"].min()))
    span = int(max(found["end_time"].max(), true["end_time"].max())) - low + 1
    order = np.lexsort((true["start_time"], true["vehicle_id"]))

    def axis(table: pd.DataFrame, name: str) -> Int64Array:
        place: Int64Array = table["vehicle_id"].to_numpy(dtype=np.int64) * span + (table[name].to_numpy() - low)
        return place

    # True trips of a vehicle follow each other, so both their starts and their ends ascend.
    first = np.searchsorted(axis(true, "end_time")[order], axis(found, "start_time"), side="right")
    last = np.searchsorted(axis(true, "start_time")[order], axis(found, "end_time"))
    count = np.maximum(last - first, 0)
    one = np.repeat(np.arange(len(found)), count)
    other = np.repeat(first, count) + np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    pairs: NDArray[np.int64] = np.column_stack((one, order[other]))
    return pairs


EDGES = ("start", "end")


def trip_figures(found: pd.DataFrame, true: pd.DataFrame, pairs: NDArray[np.int64]) -> dict[str, float]:
    """F1, and how far off starts and ends are."""
    figures = {"trip_f1": round(2 * len(pairs) / (len(found) + len(true)), 4)}
    for edge in EDGES:
        off = edge_errors(found, true, pairs, edge)
        figures[f"{edge}_error_median_s"] = round(float(np.median(off)), 1)
        figures[f"{edge}_error_p95_s"] = round(float(np.percentile(off, 95)), 1)
    return figures


def edge_errors(found: pd.DataFrame, true: pd.DataFrame, pairs: NDArray[np.int64], edge: str) -> FloatArray:
    """How far off the starts or ends of these pairs are, seconds; float64 (k,)."""
    one, other = pairs.T
    off: FloatArray = np.abs(found[f"{edge}_time"].to_numpy()[one] - true[f"{edge}_time"].to_numpy()[other]) / SECOND_US
    return off


def month_errors(found: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
    """Of each vehicle that drove: error of its metres over all days, per cent, and whether the interval holds the truth."""
    days = found.assign(
        below=(found["distance_m"] - found["distance_low_m"]) ** 2,
        above=(found["distance_high_m"] - found["distance_m"]) ** 2,
    )
    sums = days.groupby("vehicle_id")[["distance_m", "below", "above"]].sum()
    driven = true.groupby("vehicle_id")["distance_m"].sum().reindex(sums.index)
    sums, driven = sums[driven > 0], driven[driven > 0]
    off = driven - sums["distance_m"]
    below, above = (
        with_common(np.sqrt(sums[side].to_numpy()), sums["distance_m"].to_numpy()) for side in ("below", "above")
    )
    return pd.DataFrame({"error_pct": -100 * off / driven, "held": (-below <= off) & (off <= above)})


def mileage_figures(found: pd.DataFrame, true: pd.DataFrame) -> dict[str, float]:
    """Errors of each vehicle's kilometres over the period, and how often the stated interval holds the truth."""
    months = month_errors(found, true)
    error = months["error_pct"]
    return {
        "month_km_error_median_pct": round(float(error.abs().median()), 3),
        "month_km_error_p95_pct": round(float(np.percentile(error.abs(), 95)), 3),
        "month_km_bias_pct": round(float(error.median()), 3),
        "interval_coverage_pct": round(100 * float(months["held"].mean()), 1),
    }


def parked_figures(found: pd.DataFrame, found_days: pd.DataFrame, truth: Truth) -> dict[str, float]:
    """What was found on days without a true metre."""
    still = truth.vehicle_days.loc[truth.vehicle_days["distance_m"] == 0, ["vehicle_id", "day"]]
    days = still.merge(found_days, on=["vehicle_id", "day"])
    trips = still.merge(found, on=["vehicle_id", "day"])
    return {
        "parked_days": len(days),
        "parked_km_per_day": round(float(days["distance_m"].mean()) / 1000, 4) if len(days) else 0.0,
        "parked_trips": len(trips),
    }


def false_exits(found: pd.DataFrame, exact: Positions, fleet: Fleet) -> int:
    """Trips found outside the area of which no exact place is, from the report before them to the one after."""
    ids = np.arange(int(exact.vehicle_ix.max()) + 1, dtype=np.int32)
    area = np.append(np.int32(-1), fleet.context(ids[1:]).area_ix)[exact.vehicle_ix]
    out = ~fleet.areas.inside(area, exact.lat_e7, exact.lon_e7) & (area >= 0)
    count = np.append(0, np.cumsum(out))
    low = int(exact.fix_time.min())
    span = int(max(exact.fix_time.max(), found["end_time"].max())) - low + 1
    axis = exact.vehicle_ix.astype(np.int64) * span + (exact.fix_time - low)
    claimed = found[found["out_of_area_s"] > 0]
    begin, end = (
        claimed["vehicle_id"].to_numpy(dtype=np.int64) * span + (claimed[name].to_numpy() - low)
        for name in ("start_time", "end_time")
    )
    first = np.maximum(np.searchsorted(axis, begin) - 1, 0)
    last = np.minimum(np.searchsorted(axis, end, side="right") + 1, len(axis))
    return int((count[last] == count[first]).sum())


def misuse_figures(flags: pd.DataFrame, true: pd.DataFrame) -> dict[str, Any]:
    """Recall of injected misuse, whole and by kind; precision of red flags. A flag tells of what it shares time with."""
    misuse = true["misuse"].to_numpy()
    caught = np.zeros(len(true), dtype=np.bool_)
    caught[_told(_episodes(flags, "yellow", "red"), true)[:, 1]] = True
    trips = true.assign(caught=caught, day=local_day(true["start_time"].to_numpy()))[misuse]
    cases = pd.DataFrame({"caught": trips.groupby(["vehicle_id", "kind", "day"])["caught"].any()}).reset_index()
    red = _episodes(flags, "red")
    told = _told(red, true)
    return {
        "misuse_cases": len(cases),
        "misuse_recall": round(float(cases["caught"].mean()), 4) if len(cases) else None,
        **{f"recall_{kind}": _share(cases.loc[cases["kind"] == kind, "caught"].to_numpy()) for kind in MISUSE},
        "red_flagged": len(red),
        "red_precision": _share(np.isin(np.arange(len(red)), told[misuse[told[:, 1]], 0])),
    }


def reviews(flags: pd.DataFrame) -> int:
    """Vehicle-days with a yellow or red flag."""
    return len(_episodes(flags, "yellow", "red")[["vehicle_id", "day"]].drop_duplicates())


def _episodes(flags: pd.DataFrame, *levels: str) -> pd.DataFrame:
    """Trips and silences with a flag of these levels, each once."""
    chosen = flags[flags["level"].isin(levels)]
    return chosen.drop_duplicates(["vehicle_id", "start_time", "end_time"], ignore_index=True)


def _told(episodes: pd.DataFrame, true: pd.DataFrame) -> NDArray[np.int64]:
    return overlaps(episodes, true) if len(episodes) and len(true) else np.empty((0, 2), dtype=np.int64)


def _share(values: BoolArray | FloatArray) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


if __name__ == "__main__":
    main()
