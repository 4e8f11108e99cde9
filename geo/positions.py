"""`Positions`: the one batch type. Equal-length numpy columns, one row per reported place of a vehicle."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntFlag
from functools import partial
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from geo.arrays import BoolArray, Float32Array, FloatArray, Int16Array, Int32Array, Int64Array, UInt32Array
from geo.localtime import SECOND_US
from geo.runs import kept_runs, place_runs

NO_ODOMETER = -1
NO_ALTITUDE = -32768
NO_SATELLITES = -1

# BeiDou's regional service opened in 2012 and no terminal of the programme is older than 2011; a receiver that lost
# its GPS week count (1,024 weeks) reports 2007 in 2026. So anything before 2010 is a clock fault.
EARLIEST_FIX_US = 1_262_304_000 * SECOND_US  # 2010-01-01T00:00:00Z
# Terminals are set by the satellites; five minutes cover a link's delay and a server whose own clock is a little late.
FUTURE_TOLERANCE_US = 300 * SECOND_US


class Status(IntFlag):
    """Status bits, ours and not a vendor's. The low half is what the terminal said; the high half is doubt found later.

    Stored and sealed rows carry the low half only: doubt is derived by analytics and can always be derived again.
    """

    FIX_VALID = 1 << 0
    IGNITION_ON = 1 << 1
    IGNITION_KNOWN = 1 << 2
    BEIDOU = 1 << 3
    GPS = 1 << 4
    POWER_CUT = 1 << 5
    ANTENNA_FAULT = 1 << 6
    LATE = 1 << 7  # sent again from the terminal's memory (0x0704 blind spot, broker backlog)
    DUPLICATE_TIME = 1 << 16  # another position of this vehicle with the same fix time stands before it
    TELEPORT = 1 << 17
    FROZEN = 1 << 18
    OUT_OF_RANGE = 1 << 19
    CLOCK = 1 << 20
    CANYON = 1 << 21  # multipath: a jump aside that speed and course contradict, until the jump back
    DRIFT = 1 << 22  # a parked car's place that wandered off


SENT_BITS = 0x0000FFFF
DOUBT_BITS = 0xFFFF0000

DTYPES: dict[str, np.dtype[Any]] = {
    "vehicle_ix": np.dtype(np.int32),
    "fix_time": np.dtype(np.int64),
    "lat_e7": np.dtype(np.int32),
    "lon_e7": np.dtype(np.int32),
    "speed_mps": np.dtype(np.float32),
    "course_deg": np.dtype(np.float32),
    "odometer_m": np.dtype(np.int64),
    "fuel_l": np.dtype(np.float32),
    "altitude_m": np.dtype(np.int16),
    "satellites": np.dtype(np.int16),
    "status": np.dtype(np.uint32),
    "received_at": np.dtype(np.int64),
}
ABSENT: dict[str, Any] = {
    "speed_mps": np.nan,
    "course_deg": np.nan,
    "odometer_m": NO_ODOMETER,
    "fuel_l": np.nan,
    "altitude_m": NO_ALTITUDE,
    "satellites": NO_SATELLITES,
}
"""What a column holds where nothing was sent; the columns without an entry are always sent."""
FEW = 1 / 32
"""Where a mask leaves out less than this share, copying the runs between is faster than choosing row by row."""


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """A batch of positions as columns of equal length n.

    Kernels expect the canonical order of `canonical_order`: by (vehicle_ix, fix_time), equal fix times by content, so
    that a result depends on the set of positions and never on how they came.
    """

    vehicle_ix: Int32Array  # dense index of the vehicle in this batch's vehicle table
    fix_time: Int64Array  # µs UTC of the satellite fix
    lat_e7: Int32Array  # WGS-84 (CGCS2000) degrees × 10⁷
    lon_e7: Int32Array
    speed_mps: Float32Array  # NaN: not sent
    course_deg: Float32Array  # NaN: not sent
    odometer_m: Int64Array  # the terminal's counter; −1: not sent
    fuel_l: Float32Array  # NaN: not sent
    altitude_m: Int16Array  # −32768: not sent
    satellites: Int16Array  # in the fix; −1: not sent
    status: UInt32Array  # Status bits
    received_at: Int64Array  # µs UTC

    def __post_init__(self) -> None:
        n = len(self.vehicle_ix)
        for name, dtype in DTYPES.items():
            column = getattr(self, name)
            if column.dtype != dtype or column.shape != (n,):
                raise ValueError(f"{name}: expected {dtype} ({n},), got {column.dtype} {column.shape}")

    def __len__(self) -> int:
        return len(self.vehicle_ix)

    @classmethod
    def from_columns(cls, n: int, **columns: NDArray[Any]) -> Self:
        """Build a batch of n rows, casting each column to its dtype; optional columns that are left out mean not sent.

        `vehicle_ix`, `fix_time`, `lat_e7`, `lon_e7`, `status` and `received_at` must be given.
        """
        full = {}
        for name, dtype in DTYPES.items():
            if name in columns:
                full[name] = np.ascontiguousarray(columns[name], dtype=dtype)
            elif name in ABSENT:
                full[name] = np.full(n, ABSENT[name], dtype=dtype)
            else:
                raise ValueError(f"{name}: this column must be given")
        return cls(**full)

    @classmethod
    def empty(cls) -> Self:
        """A batch without rows."""
        return cls(**{name: np.empty(0, dtype=dtype) for name, dtype in DTYPES.items()})

    @classmethod
    def concat(cls, batches: Sequence["Positions"]) -> Self:
        """All rows of the batches, one after the other; the batches share one vehicle table."""
        if not batches:
            return cls.empty()
        return cls(**{name: np.concatenate([getattr(batch, name) for batch in batches]) for name in DTYPES})

    def take(self, index: Int64Array | BoolArray | slice) -> Self:
        """Rows chosen by an index array, a mask or a slice."""
        choose = partial(_chosen, index=index)
        if (
            isinstance(index, np.ndarray)
            and index.dtype == np.bool_
            and np.count_nonzero(index) > (1 - FEW) * len(index)
        ):
            choose = partial(_between, runs=kept_runs(cast("BoolArray", index)))
        return type(self)(**{field.name: choose(getattr(self, field.name)) for field in fields(self)})

    def with_status(self, status: UInt32Array) -> Self:
        """The same rows with another status column."""
        return self._with(status=status)

    def with_vehicle_ix(self, vehicle_ix: Int32Array) -> Self:
        """The same rows numbered by another vehicle table."""
        return self._with(vehicle_ix=vehicle_ix)

    def with_places(self, lat_e7: Int32Array, lon_e7: Int32Array) -> Self:
        """The same rows at other places."""
        return self._with(lat_e7=lat_e7, lon_e7=lon_e7)

    def _with(self, **columns: NDArray[Any]) -> Self:
        return type(self)(**{field.name: columns.get(field.name, getattr(self, field.name)) for field in fields(self)})

    @property
    def lat(self) -> FloatArray:
        """WGS-84 latitude, degrees, float64 (n,)."""
        return self.lat_e7.astype(np.float64) * 1e-7

    @property
    def lon(self) -> FloatArray:
        """WGS-84 longitude, degrees, float64 (n,)."""
        return self.lon_e7.astype(np.float64) * 1e-7

    def has(self, bit: Status) -> BoolArray:
        """Mask of the rows whose status carries the bit."""
        mask: BoolArray = (self.status & np.uint32(bit)) != 0
        return mask


def canonical_order(positions: Positions) -> Int64Array:
    """Index that puts a batch into canonical order; int64 (n,).

    By vehicle_ix, fix_time, then by every other column, so two batches with the same set of rows sort to the same
    bytes. Where (vehicle_ix, fix_time) has no ties, which is the rule, only these two are sorted by.
    """
    if len(positions) == 0:
        return np.empty(0, dtype=np.int64)
    order = np.lexsort((positions.fix_time, positions.vehicle_ix))
    vehicle, time = positions.vehicle_ix[order], positions.fix_time[order]
    if not np.any((vehicle[1:] == vehicle[:-1]) & (time[1:] == time[:-1])):
        return order
    names = [name for name in DTYPES if name not in {"vehicle_ix", "fix_time"}]
    keys = [_sortable(getattr(positions, name)) for name in reversed(names)]
    return np.lexsort((*keys, positions.fix_time, positions.vehicle_ix))


def canonical(positions: Positions) -> Positions:
    """The batch in canonical order, repetitions of a whole row removed; itself, where it is so already."""
    if _ascends(positions):
        return positions
    ordered = positions.take(canonical_order(positions))
    if len(ordered) < 2:
        return ordered
    repeated = np.ones(len(ordered) - 1, dtype=np.bool_)
    for name in DTYPES:
        if name != "received_at":  # the same position received twice is one position, first received
            column = _sortable(getattr(ordered, name))
            repeated &= column[1:] == column[:-1]
    if not repeated.any():
        return ordered
    return ordered.take(np.concatenate(([True], ~repeated)))


def _ascends(positions: Positions) -> bool:
    """Whether each row comes after the one before by vehicle and time, so that there is nothing to put in order."""
    vehicle, time = positions.vehicle_ix, positions.fix_time
    step = vehicle[1:] > vehicle[:-1]
    step |= (vehicle[1:] == vehicle[:-1]) & (time[1:] > time[:-1])
    return bool(step.all())


def join(batches: Sequence[tuple[Positions, Int32Array]]) -> tuple[Positions, Int32Array]:
    """Batches with vehicle tables of their own (`ids[vehicle_ix]`), as one batch in canonical order with one table.

    Returns
    -------
    Positions, int32 (v,)   Ids ascending; only those that have rows.
    """
    ids = [table[batch.vehicle_ix] for batch, table in batches]
    table, vehicle_ix = np.unique(np.concatenate(ids) if ids else np.empty(0, np.int32), return_inverse=True)
    rows = Positions.concat([batch for batch, _ in batches]).with_vehicle_ix(vehicle_ix.astype(np.int32))
    return canonical(rows), table.astype(np.int32)


def only(positions: Positions, ids: Int32Array, wanted: Int32Array) -> tuple[Positions, Int32Array]:
    """The rows of the vehicles whose id is wanted, with a vehicle table of these alone; order is kept."""
    keep = np.isin(ids, wanted)
    rows = positions.take(keep[positions.vehicle_ix])
    new_ix = np.cumsum(keep, dtype=np.int32) - np.int32(1)
    return rows.with_vehicle_ix(new_ix[rows.vehicle_ix]), ids[keep]


def clock_fault(fix_time: Int64Array, received_at: Int64Array) -> BoolArray:
    """Mask of the positions whose clock cannot be right: in the future of their receipt, or before the programme."""
    return (fix_time > received_at + FUTURE_TOLERANCE_US) | (fix_time < EARLIEST_FIX_US)


def _sortable(column: NDArray[Any]) -> NDArray[Any]:
    """Floats as their bits, so that NaN equals NaN and sorts in one place."""
    return column.view(np.int32) if column.dtype == np.float32 else column


def _between(column: NDArray[Any], runs: tuple[Int64Array, Int64Array, Int64Array]) -> NDArray[Any]:
    """The rows of these runs."""
    start, to, count = runs
    kept = int(count.sum())
    if column.strides == (0,):
        return np.broadcast_to(column[0], kept)
    out = np.empty(kept, dtype=column.dtype)
    place_runs(np.ascontiguousarray(column), start, to, count, out)
    return out


def _chosen(column: NDArray[Any], index: Int64Array | BoolArray | slice) -> NDArray[Any]:
    """Rows of a column; of one value spread over all rows (what was not read) the value again."""
    if column.strides != (0,) or isinstance(index, slice) or not len(column):
        return column[index]
    return np.broadcast_to(column[0], int(np.count_nonzero(index)) if index.dtype == np.bool_ else len(index))
