"""How the columns of positions stand in a sealed part: each in the coarsest unit that holds all its values exactly.

Terminals send coarser than the columns are: JT/T 808 whole seconds, millionths of a degree, 0.1 km/h, hundreds of metres.
The noughts between are found by no packer. A name in the file says its unit, so that other programs read it too; parts
sealed before hold the columns by their own names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.arrays import Float32Array, Int16Array
from geo.localtime import SECOND_US
from geo.positions import DTYPES, NO_ODOMETER

Columns = dict[str, NDArray[Any]]

COLUMNS = {name if name != "vehicle_ix" else "vehicle_id": dtype for name, dtype in DTYPES.items()}
"""The columns of a part, in the order in which they are hashed."""


@dataclass(frozen=True, slots=True)
class Form:
    """An integer column as a file may have it: its name there, the unit it counts, the column it is reckoned from.

    `least`: the lowest value there can be, where it is "not sent" and a multiple of no unit.
    """

    column: str
    name: str
    unit: int = 1
    since: str = ""
    least: int | None = None


FORMS = (
    Form("fix_time", "fix_s", SECOND_US),
    Form("fix_time", "fix_ms", 1_000),
    Form("lat_e7", "lat_e6", 10),
    Form("lon_e7", "lon_e6", 10),
    Form("odometer_m", "odometer_100m", 100, least=NO_ODOMETER),
    Form("received_at", "delay_ms", 1_000, since="fix_time"),
    Form("received_at", "delay_us", since="fix_time"),
)
"""The first that fits is taken; where none does, the column stands there as it is."""

SPEED = "speed_kmh_10"
"""speed_mps as 0.1 km/h; −1: not sent."""

_NOT_SENT = -1
_PER_MPS = np.float32(36)


def to_file(columns: Columns) -> Columns:
    """The columns as they stand in a file, in the order of `COLUMNS`."""
    stored: Columns = {}
    for name in COLUMNS:
        stored.update([_stored(name, columns)])
    return stored


def names_for(column: str, names: Collection[str]) -> list[str]:
    """What must be read of a file with these names for a column; KeyError when it is not there."""
    if column in names:
        return [column]
    for form in FORMS:
        if form.column == column and form.name in names:
            return [form.name, *(names_for(form.since, names) if form.since else [])]
    if column == "speed_mps" and SPEED in names:
        return [SPEED]
    raise KeyError(f"no column {column}")


def from_file(found: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Columns:
    """The columns wanted, of their dtypes, from what was read of a file."""
    columns: Columns = {}
    for name in wanted:
        if name not in columns:
            columns[name] = _column(name, found, columns)
    return {name: columns[name] for name in wanted}


def _stored(column: str, columns: Columns) -> tuple[str, NDArray[Any]]:
    values = columns[column]
    if column == "speed_mps":
        tenths = _tenths_of_kmh(values)
        return (column, values) if tenths is None else (SPEED, tenths)
    for form in FORMS:
        if form.column == column:
            counted = _counted(values - columns[form.since] if form.since else values, form)
            if counted is not None:
                return form.name, counted
    return column, values


def _counted(values: NDArray[Any], form: Form) -> NDArray[Any] | None:
    """Values in units; None where that is not exact."""
    counted: NDArray[Any] = values
    for rows in (slice(64), slice(None)):  # most often it is seen at once
        counted = values[rows] // values.dtype.type(form.unit)
        if not np.array_equal(_times(counted, form), values[rows]):
            return None
    return counted


def _times(counted: NDArray[Any], form: Form) -> NDArray[Any]:
    """Units times what they count."""
    if form.unit == 1:
        return counted
    values: NDArray[Any] = counted * counted.dtype.type(form.unit)
    return values if form.least is None else np.maximum(values, form.least)


def _tenths_of_kmh(speed_mps: Float32Array) -> Int16Array | None:
    """Speeds as 0.1 km/h, −1 for NaN; None where that is not each of them to the last bit."""
    counted: Int16Array = np.empty(0, dtype=np.int16)
    for rows in (slice(64), slice(None)):
        speed = np.ascontiguousarray(speed_mps[rows])
        with np.errstate(invalid="ignore", over="ignore"):
            tenths = np.rint(np.nan_to_num(speed * _PER_MPS, nan=_NOT_SENT, posinf=0, neginf=0))
        counted = np.clip(tenths, _NOT_SENT, 2**15 - 1).astype(np.int16)
        if not np.array_equal(_speed(counted).view(np.int32), speed.view(np.int32)):
            return None
    return counted


def _speed(tenths: Int16Array) -> Float32Array:
    """0.1 km/h as m/s. The quotient of float32 is that of float64 rounded: 53 bits are more than twice 24."""
    speed: Float32Array = tenths.astype(np.float32)
    speed /= _PER_MPS
    missing = tenths == _NOT_SENT
    if missing.any():
        speed[missing] = np.nan
    return speed


def _column(name: str, found: Mapping[str, NDArray[Any]], columns: Columns) -> NDArray[Any]:
    if name in found:
        return found[name].astype(COLUMNS[name], copy=False)
    if name == "speed_mps":
        return _speed(found[SPEED])
    form = next(form for form in FORMS if form.column == name and form.name in found)
    values = _times(found[form.name], form)
    if form.since:
        if form.since not in columns:
            columns[form.since] = _column(form.since, found, columns)
        # What was multiplied is ours to change; what was only read is not.
        values = np.add(values, columns[form.since], out=values if form.unit > 1 else None)
    return values.astype(COLUMNS[name], copy=False)
