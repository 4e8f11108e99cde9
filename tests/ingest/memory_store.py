"""A store in memory that behaves as the intake expects, and can be made to fail or to wait."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from fixtures.terminals import Journey
from ingest.columns import Columns
from ingest.jt808.header import terminal_key
from ingest.parcel import Media, Outcome, Parcel

START_US = 1_795_392_000_000_000  # 2026-11-23T00:00:00Z


class StoreAwayError(Exception):
    pass


class MemorySink:
    """Positions by (terminal, fix time, place); `known` None knows every terminal."""

    def __init__(self, known: set[str] | None = None) -> None:
        self.known = None if known is None else {terminal_key(each) for each in known}
        self.rows: set[tuple[str, int, int | None, int | None]] = set()
        self.received = 0
        self.refused: list[tuple[str, bytes]] = []
        self.swipes: list[str] = []
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.media: list[Media] = []
        self.groups: list[int] = []
        self.away = False
        self.poison: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()

    def write(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self.gate.wait(10)
        self._answer()
        if any(self.poison == report.raw for parcel in parcels for report in parcel.reports):
            raise ValueError("this row fits no column")
        self.groups.append(len(parcels))
        return [self._keep(parcel) for parcel in parcels]

    def refuse(self, parcel: Parcel, reason: str) -> None:
        self._answer()
        self.refused += [(reason, report.raw) for report in parcel.reports]

    def is_outage(self, error: Exception) -> bool:
        return isinstance(error, StoreAwayError)

    def _answer(self) -> None:
        if self.away:
            raise StoreAwayError("nobody answers")

    def _keep(self, parcel: Parcel) -> Outcome:
        self.refused += [(str(each.error), each.raw) for each in parcel.refused]
        self.swipes += [each.driver_card for each in parcel.swipes]
        unknown = set()
        for report in parcel.reports:
            key = terminal_key(report.terminal)
            if self.known is not None and key not in self.known:
                unknown.add(report.terminal)
                self.refused.append((f"unknown terminal {report.terminal}", report.raw))
                continue
            self.received += 1
            self.rows.add((key, report.fix_time, report.lat_e7, report.lon_e7))
        if parcel.columns is not None:
            unknown |= self._keep_columns(parcel.columns)
        self.events += [(each.kind, each.terminal, dict(each.facts)) for each in parcel.events]
        self.media += list(parcel.media)
        return Outcome(frozenset(unknown))

    def _keep_columns(self, columns: Columns) -> set[str]:
        unknown = set()
        for row, ix in enumerate(columns.positions.vehicle_ix.tolist()):
            terminal = columns.terminals[ix]
            key = terminal_key(terminal)
            if self.known is not None and key not in self.known:
                unknown.add(terminal)
                self.refused.append((f"unknown terminal {terminal}", columns.raw(row)))
                continue
            self.received += 1
            at = (int(getattr(columns.positions, name)[row]) for name in ("fix_time", "lat_e7", "lon_e7"))
            self.rows.add((key, *at))  # type: ignore[arg-type]  # three columns
        return unknown


class MemoryRegistry:
    """Codes in memory; a terminal in `strangers` is bound to no vehicle."""

    def __init__(self, strangers: set[str] | None = None) -> None:
        self.strangers = strangers or set()
        self.held: set[str] = set()
        self.dialects: dict[str, str] = {}
        self.away = False

    def register(self, terminal: str) -> str | None:
        if self.away:
            raise StoreAwayError("nobody answers")
        return None if terminal in self.strangers else f"code{terminal[-4:]}"

    def authenticate(self, terminal: str, code: str) -> bool | None:
        if terminal in self.strangers:
            return None
        return code == f"code{terminal[-4:]}"

    def holds(self, terminal: str) -> bool:
        return terminal in self.held

    def dialect(self, terminal: str) -> str:
        return self.dialects.get(terminal, "")


def journey(terminal: str, protocol: str, count: int, *, seed: int = 0, due_s: float | None = None) -> Journey:
    """A seeded walk in Guangzhou, one position each 10 s."""
    random = np.random.default_rng(seed)
    steps = np.cumsum(random.integers(-50, 50, (count, 2)), axis=0).T * 1e-5  # a longer walk begins the same
    return Journey(
        terminal,
        protocol,
        fix_time=START_US + np.arange(count, dtype=np.int64) * 10_000_000,
        lat=np.round(23.12 + steps[0], 6),
        lon=np.round(113.26 + steps[1], 6),
        speed_mps=np.full(count, 10.0),
        course_deg=np.full(count, 90.0),
        ignition=np.full(count, fill_value=True),
        odometer_m=np.arange(count, dtype=np.int64) * 100,
        fuel_l=np.full(count, 40.0),
        due_s=None if due_s is None else np.arange(count, dtype=np.float64) * due_s,
    )
