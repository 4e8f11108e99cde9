"""Sealed parts whose rows hold texts and bytes: what positions carried beyond the columns, and raw frames."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.depot import Depot
from store.errors import ArchiveError, reason

ROWS_PER_GROUP = 8_192

Row = tuple[Any, ...]


def _schema(**columns: Any) -> "pa.Schema":
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


NOTES = _schema(vehicle_id=pa.int32(), fix_time=pa.int64(), variant=pa.int16(), note=pa.string())
"""fix_time in µs UTC; note: the JSON as PostgreSQL's jsonb writes it."""

FRAMES = _schema(
    terminal_key=pa.string(), received_at=pa.int64(), frame_id=pa.int64(), source=pa.string(), place=pa.string(), frames=pa.binary()
)  # fmt: skip
"""received_at in µs UTC; frames: the bytes of one read or message."""

SCHEMAS: Mapping[str, "pa.Schema"] = {"notes": NOTES, "frames": FRAMES}


def encode_rows(schema: "pa.Schema", rows: Iterable[Row]) -> tuple[bytes, str, int]:
    """The Parquet file of rows, sorted; the hash of what they hold; and their number."""
    ordered = sorted(rows)
    columns = list(zip(*ordered, strict=True)) if ordered else [()] * len(schema.names)
    table = pa.table([pa.array(column, type=kind) for column, kind in zip(columns, schema.types, strict=True)], schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=ROWS_PER_GROUP, write_page_checksum=True)
    return buffer.getvalue(), rows_sha256(schema, columns), len(ordered)


def read_rows(schema: "pa.Schema", files: Depot, path: str, only: tuple[str, Any] | None = None) -> list[Row]:
    """Rows of a part, of one value of a column alone where it is asked for; ArchiveError names the part."""
    with _named(path), files.open(path) as source:
        return _rows(schema, source, only)


def decode_rows(schema: "pa.Schema", data: bytes, path: str) -> list[Row]:
    """Rows of a part from the bytes of its file; ArchiveError names the part when they are none."""
    with _named(path):
        return _rows(schema, pa.BufferReader(data), None)


def rows_sha256(schema: "pa.Schema", columns: Sequence[Sequence[Any]]) -> str:
    """Hash of rows: each column's name, a NUL, then its numbers, or the lengths (int32) of its texts and the texts.

    Numbers are little-endian, texts UTF-8; columns in the order of the schema.
    """
    digest = hashlib.sha256()
    for kind, name, values in zip(schema.types, schema.names, columns, strict=True):
        digest.update(name.encode() + b"\0")
        if pa.types.is_integer(kind):
            digest.update(np.asarray(values, dtype=kind.to_pandas_dtype()).astype(f"<i{kind.bit_width // 8}").tobytes())
        else:
            pieces = [value.encode() if isinstance(value, str) else value for value in values]
            digest.update(np.array([len(piece) for piece in pieces], dtype="<i4").tobytes())
            digest.update(b"".join(pieces))
    return digest.hexdigest()


@contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {path}: {reason(error)}") from error


def _rows(schema: "pa.Schema", source: "pa.NativeFile", only: tuple[str, Any] | None) -> list[Row]:
    with pq.ParquetFile(source) as file:
        groups = _groups_with(file, *only) if only else list(range(file.num_row_groups))
        table = file.read_row_groups(groups, schema.names, use_threads=False)
    rows: list[Row] = list(zip(*(table.column(name).to_pylist() for name in schema.names), strict=True))
    if only:
        at = schema.names.index(only[0])
        rows = [row for row in rows if row[at] == only[1]]
    return rows


def _groups_with(file: "pq.ParquetFile", name: str, value: Any) -> list[int]:
    """Row groups that may hold a value, by their statistics."""
    column = file.schema_arrow.get_field_index(name)
    found = []
    for number in range(file.num_row_groups):
        statistics = file.metadata.row_group(number).column(column).statistics
        if statistics is None or not statistics.has_min_max or statistics.min <= value <= statistics.max:
            found.append(number)
    return found
