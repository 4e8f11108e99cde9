"""Feature tables as files: what rules judge, a Parquet file for each subject and local day, made of the database's rows.

They are derived and may be deleted at any time. Each names the changes (`store.feature_changes`) it was made from; a day
whose changes are others is made anew before it is read, and so is a file that cannot be read.
"""

import fcntl
import io
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj
import pyarrow.parquet as pq
from psycopg import Connection

from geo.arrays import Int64Array
from geo.localtime import day_date
from store.depot import PARTIAL, make_folder, write_durably
from store.errors import StoreError
from store.feature_changes import Change, changes_of, settle_changes

FORMAT = 1
"""Of the files; one of another format is made anew."""

_CHANGES = b"gongche.changes"
_ROW_GROUP = 65_536
_JSON_BLOCK = 1 << 24
_WHOLE = {"vehicle_id": pa.int32(), "day": pa.int32(), "start_time": pa.int64(), "end_time": pa.int64()}
"""Columns of whole numbers; the others are texts or float64."""


class TornFileError(StoreError):
    """A file of features whose bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a subject come from.

    rows: SQL of one local day's rows, by vehicle and time; a column `features` is JSON and is unfolded.
    texts: columns that are texts, those of `features` too. few: those of them with few values.
    """

    rows: str
    texts: frozenset[str]
    few: frozenset[str] = frozenset()


_TIMES = """
    day - DATE '1970-01-01' AS day, (extract(epoch FROM start_time) * 1000000)::bigint AS start_time,
    (extract(epoch FROM end_time) * 1000000)::bigint AS end_time
"""
_KINDS = frozenset({"origin_kind", "destination_kind", "venue_kind", "vehicle_class"})
SOURCES = {
    "trip": Source(
        f"""
        SELECT trip_id, vehicle_id, {_TIMES}, distance_m, odometer_m, duration_s, moving_s, max_speed_mps, off_hours_s,
               off_hours_m, out_of_area_s, out_of_area_m, dispatch_order, origin_place, destination_place,
               private_score, features
        FROM trip WHERE day = %s ORDER BY vehicle_id, trip.start_time
        """,
        _KINDS | {"trip_id", "dispatch_order", "origin_place", "destination_place", "driver_card", "cleared", "holds"},
        _KINDS | {"origin_place", "destination_place", "cleared", "holds"},
    ),
    "dark": Source(
        f"""
        SELECT dark_id, vehicle_id, {_TIMES}, dark_m, dark_s, dark_cause, off_hours_s, off_hours_share, dispatch_order,
               order_cover
        FROM dark_entry WHERE day = %s ORDER BY vehicle_id, dark_entry.start_time
        """,
        frozenset({"dark_id", "dark_cause", "dispatch_order"}),
        frozenset({"dark_cause"}),
    ),
    # The small hours that nights are judged by, `night_from_h` to `night_to_h` of the local day.
    "night": Source(
        """
        SELECT vehicle_id || '-N' || to_char(day, 'YYYYMMDD') AS night_id, vehicle_id, day - DATE '1970-01-01' AS day,
               ((day - DATE '1970-01-01') * 24::bigint - 8) * 3600000000 AS start_time,
               ((day - DATE '1970-01-01') * 24::bigint - 8 + 5) * 3600000000 AS end_time, to_jsonb(n) AS features
        FROM vehicle_night n WHERE day = %s ORDER BY vehicle_id
        """,
        frozenset({"night_id", "night_kind", "place", "dispatch_order"}),
        frozenset({"night_kind", "place"}),
    ),
}
"""Subject → its rows. Whoever changes them says so by `store.feature_changes.note_changes`."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """The rows of some local days as they stood when it was opened, column by column as they are asked for."""

    source: Source
    files: Sequence[tuple[Path, pq.ParquetFile]]

    def __len__(self) -> int:
        return sum(_rows(file) for _, file in self.files)

    def frame(self, columns: Collection[str], rows: Int64Array | None = None) -> pd.DataFrame:
        """These columns of all rows, or of those (row numbers, ascending); one that a day does not know is missing there.

        TornFileError where a file was damaged; it is gone then, and opening the table again makes it anew.
        """
        names = sorted(columns)
        pieces, first = [], 0
        for path, file in self.files:
            count = _rows(file)
            wanted = None
            if rows is not None:
                wanted = rows[slice(*np.searchsorted(rows, [first, first + count]).tolist())] - first
            first += count
            if wanted is None or len(wanted):
                piece = self._piece(path, file, names)
                pieces.append(piece if wanted is None else piece.take(pa.array(wanted)))
        whole = pa.concat_tables(pieces) if pieces else self._schema(names).empty_table()
        frame: pd.DataFrame = whole.to_pandas(split_blocks=True, self_destruct=True)
        return frame

    def _piece(self, path: Path, file: pq.ParquetFile, names: list[str]) -> pa.Table:
        known = frozenset(file.schema_arrow.names)
        there = [name for name in names if name in known]
        try:
            found = file.read(columns=there)
        except (OSError, pa.ArrowException) as error:
            path.unlink(missing_ok=True)
            raise TornFileError(f"{path}: {error}; it is made anew when it is asked for again") from error
        schema = self._schema(names)
        columns = [
            found[name].cast(schema.field(name).type)
            if name in there
            else pa.nulls(len(found), schema.field(name).type)
            for name in names
        ]
        return pa.table(columns, schema=schema)

    def _schema(self, names: list[str]) -> pa.Schema:
        return pa.schema([(name, _type(self.source, name)) for name in names])


class FeatureFiles:
    """The files of a home, below one folder. Processes and threads may share it: one makes files at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, conn: Connection[Any], subject: str, from_day: int, to_day: int) -> FeatureTable:
        """The rows of a subject (one of SOURCES) on local days [from_day, to_day], by day, vehicle and time.

        Stale days are made anew first, a second each for a city of ten thousand vehicles. OSError where they cannot be.
        """
        changes = changes_of(conn, subject, from_day, to_day)
        days = range(from_day, to_day + 1)
        files = {day: self._fresh(subject, day, changes.get(day, ())) for day in days}
        stale = [day for day in days if files[day] is None]
        if stale:
            with self._alone():
                now = changes_of(conn, subject, from_day, to_day)
                for day in stale:  # unless another process made it meanwhile
                    files[day] = self._fresh(subject, day, now.get(day, ())) or self._made(conn, subject, day)
        found = [(self.path(subject, day), file) for day, file in files.items() if file is not None and _rows(file)]
        return FeatureTable(SOURCES[subject], found)

    def path(self, subject: str, day: int) -> Path:
        """Where the file of a day lies."""
        return self._folder / subject / f"day={day_date(day).isoformat()}.parquet"

    def _fresh(self, subject: str, day: int, changes: Sequence[Change]) -> pq.ParquetFile | None:
        """The file of a day, if it is there, whole, and made of exactly these changes."""
        try:
            file = pq.ParquetFile(self.path(subject, day), memory_map=True, page_checksum_verification=True)
        except (OSError, pa.ArrowException):
            return None
        return file if (file.metadata.metadata or {}).get(_CHANGES) == _said(changes) else None

    def _made(self, conn: Connection[Any], subject: str, day: int) -> pq.ParquetFile:
        """Make the file of a day. The changes are read before the rows: one that comes between makes it stale, no more."""
        changes = changes_of(conn, subject, day, day).get(day, ())
        table = read_rows(conn, subject, day)
        settled = settle_changes(conn, subject, day, changes)
        out = io.BytesIO()
        source = SOURCES[subject]
        pq.write_table(
            table.replace_schema_metadata({_CHANGES: _said(settled)}),
            out,
            row_group_size=_ROW_GROUP,
            compression="lz4",
            use_dictionary=[name for name in table.column_names if name in source.few],
            write_page_checksum=True,
        )
        path = self.path(subject, day)
        make_folder(path.parent)
        write_durably(path, [out.getvalue()])
        return pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self._folder)
        handle = os.open(self._folder / f"lock{PARTIAL}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def read_rows(conn: Connection[Any], subject: str, day: int) -> pa.Table:
    """The rows of a subject on one local day, out of the database, with `features` unfolded."""
    source = SOURCES[subject]
    out = io.BytesIO()
    with conn.cursor() as cursor:
        query = f"COPY ({source.rows}) TO STDOUT (FORMAT csv, HEADER)"
        with cursor.copy(query, (day_date(day),)) as copy:
            for block in copy:
                out.write(block)
    out.seek(0)
    text = pa.string()
    header = out.readline().decode().strip().split(",")
    out.seek(0)
    table = pc.read_csv(
        out,
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types={name: text if name == "features" else _type(source, name) for name in header},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return _unfolded(table, source) if "features" in header else table


def _unfolded(table: pa.Table, source: Source) -> pa.Table:
    """The table with a column for each name in the JSON of `features`; what stands beside it counts, not what stands in it."""
    folded, rest = table["features"], table.drop_columns(["features"])
    if not len(table):
        return rest
    lines = io.BytesIO("\n".join(folded.to_pylist()).encode())  # jsonb has no newline outside of its texts' escapes
    found = pj.read_json(
        lines,
        read_options=pj.ReadOptions(block_size=_JSON_BLOCK),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema([(name, pa.string()) for name in sorted(source.texts)])
        ),
    )
    for name in found.column_names:
        column = found[name]
        if name in rest.column_names or column.null_count == len(column) or pa.types.is_nested(column.type):
            continue
        if name not in source.texts and not pa.types.is_string(column.type) and not pa.types.is_temporal(column.type):
            column = column.cast(pa.float64())
        rest = rest.append_column(name, column)
    return rest


def _rows(file: pq.ParquetFile) -> int:
    return int(file.metadata.num_rows)


def _type(source: Source, name: str) -> pa.DataType:
    return _WHOLE.get(name, pa.string() if name in source.texts else pa.float64())


def _said(changes: Sequence[Change]) -> bytes:
    return f"{FORMAT} {' '.join(f'{number}@{at}' for number, at in sorted(changes))}".encode()
