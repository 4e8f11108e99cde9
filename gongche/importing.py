"""Files into the store: the fleet's own data, and positions with every row accounted for."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int32Array
from geo.positions import Positions
from geo.terminal_key import terminal_key
from gongche.console import Progress, no_progress
from gongche.errors import GongcheError
from gongche.home import Gongche
from gongche.logbook import log_command
from ingest.files import Batch, read_positions
from ingest.files.fleet import Taken, import_file, read_exemptions
from ingest.periods import NO_VEHICLE
from ingest.roster import Binding, load_roster
from rules import catalogue_path
from rules.load import load_catalogue
from store.fleet import ensure_vehicle, load_vehicles
from store.intake import add_quarantine, count_intake
from store.positions import merge_positions

SOURCE = "import"
FLEET_FILES = {
    "zones": "zones.geojson",
    "calendar": "calendar.csv",
    "units": "units.csv",
    "terminal-types": "terminal-types.csv",
    "vehicles": "vehicles.csv",
    "drivers": "drivers.csv",
    "orders": "orders.csv",
    "exemptions": "exemptions.csv",
    "swipes": "swipes.csv",
    "refuels": "refuels.csv",
    "prices": "prices.csv",
}
"""The fleet's own data: format → its file in a folder that `simulate` wrote, in the order one needs the other."""

POSITIONS_FILE = "positions.parquet"


@dataclass(slots=True)
class Imported:
    """Counts of one import; received = accepted + duplicate + quarantined."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    faults: list[str] = field(default_factory=list)
    """Of a folder: a line for each row of the fleet's own data that was refused alone."""

    def facts(self) -> dict[str, int]:
        """The counts."""
        return {name: getattr(self, name) for name in ("received", "accepted", "duplicate", "quarantined")}


def is_simulated(folder: Path) -> bool:
    """Whether `gongche simulate` wrote this folder: it holds vehicles and positions."""
    return (folder / FLEET_FILES["vehicles"]).is_file() and (folder / POSITIONS_FILE).is_file()


def import_fleet(gongche: Gongche, kind: str, path: Path) -> Taken:
    """Take units, vehicles, types of terminals, drivers, zones, orders, a calendar, swipes, refuelling or prices from a file.

    One transaction, with its entry in the log: a fault in any row (GongcheError with file, line, expected and got) leaves
    everything as it was. An order that meets another of its vehicle, or a card that has a driver already, is refused
    alone.
    """
    if kind == "exemptions":
        _check_rules(path)
    with gongche.database.connection() as conn:
        taken = import_file(conn, kind, path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        facts = {"format": kind, "rows": taken.rows, "refused": len(taken.faults), "sha256": sha256}
        log_command(conn, "setting", "imported", path.name, **facts)
    return taken


def _check_rules(path: Path) -> None:
    """GongcheError where a table of exemptions names a rule that is not in the catalogue: it would lift nothing."""
    known = {rule.rule_id for rule in load_catalogue(catalogue_path())}
    for line, each in read_exemptions(path):
        if each.rule and each.rule not in known:
            raise GongcheError(
                f"{path.name}:{line}: rule: expected one of {', '.join(sorted(known))}, got {each.rule!r}"
            )


def import_folder(gongche: Gongche, folder: Path, progress: Progress = no_progress) -> Imported:
    """Take a folder that `simulate` wrote: the fleet's own data, then the positions."""
    faults: list[str] = []
    for kind, name in FLEET_FILES.items():
        if (folder / name).is_file():
            faults += import_fleet(gongche, kind, folder / name).faults
    counts = import_positions(gongche, [folder / POSITIONS_FILE], progress=progress)
    counts.faults = faults
    return counts


def import_positions(
    gongche: Gongche,
    files: Sequence[Path],
    *,
    file_format: str | None = None,
    vehicle: str | None = None,
    progress: Progress = no_progress,
) -> Imported:
    """Take the positions of files into the store; a batch is one transaction with its counts.

    A vehicle is named by its code or plate; one that is not known is made, in the unit `unassigned`. So is one by the
    number of a terminal that was in no vehicle at the time of a position; else that goes to the vehicle it was in then.
    Rows that cannot be positions go to quarantine with file, line and reason.
    """
    counts = Imported()
    with gongche.database.connection() as conn:
        known = {name: each.vehicle_id for each in load_vehicles(conn) for name in (each.plate, each.code)}
        roster = load_roster(conn)
    for path in files:
        for batch in read_positions(path, file_format, vehicle):
            _merge(gongche, batch, known, roster, counts)
            progress(counts.received, 0)
    return counts


def expand(paths: Iterable[Path]) -> list[Path]:
    """Files named, and the files of folders named, in order of name. GongcheError when one is not there."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        elif path.exists():
            files.append(path)
        else:
            raise GongcheError(f"{path}: no such file or folder")
    return files


def _merge(
    gongche: Gongche, batch: Batch, known: dict[str, int], roster: Mapping[str, Binding], counts: Imported
) -> None:
    with gongche.database.connection() as conn:
        positions, vehicle_ids = _of_vehicles(conn, batch, known, roster)
        merged = merge_positions(conn, positions, vehicle_ids, notes=batch.notes)
        add_quarantine(conn, batch.refused)
        refused = len(batch.refused)
        count_intake(
            conn,
            SOURCE,
            received=batch.received,
            accepted=merged.accepted,
            duplicate=merged.duplicate,
            quarantined=refused,
            at_us=time_ns() // 1000,
        )
    counts.received += batch.received
    counts.accepted += merged.accepted
    counts.duplicate += merged.duplicate
    counts.quarantined += refused


def _of_vehicles(
    conn: Connection[Any], batch: Batch, known: dict[str, int], roster: Mapping[str, Binding]
) -> tuple[Positions, Int32Array]:
    """The positions of a batch, and the vehicle_id of each vehicle_ix."""

    def named(name: str) -> int:
        if name not in known:
            known[name] = ensure_vehicle(conn, name)
        return known[name]

    sent = batch.positions
    bindings = [roster.get(terminal_key(name)) if batch.named_by == "terminal" else None for name in batch.vehicles]
    of_name = [
        named(name) if binding is None else binding.periods.only
        for name, binding in zip(batch.vehicles, bindings, strict=True)
    ]
    vehicle_ids: Int32Array = np.array(of_name, dtype=np.int32)
    if (vehicle_ids != NO_VEHICLE).all():
        return sent, vehicle_ids
    vehicle = vehicle_ids[sent.vehicle_ix]
    for number, binding in enumerate(bindings):
        if binding is not None and binding.periods.only == NO_VEHICLE:
            rows = np.flatnonzero(sent.vehicle_ix == number)
            then = binding.periods.vehicles_at(sent.fix_time[rows], sent.received_at[rows])
            if (then == NO_VEHICLE).any():
                then[then == NO_VEHICLE] = named(batch.vehicles[number])
            vehicle[rows] = then
    ids, vehicle_ix = np.unique(vehicle, return_inverse=True)
    return sent.with_vehicle_ix(vehicle_ix.astype(np.int32)), ids
