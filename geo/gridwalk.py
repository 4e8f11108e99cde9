"""Which cells of a square grid a straight line runs through: of borders when a raster is built, of steps when asked."""

import numpy as np

from geo.arrays import FloatArray, Int32Array, Int64Array


def spread(count: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Numbers 0 … count[i] − 1 for each i, one after the other, and beside each its i."""
    owner = np.repeat(np.arange(len(count)), count)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)


def cells_along(
    x0: FloatArray,
    y0: FloatArray,
    x1: FloatArray,
    y1: FloatArray,
    cell: float,
    shape: tuple[int, int],
    margin: float,
) -> tuple[Int64Array, Int32Array, Int32Array]:
    """Every cell that comes within `margin` of each line, and perhaps a few more at its ends.

    Parameters
    ----------
    x0, y0, x1, y1 : float64 (n,)   Ends of each line, from the grid's corner, in the unit of `cell`; x is the column's
        direction. Equal ends are a point.
    cell : side of a cell.
    shape : rows and columns of the grid; what lies beyond is left out.
    margin : how far beside the line a cell counts, in the same unit, the same in x and y.

    Returns
    -------
    line : int64 (m,)   Ascending.
    row, column : int32 (m,)   Ascending within a line.

    Notes
    -----
    Row by row: within a row the line covers a range of columns. Exact but for rounding of 10⁻⁶ units at the size of
    the Earth in degrees × 10⁷, so a margin of one unit hides it.
    """
    rows, columns = shape
    low, high = np.minimum(y0, y1) - margin, np.maximum(y0, y1) + margin
    first, last = _clipped(low, high, cell, rows)
    line, step = spread(np.maximum(last - first + 1, 0))
    row = first[line] + step
    rise, run, start_x, start_y = (y1 - y0)[line], (x1 - x0)[line], x0[line], y0[line]
    level = rise == 0
    slope = np.where(level, 1.0, rise)
    enters = np.where(level, 0.0, np.clip((row * cell - margin - start_y) / slope, 0.0, 1.0))
    leaves = np.where(level, 1.0, np.clip(((row + 1) * cell + margin - start_y) / slope, 0.0, 1.0))
    one, other = start_x + enters * run, start_x + leaves * run
    first, last = _clipped(np.minimum(one, other) - margin, np.maximum(one, other) + margin, cell, columns)
    part, step = spread(np.maximum(last - first + 1, 0))
    return line[part], row[part].astype(np.int32), (first[part] + step).astype(np.int32)


def _clipped(low: FloatArray, high: FloatArray, cell: float, count: int) -> tuple[Int64Array, Int64Array]:
    """First and last cell of a range, within 0 … count − 1; last < first where it lies beyond."""
    first = np.clip(np.floor(low / cell), 0, count).astype(np.int64)
    last = np.clip(np.floor(high / cell), -1, count - 1).astype(np.int64)
    return first, last
