"""One sealed part: a Parquet file of positions in canonical order, and the hash of its rows.

Times and counters are stored as differences, floats by byte planes; zstd packs what is left. Row groups end where a
vehicle's rows end, so that their statistics find one vehicle in few of them.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array, Int64Array
from geo.positions import DTYPES, Positions
from store.errors import ArchiveError

ROWS_PER_GROUP = 65_536
COLUMNS = {name if name != "vehicle_ix" else "vehicle_id": dtype for name, dtype in DTYPES.items()}
"""The columns of a part, in the order in which they are hashed."""

Columns = dict[str, NDArray[Any]]

# The narrow columns keep the plain encoding, which zstd alone packs well.
_ENCODING = {
    name: "BYTE_STREAM_SPLIT" if dtype.kind == "f" else "DELTA_BINARY_PACKED"
    for name, dtype in COLUMNS.items()
    if dtype.itemsize >= 4
}


def part_columns(positions: Positions, vehicle_ids: Int32Array) -> Columns:
    """The columns of a part from positions in canonical order, with vehicle_id in place of vehicle_ix."""
    sent = {name: getattr(positions, name) for name in COLUMNS if name != "vehicle_id"}
    return {"vehicle_id": vehicle_ids[positions.vehicle_ix], **sent}


def encode_part(columns: Columns) -> bytes:
    """The Parquet file of a part."""
    table = pa.table(columns)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        table.schema,
        compression="zstd",
        use_dictionary=False,
        column_encoding=_ENCODING,
        write_page_checksum=True,
    ) as writer:
        for start, stop in _groups(columns["vehicle_id"]):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(1, stop - start))
    return buffer.getvalue()


def read_part(path: Path, name: str) -> Columns:
    """The columns of a part's file; ArchiveError names the part when it cannot be read."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            return _columns(file.read(list(COLUMNS), use_threads=False))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {_first_line(error)}") from error


def decode_part(data: bytes, name: str) -> Columns:
    """The columns of a part from the bytes of its file; ArchiveError names the part when they are none."""
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            return _columns(file.read(list(COLUMNS), use_threads=False))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {_first_line(error)}") from error


def columns_sha256(columns: Columns) -> str:
    """Hash of the rows themselves: each column's name, a NUL and its little-endian bytes, in the order of `COLUMNS`.

    It outlives the file format: a file written anew by another library can be proved to hold the same rows.
    """
    digest = hashlib.sha256()
    for name, dtype in COLUMNS.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(columns[name], dtype=dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _columns(table: "pa.Table") -> Columns:
    return {name: table.column(name).to_numpy().astype(dtype, copy=False) for name, dtype in COLUMNS.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _groups(vehicle_id: Int32Array) -> list[tuple[int, int]]:
    """Row groups [start, stop) of about ROWS_PER_GROUP that end where a vehicle's rows end."""
    ends: Int64Array = np.append(np.flatnonzero(np.diff(vehicle_id)) + 1, len(vehicle_id))
    groups, start = [], 0
    for end in ends.tolist():
        if end - start >= ROWS_PER_GROUP or end == len(vehicle_id):
            groups.append((start, end))
            start = end
    return groups
