"""PostgreSQL's binary COPY built from numpy columns and read back into them.

A row is a count of fields (int16), then for each field its length (int32) and its bytes, all big-endian. Where no field
is null and every type has a fixed width, a batch of rows is one structured array: encoding and decoding are casts.
Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from collections.abc import Mapping
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
    "timestamptz": np.dtype(">i8"),  # in numpy: int64 µs since 1970 UTC
}


def copy_in(conn: Connection[Any], table: str, types: Mapping[str, str], columns: Mapping[str, NDArray[Any]]) -> None:
    """COPY columns of equal length into a table.

    Parameters
    ----------
    types : column name → `smallint`, `int`, `bigint`, `real` or `timestamptz`, in the order to be sent.
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
    conn: Connection[Any], query: sql.Composable, types: Mapping[str, str], parameters: Mapping[str, Any]
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
        values = block[name].astype(_WIRE[kind].newbyteorder("="))
        found[name] = values + _EPOCH_US if kind == "timestamptz" else values
    return found


def _layout(types: Mapping[str, str]) -> np.dtype[Any]:
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in types.items():
        fields += [(f"length {name}", ">i4"), (name, _WIRE[kind])]
    return np.dtype(fields)
