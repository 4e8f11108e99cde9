"""Sealed parts of some days, as batches of whole vehicles in canonical order.

The rows of a batch come from one row group or a few of each day's file, so memory holds a batch however many days are
read. Parts are sorted by vehicle and time, and a day follows the day before: a batch is put together from each
vehicle's runs, a day after the other, and nothing is sorted.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geo.arrays import Int32Array
from geo.positions import ABSENT, DTYPES, Positions
from geo.runs import place_runs
from store.errors import ArchiveError
from store.parts import COLUMNS, Columns, first_line, part_columns_of

BATCH_POSITIONS = 1_500_000
"""A batch is closed when it holds so many; a vehicle is never divided."""

NEEDED = (
    "fix_time", "lat_e7", "lon_e7", "speed_mps", "course_deg", "odometer_m", "satellites", "status", "received_at",
)  # fmt: skip
"""What the numeric core asks of a position; the others say "not sent" in batches that are read for it."""

ALL = tuple(name for name in COLUMNS if name != "vehicle_id")
"""Every column of a position but its vehicle."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group of the file number `file`, in the order of days, and the vehicles it holds."""

    first: int
    last: int
    file: int
    number: int
    rows: int


def read_batches(
    root: Path,
    paths: Sequence[str],
    *,
    columns: Sequence[str] = NEEDED,
    batch_positions: int = BATCH_POSITIONS,
) -> Iterator[tuple[Positions, Int32Array]]:
    """Batches of whole vehicles from the parts of one bucket, vehicles ascending.

    Parameters
    ----------
    root, paths : the archive's folder, and below it one part a day, days ascending.
    columns : of `Positions`, besides the vehicle; `fix_time`, `lat_e7`, `lon_e7`, `status` and `received_at` among them.

    Yields
    ------
    Positions in canonical order with the columns asked for, the others as not sent; and int32 (v,) vehicle_id of each
    vehicle_ix, ascending.

    Raises
    ------
    ArchiveError   names the part that cannot be read.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(_Part(root / path, path)) for path in paths]
        groups = sorted(
            (group for number, file in enumerate(files) for group in file.groups(number)),
            key=lambda group: (group.first, group.file, group.number),
        )
        for batch in _batches(groups, batch_positions):
            chosen = groupby(sorted(batch, key=lambda group: (group.file, group.number)), key=lambda group: group.file)
            yield _together([files[file].read([group.number for group in of], columns) for file, of in chosen], columns)


class _Part:
    """One part's file, open."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        with _named(name):
            self._file = pq.ParquetFile(path, memory_map=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def groups(self, file: int) -> list[_Group]:
        with _named(self.name):
            metadata = self._file.metadata
            place = metadata.schema.names.index("vehicle_id")
            found = []
            for number in range(metadata.num_row_groups):
                group = metadata.row_group(number)
                statistics = group.column(place).statistics
                if statistics is None or not statistics.has_min_max:
                    raise ValueError(f"row group {number}: expected statistics of vehicle_id, got none")
                if group.num_rows:
                    found.append(_Group(statistics.min, statistics.max, file, number, group.num_rows))
            return found

    def read(self, groups: list[int], columns: Sequence[str]) -> Columns:
        with _named(self.name):
            wanted = ["vehicle_id", *columns]
            return part_columns_of(self._file.read_row_groups(groups, wanted, use_threads=False), wanted)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Faults of reading as ArchiveError with the part's name."""
    try:
        yield
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ArchiveError(f"archive: {name}: {first_line(error)}") from error


def _batches(groups: list[_Group], batch_positions: int) -> Iterator[list[_Group]]:
    """Groups in order of their first vehicle, cut where no group of any day spans the cut."""
    batch: list[_Group] = []
    rows, last = 0, -1
    for group in groups:
        if batch and group.first > last and rows >= batch_positions:
            yield batch
            batch, rows = [], 0
        batch.append(group)
        rows += group.rows
        last = max(last, group.last)
    if batch:
        yield batch


def _together(days: list[Columns], columns: Sequence[str]) -> tuple[Positions, Int32Array]:
    """Each vehicle's runs of rows, a day after the other."""
    n = sum(len(day["vehicle_id"]) for day in days)
    starts = [np.flatnonzero(np.diff(day["vehicle_id"], prepend=-1)) for day in days]
    counts = [np.diff(start, append=len(day["vehicle_id"])) for day, start in zip(days, starts, strict=True)]
    vehicle = np.concatenate([day["vehicle_id"][start] for day, start in zip(days, starts, strict=True)])
    ids, number = np.unique(vehicle, return_inverse=True)
    # A vehicle's runs in the order of days: a stable sort by vehicle alone.
    order = np.argsort(number, kind="stable")
    count = np.concatenate(counts)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.cumsum(count[order]) - count[order]
    to = np.split(places, np.cumsum([len(start) for start in starts])[:-1])
    full: dict[str, NDArray[Any]] = {}
    for name, dtype in DTYPES.items():
        if name in columns:
            full[name] = np.empty(n, dtype=dtype)
            for day, start, place, rows in zip(days, starts, to, counts, strict=True):
                place_runs(day[name], start, place, rows, full[name])
        elif name != "vehicle_ix":
            full[name] = np.broadcast_to(np.array(ABSENT[name], dtype=dtype), n)
    return Positions(vehicle_ix=np.repeat(number[order].astype(np.int32), count[order]), **full), ids.astype(np.int32)
