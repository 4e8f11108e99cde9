"""One sealed part: a Parquet file of positions in canonical order, and the hash of its rows.

Fix times and counters are stored as differences, places, receipt times and floats by byte planes; lz4 or zstd packs what
is left. Row groups hold whole vehicles, so that their statistics find one vehicle in few of them. A part describes its
own layout: parts that were sealed otherwise, nullable and with other encodings, are read alike.
"""

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array
from geo.positions import DTYPES, Positions
from store.errors import ArchiveError

ROWS_PER_GROUP = 32_768
COLUMNS = {name if name != "vehicle_ix" else "vehicle_id": dtype for name, dtype in DTYPES.items()}
"""The columns of a part, in the order in which they are hashed."""

Columns = dict[str, NDArray[Any]]

_DICTIONARY = ["vehicle_id", "satellites", "status"]
"""Few different values: a dictionary packs and reads best."""

_DIFFERENCES = ("fix_time", "odometer_m")
"""They grow by few different steps; of the other numbers, differences would be as unlike as they are."""

_ENCODING = {
    name: "DELTA_BINARY_PACKED" if name in _DIFFERENCES else "BYTE_STREAM_SPLIT"
    for name, dtype in COLUMNS.items()
    if dtype.itemsize >= 4 and name not in _DICTIONARY
}

# What an audit reads is packed by what unpacks fast, for a hundredth more bytes; the others by zstd.
_COMPRESSION = dict.fromkeys(COLUMNS, "lz4") | dict.fromkeys(("fuel_l", "altitude_m"), "zstd")
_PAGE_BYTES = 8 << 20  # a column of a row group is one page


def part_columns(positions: Positions, vehicle_ids: Int32Array) -> Columns:
    """The columns of a part from positions in canonical order, with vehicle_id in place of vehicle_ix."""
    sent = {name: getattr(positions, name) for name in COLUMNS if name != "vehicle_id"}
    return {"vehicle_id": vehicle_ids[positions.vehicle_ix], **sent}


# No column is ever null: told so, a reader does not look for it at each value.
_SCHEMA = pa.schema([pa.field(name, pa.from_numpy_dtype(dtype), nullable=False) for name, dtype in COLUMNS.items()])


def encode_part(columns: Columns) -> bytes:
    """The Parquet file of a part."""
    table = pa.table(columns, schema=_SCHEMA)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        _SCHEMA,
        compression=_COMPRESSION,
        use_dictionary=_DICTIONARY,
        column_encoding=_ENCODING,
        data_page_size=_PAGE_BYTES,
        write_page_checksum=True,
    ) as writer:
        for start, stop in _groups(columns["vehicle_id"]):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(1, stop - start))
    return buffer.getvalue()


def decode_part(data: bytes, name: str) -> Columns:
    """The columns of a part from the bytes of its file; ArchiveError names the part when they are none."""
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            return part_columns_of(file.read(list(COLUMNS), use_threads=False), list(COLUMNS))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {first_line(error)}") from error


def columns_sha256(columns: Columns) -> str:
    """Hash of the rows themselves: each column's name, a NUL and its little-endian bytes, in the order of `COLUMNS`.

    It outlives the file format: a file written anew by another library can be proved to hold the same rows.
    """
    digest = hashlib.sha256()
    for name, dtype in COLUMNS.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(columns[name], dtype=dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def part_columns_of(table: "pa.Table", names: Sequence[str]) -> Columns:
    """Some columns of a part as arrays of their dtypes."""
    return {name: table.column(name).to_numpy().astype(COLUMNS[name], copy=False) for name in names}


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _groups(vehicle_id: Int32Array) -> list[tuple[int, int]]:
    """Row groups [start, stop) by spans of 2^k vehicle ids from multiples of 2^k, halved down to ROWS_PER_GROUP rows.

    So a vehicle is never divided, and the groups of several days can be read together: a span of one day lies in a
    span of another, or holds it.
    """
    if not len(vehicle_id):
        return [(0, 0)]
    span = 1 << int(vehicle_id[-1]).bit_length()
    groups, waiting = [], [(0, span)]
    while waiting:
        first, span = waiting.pop()
        start, stop = np.searchsorted(vehicle_id, [first, first + span]).tolist()
        if stop - start <= ROWS_PER_GROUP or span == 1:
            if stop > start:
                groups.append((start, stop))
        else:
            waiting += [(first + span // 2, span // 2), (first, span // 2)]
    return groups
