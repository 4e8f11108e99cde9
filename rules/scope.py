"""Where rules apply: the units above each vehicle, and the exemptions that lift its flags."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from geo.arrays import BoolArray, Int32Array


@dataclass(frozen=True, slots=True)
class Leave:
    """An exemption as it concerns one vehicle: of the vehicle itself, or (kind `unit`) of a unit above it.

    Times are µs UTC, from `starts` to before `ends`; None: since ever, until further notice. No rule named: all rules.
    """

    exemption_id: int
    kind: str
    rule: str = ""
    starts: int | None = None
    ends: int | None = None

    def covers(self, start_time: int, end_time: int) -> bool:
        """Whether the whole of a time lies within it."""
        return (self.starts is None or self.starts <= start_time) and (self.ends is None or end_time <= self.ends)


@dataclass(frozen=True, slots=True)
class Scope:
    """Of vehicles by vehicle_ix, 0, 1, …: the codes of their unit and all above it, and their leaves."""

    units: tuple[frozenset[str], ...] = ()
    leaves: Mapping[int, tuple[Leave, ...]] = field(default_factory=dict)
    """By exemption_id; vehicles without one are left out."""

    @classmethod
    def unknown(cls) -> Self:
        """No unit is known, so that rules of certain units raise nothing, and nothing is exempted."""
        return cls()

    def within(self, codes: Collection[str], vehicle_ix: Int32Array) -> BoolArray:
        """Whether each of these vehicles is of one of these units or of one below it; bool (n,)."""
        inside = np.array([bool(units & set(codes)) for units in self.units], dtype=np.bool_)
        if not len(inside):
            return np.zeros(len(vehicle_ix), dtype=np.bool_)
        found: BoolArray = inside[vehicle_ix]
        return found

    def lifted_by(
        self, rule: str, kinds: Collection[str], vehicle_ix: int, start_time: int, end_time: int
    ) -> int | None:
        """The exemption, of these kinds, that lifts a flag of this rule over this time: the first entered; None: none."""
        for leave in self.leaves.get(vehicle_ix, ()):
            if leave.kind in kinds and leave.rule in ("", rule) and leave.covers(start_time, end_time):
                return leave.exemption_id
        return None
