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
from geo.runs import MISSING, Runs, place_counted, place_runs, place_shares, place_since

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


@dataclass(frozen=True, slots=True)
class Share:
    """A column of floats as whole numbers, so many to its unit; −1: not sent."""

    column: str
    name: str
    per: int


SHARES = (Share("speed_mps", "speed_kmh_10", 36), Share("course_deg", "course_whole_deg", 1))
"""Taken where each value is that number's share to the last bit."""


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
    for share in SHARES:
        if share.column == column and share.name in names:
            return [share.name]
    raise KeyError(f"no column {column}")


def from_file(found: Mapping[str, NDArray[Any]], wanted: Sequence[str]) -> Columns:
    """The columns wanted, of their dtypes, from what was read of a file."""
    rows = len(next(iter(found.values())))
    whole = (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.array([rows]))
    bases = [form.since for form in FORMS if form.column in wanted and form.name in found and form.since]
    columns = {name: np.empty(rows, dtype=COLUMNS[name]) for name in {*wanted, *bases}}
    place(found, columns, whole)
    return {name: columns[name] for name in wanted}


def place(found: Mapping[str, NDArray[Any]], columns: Columns, runs: Runs) -> None:
    """Put runs of rows of what was read of a file in their places in `columns`, each with those it is reckoned from."""
    for name in COLUMNS:  # what others are reckoned from stands before them
        if name in columns:
            _place(name, found, columns, runs)


def _place(name: str, found: Mapping[str, NDArray[Any]], columns: Columns, runs: Runs) -> None:
    out = columns[name]
    if name in found:
        place_runs(found[name], *runs, out)
        return
    for share in SHARES:
        if share.column == name:
            place_shares(found[share.name], runs, out, share.per)
            return
    form = next(form for form in FORMS if form.column == name and form.name in found)
    if form.since:
        place_since(found[form.name], runs, out, form.unit, columns[form.since])
    else:
        place_counted(found[form.name], runs, out, form.unit, least=form.least)


def _stored(column: str, columns: Columns) -> tuple[str, NDArray[Any]]:
    values = columns[column]
    for share in SHARES:
        if share.column == column:
            counted = _shares(values, share.per)
            return (column, values) if counted is None else (share.name, counted)
    for form in FORMS:
        if form.column == column:
            units = _counted(values - columns[form.since] if form.since else values, form)
            if units is not None:
                return form.name, _narrow(units)
    return column, _narrow(values)


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers of 64 bits in 32 where they fit: half of what is packed, unpacked and put in its place."""
    if values.dtype != np.int64:
        return values
    narrow = values.astype(np.int32)
    return narrow if np.array_equal(narrow, values) else values


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


def _shares(values: Float32Array, per: int) -> Int16Array | None:
    """Floats as whole numbers, so many to one, NaN as `MISSING`; None where that is not each of them to the last bit."""
    counted: Int16Array = np.empty(0, dtype=np.int16)
    for rows in (slice(64), slice(None)):
        some = np.ascontiguousarray(values[rows])
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number of 16 bits does not come back
            counted = np.rint(some * np.float32(per)).astype(np.int16)
        counted[np.isnan(some)] = MISSING
        back = np.empty_like(some)
        whole = (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.array([len(some)]))
        place_shares(counted, whole, back, per)
        if not np.array_equal(back.view(np.int32), some.view(np.int32)):
            return None
    return counted
