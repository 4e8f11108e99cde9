"""Is a bundle what was given out? What verify.py checks, its Parquet files, and where there is a home its archive and log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection

from geo.positions import DTYPES, Positions
from gongche.bundle.rows import read_parquet
from gongche.bundle.track import rows_sha256
from gongche.bundle.verifier import DAY_US, OFFSET_US, Bundle, Findings, check
from gongche.home import Gongche
from store import bundle_rows
from store.errors import ArchiveError
from store.files import HashedFolder
from store.manifest import sha256
from store.reading import read_vehicle


def check_bundle(path: Path) -> Findings:
    """What verify.py finds, and where that is nothing, whether the Parquet files hold the rows that the manifest names."""
    found = check(path)
    if found.faults:
        return found
    with Bundle(path) as bundle:
        for track in found.manifest["positions"]:
            name = track["parquet"]
            fault = "" if name in found.broken else _parquet_fault(bundle.read(name), name, track)
            if fault:
                found.faults.append(f"{name}: {fault}")
    return found


def check_against_home(found: Findings, path: Path, gongche: Gongche) -> list[str]:
    """One line for each thing that the home's record, log or archive has otherwise; for a sound bundle alone."""
    with gongche.database.connection() as conn:
        return [*_record_faults(conn, found, path), *_log_faults(conn, found, path), *_archive_faults(gongche, found)]


def _parquet_fault(data: bytes, name: str, track: dict[str, Any]) -> str:
    try:
        rows = _positions(read_parquet(data, name))
    except ValueError as error:
        return str(error)
    ids = np.array([track["vehicle_id"]], dtype=np.int32)
    day_of = (rows.fix_time + OFFSET_US) // DAY_US
    found = {
        str(np.datetime64(day, "D")): (int(np.sum(day_of == day)), rows_sha256(rows.take(day_of == day), ids))
        for day in np.unique(day_of).tolist()
    }
    expected = {day["day"]: (day["rows"], day["rows_sha256"]) for day in track["days"]}
    return "" if found == expected else "its rows are not those that manifest.json names"


def _positions(columns: dict[str, Any]) -> Positions:
    rest = {name: columns[name] for name in DTYPES if name != "vehicle_ix"}
    return Positions(vehicle_ix=np.zeros(len(columns["fix_time"]), dtype=np.int32), **rest)


def _record_faults(conn: Connection[Any], found: Findings, path: Path) -> Iterator[str]:
    if path.is_dir():
        return  # what was unpacked has no hash as a file
    digest = HashedFolder(path.parent).measure(path.name).sha256
    known = bundle_rows.bundle_record(conn, digest)
    if known is None:
        yield f"{path.name}: no bundle of sha256 {digest} was given out by this home"
    elif known[0] != found.manifest["case"]:
        yield f"{path.name}: was given out for case {known[0]}, says it is of case {found.manifest['case']}"


def _log_faults(conn: Connection[Any], found: Findings, path: Path) -> Iterator[str]:
    log = found.manifest["log"]
    with Bundle(path) as bundle:
        entries = [json.loads(line) for line in bundle.read(log["file"]).decode().splitlines()]
    named = {entry["entry_id"]: entry["sha256"] for entry in entries}
    head = log["head"]
    if head["entry_id"]:
        named[head["entry_id"]] = head["sha256"]
    known = bundle_rows.log_hashes(conn, sorted(named))
    for number, digest in sorted(named.items()):
        if known.get(number) != digest:
            yield f"{log['file']}: log entry {number}: names {digest}, the log has {known.get(number, 'no such entry')}"


def _archive_faults(gongche: Gongche, found: Findings) -> Iterator[str]:
    """The copied manifests, and the rows of each sealed part, against those of the archive."""
    files = gongche.archive.files
    for entry in found.manifest["archive"]["manifests"]:
        path = entry["file"].removeprefix("archive/")
        try:
            digest = sha256(files.get(path))
        except OSError:
            yield f"{entry['file']}: the archive does not have it"
            continue
        if digest != entry["sha256"]:
            yield f"{entry['file']}: expected sha256 {digest}, as the archive has it, got {entry['sha256']}"
    for track in found.manifest["positions"]:
        for day in track["days"]:
            if day["source"] != "archive":
                continue
            try:
                whole = read_vehicle(files, [day["part"]], track["vehicle_id"])
            except ArchiveError as error:
                yield f"{track['csv']}: {day['day']}: {error}"
                continue
            span = np.searchsorted(whole.fix_time, [track["since_us"], track["until_us"]]).tolist()
            ids = np.array([track["vehicle_id"]], dtype=np.int32)
            if rows_sha256(whole.take(slice(*span)), ids) != day["rows_sha256"]:
                yield f"{track['csv']}: {day['day']}: its rows are not those of {day['part']} in the archive"
