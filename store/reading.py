"""Sealed parts of some days, as batches of whole vehicles in canonical order.

The rows of a batch come from one row group or a few of each day's file, so memory holds a batch however many days are
read; a row group that reaches into the next batch, as that of a day with few positions does, is kept as it stands in the
file. Parts are sorted by vehicle and time, and a day follows the day before: which vehicle has how many rows where is
read first, then each day's runs go straight to their places in the batch, and nothing is sorted.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array, Int64Array
from geo.positions import ABSENT, DTYPES, Positions
from geo.runs import repeat_runs
from store.depot import Depot
from store.errors import ArchiveError, reason
from store.forms import COLUMNS, Columns, from_file, place
from store.parts import stored_columns, stored_names

BATCH_POSITIONS = 750_000
"""A batch is closed when it holds so many; a vehicle is never divided."""

NEEDED = (
    "fix_time", "lat_e7", "lon_e7", "speed_mps", "course_deg", "odometer_m", "satellites", "status", "received_at",
)  # fmt: skip
"""What the numeric core asks of a position; the others say "not sent" in batches that are read for it."""

ALL = tuple(name for name in COLUMNS if name != "vehicle_id")
"""Every column of a position but its vehicle."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group of the file number `file`, in the order of days: its vehicles, and how many rows each has there."""

    file: int
    number: int
    vehicles: Int32Array  # ascending
    counts: Int64Array

    @property
    def first(self) -> int:
        return int(self.vehicles[0])

    @property
    def last(self) -> int:
        return int(self.vehicles[-1])


@dataclass(slots=True)
class _Piece:
    """Row groups of one file, one after the other, and what was read of them while a batch still needs it."""

    groups: list[_Group]
    found: Columns | None = None

    @property
    def place(self) -> tuple[int, int]:
        """By which pieces are sorted: in the order of days."""
        return self.groups[0].file, self.groups[0].number

    @property
    def last(self) -> int:
        return self.groups[-1].last

    def runs(self, first: int, last: int) -> tuple[Int32Array, Int64Array, Int64Array]:
        """Vehicle, first row and rows of each run of the vehicles from first to last."""
        vehicles = np.concatenate([group.vehicles for group in self.groups])
        counts = np.concatenate([group.counts for group in self.groups])
        inside = slice(*np.searchsorted(vehicles, [first, last + 1]).tolist())
        return vehicles[inside], (np.cumsum(counts) - counts)[inside], counts[inside]


def read_batches(
    files: Depot,
    paths: Sequence[str],
    *,
    columns: Sequence[str] = NEEDED,
    batch_positions: int = BATCH_POSITIONS,
    within: tuple[int, int] | None = None,
) -> Iterator[tuple[Positions, Int32Array]]:
    """Batches of whole vehicles from the parts of one bucket, vehicles ascending.

    Parameters
    ----------
    files, paths : where the archive lies, and in it one part a day, days ascending.
    columns : of `Positions`, besides the vehicle; `fix_time`, `lat_e7`, `lon_e7`, `status` and `received_at` among them.
    within : the first and the last vehicle that is wanted: row groups without any between them are not read.

    Yields
    ------
    Positions in canonical order with the columns asked for, the others as not sent; and int32 (v,) vehicle_id of each
    vehicle_ix, ascending.

    Raises
    ------
    ArchiveError   names the part that cannot be read.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(_Part(files, path)) for path in paths]
        waiting = [group for number, part in enumerate(parts) for group in part.groups(number)]
        if within is not None:
            waiting = [group for group in waiting if group.first <= within[1] and group.last >= within[0]]
        kept: list[_Piece] = []
        for first, last in _spans(waiting, batch_positions):
            begun = [group for group in waiting if group.first <= last]
            waiting = [group for group in waiting if group.first > last]
            new = [_Piece(list(of_file)) for _, of_file in groupby(begun, key=lambda group: group.file)]
            pieces = sorted([*kept, *new], key=lambda piece: piece.place)
            yield _together(parts, pieces, first, last, columns)
            kept = [piece for piece in pieces if piece.last > last]


def read_vehicle(files: Depot, paths: Sequence[str], vehicle_id: int) -> Positions:
    """One vehicle's positions from the parts of its bucket, days ascending; of each file only its row groups are read.

    In canonical order; vehicle_ix is 0. ArchiveError names the part that cannot be read.
    """
    days = []
    for path in paths:
        with _Part(files, path) as part:
            groups = part.groups_with(vehicle_id)
            if not groups:
                continue
            columns = from_file(part.read(groups, COLUMNS), list(COLUMNS))
        own = slice(*np.searchsorted(columns.pop("vehicle_id"), [vehicle_id, vehicle_id + 1]).tolist())
        cut = {name: column[own] for name, column in columns.items()}
        rows = own.stop - own.start
        days.append(Positions.from_columns(rows, vehicle_ix=np.zeros(rows, dtype=np.int32), **cut))
    return Positions.concat(days)


class _Part:
    """One part's file, open."""

    def __init__(self, files: Depot, path: str) -> None:
        self.name = path
        with _named(path):
            self._source = files.open(path)
            # Mapped into memory, pieces cost nothing; from elsewhere they are asked for together.
            self._file = pq.ParquetFile(self._source, pre_buffer=not isinstance(self._source, pa.MemoryMappedFile))
            self._names = self._file.schema_arrow.names

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._source.close()

    def groups(self, file: int) -> list[_Group]:
        """Its row groups that have rows."""
        with _named(self.name):
            vehicle = stored_columns(self._file.read(["vehicle_id"], use_threads=False))["vehicle_id"]
            metadata = self._file.metadata
        rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        ends = np.cumsum(rows, dtype=np.int64)
        starts = np.union1d(np.flatnonzero(vehicle[1:] != vehicle[:-1]) + 1, ends - rows)
        starts = starts[starts < len(vehicle)]
        counts = np.diff(starts, append=len(vehicle))
        runs = np.searchsorted(starts, ends).tolist()
        return [
            _Group(file, number, vehicle[starts[first:end]], counts[first:end])
            for number, (first, end) in enumerate(pairwise([0, *runs]))
            if end > first
        ]

    def groups_with(self, vehicle_id: int) -> list[int]:
        """Row groups that may hold a vehicle, by their statistics."""
        with _named(self.name):
            at = self._names.index("vehicle_id")
        metadata = self._file.metadata
        found = []
        for number in range(metadata.num_row_groups):
            statistics = metadata.row_group(number).column(at).statistics
            if statistics is None or not statistics.has_min_max or statistics.min <= vehicle_id <= statistics.max:
                found.append(number)
        return found

    def read(self, groups: list[int], columns: Collection[str]) -> Columns:
        """What must be read of its file for some columns, of some row groups."""
        with _named(self.name):
            stored = stored_names(columns, self._names)
            return stored_columns(self._file.read_row_groups(groups, stored, use_threads=False))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Faults of reading as ArchiveError with the part's name."""
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {reason(error)}") from error


def _spans(groups: Sequence[_Group], batch_positions: int) -> Iterator[tuple[int, int]]:
    """The first and the last vehicle of each batch; cut where a group begins, as most days' groups then do."""
    if not groups:
        return
    ids, number = np.unique(np.concatenate([group.vehicles for group in groups]), return_inverse=True)
    rows = np.bincount(number, weights=np.concatenate([group.counts for group in groups]))
    starts = {group.first for group in groups}
    first, held = int(ids[0]), 0
    for vehicle, count in zip(ids.tolist(), rows.tolist(), strict=True):
        if held >= batch_positions and vehicle in starts:
            yield first, vehicle - 1
            first, held = vehicle, 0
        held += count
    yield first, int(ids[-1])


def _together(
    parts: Sequence[_Part], pieces: Sequence[_Piece], first: int, last: int, columns: Sequence[str]
) -> tuple[Positions, Int32Array]:
    """The vehicles from first to last, each one's runs of rows a day after the other.

    What is read of a file goes to its places while it is near; one day's rows at a time are in memory twice.
    """
    runs = [piece.runs(first, last) for piece in pieces]
    ids, number = np.unique(np.concatenate([vehicles for vehicles, _, _ in runs]), return_inverse=True)
    count = np.concatenate([counts for _, _, counts in runs])
    # A vehicle's runs in the order of days: a stable sort by vehicle alone.
    order = np.argsort(number, kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.cumsum(count[order]) - count[order]
    n = int(count.sum())
    full: dict[str, NDArray[Any]] = {
        name: _column(n, dtype) if name in columns else np.broadcast_to(np.array(ABSENT[name], dtype=dtype), n)
        for name, dtype in DTYPES.items()
        if name != "vehicle_ix"
    }
    read = {name: full[name] for name in columns}
    done = 0
    for piece, (_, start, counts) in zip(pieces, runs, strict=True):
        if piece.found is None:
            piece.found = parts[piece.groups[0].file].read([group.number for group in piece.groups], columns)
        place(piece.found, read, (start, places[done : done + len(counts)], counts))
        if piece.last <= last:
            piece.found = None
        done += len(counts)
    vehicle_ix = _column(n, DTYPES["vehicle_ix"])
    repeat_runs(number[order].astype(np.int32), count[order], vehicle_ix)
    return Positions(vehicle_ix=vehicle_ix, **full), ids


def _column(n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A column of n rows in the memory that Arrow keeps from batch to batch.

    What numpy gives back goes to the system, and each page is made anew: a quarter of the time of reading.
    """
    return np.frombuffer(pa.allocate_buffer(n * dtype.itemsize), dtype=dtype)
