"""The savings of a fleet from rows as a store keeps them, and where each of their inputs comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeVar

import numpy as np
import pandas as pd

from analytics.months import ancestors
from analytics.savings import CITY, Register, roll_up
from geo.arrays import BoolArray, Int32Array, Int64Array

DECLARED = {"baseline": "baseline_km_month", "consumption": "consumption_l_100km"}
"""What is declared of a vehicle → its column; `X_source` tells where it comes from."""


class Price(Protocol):
    """Something that holds from valid_from to valid_to, local days, both included."""

    @property
    def valid_from(self) -> int: ...  # noqa: D102 - as it says
    @property
    def valid_to(self) -> int: ...  # noqa: D102 - as it says


P = TypeVar("P", bound=Price)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Vehicle-months with everything that makes savings of them."""

    months: pd.DataFrame  # of `analytics.months.vehicle_months`
    vehicles: pd.DataFrame  # vehicle_id, unit_id, the columns of DECLARED and their sources; by vehicle_id
    register: Register

    @classmethod
    def of(cls, months: pd.DataFrame, vehicles: pd.DataFrame, units: pd.DataFrame) -> Self:
        """Ids become indexes into `vehicles` and `units`, which are in order of their ids.

        Parameters
        ----------
        months : vehicle_id in place of vehicle_ix.
        units : unit_id, parent_id; a parent that is not among them is none.
        """
        unit_ids = units["unit_id"].to_numpy(dtype=np.int64)
        register = Register(
            _index(unit_ids, vehicles["unit_id"]),
            vehicles["baseline_km_month"].to_numpy(dtype=np.float64) * 1000,
            vehicles["consumption_l_100km"].to_numpy(dtype=np.float64),
            _index(unit_ids, units["parent_id"].astype("Int64").fillna(-1)),
        )
        owner = _index(vehicles["vehicle_id"].to_numpy(dtype=np.int64), months["vehicle_id"])
        return cls(months.assign(vehicle_ix=owner), vehicles, register)

    def rolled(self, period_days: int = 0) -> pd.DataFrame:
        """The months, or the one period of so many days, of the city and every unit."""
        return roll_up(self.months, self.register, period_days)

    def sources(self, group: int, what: Literal["baseline", "consumption"]) -> list[tuple[str, int]]:
        """(source, vehicles) of what is declared in a unit's subtree or the city, the most frequent first."""
        declared = self.vehicles[self._members(group) & self.vehicles[DECLARED[what]].notna().to_numpy()]
        counts = declared.groupby(f"{what}_source").size()
        return sorted(
            ((str(source), int(count)) for source, count in counts.items()), key=lambda each: (-each[1], each[0])
        )

    def _members(self, group: int) -> BoolArray:
        if group == CITY:
            return np.ones(len(self.vehicles), dtype=np.bool_)
        unit, above = ancestors(self.register.parent_ix)
        return np.isin(self.register.unit_ix, unit[above == group])


def prices_of(prices: Sequence[P], from_day: int, to_day: int) -> list[P]:
    """Those that hold on any of local days [from_day, to_day]."""
    return [each for each in prices if each.valid_from <= to_day and each.valid_to >= from_day]


def _index(ids: Int64Array, wanted: "pd.Series[int]") -> Int32Array:
    """Place of each id among ascending ids, −1 where it is not there."""
    sought = wanted.to_numpy(dtype=np.int64)
    place = np.searchsorted(ids, sought)
    found = np.append(ids, -1)[place] == sought
    return np.where(found & (sought >= 0), place, -1).astype(np.int32)
