"""The audit in small steps: positions as they arrive in, and at any moment the tables that a batch of them would give.

What decides about a place lies within the stops around it (`analytics.stands`), so of each vehicle only the positions
since one of its last stops are looked at again when something new comes; what lies before is settled: its rows stand
and its sums are carried. A position that comes later than its place among the settled ones opens its vehicle again.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pandas as pd

from analytics.audit import TABLES, Tables, tables_of
from analytics.clean import usable
from analytics.context import FleetContext
from analytics.days import by_day, day_key
from analytics.kernels import mark_doubt
from analytics.measure import Measured, measure, slices
from analytics.sediment import Sediment
from analytics.stands import find_cuts
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Columns, Int32Array, Int64Array
from geo.localtime import day_start_us, local_day
from geo.positions import NO_ODOMETER, Positions, canonical

MARGIN_DAYS = 1
"""Days on both sides of the asked ones that decide about them."""

SETTLE_ROWS = 64
"""A vehicle's open positions are searched for a cut when they are so many more than after the last search, and half."""

_ALWAYS = np.iinfo(np.int64).min // 2  # so that times can be taken from it

LATE, EXTENDED, NEW = "late position", "end extended", "new positions"
"""Why a trip is not what it was: something came before what was known; more followed its end; it was not there yet."""

APPEARED, CHANGED, VANISHED = "appeared", "changed", "vanished"


@dataclass(frozen=True, slots=True)
class Changes:
    """What one feed did."""

    trips: pd.DataFrame
    """vehicle_ix, start_time, what (appeared, changed or vanished) and why, by vehicle and time; a trip that begins at
    another time than it did has vanished and appeared."""
    vehicle_ix: Int32Array
    """Vehicles whose rows were made anew, ascending; first_day: the first local day of each that may differ."""
    first_day: Int32Array
    reread: pd.DataFrame
    """Vehicle-days (vehicle_ix, day) outside the asked ones about which positions of other days decide that were fed,
    known or not: whoever keeps the positions of those days is to audit them."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Measured columns of many vehicles; `day_sums` add up, the others stand side by side."""

    trips: Columns
    stops: Columns
    vehicle_days: Columns
    dark: Columns

    @classmethod
    def of(cls, measured: Measured) -> Self:
        days = dict(measured.vehicle_days)
        metres = days["odometer_m"]
        return cls(
            measured.trips,
            measured.stops,
            days | {"odometer_m": np.nan_to_num(metres), "odometer_seen": (~np.isnan(metres)).astype(np.int64)},
            measured.dark,
        )

    @classmethod
    def joined(cls, parts: list["_Rows"]) -> "_Rows":
        return cls(*(_concat([getattr(part, table) for part in parts]) for table in TABLES))

    def take(self, chosen: BoolArray) -> "_Rows":
        """The rows of the chosen vehicles: bool by vehicle_ix."""
        return _Rows(*(_take(table, chosen[table["vehicle_ix"]]) for table in self.tables()))

    def begun(self, since: Int64Array) -> "_Rows":
        """The rows that begin at a time or later, for each vehicle its own; all the sums of days."""
        trips, stops, dark = (
            _take(table, table["start_time"] >= since[table["vehicle_ix"]])
            for table in (self.trips, self.stops, self.dark)
        )
        return _Rows(trips, stops, self.vehicle_days, dark)

    def tables(self) -> list[Columns]:
        return [getattr(self, column.name) for column in fields(self)]

    def measured(self) -> Measured:
        """In order of vehicle and time, the sums of each day added up."""
        trips, stops, dark = (_ordered(table, "start_time") for table in (self.trips, self.stops, self.dark))
        return Measured(trips, stops, _added(self.vehicle_days), dark)


class Stream:
    """An audit of local days [from_day, to_day] that takes its positions in any pieces, in any order.

    `tables` equals `analytics.audit.audit` of all that was fed, to the last bit. A feed costs what it changes: the
    positions since one of the last stops of the vehicles it brings something of; all of a vehicle's, where it is late.

    Positions of days outside [from_day − 1, to_day + 1] decide nothing and are not kept.
    """

    def __init__(self, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT) -> None:
        self.context, self.thresholds = context, thresholds
        self.from_day, self.to_day = from_day, to_day
        self._span_us = day_start_us(from_day - MARGIN_DAYS), day_start_us(to_day + MARGIN_DAYS + 1)
        self._positions = Sediment(self._span_us[0])
        vehicles = len(context.vehicle_ids)
        self._begins = np.full(vehicles, _ALWAYS)  # as `Cuts`
        self._settled = np.full(vehicles, _ALWAYS)
        self._open_after = np.full(vehicles, _ALWAYS)
        self._newest = np.full(vehicles, _ALWAYS)  # fix time of the newest position
        self._searched = np.zeros(vehicles, dtype=np.int64)  # open positions after the last search for a cut
        nothing = _Rows.of(measure(Positions.empty(), context, from_day, to_day, thresholds))
        self._open = nothing
        self._final: list[_Rows] = [nothing]

    def __len__(self) -> int:
        """Positions kept."""
        return len(self._positions)

    def newest(self, vehicle_ix: Int32Array) -> Int64Array:
        """Fix time of the newest position of each of these vehicles, µs UTC; far in the past where there is none."""
        return self._newest[vehicle_ix]

    def counted(self, day: int) -> Int64Array:
        """How many positions of a local day every vehicle has."""
        counts = np.zeros(len(self._begins), dtype=np.int64)
        for part in (*self._final, self._open):
            rows = part.vehicle_days["day"] == day
            np.add.at(counts, part.vehicle_days["vehicle_ix"][rows], part.vehicle_days["positions"][rows])
        return counts

    def feed(self, positions: Positions) -> Changes:
        """Take positions: any order, repetitions allowed, of any vehicles of the context.

        Raises
        ------
        UnknownDayError   as `audit` does. Some vehicles may have taken what is theirs by then; it can be fed again.
        """
        inside = (positions.fix_time >= self._span_us[0]) & (positions.fix_time < self._span_us[1])
        arrived = canonical(positions.take(inside))
        trips, vehicles, first_days = zip(*(self._take(part) for part in slices(arrived)), strict=True)
        return Changes(
            pd.concat(trips, ignore_index=True),
            np.concatenate(vehicles),
            np.concatenate(first_days),
            self._beyond(positions),
        )

    def _take(self, arrived: Positions) -> tuple[pd.DataFrame, Int32Array, Int32Array]:
        """Take positions of some vehicles, in canonical order; as in `Changes` what became of them."""
        touched = np.unique(arrived.vehicle_ix)
        is_late = np.zeros(len(self._begins), dtype=np.bool_)
        is_late[arrived.vehicle_ix[arrived.fix_time <= self._open_after[arrived.vehicle_ix]]] = True
        begins = np.where(is_late, _ALWAYS, self._begins)
        known = canonical(self._positions.since(touched, begins[touched]))
        rows = canonical(Positions.concat([known, arrived]))
        altered, late = self._altered(known, rows, is_late)
        if (is_late & ~late).any() or not altered[touched].all():
            begins = np.where(late, _ALWAYS, self._begins)
            rows = rows.take(altered[rows.vehicle_ix] & (rows.fix_time >= begins[rows.vehicle_ix]))
        vehicles = np.flatnonzero(altered).astype(np.int32)
        settled = np.where(late, _ALWAYS, self._settled)
        now = self._measured(rows).begun(settled)

        before = _concat(
            [self._open.take(altered).trips, *(part.take(late).trips for part in self._final if late.any())]
        )
        first_day = self._first_days(vehicles, late)
        behind = arrived.fix_time <= self._newest[arrived.vehicle_ix]
        disordered = np.zeros(len(altered), dtype=np.bool_)
        disordered[arrived.vehicle_ix[behind]] = True
        trips = _trip_changes(before, now.trips, disordered)

        self._positions.add(arrived.take(altered[arrived.vehicle_ix]))
        np.maximum.at(self._newest, arrived.vehicle_ix, arrived.fix_time)
        if late.any():
            for column in (self._begins, self._settled, self._open_after):
                column[late] = _ALWAYS
            self._searched[late] = 0
            self._final = [part.take(~late) for part in self._final]
        self._open = _Rows.joined([self._open.take(~altered), now])
        self._settle(rows)
        return trips, vehicles, first_day

    def tables(self, vehicle_ix: Int32Array | None = None) -> Tables:
        """The tables of all that was fed; of some vehicles only, where they are given."""
        parts = [*self._final, self._open]
        if vehicle_ix is not None:
            chosen = np.zeros(len(self._begins), dtype=np.bool_)
            chosen[vehicle_ix] = True
            parts = [part.take(chosen) for part in parts]
        measured = _Rows.joined(parts).measured()
        return tables_of(measured, self.context, self.from_day, self.to_day, self.thresholds)

    def _measured(self, rows: Positions) -> _Rows:
        return _Rows.of(measure(rows, self.context, self.from_day, self.to_day, self.thresholds))

    def _altered(self, known: Positions, rows: Positions, is_late: BoolArray) -> tuple[BoolArray, BoolArray]:
        """Vehicles of which something came that was not known, and those of them of which something settled did.

        The same position received again changes nothing, unless it was received earlier.
        """
        count, received = _content(rows, len(is_late))
        count_known, received_known = _content(known, len(is_late))
        altered = (count != count_known) | (received != received_known)
        late = is_late & altered
        if late.any():
            old, new = (each.take(each.fix_time <= self._open_after[each.vehicle_ix]) for each in (known, rows))
            count, received = _content(new, len(is_late))
            count_known, received_known = _content(old, len(is_late))
            late &= (count != count_known) | (received != received_known)
        return altered, late

    def _settle(self, rows: Positions) -> None:
        """Cut the tracks that have grown long, and carry what lies before."""
        length = np.bincount(rows.vehicle_ix, minlength=len(self._begins))
        long = length > self._searched * 1.5 + SETTLE_ROWS
        if not long.any():
            return
        self._searched[long] = length[long]
        tracks = rows.take(long[rows.vehicle_ix])
        cuts = find_cuts(tracks, self.thresholds)
        if not len(cuts.vehicle_ix):
            return
        cut = np.zeros(len(long), dtype=np.bool_)
        cut[cuts.vehicle_ix] = True
        self._begins[cuts.vehicle_ix] = cuts.begins
        self._settled[cuts.vehicle_ix] = cuts.settled
        self._open_after[cuts.vehicle_ix] = cuts.open_after
        tracks = tracks.take(cut[tracks.vehicle_ix])
        left = tracks.fix_time >= self._begins[tracks.vehicle_ix]
        was, now = self._open.take(cut), self._measured(tracks.take(left))
        self._searched[cut] = np.bincount(tracks.vehicle_ix[left], minlength=len(cut))[cut]
        self._open = _Rows.joined([self._open.take(~cut), now.begun(self._settled)])
        trips, stops, dark = (
            _take(table, table["start_time"] < self._settled[table["vehicle_ix"]])
            for table in (was.trips, was.stops, was.dark)
        )
        days = _subtracted(was.vehicle_days, now.vehicle_days, self._odometer_days(tracks, ~left))
        self._final.append(_Rows(trips, stops, days, dark))
        if len(self._final) > 64:
            self._final = [_Rows.joined(self._final)]

    def _odometer_days(self, tracks: Positions, chosen: BoolArray) -> Int64Array:
        """Vehicle-days of which one of the chosen positions has a usable odometer."""
        seen = chosen & usable(mark_doubt(tracks, self.thresholds)) & (tracks.odometer_m != NO_ODOMETER)
        return np.unique(day_key(tracks.vehicle_ix[seen], local_day(tracks.fix_time[seen])))

    def _first_days(self, vehicles: Int32Array, late: BoolArray) -> Int32Array:
        settled = np.where(late, _ALWAYS, self._settled)[vehicles]
        return np.maximum(local_day(np.maximum(settled, self._span_us[0])), self.from_day).astype(np.int32)

    def _beyond(self, positions: Positions) -> pd.DataFrame:
        """Vehicle-days outside the asked ones that those of these positions decide about that lie outside too."""
        day = local_day(positions.fix_time)
        elsewhere = (day < self.from_day) | (day > self.to_day)
        vehicle_ix, day = positions.vehicle_ix[elsewhere], day[elsewhere]
        pairs = [
            day_key(vehicle_ix, (day + np.int32(beside)).astype(np.int32))
            for beside in range(-MARGIN_DAYS, MARGIN_DAYS + 1)
        ]
        keys = np.unique(np.concatenate(pairs))
        vehicle, days = keys >> 31, keys & (1 << 31) - 1
        outside = (days < self.from_day) | (days > self.to_day)
        return pd.DataFrame({"vehicle_ix": vehicle[outside].astype(np.int32), "day": days[outside].astype(np.int32)})


def _content(rows: Positions, vehicles: int) -> tuple[Int64Array, Int64Array]:
    """How many positions each vehicle has, and the sum of their receipts."""
    count = np.bincount(rows.vehicle_ix, minlength=vehicles)
    total = np.concatenate(([0], np.cumsum(rows.received_at)))  # wraps, and so does the difference
    ends = np.cumsum(count)
    return count, total[ends] - total[ends - count]


def _trip_changes(before: Columns, now: Columns, late: BoolArray) -> pd.DataFrame:
    """Trips of the same vehicles before and after, held against each other by when they begin."""
    old, new = _ordered(before, "start_time"), _ordered(now, "start_time")
    tables = [pd.DataFrame(table) for table in (old, new)]
    keys = ["vehicle_ix", "start_time"]
    both = (
        tables[0][keys]
        .assign(old=np.arange(len(tables[0])))
        .merge(tables[1][keys].assign(new=np.arange(len(tables[1]))), on=keys, how="outer", sort=True)
    )
    pair = both[both["old"].notna() & both["new"].notna()]
    at_old, at_new = pair["old"].to_numpy(dtype=np.int64), pair["new"].to_numpy(dtype=np.int64)
    same = np.ones(len(pair), dtype=np.bool_)
    for name, column in old.items():
        one, other = column[at_old], new[name][at_new]
        same &= (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 - NaN is what differs from itself
    what = np.select([both["old"].isna(), both["new"].isna()], [APPEARED, VANISHED], CHANGED).astype(object)
    changed = np.ones(len(both), dtype=np.bool_)
    changed[pair.index[same]] = False
    disordered = late[both["vehicle_ix"].to_numpy(dtype=np.int64)]
    why = np.where(disordered, LATE, np.where(what == APPEARED, NEW, EXTENDED))
    found = pd.DataFrame(
        {
            "vehicle_ix": both["vehicle_ix"].astype(np.int32),
            "start_time": both["start_time"].astype(np.int64),
            "what": pd.Series(what, dtype="str"),
            "why": pd.Series(why, dtype="str"),
        }
    )
    return found[changed].reset_index(drop=True)


def _added(days: Columns) -> Columns:
    """Sums of the same vehicle-day added up, in order; no odometer where none was seen."""
    keys, at = np.unique(day_key(days["vehicle_ix"], days["day"]), return_inverse=True)
    table: Columns = {"vehicle_ix": (keys >> 31).astype(np.int32), "day": (keys & (1 << 31) - 1).astype(np.int32)}
    for name, column in days.items():
        if name not in table:
            table[name] = by_day(at, column.astype(np.float64), len(keys)).astype(column.dtype)
    seen = table.pop("odometer_seen") > 0
    return table | {"odometer_m": np.where(seen, table["odometer_m"], np.nan)}


def _subtracted(days: Columns, minus: Columns, odometer_days: Int64Array) -> Columns:
    """What is left of sums when those of a part are taken away: they are exact, so that nothing is lost."""
    negative = {name: column if name in {"vehicle_ix", "day"} else -column for name, column in minus.items()}
    left = _concat([days, negative])
    keys, first = np.unique(day_key(left["vehicle_ix"], left["day"]), return_index=True)
    at = np.searchsorted(keys, day_key(left["vehicle_ix"], left["day"]))
    table = {name: left[name][first] for name in ("vehicle_ix", "day")}
    for name, column in left.items():
        if name not in table:
            table[name] = by_day(at, column.astype(np.float64), len(keys)).astype(column.dtype)
    return table | {"odometer_seen": np.isin(keys, odometer_days).astype(np.int64)}


def _ordered(table: Columns, time: str) -> Columns:
    order = np.lexsort((table[time], table["vehicle_ix"]))
    return {name: column[order] for name, column in table.items()}


def _take(table: Columns, rows: BoolArray) -> Columns:
    return {name: column[rows] for name, column in table.items()}


def _concat(tables: list[Columns]) -> Columns:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
