"""The core on real tracks: four public collections, which are no part of this repository.

    python -m benchmarks.real_tracks --json [--tracks FOLDER]
    python -m benchmarks.real_tracks --plots docs [--tracks FOLDER]

enviroCar   cars in Germany with positions every 5 s, GPS speed and course, and the car's own speed (OBD-II). Each track is
            thinned to every 2nd, 4th and 6th report; `chords` and `estimate` are errors of gps_m and distance_m against the
            length of the whole track's chords, per cent, median and 95th percentile of their absolute values over all tracks
            and offsets; `held` is how often the interval holds it. `obd` is the estimate of the whole track against the
            integral of the car's own speed, which is no truth either: a speed sensor's scale is off by a per cent or two.
UCI         cars and buses in Aracaju without speed or course: published lengths against the estimate.
Liverpool   a bus every 24 s without speed.
GOAL        delivery vans by pieces of six minutes, each position labelled as driving or on foot: time in trips against the
            labels. Most pieces are too short to hold a stop, and nothing tells of an ignition.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analytics.audit import Tables, audit
from analytics.context import nothing_known
from benchmarks.figures import draw_lines
from geo.arrays import FloatArray, Int64Array
from geo.distance import step_distance_m
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions
from ingest.files import read_positions

TRACKS = Path(os.environ.get("GONGCHE_TRACKS") or "../shared/data/trajectories")
THINNED = (2, 4, 6)


def main() -> None:
    """Read, audit, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, default=TRACKS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plots", type=Path, help="draw the errors of thinned tracks into a folder")
    options = parser.parse_args()
    figures = measure(options.tracks)
    if options.plots:
        draw(options.plots, figures)
        return
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<40} {value!s:>12}" for name, value in figures.items())
    )


def draw(folder: Path, figures: dict[str, Any]) -> None:
    """Median and 95th percentile of the errors of thinned enviroCar tracks by the time between their reports."""
    intervals = [5 * every for every in THINNED]
    lines = {
        "chords, 95 of 100 tracks below": [(each, figures[f"envirocar_{each}_s_chords_p95_pct"]) for each in intervals],
        "estimate, 95 of 100 below": [(each, figures[f"envirocar_{each}_s_estimate_p95_pct"]) for each in intervals],
        "chords, median": [(each, abs(figures[f"envirocar_{each}_s_chords_bias_pct"])) for each in intervals],
        "estimate, median": [(each, abs(figures[f"envirocar_{each}_s_estimate_bias_pct"])) for each in intervals],
    }
    title = "Thinned tracks against whole ones: length off by, %. 13 tracks, enviroCar"
    draw_lines(folder / "accuracy-real.svg", title, "seconds between reports", lines, (40.0, 12.5))


def measure(folder: Path) -> dict[str, Any]:
    """Every figure of the collections that the folder holds."""
    parts = {
        "envirocar_tracks.csv.gz": envirocar,
        "uci_gotrack_points.csv.gz": gotrack,
        "liverpool_bus_route14.csv": liverpool,
        "goal_driving_onfoot.zip": goal,
    }
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        if (folder / name).is_file():
            figures |= part(folder / name)
    return figures


def envirocar(path: Path) -> dict[str, Any]:
    """Thinned tracks against whole ones, and whole ones against the car's own speed."""
    rows, notes = _read(path)
    rows = _numbered(rows, notes["track_id"])
    whole = _by_vehicle(_audited(rows))
    obd_m = _integral_m(rows, pd.to_numeric(notes["obd_speed_kmh"]).to_numpy() / 3.6)
    off = 100 * (whole["distance_m"] / obd_m - 1)
    figures: dict[str, Any] = {
        "envirocar_tracks": len(obd_m),
        "envirocar_trips": int(whole["trips"].sum()),
        "envirocar_km": round(float(whole["distance_m"].sum()) / 1000, 2),
        "envirocar_obd_km": round(float(obd_m.sum()) / 1000, 2),
        "envirocar_obd_difference_pct": round(float(100 * (whole["distance_m"].sum() / obd_m.sum() - 1)), 2),
        "envirocar_obd_difference_p95_pct": round(float(np.percentile(off.abs(), 95)), 2),
    }
    for every in THINNED:
        figures |= {f"envirocar_{5 * every}_s_{name}": value for name, value in thinned(rows, every).items()}
    return figures


def thinned(rows: Positions, every: int) -> dict[str, float]:
    """Errors of tracks of which only every so-manieth report was sent, against the chords of all reports between."""
    chords, estimate, held = [], [], []
    for offset in range(every):
        number = _number_in_track(rows)
        kept = np.flatnonzero(number % every == offset)
        trips = _by_vehicle(_audited(rows.take(kept)))
        full = _chords_between(rows, kept)
        chords.append(trips["gps_m"] / full - 1)
        estimate.append(trips["distance_m"] / full - 1)
        held.append((trips["distance_low_m"] <= full) & (full <= trips["distance_high_m"]))
    figures = {"held_pct": round(100 * float(np.concatenate(held).mean()), 1)}
    for name, parts in (("chords", chords), ("estimate", estimate)):
        off = 100 * np.concatenate(parts)
        off = off[np.isfinite(off)]
        figures[f"{name}_bias_pct"] = round(float(np.median(off)), 2)
        figures[f"{name}_p95_pct"] = round(float(np.percentile(np.abs(off), 95)), 2)
    return figures


def gotrack(path: Path) -> dict[str, Any]:
    """Published lengths against the estimate, and trips of cars and buses."""
    rows, notes = _read(path)
    labels = pd.read_csv(path.with_name("uci_gotrack_tracks.csv"))
    tracks = notes["track_id"].astype(int)
    tables = _audited(_numbered(rows, tracks))
    found = _by_vehicle(tables)
    published_m = labels.set_index("track_id")["distance_km"].reindex(sorted(tracks.unique())).to_numpy() * 1000
    long = (published_m > 1000) & (found["trips"].to_numpy() > 0)
    off = 100 * (found["distance_m"].to_numpy()[long] / published_m[long] - 1)
    return {
        "uci_tracks": len(found),
        "uci_trips": len(tables.trips),
        "uci_km": round(float(found["distance_m"].sum()) / 1000, 1),
        "uci_published_km": round(float(published_m.sum()) / 1000, 1),
        "uci_tracks_over_1_km": int(long.sum()),
        "uci_difference_median_pct": round(float(np.median(off)), 2),
        "uci_difference_p95_pct": round(float(np.percentile(np.abs(off), 95)), 2),
    }


def liverpool(path: Path) -> dict[str, Any]:
    """Trips and kilometres of one bus; the file's partial runs are what a timetable calls trips."""
    rows, notes = _read(path)
    tables = _audited(rows)
    return {
        "liverpool_runs": int(notes["trip_id"].nunique()),
        "liverpool_vehicles": int(rows.vehicle_ix.max()) + 1,
        "liverpool_trips": len(tables.trips),
        "liverpool_km": round(float(tables.trips["distance_m"].sum()) / 1000, 1),
    }


def goal(path: Path) -> dict[str, Any]:
    """Time in trips against the labels of the positions."""
    batches = list(read_positions(path))
    first = np.cumsum([0, *(len(batch.vehicles) for batch in batches)])
    rows = Positions.concat(
        [
            batch.positions.with_vehicle_ix((batch.positions.vehicle_ix + np.int32(start)).astype(np.int32))
            for batch, start in zip(batches, first, strict=False)
        ]
    )
    driving = np.concatenate(
        [[batch.notes[row]["groundtruth"] == "Driving" for row in range(len(batch.positions))] for batch in batches]
    )
    order = np.lexsort((rows.fix_time, rows.vehicle_ix))
    rows, driving = rows.take(order), driving[order]
    trips = _audited(rows).trips
    span = int(rows.fix_time.max()) + 1
    axis = rows.vehicle_ix.astype(np.int64) * span + rows.fix_time
    under_way = np.zeros(len(rows) + 1, dtype=np.int64)
    for edge, sign in (("start_time", 1), ("end_time", -1)):
        at = trips["vehicle_ix"].to_numpy(dtype=np.int64) * span + trips[edge].to_numpy()
        np.add.at(under_way, np.searchsorted(axis, at, side="left" if sign > 0 else "right"), sign)
    inside = np.cumsum(under_way[:-1]) > 0
    return {
        "goal_pieces": len(batches),
        "goal_trips": len(trips),
        "goal_driving_found_pct": round(100 * float(inside[driving].mean()), 1),
        "goal_in_trips_driving_pct": round(100 * float(driving[inside].mean()), 1),
        "goal_driving_pct": round(100 * float(driving.mean()), 1),
    }


def _read(path: Path) -> tuple[Positions, pd.DataFrame]:
    """Rows of a file in order of vehicle and time, and what they carry besides."""
    batch = next(iter(read_positions(path)))
    order = np.lexsort((batch.positions.fix_time, batch.positions.vehicle_ix))
    notes = pd.DataFrame([batch.notes.get(row, {}) for row in order.tolist()])
    return batch.positions.take(order), notes


def _numbered(rows: Positions, names: "pd.Series[Any]") -> Positions:
    """The rows with each name as a vehicle of its own, in order of the names and of time."""
    return rows.with_vehicle_ix(np.unique(names.to_numpy(), return_inverse=True)[1].astype(np.int32))


def _audited(rows: Positions) -> Tables:
    days = local_day(rows.fix_time)
    known = nothing_known(np.arange(int(rows.vehicle_ix.max()) + 1, dtype=np.int32))
    return audit(rows, known, int(days.min()), int(days.max()))


def _by_vehicle(tables: Tables) -> pd.DataFrame:
    """Sums of the trips of each vehicle; a vehicle without one has none."""
    vehicles = pd.RangeIndex(int(tables.vehicle_days["vehicle_ix"].max()) + 1)
    columns = ["gps_m", "distance_m", "distance_low_m", "distance_high_m"]
    by = tables.trips.groupby("vehicle_ix")
    return by[columns].sum().assign(trips=by.size()).reindex(vehicles, fill_value=0)


def _ordered(rows: Positions) -> Int64Array:
    return np.lexsort((rows.fix_time, rows.vehicle_ix))


def _number_in_track(rows: Positions) -> Int64Array:
    """Place of each row in its vehicle's track by time, from 0."""
    order = _ordered(rows)
    vehicle = rows.vehicle_ix[order]
    number = np.empty(len(rows), dtype=np.int64)
    number[order] = np.arange(len(rows)) - np.searchsorted(vehicle, vehicle)
    return number


def _chords_between(rows: Positions, kept: Int64Array) -> FloatArray:
    """Length of the chords of all rows from each track's first kept row to its last; float64 (vehicles,)."""
    order = _ordered(rows)
    track = rows.take(order)
    metres = np.cumsum(step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix))
    places = np.flatnonzero(np.isin(order, kept))
    vehicle = track.vehicle_ix[places]
    begin = np.searchsorted(vehicle, np.arange(int(rows.vehicle_ix.max()) + 1))
    end = np.searchsorted(vehicle, np.arange(int(rows.vehicle_ix.max()) + 1), side="right") - 1
    between: FloatArray = metres[places[end]] - metres[places[begin]]
    return between


def _integral_m(rows: Positions, speed_mps: FloatArray) -> FloatArray:
    """Integral of a speed over each vehicle's track, across rows without one; float64 (vehicles,)."""
    order = _ordered(rows)
    order = order[np.isfinite(speed_mps[order])]
    vehicle, speed = rows.vehicle_ix[order], speed_mps[order]
    seconds = np.diff(rows.fix_time[order]) / SECOND_US
    way = np.where(np.diff(vehicle) == 0, (speed[1:] + speed[:-1]) / 2 * seconds, 0.0)
    return np.bincount(vehicle[1:], weights=way, minlength=int(rows.vehicle_ix.max()) + 1).astype(np.float64)


if __name__ == "__main__":
    main()
