"""The vehicles a terminal was in, one after the other, and in which of them a position was taken."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from geo.arrays import Int32Array, Int64Array
from geo.positions import clock_fault

NO_VEHICLE = 0
"""No vehicle has this id."""
_EVER, _EVERMORE = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Periods:
    """The vehicle of a terminal for each of its periods, since ≤ t < until (µs UTC), in order and apart.

    since, until : int64 (k,), vehicle_ids : int32 (k,); k ≥ 1. only : the vehicle it was in always; NO_VEHICLE where
    there were several, or none for a time.
    """

    since: Int64Array
    until: Int64Array
    vehicle_ids: Int32Array
    only: int

    @classmethod
    def of(cls, periods: Iterable[tuple[int | None, int | None, int]]) -> Self:
        """Periods (since, until, vehicle_id) in order of time; None: without that end."""
        since, until, vehicle_ids = zip(*periods, strict=True)
        always = (since, until) == ((None,), (None,))
        return cls(
            np.array([_EVER if each is None else each for each in since], dtype=np.int64),
            np.array([_EVERMORE if each is None else each for each in until], dtype=np.int64),
            np.array(vehicle_ids, dtype=np.int32),
            vehicle_ids[0] if always else NO_VEHICLE,
        )

    def vehicles_at(self, fix_time: Int64Array, received_at: Int64Array) -> Int32Array:
        """vehicle_id for each position, int32 (n,), NO_VEHICLE where the terminal was in none.

        fix_time, received_at : int64 (n,)   µs UTC. The fix tells where the clock can be right, else the receipt.
        """
        at = np.where(clock_fault(fix_time, received_at), received_at, fix_time)
        place = np.searchsorted(self.since, at, side="right") - 1
        inside = (place >= 0) & (at < self.until[place])
        return np.where(inside, self.vehicle_ids[place], np.int32(NO_VEHICLE))

    def holds_at(self, at: int) -> bool:
        """Whether it was in a vehicle at an instant (µs UTC) of our own clock."""
        now = np.array([at], dtype=np.int64)
        return bool(self.vehicles_at(now, now)[0] != NO_VEHICLE)
