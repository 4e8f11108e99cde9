"""The day that is not over: its trips and flags within seconds, at the cost of what came in.

The stream's state lives in memory and is rebuilt from the database whenever it is missing or no longer fits: after a
start, at midnight, and when zones, calendars, vehicles or exemptions change. What stands in the database afterwards is
what an audit of the whole day would put there.
"""

import pickle
from dataclasses import dataclass, field, fields
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.audit import TABLES, Tables
from analytics.duty import LeftOut, on_known_days
from analytics.stream import Stream
from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.localtime import SECOND_US, day_start_us
from geo.positions import Positions
from gongche.auditing import MARGIN_DAYS, Audited, rules_in_use, store_measured
from gongche.fleet import Fleet, load_fleet
from gongche.home import Gongche
from gongche.measuring import Measured
from gongche.weighing import settle
from rules.load import Rule
from store.opened import NOTHING_OPEN, Revisions, count_day, open_revisions, read_since
from store.positions import read_day

OVERLAP_US = 600 * SECOND_US
"""Positions are read anew from so long before the newest known one: disorder on the way is rarely longer. What comes
later still is found when the vehicle-day moved on without a new position, and else by the count of `check`."""

STORE_AT_ONCE = 256
"""Vehicles weighed and stored in one look at most, those that wait longest first: a look stays short at rush hour."""


@dataclass
class OpenDay:
    """The audit of one local day while it goes on; one thread at a time. After an error it is to be made anew."""

    gongche: Gongche
    day: int
    fleet: Fleet = field(init=False)
    _stream: Stream = field(init=False)
    _rules: list[Rule] = field(init=False)
    _revisions: dict[int, Revisions] = field(init=False, default_factory=dict)
    _unknown: dict[str, set[int]] = field(init=False, default_factory=dict)  # calendar → vehicle_ix that wait for it
    _written: dict[int, int] = field(init=False, default_factory=dict)  # vehicle_ix → fingerprint of what stands
    _waiting: dict[int, float] = field(init=False, default_factory=dict)  # vehicle_ix → since when

    def __post_init__(self) -> None:
        with self.gongche.database.connection() as conn:
            self._rules = rules_in_use(conn)
            self._rebuild(conn, self._load(conn))

    def look(self) -> Audited:
        """Take what came in since the last look, and store what it changed of the vehicles that wait longest."""
        with self.gongche.database.connection() as conn:
            self._catch_up(conn)
            longest = sorted(self._waiting, key=lambda ix: (self._waiting[ix], ix))[:STORE_AT_ONCE]
            return self._store(conn, np.array(sorted(longest), dtype=np.int32))

    def check(self) -> Audited:
        """Look, then hold all against the database: positions by their number, the fleet by its content; store the rest.

        Orders, cards and bases may have changed what is known of trips that stand: every row is compared with what was
        written, and the silences of all vehicles are asked for each other again.
        """
        with self.gongche.database.connection() as conn:
            fleet = self._load(conn)
            if _content(fleet) != _content(self.fleet):
                self._rebuild(conn, fleet)
            else:
                self.fleet = fleet
                self._stream.context = fleet.context(self._stream.context.vehicle_ids)
                self._catch_up(conn)
                self._recount(conn)
            done = self._store(conn, np.arange(len(self._ids), dtype=np.int32))
            settle(conn, self.fleet, self._rules, self.day, self.day)
            return done

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Vehicle-days that wait because their duty calendar does not know the day."""
        return tuple(
            LeftOut(calendar, self.day, self.day, len(vehicles), len(vehicles))
            for calendar, vehicles in sorted(self._unknown.items())
        )

    @property
    def _ids(self) -> Int32Array:
        return self._stream.context.vehicle_ids

    @property
    def _days(self) -> range:
        return range(self.day - MARGIN_DAYS, self.day + 1)

    def _load(self, conn: Connection[Any]) -> Fleet:
        return load_fleet(conn, self.day, self.day, self.gongche.settings.border_tolerance_m)

    def _rebuild(self, conn: Connection[Any], fleet: Fleet) -> None:
        self.fleet = fleet
        self._stream = Stream(fleet.context(np.array(sorted(fleet.vehicles), dtype=np.int32)), self.day, self.day)
        self._unknown, self._written, self._waiting = {}, {}, {}
        self._revisions = {day: open_revisions(conn, day) for day in self._days}
        for day in self._days:
            self._feed(*read_day(conn, day))

    def _catch_up(self, conn: Connection[Any]) -> None:
        """Feed the vehicle-days that moved on; revisions first, so that what comes meanwhile is seen next time."""
        for day in self._days:
            revisions = open_revisions(conn, day)
            moved = revisions.since(self._revisions.get(day, NOTHING_OPEN))
            if not np.isin(moved, self._ids).all():
                self._rebuild(conn, self._load(conn))
                return
            self._revisions[day] = revisions
            if not len(moved):
                continue
            newest = self._stream.newest(np.searchsorted(self._ids, moved).astype(np.int32))
            since = np.where(newest < day_start_us(day + 1), newest - OVERLAP_US, day_start_us(day))
            fed = self._feed(*read_since(conn, day, moved, since))
            still = moved[~fed[np.searchsorted(self._ids, moved)]]
            if len(still):
                self._feed(*read_since(conn, day, still, np.full(len(still), day_start_us(day))))

    def _recount(self, conn: Connection[Any]) -> None:
        """Read the vehicle-days again of which the database holds more than was fed."""
        for day in self._days:
            ids, counts = count_day(conn, day)
            unknown = np.array([ix for each in self._unknown.values() for ix in each], dtype=np.int64)
            compared = np.isin(ids, np.delete(self._ids, unknown))
            ids, counts = ids[compared], counts[compared]
            wrong = ids[counts != self._stream.counted(day)[np.searchsorted(self._ids, ids)]]
            if len(wrong):
                self._feed(*read_since(conn, day, wrong, np.full(len(wrong), day_start_us(day))))

    def _feed(self, positions: Positions, vehicle_ids: Int32Array) -> BoolArray:
        """Feed positions; which vehicles (by vehicle_ix) that changed."""
        changed = np.zeros(len(self._ids), dtype=np.bool_)
        context = self._stream.context
        rows = positions.with_vehicle_ix(np.searchsorted(self._ids, vehicle_ids).astype(np.int32)[positions.vehicle_ix])
        known, _ = on_known_days(
            context.calendars, context.calendar_ix, rows.vehicle_ix, rows.fix_time, self.day, self.day
        )
        if known is not None:
            for vehicle in np.unique(rows.vehicle_ix[~known]).tolist():
                calendar = context.calendars[context.calendar_ix[vehicle]].code
                self._unknown.setdefault(calendar, set()).add(vehicle)
                changed[vehicle] = True  # nothing of it is missing, so it need not be read again
            rows = rows.take(known)
        changes = self._stream.feed(rows)
        changed[changes.vehicle_ix] = True
        now = monotonic()
        for vehicle in changes.vehicle_ix.tolist():
            self._waiting.setdefault(vehicle, now)
        return changed

    def _store(self, conn: Connection[Any], vehicle_ix: Int32Array) -> Audited:
        """Weigh and store these vehicles, as far as their rows are not what was written."""
        tables = self._stream.tables(vehicle_ix)
        prints = _fingerprints(tables, len(self._ids))
        differ = np.array(
            [ix for ix in vehicle_ix.tolist() if int(prints[ix]) != self._written.get(ix, 0)], dtype=np.int32
        )
        for vehicle in vehicle_ix.tolist():
            self._waiting.pop(vehicle, None)
        if not len(differ):
            return Audited()
        tables = _renumbered(tables, differ)
        positions = int(tables.vehicle_days["positions"].sum())
        measured = Measured(self._ids[differ], positions, tables, (), 0.0)
        done = store_measured(conn, self.fleet, self._rules, measured, self.day, self.day)
        self._written |= {ix: int(prints[ix]) for ix in differ.tolist()}
        return done


def _content(fleet: Fleet) -> bytes:
    """What a stream's measuring rests on, as bytes that are equal when it is; orders, cards and bases are looked up later."""
    parts = {column.name: getattr(fleet, column.name) for column in fields(fleet)}
    for name in ("orders", "swipes", "bases"):
        del parts[name]
    return pickle.dumps({**parts, "areas": fleet.areas.zones, "zones": fleet.zones.zones})


def _fingerprints(tables: Tables, vehicles: int) -> Int64Array:
    """A number for each vehicle's rows; 0 without rows."""
    prints = np.zeros(vehicles, dtype=np.uint64)
    for number, name in enumerate(TABLES, start=1):
        table: pd.DataFrame = getattr(tables, name)
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy() * np.uint64(2 * number + 1)
        np.add.at(prints, table["vehicle_ix"].to_numpy(), rows)  # wraps
    return prints.view(np.int64)


def _renumbered(tables: Tables, vehicle_ix: Int32Array) -> Tables:
    """The rows of these vehicles, numbered 0, 1, … in their order."""
    parts = []
    for name in TABLES:
        table: pd.DataFrame = getattr(tables, name)
        rows = table[table["vehicle_ix"].isin(vehicle_ix)].reset_index(drop=True)
        parts.append(rows.assign(vehicle_ix=np.searchsorted(vehicle_ix, rows["vehicle_ix"]).astype(np.int32)))
    return Tables(*parts)
