"""`positions.parquet` as `gongche simulate` writes it: columns into columns, no row is touched by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array, UInt32Array
from geo.positions import NO_ALTITUDE, NO_ODOMETER, NO_SATELLITES, Positions, Status
from ingest.errors import FileFormatError
from ingest.files.batch import ROWS_PER_BATCH, Batch, on_the_globe, refused_at
from store.intake import Refused

REQUIRED = {"vehicle", "fix_time", "lat", "lon"}
# (column, whether an empty value counts as set, status bit)
FLAGS = (
    ("fix_valid", True, Status.FIX_VALID),
    ("ignition", False, Status.IGNITION_ON),
    ("late", False, Status.LATE),
    ("power_cut", False, Status.POWER_CUT),
    ("antenna_fault", False, Status.ANTENNA_FAULT),
)
_PLAIN = {"speed_mps": np.nan, "course_deg": np.nan, "odometer_m": NO_ODOMETER, "fuel_l": np.nan,
          "altitude_m": NO_ALTITUDE, "satellites": NO_SATELLITES}  # fmt: skip


def read_parquet(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Batches in the file's order; `vehicle` stands for its column. FileFormatError where a required column is missing."""
    try:
        columns = set(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise FileFormatError(f"{path.name}: expected Parquet, got {error}") from error
    missing = sorted(REQUIRED - columns - ({"vehicle"} if vehicle else set()))
    if missing:
        raise FileFormatError(
            f"{path.name}: columns: expected {', '.join(sorted(REQUIRED))}, missing {', '.join(missing)}"
        )
    with pq.ParquetFile(path, read_dictionary=["vehicle"] if "vehicle" in columns else None) as file:
        row = 0
        for table in file.iter_batches(ROWS_PER_BATCH):
            yield _read_table(path, table, row, vehicle, received_at)
            row += table.num_rows


def _read_table(path: Path, table: pa.RecordBatch, first_row: int, vehicle: str | None, received_at: int) -> Batch:
    lat, lon = (np.asarray(table.column(name).to_numpy(zero_copy_only=False)) for name in ("lat", "lon"))
    good = on_the_globe(lat, lon) & ~np.asarray(table.column("fix_time").is_null().to_numpy(zero_copy_only=False))
    refused: list[Refused] = []
    if not good.all():
        for row in np.flatnonzero(~good):
            raw = repr(table.slice(int(row), 1).to_pylist()[0]).encode()
            reason = "row: expected a time and a place on the globe, got neither or one"
            refused.append(refused_at(path, f"row {first_row + int(row) + 1}", reason, raw, received_at))
        table = table.filter(pa.array(good))
        lat, lon = lat[good], lon[good]
    n = table.num_rows
    index, names = _vehicles(table, vehicle)
    columns: dict[str, NDArray[Any]] = {}
    for name, absent in _PLAIN.items():
        if name in table.schema.names:
            columns[name] = pc.fill_null(table.column(name), absent).to_numpy(zero_copy_only=False)
    received = np.full(n, received_at, dtype=np.int64)
    if "received_at" in table.schema.names:
        received = _instants(table.column("received_at"))
    positions = Positions.from_columns(
        n,
        vehicle_ix=index,
        fix_time=_instants(table.column("fix_time")),
        lat_e7=np.rint(lat * 1e7).astype(np.int32),
        lon_e7=np.rint(lon * 1e7).astype(np.int32),
        status=_status(table, n),
        received_at=received,
        **columns,
    )
    return Batch(positions, names, {}, refused, n + len(refused))


def _vehicles(table: pa.RecordBatch, vehicle: str | None) -> tuple[Int32Array, list[str]]:
    if vehicle:
        return np.zeros(table.num_rows, dtype=np.int32), [vehicle]
    column = table.column("vehicle")
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int32), coded.dictionary.to_pylist()


def _instants(column: pa.Array) -> NDArray[np.int64]:
    found: NDArray[np.int64] = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).to_numpy()
    return found


def _status(table: pa.RecordBatch, n: int) -> UInt32Array:
    status = np.zeros(n, dtype=np.uint32)
    for name, default, bit in FLAGS:
        if name in table.schema.names:
            values = pc.fill_null(table.column(name), default).to_numpy(zero_copy_only=False)
            status |= values.astype(np.uint32) * np.uint32(bit)
        elif default:
            status |= np.uint32(bit)
    if "ignition" in table.schema.names:
        known = ~np.asarray(table.column("ignition").is_null().to_numpy(zero_copy_only=False))
        status |= known.astype(np.uint32) * np.uint32(Status.IGNITION_KNOWN)
    return status
