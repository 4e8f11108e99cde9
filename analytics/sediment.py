"""Positions as they arrive, kept so that a vehicle's newest rows are found without sorting what lies below."""

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.positions import Positions

LARGEST_LAYER = 1 << 21
"""Layers that hold so many rows are not merged any more: no single feed then pays for a long copy."""

_TIME_BITS = 44  # 200 days in µs; leaves 19 bits, half a million vehicles


class Sediment:
    """Layers of rows, each in order of vehicle and time.

    A new layer that is not much smaller than the one below is merged with it, so there are about as many layers as the
    number of rows has binary digits, and each row is copied about so often.
    """

    def __init__(self, first_us: int) -> None:
        self._first_us = first_us
        self._layers: list[tuple[Int64Array, Positions]] = []

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self._layers)

    def add(self, rows: Positions) -> None:
        """Put rows on top; any order."""
        if not len(rows):
            return
        layer = self._layer(rows)
        while self._layers and len(layer[1]) * 2 >= len(self._layers[-1][1]) and len(layer[1]) < LARGEST_LAYER:
            layer = self._layer(Positions.concat([self._layers.pop()[1], layer[1]]))
        self._layers.append(layer)

    def since(self, vehicle_ix: Int32Array, begins: Int64Array) -> Positions:
        """Rows of these vehicles (ascending) from a time on, for each its own; in no order."""
        found = []
        low, high = self._key(vehicle_ix, np.maximum(begins, self._first_us)), self._key(vehicle_ix + 1, self._first_us)
        for keys, rows in self._layers:
            start, stop = np.searchsorted(keys, low), np.searchsorted(keys, high)
            count = stop - start
            total = np.cumsum(count)
            if len(total) and total[-1]:
                found.append(rows.take(np.arange(total[-1]) + np.repeat(start - (total - count), count)))
        return Positions.concat(found)

    def _layer(self, rows: Positions) -> tuple[Int64Array, Positions]:
        keys = self._key(rows.vehicle_ix, rows.fix_time)
        order = np.argsort(keys, kind="stable")
        return keys[order], rows.take(order)

    def _key(self, vehicle_ix: Int32Array, fix_time: Int64Array | int) -> Int64Array:
        return (vehicle_ix.astype(np.int64) << _TIME_BITS) + (fix_time - self._first_us)
