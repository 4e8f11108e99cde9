"""PostgreSQL's binary COPY built from numpy columns and read back into them.

A row is a count of fields (int16), then for each field its length (int32) and its bytes, all big-endian. Where no field
is null and every type has a fixed width, a batch of rows is one structured array: encoding and decoding are casts.
Source: PostgreSQL documentation, COPY, "Binary Format".
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, PostgreSQL's own epoch
_CHUNK_ROWS = 65_536

_WIRE: dict[str, np.dtype[Any]] = {
    "smallint": np.dtype(">i2"),
    "int": np.dtype(">i4"),
    "bigint": np.dtype(">i8"),
    "real": np.dtype(">f4"),
    "double precision": np.dtype(">f8"),
    "timestamptz": np.dtype(">i8"),  # in numpy: int64 µs since 1970 UTC
}

_WIRE_NATIVE = {kind: dtype.newbyteorder("=") for kind, dtype in _WIRE.items()}


def copy_in(conn: Connection[Any], table: str, types: Mapping[str, str], columns: Mapping[str, NDArray[Any]]) -> None:
    """COPY columns of equal length into a table.

    Parameters
    ----------
    types : column name → `smallint`, `int`, `bigint`, `real`, `double precision` or `timestamptz`, in the order to be sent.
    columns : name → array (n,); timestamptz as int64 µs since 1970 UTC. None may hold nulls.
    """
    rows = len(next(iter(columns.values())))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, types))
    )
    layout = _layout(types)
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        for start in range(0, rows, _CHUNK_ROWS):
            count = min(_CHUNK_ROWS, rows - start)
            block = np.empty(count, dtype=layout)
            block["fields"] = len(types)
            for name, kind in types.items():
                values = columns[name][start : start + count]
                block[f"length {name}"] = _WIRE[kind].itemsize
                block[name] = values - _EPOCH_US if kind == "timestamptz" else values
            copy.write(block.data)
        copy.write(_TRAILER)


def copy_out(
    conn: Connection[Any],
    query: sql.Composable,
    types: Mapping[str, str],
    parameters: Mapping[str, Any] | Sequence[Any],
) -> dict[str, NDArray[Any]]:
    """Columns of a query's rows, in native byte order; the query must give the columns of `types`, none null."""
    layout = _layout(types)
    data = bytearray()
    with (
        conn.cursor() as cursor,
        cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query), parameters) as copy,
    ):
        for piece in copy:
            data += piece
    rows = (len(data) - len(_HEADER) - len(_TRAILER)) // layout.itemsize
    block = np.frombuffer(data, dtype=layout, count=rows, offset=len(_HEADER))
    assert rows == 0 or (block["fields"] == len(types)).all()
    found = {}
    for name, kind in types.items():
        values = block[name].astype(_WIRE_NATIVE[kind])
        found[name] = values + _EPOCH_US if kind == "timestamptz" else values
    return found


def copy_arrays_out(
    conn: Connection[Any], query: sql.Composable, types: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Columns out of a query that gives one array (`array_agg`) for each column of `types`, no element null.

    The arrays of all rows are put one after the other.
    """
    pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in types}
    with (
        conn.cursor() as cursor,
        cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query), parameters) as copy,
    ):
        for name, values in _arrays(copy, types):
            pieces[name].append(values)
    found = {}
    for name, kind in types.items():
        values = np.concatenate(pieces[name]) if pieces[name] else np.empty(0, _WIRE_NATIVE[kind])
        found[name] = values + _EPOCH_US if kind == "timestamptz" else values
    return found


def _arrays(messages: Iterable[Any], types: Mapping[str, str]) -> Iterable[tuple[str, NDArray[Any]]]:
    """(column, values) of each array field; PostgreSQL sends a row per message, the header before the first."""
    elements = {name: np.dtype([("length", ">i4"), ("value", _WIRE[kind])]) for name, kind in types.items()}
    header = len(_HEADER)
    for message in messages:
        at = header
        header = 0
        if len(message) - at <= len(_TRAILER):
            continue
        at += 2  # count of fields
        for name, element in elements.items():
            # Length of the field, dimensions, null flag, element type, length of the dimension, its lower bound.
            size, _, _, _, count, _ = struct.unpack_from(">6i", message, at)
            yield name, np.frombuffer(message, element, count, at + 24)["value"].astype(_WIRE_NATIVE[types[name]])
            at += 4 + size


def _layout(types: Mapping[str, str]) -> np.dtype[Any]:
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in types.items():
        fields += [(f"length {name}", ">i4"), (name, _WIRE[kind])]
    return np.dtype(fields)
