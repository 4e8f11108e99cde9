"""One sealed part: a Parquet file of positions in canonical order, and the hash of its rows.

Columns stand there in the units of `store.forms`. Row groups hold whole vehicles, so that their statistics find one
vehicle in few of them. A part describes its own layout: parts that were sealed otherwise, nullable, with other columns,
encodings and packers, are read alike.
"""

import hashlib
import io
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array
from geo.positions import Positions
from store.errors import ArchiveError, reason
from store.forms import COLUMNS, Columns, from_file, names_for, to_file

ROWS_PER_GROUP = 32_768

_OFTEN_SAID = ("speed_mps", "course_deg", "course_whole_deg", "fuel_l")
"""A dictionary where a value comes often enough, else byte planes: of noise only sign and exponent pack."""

_FEW = ("vehicle_id", "altitude_m", "satellites", "status")
_PLANES = ("speed_kmh_10", "delay_ms", "delay_us", "received_at")
"""Values as unlike their neighbours as any: differences would only be longer."""

# What an audit reads is packed by what unpacks fast, unless zstd saves much of it.
_ZSTD = ("speed_kmh_10", "course_whole_deg", "delay_ms", "satellites", "fuel_l")
_SOUGHT = ("vehicle_id", "fix_s", "fix_ms", "fix_time")
"""By these a reader looks for row groups; of the others' extremes a footer would only be longer to write and to read."""

_OFTEN = 8
_PAGE_BYTES = 8 << 20  # a column of a row group is one page


def part_columns(positions: Positions, vehicle_ids: Int32Array) -> Columns:
    """The columns of a part from positions in canonical order, with vehicle_id in place of vehicle_ix."""
    sent = {name: getattr(positions, name) for name in COLUMNS if name != "vehicle_id"}
    return {"vehicle_id": vehicle_ids[positions.vehicle_ix], **sent}


def encode_part(columns: Columns) -> bytes:
    """The Parquet file of a part."""
    stored = to_file(columns)
    # No column is ever null: told so, a reader does not look for it at each value.
    schema = pa.schema(
        [pa.field(name, pa.from_numpy_dtype(each.dtype), nullable=False) for name, each in stored.items()]
    )
    table = pa.table(stored, schema=schema)
    dictionary = [name for name in stored if name in _FEW or (name in _OFTEN_SAID and _repeats(table.column(name)))]
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        schema,
        compression={name: "zstd" if name in _ZSTD else "lz4" for name in stored},
        use_dictionary=dictionary,
        column_encoding={
            name: "BYTE_STREAM_SPLIT" if name in _PLANES or name in _OFTEN_SAID else "DELTA_BINARY_PACKED"
            for name in stored
            if name not in dictionary
        },
        data_page_size=_PAGE_BYTES,
        dictionary_pagesize_limit=_PAGE_BYTES,
        write_page_checksum=True,
        write_statistics=[name for name in stored if name in _SOUGHT],
        store_schema=False,  # Parquet's own types say all of it
    ) as writer:
        for start, stop in _groups(columns["vehicle_id"]):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(1, stop - start))
    return buffer.getvalue()


def decode_part(data: bytes, name: str) -> Columns:
    """The columns of a part from the bytes of its file; ArchiveError names the part when they are none."""
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            names = file.schema_arrow.names
            return from_file(stored_columns(file.read(stored_names(COLUMNS, names), use_threads=False)), list(COLUMNS))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {reason(error)}") from error


def columns_sha256(columns: Columns) -> str:
    """Hash of the rows themselves: each column's name, a NUL and its little-endian bytes, in the order of `COLUMNS`.

    It outlives the file format: a file written anew by another library can be proved to hold the same rows.
    """
    digest = hashlib.sha256()
    for name, dtype in COLUMNS.items():
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(columns[name], dtype=dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def stored_names(columns: Collection[str], names: Collection[str]) -> list[str]:
    """What of a file with these names must be read for some columns; KeyError when one is not there."""
    return list(dict.fromkeys(stored for column in columns for stored in names_for(column, names)))


def stored_columns(table: "pa.Table") -> Columns:
    """What was read of a part's file, as it stands there."""
    return dict(zip(table.column_names, map(_array, table.itercolumns()), strict=True))


def _array(column: "pa.ChunkedArray") -> NDArray[Any]:
    """A column without nulls; of one piece, as reading gives it, it is not copied."""
    array: NDArray[Any] = column.chunk(0).to_numpy() if column.num_chunks == 1 else column.to_numpy()
    return array


def _repeats(column: "pa.ChunkedArray") -> bool:
    """Whether a value comes often enough to be named by a number."""
    first = column.slice(0, ROWS_PER_GROUP)
    return bool(pc.count_distinct(first).as_py() * _OFTEN <= len(first))


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
