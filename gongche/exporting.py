"""Rows out of the store in the form somebody else reads: CSV, JSON, Parquet, XLSX, GPX, GeoJSON."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from psycopg import Connection

from geo.localtime import FLEET_ZONE, day_start_us, to_us
from geo.positions import NO_ODOMETER, Positions, Status
from gongche.calendars import calendar_frame
from gongche.errors import WrongUseError
from gongche.months import months_frame
from gongche.quality import quality_frame
from store.archive import Archive
from store.case_views import EXPORT_COLUMNS, export_cases
from store.derived import read_derived
from store.fleet import Vehicle, load_units, load_vehicles
from store.tracks import read_whole_track

TABLES = (
    "positions",
    "trips",
    "stops",
    "vehicle-days",
    "unit-months",
    "city-months",
    "quality",
    "flags",
    "cases",
    "calendar",
)
FORMATS = ("csv", "json", "parquet", "xlsx", "gpx", "geojson")
_TRACKS = {"positions", "trips", "flags"}
_PLACES = {*_TRACKS, "stops"}
_XLSX_ROWS = 1_048_575


def read_rows(
    conn: Connection[Any], what: str, from_day: int, to_day: int, unit: str | None, archive: Archive | None = None
) -> pd.DataFrame:
    """Rows of one of TABLES for local days [from_day, to_day]; times are aware and in the fleet's zone.

    archive : where the positions of days are that the database dropped; None: without them.
    """
    if what == "calendar":
        if unit:
            raise WrongUseError("--unit does not go with calendar: units share calendars")
        return calendar_frame(conn, from_day, to_day)
    if unit and unit not in {each.code for each in load_units(conn)}:
        raise WrongUseError(f"--unit: no unit has the code {unit!r}")
    if what in {"unit-months", "city-months"}:
        return months_frame(conn, from_day, to_day, unit, city=what == "city-months")
    if what == "quality":
        return quality_frame(conn, from_day, to_day, unit)
    if what == "cases":
        return cases_frame(conn, from_day, to_day, unit)
    if what != "positions":
        return read_derived(conn, what, from_day, to_day, unit)
    codes = set(read_derived(conn, "vehicle-days", from_day, to_day, unit)["vehicle"]) if unit else None
    frames = []
    for vehicle in load_vehicles(conn):
        if codes is None or vehicle.code in codes:
            track = read_whole_track(
                conn, archive, vehicle.vehicle_id, day_start_us(from_day), day_start_us(to_day + 1)
            )
            if len(track):
                frames.append(positions_frame(track, vehicle))
    return pd.concat(frames, ignore_index=True) if frames else positions_frame(Positions.empty(), None)


def cases_frame(conn: Connection[Any], from_day: int, to_day: int, unit: str | None) -> pd.DataFrame:
    """Cases opened on local days [from_day, to_day], by number; times in the fleet's zone."""
    frame = pd.DataFrame(export_cases(conn, from_day, to_day, unit), columns=list(EXPORT_COLUMNS))
    frame["persons"] = frame["persons"].astype("Int64")
    frame["recovered_yuan"] = frame["recovered_yuan"].astype("float64")
    for name in ("opened_at", "deadline", "decided_at", "closed_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.tz_convert(FLEET_ZONE)
    return frame


def positions_frame(track: Positions, vehicle: Vehicle | None) -> pd.DataFrame:
    """A track as rows with the columns that `gongche import` takes, and those beyond."""
    known = track.has(Status.IGNITION_KNOWN)
    ignition = pd.array(track.has(Status.IGNITION_ON), dtype="boolean")
    ignition[~known] = pd.NA
    odometer = np.where(track.odometer_m == NO_ODOMETER, np.nan, track.odometer_m / 1000)
    return pd.DataFrame(
        {
            "vehicle": vehicle.code if vehicle else pd.Series(dtype="str"),
            "plate": vehicle.plate if vehicle else pd.Series(dtype="str"),
            "time": _local(track.fix_time),
            "lat": np.round(track.lat, 7),
            "lon": np.round(track.lon, 7),
            "valid": track.has(Status.FIX_VALID),
            "speed_kmh": np.round(track.speed_mps.astype(np.float64) * 3.6, 2),
            "course_deg": track.course_deg,
            "ignition": ignition,
            "odometer_km": odometer,
            "fuel_l": track.fuel_l,
            "satellites": pd.array(track.satellites, dtype="Int16"),
            "received": _local(track.received_at),
        }
    )


def write_rows(
    conn: Connection[Any],
    what: str,
    rows: pd.DataFrame,
    file_format: str,
    out: Callable[[bytes], Any],
    archive: Archive | None = None,
) -> None:
    """Write rows in one of FORMATS; WrongUseError when the format cannot hold such rows."""
    if file_format == "geojson":
        if what not in _PLACES:
            raise WrongUseError(f"--format geojson: {what} have no place; choose csv, json, parquet or xlsx")
        out(_with_geometry(conn, archive, what, rows).to_json(ensure_ascii=False, drop_id=True).encode())
    elif file_format == "gpx":
        if what not in _TRACKS:
            raise WrongUseError(f"--format gpx: {what} are no tracks; choose csv, json, parquet or xlsx")
        out(_through_file("rows.gpx", lambda path: _write_gpx(conn, archive, what, rows, path)))
    elif file_format == "csv":
        out(_texts(rows).to_csv(index=False).encode())
    elif file_format == "json":
        out((_texts(rows).to_json(orient="records", force_ascii=False) + "\n").encode())
    elif file_format == "parquet":
        out(_through_file("rows.parquet", lambda path: rows.to_parquet(path, index=False)))
    elif len(rows) > _XLSX_ROWS:
        raise WrongUseError(f"--format xlsx: a sheet holds {_XLSX_ROWS:,} rows, these are {len(rows):,}; choose csv")
    else:
        out(_through_file("rows.xlsx", lambda path: _texts(rows).to_excel(path, index=False, sheet_name=what)))


def _local(time_us: "np.typing.NDArray[np.int64]") -> "pd.Series[Any]":
    return pd.Series(pd.to_datetime(time_us, unit="us", utc=True)).dt.tz_convert(FLEET_ZONE)


def _texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Times as ISO 8601 with offset, one precision a column; structures as JSON."""
    shown = rows.copy()
    for name in shown.columns:
        column = shown[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            whole = bool((column.dropna().dt.microsecond == 0).all())
            texts = [
                None if each is pd.NaT else each.isoformat(timespec="seconds" if whole else "microseconds")
                for each in column
            ]
            shown[name] = pd.Series(texts, index=shown.index, dtype="str")
        elif column.dtype == object:
            shown[name] = pd.Series([_plain(each) for each in column], index=shown.index, dtype=object)
    return shown


def _plain(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else value


def _with_geometry(conn: Connection[Any], archive: Archive | None, what: str, rows: pd.DataFrame) -> gpd.GeoDataFrame:
    texts = _texts(rows)
    if what in {"positions", "stops"}:
        return gpd.GeoDataFrame(texts, geometry=gpd.points_from_xy(rows["lon"], rows["lat"]), crs="EPSG:4326")
    lines = [_line(track) for track in _tracks(conn, archive, rows)]
    return gpd.GeoDataFrame(texts, geometry=lines, crs="EPSG:4326")


def _line(track: Positions) -> shapely.Geometry | None:
    """The track as a line; a point where only one position has a fix, nothing where none has."""
    valid = track.take(track.has(Status.FIX_VALID))
    xy = np.column_stack((valid.lon, valid.lat)).round(7)
    if len(xy) == 0:
        return None
    return shapely.LineString(xy) if len(xy) > 1 else shapely.Point(xy[0])


def _tracks(conn: Connection[Any], archive: Archive | None, rows: pd.DataFrame) -> list[Positions]:
    ids = {vehicle.code: vehicle.vehicle_id for vehicle in load_vehicles(conn)}
    return [
        read_whole_track(conn, archive, ids[code], to_us(start), to_us(end) + 1)
        for code, start, end in zip(rows["vehicle"], rows["start_time"], rows["end_time"], strict=True)
    ]


def _write_gpx(conn: Connection[Any], archive: Archive | None, what: str, rows: pd.DataFrame, path: Path) -> None:
    """Write tracks with GDAL's GPX driver: a track a trip, or a track a vehicle for positions."""
    if what == "positions":
        points = rows.loc[rows["valid"], ["plate", "time", "lat", "lon"]].rename(columns={"plate": "track_name"})
        points["track_fid"] = pd.factorize(points["track_name"])[0]
    else:
        parts = []
        for number, (name, track) in enumerate(zip(rows["trip_id"], _tracks(conn, archive, rows), strict=True)):
            valid = track.take(track.has(Status.FIX_VALID))
            time = _local(valid.fix_time)
            parts.append(
                pd.DataFrame(
                    {"track_fid": number, "track_name": name, "time": time, "lat": valid.lat, "lon": valid.lon}
                )
            )
        points = (
            pd.concat(parts, ignore_index=True)
            if parts
            else pd.DataFrame(columns=["track_fid", "track_name", "time", "lat", "lon"])
        )
    points["track_seg_id"] = 0
    points["track_seg_point_id"] = points.groupby("track_fid").cumcount()
    points["time"] = pd.to_datetime(points["time"], utc=True)
    geometry = gpd.points_from_xy(points.pop("lon"), points.pop("lat"))
    gpd.GeoDataFrame(points, geometry=geometry, crs="EPSG:4326").to_file(path, driver="GPX", layer="track_points")


def _through_file(name: str, write: Callable[[Path], Any]) -> bytes:
    """What a library writes to a path, as bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
