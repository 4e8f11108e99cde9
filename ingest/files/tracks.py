"""Small readers of published real tracks, each known by its header. Row-level faults as in CSV: refused, named.

envirocar     ODbL 1.0, enviroCar contributors: cars in Germany, UTC, speeds in km/h.
uci_gotrack   CC BY 4.0, UCI "GPS Trajectories": Aracaju, Brazil; local time UTC−3 without an offset; car or bus from
              the table of tracks beside it.
liverpool     Open Government Licence, UK BODS: one bus, UTC.
goal          CC BY 4.0, Eftelioglu et al. 2022 (Amazon): a zip of vans' minutes, metres from an arbitrary point, times
              shifted to 1964. Placed at `GOAL_ANCHOR` and moved by `GOAL_SHIFT_DAYS`; both stand in each row's note.
"""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from geo.arrays import BoolArray, FloatArray, Int64Array
from geo.distance import metres_per_degree
from geo.localtime import DAY_US, SECOND_US
from geo.positions import NO_ALTITUDE
from ingest.files.batch import Batch, kmh_to_mps, make_batch, on_the_globe, open_binary, refused_at

ARACAJU_OFFSET_US = -3 * 3600 * SECOND_US
GOAL_ANCHOR = (23.129163, 113.264435)  # Guangzhou's centre: any place serves, and this one is in the fleet's districts
# 1964-01-12 becomes 2014-01-12: a terminal's clock before 2010 counts as wrong, and the weekday is not known anyway.
GOAL_SHIFT_DAYS = 18_263

LABELS = "uci_gotrack_tracks.csv"  # car or bus, of each track of uci_gotrack

Frame = pd.DataFrame


@dataclass(frozen=True, slots=True)
class Track:
    """How one published CSV is read: its header, and where each column is."""

    header: tuple[str, ...]  # columns that tell it from others
    vehicle: Callable[[Frame], "pd.Series[Any]"]
    time: str
    lat: str
    lon: str
    utc_offset_us: int = 0  # of times without an offset
    speed_kmh: str | None = None
    course_deg: str | None = None
    altitude_m: str | None = None


TRACKS = {
    "envirocar": Track(
        header=("track_id", "vehicle_id", "time_utc", "obd_speed_kmh"),
        # One of the four cars is not named: its tracks are then their own vehicles.
        vehicle=lambda frame: "envirocar-" + frame["vehicle_id"].where(frame["vehicle_id"] != "", frame["track_id"]),
        time="time_utc",
        lat="lat",
        lon="lon",
        speed_kmh="gps_speed_kmh",
        course_deg="gps_bearing_deg",
        altitude_m="altitude_m",
    ),
    "uci_gotrack": Track(
        header=("latitude", "longitude", "track_id", "time"),
        vehicle=lambda frame: "gotrack-" + frame["track_id"],
        time="time",
        lat="latitude",
        lon="longitude",
        utc_offset_us=ARACAJU_OFFSET_US,
    ),
    "liverpool": Track(
        header=("vehicle_id", "trip_id", "timestamp", "bearing", "route_name"),
        vehicle=lambda frame: "liverpool-" + frame["vehicle_id"],
        time="timestamp",
        lat="latitude",
        lon="longitude",
        course_deg="bearing",
    ),
}


def is_track(name: str) -> Callable[[bytes], bool]:
    """A test of a file's first bytes for the header of one of `TRACKS`."""
    wanted = set(TRACKS[name].header)

    def matches(head: bytes) -> bool:
        line = head.partition(b"\n")[0].decode("utf-8-sig", errors="replace")
        return wanted <= {column.strip().strip('"') for column in line.split(",")}

    return matches


def read_track(name: str) -> Callable[[Path, str | None, int], Iterator[Batch]]:
    """A reader of one of `TRACKS`."""

    def read(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
        with open_binary(path) as file:
            frame = pd.read_csv(file, dtype=str, keep_default_na=False)
        labels = path.with_name(LABELS)
        if name == "uci_gotrack" and labels.is_file():
            kinds = pd.read_csv(labels, dtype=str).set_index("track_id")["car_or_bus"]
            frame["car_or_bus"] = frame["track_id"].map(kinds).fillna("")
        yield _read_frame(path, TRACKS[name], frame, vehicle, received_at)

    return read


def _read_frame(path: Path, track: Track, frame: Frame, vehicle: str | None, received_at: int) -> Batch:
    time, timed = _instants(frame[track.time], track.utc_offset_us)
    lat, lon = _numbers(frame, track.lat), _numbers(frame, track.lon)
    good = timed & on_the_globe(lat, lon)
    refused = [
        refused_at(path, str(row + 2), "row: expected a time and a place, got neither or one",
                   ",".join(frame.iloc[row]).encode(), received_at)
        for row in np.flatnonzero(~good)
    ]  # fmt: skip
    columns: dict[str, Any] = {}
    if track.speed_kmh:
        columns["speed_mps"] = kmh_to_mps(_numbers(frame, track.speed_kmh))[good]
    if track.course_deg:
        columns["course_deg"] = _numbers(frame, track.course_deg)[good].astype(np.float32)
    if track.altitude_m:
        altitude = _numbers(frame, track.altitude_m)[good]
        columns["altitude_m"] = np.where(np.isnan(altitude), NO_ALTITUDE, np.rint(altitude)).astype(np.int16)
    names = track.vehicle(frame) if vehicle is None else pd.Series([vehicle] * len(frame))
    kept = frame[good]
    used = {track.time, track.lat, track.lon, track.speed_kmh, track.course_deg, track.altitude_m}
    others = [name for name in frame.columns if name not in used]
    notes = {
        row: {name: value for name, value in zip(others, values, strict=True) if value}
        for row, values in enumerate(kept[others].itertuples(index=False, name=None))
    }
    return make_batch(
        names[good].to_numpy(), time[good], lat[good], lon[good], received_at, notes=notes, refused=refused, **columns
    )


def is_labels(head: bytes) -> bool:
    """Whether this is the table of labels beside the points of uci_gotrack."""
    return head.startswith(b"track_id,car_or_bus")


def read_labels(_path: Path, _vehicle: str | None, _received_at: int) -> Iterator[Batch]:
    """Nothing: the labels go with the points, when these are read."""
    return iter(())


def is_goal(path: Path) -> bool:
    """Whether a zip holds the GOAL trajectories."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as packed:
        return any(name.startswith("data_anon/trajectory_") for name in packed.namelist())


def read_goal(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Each file of the zip is a vehicle of its own, since nothing says which van drove it."""
    north_m, east_m = metres_per_degree(np.array([GOAL_ANCHOR[0]]))
    with zipfile.ZipFile(path) as packed:
        for name in sorted(each for each in packed.namelist() if each.endswith(".csv")):
            with packed.open(name) as file:
                frame = pd.read_csv(file, dtype=str, keep_default_na=False)
            if not {"timestamp", "x", "y"} <= set(frame.columns):
                continue  # a table of contents
            time, timed = _instants(frame["timestamp"], 0)
            x, y = _numbers(frame, "x"), _numbers(frame, "y")
            good = timed & np.isfinite(x) & np.isfinite(y)
            refused = [
                refused_at(path, f"{name}:{row + 2}", "row: expected timestamp, x, y, got none of one",
                           ",".join(frame.iloc[row]).encode(), received_at)
                for row in np.flatnonzero(~good)
            ]  # fmt: skip
            note = {"anchor_lat": GOAL_ANCHOR[0], "anchor_lon": GOAL_ANCHOR[1], "shifted_days": GOAL_SHIFT_DAYS}
            labels = frame["groundtruth"][good] if "groundtruth" in frame else [""] * int(good.sum())
            yield make_batch(
                [vehicle or "goal-" + Path(name).stem.rpartition("_")[2]] * int(good.sum()),
                time[good] + GOAL_SHIFT_DAYS * DAY_US,
                GOAL_ANCHOR[0] + y[good] / north_m[0],
                GOAL_ANCHOR[1] + x[good] / east_m[0],
                received_at,
                notes={row: note | {"groundtruth": label} for row, label in enumerate(labels)},
                refused=refused,
            )


def _instants(texts: "pd.Series[Any]", utc_offset_us: int) -> tuple[Int64Array, BoolArray]:
    """Instants, µs UTC, of texts of which none or all have an offset, and which of them are times."""
    parsed = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    timed = parsed.notna().to_numpy()
    filled = parsed.fillna(pd.Timestamp(0, tz="UTC")).dt.as_unit("us").astype("int64")
    return np.asarray(filled, dtype=np.int64) - utc_offset_us, np.asarray(timed, dtype=np.bool_)


def _numbers(frame: Frame, column: str) -> FloatArray:
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), dtype=np.float64)
