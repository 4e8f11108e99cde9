"""What file readers give: batches of positions with the names of their vehicles, and what was refused."""

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, Float32Array, FloatArray, Int64Array, UInt32Array
from geo.positions import Positions, Status
from ingest.errors import Refusal
from ingest.report import Report, convert_e7, to_columns
from store.intake import Refused

SOURCE = "import"
ROWS_PER_BATCH = 262_144


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file, in its order; received = rows of `positions` + `refused`.

    `vehicles[vehicle_ix]` is a name as the file says it: of a vehicle (code or plate), or of a terminal where
    `named_by` says so. `notes`: row → what has no column.
    """

    positions: Positions
    vehicles: list[str]
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    received: int = 0
    named_by: Literal["vehicle", "terminal"] = "vehicle"


def open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in .gz."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def refused_at(path: Path, place: str, reason: str, raw: bytes, received_at: int) -> Refused:
    """A refusal that names file and place in it (line, entry, byte)."""
    return Refused(received_at, SOURCE, f"{path.name}:{place}", reason, raw)


def make_batch(
    names: NDArray[Any] | Sequence[str],
    fix_time: Int64Array,
    lat: FloatArray,
    lon: FloatArray,
    received_at: Int64Array | int,
    *,
    datum: str = "wgs84",
    status: UInt32Array | None = None,
    notes: dict[int, dict[str, Any]] | None = None,
    refused: list[Refused] | None = None,
    **columns: Any,
) -> Batch:
    """A batch of columns of equal length n, `lat`, `lon` in degrees of `datum`; status all valid unless given."""
    n = len(fix_time)
    vehicles, index = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
    lat_e7, lon_e7 = np.rint(lat * 1e7).astype(np.int32), np.rint(lon * 1e7).astype(np.int32)
    if datum != "wgs84":
        lat_e7, lon_e7 = convert_e7(lat_e7, lon_e7, datum)
    positions = Positions.from_columns(
        n,
        vehicle_ix=index.astype(np.int32),
        fix_time=fix_time,
        lat_e7=lat_e7,
        lon_e7=lon_e7,
        status=np.full(n, Status.FIX_VALID, dtype=np.uint32) if status is None else status,
        received_at=np.broadcast_to(np.asarray(received_at, dtype=np.int64), (n,)),
        **columns,
    )
    bad = refused or []
    return Batch(positions, [str(name) for name in vehicles], notes or {}, bad, n + len(bad))


def from_reports(
    reports: Sequence[Report],
    refused: list[Refused],
    received_at: int,
    named_by: Literal["vehicle", "terminal"],
) -> Batch:
    """A batch of decoded reports; each `terminal` is the name."""
    names = sorted({report.terminal for report in reports})
    index = {name: i for i, name in enumerate(names)}
    positions, notes = to_columns(reports, received_at, index.__getitem__)
    return Batch(positions, names, notes, refused, len(reports) + len(refused), named_by)


def refusals(path: Path, found: Iterable[tuple[str, Refusal]], received_at: int) -> list[Refused]:
    """Refusals of a decoder with their place in the file."""
    return [refused_at(path, place, str(each.error), each.raw, received_at) for place, each in found]


def kmh_to_mps(speed_kmh: FloatArray) -> Float32Array:
    """Metres a second of km/h."""
    return (speed_kmh / 3.6).astype(np.float32)


def on_the_globe(lat: FloatArray, lon: FloatArray) -> BoolArray:
    """Mask of places that are on the globe; NaN is not."""
    mask: BoolArray = (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    return mask
